//! What is known of an IKE SA whatever its version and state.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use handfast_auth::certificate::Proven;
use handfast_plane::op::PlaneOp;
use handfast_store::delta::{CertificateFacts, End, IkeSaFacts, SaDelta, SaId};
use handfast_wire::header::Spi;

use crate::context::{Asker, Context, Effect, Farewell};
use crate::datagrams::Datagrams;
use crate::event::{Direction, Event};
use crate::output::{Output, Question, Transmit, TransmitKind};
use crate::path::Path;
use crate::policy::{Connection, Method};
use crate::refusal::Refusal;
use crate::time::Instant;

/// How long the answer to a request that ended an SA is kept: the time in which peers usually send again.
const FAREWELL: Duration = Duration::from_secs(60);

/// The end of an SA.
pub(crate) struct Gone {
    /// For people.
    pub reason: Cow<'static, str>,
}

/// A state method's outcome: the next state, or the next state and why the peer (or we) refused.
pub(crate) type Next<S> = Result<S, Box<(S, Refusal)>>;

/// What is known of an SA in every state.
pub(crate) struct Sa {
    pub id: SaId,
    pub slot: usize,
    /// We are the original initiator.
    pub initiator: bool,
    pub spi_i: Spi,
    /// Zero until the responder chose it, as on the wire.
    pub spi_r: Spi,
    pub path: Path,
    /// Where the message at hand came to and from, if that is not the path; it follows once the message is authenticated.
    seen: Option<Box<(SocketAddr, SocketAddr)>>,
    /// Where the request came to and from that is not answered yet, once it was found authentic.
    asked: Option<Box<(SocketAddr, SocketAddr)>>,
    pub created: Instant,
    pub messages: u64,
    /// No other SA with this peer exists, so INITIAL_CONTACT may be said (RFC 7296 section 2.4).
    pub initial_contact: bool,
    /// The ESP SPI of an offer of ours that is not answered yet.
    pub offered: Option<u32>,
    /// IKE version, 1 or 2.
    pub version: u8,
}

/// Who the SA is with, once that is known.
#[derive(Clone)]
pub(crate) struct Parties {
    pub connection: Arc<Connection>,
    pub peer: String,
    pub proofs: Proofs,
}

/// How the two sides proved themselves.
#[derive(Clone)]
pub(crate) struct Proofs {
    pub local: Method,
    pub remote: Method,
    /// What the peer's certificate says, if it has one.
    pub certificate: Option<Box<Proven>>,
    /// Who the peer is in Kerberos.
    pub principal: Option<String>,
}

impl Proofs {
    /// Both by the same method.
    pub fn both(method: Method, certificate: Option<Proven>) -> Self {
        Self {
            local: method,
            remote: method,
            certificate: certificate.map(Box::new),
            principal: None,
        }
    }
}

impl Parties {
    /// Adds what is known of them.
    pub fn tell(&self, facts: &mut IkeSaFacts) {
        facts.connection = Some(self.connection.name.clone());
        facts.local.id = self.connection.local_id.to_string();
        facts.remote.id.clone_from(&self.peer);
        facts.auth_local = self.proofs.local.to_string();
        facts.auth_remote = self.proofs.remote.to_string();
        facts.peer_principal.clone_from(&self.proofs.principal);
        facts.peer_certificate = self.proofs.certificate.as_ref().map(|proven| CertificateFacts {
            subject: proven.subject.clone(),
            anchor: proven.anchor.clone(),
            not_after: proven.not_after.map(|time| time.0),
        });
    }
}

impl Sa {
    /// One that begins now.
    pub fn new(cx: &mut Context, slot: usize, version: u8, initiator: bool, spis: (Spi, Spi), path: Path) -> Self {
        Self {
            id: cx.sa_id(),
            slot,
            initiator,
            spi_i: spis.0,
            spi_r: spis.1,
            path,
            seen: None,
            asked: None,
            created: cx.now,
            messages: 0,
            initial_contact: false,
            offered: None,
            version,
        }
    }

    /// Where the message at hand came to and from.
    pub fn seen(&self) -> (SocketAddr, SocketAddr) {
        self.seen.as_deref().copied().unwrap_or_else(|| self.path.ends())
    }

    /// A message came to and from there.
    pub fn see(&mut self, ends: (SocketAddr, SocketAddr)) {
        self.seen = (ends != self.path.ends()).then(|| Box::new(ends));
    }

    /// The message at hand is a request, and authentic: its answer goes where it came from.
    pub fn asks(&mut self) {
        self.asked = Some(Box::new(self.seen()));
    }

    /// Sends an IKE message of ours and reports it. `summary` is asked only where somebody wants to hear of it.
    pub fn send(&mut self, cx: &mut Context, bytes: impl Into<Datagrams>, summary: impl FnOnce(&Self) -> String) {
        let ends = self.path.ends();
        self.send_between(cx, ends, &bytes.into(), summary);
    }

    /// The same of an answer: it goes where the request came from, "even if the source port is not 500 or 4500"
    /// (RFC 7296 section 2.11).
    pub fn answer(&mut self, cx: &mut Context, bytes: impl Into<Datagrams>, summary: impl FnOnce(&Self) -> String) {
        let ends = self.asked.take().map_or_else(|| self.path.ends(), |asked| *asked);
        self.send_between(cx, ends, &bytes.into(), summary);
    }

