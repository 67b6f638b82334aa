//! An established ISAKMP SA: a map of message IDs to exchanges, any number at once.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use handfast_plane::op::{ChildId, Counters, PlaneOp, PlaneReply};
use handfast_store::delta::SaDelta;
use handfast_wire::header::ExchangeType;
use handfast_wire::v1::Message;

use crate::context::{Asker, Context, Effect};
use crate::datagrams::Datagrams;
use crate::endpoint::timers::{Reason, earlier};
use crate::event::Event;
use crate::output::{Question, Ticket, Transmit, TransmitKind};
use crate::refusal::{Cause, Party, Refusal};
use crate::time::Instant;
use crate::v1::dpd::Dpd;
use crate::v1::estate::Estate;
use crate::v1::exchanges::Finished;
use crate::v1::isakmp::{Isakmp, Iv};
use crate::v1::message::{Chain, Plain, seal};
use crate::v1::notices::UNSUPPORTED_EXCHANGE_TYPE;
use crate::v1::quick::{Exchange, Wish};
use crate::v1::state::{Last, Next, Parties, Sa, State, gone, record, refuse};
use crate::v1::vendor::Abilities;

/// Wait before a new phase 1 that did not succeed is tried again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(30);

/// Why an SA ends that has no children.
pub(crate) const NO_CHILD: &str = "no child SA could be made";

/// Why the children of an SA end that the peer has deleted.
const NO_SUCCESSOR: &str = "the peer has deleted the ISAKMP SA and does not answer to another";

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
    /// The peer has deleted it; its children live on (see `orphan`).
    pub deleted: bool,
    /// Children were there once.
    pub had_children: bool,
    pub(super) finished: VecDeque<Finished>,
    /// Message IDs that are used up, the latest first.
    pub(super) used: VecDeque<u32>,
    pub(super) queue: VecDeque<Wish>,
    /// The last message of phase 1, and our answer.
    last: Last,
    pub(super) last_heard: Instant,
    keepalive_due: Instant,
    established: Instant,
    pub(super) rekey_at: Option<Instant>,
    /// When it may be used no longer.
    expires_at: Option<Instant>,
    pub(super) leave_at: Option<Instant>,
    /// Counters are being asked, before a probe.
    pub(super) query: Option<(Ticket, usize)>,
}

impl Established {
    /// Phase 1 is complete. What follows (children, or taking over those of an older SA) is the endpoint's to order.
    pub fn begin(
        sa: &mut Sa,
        cx: &mut Context,
        parties: Parties,
        mut isakmp: Isakmp,
        abilities: Abilities,
        last: Last,
        knows_no_other: bool,
    ) -> State {
        isakmp.settle();
        let this = Self {
            keepalive_due: cx.now + parties.connection.keepalive,
            rekey_at: cx.rekey_at(parties.connection.rekey),
            expires_at: cx.expires_at(parties.connection.lifetime),
            dpd: Dpd::new(cx),
            parties,
            isakmp,
            abilities,
            estate: Estate::default(),
            exchanges: BTreeMap::new(),
            over: false,
            deleted: false,
            had_children: false,
            finished: VecDeque::new(),
            used: VecDeque::new(),
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
        self.parties.tell(&mut facts);
        facts.proposal = self.isakmp.suite.to_string();
        facts.established_ms = Some(self.established.as_millis());
        facts.took_us = Some(crate::sa::micros(self.established.since(sa.created)));
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
    pub(super) fn follow_path(&mut self, sa: &mut Sa, cx: &mut Context) {
        if sa.follow(cx) {
            self.estate.move_to(sa, cx);
            self.record(sa, cx);
        }
    }

    /// The plane has authentic ESP of the peer from elsewhere.
    pub fn on_esp_moved(&mut self, sa: &mut Sa, cx: &mut Context, child: ChildId, from: std::net::SocketAddr) {
        sa.see((sa.path.local, from));
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
                sa.send(cx, bytes.clone(), |sa| Plain::describe(sa, exchange, id, chain));
                Ok(bytes)
            }
            Err(e) => Err(Box::new(Refusal::new(Party::Us, Cause::Local(e.to_string())))),
        }
    }

