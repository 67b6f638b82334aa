//! Our side of the window: one request at a time (RFC 7296 section 2.3), and what follows its answer.

use handfast_plane::op::ChildId;
use handfast_wire::describe::describe_v2;
use handfast_wire::header::ExchangeType;
use handfast_wire::numbers::NotifyType;
use handfast_wire::v2::{Message, PayloadChain};

use crate::context::Context;
use crate::input::Answer;
use crate::output::Ticket;
use crate::refusal::{Cause, Party, Refusal};
use crate::retransmit::Pending;
use crate::v2::channel::{Arrived, unsealed};
use crate::v2::established::Established;
use crate::v2::exchange::rekey_child::{self, Then, Working};
use crate::v2::exchange::{self, Sent, Work, rekey_ike};
use crate::v2::message::{Envelope, Parsed};
use crate::v2::state::{Next, Sa, State, gone, refuse};

/// A request of ours under way.
pub(crate) struct Outstanding {
    pub sent: Sent,
    id: u32,
    pub pending: Pending,
}

/// What our side is doing.
pub(crate) enum Turn {
    Idle,
    /// A child of ours between messages.
    Rekeying(Box<Working>),
    /// A rekey of the IKE SA between messages.
    RekeyingIke(rekey_ike::Working),
    Waiting(Box<Outstanding>),
}

impl Turn {
    /// The child that a request of ours is to replace, from when it is sent until its new one has a path.
    pub fn replaces(&self) -> Option<ChildId> {
        match self {
            Self::Rekeying(working) if working.may_collide() => working.old(),
            Self::Waiting(outstanding) => match &outstanding.sent {
                Sent::Child(request) => request.aim.old(),
                _ => None,
            },
            Self::Idle | Self::Rekeying(_) | Self::RekeyingIke(_) => None,
        }
    }

    /// Whether we are asking the peer to delete this child.
    pub fn deletes(&self, id: ChildId) -> bool {
        matches!(self, Self::Waiting(o) if matches!(o.sent, Sent::DeleteChild(old) if old == id))
    }

    /// Whether this child's successor is about to be used.
    fn has_replaced(&self, id: ChildId) -> bool {
        matches!(self, Self::Rekeying(working) if working.is_decided() && working.old() == Some(id))
    }
}

impl Established {
    pub fn advance(self, sa: &mut Sa, cx: &mut Context) -> Next {
        Box::new(self).next_request(sa, cx)
    }

    /// Begins the next work item if nothing is under way.
    pub fn next_request(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        while matches!(self.turn, Turn::Idle) {
            // What is asked while the peer replaces this SA would be answered, if at all, after its children have moved.
            if self.incoming_ike.is_some() && !self.is_closing() {
                break;
            }
            let Some(work) = self.queue.pop_front() else { break };
            if let Work::Child(aim) = work {
                let then = rekey_child::begin(&mut self, sa, cx, aim);
                return self.follow(sa, cx, then);
            }
            if work == Work::RekeyIke {
                return self.begin_ike_rekey(sa, cx);
            }
            if work == Work::DeleteIke {
                self.record(sa, cx);
            }
            if let Some((chain, sent)) = exchange::simple(&self, work) {
                return self.send_request(sa, cx, ExchangeType::INFORMATIONAL, &chain, sent);
            }
        }
        Ok(State::Established(self))
    }

    fn follow(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, then: Then) -> Next {
        let refusal = match then {
            Then::Wait(working) => {
                self.turn = Turn::Rekeying(Box::new(working));
                return Ok(State::Established(self));
            }
            Then::Send(chain, request) => {
                sa.offer(cx, request.spi_in());
                let sent = Sent::Child(request);
                return self.send_request(sa, cx, ExchangeType::CREATE_CHILD_SA, &chain, sent);
            }
            Then::Done(refusal) => refusal,
        };
        sa.withdraw(cx);
        self.turn = Turn::Idle;
        let next = self.next_request(sa, cx);
        match (next, refusal) {
            (Ok(state), Some(refusal)) => Err(Box::new((state, refusal))),
            (next, _) => next,
        }
    }

    pub fn send_request(
        mut self: Box<Self>,
        sa: &mut Sa,
        cx: &mut Context,
        exchange: ExchangeType,
        chain: &PayloadChain,
        sent: Sent,
    ) -> Next {
        let id = self.next_out;
        let envelope = self.envelope(sa, exchange, false, id);
        let bytes = match self.channel.seal(&envelope, chain) {
            Ok(bytes) => bytes,
            Err(e) => return refuse(Refusal::new(Party::Us, unsealed(e))),
        };
        // RFC 7296 section 2.2: an SA whose message IDs are used up ends; in practice it is replaced long before.
        let Some(next) = self.next_out.checked_add(1) else {
            return Ok(gone("its message IDs are used up"));
        };
        self.next_out = next;
        let pending = Pending::new(bytes.clone(), cx.now, self.parties.connection.retransmit);
        sa.send(cx, bytes, |_| {
            describe_v2(envelope.header(), chain.first(), chain.bytes())
        });
        self.turn = Turn::Waiting(Box::new(Outstanding { sent, id, pending }));
        Ok(State::Established(self))
    }

