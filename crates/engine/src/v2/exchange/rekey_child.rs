//! CREATE_CHILD_SA that we begin: a further child, or one in place of another before that ends (RFC 7296 sections 1.3.1,
//! 1.3.3 and 2.8).
//!
//! In a rekey the new pair stands in both directions before the old one is deleted, so no packet is without an SA.

use handfast_crypto::provider::EphemeralKey;
use handfast_crypto::secret::Secret;
use handfast_crypto::transform::Group;
use handfast_plane::op::{ChildId, PlaneOp, PlaneReply};
use handfast_store::delta::SaDelta;
use handfast_wire::numbers::{NotifyType, Protocol};
use handfast_wire::v2::{Ke, Nonce, Notify, Payload, PayloadChain};

use crate::child::sa::{ChildSa, DirectedKeys, KeyInput, derive};
use crate::context::{Asker, Context};
use crate::event::Event;
use crate::input::Answer;
use crate::output::{Output, Question, Ticket};
use crate::refusal::{Cause, Party, Refusal};
use crate::time::Instant;
use crate::v2::child_offer::Asked;
use crate::v2::established::Established;
use crate::v2::exchange::collision::{self, Fate};
use crate::v2::exchange::{Work, create_child};
use crate::v2::message::Parsed;
use crate::v2::state::{Sa, record};

/// A key pair for the fresh key exchange, with its group.
type Fresh = (Group, Box<dyn EphemeralKey>);

/// What our request said, until its answer is there.
pub(crate) struct Request {
    pub aim: Aim,
    ni: Vec<u8>,
    fresh: Option<Fresh>,
    asked: Asked,
    /// When it was sent.
    began: Instant,
}

impl Request {
    /// The SPI that we would receive on.
    pub fn spi_in(&self) -> u32 {
        self.asked.spi_in()
    }
}

/// What the new child is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Aim {
    /// To take the place of this one.
    Replace(ChildId),
    /// The connection's child of this index.
    Further(usize),
}

impl Aim {
    /// The child that is being replaced.
    pub fn old(self) -> Option<ChildId> {
        match self {
            Self::Replace(old) => Some(old),
            Self::Further(_) => None,
        }
    }
}

