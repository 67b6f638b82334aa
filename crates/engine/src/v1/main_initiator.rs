//! Main mode as initiator (RFC 2409 sections 5 and 5.4):
//!
//! ```text
//! HDR, SA                  ->    <- HDR, SA
//! HDR, KE, Ni, NAT-D*2     ->    <- HDR, KE, Nr, NAT-D*2
//! HDR*, IDii, HASH_I       ->    <- HDR*, IDir, HASH_R
//! ```
//!
//! With signatures (section 5.1) certificates and SIG_I, SIG_R are in the place of the hashes, and each side asks for
//! certificates in the message that has its KE.

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

use crate::context::{Asker, Context};
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::policy::{Connection, Method};
use crate::refusal::{Cause, Party, Refusal};
use crate::sa::Proofs;
use crate::v1::auth::{self, Exchanged as Publics, Making, Ours, Signature, Verdict};
use crate::v1::certificates::{self, Wishes};
use crate::v1::established::Established;
use crate::v1::isakmp::Iv;
use crate::v1::kerberos::Gss;
use crate::v1::message::{Chain, Parsed, Plain, seal};
use crate::v1::state::{Chosen, Keyed, Last, Next, Overdue, Parties, Sa, State, Waiting, gone, refuse};
use crate::v1::vendor::{self, Abilities};
use crate::v1::{informational, kerberos_initiator, nat, notices, proposals};

/// SA sent.
pub(crate) struct Offered {
    pub connection: Arc<Connection>,
    sai_b: Vec<u8>,
    /// The first token, if Kerberos is offered.
    kerberos: Option<Progress>,
    pub waiting: Waiting,
}

/// Waiting for our key pair.
pub(crate) struct MakingKey {
    pub chosen: Chosen,
    ticket: Ticket,
}

/// KE and Ni sent.
pub(crate) struct Exchanged {
    pub chosen: Chosen,
    key: Box<dyn EphemeralKey>,
    ni: Vec<u8>,
    pub waiting: Waiting,
}

/// Waiting for the shared secret.
pub(crate) struct Agreeing {
    pub chosen: Chosen,
    ticket: Ticket,
    ni: Vec<u8>,
    nr: Vec<u8>,
    publics: Publics,
    /// GSSr, with Kerberos.
    token: Option<Vec<u8>>,
}

/// Waiting for SIG_I.
pub(crate) struct Signing {
    pub keyed: Keyed,
    signature: Signature,
}

/// IDii and HASH_I sent.
pub(crate) struct Proving {
    pub keyed: Keyed,
    iv: Iv,
    pub waiting: Waiting,
}

/// Message 6 that is being judged.
pub(crate) struct Judging {
    pub proving: Box<Proving>,
    sixth: Sixth,
    ticket: Ticket,
}

/// Message 6, opened.
struct Sixth {
    peer: String,
    summary: String,
    size: usize,
    iv: Iv,
}

/// Begins with the SA payload, whose body HASH_I and HASH_R will cover.
pub(crate) fn start(sa: &mut Sa, cx: &mut Context, connection: Arc<Connection>) -> Next {
    match kerberos_initiator::prepare(sa, cx, &connection) {
        Some(state) => Ok(state),
        None => offer(sa, cx, connection, None),
    }
}

/// Message 1. Kerberos is offered if its first token is there.
pub(super) fn offer(sa: &mut Sa, cx: &mut Context, connection: Arc<Connection>, kerberos: Option<Progress>) -> Next {
    let mut ways = proposals::ways(&connection);
    ways.retain(|way| *way != AuthMethod::GSS_KERBEROS || kerberos.is_some());
    let sai_b = proposals::phase_one(&connection, &ways, None);
    if sai_b.is_empty() {
        let cause = Cause::Local("no proposal that IKEv1 can say".into());
        return refuse(Refusal::new(Party::Us, cause).look_at(&connection.place));
    }
    let mut chain = Chain::new();
    chain.sa(&sai_b);
    vendor::offered().iter().for_each(|id| chain.vendor_id(id));
    if kerberos.is_some() {
        ANNOUNCED.iter().for_each(|id| chain.vendor_id(id));
    }
    let bytes = Plain::message(sa, ExchangeType::V1_MAIN, 0, &chain);
    sa.record_attempt(cx, &connection, String::new());
    sa.send(cx, bytes.clone(), |sa| {
        Plain::describe(sa, ExchangeType::V1_MAIN, 0, &chain)
    });
    let waiting = Waiting::new(cx, &connection, bytes, "main mode message 2 (SA)");
    Ok(State::MainOffered(Box::new(Offered {
        connection,
        sai_b,
        kerberos,
        waiting,
    })))
}

