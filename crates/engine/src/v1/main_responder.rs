//! Main mode as responder (RFC 2409 section 5.4). The secret is found by the peer's address, for it must be known before
//! the peer says who it is.

use std::net::SocketAddr;
use std::sync::Arc;

use handfast_auth::certificate::Proven;
use handfast_auth::kerberos::ikev1::ANNOUNCED;
use handfast_wire::header::ExchangeType;
use handfast_wire::numbers::v1::{AuthMethod, NotifyType};
use handfast_wire::v1::Message;

use crate::context::{Asker, Context};
use crate::endpoint::choose;
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::policy::{Connection, Method};
use crate::refusal::{Cause, Party, Refusal};
use crate::sa::Proofs;
use crate::time::Instant;
use crate::v1::auth::{self, Claim, Exchanged as Publics, Making, Ours, Signature, Verdict};
use crate::v1::certificates;
use crate::v1::established::Established;
use crate::v1::first_message::{self, Readying};
use crate::v1::isakmp::Iv;
use crate::v1::message::{Chain, Parsed, Plain, seal};
use crate::v1::notices::{self, Rejected};
use crate::v1::proposals::Usable;
use crate::v1::state::{Chosen, Keyed, Last, Next, Parties, Sa, State, gone, refuse};
use crate::v1::vendor;
use crate::v1::{HALF_OPEN, informational, kerberos_responder, nat};

/// A first message that we can answer.
pub(crate) struct FirstMessage {
    chosen: Chosen,
    answer: Vec<u8>,
    request: Vec<u8>,
    summary: String,
}

/// SA sent.
pub(crate) struct Answered {
    chosen: Chosen,
    last: Last,
    pub expires: Instant,
}

/// Waiting for our public value and the shared secret.
pub(crate) struct Responding {
    chosen: Chosen,
    ticket: Ticket,
    request: Vec<u8>,
    gxi: Vec<u8>,
    ni: Vec<u8>,
    /// GSSi, with Kerberos.
    token: Option<Vec<u8>>,
    expires: Instant,
}

/// KE and Nr sent: what comes next is encrypted.
pub(crate) struct Ready {
    keyed: Keyed,
    last: Last,
    /// The owner was told of a message that proves nothing; once is enough.
    complained: bool,
    /// A signature was judged, or a name: that costs more than a hash, and once is enough.
    judged: bool,
    pub expires: Instant,
}

/// Message 5 that is being judged.
pub(crate) struct Judging {
    ready: Box<Ready>,
    fifth: Fifth,
    claim: Claim,
    ticket: Ticket,
}

/// The peer has proved itself; waiting for SIG_R.
pub(crate) struct Signing {
    ready: Box<Ready>,
    fifth: Fifth,
    claim: Claim,
    certificate: Option<Proven>,
    signature: Signature,
}

/// Message 5, opened.
struct Fifth {
    bytes: Vec<u8>,
    summary: String,
    /// Where it came to and from.
    ends: (SocketAddr, SocketAddr),
    /// The peer knows no other SA with us.
    fresh: bool,
    iv: Iv,
}

impl first_message::FirstMessage for FirstMessage {
    fn read(
        cx: &Context,
        (local, remote): (SocketAddr, SocketAddr),
        message: &Message<'_>,
        without: &[AuthMethod],
    ) -> Result<Self, Box<Rejected>> {
        let parsed = Parsed::clear(message).map_err(notices::malformed)?;
        let offer = parsed.sa().map_err(notices::malformed)?;
        let candidates: Vec<&Arc<Connection>> = choose::by_address(&cx.policy, 1, (local.ip(), remote.ip())).collect();
        let Some(first) = candidates.first() else {
            return Err(notices::no_connection(cx, local, remote));
        };
        let usable = Usable {
            announced: parsed.knows_kerberos(),
            without,
            public_len: None,
        };
        let (chosen, answer) = first_message::choose(&parsed, &offer, &candidates, &usable, first)?;
        Ok(Self {
            chosen,
            answer,
            request: message.bytes.to_vec(),
            summary: cx.words(|| parsed.summary(message.header)),
        })
    }

