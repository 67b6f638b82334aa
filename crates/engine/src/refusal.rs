//! Why something was refused: typed, so that the log, the control socket and a metric can each say it their way.

use handfast_wire::numbers::NotifyType;

/// Who refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Party {
    /// We did.
    Us,
    /// The peer did.
    Peer,
}

/// A refusal with what its owner needs to mend it. What goes to the peer is `notify` alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Who refused.
    pub by: Party,
    /// What kind of refusal.
    pub cause: Cause,
    /// What was offered, in the usual notation.
    pub offered: Vec<String>,
    /// What would have been accepted.
    pub acceptable: Vec<String>,
    /// Where in the configuration to look ("handfast.toml:12").
    pub look_at: Option<String>,
}

/// Kinds of refusal; each is a metric label.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// No proposal in common for the IKE SA.
    NoIkeProposal,
    /// No proposal in common for a child.
    NoChildProposal,
    /// No connection for this pair of addresses or identities.
    NoConnection,
    /// The peer's identity is not the expected one.
    WrongIdentity,
    /// The AUTH payload does not prove the peer's identity.
    Authentication(String),
    /// Traffic selectors do not meet.
    Selectors,
    /// The message lacks or repeats payloads, or is malformed.
    Syntax(String),
    /// The peer sent an error notify.
    Notified(NotifyType),
    /// An unknown payload was marked critical.
    CriticalPayload(u8),
    /// The peer's key exchange value is not valid.
    KeyExchange(String),
    /// The plane could not install the SA.
    Plane(String),
    /// The peer does not answer.
    Timeout {
        /// What was being waited for.
        waiting_for: &'static str,
        /// How many times it was sent.
        sent: u32,
    },
    /// Something here is missing: a name that does not resolve, no route.
    Local(String),
}

impl Refusal {
    /// A refusal with nothing to compare.
    pub fn new(by: Party, cause: Cause) -> Self {
        Self { by, cause, offered: Vec::new(), acceptable: Vec::new(), look_at: None }
    }

    /// Adds what was offered.
    pub fn offered(mut self, offered: Vec<String>) -> Self {
        self.offered = offered;
        self
    }

    /// Adds what would have been accepted.
    pub fn acceptable(mut self, acceptable: Vec<String>) -> Self {
        self.acceptable = acceptable;
        self
    }

    /// Adds the place in the configuration.
    pub fn look_at(mut self, place: impl Into<String>) -> Self {
        self.look_at = Some(place.into());
        self
    }
}
