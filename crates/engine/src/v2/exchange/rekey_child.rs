//! Replacing a child SA before it ends (RFC 7296 sections 1.3.3 and 2.8): ours is the request.
//!
//! The new pair stands in both directions before the old one is deleted, so no packet is without an SA.

use handfast_crypto::provider::EphemeralKey;
use handfast_crypto::secret::Secret;
use handfast_crypto::transform::Group;
use handfast_plane::op::{ChildId, PlaneOp, PlaneReply};
use handfast_store::delta::SaDelta;
use handfast_wire::header::PayloadType;
use handfast_wire::numbers::{NotifyType, Protocol};
use handfast_wire::selector::TrafficSelector;
use handfast_wire::v2::{Ke, Nonce, Notify, Payload, PayloadChain, sa, ts};

use crate::child::sa::{ChildSa, DirectedKeys, KeyInput, derive};
use crate::child::selectors;
use crate::context::{Asker, Context};
use crate::event::Event;
use crate::input::Answer;
use crate::negotiate;
use crate::output::{Output, Question, Ticket};
use crate::refusal::{Cause, Party, Refusal};
use crate::v2::auth::child_cause;
use crate::v2::established::Established;
use crate::v2::exchange::collision::{self, Fate};
use crate::v2::exchange::{Work, create_child};
use crate::v2::message::Parsed;
use crate::v2::state::{Sa, record};

/// A key pair for the fresh key exchange, with its group.
type Fresh = (Group, Box<dyn EphemeralKey>);

/// What our request said, until its answer is there.
pub(crate) struct Request {
    pub old: ChildSa,
    ni: Vec<u8>,
    fresh: Option<Fresh>,
    spi_in: u32,
    ts_i: Vec<TrafficSelector>,
    ts_r: Vec<TrafficSelector>,
}

/// A rekey between messages: it waits for keys or the plane.
pub(crate) struct Working {
    ticket: Ticket,
    old: ChildId,
    step: Step,
}

enum Step {
    MakingKey(Group),
    Agreeing {
        child: Box<ChildSa>,
        ni: Vec<u8>,
        nr: Vec<u8>,
    },
    Inbound {
        child: Box<ChildSa>,
        keys: DirectedKeys,
        /// The lower nonce.
        low: Vec<u8>,
    },
    Outbound {
        child: Box<ChildSa>,
    },
}

/// What follows a step.
pub(crate) enum Then {
    /// Still waiting.
    Wait(Working),
    /// The request can be sent.
    Send(PayloadChain, Box<Request>),
    /// Done, or given up until later: the next work item may begin.
    Done(Option<Refusal>),
}

/// Begins. A child that is gone or replaced meanwhile needs no rekey.
pub(crate) fn begin(this: &Established, sa: &Sa, cx: &mut Context, old: ChildId) -> Then {
    let Some(child) = this.child(old).filter(|c| !c.replaced) else {
        return Then::Done(None);
    };
    // The group of the suite in use, if the exchange before had one; else the first configured.
    let configured = child.policy.esp.iter().find_map(|p| p.groups.first()).copied();
    match child.suite.group.or(configured) {
        Some(group) => making_key(sa, cx, old, group),
        None => request(this, cx, old, None),
    }
}

fn making_key(sa: &Sa, cx: &mut Context, old: ChildId, group: Group) -> Then {
    let ticket = cx.ask(Asker::Sa(sa.slot), Question::GenerateKey(group));
    Then::Wait(Working {
        ticket,
        old,
        step: Step::MakingKey(group),
    })
}

fn request(this: &Established, cx: &mut Context, old: ChildId, fresh: Option<Fresh>) -> Then {
    let Some(child) = this.child(old).filter(|c| !c.replaced) else {
        return Then::Done(None);
    };
    let ni = cx.rng.bytes::<32>().to_vec();
    let spi_in = cx.rng.esp_spi();
    let (ts_i, ts_r) = (child.local_ts.clone(), child.remote_ts.clone());
    let mut chain = PayloadChain::new();
    // REKEY_SA names the SPI that we receive on (section 1.3.3).
    let spi = child.spi_in.to_be_bytes();
    chain.push(&Payload::Notify(Notify {
        protocol: Protocol::ESP,
        spi: &spi,
        notify: NotifyType::REKEY_SA,
        data: &[],
    }));
    let offers = negotiate::esp_defs(&child.policy.esp, spi_in, fresh.is_some());
    chain.push_raw(PayloadType::SA, false, &sa::encode(&offers));
    chain.push(&Payload::Nonce(Nonce { data: &ni }));
    if let Some((group, key)) = &fresh {
        chain.push(&Payload::Ke(Ke {
            group: group.0,
            reserved: 0,
            data: key.public(),
        }));
    }
    chain.push_raw(PayloadType::TSI, false, &ts::encode(&ts_i));
    chain.push_raw(PayloadType::TSR, false, &ts::encode(&ts_r));
    Then::Send(
        chain,
        Box::new(Request {
            old: child.clone(),
            ni,
            fresh,
            spi_in,
            ts_i,
            ts_r,
        }),
    )
}

