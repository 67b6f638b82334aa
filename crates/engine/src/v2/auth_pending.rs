//! IKE_AUTH while a signature of ours is being made, or the peer's certificate judged. Both are questions to the driver, for
//! a key may be in a slow device, and revocation must be asked for over the network.

use crate::context::Context;
use crate::input::Answer;
use crate::output::Ticket;
use crate::v2::auth::{self, Signature};
use crate::v2::auth_initiator::{self, AuthSent};
use crate::v2::auth_responder::{Claim, Granting, HalfOpen};
use crate::v2::channel::{Channel, Opened};
use crate::v2::message::Parsed;
use crate::v2::sa_init::Agreeing;
use crate::v2::state::{Next, Sa, State, gone, refuse};

/// Initiator: waiting for our signature.
pub(crate) struct Signing {
    pub from: Agreeing,
    pub channel: Channel,
    pub signature: Signature,
}

impl Signing {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Signed(signed)) = (ticket == self.signature.ticket, answer) else {
            return Ok(State::Signing(self));
        };
        let this = *self;
        match this.signature.made(signed, &this.from.connection) {
            Ok(ours) => auth_initiator::request(this.from, sa, cx, this.channel, &ours),
            Err(refusal) => refuse(refusal),
        }
    }
}

/// Initiator: the responder's certificate and proof are being judged.
pub(crate) struct JudgingResponder {
    pub sent: Box<AuthSent>,
    pub opened: Opened,
    pub peer: String,
    pub ticket: Ticket,
}

impl JudgingResponder {
    pub fn on_timer(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        match self.sent.left(sa, cx) {
            Some(reason) => Ok(gone(reason)),
            None => Ok(State::JudgingResponder(self)),
        }
    }

    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Judged(judged)) = (ticket == self.ticket, answer) else {
            return Ok(State::JudgingResponder(self));
        };
        let Self { sent, opened, peer, .. } = *self;
        match judged {
            Ok(proven) => {
                let proofs = sent.proofs(Some(proven));
                match Parsed::read(opened.first, &opened.bytes) {
                    Ok(parsed) => sent.take_child(sa, cx, &parsed, peer, proofs),
                    Err(cause) => refuse(crate::refusal::Refusal::new(crate::refusal::Party::Us, cause)),
                }
            }
            Err(why) => {
                let refusal = auth::not_proven(&sent.connection, &peer, &why);
                sent.unproven(sa, cx, refusal)
            }
        }
    }
}

/// Responder: the initiator's certificate and proof are being judged.
pub(crate) struct JudgingInitiator {
    pub half: Box<HalfOpen>,
    pub opened: Opened,
    pub claim: Claim,
    pub ticket: Ticket,
}

impl JudgingInitiator {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Judged(judged)) = (ticket == self.ticket, answer) else {
            return Ok(State::JudgingInitiator(self));
        };
        let Self {
            half, opened, claim, ..
        } = *self;
        match judged {
            Ok(proven) => half.prove(sa, cx, opened, claim, Some(proven)),
            Err(why) => {
                let refusal = auth::not_proven(&claim.connection, &claim.peer.to_string(), &why);
                half.unproven(sa, cx, &opened.datagram, refusal.meant(&claim.connection.name))
            }
        }
    }

    pub fn on_timer(self: Box<Self>, cx: &Context) -> Next {
        if cx.now < self.half.expires {
            return Ok(State::JudgingInitiator(self));
        }
        Ok(late())
    }
}

/// Responder: waiting for our signature.
pub(crate) type GrantingSigned = (Granting, Signature);

pub(crate) fn granting_answered(
    waiting: Box<GrantingSigned>,
    sa: &mut Sa,
    cx: &mut Context,
    ticket: Ticket,
    answer: Answer,
) -> Next {
    let (true, Answer::Signed(signed)) = (ticket == waiting.1.ticket, answer) else {
        return Ok(State::Granting(waiting));
    };
    let (granting, signature) = *waiting;
    match signature.made(signed, granting.connection()) {
        Ok(ours) => granting.grant(sa, cx, &ours),
        Err(refusal) => granting.cannot(sa, cx, refusal),
    }
}

pub(crate) fn granting_timer(waiting: Box<GrantingSigned>, cx: &Context) -> Next {
    if cx.now < waiting.0.expires() {
        return Ok(State::Granting(waiting));
    }
    Ok(late())
}

fn late() -> State {
    gone("authentication took too long here")
}
