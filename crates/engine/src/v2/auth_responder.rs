//! IKE_AUTH as responder, with the first child (RFC 7296 section 1.2).

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use handfast_auth::Identity;
use handfast_auth::certificate::Proven;
use handfast_auth::v2::{self as auth_v2, ProofContext};
use handfast_wire::describe::describe_v2;
use handfast_wire::header::{ExchangeType, PayloadType, Spi};
use handfast_wire::numbers::NotifyType;
use handfast_wire::v2::{Message, PayloadChain, sa, ts};

use crate::child::sa::{ChildSa, KeyInput, derive};
use crate::context::{Context, Effect};
use crate::endpoint::choose;
use crate::negotiate;
use crate::policy::{Connection, Method, Policy};
use crate::refusal::{Cause, Party, Refusal, listed};
use crate::sa::Proofs;
use crate::time::Instant;
use crate::v2::auth::{self, Making, Ours, Verdict};
use crate::v2::auth_pending::JudgingInitiator;
use crate::v2::certificates::Wishes;
use crate::v2::channel::{Arrived, Channel, Opened};
use crate::v2::child_choice::{self, Chosen};
use crate::v2::established::Established;
use crate::v2::install::{Installing, Reply};
use crate::v2::message::{Envelope, Parsed, push_notify};
use crate::v2::rules;
use crate::v2::sa_init::push_sa;
use crate::v2::state::{Next, Parties, Sa, State, gone, refuse};

/// IKE_SA_INIT answered; the peer must prove itself soon.
pub(crate) struct HalfOpen {
    pub channel: Channel,
    pub ni: Vec<u8>,
    pub nr: Vec<u8>,
    pub request: Vec<u8>,
    pub response: Bytes,
    /// What the peer wants of signatures.
    pub wishes: Wishes,
    pub expires: Instant,
}

/// Whom the peer turned out to be, or claims to be.
pub(crate) struct Claim {
    pub connection: Arc<Connection>,
    pub peer: Identity,
}

impl HalfOpen {
    pub fn on_timer(self: Box<Self>, cx: &Context) -> Next {
        if cx.now < self.expires {
            return Ok(State::HalfOpen(self));
        }
        Ok(gone("the peer did not go on after IKE_SA_INIT"))
    }

    pub fn on_message(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let header = message.header;
        if header.exchange == ExchangeType::IKE_SA_INIT && message.bytes == self.request {
            // The answer was lost: the same again (RFC 7296 section 2.1).
            sa.resend(cx, self.response.clone());
            return Ok(State::HalfOpen(self));
        }
        // Until the peer is authenticated no other exchange exists.
        if header.exchange != ExchangeType::IKE_AUTH || header.message_id != 1 {
            sa.dropped(cx, "not the IKE_AUTH request that is awaited");
            return Ok(State::HalfOpen(self));
        }
        let opened = match self.channel.open(message) {
            Arrived::Message(opened) => opened,
            Arrived::Part => return Ok(State::HalfOpen(self)),
            Arrived::Nothing(why) => {
                sa.dropped(cx, why);
                return Ok(State::HalfOpen(self));
            }
        };
        // Authenticated by SK_a: where this came from is where the peer is (it may have moved to port 4500).
        (sa.path.local, sa.path.remote) = sa.seen();
        sa.received(cx, opened.size, |_| describe_v2(header, opened.first, &opened.bytes));
        if cx.key_log {
            cx.out
                .push_back(crate::Output::KeyLog(self.channel.key_log(sa.spi_i, sa.spi_r)));
        }
        let parsed =
            match Parsed::read(opened.first, &opened.bytes).and_then(|p| p.check(&rules::AUTH_REQUEST).map(|()| p)) {
                Ok(parsed) => parsed,
                Err(Cause::CriticalPayload(kind)) => {
                    let refusal = Refusal::new(Party::Us, Cause::CriticalPayload(kind));
                    let data = [kind];
                    let notify = (NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, data.as_slice());
                    return self.fail(sa, cx, &opened.datagram, notify, refusal);
                }
                Err(cause) => {
                    let notify = (NotifyType::INVALID_SYNTAX, [].as_slice());
                    return self.fail(sa, cx, &opened.datagram, notify, Refusal::new(Party::Us, cause));
                }
            };
        self.wishes.learn(&parsed);
        match self.authenticate(sa, cx, &parsed) {
            Ok((claim, Verdict::Proven)) => self.prove(sa, cx, opened, claim, None),
            Ok((claim, Verdict::Asked(ticket))) => Ok(State::JudgingInitiator(Box::new(JudgingInitiator {
                half: self,
                opened,
                claim,
                ticket,
            }))),
            Err(refusal) => self.unproven(sa, cx, &opened.datagram, refusal),
        }
    }

    /// Every failure to prove itself looks the same to the peer.
    pub(super) fn unproven(self: Box<Self>, sa: &mut Sa, cx: &mut Context, request: &[u8], refusal: Refusal) -> Next {
        let notify = (NotifyType::AUTHENTICATION_FAILED, [].as_slice());
        self.fail(sa, cx, request, notify, refusal)
    }

