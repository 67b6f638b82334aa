//! An established ISAKMP SA: a map of message IDs to exchanges, any number at once.

use std::collections::{BTreeMap, VecDeque};

use handfast_crypto::schedule::v1;
use handfast_plane::op::{ChildId, Counters, PlaneOp, PlaneReply};
use handfast_store::delta::SaDelta;
use handfast_wire::header::ExchangeType;
use handfast_wire::v1::Message;

use crate::child::selectors;
use crate::context::{Asker, Context, Effect};
use crate::datagrams::Datagrams;
use crate::endpoint::timers::{Reason, earlier};
use crate::event::Event;
use crate::input::Answer;
use crate::output::{Question, Ticket, Transmit, TransmitKind};
use crate::refusal::{Cause, Party, Refusal};
use crate::retransmit::Due;
use crate::time::Instant;
use crate::v1::dpd::{Dpd, dead};
use crate::v1::estate::Estate;
use crate::v1::isakmp::{Isakmp, Iv};
use crate::v1::message::{Chain, Parsed, Plain, seal};
use crate::v1::notices::UNSUPPORTED_EXCHANGE_TYPE;
use crate::v1::quick::{Exchange, Wish};
use crate::v1::state::{Last, Next, Parties, Sa, State, gone, record, refuse, send_again};
use crate::v1::vendor::Abilities;
use crate::v1::{quick_initiator, quick_responder};

/// Quick modes of the peer at once.
const MAX_EXCHANGES: usize = 32;
/// Quick modes of ours at once.
const MAX_OURS: usize = 8;
/// Message IDs that are remembered with the last message and our answer.
const MAX_FINISHED: usize = 64;
/// How long an SA that the peer has replaced is left to it to delete.
const LEAVE: std::time::Duration = std::time::Duration::from_secs(30);
/// Wait before a new phase 1 that did not succeed is tried again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(30);

/// Why an SA ends that has no children.
pub(crate) const NO_CHILD: &str = "no child SA could be made";

/// An exchange that is over: its last message of the peer, and our answer to that.
pub(crate) struct Finished {
    id: u32,
    last: Last,
}

impl Finished {
    pub fn new(id: u32, received: &[u8], answer: Datagrams) -> Self {
        let last = Last::new(received, answer);
        Self { id, last }
    }

    /// Nothing was answered, or is to be answered again.
    pub fn unanswered(id: u32, received: &[u8]) -> Self {
        let last = Last::unanswered(received);
        Self { id, last }
    }
}

/// See the module.
pub(crate) struct Established {
    pub parties: Parties,
    pub isakmp: Isakmp,
    pub abilities: Abilities,
    pub estate: Estate,
    pub exchanges: BTreeMap<u32, Exchange>,
    pub dpd: Dpd,
    /// Another SA has taken over.
    pub over: bool,
    /// Children were there once.
    pub had_children: bool,
    finished: VecDeque<Finished>,
    queue: VecDeque<Wish>,
    /// The last message of phase 1, and our answer.
    last: Last,
    last_heard: Instant,
    keepalive_due: Instant,
    established: Instant,
    rekey_at: Option<Instant>,
    leave_at: Option<Instant>,
    /// Counters are being asked, before a probe.
    query: Option<(Ticket, usize)>,
}