    fn chosen(&self) -> &Chosen {
        &self.chosen
    }

    fn request(&self) -> (&[u8], &str) {
        (&self.request, &self.summary)
    }

    fn go_on(self, sa: &mut Sa, cx: &mut Context) -> State {
        answer(sa, cx, self)
    }

    fn wait(readying: Box<Readying<Self>>) -> State {
        State::KerberosReadying(readying)
    }
}

/// Message 2.
fn answer(sa: &mut Sa, cx: &mut Context, first: FirstMessage) -> State {
    let mut chain = Chain::new();
    chain.sa(&first.answer);
    let abilities = first.chosen.abilities;
    vendor::ours(abilities.nat_traversal)
        .iter()
        .for_each(|id| chain.vendor_id(id));
    if first.chosen.kerberos.is_some() {
        ANNOUNCED.iter().for_each(|id| chain.vendor_id(id));
    }
    let bytes = Plain::message(sa, ExchangeType::V1_MAIN, 0, &chain);
    sa.send(cx, bytes.clone(), |sa| {
        Plain::describe(sa, ExchangeType::V1_MAIN, 0, &chain)
    });
    State::MainAnswered(Box::new(Answered {
        chosen: first.chosen,
        last: Last::new(first.request, bytes),
        expires: cx.now + HALF_OPEN,
    }))
}

impl Answered {
    pub fn on_timer(self: Box<Self>, cx: &mut Context) -> Next {
        if cx.now >= self.expires {
            return Ok(gone("the peer did not go on with main mode"));
        }
        Ok(State::MainAnswered(self))
    }

    pub fn on_message(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        if self.last.answers(sa, cx, message.bytes) {
            return Ok(State::MainAnswered(self));
        }
        let parsed = match notices::expect(sa, cx, message, ExchangeType::V1_MAIN) {
            notices::Expected::Message(parsed) => parsed,
            _ => return Ok(State::MainAnswered(self)),
        };
        let values = parsed.ke().and_then(|ke| Ok((ke.to_vec(), parsed.nonce()?.to_vec())));
        let Ok((gxi, ni)) = values else {
            sa.dropped(cx, "main mode message 3 without KE or nonce");
            return Ok(State::MainAnswered(self));
        };
        let token = match &mut self.chosen.kerberos {
            Some(gss) => gss.receive(&parsed),
            None => None,
        };
        if self.chosen.kerberos.is_some() && token.is_none() {
            sa.dropped(cx, "main mode message 3 without a token of Kerberos");
            return Ok(State::MainAnswered(self));
        }
        sa.received(cx, message.bytes.len(), |_| parsed.summary(message.header));
        nat::detect(sa, &self.chosen, &parsed);
        self.chosen.wishes.learn(&parsed);
        let question = Question::Respond {
            group: self.chosen.suite.group,
            peer: gxi.clone(),
        };
        let ticket = cx.ask(Asker::Sa(sa.slot), question);
        Ok(State::MainResponding(Box::new(Responding {
            chosen: self.chosen,
            ticket,
            request: message.bytes.to_vec(),
            gxi,
            ni,
            token,
            expires: self.expires,
        })))
    }
}

impl Responding {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Responded(result)) = (ticket == self.ticket, answer) else {
            return Ok(State::MainResponding(self));
        };
        let Self { chosen, gxi, ni, .. } = *self;
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
        if let Some(token) = &self.token {
            let keyed = Keyed {
                chosen,
                isakmp,
                publics,
            };
            return kerberos_responder::accept(sa, cx, keyed, (nr, self.request), token, self.expires);
        }
        let mut chain = Chain::new();
        chain.ke(&publics.gxr);
        chain.nonce(&nr);
        if chosen.method() == Method::Certificate {
            let ends = (sa.path.local.ip(), sa.path.remote.ip());
            certificates::push_requests(&mut chain, choose::by_address(&cx.policy, 1, ends));
        }
        nat::push(&mut chain, sa, cx, &chosen);
        let bytes = Plain::message(sa, ExchangeType::V1_MAIN, 0, &chain);
        let bytes = chosen.cut().apply(sa, bytes);
        sa.send(cx, bytes.clone(), |sa| {
            Plain::describe(sa, ExchangeType::V1_MAIN, 0, &chain)
        });
        Ok(State::MainReady(Box::new(Ready {
            keyed: Keyed {
                chosen,
                isakmp,
                publics,
            },
            last: Last::new(self.request.as_slice(), bytes.clone()),
            complained: false,
            judged: false,
            expires: self.expires,
        })))
    }
}

