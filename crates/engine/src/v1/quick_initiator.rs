//! Quick mode as initiator. Inbound stands before message 3 leaves.

use handfast_crypto::provider::EphemeralKey;
use handfast_crypto::schedule::v1;
use handfast_crypto::transform::Group;
use handfast_plane::op::{ChildId, PlaneOp, PlaneReply};
use handfast_wire::header::ExchangeType;
use handfast_wire::numbers::v1::NotifyType;
use handfast_wire::v1::Message;

use crate::child::sa::{ChildSa, DirectedKeys};
use crate::context::{Asker, Context};
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::refusal::{Cause, Party, Refusal};
use crate::retransmit::Pending;
use crate::v1::established::Established;
use crate::v1::estate::Origin;
use crate::v1::exchanges::Finished;
use crate::v1::isakmp::Iv;
use crate::v1::message::{Chain, Parsed};
use crate::v1::quick::{self, Exchange, Wish};
use crate::v1::state::Sa;
use crate::v1::{nat, proposals};

/// One of ours.
pub(crate) struct Initiator {
    pub wish: Wish,
    iv: Iv,
    stage: Stage,
}

enum Stage {
    MakingKey(Ticket, Group),
    Sent {
        pending: Pending,
        ni: Vec<u8>,
        spi_in: u32,
        fresh: Option<(Group, Box<dyn EphemeralKey>)>,
    },
    Agreeing {
        ticket: Ticket,
        made: Made,
    },
    Inbound {
        ticket: Ticket,
        made: Made,
        keys: DirectedKeys,
    },
}

/// What message 2 has settled.
struct Made {
    child: ChildSa,
    ni: Vec<u8>,
    nr: Vec<u8>,
    message: Vec<u8>,
}

/// What follows a step.
pub(crate) enum Then {
    Wait(Box<Initiator>),
    /// The exchange is over; its owner is told if it failed.
    Over(Option<Box<Refusal>>),
}

impl Initiator {
    pub fn awaits(&self, asked: Ticket) -> bool {
        match &self.stage {
            Stage::MakingKey(ticket, _) => *ticket == asked,
            Stage::Agreeing { ticket, .. } | Stage::Inbound { ticket, .. } => *ticket == asked,
            Stage::Sent { .. } => false,
        }
    }

    pub fn pending(&self) -> Option<&Pending> {
        match &self.stage {
            Stage::Sent { pending, .. } => Some(pending),
            _ => None,
        }
    }

    pub fn pending_mut(&mut self) -> Option<&mut Pending> {
        match &mut self.stage {
            Stage::Sent { pending, .. } => Some(pending),
            _ => None,
        }
    }

    /// Message 1 is sent, so the peer may refuse it. The SPI that it named.
    pub fn asked(&self) -> Option<u32> {
        match &self.stage {
            Stage::Sent { spi_in, .. } => Some(*spi_in),
            _ => None,
        }
    }

    pub fn child(&self) -> Option<ChildId> {
        match &self.stage {
            Stage::Inbound { made, .. } => Some(made.child.id),
            _ => None,
        }
    }
}

/// Begins a quick mode with this message ID.
pub(crate) fn begin(this: &Established, sa: &mut Sa, cx: &mut Context, id: u32, wish: Wish) -> Then {
    let iv = this.isakmp.phase_two(id);
    // The group of the suite in use, if the exchange before had one; else the first configured.
    let before = wish
        .replaces
        .and_then(|old| this.estate.child(old))
        .and_then(|c| c.suite.group);
    let group = before.or_else(|| proposals::pfs_group(&wish.policy));
    match group {
        Some(group) => {
            let ticket = cx.ask(Asker::Sa(sa.slot), Question::GenerateKey(group));
            Then::Wait(Box::new(Initiator {
                wish,
                iv,
                stage: Stage::MakingKey(ticket, group),
            }))
        }
        None => request(this, sa, cx, id, wish, iv, None),
    }
}