/// The peer's answer to our request.
pub(crate) fn on_response(
    this: &mut Established,
    sa: &Sa,
    cx: &mut Context,
    request: Request,
    parsed: &Parsed<'_>,
) -> Then {
    if let Some(error) = parsed.error() {
        return told(this, sa, cx, error, &request);
    }
    // The old one may be gone: the peer has replaced it too, and deleted it.
    let old = &request.old;
    let place = old.policy.place.clone();
    let us = |cause| Refusal::new(Party::Us, cause).look_at(&place);
    let (child, nr, peer) = match read(sa, cx, old, &request, parsed) {
        Ok(read) => read,
        Err(cause) => {
            // The peer holds it to be made.
            this.queue.push_back(Work::DeleteSpi(request.spi_in));
            failed(this, cx, old.id);
            return Then::Done(Some(us(cause)));
        }
    };
    let (old, child) = (old.id, Box::new(child));
    match request.fresh {
        Some((_, key)) => {
            let ticket = cx.ask(Asker::Sa(sa.slot), Question::Agree { key, peer });
            let step = Step::Agreeing {
                child,
                ni: request.ni,
                nr,
            };
            Then::Wait(Working { ticket, old, step })
        }
        None => install(this, sa, cx, old, child, [&request.ni, &nr], None),
    }
}

/// Ours has failed. It is tried again, unless the peer has replaced the child meanwhile.
fn failed(this: &mut Established, cx: &mut Context, old: ChildId) {
    if !collision::has_rival(this, old) {
        this.rekey_later(cx, old);
    }
    this.rival = None;
}

/// The peer refuses: now, or for good (RFC 7296 section 2.25).
fn told(this: &mut Established, sa: &Sa, cx: &mut Context, error: &Notify<'_>, request: &Request) -> Then {
    let old = &request.old;
    match error.notify {
        NotifyType::TEMPORARY_FAILURE => {
            failed(this, cx, old.id);
            return Then::Done(None);
        }
        NotifyType::CHILD_SA_NOT_FOUND => {
            this.rival = None;
            create_child::switch(this, sa, cx, |_, of| of == old.id);
            this.drop_child(sa, cx, old.id, "the peer does not know it");
            if this.children.is_empty() {
                this.close("the peer does not know the last child SA");
            }
            return Then::Done(None);
        }
        NotifyType::INVALID_KE_PAYLOAD => {
            let wanted = <[u8; 2]>::try_from(error.data).map(|g| Group(u16::from_be_bytes(g)));
            let sent = request.fresh.as_ref().map(|(group, _)| *group);
            let offered = |g: &Group| old.policy.esp.iter().any(|p| p.groups.contains(g));
            if let Ok(group) = wanted
                && offered(&group)
                && Some(group) != sent
            {
                return making_key(sa, cx, old.id, group);
            }
        }
        _ => {}
    }
    failed(this, cx, old.id);
    let refusal = Refusal::new(Party::Peer, child_cause(error.notify))
        .offered(old.policy.esp.iter().map(ToString::to_string).collect())
        .look_at(&old.policy.place);
    Then::Done(Some(refusal))
}

/// The answer checked against what we asked for: the new child, Nr and the peer's public value.
fn read(
    sa: &Sa,
    cx: &mut Context,
    old: &ChildSa,
    request: &Request,
    parsed: &Parsed<'_>,
) -> Result<(ChildSa, Vec<u8>, Vec<u8>), Cause> {
    let offers = negotiate::read(&parsed.sa()?).map_err(|e| Cause::Syntax(e.to_string()))?;
    let group = request.fresh.as_ref().map(|(group, _)| *group);
    let choice = negotiate::accept_esp(&offers, &old.policy.esp, group).ok_or(Cause::NoChildProposal)?;
    let peer = match group {
        Some(group) => {
            let ke = parsed.ke()?;
            if ke.group != group.0 {
                return Err(Cause::KeyExchange(format!(
                    "the answer's is in {}, ours in {group}",
                    Group(ke.group)
                )));
            }
            ke.data.to_vec()
        }
        None => vec![],
    };
    let (ts_i, ts_r) = (parsed.ts_i()?, parsed.ts_r()?);
    if !selectors::within(&ts_i, &request.ts_i) || !selectors::within(&ts_r, &request.ts_r) {
        return Err(Cause::Selectors);
    }
    let spi =
        <[u8; 4]>::try_from(choice.spi.as_slice()).map_err(|_| Cause::Syntax("ESP SPI is not of 4 octets".into()))?;
    let child = ChildSa {
        id: cx.child_id(),
        policy: old.policy.clone(),
        spi_in: request.spi_in,
        spi_out: u32::from_be_bytes(spi),
        mode: old.mode,
        suite: choice.suite,
        local_ts: ts_i,
        remote_ts: ts_r,
        path: sa.path.outer(cx.policy.ports),
        seen_in: 0,
        replaced: false,
        rekey_at: cx.rekey_at(old.policy.rekey),
    };
    Ok((child, parsed.nonce()?.to_vec(), peer))
}

