//! Aggressive mode as initiator (RFC 2409 section 5.4): three messages, identities in the clear.
//!
//! ```text
//! HDR, SA, KE, Ni, IDii    ->    <- HDR, SA, KE, Nr, IDir, HASH_R
//! HDR*, HASH_I             ->
//! ```
//!
//! With signatures (section 5.1) certificates and SIG_R, SIG_I are in the place of the hashes; what each side asks for is in
//! its first message.

use std::sync::Arc;

use handfast_auth::certificate::Proven;
use handfast_auth::identity::Identity;
use handfast_auth::kerberos::Progress;
use handfast_auth::kerberos::ikev1::ANNOUNCED;
use handfast_crypto::provider::EphemeralKey;
use handfast_crypto::transform::Group;
use handfast_wire::header::ExchangeType;
use handfast_wire::numbers::v1::AuthMethod;
use handfast_wire::v1::Message;
use handfast_wire::v1::gss::Framing;

use crate::context::{Asker, Context};
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::policy::{Connection, Method};
use crate::refusal::{Cause, Party, Refusal};
use crate::sa::Proofs;
use crate::v1::auth::{self, Exchanged as Publics, Making, Ours, Signature, Verdict};
use crate::v1::certificates;
use crate::v1::established::Established;
use crate::v1::kerberos::Gss;
use crate::v1::main_initiator::{asked_by, no_key};
use crate::v1::message::{Chain, Parsed, Plain, seal};
use crate::v1::state::{Chosen, Keyed, Last, Next, Overdue, Parties, Sa, State, Waiting, refuse};
use crate::v1::vendor::{self, Abilities};
use crate::v1::{aggressive_kerberos, kerberos_initiator, nat, notices, proposals};

/// Waiting for our key pair, in the one group that all transforms name.
pub(crate) struct MakingKey {
    pub connection: Arc<Connection>,
    ticket: Ticket,
    group: Group,
    /// The first token, if Kerberos is offered.
    kerberos: Option<Progress>,
}

/// Message 1 sent.
pub(crate) struct Sent {
    pub connection: Arc<Connection>,
    key: Box<dyn EphemeralKey>,
    group: Group,
    sai_b: Vec<u8>,
    ni: Vec<u8>,
    kerberos: Option<Progress>,
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

/// Message 2 that is being judged.
pub(crate) struct Judging {
    pub keyed: Keyed,
    second: Second,
    ticket: Ticket,
}

/// The peer has proved itself; waiting for SIG_I.
pub(crate) struct Signing {
    pub keyed: Keyed,
    second: Second,
    certificate: Option<Proven>,
    signature: Signature,
}

/// Message 2, read.
pub(super) struct Second {
    pub bytes: Vec<u8>,
    pub peer: Identity,
}

/// How both sides may prove themselves: by Kerberos if its first token is there.
fn ways(connection: &Connection, kerberos: Option<&Progress>) -> Vec<AuthMethod> {
    let mut ways = proposals::ways(connection);
    ways.retain(|way| *way != AuthMethod::GSS_KERBEROS || kerberos.is_some());
    ways
}

/// Begins, with Kerberos's first token if that is wanted.
pub(crate) fn start(sa: &mut Sa, cx: &mut Context, connection: Arc<Connection>) -> Next {
    match kerberos_initiator::prepare(sa, cx, &connection) {
        Some(state) => Ok(state),
        None => offer(sa, cx, connection, None),
    }
}

/// Asks for a key pair.
pub(super) fn offer(sa: &Sa, cx: &mut Context, connection: Arc<Connection>, kerberos: Option<Progress>) -> Next {
    let Some(group) = proposals::first_group(&connection) else {
        let cause = Cause::Local("no proposal that IKEv1 can say".into());
        return refuse(Refusal::new(Party::Us, cause).look_at(&connection.place));
    };
    let ticket = cx.ask(Asker::Sa(sa.slot), Question::GenerateKey(group));
    Ok(State::AggressiveMakingKey(Box::new(MakingKey {
        connection,
        ticket,
        group,
        kerberos,
    })))
}

impl MakingKey {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Key(key)) = (ticket == self.ticket, answer) else {
            return Ok(State::AggressiveMakingKey(self));
        };
        let Self {
            connection,
            group,
            kerberos,
            ..
        } = *self;
        let key = match key {
            Ok(key) => key,
            Err(e) => return refuse(no_key(group, e, &connection)),
        };
        let ways = ways(&connection, kerberos.as_ref());
        let sai_b = proposals::phase_one(&connection, &ways, Some(group));
        if sai_b.is_empty() {
            let cause = Cause::Local("no way of authentication that IKEv1 can say".into());
            return refuse(Refusal::new(Party::Us, cause).look_at(connection.place.of(&["auth"])));
        }
        let ni = cx.rng.bytes::<32>().to_vec();
        let mut chain = Chain::new();
        chain.sa(&sai_b);
        chain.ke(key.public());
        chain.nonce(&ni);
        chain.id(&auth::id_body(&connection.local_id));
        if let Some(token) = kerberos.as_ref().and_then(Progress::token) {
            let framing = connection.auth.kerberos.as_ref().and_then(|k| k.framing);
            // Nothing is known of the peer yet.
            chain.gss(&framing.unwrap_or(Framing::Bare).body(token));
        }
        if ways.iter().any(|way| proposals::method_of(*way) == Method::Certificate) {
            certificates::push_requests(&mut chain, std::iter::once(&connection));
        }
        vendor::offered().iter().for_each(|id| chain.vendor_id(id));
        if kerberos.is_some() {
            ANNOUNCED.iter().for_each(|id| chain.vendor_id(id));
        }
        let bytes = Plain::message(sa, ExchangeType::V1_AGGRESSIVE, 0, &chain);
        sa.record_attempt(cx, &connection, String::new());
        sa.send(cx, bytes.clone(), |sa| {
            Plain::describe(sa, ExchangeType::V1_AGGRESSIVE, 0, &chain)
        });
        let waiting = Waiting::new(cx, &connection, bytes, "aggressive mode message 2");
        Ok(State::AggressiveSent(Box::new(Sent {
            connection,
            key,
            group,
            sai_b,
            ni,
            kerberos,
            waiting,
        })))
    }
}