impl Established {
    /// Phase 1 is complete. What follows (children, or taking over those of an older SA) is the endpoint's to order.
    pub fn begin(
        sa: &mut Sa,
        cx: &mut Context,
        parties: Parties,
        isakmp: Isakmp,
        abilities: Abilities,
        last: Last,
        knows_no_other: bool,
    ) -> State {
        let this = Self {
            keepalive_due: cx.now + parties.connection.keepalive,
            rekey_at: cx.rekey_at(parties.connection.rekey),
            dpd: Dpd::new(cx),
            parties,
            isakmp,
            abilities,
            estate: Estate::default(),
            exchanges: BTreeMap::new(),
            over: false,
            had_children: false,
            finished: VecDeque::new(),
            queue: VecDeque::new(),
            last,
            last_heard: cx.now,
            established: cx.now,
            leave_at: None,
            query: None,
        };
        this.record(sa, cx);
        cx.event(Event::IkeEstablished {
            sa: sa.id,
            connection: this.parties.connection.name.clone(),
            spi_i: sa.spi_i,
            spi_r: sa.spi_r,
            suite: this.isakmp.suite,
            peer: this.parties.peer.clone(),
            initiator: sa.initiator,
            took: cx.now.since(sa.created),
        });
        if knows_no_other {
            cx.effects.push(Effect::InitialContact {
                fresh: sa.id,
                connection: this.parties.connection.name.clone(),
                peer: this.parties.peer.clone(),
            });
        }
        cx.effects.push(Effect::TakeOver {
            slot: sa.slot,
            adopt: !knows_no_other,
        });
        State::Established(Box::new(this))
    }

    pub fn record(&self, sa: &Sa, cx: &mut Context) {
        let mut facts = sa.facts(if self.over { "rekeyed" } else { "established" });
        facts.rekey_ms = self.rekey_at.map(Instant::as_millis);
        facts.connection = Some(self.parties.connection.name.clone());
        facts.local.id = self.parties.connection.local_id.to_string();
        facts.remote.id.clone_from(&self.parties.peer);
        facts.proposal = self.isakmp.suite.to_string();
        facts.auth_local = "psk".into();
        facts.auth_remote = "psk".into();
        facts.established_ms = Some(self.established.as_millis());
        record(cx, SaDelta::IkeSa(facts));
    }

    /// When it was established.
    pub fn since(&self) -> Instant {
        self.established
    }

    /// The peer has proved that it lives and where it is.
    pub fn heard(&mut self, sa: &mut Sa, cx: &mut Context) {
        self.last_heard = cx.now;
        self.dpd.settle();
        self.follow_path(sa, cx);
    }

    /// The NAT before the peer has a new mapping: what we send goes there, on this SA and its children.
    fn follow_path(&mut self, sa: &mut Sa, cx: &mut Context) {
        if sa.follow(cx) {
            self.estate.move_to(sa, cx);
            self.record(sa, cx);
        }
    }

