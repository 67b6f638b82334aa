//! IKE_SA_INIT as responder. A stranger costs us nothing that lasts before this file's `read` is satisfied.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use handfast_auth::certificate::ikev2::SignatureHashes;
use handfast_crypto::proposal::IkeSuite;
use handfast_crypto::transform::Group;
use handfast_wire::describe::describe_v2;
use handfast_wire::header::HEADER_LEN;
use handfast_wire::numbers::NotifyType;
use handfast_wire::v2::{self, Ke, Message, Nonce, Payload, PayloadChain, sa};

use crate::context::{Asker, Context};
use crate::endpoint::choose;
use crate::input::Answer;
use crate::negotiate::{self, Choice};
use crate::output::{Question, Ticket};
use crate::policy::{Connection, UdpEncapsulation};
use crate::refusal::{Cause, Party, Refusal, listed};
use crate::v2::auth_responder::HalfOpen;
use crate::v2::certificates::{self, Wishes};
use crate::v2::channel::Channel;
use crate::v2::fragments;
use crate::v2::message::{Envelope, Parsed, push_notify};
use crate::v2::rules;
use crate::v2::sa_init::{init_envelope, push_nat_detection, push_sa};
use crate::v2::state::{Next, Sa, State, refuse};

/// How long a peer has from its first message to IKE_AUTH.
const HALF_OPEN: Duration = Duration::from_secs(30);

/// A first message that we can answer.
pub(crate) struct FirstMessage {
    choice: Choice<IkeSuite>,
    ni: Vec<u8>,
    public: Vec<u8>,
    nat_sources: Vec<Vec<u8>>,
    nat_destination: Option<Vec<u8>>,
    udp: UdpEncapsulation,
    /// Above this our messages leave in fragments, if both sides can.
    fragment_size: Option<u16>,
    /// What the peer wants of signatures.
    wishes: Wishes,
    /// What we announce and ask for.
    requests: Requests,
    request: Vec<u8>,
    summary: String,
}

/// What those who may be meant have to do with signatures.
struct Requests {
    hashes: Option<SignatureHashes>,
    connections: Vec<Arc<Connection>>,
}

/// A first message that we cannot accept: what its owner is told, and what the sender is.
pub(crate) struct Rejected {
    pub refusal: Refusal,
    pub notify: NotifyType,
    pub data: Vec<u8>,
}

/// Judges a first message without keeping anything.
pub(crate) fn read(
    cx: &Context,
    (local, remote): (SocketAddr, SocketAddr),
    message: &Message<'_>,
) -> Result<FirstMessage, Box<Rejected>> {
    let reject = |refusal, notify| {
        Box::new(Rejected {
            refusal,
            notify,
            data: vec![],
        })
    };
    let us = |cause| {
        let (notify, cause) = match cause {
            Cause::CriticalPayload(kind) => {
                let refusal = Refusal::new(Party::Us, Cause::CriticalPayload(kind));
                return Box::new(Rejected {
                    refusal,
                    notify: NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD,
                    data: vec![kind],
                });
            }
            cause => (NotifyType::INVALID_SYNTAX, cause),
        };
        reject(Refusal::new(Party::Us, cause), notify)
    };
    let body = message.bytes.get(HEADER_LEN..).unwrap_or_default();
    let parsed = Parsed::read(message.header.next_payload, body).map_err(us)?;
    parsed.check(&rules::SA_INIT_REQUEST).map_err(us)?;
    let ni = parsed.nonce().map_err(us)?;
    let ke = parsed.ke().map_err(us)?;
    let offers = parsed
        .sa()
        .and_then(|s| negotiate::read(&s).map_err(|e| Cause::Syntax(e.to_string())))
        .map_err(us)?;

    let candidates: Vec<&Arc<Connection>> = choose::by_address(&cx.policy, 2, (local.ip(), remote.ip())).collect();
    if candidates.is_empty() {
        let refusal = choose::nobody(&cx.policy, 2, (local.ip(), remote.ip()));
        return Err(reject(refusal, NotifyType::NO_PROPOSAL_CHOSEN));
    }
    let chosen = candidates
        .iter()
        .find_map(|c| negotiate::choose_ike(&offers, &c.ike, Group(ke.group)).map(|choice| (choice, *c)));
    let Some((choice, connection)) = chosen else {
        let refusal = Refusal::new(Party::Us, Cause::NoIkeProposal)
            .offered(negotiate::describe(&offers))
            .acceptable(listed(candidates.iter().flat_map(|c| &c.ike), ToString::to_string))
            .look_at(candidates[0].place.of(&["ike"]));
        return Err(reject(refusal, NotifyType::NO_PROPOSAL_CHOSEN));
    };
    if choice.suite.group.0 != ke.group {
        // RFC 7296 section 1.2: name the group that we want; the initiator tries again.
        let text = format!(
            "the peer began with {}, asked for {}",
            Group(ke.group),
            choice.suite.group
        );
        let refusal = Refusal::new(Party::Us, Cause::KeyExchange(text)).look_at(&connection.place);
        let data = choice.suite.group.0.to_be_bytes().to_vec();
        return Err(Box::new(Rejected {
            refusal,
            notify: NotifyType::INVALID_KE_PAYLOAD,
            data,
        }));
    }
    let (sources, destination) = parsed.nat_detection();
    let mut wishes = Wishes::default();
    wishes.learn(&parsed);
    let signing = candidates.iter().copied().filter(|c| c.auth.has_certificates());
    let requests = Requests {
        // For a peer that knows RFC 7427.
        hashes: wishes
            .hashes
            .and_then(|_| certificates::announced(candidates.iter().copied())),
        connections: signing.cloned().collect(),
    };
    Ok(FirstMessage {
        wishes,
        requests,
        choice,
        ni: ni.to_vec(),
        public: ke.data.to_vec(),
        nat_sources: sources.into_iter().map(<[u8]>::to_vec).collect(),
        nat_destination: destination.map(<[u8]>::to_vec),
        udp: connection.udp_encapsulation,
        fragment_size: (connection.fragment_size)
            .filter(|_| parsed.notify(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED).is_some()),
        request: message.bytes.to_vec(),
        summary: cx.words(|| describe_v2(message.header, message.header.next_payload, body)),
    })
}

