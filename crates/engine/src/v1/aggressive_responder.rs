//! Aggressive mode as responder (RFC 2409 section 5.4). The peer says at once who it is, so the secret is found by identity
//! too; and we prove ourselves first, which lets whoever listens try out secrets. So a connection must ask for it.

use std::net::SocketAddr;
use std::sync::Arc;

use handfast_auth::certificate::Proven;
use handfast_auth::identity::Identity;
use handfast_auth::kerberos::ikev1::ANNOUNCED;
use handfast_wire::header::ExchangeType;
use handfast_wire::numbers::v1::AuthMethod;
use handfast_wire::v1::Message;

use crate::context::{Asker, Context};
use crate::endpoint::choose;
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::policy::{Connection, Method};
use crate::refusal::{Cause, Party, Refusal};
use crate::sa::Proofs;
use crate::time::Instant;
use crate::v1::auth::{self, Exchanged as Publics, Making, Ours, Signature, Verdict};
use crate::v1::certificates;
use crate::v1::established::Established;
use crate::v1::first_message::{self, Readying};
use crate::v1::isakmp::Iv;
use crate::v1::kerberos;
use crate::v1::message::{Chain, Parsed, Plain};
use crate::v1::notices::{self, Rejected};
use crate::v1::proposals::Usable;
use crate::v1::state::{Chosen, Keyed, Last, Next, Parties, Sa, State, gone, refuse};
use crate::v1::vendor;
use crate::v1::{HALF_OPEN, aggressive_kerberos, informational, nat};

/// A first message that we can answer.
pub(crate) struct FirstMessage {
    chosen: Chosen,
    answer: Vec<u8>,
    gxi: Vec<u8>,
    ni: Vec<u8>,
    id: Vec<u8>,
    peer: Identity,
    /// GSSi, if Kerberos is the way.
    token: Option<Vec<u8>>,
    request: Vec<u8>,
    summary: String,
}

/// Waiting for our public value and the shared secret.
pub(crate) struct Responding {
    first: FirstMessage,
    ticket: Ticket,
}

/// Waiting for SIG_R.
pub(crate) struct Signing {
    keyed: Keyed,
    reply: Reply,
    signature: Signature,
    pub expires: Instant,
}

/// What message 2 has besides our proof.
pub(super) struct Reply {
    answer: Vec<u8>,
    nr: Vec<u8>,
    id: Vec<u8>,
    peer: Identity,
    request: Vec<u8>,
}

/// Message 2 sent.
pub(crate) struct Answered {
    keyed: Keyed,
    id: Vec<u8>,
    peer: Identity,
    last: Last,
    complained: bool,
    /// A signature was judged: that costs more than a hash, and once is enough.
    judged: bool,
    pub expires: Instant,
}

/// Message 3 that is being judged.
pub(crate) struct Judging {
    answered: Box<Answered>,
    third: Third,
    ticket: Ticket,
    /// The peer takes itself for connected and goes on: its first message of quick mode.
    early: Option<Vec<u8>>,
}

