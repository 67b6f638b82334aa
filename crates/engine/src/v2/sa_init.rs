//! IKE_SA_INIT as initiator (RFC 7296 section 1.2).

use std::sync::Arc;

use bytes::Bytes;
use handfast_crypto::provider::EphemeralKey;
use handfast_crypto::transform::Group;
use handfast_wire::describe::describe_v2;
use handfast_wire::header::ExchangeType;
use handfast_wire::numbers::NotifyType;
use handfast_wire::v2::{self, Ke, Message, Nonce, Payload, PayloadChain, sa};

use crate::context::{Asker, Context};
use crate::endpoint::timers::Reason;
use crate::input::Answer;
use crate::negotiate;
use crate::output::{Question, Ticket};
use crate::path::nat_hash;
use crate::policy::{Connection, UdpEncapsulation};
use crate::refusal::{Cause, Party, Refusal, listed};
use crate::retransmit::{Due, Pending};
use crate::time::Instant;
use crate::v2::auth_initiator;
use crate::v2::certificates::{self, Wishes};
use crate::v2::channel::Channel;
use crate::v2::fragments;
use crate::v2::message::{Envelope, Parsed, push_notify};
use crate::v2::rules;
use crate::v2::state::{Next, Sa, State, refuse};

/// How often COOKIE and INVALID_KE_PAYLOAD may send us back to the start; a forger could go on for ever.
const MAX_RESTARTS: u8 = 4;

/// Waiting for our key pair.
pub(crate) struct MakingKey {
    pub connection: Arc<Connection>,
    ticket: Ticket,
    group: Group,
    /// With the nonce that it was made for: the peer's cookie covers Ni (RFC 7296 section 2.6).
    cookie: Option<(Vec<u8>, Vec<u8>)>,
    restarts: u8,
}

/// IKE_SA_INIT sent.
pub(crate) struct InitSent {
    pub connection: Arc<Connection>,
    key: Box<dyn EphemeralKey>,
    group: Group,
    ni: Vec<u8>,
    cookie: Vec<u8>,
    restarts: u8,
    request: Bytes,
    pending: Pending,
    /// An error that anyone could have sent; it counts if nothing better comes before the next retransmission
    /// (RFC 7296 section 2.21.1).
    complaint: Option<Refusal>,
}

/// Waiting for the shared secret.
pub(crate) struct Agreeing {
    pub connection: Arc<Connection>,
    ticket: Ticket,
    pub suite: handfast_crypto::proposal::IkeSuite,
    pub ni: Vec<u8>,
    pub nr: Vec<u8>,
    pub request: Bytes,
    pub response: Vec<u8>,
    /// The peer can put fragments together.
    fragments: bool,
    /// What it wants of signatures.
    pub wishes: Wishes,
}

/// Begins: asks for a key pair in the group offered first.
pub(crate) fn start(sa: &Sa, cx: &mut Context, connection: Arc<Connection>) -> Next {
    let group = connection.ike.first().and_then(|p| p.groups.first()).copied();
    let Some(group) = group else {
        return refuse(
            Refusal::new(Party::Us, Cause::Local("no proposal with a group".into())).look_at(&connection.place),
        );
    };
    Ok(make_key(sa, cx, connection, group, None, 0))
}

fn make_key(
    sa: &Sa,
    cx: &mut Context,
    connection: Arc<Connection>,
    group: Group,
    cookie: Option<(Vec<u8>, Vec<u8>)>,
    restarts: u8,
) -> State {
    let ticket = cx.ask(Asker::Sa(sa.slot), Question::GenerateKey(group));
    State::MakingKey(Box::new(MakingKey {
        connection,
        ticket,
        group,
        cookie,
        restarts,
    }))
}

impl MakingKey {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Key(key)) = (ticket == self.ticket, answer) else {
            return Ok(State::MakingKey(self));
        };
        let key = match key {
            Ok(key) => key,
            Err(e) => {
                let cause = Cause::Local(format!("cannot make a key pair in {}: {e}", self.group));
                return refuse(Refusal::new(Party::Us, cause).look_at(&self.connection.place));
            }
        };
        let (cookie, ni) = self.cookie.unwrap_or_else(|| (vec![], cx.rng.bytes::<32>().to_vec()));
        Ok(send(
            sa,
            cx,
            self.connection,
            key,
            self.group,
            ni,
            cookie,
            self.restarts,
        ))
    }
}

