//! Why something was refused: typed, so that the log, the control socket and a metric can each say it their way.

use std::net::SocketAddr;

use handfast_store::refusals::RefusalFacts;
use handfast_wire::numbers::NotifyType;
use handfast_wire::selector::TrafficSelector;

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
    /// What the peer said, where it did.
    pub told: Option<Told>,
    /// What was offered, in the usual notation.
    pub offered: Box<[String]>,
    /// What would have been accepted.
    pub acceptable: Box<[String]>,
    /// Where in the configuration to look ("handfast.toml:12 (ike)").
    pub look_at: Option<Box<str>>,
    /// The connection that whoever was refused seemed to mean, though that is not proved.
    pub meant: Option<Box<str>>,
}

/// A notify of the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// In IKEv2.
    V2(NotifyType),
    /// In IKEv1.
    V1(handfast_wire::numbers::v1::NotifyType),
}

impl From<NotifyType> for Told {
    fn from(notify: NotifyType) -> Self {
        Self::V2(notify)
    }
}

impl From<handfast_wire::numbers::v1::NotifyType> for Told {
    fn from(notify: handfast_wire::numbers::v1::NotifyType) -> Self {
        Self::V1(notify)
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::V2(notify) => write!(f, "{notify}"),
            Self::V1(notify) => write!(f, "{notify}"),
        }
    }
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
    /// The connection for these addresses does not answer this version of IKE.
    Version(u8),
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
    /// The peer sent an error notify of IKEv1.
    NotifiedV1(handfast_wire::numbers::v1::NotifyType),
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

/// At most so many offers or accepted values are listed, and so much of each: a peer chooses what it offers.
const LISTED: usize = 8;
const LONGEST: usize = 400;

/// The first few as text, and how many more there are.
pub(crate) fn listed<T>(items: impl IntoIterator<Item = T>, text: impl Fn(T) -> String) -> Vec<String> {
    let mut items = items.into_iter();
    let mut list: Vec<String> = items.by_ref().take(LISTED).map(text).collect();
    match items.count() {
        0 => {}
        more => list.push(format!("and {more} more")),
    }
    list
}

/// Both ends' selectors, as the side that says it sees them.
pub(crate) fn ends(here: &[TrafficSelector], there: &[TrafficSelector]) -> String {
    let text = |list: &[TrafficSelector]| listed(list, ToString::to_string).join(" ");
    format!("here {}, there {}", text(here), text(there))
}

impl Refusal {
    /// A refusal with nothing to compare.
    pub fn new(by: Party, cause: Cause) -> Self {
        let told = match cause {
            Cause::Notified(notify) => Some(notify.into()),
            Cause::NotifiedV1(notify) => Some(notify.into()),
            _ => None,
        };
        Self {
            by,
            cause,
            told,
            offered: Box::default(),
            acceptable: Box::default(),
            look_at: None,
            meant: None,
        }
    }

    /// The peer refuses: what it said, and what that means here.
    pub fn told(notify: impl Into<Told>, cause: Cause) -> Self {
        Self {
            told: Some(notify.into()),
            ..Self::new(Party::Peer, cause)
        }
    }

    /// Adds what was offered.
    pub fn offered(mut self, offered: Vec<String>) -> Self {
        self.offered = bounded(offered);
        self
    }

    /// Adds what would have been accepted.
    pub fn acceptable(mut self, acceptable: Vec<String>) -> Self {
        self.acceptable = bounded(acceptable);
        self
    }

    /// Adds the place in the configuration.
    pub fn look_at(mut self, place: impl Into<String>) -> Self {
        self.look_at = Some(place.into().into());
        self
    }

    /// Adds the connection that seems to be meant.
    pub fn meant(mut self, connection: &str) -> Self {
        self.meant = Some(connection.into());
        self
    }

    /// As data, for the status and other programs.
    pub fn facts(&self, connection: Option<&str>, remote: SocketAddr) -> RefusalFacts {
        RefusalFacts {
            connection: connection
                .map(Into::into)
                .or_else(|| self.meant.as_deref().map(Into::into)),
            remote: remote.to_string(),
            by: match self.by {
                Party::Us => "us".into(),
                Party::Peer => "peer".into(),
            },
            cause: self.cause.label().into(),
            why: self.cause.to_string(),
            told: self.told.map(|notify| notify.to_string()),
            offered: self.offered.to_vec(),
            acceptable: self.acceptable.to_vec(),
            hint: self.hint().map(Into::into),
            look_at: self.look_at.as_deref().map(Into::into),
        }
    }
}