/// The answer to a rejected first message.
pub(crate) fn rejection(message: &Message<'_>, rejected: &Rejected) -> Vec<u8> {
    notice(message, rejected.notify, &rejected.data)
}

/// An answer of one notify, not protected, which names no SPI of ours.
pub(crate) fn notice(message: &Message<'_>, notify: NotifyType, data: &[u8]) -> Vec<u8> {
    let mut chain = PayloadChain::new();
    push_notify(&mut chain, notify, data);
    let header = message.header;
    let envelope = Envelope {
        spi_i: header.spi_i,
        spi_r: header.spi_r,
        exchange: header.exchange,
        initiator: false,
        response: true,
        message_id: header.message_id,
    };
    v2::message(envelope.header(), &chain)
}

/// Waiting for our public value and the shared secret.
pub(crate) struct Responding {
    ticket: Ticket,
    first: FirstMessage,
}

/// Takes the peer on.
pub(crate) fn accept(sa: &mut Sa, cx: &mut Context, first: FirstMessage) -> State {
    sa.received(cx, first.request.len(), |_| first.summary.clone());
    let sources: Vec<&[u8]> = first.nat_sources.iter().map(Vec::as_slice).collect();
    // The initiator computed its hashes before our SPI existed.
    sa.path.detect(
        sa.spi_i,
        handfast_wire::header::Spi::ZERO,
        &sources,
        first.nat_destination.as_deref(),
    );
    let question = Question::Respond {
        group: first.choice.suite.group,
        peer: first.public.clone(),
    };
    let ticket = cx.ask(Asker::Sa(sa.slot), question);
    State::Responding(Box::new(Responding { ticket, first }))
}

impl Responding {
    pub fn on_answer(self: Box<Self>, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        let (true, Answer::Responded(result)) = (ticket == self.ticket, answer) else {
            return Ok(State::Responding(self));
        };
        let first = self.first;
        let suite = first.choice.suite;
        let nr = cx.rng.bytes::<32>().to_vec();
        let keyed = result.and_then(|(public, shared)| {
            let mut channel = Channel::new(
                cx.provider,
                suite,
                false,
                (sa.spi_i, sa.spi_r),
                (&first.ni, &nr),
                &shared,
            )?;
            if let Some(size) = first.fragment_size {
                channel.allow_fragments(fragments::largest(size, sa.path.remote.is_ipv6()));
            }
            Ok((public, channel))
        });
        let (public, channel) = match keyed {
            Ok(keyed) => keyed,
            Err(e) => {
                let refusal = Refusal::new(Party::Us, Cause::KeyExchange(format!("{}: {e}", suite.group)));
                let mut chain = PayloadChain::new();
                push_notify(&mut chain, NotifyType::INVALID_SYNTAX, &[]);
                let mut envelope = init_envelope(sa, true);
                envelope.spi_r = handfast_wire::header::Spi::ZERO;
                sa.resend(cx, v2::message(envelope.header(), &chain));
                return refuse(refusal);
            }
        };
        let mut chain = PayloadChain::new();
        push_sa(&mut chain, &sa::encode(&[negotiate::ike_answer(&first.choice, &[])]));
        chain.push(&Payload::Ke(Ke {
            group: suite.group.0,
            reserved: 0,
            data: &public,
        }));
        chain.push(&Payload::Nonce(Nonce { data: &nr }));
        push_nat_detection(&mut chain, sa, cx, first.udp);
        if first.fragment_size.is_some() {
            push_notify(&mut chain, NotifyType::IKEV2_FRAGMENTATION_SUPPORTED, &[]);
        }
        if let Some(hashes) = first.requests.hashes {
            certificates::push_hashes(&mut chain, hashes);
        }
        let room = (2 * first.request.len()).saturating_sub(HEADER_LEN + chain.bytes().len());
        certificates::push_requests(&mut chain, first.requests.connections.iter(), room);
        let envelope = init_envelope(sa, true);
        let response = Bytes::from(v2::message(envelope.header(), &chain));
        // To an address not yet proven, never more than twice what it sent.
        if response.len() > 2 * first.request.len() {
            let text = format!(
                "the answer has {} octets, the request {}",
                response.len(),
                first.request.len()
            );
            return refuse(Refusal::new(Party::Us, Cause::Syntax(text)));
        }
        sa.send(cx, response.clone(), |_| {
            describe_v2(envelope.header(), chain.first(), chain.bytes())
        });
        Ok(State::HalfOpen(Box::new(HalfOpen {
            channel,
            ni: first.ni,
            nr,
            request: first.request,
            response,
            wishes: first.wishes,
            expires: sa.created + HALF_OPEN,
        })))
    }
}