impl Ready {
    pub fn on_timer(self: Box<Self>, cx: &mut Context) -> Next {
        if cx.now >= self.expires {
            return Ok(gone("the peer did not prove itself"));
        }
        Ok(State::MainReady(self))
    }

    pub fn on_message(self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        if self.last.answers(sa, cx, message.bytes) {
            return Ok(State::MainReady(self));
        }
        let header = message.header;
        let due = header.exchange == ExchangeType::V1_MAIN && header.message_id == 0;
        let Some(ciphertext) = message.ciphertext().filter(|_| due) else {
            sa.dropped(cx, "not main mode message 5, which is encrypted");
            return Ok(State::MainReady(self));
        };
        let Keyed {
            chosen,
            isakmp,
            publics,
        } = &self.keyed;
        if self.judged && chosen.method() == Method::Certificate {
            sa.dropped(cx, "another message that does not prove the peer");
            return Ok(State::MainReady(self));
        }
        let opened = isakmp.decrypt(&isakmp.phase_one, ciphertext);
        let parsed = opened.as_ref().map(|d| Parsed::inner(header, &d.plain));
        let (Some(opened), Some(Ok(parsed))) = (&opened, parsed) else {
            let place = auth::proof_of(&chosen.connection, chosen.way);
            let refusal = Refusal::new(Party::Us, auth::garbage(chosen.way)).look_at(place);
            return self.complain(sa, cx, refusal, notices::PAYLOAD_MALFORMED);
        };
        let fifth = Fifth {
            bytes: message.bytes.to_vec(),
            summary: cx.words(|| parsed.summary(header)),
            ends: sa.seen(),
            fresh: parsed.initial_contact(),
            iv: opened.next.clone(),
        };
        match auth::verify_i(isakmp, sa, cx, chosen, publics, &parsed) {
            Ok((claim, Verdict::Proven)) => self.prove(sa, cx, fifth, claim, None),
            Ok((claim, Verdict::Asked(ticket))) => Ok(State::MainReadyJudging(Box::new(Judging {
                ready: self,
                fifth,
                claim,
                ticket,
            }))),
            Err(refusal) if refusal.cause == Cause::WrongIdentity => self.unwelcome(sa, cx, &fifth, *refusal),
            Err(refusal) => self.complain(sa, cx, *refusal, notices::INVALID_HASH_INFORMATION),
        }
    }

    /// It has our keys, so it hears of the wrong name under them, and again if it asks again.
    fn unwelcome(self: Box<Self>, sa: &mut Sa, cx: &mut Context, fifth: &Fifth, refusal: Refusal) -> Next {
        let mut chain = Chain::new();
        chain.notify(notices::AUTHENTICATION_FAILED, &[]);
        let told = informational::before_established(&self.keyed.isakmp, &fifth.iv, sa, cx, chain);
        let last = told.map_or_else(
            || Last::unanswered(fifth.bytes.as_slice()),
            |t| Last::new(fifth.bytes.as_slice(), t),
        );
        let refusal = refusal.meant(&self.keyed.chosen.connection.name);
        let ready = Self {
            last,
            complained: true,
            judged: true,
            ..*self
        };
        Err(Box::new((State::MainReady(Box::new(ready)), refusal)))
    }

