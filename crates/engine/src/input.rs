//! What a driver tells the engine.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use handfast_auth::certificate::{PeerRefusal, Proven, SignError};
use handfast_auth::kerberos::GssAnswer;
use handfast_auth::v2::Proof;
use handfast_crypto::provider::{CryptoError, EphemeralKey};
use handfast_crypto::secret::Secret;
use handfast_plane::op::{PlaneEvent, PlaneReply};

use crate::output::Ticket;
use crate::policy::Policy;

/// One thing that happened.
pub enum Input<'a> {
    /// An IKE message arrived; the non-ESP marker is already removed.
    Datagram {
        /// The address and port it was sent to. The port tells the plain from the NAT-T socket ([`Policy`]'s `ports`).
        local: SocketAddr,
        /// Where it came from.
        remote: SocketAddr,
        /// The message.
        bytes: &'a [u8],
    },
    /// An IKE message could not be sent at all ("no route to host"). Without this it counts as lost on its way.
    SendFailed {
        /// Where it was to be sent from.
        local: SocketAddr,
        /// Where to.
        remote: SocketAddr,
        /// Why, for people.
        reason: String,
    },
    /// The answer to an [`Output::Ask`](crate::Output::Ask). One with an outdated ticket is dropped.
    Answer(Ticket, Answer),
    /// A person or the driver wants something.
    Command(Command),
    /// The plane reports by itself.
    Plane(PlaneEvent),
    /// The configuration was read (again).
    Policy(Arc<Policy>),
    /// The deadline passed. Harmless at any other time.
    Timer,
}

/// The answer to a [`Question`](crate::Question).
pub enum Answer {
    /// To `GenerateKey`.
    Key(Result<Box<dyn EphemeralKey>, CryptoError>),
    /// To `Agree`: the shared secret.
    Shared(Result<Secret, CryptoError>),
    /// To `Respond`: our public value and the shared secret.
    Responded(Result<(Vec<u8>, Secret), CryptoError>),
    /// To `Resolve`; the error is for people.
    Addresses(Result<Vec<IpAddr>, String>),
    /// To `LocalAddress`: the source address the host would use, or why there is none.
    LocalAddress(Result<IpAddr, String>),
    /// To `Sign`.
    Signed(Result<Proof, SignError>),
    /// To `Judge`.
    Judged(Result<Proven, PeerRefusal>),
    /// To `Gss`.
    Gss(GssAnswer),
    /// To `Plane`.
    Plane(PlaneReply),
}

/// A wish.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Bring a connection up and keep it up. Reported by `Event::ConnectionUp` or `Event::ConnectionDown`.
    Up {
        /// Its name.
        connection: String,
    },
    /// Delete a connection's SAs with the peer and do not try again.
    Down {
        /// Its name.
        connection: String,
    },
    /// Replace the SAs of a connection now, before their time.
    Rekey {
        /// Its name.
        connection: String,
        /// Which of them.
        what: Rekey,
    },
    /// Delete all SAs with their peers; `Event::Idle` follows when none is left or the peers had their time.
    Shutdown,
}

/// What to replace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rekey {
    /// The IKE SA; its children move to the new one.
    Ike,
    /// Every child SA.
    Children,
}
