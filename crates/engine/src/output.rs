//! What the engine wants done, in order.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use handfast_auth::certificate::{PeerQuestion, SignQuestion};
use handfast_auth::kerberos::GssQuestion;
use handfast_crypto::provider::EphemeralKey;
use handfast_crypto::transform::Group;
use handfast_plane::op::PlaneOp;
use handfast_store::delta::SaDelta;

use crate::event::{Event, KeyLog};

/// One thing to do. Outputs must be carried out in the order they come.
pub enum Output {
    /// Send a datagram.
    Transmit(Transmit),
    /// Answer this, now or later, with `Input::Answer` and the same ticket.
    Ask(Ticket, Question),
    /// Keep this fact (before what follows is sent).
    Record(Box<SaDelta>),
    /// For people: logs, `demo`, the control socket.
    Event(Event),
    /// Keys for a key log. Only if the engine was made with `key_log`; never for any other log.
    KeyLog(KeyLog),
}

/// Names one question.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// A datagram to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// The address and port to send from. On the NAT-T port the driver prepends the non-ESP marker to IKE messages.
    pub local: SocketAddr,
    /// Where to.
    pub remote: SocketAddr,
    /// What it is.
    pub kind: TransmitKind,
    /// The message without a marker; where it may have to be sent again, the engine keeps these same octets.
    pub bytes: Bytes,
}

/// What a datagram is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransmitKind {
    /// An IKE message.
    Ike,
    /// A NAT keepalive (RFC 3948 section 2.3): the single octet 0xFF, never with a marker.
    Keepalive,
}

/// What is done elsewhere.
pub enum Question {
    /// Make a key pair: `Answer::Key`.
    GenerateKey(Group),
    /// Agree on the secret as initiator: `Answer::Shared`.
    Agree {
        /// Ours.
        key: Box<dyn EphemeralKey>,
        /// The peer's KE data.
        peer: Vec<u8>,
    },
    /// Make a key pair and agree, as responder: `Answer::Responded`.
    Respond {
        /// In this group.
        group: Group,
        /// The peer's KE data.
        peer: Vec<u8>,
    },
    /// Look a name up: `Answer::Addresses`.
    Resolve(String),
    /// Which source address does the host use towards this one: `Answer::LocalAddress`.
    LocalAddress(IpAddr),
    /// Make a signature: `Answer::Signed`. It may take long, where the key is kept in a device.
    Sign(Box<SignQuestion>),
    /// Judge a peer by its certificate and proof, revocation included: `Answer::Judged`. It may take long, and must
    /// come to an end: nothing is sent before.
    Judge(Box<PeerQuestion>),
    /// Ask Kerberos: `Answer::Gss`. It may take as long as the KDC does, and must come to an end.
    Gss(Box<GssQuestion>),
    /// Ask the plane: `Answer::Plane`.
    Plane(PlaneOp),
}