/// Sends IKE_SA_INIT. With a cookie it comes first and all else is unchanged (RFC 7296 section 2.6).
#[allow(clippy::too_many_arguments)]
fn send(
    sa: &mut Sa,
    cx: &mut Context,
    connection: Arc<Connection>,
    key: Box<dyn EphemeralKey>,
    group: Group,
    ni: Vec<u8>,
    cookie: Vec<u8>,
    restarts: u8,
) -> State {
    let mut chain = PayloadChain::new();
    if !cookie.is_empty() {
        push_notify(&mut chain, NotifyType::COOKIE, &cookie);
    }
    push_sa(&mut chain, &sa::encode(&negotiate::ike_defs(&connection.ike, &[])));
    chain.push(&Payload::Ke(Ke {
        group: group.0,
        reserved: 0,
        data: key.public(),
    }));
    chain.push(&Payload::Nonce(Nonce { data: &ni }));
    push_nat_detection(&mut chain, sa, cx, connection.udp_encapsulation);
    if connection.fragment_size.is_some() {
        push_notify(&mut chain, NotifyType::IKEV2_FRAGMENTATION_SUPPORTED, &[]);
    }
    if let Some(hashes) = certificates::announced(std::iter::once(&connection)) {
        certificates::push_hashes(&mut chain, hashes);
    }
    let envelope = init_envelope(sa, false);
    let bytes = Bytes::from(v2::message(envelope.header(), &chain));
    let summary = |_: &Sa| describe_v2(envelope.header(), chain.first(), chain.bytes());
    let pending = Pending::new(bytes.clone(), cx.now, connection.retransmit);
    sa.record_attempt(cx, &connection, String::new());
    sa.send(cx, bytes.clone(), summary);
    State::InitSent(Box::new(InitSent {
        connection,
        key,
        group,
        ni,
        cookie,
        restarts,
        request: bytes,
        pending,
        complaint: None,
    }))
}

pub(crate) fn init_envelope(sa: &Sa, response: bool) -> Envelope {
    let exchange = ExchangeType::IKE_SA_INIT;
    Envelope {
        spi_i: sa.spi_i,
        spi_r: sa.spi_r,
        exchange,
        initiator: sa.initiator,
        response,
        message_id: 0,
    }
}

/// Appends an SA payload from its encoded body.
pub(crate) fn push_sa(chain: &mut PayloadChain, body: &[u8]) {
    chain.push_raw(handfast_wire::header::PayloadType::SA, false, body);
}

/// Appends our two NAT detection notifies. To have ESP in UDP without a NAT, our source is made not to match.
pub(crate) fn push_nat_detection(chain: &mut PayloadChain, sa: &Sa, cx: &mut Context, udp: UdpEncapsulation) {
    let source = match udp {
        UdpEncapsulation::Auto => nat_hash(sa.spi_i, sa.spi_r, sa.path.local),
        UdpEncapsulation::Always => cx.rng.bytes::<20>(),
    };
    push_notify(chain, NotifyType::NAT_DETECTION_SOURCE_IP, &source);
    let destination = nat_hash(sa.spi_i, sa.spi_r, sa.path.remote);
    push_notify(chain, NotifyType::NAT_DETECTION_DESTINATION_IP, &destination);
}

impl InitSent {
    pub fn deadline(&self) -> (Instant, Reason) {
        (self.pending.due, Reason::Retransmit)
    }

    pub fn on_timer(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        if cx.now < self.pending.due {
            return Ok(State::InitSent(self));
        }
        if let Some(refusal) = self.complaint.take() {
            return refuse(refusal);
        }
        match self.pending.poll(cx.now) {
            Due::Wait => {}
            Due::Again => crate::v2::exchange::send_again(sa, cx, &self.pending),
            Due::GiveUp => {
                let cause = Cause::Timeout {
                    waiting_for: "IKE_SA_INIT response",
                    sent: self.pending.sent,
                };
                return refuse(Refusal::new(Party::Peer, cause).look_at(&self.connection.place));
            }
        }
        Ok(State::InitSent(self))
    }

