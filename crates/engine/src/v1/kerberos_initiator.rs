//! Main mode with Kerberos as initiator. The first token, which needs a ticket, is got before anything is sent: without one
//! Kerberos is not offered.

use std::sync::Arc;

use handfast_auth::identity::Identity;
use handfast_auth::kerberos::{GssAnswer, GssQuestion, Progress};
use handfast_wire::header::ExchangeType;
use handfast_wire::numbers::v1::AuthMethod;
use handfast_wire::v1::Message;

use crate::context::{Asker, Context};
use crate::event::Event;
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::policy::{Connection, Method};
use crate::refusal::{Cause, Party, Refusal};
use crate::v1::established::Established;
use crate::v1::isakmp::Iv;
use crate::v1::kerberos::{self, Part};
use crate::v1::message::{Chain, Parsed, Plain, seal};
use crate::v1::state::{Keyed, Last, Next, Overdue, Parties, Sa, State, Waiting, refuse};
use crate::v1::{aggressive, auth, informational, main_initiator, notices, proposals};

/// Waiting for the first token.
pub(crate) struct Preparing {
    pub connection: Arc<Connection>,
    ticket: Ticket,
}

/// Asks for the first token. `None`: the connection has no Kerberos.
pub(super) fn prepare(sa: &Sa, cx: &mut Context, connection: &Arc<Connection>) -> Option<State> {
    let kerberos = connection.auth.kerberos.as_ref()?;
    if !proposals::ways(connection).contains(&AuthMethod::GSS_KERBEROS) {
        return None;
    }
    let question = match cx.tickets_in_doubt.insert(connection.name.clone()) {
        true => GssQuestion::initiate(&kerberos.local),
        false => GssQuestion::initiate_afresh(&kerberos.local),
    };
    Some(State::KerberosPreparing(Box::new(Preparing {
        connection: connection.clone(),
        ticket: cx.ask(Asker::Sa(sa.slot), Question::Gss(Box::new(question))),
    })))
}

impl Preparing {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Gss(GssAnswer::Progress(progress))) = (ticket == self.ticket, answer) else {
            return Ok(State::KerberosPreparing(self));
        };
        let connection = self.connection;
        match progress {
            Ok(progress) => begin_phase_one(sa, cx, connection, Some(progress)),
            Err(e) => {
                let fallback = connection.auth.kerberos.as_ref().is_some_and(|k| k.fallback);
                if !fallback || proposals::ways(&connection).len() < 2 {
                    return refuse(kerberos::refused(&connection, &e));
                }
                cx.event(Event::MethodUnavailable {
                    sa: sa.id,
                    connection: connection.name.clone(),
                    method: Method::Kerberos,
                    why: e.to_string(),
                });
                begin_phase_one(sa, cx, connection, None)
            }
        }
    }
}

/// In the mode that the connection wants.
fn begin_phase_one(sa: &mut Sa, cx: &mut Context, connection: Arc<Connection>, progress: Option<Progress>) -> Next {
    if connection.aggressive {
        return aggressive::offer(sa, cx, connection, progress);
    }
    main_initiator::offer(sa, cx, connection, progress)
}

/// How far the rounds have come.
struct Round {
    /// Of the next message in either direction.
    iv: Iv,
    /// IDii is sent.
    named: bool,
    /// HASH_I is sent.
    hashed: bool,
    /// IDir, with its octets.
    peer: Option<(Identity, Vec<u8>)>,
    /// HASH_R was verified.
    proved: bool,
    /// The peer's message that is being answered.
    answers: Vec<u8>,
}

/// A token of the peer is being taken in.
pub(crate) struct Stepping {
    pub keyed: Keyed,
    round: Round,
    ticket: Ticket,
}

/// Our token or hash is sent.
pub(crate) struct Proving {
    pub keyed: Keyed,
    round: Round,
    pub waiting: Waiting,
}

