//! IKE_AUTH as initiator, with the first child (RFC 7296 section 1.2).

use std::sync::Arc;
use std::time::Duration;

use handfast_auth::certificate::Proven;
use handfast_auth::identity::Identity;
use handfast_auth::v2::ProofContext;
use handfast_wire::describe::describe_v2;
use handfast_wire::header::ExchangeType;
use handfast_wire::numbers::NotifyType;
use handfast_wire::v2::{Message, PayloadChain};

use crate::child::sa::{ChildSa, KeyInput, derive};
use crate::context::Context;
use crate::endpoint::timers::Reason;
use crate::policy::{Connection, Method};
use crate::refusal::{Cause, Party, Refusal};
use crate::retransmit::{Due, Pending};
use crate::sa::Proofs;
use crate::time::Instant;
use crate::v2::auth::{self, Making, Ours, Verdict};
use crate::v2::auth_pending::{JudgingResponder, Signing};
use crate::v2::certificates;
use crate::v2::channel::{Arrived, Channel, unsealed};
use crate::v2::child_offer::Asked;
use crate::v2::established::Established;
use crate::v2::exchange::send_again;
use crate::v2::install::Installing;
use crate::v2::message::{Envelope, Parsed, push_notify};
use crate::v2::rules;
use crate::v2::sa_init::Agreeing;
use crate::v2::state::{Next, Parties, Sa, State, gone, refuse};

/// IKE_AUTH sent.
pub(crate) struct AuthSent {
    pub connection: Arc<Connection>,
    channel: Channel,
    ni: Vec<u8>,
    nr: Vec<u8>,
    /// The peer's IKE_SA_INIT, which its AUTH covers.
    response: Vec<u8>,
    pub asked: Asked,
    pub pending: Pending,
    /// How we proved ourselves.
    method: Method,
    /// It is to go, and why: until then the answer is waited for, since without it nothing can be deleted.
    leaving: Option<(Instant, String)>,
}

/// How long the answer of a peer is waited for that is to be told of the end.
const LEAVE: Duration = Duration::from_secs(3);

/// Keys exist: prove who we are and ask for the first child.
pub(crate) fn send(from: Agreeing, sa: &mut Sa, cx: &mut Context, channel: Channel) -> Next {
    let connection = from.connection.clone();
    if cx.key_log {
        cx.out
            .push_back(crate::Output::KeyLog(channel.key_log(sa.spi_i, sa.spi_r)));
    }
    sa.path.obey(connection.udp_encapsulation);
    if sa.path.wants_natt() {
        sa.path.float(cx.policy.ports, connection.remote_natt_port);
    }
    let body = auth::id_body(&connection.local_id);
    let context = ProofContext {
        prf: channel.prf,
        sk_p: &channel.keys.sk_pi,
        first_message: &from.request,
        other_nonce: &from.nr,
        id_body: &body,
    };
    match auth::prove(sa, cx, &connection, &context, &from.wishes) {
        Ok(Making::Made(ours)) => request(from, sa, cx, channel, &ours),
        Ok(Making::Asked(signature)) => Ok(State::Signing(Box::new(Signing {
            from,
            channel,
            signature,
        }))),
        Err(refusal) => refuse(refusal),
    }
}

/// Our proof is there: asks for the first child with it.
pub(super) fn request(from: Agreeing, sa: &mut Sa, cx: &mut Context, mut channel: Channel, ours: &Ours) -> Next {
    let connection = from.connection;
    let Some(child) = connection.children.first().cloned() else {
        return refuse(Refusal::new(Party::Us, Cause::Local("no child configured".into())).look_at(&connection.place));
    };
    let asked = match Asked::new(child, &sa.path, cx) {
        Ok(asked) => asked,
        Err(refusal) => return refuse(refusal),
    };
    let mut chain = PayloadChain::new();
    auth::push_id(&mut chain, &connection.local_id, true);
    ours.push_certificates(&mut chain, &from.wishes);
    if sa.initial_contact {
        push_notify(&mut chain, NotifyType::INITIAL_CONTACT, &[]);
    }
    certificates::push_requests(&mut chain, std::iter::once(&connection), usize::MAX);
    if let Some(wanted) = connection.remote_id.exact() {
        auth::push_id(&mut chain, wanted, false);
    }
    ours.push_auth(&mut chain);
    asked.push_notifies(&mut chain);
    asked.push_sa(&mut chain, false);
    asked.push_ts(&mut chain);

    let envelope = Envelope {
        spi_i: sa.spi_i,
        spi_r: sa.spi_r,
        exchange: ExchangeType::IKE_AUTH,
        initiator: true,
        response: false,
        message_id: 1,
    };
    let bytes = match channel.seal(&envelope, &chain) {
        Ok(bytes) => bytes,
        Err(e) => return refuse(Refusal::new(Party::Us, unsealed(e)).look_at(&connection.place)),
    };
    sa.record_attempt(cx, &connection, channel.suite.to_string());
    sa.offer(cx, asked.spi_in());
    let pending = Pending::new(bytes.clone(), cx.now, connection.retransmit);
    sa.send(cx, bytes, |_| {
        describe_v2(envelope.header(), chain.first(), chain.bytes())
    });
    let (ni, nr, response) = (from.ni, from.nr, from.response);
    Ok(State::AuthSent(Box::new(AuthSent {
        connection,
        channel,
        ni,
        nr,
        response,
        asked,
        pending,
        method: ours.method(),
        leaving: None,
    })))
}

