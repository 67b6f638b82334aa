//! Between agreeing on a child and using it: the plane must hold it first. Install is part of success.
//!
//! Responder: inbound installed, then the answer leaves, then outbound. Initiator: inbound, then outbound.

use std::sync::Arc;

use handfast_plane::op::{PlaneOp, PlaneReply};
use handfast_store::delta::SaDelta;
use handfast_wire::numbers::NotifyType;
use handfast_wire::v2::{Message, PayloadChain};

use crate::child::sa::{ChildSa, DirectedKeys};
use crate::context::{Asker, Context};
use crate::input::Answer;
use crate::output::{Output, Question, Ticket};
use crate::policy::Connection;
use crate::refusal::{Cause, Party, Refusal};
use crate::v2::auth_responder::response_envelope;
use crate::v2::established::Established;
use crate::v2::message::push_notify;
use crate::v2::state::{Next, Parties, Sa, State, record};

/// The responder's answer, both ways it can end.
pub(crate) struct Reply {
    pub with_child: PayloadChain,
    pub without_child: PayloadChain,
}

enum Stage {
    /// Inbound is being installed; as responder the reply waits for it.
    Inbound(Option<Reply>),
    Outbound,
}

/// Waiting for the plane.
pub(crate) struct Installing {
    established: Established,
    child: ChildSa,
    keys: DirectedKeys,
    ticket: Ticket,
    stage: Stage,
}

impl Installing {
    pub fn as_initiator(e: Established, sa: &Sa, cx: &mut Context, child: ChildSa, keys: DirectedKeys) -> State {
        Self::start(e, sa, cx, child, keys, None)
    }

    pub fn as_responder(
        e: Established,
        sa: &Sa,
        cx: &mut Context,
        child: ChildSa,
        keys: DirectedKeys,
        reply: Reply,
    ) -> State {
        Self::start(e, sa, cx, child, keys, Some(reply))
    }

    fn start(
        established: Established,
        sa: &Sa,
        cx: &mut Context,
        child: ChildSa,
        keys: DirectedKeys,
        reply: Option<Reply>,
    ) -> State {
        if cx.key_log {
            cx.out.extend(child.key_log(&keys).map(Output::KeyLog));
        }
        let op = PlaneOp::InstallInbound(child.inbound(&keys));
        let ticket = cx.ask(Asker::Sa(sa.slot), Question::Plane(op));
        State::Installing(Box::new(Self {
            established,
            child,
            keys,
            ticket,
            stage: Stage::Inbound(reply),
        }))
    }

    /// Takes the child out of the plane again.
    pub fn forget(&self, sa: &Sa, cx: &mut Context, reason: &str) {
        self.established.forget_child(sa, cx, &self.child, reason);
    }

    /// The child goes, and the peer, which holds the SA to be up or soon will, hears of the end.
    pub fn close(self: Box<Self>, sa: &mut Sa, cx: &mut Context, reason: &str) -> Next {
        let mut this = *self;
        this.established.forget_child(sa, cx, &this.child, reason);
        if let Stage::Inbound(reply) = this.stage {
            this.established.up(sa, cx);
            if let Some(mut reply) = reply {
                push_notify(&mut reply.without_child, NotifyType::NO_ADDITIONAL_SAS, &[]);
                this.established
                    .respond(sa, cx, response_envelope(sa), &reply.without_child);
            }
        }
        this.established.close(reason);
        this.established.advance(sa, cx)
    }

    /// Obeys settings that were not negotiated.
    pub fn take_settings(&mut self, sa: &Sa, cx: &mut Context, now: &Arc<Connection>) {
        self.established.take_settings(sa, cx, now);
        self.child.take_settings(cx, now);
    }

    pub fn parties(&self) -> &Parties {
        &self.established.parties
    }

    /// The peer may be faster than our plane; it sends again.
    pub fn on_message(self: Box<Self>, sa: &mut Sa, cx: &mut Context, _: &Message<'_>) -> Next {
        sa.dropped(cx, "busy installing the first child");
        Ok(State::Installing(self))
    }

    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Plane(reply)) = (ticket == self.ticket, answer) else {
            return Ok(State::Installing(self));
        };
        if let PlaneReply::Failed(why) = reply {
            return self.failed(sa, cx, why);
        }
        let mut this = *self;
        match this.stage {
            Stage::Inbound(reply) => {
                this.established.up(sa, cx);
                record(cx, SaDelta::Child(this.child.facts(sa.id, "installed")));
                if let Some(reply) = reply {
                    this.established
                        .respond(sa, cx, response_envelope(sa), &reply.with_child);
                }
                let op = PlaneOp::InstallOutbound(this.child.outbound(&this.keys));
                this.ticket = cx.ask(Asker::Sa(sa.slot), Question::Plane(op));
                this.stage = Stage::Outbound;
                Ok(State::Installing(Box::new(this)))
            }
            Stage::Outbound => {
                sa.withdraw(cx);
                cx.event(this.child.established_event(sa.id));
                // Few have more than one.
                this.established.children.reserve_exact(1);
                this.established.children.push(this.child);
                this.established.begin_further(sa);
                this.established.advance(sa, cx)
            }
        }
    }

    /// Never "established" without a data path: the peer hears of it, and so does our owner.
    fn failed(self: Box<Self>, sa: &mut Sa, cx: &mut Context, why: String) -> Next {
        let mut this = *self;
        let refusal = Refusal::new(Party::Us, Cause::Plane(why)).look_at(&this.child.policy.place);
        if let Stage::Inbound(reply) = this.stage {
            this.established.up(sa, cx);
            if let Some(mut reply) = reply {
                push_notify(&mut reply.without_child, NotifyType::NO_ADDITIONAL_SAS, &[]);
                this.established
                    .respond(sa, cx, response_envelope(sa), &reply.without_child);
            }
        } else {
            this.established
                .forget_child(sa, cx, &this.child, "could not be installed");
        }
        this.established.close(format!("no child SA: {refusal}"));
        match this.established.advance(sa, cx) {
            Ok(state) => Err(Box::new((state, refusal))),
            failed => failed,
        }
    }
}