/// Message 4 has come, with GSSr in it.
pub(super) fn begin(sa: &Sa, cx: &mut Context, mut keyed: Keyed, token: Option<&[u8]>) -> Next {
    let Some(token) = token else {
        let text = "the peer's answer has no token";
        return refuse(kerberos::trouble(&keyed.chosen.connection, text));
    };
    let round = Round {
        iv: keyed.isakmp.phase_one.clone(),
        named: false,
        hashed: false,
        peer: None,
        proved: false,
        answers: vec![],
    };
    let Some(negotiation) = keyed.chosen.kerberos.as_mut().and_then(|gss| gss.take_negotiation()) else {
        return refuse(kerberos::trouble(
            &keyed.chosen.connection,
            "the peer's token came after the context was complete",
        ));
    };
    let question = GssQuestion::step(negotiation, token);
    let ticket = cx.ask(Asker::Sa(sa.slot), Question::Gss(Box::new(question)));
    Ok(State::KerberosStepping(Box::new(Stepping { keyed, round, ticket })))
}

impl Stepping {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Gss(GssAnswer::Progress(progress))) = (ticket == self.ticket, answer) else {
            return Ok(State::KerberosStepping(self));
        };
        let Self { keyed, round, .. } = *self;
        match progress {
            Ok(progress) => go_on(sa, cx, keyed, round, Some(progress)),
            Err(e) => {
                let refusal = kerberos::refused(&keyed.chosen.connection, &e);
                unwelcome(sa, cx, &keyed, &round, refusal)
            }
        }
    }
}

/// Our next token, or the hash if our context is complete.
fn go_on(sa: &mut Sa, cx: &mut Context, mut keyed: Keyed, mut round: Round, progress: Option<Progress>) -> Next {
    let token = match (progress, keyed.chosen.kerberos.as_mut()) {
        (Some(progress), Some(gss)) => gss.advance(progress),
        _ => None,
    };
    let connection = keyed.chosen.connection.clone();
    let id = auth::id_body(&connection.local_id);
    let part = match token {
        Some(token) => Part::Token(token),
        None => match kerberos::prove(&mut keyed, sa, &id) {
            Ok(hash) => Part::Hash(hash),
            Err(refusal) => return refuse(refusal),
        },
    };
    round.hashed |= matches!(part, Part::Hash(_));
    let mut chain = Chain::new();
    if !round.named {
        chain.id(&id);
        round.named = true;
    }
    part.push(&mut chain);
    if round.hashed && sa.initial_contact {
        chain.initial_contact(sa);
    }
    let bytes = match seal(&keyed.isakmp, &mut round.iv, sa, ExchangeType::V1_MAIN, 0, &chain) {
        Ok(bytes) => keyed.chosen.cut().apply(sa, bytes),
        Err(e) => return refuse(Refusal::new(Party::Us, Cause::Local(e.to_string()))),
    };
    sa.record_attempt(cx, &connection, keyed.chosen.suite.to_string());
    sa.send(cx, bytes.clone(), |sa| {
        Plain::describe(sa, ExchangeType::V1_MAIN, 0, &chain)
    });
    if round.proved && round.hashed {
        // Nothing follows it, so it goes out again whenever the peer's last message does.
        let last = Last::new(round.answers.as_slice(), bytes);
        return finish(sa, cx, keyed, round, last);
    }
    let waiting = Waiting::new(
        cx,
        &connection,
        bytes,
        "the peer's next message of main mode with Kerberos",
    );
    Ok(State::KerberosProving(Box::new(Proving { keyed, round, waiting })))
}

fn finish(sa: &mut Sa, cx: &mut Context, keyed: Keyed, round: Round, last: Last) -> Next {
    let Keyed { chosen, mut isakmp, .. } = keyed;
    isakmp.phase_one = round.iv;
    let (Some(gss), Some((peer, _))) = (&chosen.kerberos, &round.peer) else {
        return refuse(kerberos::trouble(&chosen.connection, "the peer did not say who it is"));
    };
    cx.tickets_in_doubt.remove(&chosen.connection.name);
    let parties = Parties {
        proofs: gss.proofs(),
        peer: peer.to_string(),
        connection: chosen.connection.clone(),
    };
    Ok(Established::begin(
        sa,
        cx,
        parties,
        isakmp,
        chosen.abilities,
        last,
        false,
    ))
}

/// The responder may take us for connected, so it hears under our keys that we are not.
fn unwelcome(sa: &mut Sa, cx: &mut Context, keyed: &Keyed, round: &Round, refusal: Refusal) -> Next {
    let mut chain = Chain::new();
    chain.notify(notices::AUTHENTICATION_FAILED, &[]);
    chain.delete_isakmp(sa);
    informational::before_established(&keyed.isakmp, &round.iv, sa, cx, chain);
    refuse(refusal)
}