impl AuthSent {
    pub fn deadline(&self) -> (Instant, Reason) {
        let due = (self.pending.due, Reason::Retransmit);
        self.leaves_at().map_or(due, |leave| leave.min(due))
    }

    /// The peer may hold the SA to be up, and must hear of its end; but a window of one has no room for another request
    /// before the answer to this one (RFC 7296 section 2.3).
    pub fn leave(&mut self, cx: &Context, reason: &str) {
        self.leaving.get_or_insert_with(|| (cx.now + LEAVE, reason.to_string()));
    }

    pub fn on_timer(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        if let Some((_, reason)) = self.leaving.take_if(|(at, _)| *at <= cx.now) {
            return Ok(gone(format!("{reason} (the peer did not answer IKE_AUTH)")));
        }
        match self.pending.poll(cx.now) {
            Due::Wait => {}
            Due::Again => send_again(sa, cx, &self.pending),
            Due::GiveUp => {
                let cause = Cause::Timeout {
                    waiting_for: "IKE_AUTH response",
                    sent: self.pending.sent,
                };
                return refuse(Refusal::new(Party::Peer, cause).look_at(&self.connection.place));
            }
        }
        Ok(State::AuthSent(self))
    }

    pub fn fragment_octets(&self) -> usize {
        self.channel.fragment_octets()
    }

    pub fn on_message(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let header = message.header;
        if header.exchange != ExchangeType::IKE_AUTH || header.message_id != 1 {
            sa.dropped(cx, "not the IKE_AUTH response that is awaited");
            return Ok(State::AuthSent(self));
        }
        let opened = match self.channel.open(message) {
            Arrived::Message(opened) => opened,
            Arrived::Part => return Ok(State::AuthSent(self)),
            Arrived::Nothing(why) => {
                sa.dropped(cx, why);
                return Ok(State::AuthSent(self));
            }
        };
        sa.received(cx, opened.size, |_| describe_v2(header, opened.first, &opened.bytes));
        // From here on the octets come from whoever shares our keys, though not yet from a proven peer.
        let place = self.connection.place.clone();
        let parsed = match Parsed::read(opened.first, &opened.bytes) {
            Ok(parsed) => parsed,
            Err(cause) => return self.unproven(sa, cx, Refusal::new(Party::Us, cause).look_at(place)),
        };
        if parsed.id_r().is_none()
            && let Some(error) = parsed.error()
        {
            return refuse(self.told(error.notify));
        }
        match self.authenticate(sa, cx, &parsed) {
            Ok((peer, Verdict::Proven)) => {
                let proofs = self.proofs(None);
                self.take_child(sa, cx, &parsed, peer, proofs)
            }
            Ok((peer, Verdict::Asked(ticket))) => Ok(State::JudgingResponder(Box::new(JudgingResponder {
                sent: self,
                opened,
                peer,
                ticket,
            }))),
            Err(refusal) => self.unproven(sa, cx, refusal),
        }
    }

    /// How both proved themselves, the peer by a certificate or without.
    pub(super) fn proofs(&self, certificate: Option<Proven>) -> Proofs {
        Proofs {
            local: self.method,
            remote: certificate.as_ref().map_or(Method::Psk, |_| Method::Certificate),
            certificate: certificate.map(Box::new),
            principal: None,
        }
    }

    /// What the peer's error notify means to our side.
    fn told(&self, notify: NotifyType) -> Refusal {
        let refusal = Refusal::new(Party::Peer, Cause::Notified(notify));
        let c = &self.connection;
        match notify {
            NotifyType::AUTHENTICATION_FAILED => refusal
                .offered(vec![format!(
                    "{} by {}, looking for {}",
                    c.local_id,
                    match self.method {
                        Method::Psk => "preshared key",
                        other => other.name(),
                    },
                    c.remote_id
                )])
                .look_at(match self.method {
                    Method::Psk => c.place.of(&["secret", "secret_file"]),
                    _ => c.place.of(&["certificate", "key"]),
                }),
            _ => refusal.look_at(&c.place),
        }
    }