impl Sent {
    pub fn on_timer(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        match self.waiting.on_timer(sa, cx, &self.connection) {
            Overdue::Wait => Ok(State::AggressiveSent(self)),
            Overdue::End(refusal) => refuse(*refusal),
        }
    }

    pub fn on_message(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
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
            .and_then(|accepted| Ok((accepted, parsed.ke()?.to_vec(), parsed.nonce()?.to_vec())));
        let ((suite, way), gxr, nr) = match read {
            Ok(((suite, _), ..)) if suite.group != self.group => {
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
        sa.received(cx, message.bytes.len(), |_| parsed.summary(message.header));
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
        let kerberos = match way {
            AuthMethod::GSS_KERBEROS => Gss::as_initiator(&self.connection, &parsed, self.kerberos).map(Box::new),
            _ => None,
        };
        Ok(State::AggressiveAgreeing(Box::new(Agreeing {
            chosen: Chosen {
                connection: self.connection,
                suite,
                sai_b: self.sai_b,
                way,
                abilities,
                wishes: asked_by(&parsed),
                kerberos,
            },
            ticket,
            ni: self.ni,
            nr,
            publics,
            message: message.bytes.to_vec(),
        })))
    }
}

impl Agreeing {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
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
        } = *self;
        let connection = chosen.connection.clone();
        let us = |cause| Refusal::new(Party::Us, cause).look_at(&connection.place);
        let made = shared.and_then(|shared| auth::channel(cx, sa, &chosen, (&ni, &nr), &publics, &shared));
        let isakmp = match made {
            Ok(isakmp) => isakmp,
            Err(e) => return refuse(us(Cause::KeyExchange(e.to_string()))),
        };
        let read = Message::parse(&message).map_err(|e| Cause::Syntax(e.to_string()));
        let parsed = match read.and_then(|m| Parsed::clear(&m)) {
            Ok(parsed) => parsed,
            Err(cause) => return refuse(us(cause)),
        };
        nat::detect(sa, &chosen, &parsed);
        if chosen.kerberos.is_some() {
            let keyed = Keyed {
                chosen,
                isakmp,
                publics,
            };
            return aggressive_kerberos::second(sa, cx, keyed, &parsed, &message);
        }
        let verdict = auth::verify_r(&isakmp, sa, cx, &chosen, &publics, &parsed);
        let keyed = Keyed {
            chosen,
            isakmp,
            publics,
        };
        let second = |peer| Second {
            bytes: message.clone(),
            peer,
        };
        match verdict {
            Ok((peer, Verdict::Proven)) => prove(sa, cx, keyed, second(peer), None),
            Ok((peer, Verdict::Asked(ticket))) => Ok(State::AggressiveJudging(Box::new(Judging {
                keyed,
                second: second(peer),
                ticket,
            }))),
            Err(refusal) => unwelcome(sa, cx, *refusal),
        }
    }
}