    /// The first message could not leave: whoever waits for the connection hears why at once. One that is sent again may
    /// fail, as it may be lost anywhere.
    pub fn on_send_failed(self: Box<Self>, sa: &Sa, why: &str) -> Next {
        if self.pending.sent > 1 || self.restarts > 0 {
            return Ok(State::InitSent(self));
        }
        let cause = Cause::Local(format!("nothing can be sent to {}: {why}", sa.path.remote));
        refuse(Refusal::new(Party::Us, cause).look_at(&self.connection.place))
    }

    /// The response. Nothing in it is authenticated: what does not fit is dropped, and the true one may still come.
    pub fn on_message(self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let header = message.header;
        if header.exchange != ExchangeType::IKE_SA_INIT || header.message_id != 0 {
            sa.dropped(cx, "not the IKE_SA_INIT response that is awaited");
            return Ok(State::InitSent(self));
        }
        let body = &message.bytes[handfast_wire::header::HEADER_LEN..];
        let parsed = match Parsed::read(header.next_payload, body) {
            Ok(parsed) => parsed,
            Err(cause) => return Ok(State::InitSent(self.complain(Refusal::new(Party::Us, cause)))),
        };
        let summary = |_: &Sa| describe_v2(header, header.next_payload, body);
        if let Some(cookie) = parsed.notify(NotifyType::COOKIE).map(|n| n.data.to_vec()) {
            sa.received(cx, message.bytes.len(), summary);
            return self.on_cookie(sa, cx, cookie);
        }
        if let Some(wanted) = parsed.notify(NotifyType::INVALID_KE_PAYLOAD).map(|n| n.data.to_vec()) {
            sa.received(cx, message.bytes.len(), summary);
            return self.on_invalid_ke(sa, cx, &wanted);
        }
        if let Some(error) = parsed.error() {
            sa.received(cx, message.bytes.len(), summary);
            let refusal = Refusal::new(Party::Peer, Cause::Notified(error.notify))
                .offered(listed(&self.connection.ike, ToString::to_string))
                .look_at(self.connection.place.of(&["ike"]));
            return Ok(State::InitSent(self.complain(refusal)));
        }
        if header.spi_r.is_zero() {
            // RFC 7296 section 3.1: only an error may leave the responder's SPI zero.
            sa.dropped(cx, "IKE_SA_INIT response without a responder's SPI");
            return Ok(State::InitSent(self));
        }
        match self.read_response(sa, &parsed) {
            Ok((choice, nr, peer)) => {
                sa.received(cx, message.bytes.len(), summary);
                sa.spi_r = header.spi_r;
                let (sources, destination) = parsed.nat_detection();
                sa.path.detect(sa.spi_i, sa.spi_r, &sources, destination);
                let mut wishes = Wishes::default();
                wishes.learn(&parsed);
                let question = Question::Agree { key: self.key, peer };
                let ticket = cx.ask(Asker::Sa(sa.slot), question);
                Ok(State::Agreeing(Box::new(Agreeing {
                    connection: self.connection,
                    ticket,
                    suite: choice,
                    ni: self.ni,
                    nr,
                    request: self.request,
                    response: message.bytes.to_vec(),
                    fragments: parsed.notify(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED).is_some(),
                    wishes,
                })))
            }
            Err(refusal) => Ok(State::InitSent(self.complain(refusal))),
        }
    }

