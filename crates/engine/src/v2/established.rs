//! An established IKE SA: a window of one in each direction and a queue of small work items, one file per exchange.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use handfast_plane::op::{ChildId, PlaneOp, SaInstall};
use handfast_store::delta::SaDelta;
use handfast_wire::describe::describe_v2;
use handfast_wire::header::ExchangeType;
use handfast_wire::numbers::NotifyType;
use handfast_wire::v2::{Message, PayloadChain};

use crate::child::sa::ChildSa;
use crate::context::{Asker, Context};
use crate::datagrams::Datagrams;
use crate::endpoint::timers::{Reason, earlier};
use crate::event::Event;
use crate::input::Answer;
use crate::output::{Question, Ticket, Transmit, TransmitKind};
use crate::refusal::{Cause, Party, Refusal};
use crate::retransmit::Due;
use crate::time::Instant;
use crate::v2::channel::{Arrived, Channel, unsealed};
use crate::v2::exchange::collision::Rival;
use crate::v2::exchange::create_child::{self, Incoming};
use crate::v2::exchange::{self, Work, rekey_ike_responder};
use crate::v2::further::Further;
use crate::v2::message::{Envelope, Parsed, push_notify};
use crate::v2::state::{Next, Parties, Sa, State, gone, record, refuse};
use crate::v2::succession::Succession;
use crate::v2::window::Turn;

/// Wait before a rekey that did not succeed is tried again.
pub(super) const REKEY_AGAIN: Duration = Duration::from_secs(30);

/// See the module.
pub(crate) struct Established {
    pub parties: Parties,
    pub channel: Channel,
    pub children: Vec<ChildSa>,
    /// Message ID of our next request.
    pub next_out: u32,
    /// Message ID of the peer's next request.
    next_in: u32,
    /// The peer's last request: its datagram, of fragments the first.
    last_request: Vec<u8>,
    /// Our answer to it, sent again if the request is.
    last_response: Option<Datagrams>,
    pub turn: Turn,
    pub queue: VecDeque<Work>,
    /// When the peer last proved that it lives.
    pub last_heard: Instant,
    pub keepalive_due: Instant,
    established: Instant,
    /// Counters are being asked, before a probe.
    query: Option<(Ticket, usize)>,
    /// A CREATE_CHILD_SA of the peer that waits for keys or the plane.
    pub incoming: Option<Box<Incoming>>,
    /// An IKE rekey of the peer that waits for keys.
    pub incoming_ike: Option<Box<rekey_ike_responder::Incoming>>,
    /// Where a rekey of this SA stands.
    pub succession: Succession,
    /// When this SA is to be replaced.
    pub ike_rekey_at: Option<Instant>,
    /// When it may be used no longer.
    pub ike_expires_at: Option<Instant>,
    /// The peer's new child for the child that we are replacing too.
    pub rival: Option<Box<Rival>>,
    /// Outbound SAs that the plane was asked to install after our answer.
    pub outbound: Vec<(Ticket, ChildId)>,
    /// Children that the plane did not take, until the peer has confirmed that they are gone.
    pub unsendable: Vec<ChildId>,
    /// Outbound SAs of rekeyed children (new, old) that wait for the peer to use the new one.
    pub held: Vec<(ChildId, ChildId, SaInstall)>,
    /// Replaced children that are still to be deleted with the peer, and when.
    pub overlapping: Vec<(Instant, ChildId)>,
    /// Deleted children whose inbound SA takes what is still on its way, and until when.
    pub draining: Vec<(Instant, ChildId)>,
    /// Children that are still to be asked for.
    pub further: Further,
    /// Why we are closing, once we are.
    pub closing: Option<String>,
}

impl Established {
    pub fn new(cx: &mut Context, parties: Parties, mut channel: Channel, (next_out, next_in): (u32, u32)) -> Self {
        channel.trust();
        let keepalive_due = cx.now + parties.connection.keepalive;
        let ike_rekey_at = cx.rekey_at(parties.connection.rekey);
        let ike_expires_at = cx.expires_at(parties.connection.lifetime);
        Self {
            parties,
            channel,
            children: vec![],
            next_out,
            next_in,
            last_request: vec![],
            last_response: None,
            turn: Turn::Idle,
            queue: VecDeque::new(),
            last_heard: cx.now,
            keepalive_due,
            established: cx.now,
            query: None,
            incoming: None,
            incoming_ike: None,
            succession: Succession::default(),
            ike_rekey_at,
            ike_expires_at,
            rival: None,
            outbound: vec![],
            unsendable: vec![],
            held: vec![],
            overlapping: vec![],
            draining: vec![],
            further: Further::default(),
            closing: None,
        }
    }

