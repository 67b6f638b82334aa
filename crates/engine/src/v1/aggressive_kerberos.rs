//! Aggressive mode with Kerberos (draft-ietf-ipsec-isakmp-gss-auth-07 section 3.2), which needs contexts of one token each
//! way:
//!
//! ```text
//! HDR, SA, KE, Ni, IDii, GSSi    ->    <- HDR, SA, KE, Nr, IDir, GSSr, HASH_R
//! HDR*, HASH_I                   ->
//! ```

use handfast_auth::identity::Identity;
use handfast_auth::kerberos::{GssAnswer, GssError, GssQuestion, Progress};
use handfast_wire::v1::Message;

use crate::context::{Asker, Context};
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::refusal::Refusal;
use crate::time::Instant;
use crate::v1::aggressive::{self, Second};
use crate::v1::aggressive_responder::Reply;
use crate::v1::auth::{self, Ours};
use crate::v1::message::Parsed;
use crate::v1::state::{Keyed, Next, Sa, State, refuse};
use crate::v1::{HALF_OPEN, kerberos, notices};

/// Initiator: message 2's token is being taken in.
pub(crate) struct Stepping {
    pub keyed: Keyed,
    message: Vec<u8>,
    ticket: Ticket,
}

/// Initiator: message 2 has come, and there are keys.
pub(super) fn second(sa: &mut Sa, cx: &mut Context, mut keyed: Keyed, parsed: &Parsed<'_>, message: &[u8]) -> Next {
    let gss = keyed.chosen.kerberos.as_mut();
    let step = gss.and_then(|gss| Some((gss.receive(parsed)?, gss.take_negotiation()?)));
    let Some((token, negotiation)) = step else {
        let refusal = kerberos::trouble(&keyed.chosen.connection, "the peer's answer has no token");
        return aggressive::unwelcome(sa, cx, refusal);
    };
    let question = GssQuestion::step(negotiation, &token);
    Ok(State::AggressiveStepping(Box::new(Stepping {
        keyed,
        message: message.to_vec(),
        ticket: cx.ask(Asker::Sa(sa.slot), Question::Gss(Box::new(question))),
    })))
}

impl Stepping {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Gss(GssAnswer::Progress(progress))) = (ticket == self.ticket, answer) else {
            return Ok(State::AggressiveStepping(self));
        };
        let Self { mut keyed, message, .. } = *self;
        let connection = keyed.chosen.connection.clone();
        match progress {
            Ok(progress) => {
                if !completes(&mut keyed, progress, false) {
                    return too_many_rounds(sa, cx, &keyed);
                }
            }
            Err(e) => return aggressive::unwelcome(sa, cx, kerberos::refused(&connection, &e)),
        }
        let id = auth::id_body(&connection.local_id);
        let proved = verify(sa, &mut keyed, &message);
        match proved.and_then(|peer| Ok((peer, kerberos::prove(&mut keyed, sa, &id)?))) {
            Ok((peer, hash)) => {
                let second = Second { bytes: message, peer };
                aggressive::finish(sa, cx, keyed, second, None, &Ours::Kerberos(None, hash))
            }
            Err(refusal) => aggressive::unwelcome(sa, cx, refusal),
        }
    }
}

/// Whether a step has made our context complete, and whether it has a token for the peer or not, as it must be.
fn completes(keyed: &mut Keyed, progress: Progress, with_token: bool) -> bool {
    let Some(gss) = keyed.chosen.kerberos.as_mut() else {
        return false;
    };
    gss.advance(progress).is_some() == with_token && gss.is_complete()
}

/// Checks HASH_R and the name in message 2.
fn verify(sa: &Sa, keyed: &mut Keyed, message: &[u8]) -> Result<Identity, Refusal> {
    let connection = keyed.chosen.connection.clone();
    let trouble =
        |cause: crate::refusal::Cause| Refusal::new(crate::refusal::Party::Us, cause).look_at(&connection.place);
    let syntax = |e: handfast_wire::ParseError| trouble(crate::refusal::Cause::Syntax(e.to_string()));
    let parsed = Parsed::clear(&Message::parse(message).map_err(syntax)?).map_err(trouble)?;
    let id = parsed.id().map_err(trouble)?;
    let peer = Identity::from_wire(id.kind, id.data);
    kerberos::verify(keyed, sa, id.body, parsed.hash().map_err(trouble)?)?;
    kerberos::check_name(&connection, &peer)?;
    Ok(peer)
}

/// "an UNSUPPORTED-EXCHANGE-TYPE notify": the context needs more tokens than this mode has messages.
fn too_many_rounds(sa: &mut Sa, cx: &mut Context, keyed: &Keyed) -> Next {
    notices::send_clear(sa, cx, notices::UNSUPPORTED_EXCHANGE_TYPE);
    let text = "the context needs more than one token each way, for which only main mode has room";
    let connection = &keyed.chosen.connection;
    refuse(kerberos::trouble(connection, text).meant(&connection.name))
}

/// Responder: the initiator's token is being taken in.
pub(crate) struct Accepting {
    keyed: Keyed,
    reply: Reply,
    ticket: Ticket,
    pub expires: Instant,
}

/// Responder: there are keys; `token` came with message 1.
pub(super) fn accept(sa: &Sa, cx: &mut Context, keyed: Keyed, reply: Reply, token: &[u8]) -> Next {
    let Some(gss) = &keyed.chosen.kerberos else {
        return refuse(kerberos::trouble(&keyed.chosen.connection, "there is no context"));
    };
    let question = GssQuestion::accept(&gss.policy().local, token);
    let ticket = cx.ask(Asker::Sa(sa.slot), Question::Gss(Box::new(question)));
    Ok(State::AggressiveAccepting(Box::new(Accepting {
        keyed,
        reply,
        ticket,
        expires: cx.now + HALF_OPEN,
    })))
}

impl Accepting {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Gss(GssAnswer::Progress(progress))) = (ticket == self.ticket, answer) else {
            return Ok(State::AggressiveAccepting(self));
        };
        let Self { mut keyed, reply, .. } = *self;
        let connection = keyed.chosen.connection.clone();
        let unwelcome = |sa: &mut Sa, cx: &mut Context, e: &GssError| {
            notices::send_clear(sa, cx, notices::AUTHENTICATION_FAILED);
            refuse(kerberos::refused(&connection, e).meant(&connection.name))
        };
        match progress {
            Ok(progress) => {
                if !completes(&mut keyed, progress, true) {
                    return too_many_rounds(sa, cx, &keyed);
                }
            }
            Err(e) => return unwelcome(sa, cx, &e),
        }
        let token = keyed.chosen.kerberos.as_ref().and_then(|gss| gss.token());
        match kerberos::prove(&mut keyed, sa, &auth::id_body(&connection.local_id)) {
            Ok(hash) => reply.send(sa, cx, keyed, &Ours::Kerberos(token, hash)),
            Err(refusal) => refuse(refusal),
        }
    }
}