fn request(
    this: &Established,
    sa: &mut Sa,
    cx: &mut Context,
    id: u32,
    wish: Wish,
    mut iv: Iv,
    fresh: Option<(Group, Box<dyn EphemeralKey>)>,
) -> Then {
    let ni = cx.rng.bytes::<32>().to_vec();
    let spi_in = cx.rng.esp_spi();
    let outer = sa.path.outer(cx.policy.ports).encapsulation;
    let mode = nat::encapsulation_mode(wish.policy.mode, outer, this.abilities.nat_traversal);
    let group = fresh.as_ref().map(|(group, _)| *group);
    let offer = proposals::phase_two(&wish.policy, spi_in, mode, group);
    if offer.is_empty() {
        let cause = Cause::Local("no ESP proposal that IKEv1 can say".into());
        return Then::Over(Some(Box::new(
            Refusal::new(Party::Us, cause).look_at(&wish.policy.place),
        )));
    }
    let clients = proposals::client_id(&wish.local).zip(proposals::client_id(&wish.remote));
    let Some((local_id, remote_id)) = clients else {
        let text = format!("IKEv1 cannot name this traffic: {} and {}", wish.local, wish.remote);
        let refusal = Refusal::new(Party::Us, Cause::Local(text)).look_at(&wish.policy.place);
        return Then::Over(Some(Box::new(refusal)));
    };
    let mut rest = Chain::new();
    rest.sa(&offer);
    rest.nonce(&ni);
    if let Some((_, key)) = &fresh {
        rest.ke(key.public());
    }
    rest.id(&local_id);
    rest.id(&remote_id);
    let ends = (sa.path.local.ip(), sa.path.remote.ip());
    nat::push_original(&mut rest, (wish.policy.mode, outer), this.abilities.nat_traversal, ends);
    let hash = v1::hash_1(this.isakmp.prf, &this.isakmp.keys.skeyid_a, id, rest.bytes());
    let chain = rest.after_hash(hash.as_bytes());
    let bytes = match this.seal(&mut iv, sa, cx, ExchangeType::V1_QUICK, id, &chain) {
        Ok(bytes) => bytes,
        Err(refusal) => return Then::Over(Some(refusal)),
    };
    let pending = Pending::new(bytes, cx.now, this.parties.connection.retransmit);
    Then::Wait(Box::new(Initiator {
        wish,
        iv,
        stage: Stage::Sent {
            pending,
            ni,
            spi_in,
            fresh,
        },
    }))
}

/// An answer of the driver.
pub(crate) fn on_answer(
    this: &mut Established,
    sa: &mut Sa,
    cx: &mut Context,
    id: u32,
    initiator: Initiator,
    answer: Answer,
) -> Then {
    let Initiator { wish, iv, stage } = initiator;
    let us = |cause| Some(Box::new(Refusal::new(Party::Us, cause).look_at(&wish.policy.place)));
    match (stage, answer) {
        (Stage::MakingKey(_, group), Answer::Key(Ok(key))) => request(this, sa, cx, id, wish, iv, Some((group, key))),
        (Stage::Agreeing { made, .. }, Answer::Shared(Ok(shared))) => {
            install(this, sa, cx, wish, iv, made, Some(&shared))
        }
        (Stage::MakingKey(..), Answer::Key(Err(e))) | (Stage::Agreeing { .. }, Answer::Shared(Err(e))) => {
            Then::Over(us(Cause::KeyExchange(e.to_string())))
        }
        (Stage::Inbound { .. }, Answer::Plane(PlaneReply::Failed(why))) => Then::Over(us(Cause::Plane(why))),
        (Stage::Inbound { made, keys, .. }, Answer::Plane(_)) => finish(this, sa, cx, id, wish, iv, made, &keys),
        (stage, _) => Then::Wait(Box::new(Initiator { wish, iv, stage })),
    }
}

/// The peer's message 2. What does not prove itself is dropped, and the true one may still come.
pub(crate) fn on_message(
    this: &mut Established,
    sa: &mut Sa,
    cx: &mut Context,
    initiator: Box<Initiator>,
    message: &Message<'_>,
) -> Then {
    let id = message.header.message_id;
    let Stage::Sent { ni, .. } = &initiator.stage else {
        sa.dropped(cx, "quick mode message that is not awaited");
        return Then::Wait(initiator);
    };
    let opened = message.ciphertext().and_then(|c| this.isakmp.decrypt(&initiator.iv, c));
    let Some(opened) = opened else {
        sa.dropped(cx, "quick mode message that does not decrypt");
        return Then::Wait(initiator);
    };
    let parsed = Parsed::inner(message.header, &opened.plain);
    let proved = parsed.as_ref().ok().filter(|parsed| {
        let expected = v1::hash_2(this.isakmp.prf, &this.isakmp.keys.skeyid_a, id, ni, parsed.rest());
        parsed
            .hash()
            .is_ok_and(|h| h.len() == expected.len() && expected.ct_eq(h))
    });
    let Some(parsed) = proved else {
        sa.dropped(cx, "quick mode message with a wrong hash");
        return Then::Wait(initiator);
    };
    this.heard(sa, cx);
    sa.received(cx, message.bytes.len(), |_| parsed.summary(message.header));
    let Initiator { wish, stage, .. } = *initiator;
    let Stage::Sent { ni, spi_in, fresh, .. } = stage else {
        return Then::Over(None);
    };
    let place = wish.policy.place.clone();
    let us = |cause| Some(Box::new(Refusal::new(Party::Us, cause).look_at(&place)));
    let group = fresh.as_ref().map(|(group, _)| *group);
    let read = read(sa, cx, &wish, spi_in, group, parsed);
    let (child, nr, peer) = match read {
        Ok(read) => read,
        Err(cause) => return Then::Over(us(cause)),
    };
    let made = Made {
        child,
        ni,
        nr,
        message: message.bytes.to_vec(),
    };
    let iv = opened.next.clone();
    match fresh {
        Some((_, key)) => {
            let ticket = cx.ask(Asker::Sa(sa.slot), Question::Agree { key, peer });
            let stage = Stage::Agreeing { ticket, made };
            Then::Wait(Box::new(Initiator { wish, iv, stage }))
        }
        None => install(this, sa, cx, wish, iv, made, None),
    }
}