    /// Records and reports that the IKE SA is up.
    pub fn up(&self, sa: &Sa, cx: &mut Context) {
        self.record(sa, cx);
        cx.event(Event::IkeEstablished {
            sa: sa.id,
            connection: self.parties.connection.name.clone(),
            spi_i: sa.spi_i,
            spi_r: sa.spi_r,
            suite: self.channel.suite,
            peer: self.parties.peer.clone(),
            initiator: sa.initiator,
            took: cx.now.since(sa.created),
        });
    }

    pub fn record(&self, sa: &Sa, cx: &mut Context) {
        let mut facts = sa.facts(match self.closing {
            Some(_) => "deleting",
            None if self.succession.over => "rekeyed",
            None => "established",
        });
        facts.rekey_ms = self.ike_rekey_at.map(Instant::as_millis);
        self.parties.tell(&mut facts);
        facts.proposal = self.channel.suite.to_string();
        facts.established_ms = Some(self.established.as_millis());
        facts.took_us = Some(crate::sa::micros(self.established.since(sa.created)));
        record(cx, SaDelta::IkeSa(facts));
    }

    /// When it was established.
    pub fn since(&self) -> Instant {
        self.established
    }

    /// Takes all children out of plane and store.
    pub fn forget_all(&mut self, sa: &Sa, cx: &mut Context, reason: &str) {
        let unfinished = [self.half_made(), self.incoming.as_deref().and_then(Incoming::made)];
        let draining = std::mem::take(&mut self.draining).into_iter().map(|(_, id)| id);
        for id in unfinished.into_iter().flatten().chain(draining) {
            remove_from_plane(sa, cx, id);
        }
        for child in std::mem::take(&mut self.children) {
            self.forget_child(sa, cx, &child, reason);
        }
    }

    pub fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Delete the SA with the peer; `advance` sends it.
    pub fn close(&mut self, reason: impl Into<String>) {
        if self.closing.is_none() {
            self.closing = Some(reason.into());
            self.queue.clear();
            self.queue.push_back(Work::DeleteIke);
        }
    }

    pub fn deadline(&self, sa: &Sa) -> Option<(Instant, Reason)> {
        let connection = &self.parties.connection;
        let retransmit = match &self.turn {
            Turn::Waiting(o) => Some((o.pending.due, Reason::Retransmit)),
            Turn::Idle | Turn::Rekeying(_) | Turn::RekeyingIke(_) => None,
        };
        let idle = matches!(self.turn, Turn::Idle) && self.query.is_none() && self.wants_probes();
        let liveness = idle.then(|| (self.last_heard + connection.liveness, Reason::Liveness));
        let keepalive = self
            .sends_keepalives(sa)
            .then_some((self.keepalive_due, Reason::Keepalive));
        let waits = self.overlapping.iter().chain(&self.draining).map(|(at, _)| *at);
        let of_ike = [self.ike_rekey_at, self.ike_expires_at].into_iter().flatten();
        let of_ike = of_ike.filter(|_| !self.succession.over);
        let waits = waits.chain(of_ike).chain(self.succession.leave_at);
        let waits = waits.chain(self.further.next_at());
        let ends = self.children.iter().filter_map(|c| c.expires_at);
        let rekey = self
            .children
            .iter()
            .filter_map(|c| c.rekey_at)
            .chain(ends)
            .chain(waits)
            .min();
        let rekey = rekey.filter(|_| !self.is_closing()).map(|at| (at, Reason::Rekey));
        earlier(earlier(retransmit, rekey), earlier(liveness, keepalive))
    }

    /// Only who is behind a NAT keeps its mapping (RFC 3948 section 4).
    fn sends_keepalives(&self, sa: &Sa) -> bool {
        sa.path.nat_local && !self.parties.connection.keepalive.is_zero()
    }