/// An exchange between messages: it waits for keys or the plane.
pub(crate) struct Working {
    ticket: Ticket,
    aim: Aim,
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

/// Begins. A child that is gone or replaced meanwhile needs no rekey, one that is there already is not made again.
pub(crate) fn begin(this: &mut Established, sa: &Sa, cx: &mut Context, aim: Aim) -> Then {
    let group = match aim {
        // The group of the suite in use, if the exchange before had one; else the first configured.
        Aim::Replace(old) => {
            let Some(child) = this.child(old).filter(|c| !c.replaced) else {
                return Then::Done(None);
            };
            let configured = child.policy.esp.iter().find_map(|p| p.groups.first());
            child.suite.group.or(configured.copied())
        }
        Aim::Further(index) => {
            let Some(policy) = this.missing(index) else {
                this.further_done(index);
                return Then::Done(None);
            };
            policy.esp.iter().find_map(|p| p.groups.first()).copied()
        }
    };
    match group {
        Some(group) => making_key(sa, cx, aim, group),
        None => request(this, sa, cx, aim, None),
    }
}

fn making_key(sa: &Sa, cx: &mut Context, aim: Aim, group: Group) -> Then {
    let ticket = cx.ask(Asker::Sa(sa.slot), Question::GenerateKey(group));
    Then::Wait(Working {
        ticket,
        aim,
        step: Step::MakingKey(group),
    })
}

fn request(this: &mut Established, sa: &Sa, cx: &mut Context, aim: Aim, fresh: Option<Fresh>) -> Then {
    let mut chain = PayloadChain::new();
    let asked = match aim {
        Aim::Replace(old) => {
            let Some(child) = this.child(old).filter(|c| !c.replaced) else {
                return Then::Done(None);
            };
            // REKEY_SA names the SPI that we receive on (section 1.3.3).
            let spi = child.spi_in.to_be_bytes();
            chain.push(&Payload::Notify(Notify {
                protocol: Protocol::ESP,
                spi: &spi,
                notify: NotifyType::REKEY_SA,
                data: &[],
            }));
            Asked::like(child, cx)
        }
        Aim::Further(index) => {
            let Some(policy) = this.missing(index) else {
                this.further_done(index);
                return Then::Done(None);
            };
            match Asked::new(policy, &sa.path, cx) {
                Ok(asked) => asked,
                Err(refusal) => return failed(this, cx, aim, Some(refusal)),
            }
        }
    };
    let ni = cx.rng.bytes::<32>().to_vec();
    asked.push_notifies(&mut chain);
    asked.push_sa(&mut chain, fresh.is_some());
    chain.push(&Payload::Nonce(Nonce { data: &ni }));
    if let Some((group, key)) = &fresh {
        chain.push(&Payload::Ke(Ke {
            group: group.0,
            reserved: 0,
            data: key.public(),
        }));
    }
    asked.push_ts(&mut chain);
    let began = cx.now;
    let request = Request {
        aim,
        ni,
        fresh,
        asked,
        began,
    };
    Then::Send(chain, Box::new(request))
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
    let aim = request.aim;
    let (child, nr, peer) = match read(sa, cx, &request, parsed) {
        Ok(read) => read,
        Err(refusal) => {
            // The peer holds it to be made.
            this.queue.push_back(Work::DeleteSpi(request.asked.spi_in()));
            return failed(this, cx, aim, Some(refusal));
        }
    };
    let child = Box::new(child);
    match request.fresh {
        Some((_, key)) => {
            let ticket = cx.ask(Asker::Sa(sa.slot), Question::Agree { key, peer });
            let step = Step::Agreeing {
                child,
                ni: request.ni,
                nr,
            };
            Then::Wait(Working { ticket, aim, step })
        }
        None => install(this, sa, cx, aim, child, [&request.ni, &nr], None),
    }
}

/// Ours has failed. It is tried again, unless the peer has replaced the child meanwhile.
fn failed(this: &mut Established, cx: &mut Context, aim: Aim, refusal: Option<Refusal>) -> Then {
    match aim {
        Aim::Replace(old) => {
            if !collision::has_rival(this, old) {
                this.rekey_later(cx, old);
            }
            this.rival = None;
        }
        Aim::Further(index) => this.further_later(cx, index),
    }
    Then::Done(refusal)
}

/// The peer refuses: now, or for good (RFC 7296 section 2.25).
fn told(this: &mut Established, sa: &Sa, cx: &mut Context, error: &Notify<'_>, request: &Request) -> Then {
    let aim = request.aim;
    match (error.notify, aim) {
        (NotifyType::TEMPORARY_FAILURE, _) => return failed(this, cx, aim, None),
        (NotifyType::CHILD_SA_NOT_FOUND, Aim::Replace(old)) => {
            this.rival = None;
            create_child::switch(this, sa, cx, |_, of| of == old);
            this.drop_child(sa, cx, old, "the peer does not know it");
            if this.children.is_empty() {
                this.close("the peer does not know the last child SA");
            }
            return Then::Done(None);
        }
        (NotifyType::INVALID_KE_PAYLOAD, _) => {
            let wanted = <[u8; 2]>::try_from(error.data).map(|g| Group(u16::from_be_bytes(g)));
            let sent = request.fresh.as_ref().map(|(group, _)| *group);
            let offered = |g: &Group| request.asked.policy.esp.iter().any(|p| p.groups.contains(g));
            if let Ok(group) = wanted
                && offered(&group)
                && Some(group) != sent
            {
                return making_key(sa, cx, aim, group);
            }
        }
        _ => {}
    }
    failed(this, cx, aim, Some(request.asked.told(error.notify)))
}

/// The answer checked against what we asked for: the new child, Nr and the peer's public value.
fn read(
    sa: &Sa,
    cx: &mut Context,
    request: &Request,
    parsed: &Parsed<'_>,
) -> Result<(ChildSa, Vec<u8>, Vec<u8>), Refusal> {
    let us = |cause| Refusal::new(Party::Us, cause).look_at(&request.asked.policy.place);
    let group = request.fresh.as_ref().map(|(group, _)| *group);
    let mut child = request.asked.accept(sa, cx, parsed, group)?;
    child.took = Some(cx.now.since(request.began));
    let peer = match group {
        Some(group) => {
            let ke = parsed.ke().map_err(us)?;
            if ke.group != group.0 {
                return Err(us(Cause::KeyExchange(format!(
                    "the answer's is in {}, ours in {group}",
                    Group(ke.group)
                ))));
            }
            ke.data.to_vec()
        }
        None => vec![],
    };
    Ok((child, parsed.nonce().map_err(us)?.to_vec(), peer))
}

fn install(
    this: &mut Established,
    sa: &Sa,
    cx: &mut Context,
    aim: Aim,
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
            let refusal = Refusal::new(Party::Us, Cause::Local(e.to_string()));
            return lost(this, cx, aim, &child, refusal);
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
        aim,
        step: Step::Inbound {
            child,
            keys,
            low: collision::lower(nonces),
        },
    })
}