/// Message 3, read.
struct Third {
    bytes: Vec<u8>,
    summary: String,
    /// Where it came to and from.
    ends: (SocketAddr, SocketAddr),
    /// The peer knows no other SA with us.
    fresh: bool,
    /// The IV that follows it, if it was encrypted.
    iv: Option<Iv>,
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

impl first_message::FirstMessage for FirstMessage {
    fn read(
        cx: &Context,
        (local, remote): (SocketAddr, SocketAddr),
        message: &Message<'_>,
        without: &[AuthMethod],
    ) -> Result<Self, Box<Rejected>> {
        let parsed = Parsed::clear(message).map_err(notices::malformed)?;
        let offer = parsed.sa().map_err(notices::malformed)?;
        let gxi = parsed.ke().map_err(notices::malformed)?.to_vec();
        let ni = parsed.nonce().map_err(notices::malformed)?.to_vec();
        let id = parsed.id().map_err(notices::malformed)?;
        let peer = Identity::from_wire(id.kind, id.data);
        let mut candidates: Vec<&Arc<Connection>> =
            choose::by_identity(&cx.policy, 1, (local.ip(), remote.ip()), &peer, None).collect();
        let Some(first) = candidates.first().copied() else {
            return Err(nobody(cx, (local, remote), &peer));
        };
        candidates.retain(|c| c.aggressive);
        let Some(asking) = candidates.first() else {
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
        let usable = Usable {
            public_len: Some(gxi.len()),
            announced: parsed.knows_kerberos(),
            // Kerberos begins with a token.
            without: match parsed.gss() {
                Ok(_) => without,
                Err(_) => &[AuthMethod::GSS_KERBEROS],
            },
        };
        let (mut chosen, answer) = first_message::choose(&parsed, &offer, &candidates, &usable, asking)?;
        let token = chosen.kerberos.as_mut().and_then(|gss| gss.receive(&parsed));
        Ok(Self {
            token,
            chosen,
            answer,
            gxi,
            ni,
            id: id.body.to_vec(),
            peer,
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
        agree(sa, cx, self)
    }

    fn wait(readying: Box<Readying<Self>>) -> State {
        State::AggressiveReadying(readying)
    }
}

/// Asks for our public value and the shared secret.
fn agree(sa: &Sa, cx: &mut Context, first: FirstMessage) -> State {
    let question = Question::Respond {
        group: first.chosen.suite.group,
        peer: first.gxi.clone(),
    };
    let ticket = cx.ask(Asker::Sa(sa.slot), question);
    State::AggressiveResponding(Box::new(Responding { first, ticket }))
}

impl Responding {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
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
            token,
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
        if let Some(token) = &token {
            let keyed = Keyed {
                chosen,
                isakmp,
                publics,
            };
            let reply = Reply {
                answer,
                nr,
                id,
                peer,
                request,
            };
            return aggressive_kerberos::accept(sa, cx, keyed, reply, token);
        }
        let own = auth::id_body(&chosen.connection.local_id);
        let hash = auth::hash_r(&isakmp, sa, &chosen, &publics, &own);
        let making = auth::prove(sa, cx, &chosen, &chosen.connection, hash);
        let keyed = Keyed {
            chosen,
            isakmp,
            publics,
        };
        let reply = Reply {
            answer,
            nr,
            id,
            peer,
            request,
        };
        match making {
            Ok(Making::Made(ours)) => reply.send(sa, cx, keyed, &ours),
            Ok(Making::Asked(signature)) => Ok(State::AggressiveAnswering(Box::new(Signing {
                keyed,
                reply,
                signature,
                expires: cx.now + HALF_OPEN,
            }))),
            Err(refusal) => refuse(refusal),
        }
    }
}

impl Signing {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Signed(signed)) = (ticket == self.signature.ticket, answer) else {
            return Ok(State::AggressiveAnswering(self));
        };
        let Self {
            keyed,
            reply,
            signature,
            ..
        } = *self;
        match signature.made(signed, &keyed.chosen.connection) {
            Ok(ours) => reply.send(sa, cx, keyed, &ours),
            Err(refusal) => refuse(refusal),
        }
    }
}

impl Reply {
    /// Message 2.
    pub(super) fn send(self, sa: &mut Sa, cx: &mut Context, keyed: Keyed, ours: &Ours) -> Next {
        let Keyed { chosen, publics, .. } = &keyed;
        let mut chain = Chain::new();
        chain.sa(&self.answer);
        chain.ke(&publics.gxr);
        chain.nonce(&self.nr);
        chain.id(&auth::id_body(&chosen.connection.local_id));
        ours.push(&mut chain);
        if chosen.method() == Method::Certificate {
            certificates::push_requests(&mut chain, std::iter::once(&chosen.connection));
        }
        nat::push(&mut chain, sa, cx, chosen);
        vendor::ours(chosen.abilities.nat_traversal)
            .iter()
            .for_each(|id| chain.vendor_id(id));
        if chosen.kerberos.is_some() {
            ANNOUNCED.iter().for_each(|id| chain.vendor_id(id));
        }
        let bytes = Plain::message(sa, ExchangeType::V1_AGGRESSIVE, 0, &chain);
        // To an address not yet proven, never more than twice what it sent; but a certificate has to be sent, and that is
        // why few of these may be half-open at once.
        if chosen.method() == Method::Psk && bytes.len() > 2 * self.request.len() {
            let text = format!(
                "the answer has {} octets, the request {}",
                bytes.len(),
                self.request.len()
            );
            return refuse(Refusal::new(Party::Us, Cause::Syntax(text)));
        }
        let bytes = chosen.cut().apply(sa, bytes);
        sa.send(cx, bytes.clone(), |sa| {
            Plain::describe(sa, ExchangeType::V1_AGGRESSIVE, 0, &chain)
        });
        let last = Last::new(self.request.as_slice(), bytes);
        Ok(State::AggressiveAnswered(Box::new(Answered {
            keyed,
            id: self.id,
            peer: self.peer,
            last,
            complained: false,
            judged: false,
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
            let refusal = notices::while_proving(message, &self.keyed.chosen);
            return Err(Box::new((State::AggressiveAnswered(self), refusal)));
        }
        if header.exchange != ExchangeType::V1_AGGRESSIVE || header.message_id != 0 {
            sa.dropped(cx, "not aggressive mode message 3");
            return Ok(State::AggressiveAnswered(self));
        }
        // It may be in the clear too (RFC 2409 section 5.4); the first IV then stays that of phase 1.
        let Keyed {
            chosen,
            isakmp,
            publics,
        } = &self.keyed;
        let opened = message.ciphertext().and_then(|c| isakmp.decrypt(&isakmp.phase_one, c));
        let parsed = match (&opened, message.ciphertext()) {
            (Some(opened), _) => Parsed::inner(header, &opened.plain),
            (None, None) => Parsed::clear(message),
            (None, Some(_)) => Err(auth::garbage(chosen.way)),
        };
        if self.complained {
            // What it says is looked at again only if it may still be proved at no cost, or no signature was judged yet.
            let costly = match chosen.method() {
                Method::Psk => false,
                Method::Certificate => self.judged,
                Method::Kerberos => true,
            };
            if costly || parsed.is_err() {
                sa.dropped(cx, "another message that does not prove the peer");
                return Ok(State::AggressiveAnswered(self));
            }
        }
        let us = |cause| Refusal::new(Party::Us, cause).look_at(&chosen.connection.place);
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(_) => {
                let refusal = us(auth::garbage(chosen.way));
                return self.complain(sa, cx, refusal);
            }
        };
        let expected = auth::hash_i(isakmp, sa, chosen, publics, &self.id);
        let third = Third {
            bytes: message.bytes.to_vec(),
            summary: cx.words(|| parsed.summary(header)),
            ends: sa.seen(),
            fresh: parsed.initial_contact(),
            iv: opened.as_ref().map(|opened| opened.next.clone()),
        };
        if chosen.kerberos.is_some() {
            let body = parsed.hash().map(<[u8]>::to_vec).map_err(us);
            nat::detect(sa, chosen, &parsed);
            let id = self.id.clone();
            return match body.and_then(|body| kerberos::verify(&mut self.keyed, sa, &id, &body)) {
                Ok(()) => Ok(self.finish(sa, cx, third, None)),
                Err(refusal) => self.unwelcome(sa, cx, &third, refusal),
            };
        }
        match auth::verdict(sa, cx, chosen, (&chosen.connection, &self.peer), &parsed, &expected) {
            Ok(verdict) => {
                nat::detect(sa, chosen, &parsed);
                match verdict {
                    Verdict::Proven => Ok(self.finish(sa, cx, third, None)),
                    Verdict::Asked(ticket) => {
                        self.judged = true;
                        Ok(State::AggressiveAnsweredJudging(Box::new(Judging {
                            answered: self,
                            third,
                            ticket,
                            early: None,
                        })))
                    }
                }
            }
            Err(_) if self.complained => {
                sa.dropped(cx, "another message that does not prove the peer");
                Ok(State::AggressiveAnswered(self))
            }
            Err(refusal) => self.complain(sa, cx, refusal),
        }
    }

    /// Anyone can send what proves nothing, so the SA stays for the true peer; its owner is told once.
    fn complain(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, refusal: Refusal) -> Next {
        self.complained = true;
        let notify = match self.keyed.chosen.method() {
            Method::Psk => notices::INVALID_HASH_INFORMATION,
            Method::Certificate | Method::Kerberos => notices::AUTHENTICATION_FAILED,
        };
        notices::send_clear(sa, cx, notify);
        let refusal = refusal.meant(&self.keyed.chosen.connection.name);
        Err(Box::new((State::AggressiveAnswered(self), refusal)))
    }

    /// The initiator takes us for connected, so it hears under our keys that we are not.
    fn unwelcome(self: Box<Self>, sa: &mut Sa, cx: &mut Context, third: &Third, refusal: Refusal) -> Next {
        let Some(iv) = &third.iv else {
            return self.complain(sa, cx, refusal);
        };
        informational::renounce(&self.keyed.isakmp, iv, sa, cx);
        refuse(refusal.meant(&self.keyed.chosen.connection.name))
    }

    fn finish(self: Box<Self>, sa: &mut Sa, cx: &mut Context, third: Third, certificate: Option<Proven>) -> State {
        sa.received(cx, third.bytes.len(), |_| third.summary);
        (sa.path.local, sa.path.remote) = third.ends;
        let Self {
            keyed: Keyed { chosen, mut isakmp, .. },
            peer,
            ..
        } = *self;
        if let Some(iv) = third.iv {
            isakmp.phase_one = iv;
        }
        let parties = Parties {
            proofs: match &chosen.kerberos {
                Some(gss) => gss.proofs(),
                None => Proofs::both(chosen.method(), certificate),
            },
            connection: chosen.connection,
            peer: peer.to_string(),
        };
        let last = Last::unanswered(third.bytes.as_slice());
        Established::begin(sa, cx, parties, isakmp, chosen.abilities, last, third.fresh)
    }
}

impl Judging {
    pub fn expires(&self) -> Instant {
        self.answered.expires
    }

    /// One message is kept, for its loss would cost the peer a retransmission.
    pub fn on_message(mut self: Box<Self>, sa: &Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        if message.header.exchange == ExchangeType::V1_QUICK && self.early.is_none() {
            self.early = Some(message.bytes.to_vec());
        } else {
            sa.dropped(cx, "message not expected in this state");
        }
        Ok(State::AggressiveAnsweredJudging(self))
    }

    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Judged(judged)) = (ticket == self.ticket, answer) else {
            return Ok(State::AggressiveAnsweredJudging(self));
        };
        let Self {
            answered, third, early, ..
        } = *self;
        match judged {
            Ok(proven) => {
                sa.see(third.ends);
                let established = answered.finish(sa, cx, third, Some(proven));
                match early.as_deref().map(Message::parse) {
                    Some(Ok(message)) => established.on_message(sa, cx, &message),
                    _ => Ok(established),
                }
            }
            Err(why) => {
                let connection = &answered.keyed.chosen.connection;
                let refusal = auth::not_proven(connection, &answered.peer.to_string(), &why);
                answered.unwelcome(sa, cx, &third, refusal)
            }
        }
    }
}