    fn read_response(
        &self,
        sa: &Sa,
        parsed: &Parsed<'_>,
    ) -> Result<(handfast_crypto::proposal::IkeSuite, Vec<u8>, Vec<u8>), Refusal> {
        let us = |cause| Refusal::new(Party::Us, cause).look_at(&self.connection.place);
        debug_assert!(sa.initiator);
        parsed.check(&rules::SA_INIT_RESPONSE).map_err(us)?;
        let offers = parsed
            .sa()
            .and_then(|s| negotiate::read(&s).map_err(|e| Cause::Syntax(e.to_string())))
            .map_err(us)?;
        let choice = negotiate::accept_ike(&offers, &self.connection.ike).ok_or_else(|| {
            us(Cause::NoIkeProposal)
                .offered(negotiate::describe(&offers))
                .acceptable(listed(&self.connection.ike, ToString::to_string))
                .look_at(self.connection.place.of(&["ike"]))
        })?;
        let ke = parsed.ke().map_err(us)?;
        if ke.group != self.group.0 || choice.suite.group != self.group {
            let text = format!(
                "the answer's key exchange is in {}, ours in {}",
                Group(ke.group),
                self.group
            );
            return Err(us(Cause::KeyExchange(text)));
        }
        Ok((choice.suite, parsed.nonce().map_err(us)?.to_vec(), ke.data.to_vec()))
    }

    fn complain(mut self: Box<Self>, refusal: Refusal) -> Box<Self> {
        self.complaint = Some(refusal);
        self
    }

    fn on_cookie(self: Box<Self>, sa: &mut Sa, cx: &mut Context, cookie: Vec<u8>) -> Next {
        if cookie == self.cookie {
            // A repetition of what was done already.
            sa.dropped(cx, "the same cookie again");
            return Ok(State::InitSent(self));
        }
        // RFC 7296 section 2.6: 1 to 64 octets.
        if cookie.is_empty() || cookie.len() > 64 || self.restarts >= MAX_RESTARTS {
            let refusal = Refusal::new(Party::Us, Cause::Syntax("the peer asks for cookies without end".into()));
            return Ok(State::InitSent(self.complain(refusal)));
        }
        Ok(send(
            sa,
            cx,
            self.connection,
            self.key,
            self.group,
            self.ni,
            cookie,
            self.restarts + 1,
        ))
    }

    /// The peer wants another group; only one that we offered (RFC 7296 section 1.2).
    fn on_invalid_ke(self: Box<Self>, sa: &mut Sa, cx: &mut Context, wanted: &[u8]) -> Next {
        let group = <[u8; 2]>::try_from(wanted).map(|g| Group(u16::from_be_bytes(g)));
        let offered = |g: &Group| self.connection.ike.iter().any(|p| p.groups.contains(g));
        match group {
            Ok(group) if offered(&group) && group != self.group && self.restarts < MAX_RESTARTS => {
                let cookie = (!self.cookie.is_empty()).then_some((self.cookie, self.ni));
                Ok(make_key(sa, cx, self.connection, group, cookie, self.restarts + 1))
            }
            Ok(group) if group == self.group && self.restarts > 0 => {
                // A repetition of what was done already.
                sa.dropped(cx, "the same wish for a group again");
                Ok(State::InitSent(self))
            }
            _ => {
                let text = match group {
                    Ok(group) => format!("the peer wants {group}"),
                    Err(_) => "the peer wants another group but does not say which".into(),
                };
                let refusal = Refusal::new(Party::Peer, Cause::KeyExchange(text))
                    .offered(listed(&self.connection.ike, ToString::to_string))
                    .look_at(self.connection.place.of(&["ike"]));
                Ok(State::InitSent(self.complain(refusal)))
            }
        }
    }
}

impl Agreeing {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Shared(shared)) = (ticket == self.ticket, answer) else {
            return Ok(State::Agreeing(self));
        };
        let channel = shared.and_then(|shared| {
            Channel::new(
                cx.provider,
                self.suite,
                true,
                (sa.spi_i, sa.spi_r),
                (&self.ni, &self.nr),
                &shared,
            )
        });
        match channel {
            Ok(mut channel) => {
                if let Some(size) = self.connection.fragment_size.filter(|_| self.fragments) {
                    channel.allow_fragments(fragments::largest(size, sa.path.remote.is_ipv6()));
                }
                auth_initiator::send(*self, sa, cx, channel)
            }
            Err(e) => {
                let cause = Cause::KeyExchange(e.to_string());
                refuse(Refusal::new(Party::Us, cause).look_at(&self.connection.place))
            }
        }
    }
}