impl Proving {
    pub fn on_timer(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        match self.waiting.on_timer(sa, cx, &self.keyed.chosen.connection) {
            Overdue::Wait => Ok(State::KerberosProving(self)),
            Overdue::End(refusal) => refuse(*refusal),
        }
    }

    pub fn on_message(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let header = message.header;
        if header.exchange == ExchangeType::V1_INFORMATIONAL {
            return self.on_notice(message);
        }
        let due = header.exchange == ExchangeType::V1_MAIN && header.message_id == 0;
        let Some(ciphertext) = message
            .ciphertext()
            .filter(|_| due && message.bytes != self.round.answers)
        else {
            sa.dropped(cx, "not the main mode message that is awaited");
            return Ok(State::KerberosProving(self));
        };
        let opened = self.keyed.isakmp.decrypt(&self.round.iv, ciphertext);
        let parsed = opened.as_ref().map(|d| Parsed::inner(header, &d.plain));
        let (Some(opened), Some(Ok(parsed))) = (&opened, parsed) else {
            let connection = &self.keyed.chosen.connection;
            let refusal = Refusal::new(Party::Us, auth::garbage(self.keyed.chosen.way)).look_at(&connection.place);
            self.waiting.complain(refusal);
            return Ok(State::KerberosProving(self));
        };
        sa.received(cx, message.bytes.len(), |_| parsed.summary(header));
        let Self {
            mut keyed, mut round, ..
        } = *self;
        round.iv = opened.next.clone();
        round.answers = message.bytes.to_vec();
        if let (None, Ok(id)) = (&round.peer, parsed.id()) {
            round.peer = Some((Identity::from_wire(id.kind, id.data), id.body.to_vec()));
        }
        match take(sa, cx, &mut keyed, &mut round, &parsed) {
            Ok(Taken::Asked(ticket)) => Ok(State::KerberosStepping(Box::new(Stepping { keyed, round, ticket }))),
            Ok(Taken::Proved) if round.hashed => finish(sa, cx, keyed, round, Last::default()),
            Ok(Taken::Proved) => go_on(sa, cx, keyed, round, None),
            Err(refusal) => unwelcome(sa, cx, &keyed, &round, refusal),
        }
    }

    fn on_notice(mut self: Box<Self>, message: &Message<'_>) -> Next {
        let Keyed { chosen, isakmp, .. } = &self.keyed;
        let iv = isakmp.phase_two_after(&self.round.iv, message.header.message_id);
        let opened = message.ciphertext().and_then(|c| isakmp.decrypt(&iv, c));
        let proved = opened.as_ref().and_then(|o| isakmp.proved(message.header, o));
        // Said under our keys: the peer's last word.
        if let Some(error) = proved.as_ref().and_then(Parsed::error) {
            return refuse(notices::of_the_peer(error, &chosen.connection, Method::Kerberos));
        }
        let refusal = notices::while_proving(message, chosen);
        self.waiting.complain(refusal);
        Ok(State::KerberosProving(self))
    }
}

/// What a message of the peer brought.
enum Taken {
    /// A token, which is being taken in.
    Asked(Ticket),
    /// HASH_R, and it is right.
    Proved,
}

fn take(
    sa: &Sa,
    cx: &mut Context,
    keyed: &mut Keyed,
    round: &mut Round,
    parsed: &Parsed<'_>,
) -> Result<Taken, Refusal> {
    let connection = keyed.chosen.connection.clone();
    let Some(gss) = keyed.chosen.kerberos.as_mut() else {
        return Err(kerberos::trouble(&connection, "there is no context"));
    };
    if let Some(token) = gss.receive(parsed) {
        let negotiation = gss.take_negotiation();
        let negotiation =
            negotiation.ok_or_else(|| kerberos::trouble(&connection, "a token came after the context was complete"))?;
        let question = GssQuestion::step(negotiation, &token);
        return Ok(Taken::Asked(
            cx.ask(Asker::Sa(sa.slot), Question::Gss(Box::new(question))),
        ));
    }
    let body = parsed
        .hash()
        .map_err(|cause| Refusal::new(Party::Us, cause).look_at(&connection.place))?;
    let Some((peer, id)) = &round.peer else {
        return Err(kerberos::trouble(&connection, "the peer did not say who it is"));
    };
    kerberos::verify(keyed, sa, id, body)?;
    kerberos::check_name(&connection, peer)?;
    round.proved = true;
    Ok(Taken::Proved)
}