    /// The header of a message on this SA.
    pub fn envelope(&self, sa: &Sa, exchange: ExchangeType, response: bool, message_id: u32) -> Envelope {
        let (spi_i, spi_r) = (sa.spi_i, sa.spi_r);
        Envelope {
            spi_i,
            spi_r,
            exchange,
            initiator: sa.initiator,
            response,
            message_id,
        }
    }

    /// A response of the peer.
    pub fn on_response(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let id = message.header.message_id;
        let awaited = matches!(&self.turn, Turn::Waiting(o) if o.id == id);
        let arrived = if awaited {
            self.channel.open(message)
        } else {
            Arrived::Nothing("response that is not awaited")
        };
        let opened = match arrived {
            Arrived::Message(opened) => opened,
            Arrived::Part => return Ok(State::Established(self)),
            Arrived::Nothing(why) => {
                sa.dropped(cx, why);
                return Ok(State::Established(self));
            }
        };
        self.last_heard = cx.now;
        self.follow_path(sa, cx);
        sa.received(cx, opened.size, |_| {
            describe_v2(message.header, opened.first, &opened.bytes)
        });
        let Turn::Waiting(outstanding) = std::mem::replace(&mut self.turn, Turn::Idle) else {
            return Ok(State::Established(self));
        };
        let parsed = match Parsed::read(opened.first, &opened.bytes) {
            Ok(parsed) => parsed,
            Err(cause) => return self.bad_response(sa, cx, cause),
        };
        if parsed.notify(NotifyType::INVALID_SYNTAX).is_some() {
            // The peer has ended the SA with that (section 2.21.3).
            self.forget_all(sa, cx, "the peer found our request malformed");
            let cause = Cause::Notified(NotifyType::INVALID_SYNTAX);
            return refuse(Refusal::new(Party::Peer, cause).look_at(&self.parties.connection.place));
        }
        match outstanding.sent {
            Sent::DeleteIke => {
                let reason = self.closing.clone().unwrap_or_else(|| "deleted".into());
                self.forget_all(sa, cx, &reason);
                Ok(gone(reason))
            }
            Sent::Probe | Sent::DeleteSpi => self.next_request(sa, cx),
            Sent::RekeyIke(request) => {
                let then = rekey_ike::on_response(&self, sa, cx, *request, &parsed);
                self.follow_ike(sa, cx, then)
            }
            Sent::DeleteChild(old) => {
                self.on_child_deleted(sa, cx, old);
                self.next_request(sa, cx)
            }
            Sent::Child(request) => {
                let then = rekey_child::on_response(&mut self, sa, cx, *request, &parsed);
                self.follow(sa, cx, then)
            }
        }
    }

    /// An answer that cannot be read gets none; the state is cleaned up (RFC 7296 section 2.21).
    fn bad_response(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, cause: Cause) -> Next {
        let refusal = Refusal::new(Party::Us, cause);
        if let Some(reason) = self.closing.clone() {
            self.forget_all(sa, cx, &reason);
            return Ok(gone(reason));
        }
        self.close(refusal.to_string());
        match self.next_request(sa, cx) {
            Ok(state) => Err(Box::new((state, refusal))),
            failed => failed,
        }
    }

    /// An answer of the driver for a rekey of ours. Others' answers are handed back.
    pub fn on_rekey_answer(
        mut self: Box<Self>,
        sa: &mut Sa,
        cx: &mut Context,
        ticket: Ticket,
        answer: Answer,
    ) -> Result<Next, (Box<Self>, Answer)> {
        match std::mem::replace(&mut self.turn, Turn::Idle) {
            Turn::Rekeying(working) if working.awaits(ticket) => {
                let then = rekey_child::on_answer(&mut self, sa, cx, *working, answer);
                Ok(self.follow(sa, cx, then))
            }
            turn => {
                self.turn = turn;
                Err((self, answer))
            }
        }
    }

    /// The peer does not answer: it is dead (RFC 7296 section 2.4).
    pub fn dead(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, sent: u32) -> Next {
        // A rekey of the peer's that was answered has taken over; its SA will see whether the peer lives.
        self.hand_over(sa, cx);
        self.forget_all(sa, cx, "the peer does not answer");
        if let Some(reason) = self.closing {
            return Ok(gone(format!("{reason} (the peer did not confirm)")));
        }
        let cause = Cause::Timeout {
            waiting_for: "INFORMATIONAL response",
            sent,
        };
        refuse(Refusal::new(Party::Peer, cause).look_at(&self.parties.connection.place))
    }

    /// Whether we have replaced the child that the peer receives on with this SPI, and are to delete it.
    pub fn retires(&self, spi: &[u8]) -> bool {
        let Some(child) = self.children.iter().find(|c| c.spi_out.to_be_bytes() == spi) else {
            return false;
        };
        self.turn.deletes(child.id)
            || self.turn.has_replaced(child.id)
            || self.queue.contains(&Work::DeleteChild(child.id))
            || self.overlapping.iter().any(|(_, old)| *old == child.id)
    }

    /// The child of a rekey that the plane may hold already.
    pub fn half_made(&self) -> Option<ChildId> {
        if let Turn::Rekeying(working) = &self.turn {
            working.made()
        } else {
            None
        }
    }
}
