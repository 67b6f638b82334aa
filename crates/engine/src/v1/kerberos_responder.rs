//! Main mode with Kerberos as responder.

use handfast_auth::identity::Identity;
use handfast_auth::kerberos::{GssAnswer, GssError, GssQuestion, Progress};
use handfast_wire::header::ExchangeType;
use handfast_wire::v1::Message;

use crate::context::{Asker, Context};
use crate::endpoint::choose;
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::policy::Method;
use crate::refusal::{Cause, Party, Refusal};
use crate::time::Instant;
use crate::v1::auth::Claim;
use crate::v1::established::Established;
use crate::v1::isakmp::Iv;
use crate::v1::kerberos::{self, Part};
use crate::v1::message::{Chain, Parsed, Plain, seal};
use crate::v1::state::{Keyed, Last, Next, Parties, Sa, State, refuse};
use crate::v1::{auth, informational, nat, notices, proposals};

/// The initiator's first token is being taken in.
pub(crate) struct Accepting {
    keyed: Keyed,
    nr: Vec<u8>,
    request: Vec<u8>,
    ticket: Ticket,
    pub expires: Instant,
}

/// The public values are exchanged; `token` came with the initiator's.
pub(super) fn accept(
    sa: &Sa,
    cx: &mut Context,
    keyed: Keyed,
    (nr, request): (Vec<u8>, Vec<u8>),
    token: &[u8],
    expires: Instant,
) -> Next {
    let Some(gss) = &keyed.chosen.kerberos else {
        return refuse(kerberos::trouble(&keyed.chosen.connection, "there is no context"));
    };
    let question = GssQuestion::accept(&gss.policy().local, token);
    let ticket = cx.ask(Asker::Sa(sa.slot), Question::Gss(Box::new(question)));
    Ok(State::KerberosAccepting(Box::new(Accepting {
        keyed,
        nr,
        request,
        ticket,
        expires,
    })))
}

impl Accepting {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Gss(GssAnswer::Progress(progress))) = (ticket == self.ticket, answer) else {
            return Ok(State::KerberosAccepting(self));
        };
        let Self {
            mut keyed,
            nr,
            request,
            expires,
            ..
        } = *self;
        let connection = keyed.chosen.connection.clone();
        let no_token = || {
            GssError::peer(
                handfast_auth::kerberos::ErrorKind::Unprotected,
                "answering",
                "nothing to answer",
            )
        };
        let token = progress.and_then(|progress| {
            let gss = keyed.chosen.kerberos.as_mut();
            gss.and_then(|gss| gss.advance(progress)).ok_or_else(no_token)
        });
        let token = match token {
            Ok(token) => token,
            Err(e) => {
                // The peer has no keys yet, so it hears of it in the clear.
                notices::send_clear(sa, cx, notices::AUTHENTICATION_FAILED);
                return refuse(kerberos::refused(&connection, &e).meant(&connection.name));
            }
        };
        let mut chain = Chain::new();
        chain.ke(&keyed.publics.gxr);
        chain.nonce(&nr);
        chain.gss(&token);
        nat::push(&mut chain, sa, cx, &keyed.chosen);
        let bytes = Plain::message(sa, ExchangeType::V1_MAIN, 0, &chain);
        let bytes = keyed.chosen.cut().apply(sa, bytes);
        sa.send(cx, bytes.clone(), |sa| {
            Plain::describe(sa, ExchangeType::V1_MAIN, 0, &chain)
        });
        Ok(State::KerberosReady(Box::new(Ready {
            round: Round {
                iv: keyed.isakmp.phase_one.clone(),
                named: false,
                hashed: false,
                claim: None,
            },
            keyed,
            last: Last::new(request.as_slice(), bytes),
            complained: false,
            expires,
        })))
    }
}

/// How far the rounds have come.
struct Round {
    /// Of the next message in either direction.
    iv: Iv,
    /// IDir is sent.
    named: bool,
    /// HASH_R is sent.
    hashed: bool,
    /// Whom IDii names, with its octets.
    claim: Option<(Claim, Vec<u8>)>,
}

/// KE, Nr and GSSr are sent: what comes next is encrypted.
pub(crate) struct Ready {
    keyed: Keyed,
    round: Round,
    last: Last,
    /// The owner was told of a message that proves nothing; once is enough.
    complained: bool,
    pub expires: Instant,
}

/// A further token is being taken in.
pub(crate) struct Stepping {
    ready: Box<Ready>,
    message: Vec<u8>,
    ticket: Ticket,
}

impl Stepping {
    pub fn expires(&self) -> Instant {
        self.ready.expires
    }

    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Gss(GssAnswer::Progress(progress))) = (ticket == self.ticket, answer) else {
            return Ok(State::KerberosReadyStepping(self));
        };
        let Self { ready, message, .. } = *self;
        match progress {
            Ok(progress) => ready.reply(sa, cx, &message, Some(progress)),
            Err(e) => {
                let refusal = kerberos::refused(&ready.keyed.chosen.connection, &e);
                ready.unwelcome(sa, cx, refusal)
            }
        }
    }
}

