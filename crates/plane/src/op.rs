//! What a plane is asked to hold: plain data, emitted by the engine.

use std::net::{IpAddr, SocketAddr};

use handfast_crypto::proposal::EspSuite;
use handfast_crypto::secret::Secret;
use handfast_wire::selector::TrafficSelector;

/// A child SA (a pair of ESP SAs) as the engine names it; never reused in a process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ChildId(pub u64);

/// Tunnel or transport mode (RFC 4301 section 4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Whole IP packets inside.
    Tunnel,
    /// The payload of the IP packet only.
    Transport,
}

/// How ESP travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encapsulation {
    /// As IP protocol 50.
    Esp,
    /// In UDP (RFC 3948).
    Udp {
        /// Our port.
        local_port: u16,
        /// The peer's port, as seen from here.
        remote_port: u16,
    },
}

/// The outer addresses of an SA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OuterPath {
    /// Ours.
    pub local: IpAddr,
    /// The peer's.
    pub remote: IpAddr,
    /// Protocol 50 or UDP.
    pub encapsulation: Encapsulation,
}

/// Keys of one direction.
#[derive(Clone, Debug)]
pub struct SaKeys {
    /// Encryption key material, salt included for AEAD.
    pub encr: Secret,
    /// Integrity key; empty for AEAD.
    pub integ: Secret,
}

/// An amount of traffic: octets of ESP packets, and packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Volume {
    /// Octets.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
}

impl Volume {
    /// More than there will ever be.
    pub const ENDLESS: Self = Self {
        bytes: u64::MAX,
        packets: u64::MAX,
    };

    /// Whether one of the two is reached.
    pub fn is_reached_by(self, used: Self) -> bool {
        used.bytes >= self.bytes || used.packets >= self.packets
    }

    /// The smaller of each.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.min(other.bytes),
            packets: self.packets.min(other.packets),
        }
    }
}

/// What an SA may carry (RFC 4301 section 4.4.2.1), counted for each direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Past this it is to be replaced.
    pub soft: Volume,
    /// Past this it carries nothing.
    pub hard: Volume,
}

impl Limits {
    /// No limit but the cipher's own.
    pub const NONE: Self = Self {
        soft: Volume::ENDLESS,
        hard: Volume::ENDLESS,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::NONE
    }
}

/// One ESP SA (one direction of a child) with the policy it serves.
#[derive(Clone, Debug)]
pub struct SaInstall {
    /// The pair it belongs to.
    pub child: ChildId,
    /// Name of the child's configuration, for logs.
    pub name: String,
    /// The SPI in its packets.
    pub spi: u32,
    /// Outer addresses.
    pub path: OuterPath,
    /// Tunnel or transport.
    pub mode: Mode,
    /// Algorithms; `suite.esn` says whether sequence numbers are extended.
    pub suite: EspSuite,
    /// Keys of this direction.
    pub keys: SaKeys,
    /// Packets' addresses on our side.
    pub local_ts: Vec<TrafficSelector>,
    /// Packets' addresses on the peer's side.
    pub remote_ts: Vec<TrafficSelector>,
    /// What it may carry; the plane may know of a lower limit of its cipher.
    pub limits: Limits,
}

/// A request to a plane. Each is answered once with [`PlaneReply`].
#[derive(Clone, Debug)]
pub enum PlaneOp {
    /// We have offered this SPI, and the peer may send on it before its answer and with it the keys are here: keep such
    /// packets, within bounds, until the inbound SA is installed.
    Expect(u32),
    /// Nothing came of an offer: forget what was kept for this SPI.
    Unexpect(u32),
    /// Accept packets with this SPI (ours) and give those that match the selectors to the host.
    InstallInbound(SaInstall),
    /// Send packets that match the selectors with this SPI (the peer's). Replaces an older outbound SA of the same
    /// selectors for new packets without a gap.
    InstallOutbound(SaInstall),
    /// Forget the inbound SA of a child.
    RemoveInbound(ChildId),
    /// Forget the outbound SA of a child.
    RemoveOutbound(ChildId),
    /// The outer path of both directions changed.
    UpdatePath(ChildId, OuterPath),
    /// Report a child's counters.
    Query(ChildId),
}

/// What was carried by one child so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Octets of inner packets received and accepted.
    pub bytes_in: u64,
    /// Octets of inner packets sent.
    pub bytes_out: u64,
    /// Packets received and accepted.
    pub packets_in: u64,
    /// Packets sent.
    pub packets_out: u64,
    /// Dropped: failed integrity.
    pub dropped_integrity: u64,
    /// Dropped: replayed or too old.
    pub dropped_replay: u64,
    /// Dropped: inner packet outside the selectors, or malformed.
    pub dropped_policy: u64,
}

/// The plane's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PlaneReply {
    /// Done.
    Done,
    /// To `Query`.
    Counters(Counters),
    /// Not done: why, for people.
    Failed(String),
}

/// What a plane reports by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PlaneEvent {
    /// Sequence numbers or a limit come to their end in one of its directions: rekey.
    Expiring {
        /// Which child.
        child: ChildId,
        /// Whether they are at their end: it carries no more.
        hard: bool,
    },
    /// First packet received on a new inbound SA.
    FirstInbound(ChildId),
    /// A packet, authentic and the newest, came from elsewhere than where the child sends to, in UDP: a NAT has a new
    /// mapping (RFC 7296 section 2.23).
    Moved {
        /// Which child.
        child: ChildId,
        /// Where it came from.
        to: SocketAddr,
    },
}