impl Offered {
    pub fn on_timer(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        match self.waiting.on_timer(sa, cx, &self.connection) {
            Overdue::Wait => Ok(State::MainOffered(self)),
            Overdue::End(refusal) => refuse(*refusal),
        }
    }

    pub fn on_message(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let us = |cause| Refusal::new(Party::Us, cause).look_at(&self.connection.place);
        let parsed = match notices::expect(sa, cx, message, ExchangeType::V1_MAIN) {
            notices::Expected::Message(parsed) => parsed,
            notices::Expected::Notice(refusal) => {
                let offered = proposals::names(&self.connection);
                let refusal = refusal.offered(offered).look_at(self.connection.place.of(&["ike"]));
                self.waiting.complain(refusal);
                return Ok(State::MainOffered(self));
            }
            notices::Expected::Nothing => return Ok(State::MainOffered(self)),
        };
        if message.header.spi_r.is_zero() {
            sa.dropped(cx, "main mode message 2 without a responder's cookie");
            return Ok(State::MainOffered(self));
        }
        let mut abilities = Abilities::default();
        parsed.vendor_ids().for_each(|id| abilities.learn(id));
        let accepted = parsed
            .sa()
            .and_then(|sa| proposals::accept_phase_one(&sa, &self.connection));
        let (suite, way) = match accepted {
            Ok(accepted) => accepted,
            Err(cause) => {
                let refusal = us(cause).acceptable(proposals::names(&self.connection));
                self.waiting.complain(refusal);
                return Ok(State::MainOffered(self));
            }
        };
        sa.received(cx, message.bytes.len(), |_| parsed.summary(message.header));
        sa.spi_r = message.header.spi_r;
        let ticket = cx.ask(Asker::Sa(sa.slot), Question::GenerateKey(suite.group));
        let kerberos = match way {
            AuthMethod::GSS_KERBEROS => Gss::as_initiator(&self.connection, &parsed, self.kerberos).map(Box::new),
            _ => None,
        };
        let chosen = Chosen {
            connection: self.connection,
            suite,
            sai_b: self.sai_b,
            way,
            abilities,
            wishes: asked_by(&parsed),
            kerberos,
        };
        Ok(State::MainMakingKey(Box::new(MakingKey { chosen, ticket })))
    }
}

impl MakingKey {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Key(key)) = (ticket == self.ticket, answer) else {
            return Ok(State::MainMakingKey(self));
        };
        let key = match key {
            Ok(key) => key,
            Err(e) => return refuse(no_key(self.chosen.suite.group, e, &self.chosen.connection)),
        };
        let ni = cx.rng.bytes::<32>().to_vec();
        let mut chain = Chain::new();
        chain.ke(key.public());
        chain.nonce(&ni);
        if self.chosen.method() == Method::Certificate {
            certificates::push_requests(&mut chain, std::iter::once(&self.chosen.connection));
        }
        if let Some(token) = self.chosen.kerberos.as_ref().and_then(|gss| gss.token()) {
            chain.gss(&token);
        }
        nat::push(&mut chain, sa, cx, &self.chosen);
        let bytes = Plain::message(sa, ExchangeType::V1_MAIN, 0, &chain);
        let bytes = self.chosen.cut().apply(sa, bytes);
        sa.send(cx, bytes.clone(), |sa| {
            Plain::describe(sa, ExchangeType::V1_MAIN, 0, &chain)
        });
        let waiting = Waiting::new(cx, &self.chosen.connection, bytes, "main mode message 4 (KE)");
        Ok(State::MainExchanged(Box::new(Exchanged {
            chosen: self.chosen,
            key,
            ni,
            waiting,
        })))
    }
}

/// We cannot make a key pair.
pub(super) fn no_key(group: Group, e: impl std::fmt::Display, connection: &Connection) -> Refusal {
    let cause = Cause::Local(format!("cannot make a key pair in {group}: {e}"));
    Refusal::new(Party::Us, cause).look_at(&connection.place)
}

impl Exchanged {
    pub fn on_timer(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        match self.waiting.on_timer(sa, cx, &self.chosen.connection) {
            Overdue::Wait => Ok(State::MainExchanged(self)),
            Overdue::End(refusal) => refuse(*refusal),
        }
    }