    fn send_between(
        &mut self,
        cx: &mut Context,
        ends: (SocketAddr, SocketAddr),
        bytes: &Datagrams,
        summary: impl FnOnce(&Self) -> String,
    ) {
        self.messages += 1;
        let words = |sa: &Self| match bytes.count() {
            1 => summary(sa),
            count => format!("{} in {count} fragments", summary(sa)),
        };
        self.report(cx, Direction::Out, words, bytes.octets());
        self.transmit_all(cx, ends, bytes);
    }

    /// Sends without reporting: a retransmission.
    pub fn resend(&mut self, cx: &mut Context, bytes: impl Into<Datagrams>) {
        let ends = (self.path.local, self.path.remote);
        self.transmit_all(cx, ends, &bytes.into());
    }

    /// Answers the message at hand where it came from: an "implementation MUST respond to the address and port from
    /// which the request was received" (RFC 7296 section 2.11). What else we send does not follow it.
    pub fn resend_to_seen(&self, cx: &mut Context, bytes: &Datagrams) {
        self.transmit_all(cx, self.seen(), bytes);
    }

    fn transmit_all(&self, cx: &mut Context, ends: (SocketAddr, SocketAddr), bytes: &Datagrams) {
        bytes.iter().for_each(|bytes| cx.transmit(transmit(ends, bytes)));
    }

    /// The message at hand is authentic and new. Returns whether the path follows it.
    pub fn follow(&mut self, cx: &mut Context) -> bool {
        let (local, remote) = self.seen();
        let from = self.path.remote;
        if local != self.path.local || !self.path.follow(cx.policy.ports, remote) {
            return false;
        }
        cx.event(Event::PeerMoved {
            sa: self.id,
            from,
            to: remote,
        });
        true
    }

    /// Keeps the answer to a request that ends this SA: if it is lost, the peer asks again (RFC 7296 section 2.1).
    /// `request`: its datagram, of fragments the first.
    pub fn farewell(&self, cx: &mut Context, request: &[u8], response: &Datagrams) {
        let ends = (self.path.local, self.path.remote);
        cx.effects.push(Effect::Farewell(Farewell {
            request: request.to_vec(),
            answer: response.iter().map(|bytes| transmit(ends, bytes)).collect(),
            until: cx.now + FAREWELL,
        }));
    }

    /// Reports an accepted message of the peer.
    pub fn received(&mut self, cx: &mut Context, size: usize, summary: impl FnOnce(&Self) -> String) {
        self.messages += 1;
        self.report(cx, Direction::In, summary, size);
    }

    fn report(&self, cx: &mut Context, direction: Direction, summary: impl FnOnce(&Self) -> String, size: usize) {
        if !cx.tells_messages {
            return;
        }
        let (local, remote) = (self.path.local, self.path.remote);
        let summary = summary(self);
        cx.event(Event::Message {
            sa: self.id,
            direction,
            summary,
            size,
            local,
            remote,
        });
    }

    pub fn dropped(&self, cx: &mut Context, reason: &'static str) {
        cx.event(Event::Dropped {
            remote: self.path.remote,
            reason,
        });
    }

    /// Facts for the store; the caller adds what its state knows.
    pub fn facts(&self, state: &str) -> IkeSaFacts {
        let end = |a: SocketAddr| End {
            address: a.ip().to_string(),
            port: a.port(),
            id: String::new(),
        };
        IkeSaFacts {
            id: self.id,
            connection: None,
            ike_version: self.version,
            state: state.into(),
            initiator: self.initiator,
            local: end(self.path.local),
            remote: end(self.path.remote),
            spi_i: self.spi_i.to_string(),
            spi_r: self.spi_r.to_string(),
            proposal: String::new(),
            auth_local: String::new(),
            auth_remote: String::new(),
            peer_certificate: None,
            peer_principal: None,
            nat_local: self.path.nat_local,
            nat_remote: self.path.nat_remote,
            established_ms: None,
            took_us: None,
            rekey_ms: None,
            messages: self.messages,
        }
    }
}

impl Sa {
    /// Writes down an attempt of ours, before its next message leaves.
    pub fn record_attempt(&self, cx: &mut Context, connection: &Connection, proposal: String) {
        let mut facts = self.facts("connecting");
        facts.connection = Some(connection.name.clone());
        facts.local.id = connection.local_id.to_string();
        facts.proposal = proposal;
        record(cx, SaDelta::IkeSa(facts));
    }
}

/// The same octets as those that are kept: no copy is made.
fn transmit((local, remote): (SocketAddr, SocketAddr), bytes: &Bytes) -> Transmit {
    Transmit {
        local,
        remote,
        kind: TransmitKind::Ike,
        bytes: bytes.clone(),
    }
}

/// A duration as the store has it.
pub(crate) fn micros(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// Writes a fact down. Comes before the message that tells the peer.
pub(crate) fn record(cx: &mut Context, delta: SaDelta) {
    cx.out.push_back(Output::Record(Box::new(delta)));
}

impl Sa {
    /// We offer an SPI: the plane keeps what comes on it before the keys do (RFC 7296 section 2.8).
    pub fn offer(&mut self, cx: &mut Context, spi: u32) {
        self.withdraw(cx);
        self.offered = Some(spi);
        cx.ask(Asker::Sa(self.slot), Question::Plane(PlaneOp::Expect(spi)));
    }

    /// The offer has come to its end. Where an SA was made of it, the plane has used what it kept.
    pub fn withdraw(&mut self, cx: &mut Context) {
        if let Some(spi) = self.offered.take() {
            cx.ask(Asker::Sa(self.slot), Question::Plane(PlaneOp::Unexpect(spi)));
        }
    }
}
