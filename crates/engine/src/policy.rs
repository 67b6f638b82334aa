//! What the engine may do: the configuration, lowered to what it needs. Made by `handfast-config` or by hand.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use handfast_auth::certificate::{LocalCertificate, PeerPolicy};
use handfast_auth::identity::{Identity, IdentityPattern};
use handfast_auth::kerberos::LocalKerberos;
use handfast_auth::kerberos::ikev1::HashedIdentity;
use handfast_crypto::proposal::{EspProposal, IkeProposal};
use handfast_crypto::secret::Secret;
use handfast_plane::op::{Limits, Mode};
use handfast_wire::selector::{SelectorSyntaxError, TrafficSelector};
use handfast_wire::v1::gss::{Framing, IdentityEncoding};

use crate::place::Place;

/// All of it. Connections are looked at in this order.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Our UDP ports.
    pub ports: Ports,
    /// The connections.
    pub connections: Vec<Arc<Connection>>,
    /// How many half-open SAs strangers may hold here; further first messages are dropped.
    pub half_open_limit: usize,
    /// How many of them one source may hold: an IPv4 address, or an IPv6 network of 64 bits.
    pub half_open_per_address: usize,
    /// When strangers are asked for a cookie.
    pub cookies: Cookies,
}

/// When strangers are asked for a cookie before anything is kept for them (RFC 7296 section 2.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cookies {
    /// Once half of the half-open limit is reached.
    Auto,
    /// Always.
    Always,
}

/// Our UDP ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ports {
    /// Plain IKE; 500 unless the driver cannot bind it.
    pub ike: u16,
    /// IKE and ESP with NAT traversal; 4500.
    pub natt: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self { ike: 500, natt: 4500 }
    }
}

/// Where the peer is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Remote {
    /// Anywhere; we can only respond.
    Any,
    /// At this address.
    Address(IpAddr),
    /// Where this DNS name points, looked up at each attempt. As responder, any address is taken and the identity decides.
    Name(String),
}

impl std::fmt::Display for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// When to connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// At start, and again with back-off whenever it is down.
    Now,
    /// When asked by a person or by the peer.
    Wait,
}

/// When ESP goes in UDP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UdpEncapsulation {
    /// If there is a NAT between the peers (RFC 7296 section 2.23) or the peer insists.
    Auto,
    /// Always: our NAT detection hash is made not to match.
    Always,
}

/// How a side proves itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Method {
    /// By a preshared key.
    Psk,
    /// By a signature, with a certificate or a raw public key.
    Certificate,
    /// By Kerberos. Only IKEv1 has it.
    Kerberos,
}

impl Method {
    /// Its name in the configuration and in the status.
    pub fn name(self) -> &'static str {
        match self {
            Self::Psk => "psk",
            Self::Certificate => "certificate",
            Self::Kerberos => "kerberos",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How we prove ourselves and what we want of the peer.
///
/// In IKEv2 the two sides may use different methods. In IKEv1 both use the one that is negotiated, so there a method
/// counts only if it is in both lists.
#[derive(Clone, Debug)]
pub struct Authentication {
    /// Methods that we may prove ourselves by, best first; none whose credential is missing.
    pub local: Vec<Method>,
    /// Methods that we accept of the peer, best first.
    pub remote: Vec<Method>,
    /// The preshared key, one for both directions; empty if there is none.
    pub psk: Secret,
    /// Our certificates and raw keys; the first that the peer asks for is used, or else the very first.
    pub certificates: Vec<Arc<LocalCertificate>>,
    /// Whose certificates and raw keys we accept.
    pub peers: Arc<PeerPolicy>,
    /// Kerberos, if it is to be used.
    pub kerberos: Option<Arc<Kerberos>>,
}

/// Kerberos as a connection has it.
#[derive(Clone, Debug)]
pub struct Kerberos {
    /// Where contexts come from, our credentials, whom we ask a ticket for, and whom we accept.
    pub local: Arc<LocalKerberos>,
    /// The name that we send in the clear with our offer or answer (GIi, GIr), "host/gw.example.net".
    pub identity: String,
    /// How it is written; Windows wants UTF-16.
    pub encoding: IdentityEncoding,
    /// How our tokens are framed; `None` as the peer's vendor IDs say.
    pub framing: Option<Framing>,
    /// How the names are hashed; `None` as the peer's vendor IDs say.
    pub hashed: Option<HashedIdentity>,
    /// Without credentials the connection's next method is used; otherwise the attempt ends there.
    pub fallback: bool,
}

impl Authentication {
    /// Both sides by this preshared key.
    pub fn psk(psk: Secret) -> Self {
        Self {
            local: vec![Method::Psk],
            remote: vec![Method::Psk],
            psk,
            certificates: Vec::new(),
            peers: Arc::default(),
            kerberos: None,
        }
    }

    /// Both sides by certificate.
    pub fn certificate(certificates: Vec<Arc<LocalCertificate>>, peers: Arc<PeerPolicy>) -> Self {
        Self {
            local: vec![Method::Certificate],
            remote: vec![Method::Certificate],
            psk: Secret::new(Vec::new()),
            certificates,
            peers,
            kerberos: None,
        }
    }

    /// Both sides by Kerberos.
    pub fn kerberos(kerberos: Arc<Kerberos>) -> Self {
        Self {
            local: vec![Method::Kerberos],
            remote: vec![Method::Kerberos],
            kerberos: Some(kerberos),
            ..Self::psk(Secret::new(Vec::new()))
        }
    }

    /// Whether the peer may prove itself so.
    pub fn accepts(&self, method: Method) -> bool {
        self.remote.contains(&method)
    }

    /// Whether certificates have a part in it, on either side.
    pub fn has_certificates(&self) -> bool {
        self.local.iter().chain(&self.remote).any(|m| *m == Method::Certificate)
    }
}

/// Versions of IKE that a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Versions {
    /// IKEv1 only.
    One,
    /// IKEv2 only.
    Two,
    /// Either as responder; IKEv2 as initiator.
    Any,
}

impl Versions {
    /// Whether a peer may begin in this version (1 or 2).
    pub fn answers(self, version: u8) -> bool {
        match self {
            Self::One => version == 1,
            Self::Two => version == 2,
            Self::Any => true,
        }
    }

