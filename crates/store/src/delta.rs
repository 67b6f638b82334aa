//! Changes of SA facts: what the engine writes, what stores keep. No key material is in here.

use serde::{Deserialize, Serialize};

/// Version of this format.
pub const FORMAT_VERSION: u16 = 1;

/// An IKE SA as the engine names it; never reused in a process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct SaId(pub u64);

/// One end of an IKE SA.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct End {
    /// IP address as text; empty while unknown.
    pub address: String,
    /// UDP port.
    pub port: u16,
    /// Identity as text; empty while unknown.
    pub id: String,
}

/// The facts of an IKE SA.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IkeSaFacts {
    /// Its key.
    pub id: SaId,
    /// Name of the connection, once chosen.
    pub connection: Option<String>,
    /// 1 or 2.
    pub ike_version: u8,
    /// State name ("connecting", "established", "deleting", ...).
    pub state: String,
    /// Whether we were the original initiator.
    pub initiator: bool,
    /// Us.
    pub local: End,
    /// The peer.
    pub remote: End,
    /// Initiator's SPI, 16 hex digits.
    pub spi_i: String,
    /// Responder's SPI, 16 hex digits.
    pub spi_r: String,
    /// Suite in the usual notation; empty until chosen.
    pub proposal: String,
    /// How we proved ourselves ("psk").
    pub auth_local: String,
    /// How the peer proved itself.
    pub auth_remote: String,
    /// The peer's certificate, if it has one.
    #[serde(default)]
    pub peer_certificate: Option<CertificateFacts>,
    /// Who the peer proved to be in Kerberos.
    #[serde(default)]
    pub peer_principal: Option<String>,
    /// We are behind a NAT.
    pub nat_local: bool,
    /// The peer is behind a NAT.
    pub nat_remote: bool,
    /// When it was established, in milliseconds of the engine's clock.
    pub established_ms: Option<u64>,
    /// From its first message to its being established, in microseconds.
    #[serde(default)]
    pub took_us: Option<u64>,
    /// When it will be rekeyed, in milliseconds of the engine's clock.
    pub rekey_ms: Option<u64>,
    /// IKE messages sent and received.
    pub messages: u64,
}

/// What a peer's certificate says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// Whom it is about.
    pub subject: String,
    /// The CA that we trust, at the end of its path; absent for a raw public key.
    pub anchor: Option<String>,
    /// When the first certificate of the path expires, in seconds since 1970; absent for a raw public key.
    pub not_after: Option<i64>,
}

/// The facts of a child SA.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChildFacts {
    /// The engine's (and plane's) number of the child.
    pub id: u64,
    /// The IKE SA it belongs to.
    pub ike: SaId,
    /// Name of its configuration.
    pub name: String,
    /// "tunnel" or "transport".
    pub mode: String,
    /// "installed", "rekeyed", "deleting".
    pub state: String,
    /// Inbound SPI, 8 hex digits.
    pub spi_in: String,
    /// Outbound SPI, 8 hex digits.
    pub spi_out: String,
    /// Suite in the usual notation.
    pub proposal: String,
    /// Selectors of our side as text.
    pub local_ts: Vec<String>,
    /// Selectors of the peer's side as text.
    pub remote_ts: Vec<String>,
    /// When it will be rekeyed, in milliseconds of the engine's clock.
    pub rekey_ms: Option<u64>,
    /// How long the exchange took that made it, in microseconds; absent where that did more.
    #[serde(default)]
    pub took_us: Option<u64>,
}

/// Why a configured connection is not up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DownFacts {
    /// Connection name.
    pub connection: String,
    /// "waiting", "connecting", "retrying", "down".
    pub state: String,
    /// For people.
    pub reason: String,
    /// When the next attempt is due, in milliseconds of the engine's clock.
    pub retry_ms: Option<u64>,
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum SaDelta {
    /// An IKE SA is new or its facts changed.
    IkeSa(IkeSaFacts),
    /// An IKE SA is gone, and its children with it.
    IkeSaGone {
        /// Which.
        id: SaId,
        /// Why.
        reason: String,
    },
    /// A child is new or its facts changed.
    Child(ChildFacts),
    /// A child is gone.
    ChildGone {
        /// The IKE SA it belonged to.
        ike: SaId,
        /// Which.
        id: u64,
        /// Why.
        reason: String,
    },
    /// A connection that is not up, and why. Replaced by the next one, removed by `ConnectionUp`.
    ConnectionDown(DownFacts),
    /// A connection is up.
    ConnectionUp {
        /// Its name.
        connection: String,
    },
    /// A connection is no longer configured.
    ConnectionGone {
        /// Its name.
        connection: String,
    },
}