impl Ready {
    pub fn on_message(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        if self.last.answers(sa, cx, message.bytes) {
            return Ok(State::KerberosReady(self));
        }
        let header = message.header;
        if header.exchange == ExchangeType::V1_QUICK && self.round.hashed {
            // The peer goes on, so its HASH_I was lost: our last message once more brings it.
            if let Some(answer) = self.last.answer.clone() {
                sa.resend(cx, answer);
            }
            return Ok(State::KerberosReady(self));
        }
        if header.exchange == ExchangeType::V1_INFORMATIONAL {
            return self.on_notice(sa, cx, message);
        }
        let due = header.exchange == ExchangeType::V1_MAIN && header.message_id == 0;
        let Some(ciphertext) = message.ciphertext().filter(|_| due) else {
            sa.dropped(cx, "not the main mode message that is awaited, which is encrypted");
            return Ok(State::KerberosReady(self));
        };
        let opened = self.keyed.isakmp.decrypt(&self.round.iv, ciphertext);
        let parsed = opened.as_ref().map(|d| Parsed::inner(header, &d.plain));
        let (Some(opened), Some(Ok(parsed))) = (&opened, parsed) else {
            return self.complain(sa, cx);
        };
        sa.received(cx, message.bytes.len(), |_| parsed.summary(header));
        // The peer behind a NAT has gone to the other port (RFC 3947 section 4).
        (sa.path.local, sa.path.remote) = sa.seen();
        self.round.iv = opened.next.clone();
        match self.take(sa, cx, &parsed) {
            Ok(Some(ticket)) => Ok(State::KerberosReadyStepping(Box::new(Stepping {
                ready: self,
                message: message.bytes.to_vec(),
                ticket,
            }))),
            Ok(None) => {
                let fresh = parsed.initial_contact();
                self.proved(sa, cx, message.bytes, fresh)
            }
            Err(refusal) => self.unwelcome(sa, cx, refusal),
        }
    }

    /// The initiator does not want us, which counts if it is said under our keys.
    fn on_notice(self: Box<Self>, sa: &Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let Keyed { chosen, isakmp, .. } = &self.keyed;
        let iv = isakmp.phase_two_after(&self.round.iv, message.header.message_id);
        let opened = message.ciphertext().and_then(|c| isakmp.decrypt(&iv, c));
        let proved = opened.as_ref().and_then(|o| isakmp.proved(message.header, o));
        match proved.as_ref().and_then(Parsed::error) {
            Some(error) => refuse(notices::of_the_peer(error, &chosen.connection, Method::Kerberos)),
            None => {
                sa.dropped(cx, "informational message before phase 1 is complete");
                Ok(State::KerberosReady(self))
            }
        }
    }

    /// Takes a message in: a token is asked about, a hash must be right.
    fn take(&mut self, sa: &Sa, cx: &mut Context, parsed: &Parsed<'_>) -> Result<Option<Ticket>, Refusal> {
        if self.round.claim.is_none() {
            self.round.claim = Some(self.claim(sa, cx, parsed)?);
        }
        let connection = self.keyed.chosen.connection.clone();
        let Some(gss) = self.keyed.chosen.kerberos.as_mut() else {
            return Err(kerberos::trouble(&connection, "there is no context"));
        };
        if let Some(token) = gss.receive(parsed) {
            let negotiation = gss.take_negotiation();
            let late = || kerberos::trouble(&connection, "a token came after the context was complete");
            let question = GssQuestion::step(negotiation.ok_or_else(late)?, &token);
            return Ok(Some(cx.ask(Asker::Sa(sa.slot), Question::Gss(Box::new(question)))));
        }
        let body = parsed
            .hash()
            .map_err(|cause| Refusal::new(Party::Us, cause).look_at(&connection.place))?;
        let id = self.round.claim.as_ref().map(|(_, id)| id.clone()).unwrap_or_default();
        kerberos::verify(&mut self.keyed, sa, &id, body)?;
        Ok(None)
    }

    /// The connection that the initiator's identity leads to.
    fn claim(&self, sa: &Sa, cx: &Context, parsed: &Parsed<'_>) -> Result<(Claim, Vec<u8>), Refusal> {
        let chosen = &self.keyed.chosen;
        let us = |cause| Refusal::new(Party::Us, cause).look_at(&chosen.connection.place);
        let id = parsed.id().map_err(us)?;
        let peer = Identity::from_wire(id.kind, id.data);
        let addresses = (sa.path.local.ip(), sa.path.remote.ip());
        let found = choose::by_identity(&cx.policy, 1, addresses, &peer, None)
            .find(|c| proposals::allows(c, &chosen.suite, chosen.way));
        let Some(connection) = found.cloned() else {
            let there = choose::by_address(&cx.policy, 1, addresses);
            return Err(us(Cause::WrongIdentity)
                .offered(vec![peer.to_string()])
                .acceptable(there.map(|c| c.remote_id.to_string()).collect())
                .look_at(chosen.connection.place.of(&["remote_id"])));
        };
        Ok((Claim { connection, peer }, id.body.to_vec()))
    }