/// The peer has made the new child and we cannot: it is to be deleted there.
fn lost(this: &mut Established, cx: &mut Context, aim: Aim, child: &ChildSa, refusal: Refusal) -> Then {
    this.queue.push_back(Work::DeleteSpi(child.spi_in));
    failed(this, cx, aim, Some(refusal))
}

/// An answer of the driver.
pub(crate) fn on_answer(this: &mut Established, sa: &Sa, cx: &mut Context, working: Working, answer: Answer) -> Then {
    let Working { ticket, aim, step } = working;
    match (step, answer) {
        (Step::MakingKey(group), Answer::Key(Ok(key))) => request(this, sa, cx, aim, Some((group, key))),
        (Step::Agreeing { child, ni, nr }, Answer::Shared(Ok(shared))) => {
            install(this, sa, cx, aim, child, [&ni, &nr], Some(&shared))
        }
        (Step::MakingKey(_), Answer::Key(Err(e))) => {
            let refusal = Refusal::new(Party::Us, Cause::KeyExchange(e.to_string()));
            failed(this, cx, aim, Some(refusal))
        }
        (Step::Agreeing { child, .. }, Answer::Shared(Err(e))) => {
            let refusal = Refusal::new(Party::Us, Cause::KeyExchange(e.to_string()));
            if e.is_the_peers() {
                // RFC 6989 section 2.5: a peer whose value no group has loses the IKE SA.
                this.close(refusal.to_string());
            }
            lost(this, cx, aim, &child, refusal)
        }
        (Step::Inbound { child, .. } | Step::Outbound { child }, Answer::Plane(PlaneReply::Failed(why))) => {
            let refusal = Refusal::new(Party::Us, Cause::Plane(why)).look_at(&child.policy.place);
            this.forget_child(sa, cx, &child, "could not be installed");
            lost(this, cx, aim, &child, refusal)
        }
        (Step::Inbound { child, keys, low }, Answer::Plane(_)) => {
            record(cx, SaDelta::Child(child.facts(sa.id, "installed")));
            if let Aim::Replace(old) = aim
                && collision::decide(this, cx, old, &low) == Fate::Redundant
            {
                collision::close_ours(this, *child);
                return Then::Done(None);
            }
            let op = PlaneOp::InstallOutbound(child.outbound(&keys));
            let ticket = cx.ask(Asker::Sa(sa.slot), Question::Plane(op));
            Then::Wait(Working {
                ticket,
                aim,
                step: Step::Outbound { child },
            })
        }
        (Step::Outbound { mut child }, Answer::Plane(_)) => {
            // The configuration may have been read again meanwhile.
            if child.take_settings(cx, &this.parties.connection) {
                record(cx, SaDelta::Child(child.facts(sa.id, "installed")));
            }
            if let Aim::Replace(old) = aim {
                cx.event(Event::ChildRekeyed {
                    sa: sa.id,
                    old,
                    new: child.id,
                });
            }
            cx.event(child.established_event(sa.id));
            this.children.push(*child);
            match aim {
                Aim::Replace(old) => this.overlap(sa, cx, old),
                Aim::Further(index) => this.further_done(index),
            }
            Then::Done(None)
        }
        (step, _) => Then::Wait(Working { ticket, aim, step }),
    }
}

impl Working {
    /// Whether this answer is the one awaited.
    pub fn awaits(&self, ticket: Ticket) -> bool {
        self.ticket == ticket
    }

    /// The child that is being replaced.
    pub fn old(&self) -> Option<ChildId> {
        self.aim.old()
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