    pub fn on_timer(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        if self.sends_keepalives(sa) && cx.now >= self.keepalive_due {
            self.keepalive_due = cx.now + self.parties.connection.keepalive;
            let (local, remote) = (sa.path.local, sa.path.remote);
            cx.transmit(Transmit {
                local,
                remote,
                kind: TransmitKind::Keepalive,
                bytes: Bytes::from_static(&[0xff]),
            });
        }
        if self.succession.is_forgotten(cx.now) {
            return Ok(gone("another rekey came first, and the peer forgot this one"));
        }
        self.queue_rekeys(cx);
        self.queue_further(cx);
        self.end_drained(sa, cx);
        self.end_expired(cx);
        if let Turn::Waiting(outstanding) = &mut self.turn {
            match outstanding.pending.poll(cx.now) {
                Due::Wait => {}
                Due::Again => exchange::send_again(sa, cx, &outstanding.pending),
                Due::GiveUp => {
                    let sent = outstanding.pending.sent;
                    return self.dead(sa, cx, sent);
                }
            }
        } else if matches!(self.turn, Turn::Idle) && self.liveness_due(cx) {
            self.ask_counters(sa, cx);
        }
        self.next_request(sa, cx)
    }

    /// Replaces the IKE SA before its time.
    pub fn rekey_ike_now(&mut self, cx: &Context) {
        if !self.succession.over {
            self.ike_rekey_at = Some(cx.now);
        }
    }

    /// A rekey of the IKE SA did not succeed: again in a while.
    pub fn rekey_ike_later(&mut self, cx: &mut Context) {
        self.ike_rekey_at = Some(cx.now + cx.rng.jitter(REKEY_AGAIN));
    }

    pub fn child(&self, id: ChildId) -> Option<&ChildSa> {
        self.children.iter().find(|c| c.id == id)
    }