    pub fn on_message(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let place = self.chosen.connection.place.clone();
        let parsed = match notices::expect(sa, cx, message, ExchangeType::V1_MAIN) {
            notices::Expected::Message(parsed) => parsed,
            notices::Expected::Notice(refusal) => {
                self.waiting.complain(refusal.look_at(&place));
                return Ok(State::MainExchanged(self));
            }
            notices::Expected::Nothing => return Ok(State::MainExchanged(self)),
        };
        // Message 2 once more has no KE: it is passed over.
        let values = parsed.ke().and_then(|ke| Ok((ke.to_vec(), parsed.nonce()?.to_vec())));
        let (gxr, nr) = match values {
            Ok(values) => values,
            Err(_) if parsed.sa().is_ok() => {
                sa.dropped(cx, "main mode message 2 again");
                return Ok(State::MainExchanged(self));
            }
            Err(cause) => {
                self.waiting.complain(Refusal::new(Party::Us, cause).look_at(&place));
                return Ok(State::MainExchanged(self));
            }
        };
        sa.received(cx, message.bytes.len(), |_| parsed.summary(message.header));
        nat::detect(sa, &self.chosen, &parsed);
        self.chosen.wishes.learn(&parsed);
        let token = self.chosen.kerberos.as_mut().and_then(|gss| gss.receive(&parsed));
        let publics = Publics {
            gxi: self.key.public().to_vec(),
            gxr: gxr.clone(),
        };
        let question = Question::Agree {
            key: self.key,
            peer: gxr,
        };
        let ticket = cx.ask(Asker::Sa(sa.slot), question);
        Ok(State::MainAgreeing(Box::new(Agreeing {
            chosen: self.chosen,
            ticket,
            ni: self.ni,
            nr,
            publics,
            token,
        })))
    }
}

impl Agreeing {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Shared(shared)) = (ticket == self.ticket, answer) else {
            return Ok(State::MainAgreeing(self));
        };
        let Self {
            chosen,
            ni,
            nr,
            publics,
            token,
            ..
        } = *self;
        let made = shared.and_then(|shared| auth::channel(cx, sa, &chosen, (&ni, &nr), &publics, &shared));
        let isakmp = match made {
            Ok(isakmp) => isakmp,
            Err(e) => {
                let cause = Cause::KeyExchange(e.to_string());
                return refuse(Refusal::new(Party::Us, cause).look_at(&chosen.connection.place));
            }
        };
        nat::float(sa, cx, &chosen.connection);
        if chosen.kerberos.is_some() {
            let keyed = Keyed {
                chosen,
                isakmp,
                publics,
            };
            return kerberos_initiator::begin(sa, cx, keyed, token.as_deref());
        }
        let id = auth::id_body(&chosen.connection.local_id);
        let hash = auth::hash_i(&isakmp, sa, &chosen, &publics, &id);
        let making = auth::prove(sa, cx, &chosen, &chosen.connection, hash);
        let keyed = Keyed {
            chosen,
            isakmp,
            publics,
        };
        match making {
            Ok(Making::Made(ours)) => prove(sa, cx, keyed, &ours),
            Ok(Making::Asked(signature)) => Ok(State::MainSigning(Box::new(Signing { keyed, signature }))),
            Err(refusal) => refuse(refusal),
        }
    }
}

impl Signing {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Signed(signed)) = (ticket == self.signature.ticket, answer) else {
            return Ok(State::MainSigning(self));
        };
        let Self { keyed, signature } = *self;
        match signature.made(signed, &keyed.chosen.connection) {
            Ok(ours) => prove(sa, cx, keyed, &ours),
            Err(refusal) => refuse(refusal),
        }
    }
}

/// Message 5.
fn prove(sa: &mut Sa, cx: &mut Context, keyed: Keyed, ours: &Ours) -> Next {
    let Keyed { chosen, isakmp, .. } = &keyed;
    let mut chain = Chain::new();
    chain.id(&auth::id_body(&chosen.connection.local_id));
    ours.push(&mut chain);
    if sa.initial_contact {
        chain.initial_contact(sa);
    }
    let mut iv = isakmp.phase_one.clone();
    let sealed = seal(isakmp, &mut iv, sa, ExchangeType::V1_MAIN, 0, &chain);
    let bytes = match sealed {
        Ok(bytes) => chosen.cut().apply(sa, bytes),
        Err(e) => return refuse(Refusal::new(Party::Us, Cause::Local(e.to_string()))),
    };
    sa.record_attempt(cx, &chosen.connection, chosen.suite.to_string());
    sa.send(cx, bytes.clone(), |sa| {
        Plain::describe(sa, ExchangeType::V1_MAIN, 0, &chain)
    });
    let waiting = Waiting::new(
        cx,
        &chosen.connection,
        bytes,
        "main mode message 6 (IDir and its proof)",
    );
    Ok(State::MainProving(Box::new(Proving { keyed, iv, waiting })))
}

/// What a message asks for.
pub(super) fn asked_by(parsed: &Parsed<'_>) -> Wishes {
    let mut wishes = Wishes::default();
    wishes.learn(parsed);
    wishes
}

impl Proving {
    pub fn on_timer(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        match self.waiting.on_timer(sa, cx, &self.keyed.chosen.connection) {
            Overdue::Wait => Ok(State::MainProving(self)),
            Overdue::End(refusal) => refuse(*refusal),
        }
    }

