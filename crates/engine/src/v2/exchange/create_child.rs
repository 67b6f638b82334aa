//! CREATE_CHILD_SA of the peer: a further child, or a child that replaces one (RFC 7296 sections 1.3.1, 1.3.3, 2.8).
//!
//! Inbound is installed before the answer leaves. We send on the new SA once the peer does, or once it deletes the old
//! one: only then is it sure that the peer has it.

use handfast_crypto::secret::Secret;
use handfast_crypto::transform::Group;
use handfast_plane::op::{ChildId, PlaneOp, PlaneReply};
use handfast_store::delta::SaDelta;
use handfast_wire::header::PayloadType;
use handfast_wire::numbers::{NotifyType, Protocol};
use handfast_wire::v2::{Ke, Nonce, Notify, Payload, PayloadChain, sa, ts};

use crate::child::sa::{ChildSa, DirectedKeys, KeyInput, derive};
use crate::context::{Asker, Context};
use crate::event::Event;
use crate::input::Answer;
use crate::negotiate;
use crate::output::{Output, Question, Ticket};
use crate::refusal::{Cause, Party, Refusal};
use crate::time::Instant;
use crate::v2::child_choice::{self, Chosen};
use crate::v2::established::Established;
use crate::v2::exchange::collision;
use crate::v2::message::{Envelope, Parsed, push_notify};
use crate::v2::state::{Next, Sa, State, record};

/// A request of the peer that is being worked on.
pub(crate) struct Incoming {
    ticket: Ticket,
    envelope: Envelope,
    wish: Wish,
    stage: Stage,
}

/// What the peer wants and we can give.
struct Wish {
    chosen: Chosen,
    ni: Vec<u8>,
    nr: Vec<u8>,
    replaces: Option<ChildId>,
    /// When the request came.
    began: Instant,
}

enum Stage {
    /// Waiting for the fresh key exchange.
    Agreeing(Group),
    /// Waiting for the plane.
    Installing {
        child: Box<ChildSa>,
        keys: DirectedKeys,
        public: Option<(Group, Vec<u8>)>,
    },
}

/// What the peer is told, and its owner.
struct No {
    notify: NotifyType,
    protocol: Protocol,
    spi: Vec<u8>,
    data: Vec<u8>,
    refusal: Option<Refusal>,
}

impl No {
    fn new(notify: NotifyType, refusal: Refusal) -> Self {
        Self {
            notify,
            protocol: Protocol(0),
            spi: vec![],
            data: vec![],
            refusal: Some(refusal),
        }
    }

    fn quiet(notify: NotifyType) -> Self {
        Self {
            notify,
            protocol: Protocol(0),
            spi: vec![],
            data: vec![],
            refusal: None,
        }
    }
}

/// The peer's request.
pub(crate) fn request(
    mut this: Box<Established>,
    sa: &mut Sa,
    cx: &mut Context,
    envelope: Envelope,
    parsed: &Parsed<'_>,
) -> Next {
    let offers = parsed.sa().ok().and_then(|s| negotiate::read(&s).ok());
    if let Some(offers) = offers.filter(|o| negotiate::is_for_ike(o)) {
        return this.on_ike_rekey_request(sa, cx, envelope, parsed, &offers);
    }
    let wish = match read(&this, sa, cx, parsed) {
        Ok(wish) => wish,
        Err(no) => return refuse(this, sa, cx, envelope, *no),
    };
    let (ticket, stage) = match wish.chosen.choice.suite.group {
        Some(group) => {
            let peer = parsed.ke().map(|ke| ke.data.to_vec()).unwrap_or_default();
            (
                cx.ask(Asker::Sa(sa.slot), Question::Respond { group, peer }),
                Stage::Agreeing(group),
            )
        }
        None => match install(&this, sa, cx, &wish, None, None) {
            Ok(begun) => begun,
            Err(no) => return refuse(this, sa, cx, envelope, *no),
        },
    };
    this.incoming = Some(Box::new(Incoming {
        ticket,
        envelope,
        wish,
        stage,
    }));
    Ok(State::Established(this))
}