    /// Finds the connection by identity and checks the proof. Every failure looks the same to the peer.
    fn authenticate(&self, sa: &Sa, cx: &mut Context, parsed: &Parsed<'_>) -> Result<(Claim, Verdict), Refusal> {
        let us = |cause| Refusal::new(Party::Us, cause);
        let (id, body) = parsed.id_i().map_err(us)?;
        let peer = Identity::from_wire(id.id_type.0, id.data);
        let wanted = parsed.id_r().map(|(id, _)| Identity::from_wire(id.id_type.0, id.data));
        let context = ProofContext {
            prf: self.channel.prf,
            sk_p: &self.channel.keys.sk_pi,
            first_message: &self.request,
            other_nonce: &self.nr,
            id_body: body,
        };
        let addresses = (sa.path.local.ip(), sa.path.remote.ip());
        let suite = self.channel.suite;
        let policy = cx.policy.clone();
        let by_identity = || choose::by_identity(&policy, 2, addresses, &peer, wanted.as_ref());
        let by_suite = || by_identity().filter(|c| c.ike.iter().any(|p| negotiate::allows(p, &suite)));
        // One for whom the peer's method will do; failing that, one that explains what would.
        let method = parsed.auth().ok().map(|auth| auth::method_of(&auth));
        let by_method = by_suite().find(|c| method.is_none_or(|m| c.auth.accepts(m)));
        let Some(connection) = by_method.or_else(|| by_suite().next()) else {
            // Cost as much time as a wrong secret, so that identities cannot be probed.
            auth_v2::verify_decoy(&context);
            if let Some(meant) = by_identity().next() {
                // Its address led to the algorithms of another connection.
                return Err(us(Cause::NoIkeProposal)
                    .offered(vec![suite.to_string()])
                    .acceptable(listed(&meant.ike, ToString::to_string))
                    .look_at(meant.place.of(&["ike"]))
                    .meant(&meant.name));
            }
            return Err(stranger(&policy, addresses, &peer, wanted.as_ref()));
        };
        let connection = connection.clone();
        let verdict = auth::verify(sa, cx, &connection, &context, (parsed, &peer));
        let verdict = verdict.map_err(|refusal| refusal.meant(&connection.name))?;
        Ok((Claim { connection, peer }, verdict))
    }

    /// Ends with one protected notify.
    fn fail(
        mut self: Box<Self>,
        sa: &mut Sa,
        cx: &mut Context,
        request: &[u8],
        (notify, data): (NotifyType, &[u8]),
        why: Refusal,
    ) -> Next {
        let mut chain = PayloadChain::new();
        push_notify(&mut chain, notify, data);
        let envelope = response_envelope(sa);
        if let Ok(bytes) = self.channel.seal(&envelope, &chain) {
            sa.farewell(cx, request, &bytes);
            sa.send(cx, bytes, |_| {
                describe_v2(envelope.header(), chain.first(), chain.bytes())
            });
        }
        refuse(why)
    }

    /// The peer is who it says: our own proof.
    pub(super) fn prove(
        self: Box<Self>,
        sa: &mut Sa,
        cx: &mut Context,
        opened: Opened,
        claim: Claim,
        certificate: Option<Proven>,
    ) -> Next {
        let body = auth::id_body(&claim.connection.local_id);
        let context = ProofContext {
            prf: self.channel.prf,
            sk_p: &self.channel.keys.sk_pr,
            first_message: &self.response,
            other_nonce: &self.ni,
            id_body: &body,
        };
        let making = auth::prove(sa, cx, &claim.connection, &context, &self.wishes);
        let granting = Granting {
            half: self,
            opened,
            claim,
            certificate,
        };
        match making {
            Ok(Making::Made(ours)) => granting.grant(sa, cx, &ours),
            Ok(Making::Asked(signature)) => Ok(State::Granting(Box::new((granting, signature)))),
            Err(refusal) => granting.cannot(sa, cx, refusal),
        }
    }
}

/// The peer has proved itself; our own proof is missing.
pub(crate) struct Granting {
    half: Box<HalfOpen>,
    opened: Opened,
    claim: Claim,
    certificate: Option<Proven>,
}

impl Granting {
    pub fn expires(&self) -> Instant {
        self.half.expires
    }

    pub fn connection(&self) -> &Arc<Connection> {
        &self.claim.connection
    }

    pub fn fragment_octets(&self) -> usize {
        self.half.channel.fragment_octets()
    }

    /// We cannot prove ourselves: the peer hears that authentication failed, which is true.
    pub fn cannot(self, sa: &mut Sa, cx: &mut Context, refusal: Refusal) -> Next {
        let refusal = refusal.meant(&self.claim.connection.name);
        self.half.unproven(sa, cx, &self.opened.datagram, refusal)
    }