/// The answer checked against what we asked for: the child, Nr and the peer's public value.
fn read(
    sa: &Sa,
    cx: &mut Context,
    wish: &Wish,
    spi_in: u32,
    group: Option<Group>,
    parsed: &Parsed<'_>,
) -> Result<(ChildSa, Vec<u8>, Vec<u8>), Cause> {
    let mut agreed = proposals::accept_phase_two(&parsed.sa()?, &wish.policy, group)?;
    let told = parsed.notifies().find(|n| n.notify == NotifyType::RESPONDER_LIFETIME);
    if let Some(told) = told {
        agreed.shorten(told.data);
    }
    let peer = match group {
        Some(_) => parsed.ke()?.to_vec(),
        None => vec![],
    };
    // The responder repeats the identities; another answer is not what we asked for (section 5.5).
    if let Some((ours, theirs)) = parsed.client_ids()?
        && (ours != wish.local || theirs != wish.remote)
    {
        return Err(Cause::Selectors);
    }
    let child = quick::child(sa, cx, &wish.policy, &agreed, spi_in, (wish.local, wish.remote));
    Ok((child, parsed.nonce()?.to_vec(), peer))
}

fn install(
    this: &mut Established,
    sa: &Sa,
    cx: &mut Context,
    wish: Wish,
    iv: Iv,
    made: Made,
    shared: Option<&handfast_crypto::secret::Secret>,
) -> Then {
    let keys = match quick::keys(cx, &this.isakmp, &made.child, (&made.ni, &made.nr), shared) {
        Ok(keys) => keys,
        Err(e) => {
            let refusal = Refusal::new(Party::Us, Cause::Local(e.to_string()));
            return Then::Over(Some(Box::new(refusal)));
        }
    };
    let op = PlaneOp::InstallInbound(made.child.inbound(&keys));
    let ticket = cx.ask(Asker::Sa(sa.slot), Question::Plane(op));
    let stage = Stage::Inbound { ticket, made, keys };
    Then::Wait(Box::new(Initiator { wish, iv, stage }))
}

/// Inbound stands: message 3 leaves, and is kept for a repetition of message 2.
#[allow(clippy::too_many_arguments)]
fn finish(
    this: &mut Established,
    sa: &mut Sa,
    cx: &mut Context,
    id: u32,
    wish: Wish,
    mut iv: Iv,
    made: Made,
    keys: &DirectedKeys,
) -> Then {
    let Made {
        mut child,
        ni,
        nr,
        message,
    } = made;
    let hash = v1::hash_3(this.isakmp.prf, &this.isakmp.keys.skeyid_a, id, &ni, &nr);
    let chain = Chain::new().after_hash(hash.as_bytes());
    let bytes = match this.seal(&mut iv, sa, cx, ExchangeType::V1_QUICK, id, &chain) {
        Ok(bytes) => bytes,
        Err(refusal) => return Then::Over(Some(refusal)),
    };
    this.finished(Finished::new(id, &message, bytes));
    let outbound = child.outbound(keys);
    child.took = wish.began.map(|began| cx.now.since(began));
    this.estate.add(sa, cx, child, outbound, Origin::Ours(wish.replaces));
    Then::Over(None)
}

impl From<Box<Initiator>> for Exchange {
    fn from(initiator: Box<Initiator>) -> Self {
        Self::Initiator(initiator)
    }
}
