//! Quick mode as responder. Inbound stands before message 2 leaves; we send once message 3, or a packet on the new SA, has
//! shown that the peer has it too.

use std::sync::Arc;

use handfast_crypto::schedule::v1;
use handfast_crypto::secret::Secret;
use handfast_plane::op::{ChildId, PlaneOp, PlaneReply};
use handfast_wire::header::ExchangeType;
use handfast_wire::numbers::v1::NotifyType;
use handfast_wire::selector::TrafficSelector;
use handfast_wire::v1::Message;

use crate::child::sa::{ChildSa, DirectedKeys};
use crate::child::selectors;
use crate::context::{Asker, Context};
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::policy::ChildPolicy;
use crate::refusal::{Cause, Party, Refusal};
use crate::retransmit::Pending;
use crate::time::Instant;
use crate::v1::established::Established;
use crate::v1::estate::Origin;
use crate::v1::exchanges::Finished;
use crate::v1::isakmp::Iv;
use crate::v1::message::{Chain, Parsed};
use crate::v1::notices::{INVALID_ID_INFORMATION, NO_PROPOSAL_CHOSEN, PAYLOAD_MALFORMED};
use crate::v1::proposals::{self, Agreed};
use crate::v1::state::Sa;
use crate::v1::{nat, quick};

/// One of the peer's.
pub(crate) struct Responder {
    iv: Iv,
    request: Vec<u8>,
    ni: Vec<u8>,
    nr: Vec<u8>,
    /// Whether the peer named its clients, so that the answer does too.
    ids: Vec<Vec<u8>>,
    answer: Vec<u8>,
    /// What the peer is told of shorter lifetimes of ours.
    lifetime: Option<Vec<u8>>,
    child: ChildSa,
    began: Instant,
    stage: Stage,
}

enum Stage {
    Agreeing(Ticket),
    Inbound {
        ticket: Ticket,
        keys: DirectedKeys,
        public: Option<Vec<u8>>,
    },
    /// Message 2 sent.
    Answered {
        pending: Pending,
        keys: DirectedKeys,
    },
}

/// What follows a step.
pub(crate) enum Then {
    Wait(Box<Responder>),
    /// The exchange is over and the child stands.
    Done,
    /// It is over, and the peer hears this notify.
    Refuse(NotifyType, Box<Refusal>),
}

impl Responder {
    pub fn awaits(&self, asked: Ticket) -> bool {
        match &self.stage {
            Stage::Agreeing(ticket) | Stage::Inbound { ticket, .. } => *ticket == asked,
            Stage::Answered { .. } => false,
        }
    }

    pub fn pending(&self) -> Option<&Pending> {
        match &self.stage {
            Stage::Answered { pending, .. } => Some(pending),
            _ => None,
        }
    }

    pub fn pending_mut(&mut self) -> Option<&mut Pending> {
        match &mut self.stage {
            Stage::Answered { pending, .. } => Some(pending),
            _ => None,
        }
    }

    pub fn child(&self) -> Option<ChildId> {
        match &self.stage {
            Stage::Agreeing(_) => None,
            Stage::Inbound { .. } | Stage::Answered { .. } => Some(self.child.id),
        }
    }

    pub fn request(&self) -> &[u8] {
        &self.request
    }
}

/// What of message 1 can be granted.
struct Granted {
    policy: Arc<ChildPolicy>,
    agreed: Agreed,
    pair: (TrafficSelector, TrafficSelector),
}