fn bounded(list: Vec<String>) -> Box<[String]> {
    let mut list = if list.len() > LISTED + 1 {
        listed(list, |text| text)
    } else {
        list
    };
    for text in &mut list {
        if text.chars().count() > LONGEST {
            *text = text.chars().take(LONGEST).chain("...".chars()).collect();
        }
    }
    list.into()
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.by, &self.cause, self.told) {
            (Party::Us, cause, _) => write!(f, "{cause}")?,
            (Party::Peer, Cause::Notified(_) | Cause::NotifiedV1(_), Some(told)) => {
                write!(f, "the peer refuses: it says {told}")?
            }
            (Party::Peer, cause, Some(notify)) => write!(f, "the peer refuses: {cause} (it says {notify})")?,
            (Party::Peer, cause, None) => write!(f, "the peer: {cause}")?,
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
            Self::Version(version) => write!(f, "the peer begins in IKEv{version}, which is not answered here"),
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
            Self::NotifiedV1(notify) => write!(f, "{notify}"),
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
            Self::Version(_) => "version",
            Self::WrongIdentity => "wrong_identity",
            Self::Authentication(_) => "authentication",
            Self::Selectors => "selectors",
            Self::Mode(_) => "mode",
            Self::TooManyChildren(_) => "too_many_children",
            Self::Syntax(_) => "syntax",
            Self::Notified(_) | Self::NotifiedV1(_) => "notified",
            Self::CriticalPayload(_) => "critical_payload",
            Self::KeyExchange(_) => "key_exchange",
            Self::Plane(_) => "plane",
            Self::Timeout { .. } => "timeout",
            Self::Local(_) => "local",
        }
    }
}

impl Refusal {
    /// Likely causes, or what to compare, where the rest does not say it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match (self.by, &self.cause) {
            (Party::Peer, Cause::Notified(NotifyType::AUTHENTICATION_FAILED))
                if self.offered.iter().any(|offered| offered.contains(" by certificate")) =>
            {
                "likely the peer does not trust our certificate, or does not know our local_id, or our remote_id is not \
                 what it is called; its log says which"
            }
            (Party::Peer, Cause::Notified(NotifyType::AUTHENTICATION_FAILED)) => {
                "likely the secrets differ, or the peer does not know our local_id, or our remote_id is not what it is \
                 called; its log says which"
            }
            (Party::Peer, Cause::Notified(NotifyType::NO_PROPOSAL_CHOSEN)) => {
                "likely the peer has no connection for our address, or allows none of these algorithms; its log says which"
            }
            (Party::Peer, Cause::NoIkeProposal) => {
                "likely the peer has no connection for our address, or allows none of these algorithms; its log says which"
            }
            (Party::Peer, Cause::NoChildProposal) => {
                "likely the peer allows none of these algorithms for ESP, or another mode"
            }
            (Party::Peer, Cause::Selectors) => {
                "likely the peer's subnets are others: its local_subnet is our remote_subnet, and the other way round"
            }
            (Party::Peer, Cause::Notified(NotifyType::SINGLE_PAIR_REQUIRED)) => {
                "the peer wants a child SA for each pair of addresses: children with one address in local_subnet and \
                 one in remote_subnet"
            }
            (Party::Peer, Cause::Notified(NotifyType::NO_ADDITIONAL_SAS)) => {
                "likely the peer allows no further child SA on one IKE SA, or could not install it"
            }
            (Party::Peer, Cause::Timeout { .. }) => {
                "likely the peer is down, a firewall drops UDP 500 or 4500, or the address is wrong"
            }
            (Party::Us, Cause::NoConnection) => {
                "a connection's remote must be the peer's address, a name, or \"any\", and its local ours"
            }
            (Party::Us, Cause::Version(_)) => "both sides must have the same version, or one of them \"any\"",
            (Party::Us, Cause::NoIkeProposal | Cause::NoChildProposal) => {
                "one algorithm of each kind must be on both sides"
            }
            (Party::Us, Cause::WrongIdentity) => {
                "one side's local_id must be the other's remote_id, in both directions"
            }
            (Party::Us, Cause::Selectors) => {
                "one side's local_subnet must meet the other's remote_subnet, in both directions"
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_offers_is_not_listed_without_end() {
        let long = "x".repeat(5000);
        let refusal = Refusal::new(Party::Us, Cause::NoIkeProposal).offered(vec![long; 64]);
        assert_eq!(refusal.offered.len(), LISTED + 1);
        assert_eq!(refusal.offered[LISTED], "and 56 more");
        assert!(refusal.to_string().len() < (LISTED + 1) * (LONGEST + 20));
        assert_eq!(listed(0..3, |n| n.to_string()), ["0", "1", "2"]);
    }
}