/// An answer to one of our questions. Others' answers are handed back.
pub(crate) fn on_answer(
    mut this: Box<Established>,
    sa: &mut Sa,
    cx: &mut Context,
    ticket: Ticket,
    answer: Answer,
) -> Result<Next, (Box<Established>, Answer)> {
    let Some(incoming) = this.incoming.take_if(|i| i.ticket == ticket) else {
        return Err((this, answer));
    };
    let Incoming {
        envelope, wish, stage, ..
    } = *incoming;
    Ok(match (stage, answer) {
        (Stage::Agreeing(group), Answer::Responded(Ok((public, shared)))) => {
            match install(&this, sa, cx, &wish, Some(&shared), Some((group, public))) {
                Ok((ticket, stage)) => {
                    this.incoming = Some(Box::new(Incoming {
                        ticket,
                        envelope,
                        wish,
                        stage,
                    }));
                    Ok(State::Established(this))
                }
                Err(no) => refuse(this, sa, cx, envelope, *no),
            }
        }
        (Stage::Agreeing(_), Answer::Responded(Err(e))) => {
            let refusal = Refusal::new(Party::Us, Cause::KeyExchange(e.to_string()));
            // RFC 6989 section 2.5: a value that no group has ends the IKE SA; our own fault does not.
            let notify = if e.is_the_peers() {
                NotifyType::INVALID_SYNTAX
            } else {
                NotifyType::NO_ADDITIONAL_SAS
            };
            refuse(this, sa, cx, envelope, No::new(notify, refusal))
        }
        (Stage::Installing { child, keys, public }, Answer::Plane(reply)) => match reply {
            PlaneReply::Failed(why) => {
                let refusal = Refusal::new(Party::Us, Cause::Plane(why)).look_at(&wish.chosen.policy.place);
                refuse(this, sa, cx, envelope, No::new(NotifyType::NO_ADDITIONAL_SAS, refusal))
            }
            _ => grant(this, sa, cx, envelope, wish, *child, keys, public),
        },
        (stage, _) => {
            this.incoming = Some(Box::new(Incoming {
                ticket,
                envelope,
                wish,
                stage,
            }));
            Ok(State::Established(this))
        }
    })
}

/// The IKE SA stays unless the request is malformed (RFC 7296 section 2.21.3).
fn refuse(mut this: Box<Established>, sa: &mut Sa, cx: &mut Context, envelope: Envelope, no: No) -> Next {
    if no.notify == NotifyType::INVALID_SYNTAX
        && let Some(refusal) = no.refusal
    {
        return this.malformed(sa, cx, envelope, refusal);
    }
    let mut chain = PayloadChain::new();
    let notify = Notify {
        protocol: no.protocol,
        spi: &no.spi,
        notify: no.notify,
        data: &no.data,
    };
    chain.push(&Payload::Notify(notify));
    this.respond(sa, cx, envelope, &chain);
    match no.refusal {
        Some(refusal) => Err(Box::new((State::Established(this), refusal))),
        None => Ok(State::Established(this)),
    }
}

fn read(this: &Established, sa: &Sa, cx: &mut Context, parsed: &Parsed<'_>) -> Result<Wish, Box<No>> {
    let syntax = |cause| Box::new(No::new(NotifyType::INVALID_SYNTAX, Refusal::new(Party::Us, cause)));
    // Section 2.25: not while this SA is being closed or replaced, nor when we have replaced the child.
    let replacing = this.is_replacing_ike() || this.succession.over;
    if this.is_closing() || replacing || parsed.notify(NotifyType::REKEY_SA).is_some_and(|n| this.retires(n.spi)) {
        return Err(Box::new(No::quiet(NotifyType::TEMPORARY_FAILURE)));
    }
    let request = child_choice::Request::read(parsed).map_err(syntax)?;
    let replaced = match parsed.notify(NotifyType::REKEY_SA) {
        Some(notify) => Some(find_replaced(this, notify)?),
        None => None,
    };
    let connection = &this.parties.connection;
    if replaced.is_none() && this.children.iter().filter(|c| !c.replaced).count() >= connection.max_children {
        let most = connection.max_children;
        let refusal = Refusal::new(Party::Us, Cause::TooManyChildren(most)).look_at(&connection.place);
        return Err(Box::new(No::new(NotifyType::NO_ADDITIONAL_SAS, refusal)));
    }
    let ni = parsed.nonce().map_err(syntax)?.to_vec();
    let ke_group = parsed.ke().ok().map(|ke| Group(ke.group));
    let of_old;
    let policies = match replaced {
        Some(old) => {
            of_old = [old.policy.clone()];
            of_old.as_slice()
        }
        None => connection.children.as_slice(),
    };
    let chosen = request.choose(policies, &sa.path, |policy| {
        negotiate::choose_esp_fresh(&request.offers, &policy.esp, ke_group, cx.provider)
    });
    let chosen = chosen.map_err(|refused| Box::new(No::new(refused.1, refused.0)))?;
    if let Some(group) = chosen.choice.suite.group.filter(|g| Some(*g) != ke_group) {
        // RFC 7296 section 1.3: name the group that we want; the peer asks again.
        let mut no = No::quiet(NotifyType::INVALID_KE_PAYLOAD);
        no.data = group.0.to_be_bytes().to_vec();
        return Err(Box::new(no));
    }
    let nr = cx.rng.bytes::<32>().to_vec();
    Ok(Wish {
        chosen,
        ni,
        nr,
        replaces: replaced.map(|c| c.id),
        began: cx.now,
    })
}

/// REKEY_SA names the SPI that the peer receives on (RFC 7296 section 1.3.3).
fn find_replaced<'e>(this: &'e Established, notify: &Notify<'_>) -> Result<&'e ChildSa, Box<No>> {
    let spi = <[u8; 4]>::try_from(notify.spi).ok().map(u32::from_be_bytes);
    let found = this.children.iter().find(|c| Some(c.spi_out) == spi);
    found.ok_or_else(|| {
        if this.turn.replaces().is_some() {
            // It may be the very one whose answer is on its way to us.
            return Box::new(No::quiet(NotifyType::TEMPORARY_FAILURE));
        }
        let mut no = No::quiet(NotifyType::CHILD_SA_NOT_FOUND);
        (no.protocol, no.spi) = (notify.protocol, notify.spi.to_vec());
        Box::new(no)
    })
}