    /// The initiator has proved itself. If we have not, HASH_R follows.
    fn proved(self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &[u8], fresh: bool) -> Next {
        if !self.round.hashed {
            return match self.prepare(sa, cx, None) {
                Ok((ready, bytes, summary)) => {
                    let last = Last::new(message, bytes.clone());
                    let next = ready.finish(sa, cx, last, fresh);
                    sa.send(cx, bytes, |_| summary);
                    next
                }
                Err(both) => both.0.unwelcome(sa, cx, both.1),
            };
        }
        self.finish(sa, cx, Last::unanswered(message), fresh)
    }

    fn finish(self: Box<Self>, sa: &mut Sa, cx: &mut Context, last: Last, fresh: bool) -> Next {
        let Self { keyed, round, .. } = *self;
        let Keyed { chosen, mut isakmp, .. } = keyed;
        isakmp.phase_one = round.iv;
        let (Some(gss), Some((claim, _))) = (&chosen.kerberos, round.claim) else {
            return refuse(kerberos::trouble(&chosen.connection, "the peer did not say who it is"));
        };
        let parties = Parties {
            proofs: gss.proofs(),
            connection: claim.connection,
            peer: claim.peer.to_string(),
        };
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

    /// A token or HASH_R, in answer to a token.
    fn reply(self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &[u8], progress: Option<Progress>) -> Next {
        match self.prepare(sa, cx, progress) {
            Ok((mut ready, bytes, summary)) => {
                sa.send(cx, bytes.clone(), |_| summary);
                ready.last = Last::new(message, bytes);
                Ok(State::KerberosReady(ready))
            }
            Err(both) => both.0.unwelcome(sa, cx, both.1),
        }
    }

    /// Our next message: a token, or HASH_R if our context is complete. Before that leaves, the peer's principal must be one
    /// that the connection accepts to which its identity led.
    #[allow(clippy::type_complexity)]
    fn prepare(
        mut self: Box<Self>,
        sa: &Sa,
        cx: &Context,
        progress: Option<Progress>,
    ) -> Result<(Box<Self>, crate::datagrams::Datagrams, String), Box<(Box<Self>, Refusal)>> {
        let token = match (progress, self.keyed.chosen.kerberos.as_mut()) {
            (Some(progress), Some(gss)) => gss.advance(progress),
            _ => None,
        };
        let Some(connection) = self.round.claim.as_ref().map(|(claim, _)| claim.connection.clone()) else {
            let refusal = kerberos::trouble(&self.keyed.chosen.connection, "the peer did not say who it is");
            return Err(Box::new((self, refusal)));
        };
        let id = auth::id_body(&connection.local_id);
        let part = match token {
            Some(token) => Ok(Part::Token(token)),
            None => {
                let gss = self.keyed.chosen.kerberos.as_ref();
                let accepted = gss.map_or(Ok(()), |gss| gss.is_accepted_by(&connection));
                accepted
                    .map_err(|e| kerberos::refused(&connection, &e))
                    .and_then(|()| kerberos::prove(&mut self.keyed, sa, &id).map(Part::Hash))
            }
        };
        let part = match part {
            Ok(part) => part,
            Err(refusal) => return Err(Box::new((self, refusal))),
        };
        self.round.hashed |= matches!(part, Part::Hash(_));
        let mut chain = Chain::new();
        if !self.round.named {
            chain.id(&id);
            self.round.named = true;
        }
        part.push(&mut chain);
        let summary = cx.words(|| Plain::describe(sa, ExchangeType::V1_MAIN, 0, &chain));
        let sealed = seal(
            &self.keyed.isakmp,
            &mut self.round.iv,
            sa,
            ExchangeType::V1_MAIN,
            0,
            &chain,
        );
        match sealed {
            Ok(bytes) => {
                let bytes = self.keyed.chosen.cut().apply(sa, bytes);
                Ok((self, bytes, summary))
            }
            Err(e) => Err(Box::new((self, Refusal::new(Party::Us, Cause::Local(e.to_string()))))),
        }
    }

    /// It has our keys, so it hears under them that it is not accepted.
    fn unwelcome(self: Box<Self>, sa: &mut Sa, cx: &mut Context, refusal: Refusal) -> Next {
        let mut chain = Chain::new();
        chain.notify(notices::AUTHENTICATION_FAILED, &[]);
        informational::before_established(&self.keyed.isakmp, &self.round.iv, sa, cx, chain);
        refuse(refusal.meant(&self.keyed.chosen.connection.name))
    }

    /// Anyone can send what is no message, so the SA stays for the true peer; its owner is told once.
    fn complain(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        if self.complained {
            sa.dropped(cx, "another message that does not prove the peer");
            return Ok(State::KerberosReady(self));
        }
        self.complained = true;
        let chosen = &self.keyed.chosen;
        let refusal = Refusal::new(Party::Us, auth::garbage(chosen.way)).look_at(&chosen.connection.place);
        let refusal = refusal.meant(&chosen.connection.name);
        notices::send_clear(sa, cx, notices::PAYLOAD_MALFORMED);
        Err(Box::new((State::KerberosReady(self), refusal)))
    }
}