    fn authenticate(&self, sa: &Sa, cx: &mut Context, parsed: &Parsed<'_>) -> Result<(String, Verdict), Refusal> {
        let us = |cause| Refusal::new(Party::Us, cause).look_at(&self.connection.place);
        parsed.check(&rules::AUTH_RESPONSE).map_err(us)?;
        let (id, body) = parsed
            .id_r()
            .ok_or_else(|| us(Cause::Syntax("no IDr payload".into())))?;
        let peer = Identity::from_wire(id.id_type.0, id.data);
        if !self.connection.remote_id.matches(&peer) {
            return Err(us(Cause::WrongIdentity)
                .offered(vec![peer.to_string()])
                .acceptable(vec![self.connection.remote_id.to_string()])
                .look_at(self.connection.place.of(&["remote_id"])));
        }
        let context = ProofContext {
            prf: self.channel.prf,
            sk_p: &self.channel.keys.sk_pr,
            first_message: &self.response,
            other_nonce: &self.ni,
            id_body: body,
        };
        let verdict = auth::verify(sa, cx, &self.connection, &context, (parsed, &peer))?;
        Ok((peer.to_string(), verdict))
    }

    /// The responder did not prove itself. It believes the SA is up, so it is told (RFC 7296 section 2.21.2).
    pub(super) fn unproven(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, refusal: Refusal) -> Next {
        self.disown(sa, cx);
        refuse(refusal)
    }

    fn disown(&mut self, sa: &mut Sa, cx: &mut Context) {
        let mut chain = PayloadChain::new();
        push_notify(&mut chain, NotifyType::AUTHENTICATION_FAILED, &[]);
        let envelope = Envelope {
            spi_i: sa.spi_i,
            spi_r: sa.spi_r,
            exchange: ExchangeType::INFORMATIONAL,
            initiator: true,
            response: false,
            message_id: 2,
        };
        if let Ok(bytes) = self.channel.seal(&envelope, &chain) {
            sa.send(cx, bytes, |_| {
                describe_v2(envelope.header(), chain.first(), chain.bytes())
            });
        }
    }

    /// When it goes while the responder is being judged.
    pub(super) fn leaves_at(&self) -> Option<(Instant, Reason)> {
        self.leaving.as_ref().map(|(at, _)| (*at, Reason::Shutdown))
    }

    /// Goes, if it is time, before the responder was judged: it has proved nothing, and hears so.
    pub(super) fn left(&mut self, sa: &mut Sa, cx: &mut Context) -> Option<String> {
        let (_, reason) = self.leaving.take_if(|(at, _)| *at <= cx.now)?;
        self.disown(sa, cx);
        Some(format!("{reason} (the peer was still being judged)"))
    }

    pub(super) fn take_child(
        self: Box<Self>,
        sa: &mut Sa,
        cx: &mut Context,
        parsed: &Parsed<'_>,
        peer: String,
        proofs: Proofs,
    ) -> Next {
        let parties = Parties {
            connection: self.connection.clone(),
            peer,
            proofs,
        };
        if let Some((_, reason)) = self.leaving {
            let mut established = Established::new(cx, parties, self.channel, (2, 0));
            established.close(reason);
            established.up(sa, cx);
            return established.advance(sa, cx);
        }
        let this = *self;
        let child = this.read_child(sa, cx, parsed);
        let (ni, nr) = (this.ni, this.nr);
        let mut established = Established::new(cx, parties, this.channel, (2, 0));
        let child = match child {
            Ok(child) => child,
            Err(refusal) => {
                // The IKE SA stands without the child (section 1.2); it is of no use here.
                established.close(format!("no child SA: {refusal}"));
                established.up(sa, cx);
                return match established.advance(sa, cx) {
                    Ok(state) => Err(Box::new((state, refusal))),
                    failed => failed,
                };
            }
        };
        let input = KeyInput {
            provider: cx.provider,
            prf: established.channel.prf,
            sk_d: &established.channel.keys.sk_d,
            ni: &ni,
            nr: &nr,
            shared: None,
            initiator: true,
        };
        match derive(&input, &child.suite) {
            Ok(keys) => Ok(Installing::as_initiator(established, sa, cx, child, keys)),
            Err(e) => refuse(Refusal::new(Party::Us, Cause::Local(e.to_string()))),
        }
    }

    /// The child that the responder granted, checked against what we asked for.
    fn read_child(&self, sa: &Sa, cx: &mut Context, parsed: &Parsed<'_>) -> Result<ChildSa, Refusal> {
        match parsed.error() {
            Some(error) => Err(self.asked.told(error.notify)),
            None => self.asked.accept(sa, cx, parsed, None),
        }
    }
}
