//! What both modes' responders do alike with a first message: choose of its offer, and find out whether there are
//! credentials for Kerberos before that is taken.

use std::net::SocketAddr;
use std::sync::Arc;

use handfast_auth::kerberos::{GssAnswer, GssQuestion, Role};
use handfast_wire::numbers::v1::AuthMethod;
use handfast_wire::v1::{self, Message};

use crate::context::{Asker, Context};
use crate::event::Event;
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::policy::{Connection, Method};
use crate::time::Instant;
use crate::v1::HALF_OPEN;
use crate::v1::kerberos::{self, Gss};
use crate::v1::main_initiator::asked_by;
use crate::v1::message::Parsed;
use crate::v1::notices::{self, Rejected};
use crate::v1::proposals::{self, Usable};
use crate::v1::state::{Chosen, Next, Sa, State, gone, refuse};
use crate::v1::vendor::Abilities;

/// A first message that we can answer.
pub(crate) trait FirstMessage: Sized {
    /// Judges one without keeping anything, where some ways of authentication cannot be used now.
    fn read(
        cx: &Context,
        ends: (SocketAddr, SocketAddr),
        message: &Message<'_>,
        without: &[AuthMethod],
    ) -> Result<Self, Box<Rejected>>;
    /// What it has led to.
    fn chosen(&self) -> &Chosen;
    /// Its octets, and what is said of it.
    fn request(&self) -> (&[u8], &str);
    /// What follows, with the way that was chosen.
    fn go_on(self, sa: &mut Sa, cx: &mut Context) -> State;
    /// The state of waiting to know whether Kerberos can be used.
    fn wait(readying: Box<Readying<Self>>) -> State;
}

/// Judges a first message without keeping anything.
pub(crate) fn read<F: FirstMessage>(
    cx: &Context,
    ends: (SocketAddr, SocketAddr),
    message: &Message<'_>,
) -> Result<F, Box<Rejected>> {
    F::read(cx, ends, message, &[])
}

/// Takes the peer on.
pub(crate) fn accept<F: FirstMessage>(sa: &mut Sa, cx: &mut Context, first: F) -> State {
    let (request, summary) = first.request();
    sa.received(cx, request.len(), |_| summary.to_owned());
    match first.chosen().way {
        AuthMethod::GSS_KERBEROS => Readying::begin(sa, cx, first),
        _ => first.go_on(sa, cx),
    }
}

/// What the first of these connections that has something in common with the offer takes of it, and the answer to it. None
/// of them: a refusal that is meant for `meant`.
pub(super) fn choose(
    parsed: &Parsed<'_>,
    offer: &v1::Sa<'_>,
    candidates: &[&Arc<Connection>],
    usable: &Usable<'_>,
    meant: &Connection,
) -> Result<(Chosen, Vec<u8>), Box<Rejected>> {
    let mut choices = candidates.iter();
    let chosen = choices.find_map(|c| proposals::choose_phase_one(offer, c, usable).map(|choice| (choice, *c)));
    let Some((choice, connection)) = chosen else {
        let acceptable = candidates.iter().flat_map(|c| proposals::names(c)).collect();
        let offered = proposals::describe(offer, usable.announced);
        return Err(notices::no_proposal(offered, acceptable, meant));
    };
    let mut abilities = Abilities::default();
    parsed.vendor_ids().for_each(|id| abilities.learn(id));
    let chosen = Chosen {
        connection: connection.clone(),
        suite: choice.suite,
        sai_b: parsed.sa_body().to_vec(),
        way: choice.way,
        abilities,
        wishes: asked_by(parsed),
        kerberos: match choice.way {
            AuthMethod::GSS_KERBEROS => Gss::new(connection, parsed).map(Box::new),
            _ => None,
        },
    };
    Ok((chosen, choice.answer))
}

/// Before Kerberos is taken: is there a keytab?
pub(crate) struct Readying<F> {
    first: F,
    ends: (SocketAddr, SocketAddr),
    ticket: Ticket,
    pub expires: Instant,
}

impl<F: FirstMessage> Readying<F> {
    fn begin(sa: &Sa, cx: &mut Context, first: F) -> State {
        let Some(gss) = &first.chosen().kerberos else {
            return gone("no Kerberos");
        };
        let question = GssQuestion::ready(&gss.policy().local, Role::Responder);
        F::wait(Box::new(Self {
            ends: (sa.path.local, sa.path.remote),
            ticket: cx.ask(Asker::Sa(sa.slot), Question::Gss(Box::new(question))),
            expires: cx.now + HALF_OPEN,
            first,
        }))
    }

    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Gss(GssAnswer::Ready(ready))) = (ticket == self.ticket, answer) else {
            return Ok(F::wait(self));
        };
        let Self { first, ends, .. } = *self;
        let Err(e) = ready else {
            return Ok(first.go_on(sa, cx));
        };
        let connection = first.chosen().connection.clone();
        cx.event(Event::MethodUnavailable {
            sa: sa.id,
            connection: connection.name.clone(),
            method: Method::Kerberos,
            why: e.to_string(),
        });
        let fallback = connection.auth.kerberos.as_ref().is_some_and(|k| k.fallback);
        let message = Message::parse(first.request().0).ok().filter(|_| fallback);
        match message.and_then(|message| F::read(cx, ends, &message, &[AuthMethod::GSS_KERBEROS]).ok()) {
            Some(other) => Ok(other.go_on(sa, cx)),
            None => {
                notices::send_clear(sa, cx, notices::NO_PROPOSAL_CHOSEN);
                refuse(kerberos::refused(&connection, &e).meant(&connection.name))
            }
        }
    }
}
