//! Contexts of the library.

use std::ffi::CString;
use std::fmt;

use super::Kerberos;
use crate::kerberos::credentials::Credentials;
use crate::kerberos::error::{ErrorKind, GssError, Reading};
use crate::kerberos::ffi::{Cred, Failure, NT_HOSTBASED, NT_PRINCIPAL, Name, SecContext, Usage};
use crate::kerberos::mechanism::{Context, Facts, Flags, Mechanism, Ready, Step};
use crate::kerberos::principal::{Principal, Target};
use crate::kerberos::question::Role;

const CREDENTIALS: &str = "looking for credentials";

fn error(failure: Failure, reading: Reading, stage: &'static str) -> GssError {
    let kind = ErrorKind::of(failure.major, failure.minor, reading);
    GssError::local(kind, stage, failure.words)
}

impl Kerberos {
    /// The credentials of one side.
    fn credentials(&self, own: &Credentials, usage: Usage) -> Result<Cred, GssError> {
        let failed = |failure| error(failure, Reading::Nothing, CREDENTIALS);
        let principal = own.principal.as_ref().map(ToString::to_string);
        let name = principal.map(|text| Name::import(&self.api, &text, NT_PRINCIPAL));
        let name = name.transpose().map_err(failed)?;
        let wanted = match usage {
            Usage::Initiate => [("ccache", own.initiator_cache()), ("client_keytab", own.keytab.clone())],
            Usage::Accept => [("keytab", own.keytab.clone()), ("rcache", own.rcache.clone())],
        };
        let mut store = Vec::new();
        for (key, value) in wanted {
            let Some(value) = value else { continue };
            let pair = CString::new(key).and_then(|key| Ok((key, CString::new(value)?)));
            store.push(pair.map_err(|_| {
                GssError::local(
                    ErrorKind::NoCredentials,
                    CREDENTIALS,
                    format!("{key}: a NUL stands in its name"),
                )
            })?);
        }
        Cred::acquire(&self.api, name.as_ref(), usage, &store).map_err(|failure| {
            let mut error = failed(failure);
            // The library does not say where it looked.
            if error.kind == ErrorKind::NoCredentials {
                error.words = format!("{} (looked {})", error.words, own.place());
            }
            error
        })
    }
}

impl Mechanism for Kerberos {
    fn ready(&self, own: &Credentials, role: Role) -> Result<Ready, GssError> {
        let usage = match role {
            Role::Initiator => Usage::Initiate,
            Role::Responder => Usage::Accept,
        };
        let cred = self.credentials(own, usage)?;
        let (name, lifetime) = cred
            .inquire()
            .map_err(|failure| error(failure, Reading::Nothing, "getting a first ticket"))?;
        Ok(Ready {
            principal: principal(&name, CREDENTIALS)?,
            lifetime,
        })
    }

    fn initiate(&self, own: &Credentials, target: &Target, flags: Flags) -> Result<Box<dyn Context>, GssError> {
        let cred = self.credentials(own, Usage::Initiate)?;
        let (text, kind) = match target {
            Target::Principal(principal) => (principal.to_string(), NT_PRINCIPAL),
            Target::Service { service, host } => (format!("{service}@{host}"), NT_HOSTBASED),
        };
        let target = Name::import(&self.api, &text, kind)
            .map_err(|failure| error(failure, Reading::Nothing, "getting a ticket"))?;
        Ok(Box::new(LibraryContext {
            context: SecContext::new(&self.api),
            cred,
            target: Some((target, flags)),
        }))
    }

    fn accept(&self, own: &Credentials) -> Result<Box<dyn Context>, GssError> {
        Ok(Box::new(LibraryContext {
            context: SecContext::new(&self.api),
            cred: self.credentials(own, Usage::Accept)?,
            target: None,
        }))
    }

    fn forget(&self, own: &Credentials) {
        let ours = own.initiator_cache().filter(|_| own.ccache.is_none());
        if let Some(name) = ours.and_then(|name| CString::new(name).ok()) {
            self.api.destroy_cache(&name);
        }
    }
}

struct LibraryContext {
    context: SecContext,
    cred: Cred,
    /// Of an initiator.
    target: Option<(Name, Flags)>,
}

impl Context for LibraryContext {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step, GssError> {
        let (stepped, reading, stage) = match (&self.target, token) {
            (Some((target, flags)), None) => {
                let stepped = self.context.init(&self.cred, target, flags.0, None);
                (stepped, Reading::Nothing, "getting a ticket")
            }
            (Some((target, flags)), token) => {
                let stepped = self.context.init(&self.cred, target, flags.0, token);
                (stepped, Reading::Answer, "reading the peer's answer")
            }
            (None, token) => {
                let stepped = self.context.accept(&self.cred, token.unwrap_or_default());
                (stepped, Reading::Question, "opening the peer's ticket")
            }
        };
        let (token, complete) = stepped.map_err(|failure| error(failure, reading, stage))?;
        Ok(Step {
            token: Some(token).filter(|token| !token.is_empty()),
            complete,
        })
    }

    fn facts(&self) -> Result<Facts, GssError> {
        const STAGE: &str = "judging the context";
        let found = self
            .context
            .inquire()
            .map_err(|failure| error(failure, Reading::Nothing, STAGE))?;
        if !found.complete {
            return Err(GssError::local(ErrorKind::Other, STAGE, "the context is not complete"));
        }
        Ok(Facts {
            source: principal(&found.source, STAGE)?,
            target: principal(&found.target, STAGE)?,
            flags: Flags(found.flags),
            is_kerberos: found.is_kerberos,
            lifetime: found.lifetime,
        })
    }

    fn wrap(&mut self, data: &[u8]) -> Result<Vec<u8>, GssError> {
        let confidential = self.facts()?.flags.contains(Flags::CONF);
        let wrapped = self.context.wrap(confidential, data);
        wrapped.map_err(|failure| error(failure, Reading::Nothing, "wrapping our hash"))
    }

    fn unwrap(&mut self, token: &[u8]) -> Result<Vec<u8>, GssError> {
        const STAGE: &str = "unwrapping the peer's hash";
        let unwrapped = self.context.unwrap(token);
        let (data, major) = unwrapped.map_err(|failure| error(failure, Reading::Answer, STAGE))?;
        // RFC 2744 section 3.9.1: DUPLICATE_TOKEN, OLD_TOKEN. Not asked for, so that a context has no reason to say it.
        if major & (2 | 4) != 0 {
            return Err(GssError::peer(ErrorKind::Replay, STAGE, "the token was used before"));
        }
        Ok(data)
    }
}

/// A name that the library gives. It must be text, or it could not be compared with what people wrote.
fn principal(name: &Name, stage: &'static str) -> Result<Principal, GssError> {
    let octets = name
        .display()
        .map_err(|failure| error(failure, Reading::Nothing, stage))?;
    let text = String::from_utf8(octets)
        .map_err(|_| GssError::local(ErrorKind::Other, stage, "a principal's name is not UTF-8"))?;
    let parsed = text.parse::<Principal>();
    parsed.map_err(|why| GssError::local(ErrorKind::Other, stage, format!("{}: {why}", text.escape_debug())))
}

impl fmt::Debug for LibraryContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.target.is_some() {
            "initiator's context"
        } else {
            "acceptor's context"
        })
    }
}
