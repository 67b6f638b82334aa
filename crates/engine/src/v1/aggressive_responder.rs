//! Aggressive mode as responder (RFC 2409 section 5.4). The peer says at once who it is, so the secret is found by identity
//! too; and we prove ourselves first, which lets whoever listens try out secrets. So a connection must ask for it.

use std::net::SocketAddr;
use std::sync::Arc;

use handfast_auth::identity::Identity;
use handfast_wire::header::ExchangeType;
use handfast_wire::v1::Message;

use crate::context::{Asker, Context};
use crate::endpoint::choose;
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::policy::{Connection, Method};
use crate::refusal::{Cause, Party, Refusal};
use crate::sa::Proofs;
use crate::time::Instant;
use crate::v1::auth::{self, Exchanged as Publics};
use crate::v1::established::Established;
use crate::v1::isakmp::Isakmp;
use crate::v1::message::{Chain, Parsed, Plain};
use crate::v1::notices::{self, Rejected};
use crate::v1::state::{Chosen, Last, Next, Parties, Sa, State, gone, refuse};
use crate::v1::vendor::{self, Abilities};
use crate::v1::{HALF_OPEN, nat, proposals};

/// A first message that we can answer.
pub(crate) struct FirstMessage {
    chosen: Chosen,
    answer: Vec<u8>,
    gxi: Vec<u8>,
    ni: Vec<u8>,
    id: Vec<u8>,
    peer: Identity,
    request: Vec<u8>,
    summary: String,
}

/// Waiting for our public value and the shared secret.
pub(crate) struct Responding {
    first: FirstMessage,
    ticket: Ticket,
}

/// Message 2 sent.
pub(crate) struct Answered {
    chosen: Chosen,
    isakmp: Isakmp,
    publics: Publics,
    id: Vec<u8>,
    peer: Identity,
    last: Last,
    complained: bool,
    pub expires: Instant,
}

/// No connection has a peer of this name.
fn nobody(cx: &Context, (local, remote): (SocketAddr, SocketAddr), peer: &Identity) -> Box<Rejected> {
    let mut there = choose::by_address(&cx.policy, 1, (local.ip(), remote.ip())).peekable();
    let Some(first) = there.peek().copied().cloned() else {
        return notices::no_connection(cx, local, remote);
    };
    let refusal = Refusal::new(Party::Us, Cause::WrongIdentity)
        .offered(vec![peer.to_string()])
        .acceptable(there.map(|c| c.remote_id.to_string()).collect())
        .look_at(first.place.of(&["remote_id"]))
        .meant(&first.name);
    Box::new(Rejected {
        refusal,
        notify: notices::INVALID_ID_INFORMATION,
    })
}

/// Judges a first message without keeping anything.
pub(crate) fn read(
    cx: &Context,
    (local, remote): (SocketAddr, SocketAddr),
    message: &Message<'_>,
) -> Result<FirstMessage, Box<Rejected>> {
    let parsed = Parsed::clear(message).map_err(notices::malformed)?;
    let offer = parsed.sa().map_err(notices::malformed)?;
    let gxi = parsed.ke().map_err(notices::malformed)?.to_vec();
    let ni = parsed.nonce().map_err(notices::malformed)?.to_vec();
    let id = parsed.id().map_err(notices::malformed)?;
    let peer = Identity::from_wire(id.kind, id.data);
    let candidates: Vec<&Arc<Connection>> =
        choose::by_identity(&cx.policy, 1, (local.ip(), remote.ip()), &peer, None).collect();
    let Some(first) = candidates.first() else {
        return Err(nobody(cx, (local, remote), &peer));
    };
    let Some(asking) = candidates.iter().find(|c| c.aggressive) else {
        let refusal = Refusal::new(Party::Us, Cause::Mode("aggressive mode is not asked for here".into()))
            .offered(vec![format!("aggressive mode, as {peer}")])
            .acceptable(vec!["main mode, or aggressive = true in this connection".into()])
            .look_at(first.place.of(&["aggressive"]))
            .meant(&first.name);
        return Err(Box::new(Rejected {
            refusal,
            notify: notices::NO_PROPOSAL_CHOSEN,
        }));
    };
    let chosen = candidates
        .iter()
        .filter(|c| c.aggressive)
        .find_map(|c| proposals::choose_phase_one(&offer, c, Some(gxi.len())).map(|choice| (choice, *c)));
    let Some((choice, connection)) = chosen else {
        let acceptable = candidates.iter().flat_map(|c| proposals::names(c)).collect();
        return Err(notices::no_proposal(proposals::describe(&offer), acceptable, asking));
    };
    let mut abilities = Abilities::default();
    parsed.vendor_ids().for_each(|id| abilities.learn(id));
    Ok(FirstMessage {
        chosen: Chosen {
            connection: connection.clone(),
            suite: choice.suite,
            sai_b: parsed.sa_body().to_vec(),
            abilities,
        },
        answer: choice.answer,
        gxi,
        ni,
        id: id.body.to_vec(),
        peer,
        request: message.bytes.to_vec(),
        summary: parsed.summary(message.header),
    })
}

/// Takes the peer on.
pub(crate) fn accept(sa: &mut Sa, cx: &mut Context, first: FirstMessage) -> State {
    sa.received(cx, first.request.len(), first.summary.clone());
    let question = Question::Respond {
        group: first.chosen.suite.group,
        peer: first.gxi.clone(),
    };
    let ticket = cx.ask(Asker::Sa(sa.slot), question);
    State::AggressiveResponding(Responding { first, ticket })
}

