//! Aggressive mode as initiator (RFC 2409 section 5.4): three messages, identities in the clear.
//!
//! ```text
//! HDR, SA, KE, Ni, IDii    ->    <- HDR, SA, KE, Nr, IDir, HASH_R
//! HDR*, HASH_I             ->
//! ```

use std::sync::Arc;

use handfast_crypto::provider::EphemeralKey;
use handfast_crypto::transform::Group;
use handfast_wire::header::ExchangeType;
use handfast_wire::v1::Message;

use crate::context::{Asker, Context};
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::policy::{Connection, Method};
use crate::refusal::{Cause, Party, Refusal};
use crate::sa::Proofs;
use crate::v1::auth::{self, Exchanged as Publics};
use crate::v1::established::Established;
use crate::v1::main_initiator::no_key;
use crate::v1::message::{Chain, Parsed, Plain, seal};
use crate::v1::state::{Chosen, Last, Next, Overdue, Parties, Sa, State, Waiting, refuse};
use crate::v1::vendor::{self, Abilities};
use crate::v1::{nat, notices, proposals};

/// Waiting for our key pair, in the one group that all transforms name.
pub(crate) struct MakingKey {
    pub connection: Arc<Connection>,
    ticket: Ticket,
    group: Group,
}

/// Message 1 sent.
pub(crate) struct Sent {
    pub connection: Arc<Connection>,
    key: Box<dyn EphemeralKey>,
    group: Group,
    sai_b: Vec<u8>,
    ni: Vec<u8>,
    pub waiting: Waiting,
}

/// Waiting for the shared secret, with which message 2 is then verified.
pub(crate) struct Agreeing {
    pub chosen: Chosen,
    ticket: Ticket,
    ni: Vec<u8>,
    nr: Vec<u8>,
    publics: Publics,
    message: Vec<u8>,
}

/// Begins: asks for a key pair.
pub(crate) fn start(sa: &Sa, cx: &mut Context, connection: Arc<Connection>) -> Next {
    let Some(group) = proposals::first_group(&connection) else {
        let cause = Cause::Local("no proposal that IKEv1 can say".into());
        return refuse(Refusal::new(Party::Us, cause).look_at(&connection.place));
    };
    let ticket = cx.ask(Asker::Sa(sa.slot), Question::GenerateKey(group));
    Ok(State::AggressiveMakingKey(MakingKey {
        connection,
        ticket,
        group,
    }))
}

impl MakingKey {
    pub fn on_answer(self, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Key(key)) = (ticket == self.ticket, answer) else {
            return Ok(State::AggressiveMakingKey(self));
        };
        let Self { connection, group, .. } = self;
        let key = match key {
            Ok(key) => key,
            Err(e) => return refuse(no_key(group, e, &connection)),
        };
        let sai_b = proposals::phase_one(&connection, Some(group));
        let ni = cx.rng.bytes::<32>().to_vec();
        let mut chain = Chain::new();
        chain.sa(&sai_b);
        chain.ke(key.public());
        chain.nonce(&ni);
        chain.id(&auth::id_body(&connection.local_id));
        vendor::offered().iter().for_each(|id| chain.vendor_id(id));
        let bytes = Plain::message(sa, ExchangeType::V1_AGGRESSIVE, 0, &chain);
        sa.record_attempt(cx, &connection, String::new());
        sa.send(
            cx,
            bytes.clone(),
            Plain::describe(sa, ExchangeType::V1_AGGRESSIVE, 0, &chain),
        );
        let waiting = Waiting::new(cx, &connection, bytes, "aggressive mode message 2");
        Ok(State::AggressiveSent(Sent {
            connection,
            key,
            group,
            sai_b,
            ni,
            waiting,
        }))
    }
}

impl Sent {
    pub fn on_timer(mut self, sa: &mut Sa, cx: &mut Context) -> Next {
        match self.waiting.on_timer(sa, cx, &self.connection) {
            Overdue::Wait => Ok(State::AggressiveSent(self)),
            Overdue::End(refusal) => refuse(*refusal),
        }
    }

