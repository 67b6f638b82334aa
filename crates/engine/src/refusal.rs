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
    /// Transport or tunnel mode: why it cannot be.
    Mode(String),
    /// The IKE SA has as many child SAs as it may.
    TooManyChildren(usize),
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
        Self {
            by,
            cause,
            offered: Vec::new(),
            acceptable: Vec::new(),
            look_at: None,
        }
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

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.by {
            Party::Us => write!(f, "{}", self.cause)?,
            Party::Peer => write!(f, "the peer: {}", self.cause)?,
        }
        if !self.offered.is_empty() {
            write!(f, "; offered: {}", self.offered.join(" | "))?;
        }
        if !self.acceptable.is_empty() {
            write!(f, "; would be accepted: {}", self.acceptable.join(" | "))?;
        }
        if let Some(hint) = self.hint() {
            write!(f, "; {hint}")?;
        }
        if let Some(place) = &self.look_at {
            write!(f, "; see {place}")?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoIkeProposal => f.write_str("no proposal in common for the IKE SA"),
            Self::NoChildProposal => f.write_str("no proposal in common for the child SA"),
            Self::NoConnection => f.write_str("no connection for these addresses"),
            Self::WrongIdentity => f.write_str("the peer's identity is not the expected one"),
            Self::Authentication(why) => write!(f, "authentication failed: {why}"),
            Self::Selectors => f.write_str("the traffic selectors do not meet"),
            Self::Mode(why) => f.write_str(why),
            Self::TooManyChildren(most) => write!(
                f,
                "there are {most} child SAs already, the most that one IKE SA may have"
            ),
            Self::Syntax(why) => write!(f, "message not valid: {why}"),
            Self::Notified(notify) => write!(f, "{notify}"),
            Self::CriticalPayload(kind) => write!(f, "unknown critical payload of type {kind}"),
            Self::KeyExchange(why) => write!(f, "key exchange failed: {why}"),
            Self::Plane(why) => write!(f, "the SA cannot be installed: {why}"),
            Self::Timeout { waiting_for, sent } => write!(f, "no {waiting_for} (sent {sent} times)"),
            Self::Local(why) => f.write_str(why),
        }
    }
}

impl Cause {
    /// A short name that never changes, for metrics and `--json`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NoIkeProposal => "no_ike_proposal",
            Self::NoChildProposal => "no_child_proposal",
            Self::NoConnection => "no_connection",
            Self::WrongIdentity => "wrong_identity",
            Self::Authentication(_) => "authentication",
            Self::Selectors => "selectors",
            Self::Mode(_) => "mode",
            Self::TooManyChildren(_) => "too_many_children",
            Self::Syntax(_) => "syntax",
            Self::Notified(_) => "notified",
            Self::CriticalPayload(_) => "critical_payload",
            Self::KeyExchange(_) => "key_exchange",
            Self::Plane(_) => "plane",
            Self::Timeout { .. } => "timeout",
            Self::Local(_) => "local",
        }
    }
}

impl Refusal {
    /// Likely causes, where the peer's word alone does not tell.
    pub fn hint(&self) -> Option<&'static str> {
        if self.by != Party::Peer {
            return None;
        }
        Some(match &self.cause {
            Cause::Notified(NotifyType::AUTHENTICATION_FAILED) => {
                "likely the secrets differ, or the peer does not know our identity or expects another of itself"
            }
            Cause::Notified(NotifyType::NO_PROPOSAL_CHOSEN) => {
                "likely the peer has no connection for our address, or allows none of these algorithms"
            }
            Cause::NoChildProposal => "likely the peer allows none of these algorithms for ESP, or another mode",
            Cause::Selectors => "the peer's subnets are others: its local is our remote",
            Cause::Notified(NotifyType::SINGLE_PAIR_REQUIRED) => {
                "the peer wants a child SA for each pair of addresses: children with one address in local_subnet and \
                 one in remote_subnet"
            }
            Cause::Notified(NotifyType::NO_ADDITIONAL_SAS) => {
                "likely the peer allows no further child SA on one IKE SA, or could not install it"
            }
            Cause::Timeout { .. } => {
                "likely the peer is down, a firewall drops UDP 500 or 4500, or the address is wrong"
            }
            _ => return None,
        })
    }
}
