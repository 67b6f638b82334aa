//! What `handfast status --json` prints. The shape is documented in `docs/status.md` and held by a golden file.
//!
//! Fields may be added within a version; none is renamed, removed or given another meaning. What is not known or does
//! not apply is null, never left out and never a made-up value.

use serde::{Deserialize, Serialize};

use crate::delta::{CertificateFacts, ChildFacts, DownFacts, End, IkeSaFacts};
use crate::refusals::RefusalStatus;
use crate::snapshot::{IkeSaEntry, SaSnapshot};

/// Version of this shape.
pub const STATUS_VERSION: u16 = 1;

/// All of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// [`STATUS_VERSION`].
    pub version: u16,
    /// IKE SAs, and connections that have none; by connection name, those without a name last.
    pub ike_sas: Vec<IkeSaStatus>,
    /// What was refused lately, the latest first.
    #[serde(default)]
    pub refusals: Vec<RefusalStatus>,
    /// Certificates, the one that expires first first.
    #[serde(default)]
    pub certificates: Vec<CertificateStatus>,
}

/// A certificate and its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// "own", "ca", or "peer": one that an established peer proved itself with, or that is configured as a peer's.
    pub kind: String,
    /// Whom it is about; of a raw public key of a peer, that it is one.
    pub subject: String,
    /// Who issued it; of what a peer proved itself with, the CA that is trusted. Null for a raw public key.
    pub issuer: Option<String>,
    /// When it expires, in seconds since 1970; of what a peer proved itself with, when the first of its path does. Null
    /// for a raw public key.
    pub not_after: Option<i64>,
    /// Seconds until then, negative after it.
    pub expires_in_s: Option<i64>,
    /// Connections that use it.
    pub connections: Vec<String>,
}

impl CertificateStatus {
    /// Adds a connection.
    pub fn used_by(&mut self, connection: &str) {
        if !self.connections.iter().any(|name| name == connection) {
            self.connections.push(connection.into());
        }
    }
}

/// An IKE SA, or a configured connection that is not up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IkeSaStatus {
    /// Name of the connection; null while a peer's first messages fit more than one.
    pub connection: Option<String>,
    /// 1 or 2; null without an IKE SA.
    pub ike_version: Option<u8>,
    /// "connecting", "established", "deleting", ... of an IKE SA; "down", "waiting", "connecting" or "retrying" without.
    pub state: String,
    /// Why the connection is not up; null if it is.
    pub reason: Option<String>,
    /// Seconds until the next attempt; null if none is due.
    pub retry_in_s: Option<u64>,
    /// Whether we began it; null without an IKE SA.
    pub initiator: Option<bool>,
    /// Us.
    pub local: EndStatus,
    /// The peer.
    pub remote: EndStatus,
    /// Initiator's SPI, 16 hexadecimal digits.
    pub spi_i: Option<String>,
    /// Responder's SPI, 16 hexadecimal digits; null until it answered.
    pub spi_r: Option<String>,
    /// The suite; null until chosen.
    pub proposal: Option<String>,
    /// How each side proved itself.
    pub auth: AuthStatus,
    /// Which side is behind a NAT.
    pub nat: NatStatus,
    /// Whole seconds since it was established; null before.
    pub established_s: Option<u64>,
    /// Microseconds from its first message to its being established (phase 1 of IKEv1); null before.
    #[serde(default)]
    pub took_us: Option<u64>,
    /// Whole seconds until it is rekeyed, 0 when overdue; null if it will not be.
    pub rekey_in_s: Option<u64>,
    /// IKE messages sent and received; 0 without an IKE SA.
    pub messages: u64,
    /// Its child SAs.
    pub children: Vec<ChildStatus>,
}

/// One end.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EndStatus {
    /// IP address.
    pub address: Option<String>,
    /// UDP port.
    pub port: Option<u16>,
    /// Identity, escaped.
    pub id: Option<String>,
}

/// How each side proved itself ("psk"); null before.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AuthStatus {
    /// We.
    pub local: Option<String>,
    /// The peer.
    pub remote: Option<String>,
    /// What the peer's certificate says, if it has one.
    #[serde(default)]
    pub peer_certificate: Option<CertificateFacts>,
    /// Who the peer proved to be in Kerberos.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_principal: Option<String>,
}

/// Which side is behind a NAT; null without an IKE SA.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NatStatus {
    /// We.
    pub local: Option<bool>,
    /// The peer.
    pub remote: Option<bool>,
}

/// A child SA.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChildStatus {
    /// Name of its configuration.
    pub name: String,
    /// "tunnel" or "transport".
    pub mode: String,
    /// "installed", "rekeyed", "deleting".
    pub state: String,
    /// Inbound SPI, 8 hexadecimal digits.
    pub spi_in: Option<String>,
    /// Outbound SPI, 8 hexadecimal digits.
    pub spi_out: Option<String>,
    /// The suite.
    pub proposal: Option<String>,
    /// Selectors of our side.
    pub local_ts: Vec<String>,
    /// Selectors of the peer's side.
    pub remote_ts: Vec<String>,
    /// Octets of inner packets received and accepted; null if the plane does not tell.
    pub bytes_in: Option<u64>,
    /// Octets of inner packets sent.
    pub bytes_out: Option<u64>,
    /// Packets received and accepted.
    pub packets_in: Option<u64>,
    /// Packets sent.
    pub packets_out: Option<u64>,
    /// Whole seconds until it is rekeyed, 0 when overdue; null if it will not be.
    pub rekey_in_s: Option<u64>,
    /// Microseconds that the exchange took that made it: a quick mode (phase 2 of IKEv1) or CREATE_CHILD_SA; null if it came
    /// with its IKE SA.
    #[serde(default)]
    pub took_us: Option<u64>,
}