    /// The version in which we begin.
    pub fn begins(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two | Self::Any => 2,
        }
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// Where it is written ("handfast.toml:3"), for refusals.
    pub place: Place,
    /// Which versions of IKE.
    pub versions: Versions,
    /// IKEv1 begins in aggressive mode, and a peer may. With a preshared key whoever listens can try secrets offline.
    pub aggressive: bool,
    /// Our addresses; empty for any.
    pub local: Vec<IpAddr>,
    /// The peer's.
    pub remote: Remote,
    /// The peer's plain IKE port.
    pub remote_port: u16,
    /// The peer's NAT-T port.
    pub remote_natt_port: u16,
    /// Who we are.
    pub local_id: Identity,
    /// Who they must be.
    pub remote_id: IdentityPattern,
    /// How both prove it.
    pub auth: Authentication,
    /// Offers for the IKE SA, best first.
    pub ike: Vec<IkeProposal>,
    /// Its children; the first is negotiated in IKE_AUTH, each other by a CREATE_CHILD_SA of its own.
    pub children: Vec<Arc<ChildPolicy>>,
    /// How many child SAs an IKE SA may have, those that a newer one has replaced not counted.
    pub max_children: usize,
    /// When to connect.
    pub start: Start,
    /// ESP in UDP.
    pub udp_encapsulation: UdpEncapsulation,
    /// Retransmission of requests.
    pub retransmit: Retransmit,
    /// Silence after which the peer is probed; zero for never.
    pub liveness: Duration,
    /// Age at which the IKE SA is replaced by a fresh one (up to a quarter earlier, by chance); zero for never.
    pub rekey: Duration,
    /// Age at which one that has not been replaced is deleted; zero for never.
    pub lifetime: Duration,
    /// Largest IP datagram with an IKE message of ours; larger messages leave in fragments (RFC 7383). `None`: no
    /// fragments in either direction.
    pub fragment_size: Option<u16>,
    /// Interval of NAT keepalives when we are behind a NAT.
    pub keepalive: Duration,
}

impl Connection {
    /// Its addresses as "local to remote", for explanations.
    pub fn pair(&self) -> String {
        let local: Vec<String> = self.local.iter().map(ToString::to_string).collect();
        let local = if local.is_empty() {
            "any".to_string()
        } else {
            local.join(",")
        };
        format!("{} ({local} from {})", self.name, self.remote)
    }
}

/// Which packets a child takes, at one of its ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Selector {
    /// These.
    Fixed(TrafficSelector),
    /// Those of that end's own address, whichever it turns out to be, with this protocol and these ports (written as
    /// in [`TrafficSelector`]).
    Own {
        /// IP protocol; 0 is any.
        protocol: u8,
        /// First port.
        start_port: u16,
        /// Last port.
        end_port: u16,
    },
}

