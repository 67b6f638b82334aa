//! The system's library as a [`Mechanism`]: MIT Kerberos, found when the program runs.

#[cfg(feature = "kerberos")]
mod contexts;

use std::fmt;
#[cfg(feature = "kerberos")]
use std::sync::Arc;
use std::sync::OnceLock;

use super::credentials::Credentials;
use super::error::{ErrorKind, GssError};
#[cfg(feature = "kerberos")]
use super::ffi;
use super::mechanism::{Context, Flags, Mechanism, Ready};
use super::principal::Target;
use super::question::Role;

/// The library's name, by which the loader finds it.
pub const LIBRARY: &str = "libgssapi_krb5.so.2";

/// MIT's GSS-API library, loaded.
pub struct Kerberos {
    /// Its name or path.
    path: String,
    #[cfg(feature = "kerberos")]
    api: Arc<ffi::Api>,
}

impl Kerberos {
    /// Loads the system's library. It reads KRB5_CONFIG and the like from the environment as it is.
    ///
    /// # Errors
    /// One sentence: there is none, or it is not MIT's.
    pub fn load() -> Result<Self, GssError> {
        Self::load_from(LIBRARY)
    }

    /// Loads the library of this name or path.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    #[cfg(feature = "kerberos")]
    pub fn load_from(path: &str) -> Result<Self, GssError> {
        let words = |failure| match failure {
            ffi::LoadFailure::Missing(why) => format!("the library {path} cannot be loaded: {why}"),
            ffi::LoadFailure::Lacks(function) => {
                format!("{path} is not MIT's library, it lacks {function}: other implementations are not supported")
            }
        };
        let api = ffi::Api::load(path).map_err(|failure| Self::no_library(words(failure)))?;
        Ok(Self {
            path: path.to_owned(),
            api,
        })
    }

    /// There is no way to.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "kerberos"))]
    pub fn load_from(_path: &str) -> Result<Self, GssError> {
        Err(Self::no_library(WITHOUT))
    }

    /// Its name or path.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn no_library(words: impl Into<String>) -> GssError {
        GssError::local(ErrorKind::NoLibrary, "loading the GSS-API library", words)
    }
}

/// The system's library, loaded when it is first needed, and looked for again as long as it is missing.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl System {
    /// The library.
    ///
    /// # Errors
    /// As [`Kerberos::load`].
    pub fn library() -> Result<&'static Kerberos, GssError> {
        static LOADED: OnceLock<Kerberos> = OnceLock::new();
        match LOADED.get() {
            Some(library) => Ok(library),
            None => {
                let library = Kerberos::load()?;
                Ok(LOADED.get_or_init(|| library))
            }
        }
    }
}

impl Mechanism for System {
    fn ready(&self, own: &Credentials, role: Role) -> Result<Ready, GssError> {
        Self::library()?.ready(own, role)
    }

    fn initiate(&self, own: &Credentials, target: &Target, flags: Flags) -> Result<Box<dyn Context>, GssError> {
        Self::library()?.initiate(own, target, flags)
    }

    fn accept(&self, own: &Credentials) -> Result<Box<dyn Context>, GssError> {
        Self::library()?.accept(own)
    }

    fn forget(&self, own: &Credentials) {
        if let Ok(library) = Self::library() {
            library.forget(own);
        }
    }
}

impl fmt::Debug for Kerberos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kerberos({})", self.path)
    }
}

/// Nobody can have one without the library.
#[cfg(not(feature = "kerberos"))]
impl Mechanism for Kerberos {
    fn ready(&self, _: &Credentials, _: Role) -> Result<Ready, GssError> {
        Err(Self::no_library(WITHOUT))
    }

    fn initiate(&self, _: &Credentials, _: &Target, _: Flags) -> Result<Box<dyn Context>, GssError> {
        Err(Self::no_library(WITHOUT))
    }

    fn accept(&self, _: &Credentials) -> Result<Box<dyn Context>, GssError> {
        Err(Self::no_library(WITHOUT))
    }
}

#[cfg(not(feature = "kerberos"))]
const WITHOUT: &str = "this program was built without it";

#[cfg(all(test, feature = "kerberos"))]
mod tests {
    use super::*;

    fn refused(path: &str) -> String {
        Kerberos::load_from(path)
            .map(drop)
            .map_or_else(|error| error.to_string(), |()| "loaded".to_owned())
    }

    #[test]
    fn without_a_library_one_sentence_says_so() {
        let said = refused("libnosuch_gssapi.so.9");
        assert!(
            said.contains("libnosuch_gssapi.so.9 cannot be loaded") && said.contains("libgssapi-krb5-2"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1);
    }

    #[test]
    fn a_library_of_another_kind_is_refused() {
        let said = refused("libc.so.6");
        assert!(
            said.contains("is not MIT's library, it lacks gss_acquire_cred_from"),
            "{said}"
        );
    }
}
