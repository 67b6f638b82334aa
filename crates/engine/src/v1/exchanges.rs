//! Exchanges of phase 2 under an established ISAKMP SA: which run, which are over, which are wanted.

use handfast_plane::op::{ChildId, PlaneOp};
use handfast_wire::v1::Message;

use crate::context::{Asker, Context};
use crate::datagrams::Datagrams;
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::refusal::Refusal;
use crate::retransmit::Due;
use crate::v1::dpd::dead;
use crate::v1::established::{Established, NO_CHILD};
use crate::v1::message::Chain;
use crate::v1::quick::{Exchange, Wish};
use crate::v1::state::{Last, Next, Sa, State, send_again};
use crate::v1::{quick_initiator, quick_responder};

/// Quick modes of the peer at once.
const MAX_EXCHANGES: usize = 32;
/// Quick modes of ours at once.
const MAX_OURS: usize = 8;
/// Message IDs that are remembered with the last message and our answer.
const MAX_FINISHED: usize = 64;
/// Message IDs that are remembered at all: those of days of dead peer detection.
const MAX_USED: usize = 16_384;

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

impl Established {
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
        self.used.contains(&id)
    }

    /// An ID that is used up. Ours are too: both sides have the same keys, so what we say could come back as the peer's.
    pub fn use_up(&mut self, id: u32) {
        self.used.truncate(MAX_USED - 1);
        self.used.push_front(id);
    }

    pub fn finished(&mut self, finished: Finished) {
        self.use_up(finished.id);
        self.finished.truncate(MAX_FINISHED - 1);
        // Few have more than one for long.
        if self.finished.is_empty() {
            self.finished.reserve_exact(1);
        }
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

    /// Begins quick modes while there are wishes and not too many run.
    pub fn next_wishes(&mut self, sa: &mut Sa, cx: &mut Context) {
        loop {
            let ours = self.exchanges.values().filter(|e| matches!(e, Exchange::Initiator(_)));
            if ours.count() >= MAX_OURS || self.over || self.deleted {
                return;
            }
            let Some(mut wish) = self.queue.pop_front() else { return };
            wish.began = Some(cx.now);
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

    pub(super) fn after_initiator(
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

    pub(super) fn after_responder(
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

    /// Whether the message has an ID that is used up: if it is the last of its exchange once more, so is our answer.
    pub(super) fn is_repeated(&self, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> bool {
        let id = message.header.message_id;
        let answered = self.finished.iter().find(|f| f.id == id);
        if answered.is_some_and(|f| f.last.answers(sa, cx, message.bytes)) {
            return true;
        }
        let used = self.has_used(id);
        if used {
            sa.dropped(cx, "message ID used before");
        }
        used
    }

    pub(super) fn on_quick(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let id = message.header.message_id;
        if id == 0 || !message.is_encrypted() {
            sa.dropped(cx, "quick mode without message ID or encryption");
            return Ok(State::Established(self));
        }
        if self.is_repeated(sa, cx, message) {
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
    pub(super) fn on_first_of_quick(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
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
        let Some(parsed) = self.isakmp.proved(message.header, &opened) else {
            sa.dropped(cx, "quick mode message with a wrong hash");
            return Ok(State::Established(self));
        };
        self.heard(sa, cx);
        sa.received(cx, message.bytes.len(), |_| parsed.summary(message.header));
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

    /// Replaces a child.
    pub fn wish_again(&mut self, sa: &Sa, cx: &mut Context, id: ChildId) {
        if self.deleted {
            self.estate.rekey_later(cx, id);
            self.seek(sa, cx);
            return;
        }
        let Some(child) = self.estate.child(id) else { return };
        if let ([local], [remote]) = (child.local_ts.as_slice(), child.remote_ts.as_slice()) {
            self.queue.push_back(Wish {
                policy: child.policy.clone(),
                local: *local,
                remote: *remote,
                replaces: Some(id),
                began: None,
            });
        }
    }

    /// Messages of quick modes that were not answered.
    pub(super) fn send_again(&mut self, sa: &mut Sa, cx: &mut Context) -> Result<(), Box<Refusal>> {
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

    pub(super) fn drop_exchanges(&mut self, sa: &Sa, cx: &mut Context) {
        for (_, exchange) in std::mem::take(&mut self.exchanges) {
            if let Some(child) = exchange.child() {
                cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::RemoveInbound(child)));
            }
        }
        self.queue.clear();
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
        ids.into_iter().for_each(|id| self.wish_again(sa, cx, id));
        self.next_wishes(sa, cx);
    }
}