impl Selector {
    /// The selector, now that the end's own address is known.
    pub fn at(&self, own: IpAddr) -> TrafficSelector {
        match *self {
            Self::Fixed(selector) => selector,
            Self::Own {
                protocol,
                start_port,
                end_port,
            } => TrafficSelector {
                protocol,
                start_port,
                end_port,
                start: own,
                end: own,
            },
        }
    }
}

impl From<TrafficSelector> for Selector {
    fn from(selector: TrafficSelector) -> Self {
        Self::Fixed(selector)
    }
}

impl FromStr for Selector {
    type Err = SelectorSyntaxError;

    /// A traffic selector; without addresses ("[tcp/443]") that of the own address.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.trim_start().starts_with('[') {
            return text.parse().map(Self::Fixed);
        }
        let any: TrafficSelector = format!("0.0.0.0{}", text.trim()).parse()?;
        Ok(Self::Own {
            protocol: any.protocol,
            start_port: any.start_port,
            end_port: any.end_port,
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(selector) => selector.fmt(f),
            Self::Own { .. } => {
                let text = self.at(Ipv4Addr::UNSPECIFIED.into()).to_string();
                f.write_str(
                    text.split_once('[')
                        .map_or("own address", |(before, _)| &text[before.len()..]),
                )
            }
        }
    }
}

/// One child of a connection.
#[derive(Clone, Debug)]
pub struct ChildPolicy {
    /// Its name; the connection's where there is only one.
    pub name: String,
    /// Where it is written.
    pub place: Place,
    /// Tunnel or transport.
    pub mode: Mode,
    /// With transport mode: whether a tunnel does where the peer or a NAT between does not allow it.
    pub or_tunnel: bool,
    /// What we send from and receive at. Empty: our own address, all of it.
    pub local_ts: Vec<Selector>,
    /// What the peer sends from and receives at. Empty: the peer's own address, all of it.
    pub remote_ts: Vec<Selector>,
    /// As responder: only one pair of addresses for each child SA (RFC 7296 section 2.9, SINGLE_PAIR_REQUIRED).
    pub single_pair: bool,
    /// Offers for ESP, best first.
    pub esp: Vec<EspProposal>,
    /// Age at which a child is replaced by a fresh one (up to a quarter earlier, by chance); zero for never.
    pub rekey: Duration,
    /// Age at which one that has not been replaced is closed; zero for never.
    pub lifetime: Duration,
    /// What a child may carry in each direction: at `soft` (or up to a quarter earlier, by chance) it is replaced, at
    /// `hard` closed.
    pub limits: Limits,
}

/// Retransmission: the n-th (from 0) follows after `first * factor^n`, at most `most`; then the peer is dead.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Retransmit {
    /// Wait before the first.
    pub first: Duration,
    /// Growth.
    pub factor: f64,
    /// Longest wait.
    pub most: Duration,
    /// How many.
    pub tries: u32,
}

/// The smallest MTU of IPv6, which every path of today carries (RFC 8200 section 5, RFC 7383 section 2.5.1).
pub const FRAGMENT_SIZE: u16 = 1280;

impl Retransmit {
    /// How long a message that was sent so often waits for its answer.
    pub(crate) fn wait(&self, sent: u32) -> Duration {
        let growth = self.factor.powi(i32::try_from(sent).unwrap_or(i32::MAX));
        let wait = self.first.as_secs_f64() * growth;
        Duration::from_secs_f64(wait.min(self.most.as_secs_f64()))
    }

    /// From the first sending to giving up.
    pub(crate) fn total(&self) -> Duration {
        (1..=self.tries).map(|sent| self.wait(sent)).sum::<Duration>() + self.first
    }
}

impl Default for Retransmit {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            factor: 1.8,
            most: Duration::from_secs(30),
            tries: 6,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn selectors_without_addresses_are_those_of_the_end_itself() {
        let here: IpAddr = "2001:db8::1".parse().unwrap();
        let read = |text: &str| text.parse::<Selector>().unwrap();
        assert_eq!(read("[tcp/443]").at(here).to_string(), "2001:db8::1/128[tcp/443]");
        assert_eq!(read("[any]").at(here).to_string(), "2001:db8::1/128");
        assert_eq!(read("10.1.0.0/16[tcp]").at(here).to_string(), "10.1.0.0/16[tcp]");
        for text in ["[tcp/443]", "[udp]", "10.1.0.0/16[tcp]"] {
            assert_eq!(read(text).to_string(), text);
        }
        assert_eq!(read("[any]").to_string(), "own address");
        for bad in ["", "[", "[tcp", "[tcp/70000]", "[no]", "10.1.0.0/33"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
    }
}