/// What a plane counted for a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TrafficCounters {
    /// Octets of inner packets received and accepted.
    pub bytes_in: u64,
    /// Octets of inner packets sent.
    pub bytes_out: u64,
    /// Packets received and accepted.
    pub packets_in: u64,
    /// Packets sent.
    pub packets_out: u64,
}

/// Makes the status of a snapshot. `now_ms` is the engine's clock in milliseconds; `counters` is asked for each child by
/// its number.
///
/// A connection that is down and has an IKE SA of our own attempt, or an established one, is one entry: the SA's, with
/// the connection's reason.
pub fn status(snapshot: &SaSnapshot, now_ms: u64, counters: &dyn Fn(u64) -> Option<TrafficCounters>) -> Status {
    let mut ike_sas: Vec<IkeSaStatus> = snapshot
        .ike_sas
        .iter()
        .map(|entry| IkeSaStatus::of_sa(entry, now_ms, counters))
        .collect();
    for down in &snapshot.connections_down {
        match ike_sas.iter_mut().find(|sa| sa.stands_for(&down.connection)) {
            Some(sa) => sa.explain(down, now_ms),
            None => ike_sas.push(IkeSaStatus::of_down(down, now_ms)),
        }
    }
    // Stable: SAs of one connection stay in the order of their making.
    ike_sas.sort_by(|a, b| (a.connection.is_none(), &a.connection).cmp(&(b.connection.is_none(), &b.connection)));
    Status {
        version: STATUS_VERSION,
        ike_sas,
        refusals: vec![],
        certificates: vec![],
    }
}

impl IkeSaStatus {
    fn of_sa(entry: &IkeSaEntry, now_ms: u64, counters: &dyn Fn(u64) -> Option<TrafficCounters>) -> Self {
        let facts: &IkeSaFacts = &entry.facts;
        Self {
            connection: facts.connection.clone(),
            ike_version: Some(facts.ike_version),
            state: facts.state.clone(),
            reason: None,
            retry_in_s: None,
            initiator: Some(facts.initiator),
            local: EndStatus::of(&facts.local),
            remote: EndStatus::of(&facts.remote),
            spi_i: known_spi(&facts.spi_i),
            spi_r: known_spi(&facts.spi_r),
            proposal: known(&facts.proposal),
            auth: AuthStatus {
                local: known(&facts.auth_local),
                remote: known(&facts.auth_remote),
                peer_certificate: facts.peer_certificate.clone(),
                peer_principal: facts.peer_principal.clone(),
            },
            nat: NatStatus {
                local: Some(facts.nat_local),
                remote: Some(facts.nat_remote),
            },
            took_us: facts.took_us,
            established_s: facts.established_ms.map(|then| now_ms.saturating_sub(then) / 1000),
            rekey_in_s: seconds_until(facts.rekey_ms, now_ms),
            messages: facts.messages,
            children: entry
                .children
                .iter()
                .map(|child| ChildStatus::of(child, now_ms, counters(child.id)))
                .collect(),
        }
    }

    fn of_down(down: &DownFacts, now_ms: u64) -> Self {
        let mut entry = Self {
            connection: Some(down.connection.clone()),
            ike_version: None,
            state: down.state.clone(),
            reason: None,
            retry_in_s: None,
            initiator: None,
            local: EndStatus::default(),
            remote: EndStatus::default(),
            spi_i: None,
            spi_r: None,
            proposal: None,
            auth: AuthStatus::default(),
            nat: NatStatus::default(),
            established_s: None,
            took_us: None,
            rekey_in_s: None,
            messages: 0,
            children: Vec::new(),
        };
        entry.explain(down, now_ms);
        entry
    }

    /// Not so an SA that ends, nor a half-open one that a stranger began.
    fn stands_for(&self, connection: &str) -> bool {
        self.connection.as_deref() == Some(connection)
            && self.state != "deleting"
            && (self.initiator == Some(true) || self.state == "established")
    }

    fn explain(&mut self, down: &DownFacts, now_ms: u64) {
        self.reason = known(&down.reason);
        self.retry_in_s = seconds_until(down.retry_ms, now_ms);
    }
}

impl EndStatus {
    fn of(end: &End) -> Self {
        Self {
            address: known(&end.address),
            port: Some(end.port).filter(|port| *port != 0),
            id: known(&end.id),
        }
    }
}

impl ChildStatus {
    fn of(facts: &ChildFacts, now_ms: u64, counters: Option<TrafficCounters>) -> Self {
        Self {
            name: facts.name.clone(),
            mode: facts.mode.clone(),
            state: facts.state.clone(),
            spi_in: known_spi(&facts.spi_in),
            spi_out: known_spi(&facts.spi_out),
            proposal: known(&facts.proposal),
            local_ts: facts.local_ts.clone(),
            remote_ts: facts.remote_ts.clone(),
            bytes_in: counters.map(|c| c.bytes_in),
            bytes_out: counters.map(|c| c.bytes_out),
            packets_in: counters.map(|c| c.packets_in),
            packets_out: counters.map(|c| c.packets_out),
            rekey_in_s: seconds_until(facts.rekey_ms, now_ms),
            took_us: facts.took_us,
        }
    }
}

/// Facts are empty while unknown.
fn known(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// SPIs are zero while unknown: that of IKE's responder in the first message (RFC 7296 section 3.1).
fn known_spi(digits: &str) -> Option<String> {
    known(digits).filter(|digits| digits.bytes().any(|digit| digit != b'0'))
}

fn seconds_until(then_ms: Option<u64>, now_ms: u64) -> Option<u64> {
    then_ms.map(|then| then.saturating_sub(now_ms) / 1000)
}
