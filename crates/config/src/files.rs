//! Files with certificates, keys and CRLs that a configuration names.

use std::path::{Path, PathBuf};

use handfast_auth::certificate::pkcs12::Pkcs12Error;
use handfast_auth::certificate::{Bundle, BundleError, PrivateKeyError};
use handfast_crypto::secret::Secret;

use crate::section::Reader;

/// Whose things a file holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Ours: with a private key in it, others must not read it.
    Own,
    /// Those of peers and CAs.
    Peers,
}

/// What `ca` names.
pub(crate) struct Authorities {
    /// Its path.
    pub shown: String,
    /// What is in it.
    pub bundle: Bundle,
    /// Whether it is a directory, in which other things may be as well.
    pub directory: bool,
}

impl Reader<'_> {
    /// The octets of a file, and its path as it is told to people.
    pub fn file(&mut self, at: usize, key: &str, named: &str) -> Option<(String, Vec<u8>)> {
        let path = self.named(at, key, named)?;
        let octets = self.octets(at, key, &path)?;
        Some((path.display().to_string(), octets))
    }

    /// What is in a file of certificates, keys or CRLs.
    pub fn bundle(
        &mut self,
        at: usize,
        key: &str,
        named: &str,
        passphrase: Option<&Secret>,
        purpose: Purpose,
    ) -> Option<(String, Bundle)> {
        let path = self.named(at, key, named)?;
        let bundle = self.bundle_of(at, key, &path, passphrase, purpose)?;
        Some((path.display().to_string(), bundle))
    }

    /// What is in a file, or in all files of a directory that hold anything known.
    pub fn authorities(&mut self, at: usize, key: &str, named: &str) -> Option<Authorities> {
        let path = self.named(at, key, named)?;
        let shown = path.display().to_string();
        let Ok(Some(mut entries)) = self.files.list(&path) else {
            let bundle = self.bundle_of(at, key, &path, None, Purpose::Peers)?;
            return Some(Authorities {
                shown,
                bundle,
                directory: false,
            });
        };
        self.watch(path);
        entries.sort();
        let mut bundle = Bundle::default();
        for entry in entries {
            // A directory of CAs has other things in it as well, and one that is half written may become whole.
            let other = self.files.read(&entry).ok();
            if let Some(Ok(other)) = other.map(|octets| Bundle::read(&octets, None)) {
                bundle.append(other);
            }
            self.watch(entry);
        }
        Some(Authorities {
            shown,
            bundle,
            directory: true,
        })
    }

    /// Remembers that the configuration depends on this file or directory.
    pub fn watch(&mut self, path: PathBuf) {
        if !self.watched.contains(&path) {
            self.watched.push(path);
        }
    }

    /// The path that a value names, relative to the configuration.
    pub fn beside(&self, named: &str) -> PathBuf {
        let beside = Path::new(self.file).parent().unwrap_or(Path::new(""));
        beside.join(named)
    }

    fn named(&mut self, at: usize, key: &str, named: &str) -> Option<PathBuf> {
        if named.contains("-----BEGIN") || named.contains('\n') {
            let message = format!("{key} is a path, and this is the thing itself");
            self.error(at, message, "a path", "put it into a file of its own");
            return None;
        }
        if named.is_empty() {
            self.error(at, format!("{key} is empty"), "a path", "");
            return None;
        }
        Some(self.beside(named))
    }

    fn octets(&mut self, at: usize, key: &str, path: &Path) -> Option<Vec<u8>> {
        self.watch(path.to_path_buf());
        match self.files.read(path) {
            Ok(octets) => Some(octets),
            Err(why) => {
                let message = format!("{key}: {}: {why}", path.display());
                self.error(at, message, "a file that can be read", "");
                None
            }
        }
    }

    fn bundle_of(
        &mut self,
        at: usize,
        key: &str,
        path: &Path,
        passphrase: Option<&Secret>,
        purpose: Purpose,
    ) -> Option<Bundle> {
        // Erased, whatever is in it.
        let octets = Secret::new(self.octets(at, key, path)?);
        let bundle = match Bundle::read(octets.as_bytes(), passphrase) {
            Ok(bundle) => bundle,
            Err(why) => {
                let message = format!("{key}: {}: {why}", path.display());
                let (expected, hint) = match why {
                    BundleError::Key {
                        error: PrivateKeyError::Encrypted,
                        ..
                    }
                    | BundleError::Pkcs12(Pkcs12Error::NoPassphrase) => ("key_passphrase_file = \"PATH\"", ""),
                    BundleError::Key {
                        error: PrivateKeyError::Passphrase,
                        ..
                    }
                    | BundleError::Pkcs12(Pkcs12Error::Passphrase) => (
                        "its passphrase in key_passphrase_file",
                        "that file's end of line does not count",
                    ),
                    BundleError::Unknown => ("a PEM, DER or PKCS#12 file", ""),
                    _ => ("", ""),
                };
                self.error(at, message, expected, hint);
                return None;
            }
        };
        // What others can read proves nothing.
        if purpose == Purpose::Own && !bundle.keys.is_empty() && !self.check_mode_of(at, path) {
            return None;
        }
        if purpose == Purpose::Peers && !bundle.keys.is_empty() {
            let message = format!("{key}: {} holds a private key", path.display());
            self.warning(at, message, "it is not used, and belongs elsewhere");
        }
        Some(bundle)
    }
}