    pub fn on_message(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let connection = self.keyed.chosen.connection.clone();
        let us = |cause| Refusal::new(Party::Us, cause).look_at(&connection.place);
        if message.header.exchange == ExchangeType::V1_INFORMATIONAL {
            let iv = self.keyed.isakmp.phase_two_after(&self.iv, message.header.message_id);
            let opened = message.ciphertext().and_then(|c| self.keyed.isakmp.decrypt(&iv, c));
            let proved = opened
                .as_ref()
                .and_then(|o| self.keyed.isakmp.proved(message.header, o));
            // Said under our keys, so by the peer, who has the secret: that is its last word.
            if let Some(error) = proved.as_ref().and_then(Parsed::error) {
                return refuse(notices::of_the_peer(error, &connection, self.keyed.chosen.method()));
            }
            self.waiting
                .complain(notices::while_proving(message, &self.keyed.chosen));
            return Ok(State::MainProving(self));
        }
        if message.header.exchange != ExchangeType::V1_MAIN || message.header.message_id != 0 {
            sa.dropped(cx, "not the main mode message that is awaited");
            return Ok(State::MainProving(self));
        }
        let Some(ciphertext) = message.ciphertext() else {
            // Message 4 once more, or something of a stranger's.
            sa.dropped(cx, "main mode message in the clear where an encrypted one is due");
            return Ok(State::MainProving(self));
        };
        let opened = self.keyed.isakmp.decrypt(&self.iv, ciphertext);
        let parsed = opened.as_ref().map(|d| Parsed::inner(message.header, &d.plain));
        let (Some(opened), Some(Ok(parsed))) = (&opened, parsed) else {
            let refusal =
                us(auth::garbage(self.keyed.chosen.way)).look_at(auth::proof_of(&connection, self.keyed.chosen.way));
            self.waiting.complain(refusal);
            return Ok(State::MainProving(self));
        };
        let Keyed {
            chosen,
            isakmp,
            publics,
        } = &self.keyed;
        let words = cx.words(|| parsed.summary(message.header));
        let sixth = |peer: &Identity| Sixth {
            peer: peer.to_string(),
            summary: words.clone(),
            size: message.bytes.len(),
            iv: opened.next.clone(),
        };
        match auth::verify_r(isakmp, sa, cx, chosen, publics, &parsed) {
            Ok((peer, Verdict::Proven)) => {
                let sixth = sixth(&peer);
                Ok(self.finish(sa, cx, sixth, None))
            }
            Ok((peer, Verdict::Asked(ticket))) => {
                let sixth = sixth(&peer);
                Ok(State::MainJudging(Box::new(Judging {
                    proving: self,
                    sixth,
                    ticket,
                })))
            }
            // It has the secret and takes us for connected.
            Err(refusal) if refusal.cause == Cause::WrongIdentity => self.unwelcome(sa, cx, &opened.next, *refusal),
            Err(refusal) => {
                self.waiting.complain(*refusal);
                Ok(State::MainProving(self))
            }
        }
    }

    /// The responder takes us for connected, so it hears under our keys that we are not.
    fn unwelcome(&self, sa: &mut Sa, cx: &mut Context, iv: &Iv, refusal: Refusal) -> Next {
        self.disown(sa, cx, iv);
        refuse(refusal)
    }

    fn disown(&self, sa: &mut Sa, cx: &mut Context, iv: &Iv) {
        informational::renounce(&self.keyed.isakmp, iv, sa, cx);
    }

    fn finish(self: Box<Self>, sa: &mut Sa, cx: &mut Context, sixth: Sixth, certificate: Option<Proven>) -> State {
        sa.received(cx, sixth.size, |_| sixth.summary);
        let Keyed { chosen, mut isakmp, .. } = self.keyed;
        isakmp.phase_one = sixth.iv;
        let parties = Parties {
            proofs: Proofs::both(chosen.method(), certificate),
            connection: chosen.connection,
            peer: sixth.peer,
        };
        Established::begin(sa, cx, parties, isakmp, chosen.abilities, Last::default(), false)
    }
}

impl Judging {
    /// The responder takes us for connected, and hears that we are not.
    pub fn close(&self, sa: &mut Sa, cx: &mut Context, reason: &str) -> State {
        self.proving.disown(sa, cx, &self.sixth.iv);
        gone(reason.to_string())
    }

    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Judged(judged)) = (ticket == self.ticket, answer) else {
            return Ok(State::MainJudging(self));
        };
        let Self { proving, sixth, .. } = *self;
        match judged {
            Ok(proven) => Ok(proving.finish(sa, cx, sixth, Some(proven))),
            Err(why) => {
                let refusal = auth::not_proven(&proving.keyed.chosen.connection, &sixth.peer, &why);
                proving.unwelcome(sa, cx, &sixth.iv, refusal)
            }
        }
    }
}