    /// The peer has proved itself: our own proof.
    fn prove(
        self: Box<Self>,
        sa: &mut Sa,
        cx: &mut Context,
        fifth: Fifth,
        claim: Claim,
        certificate: Option<Proven>,
    ) -> Next {
        sa.received(cx, fifth.bytes.len(), |_| fifth.summary.clone());
        // The peer behind a NAT has gone to the other port (RFC 3947 section 4).
        (sa.path.local, sa.path.remote) = fifth.ends;
        let Keyed {
            chosen,
            isakmp,
            publics,
        } = &self.keyed;
        let id = auth::id_body(&claim.connection.local_id);
        let hash = auth::hash_r(isakmp, sa, chosen, publics, &id);
        match auth::prove(sa, cx, chosen, &claim.connection, hash) {
            Ok(Making::Made(ours)) => self.answer(sa, cx, fifth, claim, certificate, &ours),
            Ok(Making::Asked(signature)) => Ok(State::MainReadySigning(Box::new(Signing {
                ready: self,
                fifth,
                claim,
                certificate,
                signature,
            }))),
            Err(refusal) => self.unwelcome(sa, cx, &fifth, refusal),
        }
    }

    /// Message 6.
    fn answer(
        self: Box<Self>,
        sa: &mut Sa,
        cx: &mut Context,
        fifth: Fifth,
        claim: Claim,
        certificate: Option<Proven>,
        ours: &Ours,
    ) -> Next {
        let Keyed { chosen, mut isakmp, .. } = self.keyed;
        let mut chain = Chain::new();
        chain.id(&auth::id_body(&claim.connection.local_id));
        ours.push(&mut chain);
        let mut iv = fifth.iv;
        let bytes = match seal(&isakmp, &mut iv, sa, ExchangeType::V1_MAIN, 0, &chain) {
            Ok(bytes) => chosen.cut().apply(sa, bytes),
            Err(e) => return refuse(Refusal::new(Party::Us, Cause::Local(e.to_string()))),
        };
        isakmp.phase_one = iv;
        let parties = Parties {
            connection: claim.connection,
            peer: claim.peer.to_string(),
            proofs: Proofs::both(chosen.method(), certificate),
        };
        let last = Last::new(fifth.bytes, bytes.clone());
        let state = Established::begin(sa, cx, parties, isakmp, chosen.abilities, last, fifth.fresh);
        sa.send(cx, bytes, |sa| Plain::describe(sa, ExchangeType::V1_MAIN, 0, &chain));
        Ok(state)
    }

    /// Anyone can send what proves nothing, so the SA stays for the true peer; its owner is told once.
    fn complain(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, refusal: Refusal, notify: NotifyType) -> Next {
        if self.complained {
            sa.dropped(cx, "another message that does not prove the peer");
            return Ok(State::MainReady(self));
        }
        self.complained = true;
        let refusal = refusal.meant(&self.keyed.chosen.connection.name);
        notices::send_clear(sa, cx, notify);
        Err(Box::new((State::MainReady(self), refusal)))
    }
}

impl Judging {
    pub fn expires(&self) -> Instant {
        self.ready.expires
    }

    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Judged(judged)) = (ticket == self.ticket, answer) else {
            return Ok(State::MainReadyJudging(self));
        };
        let Self {
            ready, fifth, claim, ..
        } = *self;
        match judged {
            Ok(proven) => ready.prove(sa, cx, fifth, claim, Some(proven)),
            Err(why) => {
                let refusal = auth::not_proven(&claim.connection, &claim.peer.to_string(), &why);
                ready.unwelcome(sa, cx, &fifth, refusal)
            }
        }
    }
}

impl Signing {
    pub fn expires(&self) -> Instant {
        self.ready.expires
    }

    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Signed(signed)) = (ticket == self.signature.ticket, answer) else {
            return Ok(State::MainReadySigning(self));
        };
        let Self {
            ready,
            fifth,
            claim,
            certificate,
            signature,
        } = *self;
        match signature.made(signed, &claim.connection) {
            Ok(ours) => ready.answer(sa, cx, fifth, claim, certificate, &ours),
            Err(refusal) => ready.unwelcome(sa, cx, &fifth, refusal),
        }
    }
}
