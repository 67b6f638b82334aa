//! Where security contexts come from. The system's library is one such place; a simulation has another.

use std::fmt;

use super::credentials::Credentials;
use super::error::GssError;
use super::principal::{Principal, Target};
use super::question::Role;

/// Makes contexts of Kerberos.
pub trait Mechanism: fmt::Debug + Send + Sync {
    /// Looks for the credentials of a role. An initiator's first ticket is fetched, unless it is here already.
    ///
    /// # Errors
    /// Why there are none.
    fn ready(&self, own: &Credentials, role: Role) -> Result<Ready, GssError>;

    /// Begins as initiator. Reads files; may talk to the KDC.
    ///
    /// # Errors
    /// Why there are no credentials.
    fn initiate(&self, own: &Credentials, target: &Target, flags: Flags) -> Result<Box<dyn Context>, GssError>;

    /// Begins as acceptor. Reads files.
    ///
    /// # Errors
    /// Why there are no credentials.
    fn accept(&self, own: &Credentials) -> Result<Box<dyn Context>, GssError>;

    /// Forgets the tickets that it keeps in memory for these credentials, so that the next are fresh. Those of a
    /// configured cache stay.
    fn forget(&self, own: &Credentials) {
        let _ = own;
    }
}

/// A security context on its way to completion, or there.
pub trait Context: fmt::Debug + Send {
    /// Takes the peer's token (`None`: the initiator's first step) and makes the next. May talk to the KDC.
    ///
    /// # Errors
    /// Why it came to nothing. The context is then of no further use.
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step, GssError>;

    /// What a complete context is.
    ///
    /// # Errors
    /// If it is not complete.
    fn facts(&self) -> Result<Facts, GssError>;

    /// GSS_Wrap. Talks to nobody.
    ///
    /// # Errors
    /// If the context is not complete, or has expired.
    fn wrap(&mut self, data: &[u8]) -> Result<Vec<u8>, GssError>;

    /// GSS_Unwrap. Talks to nobody.
    ///
    /// # Errors
    /// If the token is not the peer's, or is an old one.
    fn unwrap(&mut self, token: &[u8]) -> Result<Vec<u8>, GssError>;
}

/// Credentials that are there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ready {
    /// Whose they are: our name in the identity attribute. A responder's are of any principal in its keytab, the first
    /// of which this is, unless one is configured.
    pub principal: Principal,
    /// Seconds until an initiator's first ticket ends.
    pub lifetime: u32,
}

/// The outcome of a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// For the peer, if there is one.
    pub token: Option<Vec<u8>>,
    /// Whether the context says that it is complete; a missing token does not say so.
    pub complete: bool,
}

/// What a complete context is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The initiator, as proved.
    pub source: Principal,
    /// The acceptor, as proved if [`Flags::MUTUAL`] is set.
    pub target: Principal,
    /// What both sides agreed on.
    pub flags: Flags,
    /// Whether the mechanism is Kerberos V5.
    pub is_kerberos: bool,
    /// Seconds until the ticket ends.
    pub lifetime: u32,
}

/// Services of a context (RFC 2744 section 5.19).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flags(pub u32);

impl Flags {
    /// Both sides prove who they are.
    pub const MUTUAL: Self = Self(2);
    /// What is wrapped can be encrypted.
    pub const CONF: Self = Self(16);
    /// What is wrapped is authentic.
    pub const INTEG: Self = Self(32);
    /// MIT's extension that has three tokens: what shows that more rounds than one work.
    pub const DCE_STYLE: Self = Self(0x1000);

    /// What an initiator asks for: mutual authentication and integrity MUST, confidentiality SHOULD be there (draft
    /// section 3). Neither sequence nor replay detection: IKE has its own order, and with them a datagram that was
    /// lost would be an error.
    pub const WANTED: Self = Self(Self::MUTUAL.0 | Self::CONF.0 | Self::INTEG.0);
    /// What both sides insist on.
    pub const REQUIRED: Self = Self(Self::MUTUAL.0 | Self::INTEG.0);

    /// Whether all of `other` is in it.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