/// The responder has not proved itself.
pub(super) fn unwelcome(sa: &mut Sa, cx: &mut Context, refusal: Refusal) -> Next {
    notices::send_clear(sa, cx, notices::AUTHENTICATION_FAILED);
    refuse(refusal)
}

impl Judging {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Judged(judged)) = (ticket == self.ticket, answer) else {
            return Ok(State::AggressiveJudging(self));
        };
        let Self { keyed, second, .. } = *self;
        match judged {
            Ok(proven) => prove(sa, cx, keyed, second, Some(proven)),
            Err(why) => {
                let refusal = auth::not_proven(&keyed.chosen.connection, &second.peer.to_string(), &why);
                unwelcome(sa, cx, refusal)
            }
        }
    }
}

impl Signing {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Signed(signed)) = (ticket == self.signature.ticket, answer) else {
            return Ok(State::AggressiveSigning(self));
        };
        let Self {
            keyed,
            second,
            certificate,
            signature,
        } = *self;
        match signature.made(signed, &keyed.chosen.connection) {
            Ok(ours) => finish(sa, cx, keyed, second, certificate, &ours),
            Err(refusal) => refuse(refusal),
        }
    }
}

/// The peer has proved itself: our own proof.
fn prove(sa: &mut Sa, cx: &mut Context, keyed: Keyed, second: Second, certificate: Option<Proven>) -> Next {
    let Keyed {
        chosen,
        isakmp,
        publics,
    } = &keyed;
    let id = auth::id_body(&chosen.connection.local_id);
    let hash = auth::hash_i(isakmp, sa, chosen, publics, &id);
    match auth::prove(sa, cx, chosen, &chosen.connection, hash) {
        Ok(Making::Made(ours)) => finish(sa, cx, keyed, second, certificate, &ours),
        Ok(Making::Asked(signature)) => Ok(State::AggressiveSigning(Box::new(Signing {
            keyed,
            second,
            certificate,
            signature,
        }))),
        Err(refusal) => refuse(refusal),
    }
}

/// Message 3.
pub(super) fn finish(
    sa: &mut Sa,
    cx: &mut Context,
    keyed: Keyed,
    second: Second,
    certificate: Option<Proven>,
    ours: &Ours,
) -> Next {
    let Keyed { chosen, mut isakmp, .. } = keyed;
    let connection = chosen.connection.clone();
    nat::float(sa, cx, &connection);
    let mut chain = Chain::new();
    ours.push(&mut chain);
    nat::push(&mut chain, sa, cx, &chosen);
    if sa.initial_contact {
        chain.initial_contact(sa);
    }
    let mut iv = isakmp.phase_one.clone();
    let bytes = match seal(&isakmp, &mut iv, sa, ExchangeType::V1_AGGRESSIVE, 0, &chain) {
        Ok(bytes) => chosen.cut().apply(sa, bytes),
        Err(e) => {
            return refuse(Refusal::new(Party::Us, Cause::Local(e.to_string())).look_at(&connection.place));
        }
    };
    isakmp.phase_one = iv;
    sa.record_attempt(cx, &connection, chosen.suite.to_string());
    sa.send(cx, bytes.clone(), |sa| {
        Plain::describe(sa, ExchangeType::V1_AGGRESSIVE, 0, &chain)
    });
    cx.tickets_in_doubt.remove(&connection.name);
    let parties = Parties {
        proofs: match &chosen.kerberos {
            Some(gss) => gss.proofs(),
            None => Proofs::both(chosen.method(), certificate),
        },
        connection,
        peer: second.peer.to_string(),
    };
    let last = Last::new(second.bytes.as_slice(), bytes.clone());
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