fn install(
    this: &mut Established,
    sa: &Sa,
    cx: &mut Context,
    old: ChildId,
    child: Box<ChildSa>,
    nonces: [&Vec<u8>; 2],
    shared: Option<&Secret>,
) -> Then {
    let (provider, prf, sk_d) = (cx.provider, this.channel.prf, &this.channel.keys.sk_d);
    let [ni, nr] = nonces;
    let input = KeyInput {
        provider,
        prf,
        sk_d,
        ni,
        nr,
        shared,
        initiator: true,
    };
    let keys = match derive(&input, &child.suite) {
        Ok(keys) => keys,
        Err(e) => {
            return lost(
                this,
                cx,
                old,
                &child,
                Refusal::new(Party::Us, Cause::Local(e.to_string())),
            );
        }
    };
    if cx.key_log {
        cx.out.extend(child.key_log(&keys).map(Output::KeyLog));
    }
    let ticket = cx.ask(
        Asker::Sa(sa.slot),
        Question::Plane(PlaneOp::InstallInbound(child.inbound(&keys))),
    );
    Then::Wait(Working {
        ticket,
        old,
        step: Step::Inbound {
            child,
            keys,
            low: collision::lower(nonces),
        },
    })
}

/// The peer has made the new child and we cannot: it is to be deleted there.
fn lost(this: &mut Established, cx: &mut Context, old: ChildId, child: &ChildSa, refusal: Refusal) -> Then {
    this.queue.push_back(Work::DeleteSpi(child.spi_in));
    failed(this, cx, old);
    Then::Done(Some(refusal))
}

/// An answer of the driver.
pub(crate) fn on_answer(this: &mut Established, sa: &Sa, cx: &mut Context, working: Working, answer: Answer) -> Then {
    let Working { ticket, old, step } = working;
    match (step, answer) {
        (Step::MakingKey(group), Answer::Key(Ok(key))) => request(this, cx, old, Some((group, key))),
        (Step::Agreeing { child, ni, nr }, Answer::Shared(Ok(shared))) => {
            install(this, sa, cx, old, child, [&ni, &nr], Some(&shared))
        }
        (Step::MakingKey(_), Answer::Key(Err(e))) => {
            failed(this, cx, old);
            Then::Done(Some(Refusal::new(Party::Us, Cause::KeyExchange(e.to_string()))))
        }
        (Step::Agreeing { child, .. }, Answer::Shared(Err(e))) => {
            let refusal = Refusal::new(Party::Us, Cause::KeyExchange(e.to_string()));
            if e.is_the_peers() {
                // RFC 6989 section 2.5: a peer whose value no group has loses the IKE SA.
                this.close(refusal.to_string());
            }
            lost(this, cx, old, &child, refusal)
        }
        (Step::Inbound { child, .. } | Step::Outbound { child }, Answer::Plane(PlaneReply::Failed(why))) => {
            let refusal = Refusal::new(Party::Us, Cause::Plane(why)).look_at(&child.policy.place);
            this.forget_child(sa, cx, &child, "could not be installed");
            lost(this, cx, old, &child, refusal)
        }
        (Step::Inbound { child, keys, low }, Answer::Plane(_)) => {
            record(cx, SaDelta::Child(child.facts(sa.id, "installed")));
            if collision::decide(this, cx, old, &low) == Fate::Redundant {
                collision::close_ours(this, *child);
                return Then::Done(None);
            }
            let op = PlaneOp::InstallOutbound(child.outbound(&keys));
            let ticket = cx.ask(Asker::Sa(sa.slot), Question::Plane(op));
            Then::Wait(Working {
                ticket,
                old,
                step: Step::Outbound { child },
            })
        }
        (Step::Outbound { child }, Answer::Plane(_)) => {
            cx.event(Event::ChildRekeyed { old, new: child.id });
            cx.event(child.established_event(sa.id));
            this.children.push(*child);
            this.overlap(sa, cx, old);
            Then::Done(None)
        }
        (step, _) => Then::Wait(Working { ticket, old, step }),
    }
}

impl Working {
    /// Whether this answer is the one awaited.
    pub fn awaits(&self, ticket: Ticket) -> bool {
        self.ticket == ticket
    }

    /// The child that is being replaced.
    pub fn old(&self) -> ChildId {
        self.old
    }

    /// Whether a rekey of the peer for the same child collides with it: our request has been sent, and it is open which
    /// new child stays.
    pub fn may_collide(&self) -> bool {
        matches!(self.step, Step::Agreeing { .. } | Step::Inbound { .. })
    }

    /// Whether the new child stays.
    pub fn is_decided(&self) -> bool {
        matches!(self.step, Step::Outbound { .. })
    }

    /// The new child, once the plane was asked for it.
    pub fn made(&self) -> Option<ChildId> {
        match &self.step {
            Step::Inbound { child, .. } | Step::Outbound { child } => Some(child.id),
            Step::MakingKey(_) | Step::Agreeing { .. } => None,
        }
    }
}