impl Responding {
    pub fn on_answer(self, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Responded(result)) = (ticket == self.ticket, answer) else {
            return Ok(State::AggressiveResponding(self));
        };
        let FirstMessage {
            chosen,
            answer,
            gxi,
            ni,
            id,
            peer,
            request,
            ..
        } = self.first;
        let nr = cx.rng.bytes::<32>().to_vec();
        let made = result.and_then(|(gxr, shared)| {
            let publics = Publics { gxi, gxr };
            let isakmp = auth::channel(cx, sa, &chosen, (&ni, &nr), &publics, &shared)?;
            Ok((publics, isakmp))
        });
        let (publics, isakmp) = match made {
            Ok(made) => made,
            Err(e) => {
                let cause = Cause::KeyExchange(format!("{}: {e}", chosen.suite.group));
                return refuse(Refusal::new(Party::Us, cause));
            }
        };
        let own = auth::id_body(&chosen.connection.local_id);
        let hash = auth::hash_r(&isakmp, sa, &chosen, &publics, &own);
        let mut chain = Chain::new();
        chain.sa(&answer);
        chain.ke(&publics.gxr);
        chain.nonce(&nr);
        chain.id(&own);
        chain.hash(hash.as_bytes());
        nat::push(&mut chain, sa, cx, &chosen);
        vendor::ours(chosen.abilities.nat_traversal)
            .iter()
            .for_each(|id| chain.vendor_id(id));
        let bytes = Plain::message(sa, ExchangeType::V1_AGGRESSIVE, 0, &chain);
        // To an address not yet proven, never more than twice what it sent.
        if bytes.len() > 2 * request.len() {
            let text = format!("the answer has {} octets, the request {}", bytes.len(), request.len());
            return refuse(Refusal::new(Party::Us, Cause::Syntax(text)));
        }
        sa.send(
            cx,
            bytes.clone(),
            Plain::describe(sa, ExchangeType::V1_AGGRESSIVE, 0, &chain),
        );
        let last = Last::new(&request, bytes);
        Ok(State::AggressiveAnswered(Box::new(Answered {
            chosen,
            isakmp,
            publics,
            id,
            peer,
            last,
            complained: false,
            expires: cx.now + HALF_OPEN,
        })))
    }
}

impl Answered {
    pub fn on_timer(self: Box<Self>, cx: &mut Context) -> Next {
        if cx.now >= self.expires {
            return Ok(gone("the peer did not prove itself"));
        }
        Ok(State::AggressiveAnswered(self))
    }

    pub fn on_message(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        if self.last.answers(sa, cx, message.bytes) {
            return Ok(State::AggressiveAnswered(self));
        }
        let header = message.header;
        if header.exchange == ExchangeType::V1_QUICK {
            // The peer goes on, so its message 3 was lost: message 2 once more brings it.
            if let Some(answer) = self.last.answer.clone() {
                sa.resend(cx, answer);
            }
            return Ok(State::AggressiveAnswered(self));
        }
        if header.exchange == ExchangeType::V1_INFORMATIONAL && !self.complained {
            self.complained = true;
            let refusal = notices::while_proving(message, &self.chosen.connection);
            return Err(Box::new((State::AggressiveAnswered(self), refusal)));
        }
        if header.exchange != ExchangeType::V1_AGGRESSIVE || header.message_id != 0 {
            sa.dropped(cx, "not aggressive mode message 3");
            return Ok(State::AggressiveAnswered(self));
        }
        // It may be in the clear too (RFC 2409 section 5.4); the first IV then stays that of phase 1.
        let opened = message
            .ciphertext()
            .and_then(|c| self.isakmp.decrypt(&self.isakmp.phase_one, c));
        let parsed = match (&opened, message.ciphertext()) {
            (Some(opened), _) => Parsed::inner(header, &opened.plain),
            (None, None) => Parsed::clear(message),
            (None, Some(_)) => Err(auth::garbage()),
        };
        let us = |cause| Refusal::new(Party::Us, cause).look_at(&self.chosen.connection.place);
        let expected = auth::hash_i(&self.isakmp, sa, &self.chosen, &self.publics, &self.id);
        let proved = match &parsed {
            Ok(parsed) => auth::check(&expected, &self.chosen.connection, parsed).map_err(us),
            Err(_) => Err(us(auth::garbage())),
        };
        let parsed = match (proved, parsed) {
            (Ok(()), Ok(parsed)) => parsed,
            (Err(_), _) if self.complained => {
                sa.dropped(cx, "another message that does not prove the peer");
                return Ok(State::AggressiveAnswered(self));
            }
            (Err(refusal), _) => {
                self.complained = true;
                notices::send_clear(sa, cx, notices::INVALID_HASH_INFORMATION);
                let refusal = refusal.meant(&self.chosen.connection.name);
                return Err(Box::new((State::AggressiveAnswered(self), refusal)));
            }
            (Ok(()), Err(_)) => return Ok(State::AggressiveAnswered(self)),
        };
        sa.received(cx, message.bytes.len(), parsed.summary(header));
        nat::detect(sa, &self.chosen, &parsed);
        (sa.path.local, sa.path.remote) = sa.seen;
        let fresh = parsed.initial_contact();
        let Self {
            chosen,
            mut isakmp,
            peer,
            ..
        } = *self;
        if let Some(opened) = &opened {
            isakmp.phase_one = opened.next.clone();
        }
        let parties = Parties {
            connection: chosen.connection,
            peer: peer.to_string(),
            proofs: Proofs::both(Method::Psk, None),
        };
        let last = Last::unanswered(message.bytes);
        Ok(Established::begin(
            sa,
            cx,
            parties,
            isakmp,
            chosen.abilities,
            last,
            fresh,
        ))
    }
}