    /// The plane has authentic ESP of the peer from elsewhere.
    pub fn on_esp_moved(&mut self, sa: &mut Sa, cx: &mut Context, child: ChildId, from: std::net::SocketAddr) {
        sa.seen = (sa.path.local, from);
        self.follow_path(sa, cx);
        // A child that was made before the SA moved hears of it now.
        let path = sa.path.outer(cx.policy.ports);
        if sa.path.remote == from {
            cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::UpdatePath(child, path)));
        }
    }

    /// Encrypts and sends.
    pub fn seal(
        &self,
        iv: &mut Iv,
        sa: &mut Sa,
        cx: &mut Context,
        exchange: ExchangeType,
        id: u32,
        chain: &Chain,
    ) -> Result<Datagrams, Box<Refusal>> {
        match seal(&self.isakmp, iv, sa, exchange, id, chain) {
            Ok(bytes) => {
                let bytes = self.abilities.cut(&self.parties.connection).apply(sa, bytes);
                sa.send(cx, bytes.clone(), Plain::describe(sa, exchange, id, chain));
                Ok(bytes)
            }
            Err(e) => Err(Box::new(Refusal::new(Party::Us, Cause::Local(e.to_string())))),
        }
    }

    /// A message ID that was not used under this SA.
    pub fn fresh_id(&self, cx: &mut Context) -> u32 {
        loop {
            let id = cx.rng.u32();
            if id != 0 && !self.has_used(id) && !self.exchanges.contains_key(&id) {
                return id;
            }
        }
    }

    pub fn has_used(&self, id: u32) -> bool {
        self.finished.iter().any(|f| f.id == id)
    }

    pub fn finished(&mut self, finished: Finished) {
        self.finished.truncate(MAX_FINISHED - 1);
        self.finished.push_front(finished);
    }

    /// The quick mode of ours that a refusal means.
    pub fn asked(&self, spi: Option<u32>) -> Option<(u32, Wish)> {
        let asked = self.exchanges.iter().filter_map(|(id, exchange)| match exchange {
            Exchange::Initiator(i) => i.asked().map(|spi| (*id, spi, &i.wish)),
            Exchange::Responder(_) => None,
        });
        let asked: Vec<_> = asked.collect();
        let named = asked.iter().find(|(_, own, _)| Some(*own) == spi);
        let only = if let [only] = asked.as_slice() {
            Some(only)
        } else {
            None
        };
        named.or(only).map(|(id, _, wish)| (*id, (*wish).clone()))
    }

    /// A wish was refused or failed: a rekey is tried again later, the rest is given up.
    pub fn not_granted(&mut self, sa: &mut Sa, cx: &mut Context, wish: Wish) {
        self.had_children = true;
        if let Some(old) = wish.replaces {
            self.estate.rekey_later(cx, old);
        }
        self.next_wishes(sa, cx);
    }

    /// An ISAKMP SA whose children are all gone or refused is of no use to its connection.
    pub fn is_barren(&self) -> bool {
        self.had_children
            && !self.over
            && self.estate.children.is_empty()
            && self.exchanges.is_empty()
            && self.queue.is_empty()
    }

    /// Takes over what older SAs leave; as initiator, asks for the children that are missing.
    pub fn inherit(&mut self, sa: &mut Sa, cx: &mut Context, estates: Vec<Estate>) {
        for estate in estates {
            self.estate.merge(sa, cx, estate);
        }
        if !sa.initiator {
            return;
        }
        let connection = self.parties.connection.clone();
        for policy in &connection.children {
            let local = selectors::resolve(&policy.local_ts, sa.path.local.ip());
            let remote = selectors::resolve(&policy.remote_ts, sa.path.remote.ip());
            for (local, remote) in local.iter().flat_map(|l| remote.iter().map(move |r| (*l, *r))) {
                let there = |c: &crate::child::sa::ChildSa| c.local_ts == [local] && c.remote_ts == [remote];
                let missing = !self.estate.children.iter().any(|c| !c.replaced && there(c));
                if missing && local.start.is_ipv4() == remote.start.is_ipv4() {
                    self.queue.push_back(Wish {
                        policy: policy.clone(),
                        local,
                        remote,
                        replaces: None,
                    });
                }
            }
        }
        self.next_wishes(sa, cx);
    }

    /// Gives everything to a new SA.
    pub fn bequeath(&mut self, sa: &Sa, cx: &mut Context) -> Estate {
        self.over = true;
        self.leave_at = Some(cx.now + LEAVE);
        self.drop_exchanges(sa, cx);
        self.record(sa, cx);
        std::mem::take(&mut self.estate)
    }

    /// Another SA with the peer, made at the same time, stays. Who made this one deletes it, but not before the peer can
    /// have the other, too: until then its children may be under this one.
    pub fn give_way(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        self.over = true;
        self.record(sa, cx);
        self.leave_at = Some(cx.now + if sa.initiator { LEAVE / 3 } else { LEAVE });
        Ok(State::Established(self))
    }

    /// Begins quick modes while there are wishes and not too many run.
    pub fn next_wishes(&mut self, sa: &mut Sa, cx: &mut Context) {
        loop {
            let ours = self.exchanges.values().filter(|e| matches!(e, Exchange::Initiator(_)));
            if ours.count() >= MAX_OURS || self.over {
                return;
            }
            let Some(wish) = self.queue.pop_front() else { return };
            let id = self.fresh_id(cx);
            match quick_initiator::begin(self, sa, cx, id, wish) {
                quick_initiator::Then::Wait(initiator) => drop(self.exchanges.insert(id, initiator.into())),
                quick_initiator::Then::Over(refusal) => {
                    self.had_children = true;
                    if let Some(refusal) = refusal {
                        let name = self.parties.connection.name.clone();
                        cx.refused(Some(sa.id), Some(name), sa.path.remote, *refusal);
                    }
                }
            }
        }
    }

    fn after_initiator(
        &mut self,
        sa: &mut Sa,
        cx: &mut Context,
        id: u32,
        wish: Wish,
        then: quick_initiator::Then,
    ) -> Option<Box<Refusal>> {
        match then {
            quick_initiator::Then::Wait(initiator) => {
                self.exchanges.insert(id, initiator.into());
                None
            }
            quick_initiator::Then::Over(None) => {
                self.had_children = true;
                self.next_wishes(sa, cx);
                None
            }
            quick_initiator::Then::Over(Some(refusal)) => {
                self.finished(Finished::unanswered(id, &[]));
                self.not_granted(sa, cx, wish);
                Some(refusal)
            }
        }
    }

    fn after_responder(
        &mut self,
        sa: &mut Sa,
        cx: &mut Context,
        id: u32,
        request: &[u8],
        then: quick_responder::Then,
    ) -> Option<Box<Refusal>> {
        match then {
            quick_responder::Then::Wait(responder) => {
                self.exchanges.insert(id, Exchange::Responder(responder));
                None
            }
            quick_responder::Then::Done => {
                self.had_children = true;
                None
            }
            quick_responder::Then::Refuse(notify, refusal) => {
                let mut chain = Chain::new();
                chain.notify(notify, &[]);
                let finished = match self.inform(sa, cx, chain) {
                    Some(answer) => Finished::new(id, request, answer),
                    None => Finished::unanswered(id, request),
                };
                self.finished(finished);
                Some(refusal)
            }
        }
    }

    /// Ends, for this reason, if nothing is left to live for; tells of a refusal.
    pub fn follow(self: Box<Self>, sa: &mut Sa, cx: &mut Context, refusal: Option<Box<Refusal>>, reason: &str) -> Next {
        let next = if self.is_barren() {
            self.close(sa, cx, reason)
        } else {
            Ok(State::Established(self))
        };
        match (next, refusal) {
            (Ok(state), Some(refusal)) => Err(Box::new((state, *refusal))),
            (next, _) => next,
        }
    }

    pub fn on_message(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let header = message.header;
        match header.exchange {
            ExchangeType::V1_QUICK => self.on_quick(sa, cx, message),
            ExchangeType::V1_INFORMATIONAL => self.on_informational(sa, cx, message),
            ExchangeType::V1_MAIN | ExchangeType::V1_AGGRESSIVE => {
                if !self.last.answers(sa, cx, message.bytes) {
                    sa.dropped(cx, "message of phase 1, which is complete");
                }
                Ok(State::Established(self))
            }
            _ => {
                // New group mode and whatever else: refused, now that there are keys to say it under.
                if message.is_encrypted() && header.message_id != 0 && !self.has_used(header.message_id) {
                    let mut chain = Chain::new();
                    chain.notify(UNSUPPORTED_EXCHANGE_TYPE, &[]);
                    let id = header.message_id;
                    let finished = match self.inform(sa, cx, chain) {
                        Some(answer) => Finished::new(id, message.bytes, answer),
                        None => Finished::unanswered(id, message.bytes),
                    };
                    self.finished(finished);
                } else {
                    sa.dropped(cx, "exchange that is not supported");
                }
                Ok(State::Established(self))
            }
        }
    }

    fn on_quick(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let id = message.header.message_id;
        if id == 0 || !message.is_encrypted() {
            sa.dropped(cx, "quick mode without message ID or encryption");
            return Ok(State::Established(self));
        }
        if let Some(finished) = self.finished.iter().find(|f| f.id == id) {
            let last = finished.last.clone();
            if !last.answers(sa, cx, message.bytes) {
                sa.dropped(cx, "message ID used before");
            }
            return Ok(State::Established(self));
        }
        let refusal = match self.exchanges.remove(&id) {
            Some(Exchange::Initiator(initiator)) => {
                let wish = initiator.wish.clone();
                let then = quick_initiator::on_message(&mut self, sa, cx, initiator, message);
                self.after_initiator(sa, cx, id, wish, then)
            }
            Some(Exchange::Responder(responder)) => {
                let request = responder.request().to_vec();
                let then = quick_responder::on_message(&mut self, sa, cx, responder, message);
                self.after_responder(sa, cx, id, &request, then)
            }
            None => return self.on_first_of_quick(sa, cx, message),
        };
        self.follow(sa, cx, refusal, NO_CHILD)
    }

    /// Message 1 of a quick mode of the peer.
    fn on_first_of_quick(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let id = message.header.message_id;
        if self.exchanges.len() >= MAX_EXCHANGES || self.over {
            sa.dropped(cx, "too many quick modes at once, or one under an SA that was replaced");
            return Ok(State::Established(self));
        }
        let opened = message
            .ciphertext()
            .and_then(|c| self.isakmp.decrypt(&self.isakmp.phase_two(id), c));
        let Some(opened) = opened else {
            sa.dropped(cx, "quick mode message that does not decrypt");
            return Ok(State::Established(self));
        };
        let parsed = Parsed::inner(message.header, &opened.plain).ok().filter(|parsed| {
            let (prf, skeyid_a) = (self.isakmp.prf, &self.isakmp.keys.skeyid_a);
            let expected = v1::hash_1(prf, skeyid_a, id, parsed.rest());
            parsed.is_hash_first()
                && parsed
                    .hash()
                    .is_ok_and(|h| h.len() == expected.len() && expected.ct_eq(h))
        });
        let Some(parsed) = parsed else {
            sa.dropped(cx, "quick mode message with a wrong hash");
            return Ok(State::Established(self));
        };
        self.heard(sa, cx);
        sa.received(cx, message.bytes.len(), parsed.summary(message.header));
        let then = quick_responder::begin(&mut self, sa, cx, message, (&parsed, opened.next.clone()));
        let refusal = self.after_responder(sa, cx, id, message.bytes, then);
        self.follow(sa, cx, refusal, NO_CHILD)
    }

    pub fn on_answer(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let id = self.exchanges.iter().find(|(_, e)| e.awaits(ticket)).map(|(id, _)| *id);
        let refusal = match id.and_then(|id| Some((id, self.exchanges.remove(&id)?))) {
            Some((id, Exchange::Initiator(initiator))) => {
                let wish = initiator.wish.clone();
                let then = quick_initiator::on_answer(&mut self, sa, cx, id, *initiator, answer);
                self.after_initiator(sa, cx, id, wish, then)
            }
            Some((id, Exchange::Responder(responder))) => {
                let request = responder.request().to_vec();
                let then = quick_responder::on_answer(&mut self, sa, cx, id, *responder, answer);
                self.after_responder(sa, cx, id, &request, then)
            }
            None => {
                if let (Some((asked, index)), Answer::Plane(reply)) = (self.query, answer)
                    && asked == ticket
                {
                    self.on_counters(sa, cx, index, &reply);
                }
                None
            }
        };
        self.follow(sa, cx, refusal, NO_CHILD)
    }

    /// Before a probe: has ESP arrived meanwhile? Then the peer lives.
    fn on_counters(&mut self, sa: &mut Sa, cx: &mut Context, index: usize, reply: &PlaneReply) {
        self.query = None;
        if let (PlaneReply::Counters(Counters { packets_in, .. }), Some(child)) =
            (reply, self.estate.children.get_mut(index))
            && *packets_in > child.seen_in
        {
            child.seen_in = *packets_in;
            self.last_heard = cx.now;
            return;
        }
        self.ask_counters(sa, cx, index + 1);
    }

    fn ask_counters(&mut self, sa: &mut Sa, cx: &mut Context, index: usize) {
        match self.estate.children.get(index) {
            Some(child) => {
                let ticket = cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::Query(child.id)));
                self.query = Some((ticket, index));
            }
            // Only a peer that has said so answers (RFC 3706 section 5.1).
            None if self.abilities.dpd => self.probe(sa, cx),
            None => self.last_heard = cx.now,
        }
    }

    fn wants_probes(&self) -> bool {
        !self.parties.connection.liveness.is_zero() && !self.over && self.query.is_none() && !self.dpd.is_asking()
    }

    fn sends_keepalives(&self, sa: &Sa) -> bool {
        sa.path.nat_local && !self.parties.connection.keepalive.is_zero() && !self.over
    }

    pub fn deadline(&self, sa: &Sa) -> Option<(Instant, Reason)> {
        let connection = &self.parties.connection;
        let exchanges = self.exchanges.values().filter_map(Exchange::deadline);
        let retransmit = exchanges
            .chain(self.dpd.deadline())
            .min()
            .map(|at| (at, Reason::Retransmit));
        let rekeys = [
            self.rekey_at.filter(|_| !self.over),
            self.leave_at,
            self.estate.deadline(),
        ];
        let rekey = rekeys.into_iter().flatten().min().map(|at| (at, Reason::Rekey));
        let liveness = self
            .wants_probes()
            .then(|| (self.last_heard + connection.liveness, Reason::Liveness));
        let keepalive = self
            .sends_keepalives(sa)
            .then_some((self.keepalive_due, Reason::Keepalive));
        earlier(earlier(retransmit, rekey), earlier(liveness, keepalive))
    }

    pub fn on_timer(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        let now = cx.now;
        if self.leave_at.is_some_and(|at| at <= now) {
            return self.close(sa, cx, "replaced");
        }
        if self.sends_keepalives(sa) && now >= self.keepalive_due {
            self.keepalive_due = now + self.parties.connection.keepalive;
            cx.transmit(Transmit {
                local: sa.path.local,
                remote: sa.path.remote,
                kind: TransmitKind::Keepalive,
                bytes: vec![0xff],
            });
        }
        if !self.over && self.rekey_at.is_some_and(|at| at <= now) {
            self.rekey_at = Some(now + cx.rng.jitter(AGAIN));
            cx.effects.push(Effect::Renew { slot: sa.slot });
        }
        let (over, rekeys) = self.estate.on_timer(sa, cx);
        over.into_iter()
            .for_each(|id| self.delete_child(sa, cx, id, "its lifetime is over"));
        rekeys.into_iter().for_each(|id| self.wish_again(id));
        self.next_wishes(sa, cx);
        if let Err(refusal) = self.on_dpd_timer(sa, cx).and_then(|()| self.send_again(sa, cx)) {
            self.forget_all(sa, cx, "the peer does not answer");
            return refuse(*refusal);
        }
        if self.wants_probes() && now >= self.last_heard + self.parties.connection.liveness {
            self.ask_counters(sa, cx, 0);
        }
        self.follow(sa, cx, None, NO_CHILD)
    }

    /// Replaces a child.
    pub fn wish_again(&mut self, id: ChildId) {
        let Some(child) = self.estate.child(id) else { return };
        if let ([local], [remote]) = (child.local_ts.as_slice(), child.remote_ts.as_slice()) {
            self.queue.push_back(Wish {
                policy: child.policy.clone(),
                local: *local,
                remote: *remote,
                replaces: Some(id),
            });
        }
    }

    /// Deletes a child with the peer.
    pub fn delete_child(&mut self, sa: &mut Sa, cx: &mut Context, id: ChildId, reason: &str) {
        let Some(child) = self.estate.child(id) else { return };
        let mut chain = Chain::new();
        chain.delete_esp(child.spi_in);
        self.inform(sa, cx, chain);
        self.had_children = true;
        self.estate.drop_child(sa, cx, id, reason);
    }

    /// Messages of quick modes that were not answered.
    fn send_again(&mut self, sa: &mut Sa, cx: &mut Context) -> Result<(), Box<Refusal>> {
        let mut silent = vec![];
        for (id, exchange) in &mut self.exchanges {
            let pending = match exchange {
                Exchange::Initiator(i) => i.pending_mut(),
                Exchange::Responder(r) => r.pending_mut(),
            };
            let Some(pending) = pending else { continue };
            match pending.poll(cx.now) {
                Due::Wait => {}
                Due::Again => send_again(sa, cx, pending),
                Due::GiveUp => silent.push((*id, pending.sent)),
            }
        }
        for (id, sent) in silent {
            match self.exchanges.remove(&id) {
                Some(Exchange::Initiator(_)) => {
                    return Err(dead(&self.parties.connection, "quick mode message 2", sent));
                }
                Some(Exchange::Responder(responder)) => {
                    // The peer has not come back for it.
                    if let Some(child) = responder.child() {
                        cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::RemoveInbound(child)));
                    }
                    self.finished(Finished::unanswered(id, &[]));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// The peer sends on a new inbound SA: that is as good as message 3.
    pub fn on_first_inbound(&mut self, sa: &Sa, cx: &mut Context, child: ChildId) {
        let waiting =
            |e: &Exchange| matches!(e, Exchange::Responder(r) if r.child() == Some(child) && r.pending().is_some());
        let id = self.exchanges.iter().find(|(_, e)| waiting(e)).map(|(id, _)| *id);
        if let Some(Exchange::Responder(responder)) = id.and_then(|id| self.exchanges.remove(&id)) {
            quick_responder::finish(self, sa, cx, *responder);
            self.had_children = true;
            if let Some(id) = id {
                self.finished(Finished::unanswered(id, &[]));
            }
        }
        self.estate.on_first_inbound(sa, cx, child);
    }

    fn drop_exchanges(&mut self, sa: &Sa, cx: &mut Context) {
        for (_, exchange) in std::mem::take(&mut self.exchanges) {
            if let Some(child) = exchange.child() {
                cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::RemoveInbound(child)));
            }
        }
        self.queue.clear();
    }

    /// Takes all children out of plane and store.
    pub fn forget_all(&mut self, sa: &Sa, cx: &mut Context, reason: &str) {
        self.drop_exchanges(sa, cx);
        self.estate.forget(sa, cx, reason);
    }

    /// Tells the peer that all this is deleted. Nothing is answered, so this is the end.
    pub fn close(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, reason: &str) -> Next {
        let spis: Vec<u32> = self.estate.children.iter().map(|c| c.spi_in).collect();
        if !self.over {
            for spi in spis {
                let mut chain = Chain::new();
                chain.delete_esp(spi);
                self.inform(sa, cx, chain);
            }
        }
        let mut chain = Chain::new();
        chain.delete_isakmp(sa);
        self.inform(sa, cx, chain);
        self.forget_all(sa, cx, reason);
        Ok(gone(reason))
    }

    /// Replaces every child before its time.
    pub fn rekey_children_now(&mut self, sa: &mut Sa, cx: &mut Context) {
        let ids: Vec<ChildId> = self
            .estate
            .children
            .iter()
            .filter(|c| !c.replaced)
            .map(|c| c.id)
            .collect();
        ids.into_iter().for_each(|id| self.wish_again(id));
        self.next_wishes(sa, cx);
    }

    /// Replaces the ISAKMP SA before its time.
    pub fn rekey_ike_now(&mut self, cx: &Context) {
        if !self.over {
            self.rekey_at = Some(cx.now);
        }
    }
}