    pub fn on_message(mut self, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let place = self.connection.place.clone();
        let us = |cause| Refusal::new(Party::Us, cause).look_at(&place);
        let parsed = match notices::expect(sa, cx, message, ExchangeType::V1_AGGRESSIVE) {
            notices::Expected::Message(parsed) => parsed,
            notices::Expected::Notice(refusal) => {
                let offered = proposals::names(&self.connection);
                let place = self.connection.place.of(&["ike"]);
                self.waiting.complain(refusal.offered(offered).look_at(place));
                return Ok(State::AggressiveSent(self));
            }
            notices::Expected::Nothing => return Ok(State::AggressiveSent(self)),
        };
        if message.header.spi_r.is_zero() {
            sa.dropped(cx, "aggressive mode message 2 without a responder's cookie");
            return Ok(State::AggressiveSent(self));
        }
        let read = parsed
            .sa()
            .and_then(|sa| proposals::accept_phase_one(&sa, &self.connection))
            .and_then(|suite| Ok((suite, parsed.ke()?.to_vec(), parsed.nonce()?.to_vec())));
        let (suite, gxr, nr) = match read {
            Ok((suite, ..)) if suite.group != self.group => {
                let text = format!("the answer is in {}, ours in {}", suite.group, self.group);
                self.waiting.complain(us(Cause::KeyExchange(text)));
                return Ok(State::AggressiveSent(self));
            }
            Ok(read) => read,
            Err(cause) => {
                self.waiting.complain(us(cause));
                return Ok(State::AggressiveSent(self));
            }
        };
        let mut abilities = Abilities::default();
        parsed.vendor_ids().for_each(|id| abilities.learn(id));
        sa.received(cx, message.bytes.len(), parsed.summary(message.header));
        sa.spi_r = message.header.spi_r;
        let publics = Publics {
            gxi: self.key.public().to_vec(),
            gxr: gxr.clone(),
        };
        let question = Question::Agree {
            key: self.key,
            peer: gxr,
        };
        let ticket = cx.ask(Asker::Sa(sa.slot), question);
        Ok(State::AggressiveAgreeing(Agreeing {
            chosen: Chosen {
                connection: self.connection,
                suite,
                sai_b: self.sai_b,
                abilities,
            },
            ticket,
            ni: self.ni,
            nr,
            publics,
            message: message.bytes.to_vec(),
        }))
    }
}

impl Agreeing {
    pub fn on_answer(self, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Shared(shared)) = (ticket == self.ticket, answer) else {
            return Ok(State::AggressiveAgreeing(self));
        };
        let Self {
            chosen,
            ni,
            nr,
            publics,
            message,
            ..
        } = self;
        let connection = chosen.connection.clone();
        let us = |cause| Refusal::new(Party::Us, cause).look_at(&connection.place);
        let made = shared.and_then(|shared| auth::channel(cx, sa, &chosen, (&ni, &nr), &publics, &shared));
        let mut isakmp = match made {
            Ok(isakmp) => isakmp,
            Err(e) => return refuse(us(Cause::KeyExchange(e.to_string()))),
        };
        let read = Message::parse(&message).map_err(|e| Cause::Syntax(e.to_string()));
        let read = read.and_then(|m| Parsed::clear(&m).map(|parsed| (m.header, parsed)));
        let (header, parsed) = match &read {
            Ok((header, parsed)) => (*header, parsed),
            Err(cause) => return refuse(us(cause.clone())),
        };
        let peer = match auth::verify_r(&isakmp, sa, &chosen, &publics, parsed) {
            Ok(peer) => peer,
            Err(refusal) => {
                notices::send_clear(sa, cx, notices::AUTHENTICATION_FAILED);
                return refuse(*refusal);
            }
        };
        debug_assert_eq!(header.message_id, 0);
        nat::detect(sa, &chosen, parsed);
        nat::float(sa, cx, &connection);
        let id = auth::id_body(&connection.local_id);
        let hash = auth::hash_i(&isakmp, sa, &chosen, &publics, &id);
        let mut chain = Chain::new();
        chain.hash(hash.as_bytes());
        nat::push(&mut chain, sa, cx, &chosen);
        if sa.initial_contact {
            chain.initial_contact(sa);
        }
        let mut iv = isakmp.phase_one.clone();
        let bytes = match seal(&isakmp, &mut iv, sa, ExchangeType::V1_AGGRESSIVE, 0, &chain) {
            Ok(bytes) => chosen.cut().apply(sa, bytes),
            Err(e) => return refuse(us(Cause::Local(e.to_string()))),
        };
        isakmp.phase_one = iv;
        sa.record_attempt(cx, &connection, chosen.suite.to_string());
        sa.send(
            cx,
            bytes.clone(),
            Plain::describe(sa, ExchangeType::V1_AGGRESSIVE, 0, &chain),
        );
        let parties = Parties {
            connection,
            peer: peer.to_string(),
            proofs: Proofs::both(Method::Psk, None),
        };
        let last = Last::new(&message, bytes.clone());
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
}