/// Message 1, decrypted, its HASH(1) verified.
pub(crate) fn begin(
    this: &mut Established,
    sa: &mut Sa,
    cx: &mut Context,
    message: &Message<'_>,
    (parsed, iv): (&Parsed<'_>, Iv),
) -> Then {
    let syntax = |cause| Then::Refuse(PAYLOAD_MALFORMED, Box::new(Refusal::new(Party::Us, cause)));
    let granted = match choose(this, sa, parsed) {
        Ok(granted) => granted,
        Err((notify, refusal)) => return Then::Refuse(notify, refusal),
    };
    let ni = match parsed.nonce() {
        Ok(ni) => ni.to_vec(),
        Err(cause) => return syntax(cause),
    };
    let Granted {
        policy,
        mut agreed,
        pair,
    } = granted;
    let spi_in = cx.rng.esp_spi();
    let lifetime = agreed.limit(&policy);
    let child = quick::child(sa, cx, &policy, &agreed, spi_in, pair);
    let responder = Responder {
        iv,
        request: message.bytes.to_vec(),
        ni,
        nr: cx.rng.bytes::<32>().to_vec(),
        ids: parsed.client_id_bodies(),
        answer: agreed.answer(spi_in),
        lifetime,
        child,
        began: cx.now,
        stage: Stage::Agreeing(Ticket(0)),
    };
    match agreed.suite.group {
        Some(group) => {
            let peer = match parsed.ke() {
                Ok(ke) => ke.to_vec(),
                Err(cause) => return syntax(cause),
            };
            let ticket = cx.ask(Asker::Sa(sa.slot), Question::Respond { group, peer });
            let stage = Stage::Agreeing(ticket);
            Then::Wait(Box::new(Responder { stage, ..responder }))
        }
        None => install(this, sa, cx, responder, None, None),
    }
}

/// The first configured child in whose selectors the peer's clients lie and whose proposal is in the offer. IKEv1 has no
/// narrowing: what is not wholly ours to give is refused.
fn choose(this: &Established, sa: &Sa, parsed: &Parsed<'_>) -> Result<Granted, (NotifyType, Box<Refusal>)> {
    let connection = &this.parties.connection;
    let us = |cause| Box::new(Refusal::new(Party::Us, cause));
    let syntax = |cause| (PAYLOAD_MALFORMED, us(cause));
    let offer = parsed.sa().map_err(syntax)?;
    let (local_address, remote_address) = (sa.path.local.ip(), sa.path.remote.ip());
    let host = |address| TrafficSelector::from_subnet(address, 128);
    // Without identities the clients are the peers themselves (section 5.5).
    let clients = parsed
        .client_ids()
        .map_err(|cause| (INVALID_ID_INFORMATION, us(cause)))?;
    let (theirs, ours) = match clients {
        Some((initiator, responder)) => (initiator, responder),
        None => (host(remote_address), host(local_address)),
    };
    let pfs = parsed.ke().is_ok();
    let mut met = None;
    for policy in &connection.children {
        let local = selectors::resolve(&policy.local_ts, local_address);
        let remote = selectors::resolve(&policy.remote_ts, remote_address);
        if !selectors::within(&[ours], &local) || !selectors::within(&[theirs], &remote) {
            continue;
        }
        met.get_or_insert(policy);
        if let Some(agreed) = proposals::choose_phase_two(&offer, policy, pfs) {
            return Ok(Granted {
                policy: policy.clone(),
                agreed,
                pair: (ours, theirs),
            });
        }
    }
    if let Some(policy) = met {
        let refusal = us(Cause::NoChildProposal)
            .offered(proposals::describe_phase_two(&offer))
            .acceptable(policy.esp.iter().map(ToString::to_string).collect())
            .look_at(policy.place.of(&["esp"]));
        return Err((NO_PROPOSAL_CHOSEN, Box::new(refusal)));
    }
    let acceptable = connection.children.iter().map(|policy| {
        let local = selectors::resolve(&policy.local_ts, local_address);
        let remote = selectors::resolve(&policy.remote_ts, remote_address);
        let (local, remote) = (selectors::describe(&local), selectors::describe(&remote));
        format!("here {}, there {}", local.join(" "), remote.join(" "))
    });
    let refusal = us(Cause::Selectors)
        .offered(vec![format!("here {ours}, there {theirs}")])
        .acceptable(acceptable.collect())
        .look_at(connection.place.of(&["local_subnet", "remote_subnet"]));
    Err((INVALID_ID_INFORMATION, Box::new(refusal)))
}

fn install(
    this: &Established,
    sa: &Sa,
    cx: &mut Context,
    responder: Responder,
    shared: Option<&Secret>,
    public: Option<Vec<u8>>,
) -> Then {
    let nonces = (responder.ni.as_slice(), responder.nr.as_slice());
    let keys = match quick::keys(cx, &this.isakmp, &responder.child, nonces, shared) {
        Ok(keys) => keys,
        Err(e) => {
            let refusal = Refusal::new(Party::Us, Cause::Local(e.to_string()));
            return Then::Refuse(NO_PROPOSAL_CHOSEN, Box::new(refusal));
        }
    };
    let op = PlaneOp::InstallInbound(responder.child.inbound(&keys));
    let ticket = cx.ask(Asker::Sa(sa.slot), Question::Plane(op));
    let stage = Stage::Inbound { ticket, keys, public };
    Then::Wait(Box::new(Responder { stage, ..responder }))
}

/// An answer of the driver.
pub(crate) fn on_answer(
    this: &mut Established,
    sa: &mut Sa,
    cx: &mut Context,
    id: u32,
    responder: Responder,
    answer: Answer,
) -> Then {
    let Responder { stage, .. } = &responder;
    match (stage, answer) {
        (Stage::Agreeing(_), Answer::Responded(Ok((public, shared)))) => {
            install(this, sa, cx, responder, Some(&shared), Some(public))
        }
        (Stage::Agreeing(_), Answer::Responded(Err(e))) => {
            let refusal = Refusal::new(Party::Us, Cause::KeyExchange(e.to_string()));
            Then::Refuse(PAYLOAD_MALFORMED, Box::new(refusal))
        }
        (Stage::Inbound { .. }, Answer::Plane(PlaneReply::Failed(why))) => {
            let refusal = Refusal::new(Party::Us, Cause::Plane(why)).look_at(&responder.child.policy.place);
            Then::Refuse(NO_PROPOSAL_CHOSEN, Box::new(refusal))
        }
        (Stage::Inbound { .. }, Answer::Plane(_)) => reply(this, sa, cx, id, responder),
        _ => Then::Wait(Box::new(responder)),
    }
}

/// Inbound stands: message 2 leaves.
fn reply(this: &Established, sa: &mut Sa, cx: &mut Context, id: u32, mut responder: Responder) -> Then {
    let Stage::Inbound { keys, public, .. } = responder.stage else {
        return Then::Wait(Box::new(responder));
    };
    let mut rest = Chain::new();
    rest.sa(&responder.answer);
    rest.nonce(&responder.nr);
    if let Some(public) = &public {
        rest.ke(public);
    }
    responder.ids.iter().for_each(|id| rest.id(id));
    let agreed = (responder.child.mode, responder.child.path.encapsulation);
    let ends = (sa.path.remote.ip(), sa.path.local.ip());
    nat::push_original(&mut rest, agreed, this.abilities.nat_traversal, ends);
    if let Some(lifetime) = &responder.lifetime {
        rest.notify_esp(responder.child.spi_in, NotifyType::RESPONDER_LIFETIME, lifetime);
    }
    let (prf, skeyid_a) = (this.isakmp.prf, &this.isakmp.keys.skeyid_a);
    let hash = v1::hash_2(prf, skeyid_a, id, &responder.ni, rest.bytes());
    let chain = rest.after_hash(hash.as_bytes());
    let bytes = match this.seal(&mut responder.iv, sa, cx, ExchangeType::V1_QUICK, id, &chain) {
        Ok(bytes) => bytes,
        Err(refusal) => return Then::Refuse(NO_PROPOSAL_CHOSEN, refusal),
    };
    let pending = Pending::new(bytes, cx.now, this.parties.connection.retransmit);
    responder.stage = Stage::Answered { pending, keys };
    Then::Wait(Box::new(responder))
}

/// Message 3, or message 1 once more.
pub(crate) fn on_message(
    this: &mut Established,
    sa: &mut Sa,
    cx: &mut Context,
    responder: Box<Responder>,
    message: &Message<'_>,
) -> Then {
    let id = message.header.message_id;
    let Stage::Answered { pending, .. } = &responder.stage else {
        sa.dropped(cx, "quick mode message that is not awaited");
        return Then::Wait(responder);
    };
    if message.bytes == responder.request {
        sa.resend(cx, pending.bytes.clone());
        return Then::Wait(responder);
    }
    let opened = message.ciphertext().and_then(|c| this.isakmp.decrypt(&responder.iv, c));
    let parsed = opened.as_ref().map(|o| Parsed::inner(message.header, &o.plain));
    let Some(Ok(parsed)) = parsed else {
        sa.dropped(cx, "quick mode message that does not decrypt");
        return Then::Wait(responder);
    };
    let (prf, skeyid_a) = (this.isakmp.prf, &this.isakmp.keys.skeyid_a);
    let expected = v1::hash_3(prf, skeyid_a, id, &responder.ni, &responder.nr);
    if !parsed
        .hash()
        .is_ok_and(|h| h.len() == expected.len() && expected.ct_eq(h))
    {
        sa.dropped(cx, "quick mode message with a wrong hash");
        return Then::Wait(responder);
    }
    this.heard(sa, cx);
    sa.received(cx, message.bytes.len(), |_| parsed.summary(message.header));
    this.finished(Finished::unanswered(id, message.bytes));
    finish(this, sa, cx, *responder);
    Then::Done
}

/// The peer has the new SA: we send on it, too.
pub(crate) fn finish(this: &mut Established, sa: &Sa, cx: &mut Context, responder: Responder) {
    if let Stage::Answered { keys, .. } = &responder.stage {
        let mut child = responder.child;
        let outbound = child.outbound(keys);
        child.took = Some(cx.now.since(responder.began));
        this.estate.add(sa, cx, child, outbound, Origin::Theirs);
    }
}
