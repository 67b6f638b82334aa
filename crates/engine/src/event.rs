//! Facts for people and tools. None holds a secret, but for [`KeyLog`].

use std::net::SocketAddr;
use std::time::Duration;

use handfast_crypto::proposal::{EspSuite, IkeSuite};
use handfast_crypto::schedule::v1::PhaseOneKeys;
use handfast_crypto::secret::Secret;
use handfast_plane::op::{ChildId, Mode, OuterPath};
use handfast_store::delta::SaId;
use handfast_wire::header::Spi;
use handfast_wire::selector::TrafficSelector;

use crate::policy::Method;
use crate::refusal::Refusal;

/// Direction of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// We sent it.
    Out,
    /// We received it.
    In,
}

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// An IKE message was sent or accepted.
    Message {
        /// Whose.
        sa: SaId,
        /// Sent or received.
        direction: Direction,
        /// For example "IKE_SA_INIT request 0 [SA KE No N(NATD_S_IP)]", inner payloads named.
        summary: String,
        /// Octets.
        size: usize,
        /// Us.
        local: SocketAddr,
        /// The peer.
        remote: SocketAddr,
    },
    /// The same message was sent again.
    Retransmitted {
        /// Whose.
        sa: SaId,
        /// How often so far.
        attempt: u32,
        /// The next one follows after this, unless answered.
        next_in: Duration,
    },
    /// A method of authentication cannot be used now, and is not offered or taken.
    MethodUnavailable {
        /// By which SA.
        sa: SaId,
        /// Of which connection.
        connection: String,
        /// The method.
        method: Method,
        /// Why not.
        why: String,
    },
    /// A datagram was dropped before it reached an SA, or by one.
    Dropped {
        /// From whom.
        remote: SocketAddr,
        /// Why, in the fewest words.
        reason: &'static str,
    },
    /// An IKE SA is established.
    IkeEstablished {
        /// Which.
        sa: SaId,
        /// Connection name.
        connection: String,
        /// Initiator's SPI.
        spi_i: Spi,
        /// Responder's SPI.
        spi_r: Spi,
        /// What was agreed.
        suite: IkeSuite,
        /// The peer's identity as text.
        peer: String,
        /// Whether we initiated it.
        initiator: bool,
        /// From the first message to here.
        took: Duration,
    },
    /// A child SA carries traffic in both directions.
    ChildEstablished {
        /// Its IKE SA.
        sa: SaId,
        /// The child.
        child: ChildId,
        /// Its configuration's name.
        name: String,
        /// Inbound SPI.
        spi_in: u32,
        /// Outbound SPI.
        spi_out: u32,
        /// Tunnel or transport.
        mode: Mode,
        /// What was agreed.
        suite: EspSuite,
        /// Our side.
        local_ts: Vec<TrafficSelector>,
        /// The peer's side.
        remote_ts: Vec<TrafficSelector>,
        /// How ESP travels.
        path: OuterPath,
        /// How long the exchange took that made it alone; none for the first in IKEv2.
        took: Option<Duration>,
    },
    /// A child SA was replaced by a new one.
    ChildRekeyed {
        /// Their IKE SA.
        sa: SaId,
        /// The old child.
        old: ChildId,
        /// The new child.
        new: ChildId,
    },
    /// The NAT before the peer has a new mapping: what we send goes there from now on.
    PeerMoved {
        /// Whose peer.
        sa: SaId,
        /// Where it was.
        from: SocketAddr,
        /// Where it is.
        to: SocketAddr,
    },
    /// An IKE SA was replaced; its children moved.
    IkeRekeyed {
        /// The old SA.
        old: SaId,
        /// The new SA.
        new: SaId,
    },
    /// A child SA is gone.
    ChildGone {
        /// Its IKE SA.
        sa: SaId,
        /// Which.
        child: ChildId,
        /// Why, for people.
        reason: String,
    },
    /// An IKE SA is gone.
    IkeGone {
        /// Which.
        sa: SaId,
        /// Why, for people.
        reason: String,
    },
    /// One side refused something; its owner gets to know why.
    Refused {
        /// The SA, if there was one.
        sa: Option<SaId>,
        /// The connection, if one was chosen.
        connection: Option<String>,
        /// The peer.
        remote: SocketAddr,
        /// All about it.
        refusal: Refusal,
    },
    /// A connection came up (IKE SA and its first child).
    ConnectionUp {
        /// Name.
        connection: String,
    },
    /// A connection is not up.
    ConnectionDown {
        /// Name.
        connection: String,
        /// Why.
        reason: String,
        /// When it will be tried again.
        retry_in: Option<Duration>,
    },
    /// A command named something that is not configured.
    CommandFailed {
        /// What to tell its sender.
        reason: String,
    },
    /// After `Command::Shutdown`: nothing is left to do.
    Idle,
}

/// Keys for Wireshark.
#[derive(Clone, Debug)]
pub enum KeyLog {
    /// An IKEv2 SA's keys (`ikev2_decryption_table`).
    Ike {
        /// Initiator's SPI.
        spi_i: Spi,
        /// Responder's SPI.
        spi_r: Spi,
        /// Algorithms.
        suite: IkeSuite,
        /// SK_ei, salt included.
        sk_ei: Secret,
        /// SK_er, salt included.
        sk_er: Secret,
        /// SK_ai, empty for AEAD.
        sk_ai: Secret,
        /// SK_ar, empty for AEAD.
        sk_ar: Secret,
    },
    /// An ISAKMP SA's key (`ikev1_decryption_table`), and what that is made of.
    Isakmp {
        /// The initiator's cookie.
        cky_i: Spi,
        /// The responder's cookie.
        cky_r: Spi,
        /// Algorithms.
        suite: IkeSuite,
        /// SKEYID, SKEYID_d, SKEYID_a, SKEYID_e.
        keys: PhaseOneKeys,
        /// Ka, what SKEYID_e became for the cipher (RFC 2409 appendix B).
        key: Secret,
    },
    /// One ESP SA's keys (`esp_sa`).
    Esp {
        /// Sender.
        source: std::net::IpAddr,
        /// Receiver.
        destination: std::net::IpAddr,
        /// SPI.
        spi: u32,
        /// Algorithms.
        suite: EspSuite,
        /// Encryption key, salt included.
        encr: Secret,
        /// Integrity key, empty for AEAD.
        integ: Secret,
    },
}