/// Keys exist: asks the plane for the inbound SA.
fn install(
    this: &Established,
    sa: &Sa,
    cx: &mut Context,
    wish: &Wish,
    shared: Option<&Secret>,
    public: Option<(Group, Vec<u8>)>,
) -> Result<(Ticket, Stage), Box<No>> {
    let fault = |e: String| {
        Box::new(No::new(
            NotifyType::NO_ADDITIONAL_SAS,
            Refusal::new(Party::Us, Cause::Local(e)),
        ))
    };
    let child = ChildSa::granted(cx, sa.path.outer(cx.policy.ports), wish.chosen.clone());
    let input = KeyInput {
        provider: cx.provider,
        prf: this.channel.prf,
        sk_d: &this.channel.keys.sk_d,
        ni: &wish.ni,
        nr: &wish.nr,
        shared,
        initiator: false,
    };
    let keys = derive(&input, &child.suite).map_err(|e| fault(e.to_string()))?;
    if cx.key_log {
        cx.out.extend(child.key_log(&keys).map(Output::KeyLog));
    }
    let ticket = cx.ask(
        Asker::Sa(sa.slot),
        Question::Plane(PlaneOp::InstallInbound(child.inbound(&keys))),
    );
    Ok((
        ticket,
        Stage::Installing {
            child: Box::new(child),
            keys,
            public,
        },
    ))
}

/// Inbound stands: the answer leaves, and outbound waits for the peer's first packet.
#[allow(clippy::too_many_arguments)]
fn grant(
    mut this: Box<Established>,
    sa: &mut Sa,
    cx: &mut Context,
    envelope: Envelope,
    wish: Wish,
    mut child: ChildSa,
    keys: DirectedKeys,
    public: Option<(Group, Vec<u8>)>,
) -> Next {
    // The configuration may have been read again meanwhile.
    child.take_settings(cx, &this.parties.connection);
    child.took = Some(cx.now.since(wish.began));
    record(cx, SaDelta::Child(child.facts(sa.id, "installed")));
    let mut chain = PayloadChain::new();
    wish.chosen.push_notifies(&mut chain);
    let body = sa::encode(&[negotiate::esp_answer(&wish.chosen.choice, child.spi_in)]);
    chain.push_raw(PayloadType::SA, false, &body);
    chain.push(&Payload::Nonce(Nonce { data: &wish.nr }));
    if let Some((group, public)) = &public {
        chain.push(&Payload::Ke(Ke {
            group: group.0,
            reserved: 0,
            data: public,
        }));
    }
    chain.push_raw(PayloadType::TSI, false, &ts::encode(&child.remote_ts));
    chain.push_raw(PayloadType::TSR, false, &ts::encode(&child.local_ts));
    push_notify(&mut chain, NotifyType::ESP_TFC_PADDING_NOT_SUPPORTED, &[]);
    this.respond(sa, cx, envelope, &chain);
    let id = child.id;
    let outbound = child.outbound(&keys);
    match wish.replaces {
        // Ours for the same child was complete first and stays.
        Some(old) if this.child(old).is_none_or(|c| c.replaced) => collision::born_redundant(&mut this, cx, &mut child),
        Some(old) => {
            collision::note(&mut this, old, id, [&wish.ni, &wish.nr]);
            this.held.push((id, old, outbound));
            if let Some(old) = this.children.iter_mut().find(|c| c.id == old) {
                // The peer has replaced it and deletes it.
                old.rekey_at = None;
                old.replaced = true;
                record(cx, SaDelta::Child(old.facts(sa.id, "rekeyed")));
            }
            cx.event(Event::ChildRekeyed {
                sa: sa.id,
                old,
                new: id,
            });
        }
        None => {
            // A further child has no older one to send on meanwhile.
            this.install_outbound(sa, cx, outbound);
        }
    }
    cx.event(child.established_event(sa.id));
    this.children.push(child);
    Ok(State::Established(this))
}

impl Incoming {
    /// What it is to replace, and the nonces of its exchange.
    pub fn replaces(&self) -> Option<(ChildId, [&Vec<u8>; 2])> {
        let wish = &self.wish;
        wish.replaces.map(|old| (old, [&wish.ni, &wish.nr]))
    }

    /// The new child, once the plane was asked for it.
    pub fn made(&self) -> Option<ChildId> {
        if let Stage::Installing { child, .. } = &self.stage {
            Some(child.id)
        } else {
            None
        }
    }
}

/// The peer sends on a new SA, or deletes the old one: now we send on the new one too.
pub(crate) fn switch(this: &mut Established, sa: &Sa, cx: &mut Context, wanted: impl Fn(ChildId, ChildId) -> bool) {
    let (ready, held): (Vec<_>, Vec<_>) = std::mem::take(&mut this.held)
        .into_iter()
        .partition(|(new, old, _)| wanted(*new, *old));
    this.held = held;
    for (_, _, outbound) in ready {
        this.install_outbound(sa, cx, outbound);
    }
}
