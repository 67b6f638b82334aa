//! A Kerberos realm in which nobody lies: contexts of as many rounds as a test wants, for the state machines' tests. What
//! Kerberos itself does is tested with a real KDC.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use handfast_auth::kerberos::{
    Context, Credentials, ErrorKind, Facts, Flags, GssError, LocalKerberos, Mechanism, PeerPrincipals, Principal,
    Ready, Role, Step, Target,
};
use handfast_engine::policy::Kerberos;
use handfast_wire::v1::gss::IdentityEncoding;

/// One host's access to it.
#[derive(Debug)]
pub struct Realm {
    /// Whether there are credentials.
    pub works: AtomicBool,
    /// Tokens of the initiator.
    rounds: usize,
    /// What the first token is filled up to, in octets.
    size: usize,
}

impl Realm {
    /// With contexts of one token each way.
    pub fn new() -> Arc<Self> {
        Self::with(1, 0)
    }

    /// With this many tokens of the initiator, and one of the responder's fewer, or as many if it is one; and a first token
    /// of so many octets at least.
    pub fn with(rounds: usize, size: usize) -> Arc<Self> {
        Arc::new(Self {
            works: AtomicBool::new(true),
            rounds,
            size,
        })
    }

    /// Kerberos for the host that is called so, towards another.
    pub fn kerberos(self: &Arc<Self>, own: &str, peer: &str) -> Arc<Kerberos> {
        let principal: Principal = parsed(&format!("host/{own}@SIM"));
        let target: Principal = parsed(&format!("host/{peer}@SIM"));
        let local = LocalKerberos {
            mechanism: self.clone(),
            credentials: Credentials {
                principal: Some(principal.clone()),
                ..Credentials::default()
            },
            peers: PeerPrincipals::only(&target),
            target: Some(Target::Principal(target)),
            flags: Flags::WANTED,
        };
        Arc::new(Kerberos {
            local: Arc::new(local),
            identity: principal.to_string(),
            encoding: IdentityEncoding::Utf16Le,
            framing: None,
            hashed: None,
            fallback: true,
        })
    }

    fn context(&self, own: &Credentials, target: Option<&Target>) -> Result<Box<dyn Context>, GssError> {
        if !self.works.load(Ordering::Relaxed) {
            return Err(GssError::local(ErrorKind::NoKdc, "getting a ticket", "no KDC answers"));
        }
        let no_name = || GssError::local(ErrorKind::NoCredentials, "getting a ticket", "no principal");
        Ok(Box::new(Talk {
            own: own.principal.clone().ok_or_else(no_name)?,
            target: match target {
                Some(Target::Principal(principal)) => Some(principal.clone()),
                _ => None,
            },
            peer: None,
            left: if target.is_some() { self.rounds } else { self.rounds - 1 },
            size: self.size,
            initiator: target.is_some(),
            rounds: self.rounds,
        }))
    }
}

impl Mechanism for Realm {
    fn ready(&self, own: &Credentials, _: Role) -> Result<Ready, GssError> {
        self.context(own, None)?;
        let no_name = || GssError::local(ErrorKind::NoCredentials, "looking for credentials", "no principal");
        Ok(Ready {
            principal: own.principal.clone().ok_or_else(no_name)?,
            lifetime: 3600,
        })
    }

    fn initiate(&self, own: &Credentials, target: &Target, _: Flags) -> Result<Box<dyn Context>, GssError> {
        self.context(own, Some(target))
    }

    fn accept(&self, own: &Credentials) -> Result<Box<dyn Context>, GssError> {
        self.context(own, None)
    }
}

/// A context.
#[derive(Clone, Debug)]
struct Talk {
    own: Principal,
    target: Option<Principal>,
    peer: Option<Principal>,
    /// Tokens that this side still has to make.
    left: usize,
    size: usize,
    initiator: bool,
    rounds: usize,
}

const BAD: &str = "making the context";

impl Context for Talk {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step, GssError> {
        let bad = || GssError::peer(ErrorKind::BadToken, BAD, "the token is not one of this realm");
        if let Some(token) = token {
            let text = token.strip_prefix(&[0x60]).and_then(|t| std::str::from_utf8(t).ok());
            let (from, to) = text.and_then(|t| t.trim_end().split_once('>')).ok_or_else(bad)?;
            if to != self.own.to_string() {
                return Err(GssError::local(
                    ErrorKind::NoCredentials,
                    BAD,
                    format!("no key of {to}"),
                ));
            }
            self.peer = Some(parsed(from));
        }
        let to = self.target.clone().or_else(|| self.peer.clone()).ok_or_else(bad)?;
        let last = match self.initiator {
            // One token, answered by the responder's; or several, the last of which nobody answers.
            true => self.left == 0 || self.rounds > 1 && self.left == 1 && token.is_some(),
            false => self.rounds == 1 || self.left == 0,
        };
        let wants = if self.initiator {
            self.left > 0
        } else {
            self.rounds == 1 || self.left > 0
        };
        self.left = self.left.saturating_sub(1);
        let text = format!("{}>{to}", self.own);
        let text = format!("{text:<width$}", width = self.size);
        Ok(Step {
            token: wants.then(|| [&[0x60], text.as_bytes()].concat()),
            complete: last,
        })
    }

    fn facts(&self) -> Result<Facts, GssError> {
        let unknown = || GssError::peer(ErrorKind::BadToken, BAD, "the context is not complete");
        let peer = self.peer.clone().ok_or_else(unknown)?;
        let (source, target) = match self.initiator {
            true => (self.own.clone(), peer),
            false => (peer, self.own.clone()),
        };
        Ok(Facts {
            source,
            target,
            flags: Flags::WANTED,
            is_kerberos: true,
            lifetime: 3600,
        })
    }

    fn wrap(&mut self, data: &[u8]) -> Result<Vec<u8>, GssError> {
        Ok([&[5], data].concat())
    }

    fn unwrap(&mut self, token: &[u8]) -> Result<Vec<u8>, GssError> {
        let data = token.strip_prefix(&[5]).map(<[u8]>::to_vec);
        data.ok_or_else(|| GssError::peer(ErrorKind::BadToken, "unwrapping", "it was not wrapped"))
    }
}

fn parsed(text: &str) -> Principal {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}