    /// Our proof goes out, with the child if there can be one.
    pub fn grant(self, sa: &mut Sa, cx: &mut Context, ours: &Ours) -> Next {
        let Self {
            half: this,
            opened,
            claim: Claim { connection, peer },
            certificate,
        } = self;
        let this = *this;
        let parsed = match Parsed::read(opened.first, &opened.bytes) {
            Ok(parsed) => parsed,
            Err(cause) => return refuse(Refusal::new(Party::Us, cause)),
        };
        if parsed.notify(NotifyType::INITIAL_CONTACT).is_some() {
            let (fresh, peer) = (sa.id, peer.to_string());
            cx.effects.push(Effect::InitialContact {
                fresh,
                connection: connection.name.clone(),
                peer,
            });
        }
        let mut chain = PayloadChain::new();
        auth::push_id(&mut chain, &connection.local_id, false);
        ours.push_certificates(&mut chain, &this.wishes);
        ours.push_auth(&mut chain);
        sa.path.obey(connection.udp_encapsulation);
        let chosen = choose_child(sa, &parsed, &connection);
        let parties = Parties {
            connection,
            peer: peer.to_string(),
            proofs: Proofs {
                local: ours.method(),
                remote: certificate.as_ref().map_or(Method::Psk, |_| Method::Certificate),
                certificate: certificate.map(Box::new),
                principal: None,
            },
        };
        let mut established = Established::new(cx, parties, this.channel, (0, 2));
        established.apply_fragment_size(sa);
        let chosen = match chosen {
            Ok(chosen) => chosen,
            Err(refused) => {
                let (refusal, notify) = *refused;
                push_notify(&mut chain, notify, &[]);
                established.up(sa, cx);
                established.respond(sa, cx, response_envelope(sa), &chain);
                return Err(Box::new((State::Established(Box::new(established)), refusal)));
            }
        };
        let input = KeyInput {
            provider: cx.provider,
            prf: established.channel.prf,
            sk_d: &established.channel.keys.sk_d,
            ni: &this.ni,
            nr: &this.nr,
            shared: None,
            initiator: false,
        };
        let keys = match derive(&input, &chosen.choice.suite) {
            Ok(keys) => keys,
            Err(e) => return refuse(Refusal::new(Party::Us, Cause::Local(e.to_string()))),
        };
        let mut with_child = chain.clone();
        chosen.push_notifies(&mut with_child);
        let choice = chosen.choice.clone();
        let child = ChildSa::granted(cx, sa.path.outer(cx.policy.ports), chosen);
        push_sa(
            &mut with_child,
            &sa::encode(&[negotiate::esp_answer(&choice, child.spi_in)]),
        );
        with_child.push_raw(PayloadType::TSI, false, &ts::encode(&child.remote_ts));
        with_child.push_raw(PayloadType::TSR, false, &ts::encode(&child.local_ts));
        let reply = Reply {
            with_child,
            without_child: chain,
        };
        Ok(Installing::as_responder(established, sa, cx, child, keys, reply))
    }
}

/// The peer is called otherwise than any connection for these addresses allows, or looks for someone else.
fn stranger(policy: &Policy, (local, remote): (IpAddr, IpAddr), peer: &Identity, wanted: Option<&Identity>) -> Refusal {
    let candidates: Vec<_> = choose::by_address(policy, 2, (local, remote)).collect();
    let refusal = Refusal::new(Party::Us, Cause::WrongIdentity)
        .offered(vec![match wanted {
            Some(wanted) => format!("{peer}, looking for {wanted}"),
            None => peer.to_string(),
        }])
        .acceptable(listed(&candidates, |c| {
            format!("{}, looking for {}", c.remote_id, c.local_id)
        }));
    // Where the name is right, it is the other one that is not.
    let known = candidates.iter().find(|c| c.remote_id.matches(peer));
    match (known, candidates.first()) {
        (Some(c), _) => refusal.look_at(c.place.of(&["local_id"])),
        (None, Some(c)) => refusal.look_at(c.place.of(&["remote_id"])),
        (None, None) => refusal,
    }
}

pub(crate) fn response_envelope(sa: &Sa) -> Envelope {
    let (spi_i, spi_r): (Spi, Spi) = (sa.spi_i, sa.spi_r);
    Envelope {
        spi_i,
        spi_r,
        exchange: ExchangeType::IKE_AUTH,
        initiator: false,
        response: true,
        message_id: 1,
    }
}

/// The child for the peer's wish. There is no key exchange of its own in IKE_AUTH.
fn choose_child(sa: &Sa, parsed: &Parsed<'_>, connection: &Connection) -> Result<Chosen, Box<child_choice::Refused>> {
    let syntax = |cause| Box::new((Refusal::new(Party::Us, cause), NotifyType::INVALID_SYNTAX));
    let request = child_choice::Request::read(parsed).map_err(syntax)?;
    request.choose(&connection.children, &sa.path, |policy| {
        negotiate::choose_esp(&request.offers, &policy.esp, None)
    })
}