    /// Forgets one child, if it is still there.
    pub fn drop_child(&mut self, sa: &Sa, cx: &mut Context, id: ChildId, reason: &str) {
        let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.children).into_iter().partition(|c| c.id == id);
        self.children = kept;
        for child in &gone {
            if child.replaced {
                self.drain(sa, cx, child, reason);
            } else {
                self.forget_child(sa, cx, child, reason);
            }
        }
    }

    fn wants_probes(&self) -> bool {
        !self.parties.connection.liveness.is_zero() && !self.succession.over
    }

    fn liveness_due(&self, cx: &Context) -> bool {
        let idle = self.parties.connection.liveness;
        self.wants_probes() && self.query.is_none() && cx.now >= self.last_heard + idle
    }

    /// Before a probe: has ESP arrived meanwhile? Then the peer lives.
    fn ask_counters(&mut self, sa: &Sa, cx: &mut Context) {
        match self.children.first() {
            Some(child) => {
                let ticket = cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::Query(child.id)));
                self.query = Some((ticket, 0));
            }
            None => self.queue_probe(),
        }
    }

    fn queue_probe(&mut self) {
        if !self.queue.contains(&Work::Probe) {
            self.queue.push_back(Work::Probe);
        }
    }

    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (this, answer) = match self.on_outbound_answer(sa, cx, ticket, answer) {
            Ok(next) => return next,
            Err(both) => both,
        };
        match create_child::on_answer(this, sa, cx, ticket, answer) {
            Ok(next) => next,
            Err((this, answer)) => match this.on_rekey_answer(sa, cx, ticket, answer) {
                Ok(next) => next,
                Err((this, answer)) => match this.on_ike_answer(sa, cx, ticket, answer) {
                    Ok(next) => next,
                    Err((this, answer)) => this.on_counters(sa, cx, ticket, answer),
                },
            },
        }
    }

    fn on_counters(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (Some((asked, index)), Answer::Plane(reply)) = (self.query, answer) else {
            return Ok(State::Established(self));
        };
        if asked != ticket {
            return Ok(State::Established(self));
        }
        self.query = None;
        if let (handfast_plane::op::PlaneReply::Counters(counters), Some(child)) = (reply, self.children.get_mut(index))
            && counters.packets_in > child.seen_in
        {
            child.seen_in = counters.packets_in;
            self.last_heard = cx.now;
            return Ok(State::Established(self));
        }
        match self.children.get(index + 1) {
            Some(child) => {
                let ticket = cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::Query(child.id)));
                self.query = Some((ticket, index + 1));
            }
            None => self.queue_probe(),
        }
        self.next_request(sa, cx)
    }

    pub fn on_message(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let header = message.header;
        let id = header.message_id;
        if header.flags.is_response() {
            return self.on_response(sa, cx, message);
        }
        if id.checked_add(1) == Some(self.next_in) {
            // Answered before: the same answer, and the exchange does not run twice (section 2.1). Only a true
            // repetition opens; anyone else gets nothing.
            if self.channel.is_repetition(message)
                && let Some(bytes) = self.last_response.clone()
            {
                sa.resend_to_seen(cx, &bytes);
            }
            return Ok(State::Established(self));
        }
        if id != self.next_in || self.incoming.is_some() || self.incoming_ike.is_some() {
            sa.dropped(cx, "message ID outside the window");
            return Ok(State::Established(self));
        }
        let opened = match self.channel.open(message) {
            Arrived::Message(opened) => opened,
            Arrived::Part => return Ok(State::Established(self)),
            Arrived::Nothing(why) => {
                sa.dropped(cx, why);
                return Ok(State::Established(self));
            }
        };
        self.last_heard = cx.now;
        self.last_request.clone_from(&opened.datagram);
        self.follow_path(sa, cx);
        sa.asks();
        sa.received(cx, opened.size, |_| describe_v2(header, opened.first, &opened.bytes));
        let envelope = self.envelope(sa, header.exchange, true, id);
        let parsed = match Parsed::read(opened.first, &opened.bytes) {
            Ok(parsed) => parsed,
            Err(cause) => return self.answer_fault(sa, cx, envelope, cause),
        };
        match header.exchange {
            ExchangeType::INFORMATIONAL => exchange::informational(self, sa, cx, envelope, &parsed, &opened.datagram),
            ExchangeType::CREATE_CHILD_SA => create_child::request(self, sa, cx, envelope, &parsed),
            _ => self.answer_fault(sa, cx, envelope, Cause::Syntax("exchange not expected here".into())),
        }
    }

    fn answer_fault(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, envelope: Envelope, cause: Cause) -> Next {
        let Cause::CriticalPayload(kind) = cause else {
            return self.malformed(sa, cx, envelope, Refusal::new(Party::Us, cause));
        };
        let mut chain = PayloadChain::new();
        push_notify(&mut chain, NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[kind]);
        self.respond(sa, cx, envelope, &chain);
        Err(Box::new((State::Established(self), Refusal::new(Party::Us, cause))))
    }

    /// INVALID_SYNTAX ends the IKE SA in both peers, without a Delete (RFC 7296 section 2.21.3).
    pub fn malformed(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, envelope: Envelope, refusal: Refusal) -> Next {
        let mut chain = PayloadChain::new();
        push_notify(&mut chain, NotifyType::INVALID_SYNTAX, &[]);
        self.forget_all(sa, cx, "the peer's request is malformed");
        self.respond(sa, cx, envelope, &chain);
        self.farewell(sa, cx, &self.last_request);
        refuse(refusal)
    }

    /// Answers the peer's request and remembers the answer.
    pub fn respond(&mut self, sa: &mut Sa, cx: &mut Context, envelope: Envelope, chain: &PayloadChain) {
        let bytes = match self.channel.seal(&envelope, chain) {
            Ok(bytes) => bytes,
            Err(error) => {
                let connection = &self.parties.connection;
                let refusal = Refusal::new(Party::Us, unsealed(error)).look_at(&connection.place);
                cx.refused(Some(sa.id), Some(connection.name.clone()), sa.path.remote, refusal);
                return;
            }
        };
        self.next_in = envelope.message_id.saturating_add(1);
        self.last_response = Some(bytes.clone());
        sa.answer(cx, bytes, |_| {
            describe_v2(envelope.header(), chain.first(), chain.bytes())
        });
    }

    /// The SA ends with the last answer, which must survive it.
    pub fn farewell(&self, sa: &Sa, cx: &mut Context, request: &[u8]) {
        if let Some(response) = self.last_response.clone() {
            sa.farewell(cx, request, &response);
        }
    }

    /// The peer sends on a new inbound SA.
    pub fn on_first_inbound(&mut self, sa: &Sa, cx: &mut Context, child: ChildId) {
        create_child::switch(self, sa, cx, |new, _| new == child);
    }

    /// Takes a child out of plane and store. The caller took it out of `children`.
    pub fn forget_child(&self, sa: &Sa, cx: &mut Context, child: &ChildSa, reason: &str) {
        remove_from_plane(sa, cx, child.id);
        tell_gone(sa, cx, child, reason);
    }
}

/// Writes down and reports that a child is gone.
pub(super) fn tell_gone(sa: &Sa, cx: &mut Context, child: &ChildSa, reason: &str) {
    let (ike, id, reason) = (sa.id, child.id, reason.to_string());
    record(
        cx,
        SaDelta::ChildGone {
            ike,
            id: id.0,
            reason: reason.clone(),
        },
    );
    cx.event(Event::ChildGone {
        sa: ike,
        child: id,
        reason,
    });
}

fn remove_from_plane(sa: &Sa, cx: &mut Context, child: ChildId) {
    cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::RemoveOutbound(child)));
    cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::RemoveInbound(child)));
}