    /// An ISAKMP SA whose children are all gone or refused is of no use to its connection.
    pub fn is_barren(&self) -> bool {
        self.had_children
            && !self.over
            && self.estate.children.is_empty()
            && self.exchanges.is_empty()
            && self.queue.is_empty()
    }

    /// Ends, for this reason, if nothing is left to live for; tells of a refusal.
    pub fn follow(
        mut self: Box<Self>,
        sa: &mut Sa,
        cx: &mut Context,
        refusal: Option<Box<Refusal>>,
        reason: &str,
    ) -> Next {
        if self.exchanges.is_empty() {
            // An empty map keeps its room, and most are empty most of the time.
            self.exchanges = BTreeMap::new();
        }
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
        // Its Deletes of the children may come after that of the SA, for they are messages of their own.
        if self.deleted && header.exchange != ExchangeType::V1_INFORMATIONAL {
            sa.dropped(cx, "message under an ISAKMP SA that the peer has deleted");
            return Ok(State::Established(self));
        }
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
                // New group mode, the transaction exchange of XAUTH and whatever else: refused, now that there are keys to
                // say it under, and only if the peer has said it under them.
                if self.is_repeated(sa, cx, message) {
                    return Ok(State::Established(self));
                }
                if self.opens(message) {
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

    /// Before a probe: has ESP arrived meanwhile? Then the peer lives.
    pub(super) fn on_counters(&mut self, sa: &mut Sa, cx: &mut Context, index: usize, reply: &PlaneReply) {
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

    pub(super) fn ask_counters(&mut self, sa: &mut Sa, cx: &mut Context, index: usize) {
        match self.estate.children.get(index) {
            Some(child) => {
                let ticket = cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::Query(child.id)));
                self.query = Some((ticket, index));
            }
            None if self.deleted => self.seek(sa, cx),
            // Only a peer that has said so answers (RFC 3706 section 5.1).
            None if self.abilities.dpd => self.probe(sa, cx),
            None => self.last_heard = cx.now,
        }
    }

    fn wants_probes(&self) -> bool {
        !self.parties.connection.liveness.is_zero()
            && !self.over
            && !self.is_seeking()
            && self.query.is_none()
            && !self.dpd.is_asking()
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
            self.expires_at.filter(|_| !self.over),
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
            let reason = if self.is_seeking() { NO_SUCCESSOR } else { "replaced" };
            return self.close(sa, cx, reason);
        }
        if !self.over && self.expires_at.is_some_and(|at| at <= now) {
            return self.close(
                sa,
                cx,
                "the ISAKMP SA is as old as it may become, and no newer one has come in time",
            );
        }
        if self.sends_keepalives(sa) && now >= self.keepalive_due {
            self.keepalive_due = now + self.parties.connection.keepalive;
            cx.transmit(Transmit {
                local: sa.path.local,
                remote: sa.path.remote,
                kind: TransmitKind::Keepalive,
                bytes: Bytes::from_static(&[0xff]),
            });
        }
        if !self.over && self.rekey_at.is_some_and(|at| at <= now) {
            self.rekey_at = Some(now + cx.rng.jitter(AGAIN));
            if self.deleted {
                self.rekey_at = None;
                self.seek(sa, cx);
            } else {
                cx.effects.push(Effect::Renew { slot: sa.slot });
            }
        }
        let (over, rekeys) = self.estate.on_timer(sa, cx);
        over.into_iter()
            .for_each(|id| self.delete_child(sa, cx, id, "its lifetime is over"));
        rekeys.into_iter().for_each(|id| self.wish_again(sa, cx, id));
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

    /// Deletes a child with the peer.
    pub fn delete_child(&mut self, sa: &mut Sa, cx: &mut Context, id: ChildId, reason: &str) {
        let Some(child) = self.estate.child(id) else { return };
        let mut chain = Chain::new();
        chain.delete_esp(child.spi_in);
        self.inform(sa, cx, chain);
        self.had_children = true;
        self.estate.drop_child(sa, cx, id, reason);
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
        Ok(gone(reason.to_string()))
    }

    /// Replaces the ISAKMP SA before its time.
    pub fn rekey_ike_now(&mut self, cx: &Context) {
        if !self.over {
            self.rekey_at = Some(cx.now);
        }
    }
}
