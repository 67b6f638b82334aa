//! Replacing the IKE SA before it ends (RFC 7296 sections 1.3.2 and 2.8): ours is the request.

use handfast_crypto::proposal::IkeSuite;
use handfast_crypto::provider::EphemeralKey;
use handfast_crypto::transform::Group;
use handfast_wire::header::{ExchangeType, PayloadType, Spi};
use handfast_wire::numbers::NotifyType;
use handfast_wire::v2::{Ke, Nonce, Notify, Payload, PayloadChain, sa};

use crate::context::{Asker, Context, Effect, Reserved};
use crate::input::Answer;
use crate::negotiate;
use crate::output::{Question, Ticket};
use crate::refusal::{Cause, Party, Refusal, listed};
use crate::v2::established::Established;
use crate::v2::exchange::Sent;
use crate::v2::message::Parsed;
use crate::v2::state::{Next, Sa, State};
use crate::v2::succession::Heir;
use crate::v2::window::Turn;

/// What our request said, until its answer is there.
pub(crate) struct Request {
    pub place: Reserved,
    ni: Vec<u8>,
    group: Group,
    key: Box<dyn EphemeralKey>,
}

/// A rekey between messages.
pub(crate) enum Working {
    /// Waiting for a place, and with it our SPI.
    Reserving(Group),
    MakingKey {
        ticket: Ticket,
        place: Reserved,
        group: Group,
    },
    Agreeing(Box<Agreeing>),
}

pub(crate) struct Agreeing {
    ticket: Ticket,
    place: Reserved,
    suite: IkeSuite,
    spi_r: Spi,
    ni: Vec<u8>,
    nr: Vec<u8>,
}

/// What follows a step.
pub(crate) enum Then {
    Wait(Working),
    Send(PayloadChain, Box<Request>),
    /// The new SA has its keys.
    Made(Box<Heir>),
    /// Not now; and why, if its owner should know.
    GiveUp(Option<Refusal>),
    /// The peer holds a new SA that we cannot have.
    Broken(Refusal),
}

/// Gives the place back and tries again later.
pub(crate) fn give_up(cx: &mut Context, place: &Reserved, refusal: Option<Refusal>) -> Then {
    let Reserved { slot, id, .. } = *place;
    cx.effects.push(Effect::Release { slot, id });
    Then::GiveUp(refusal)
}

impl Established {
    pub fn begin_ike_rekey(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        // A child that the peer is making would fall between the two SAs (section 2.25.2).
        if self.incoming.is_some() || self.incoming_ike.is_some() || self.succession.over {
            self.rekey_ike_later(cx);
            return self.next_request(sa, cx);
        }
        // The group in use, the peer agreed to it before.
        self.turn = Turn::RekeyingIke(Working::Reserving(self.channel.suite.group));
        cx.effects.push(Effect::Reserve {
            by: sa.slot,
            peer: None,
        });
        Ok(State::Established(self))
    }

    /// The place is there.
    pub fn on_reserved(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, place: Reserved) -> Next {
        if !place.initiator {
            return self.on_reserved_for_peer(sa, cx, place);
        }
        match self.turn {
            Turn::RekeyingIke(Working::Reserving(group)) => {
                self.turn = Turn::RekeyingIke(make_key(sa, cx, place, group));
            }
            _ => {
                let Reserved { slot, id, .. } = place;
                cx.effects.push(Effect::Release { slot, id });
            }
        }
        Ok(State::Established(self))
    }

    /// An answer of the driver for a rekey of the IKE SA, ours or the peer's. Others' answers are handed back.
    pub fn on_ike_answer(
        self: Box<Self>,
        sa: &mut Sa,
        cx: &mut Context,
        ticket: Ticket,
        answer: Answer,
    ) -> Result<Next, (Box<Self>, Answer)> {
        match self.on_incoming_ike_answer(sa, cx, ticket, answer) {
            Ok(next) => Ok(next),
            Err((this, answer)) => this.on_own_ike_answer(sa, cx, ticket, answer),
        }
    }

    /// An answer of the driver for a rekey of ours. Others' answers are handed back.
    fn on_own_ike_answer(
        mut self: Box<Self>,
        sa: &mut Sa,
        cx: &mut Context,
        ticket: Ticket,
        answer: Answer,
    ) -> Result<Next, (Box<Self>, Answer)> {
        match std::mem::replace(&mut self.turn, Turn::Idle) {
            Turn::RekeyingIke(working) if working.awaits(ticket) => {
                let then = on_answer(&self, cx, working, answer);
                Ok(self.follow_ike(sa, cx, then))
            }
            turn => {
                self.turn = turn;
                Err((self, answer))
            }
        }
    }

    pub fn follow_ike(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, then: Then) -> Next {
        let mut refusal = None;
        match then {
            Then::Wait(working) => {
                self.turn = Turn::RekeyingIke(working);
                return Ok(State::Established(self));
            }
            Then::Send(chain, request) => {
                let sent = Sent::RekeyIke(request);
                return self.send_request(sa, cx, ExchangeType::CREATE_CHILD_SA, &chain, sent);
            }
            Then::Made(heir) => self.succession.ours = Some(heir),
            Then::GiveUp(why) => {
                // Where the peer's rekey has come through, ours is not missed.
                let missed = self.succession.theirs.is_none() && self.incoming_ike.is_none();
                refusal = why.filter(|_| missed);
                if missed {
                    self.rekey_ike_later(cx);
                }
            }
            // The old SA is of no use to either (section 2.21; for a bad public value RFC 6989 section 2.5).
            Then::Broken(why) => {
                self.close(why.to_string());
                refusal = Some(why);
            }
        }
        self.turn = Turn::Idle;
        self.settle(sa, cx);
        match (self.next_request(sa, cx), refusal) {
            (Ok(state), Some(refusal)) => Err(Box::new((state, refusal))),
            (next, _) => next,
        }
    }

    /// The peer is first with a rekey, and ours has not been sent: ours is dropped.
    pub fn forgo_ike_rekey(&mut self, cx: &mut Context) {
        let place = match &self.turn {
            Turn::RekeyingIke(Working::Reserving(_)) => None,
            Turn::RekeyingIke(Working::MakingKey { place, .. }) => Some(*place),
            _ => return,
        };
        if let Some(Reserved { slot, id, .. }) = place {
            cx.effects.push(Effect::Release { slot, id });
        }
        self.turn = Turn::Idle;
    }
}

fn make_key(sa: &Sa, cx: &mut Context, place: Reserved, group: Group) -> Working {
    let ticket = cx.ask(Asker::Sa(sa.slot), Question::GenerateKey(group));
    Working::MakingKey { ticket, place, group }
}

fn request(this: &Established, cx: &mut Context, place: Reserved, group: Group, key: Box<dyn EphemeralKey>) -> Then {
    let ni = cx.rng.bytes::<32>().to_vec();
    let mut chain = PayloadChain::new();
    // "SPI Size field is set to 8" when an IKE SA is rekeyed, and the new SPI stands in the proposal (section 3.3.1).
    let offers = negotiate::ike_defs(&this.parties.connection.ike, &place.spi.0);
    chain.push_raw(PayloadType::SA, false, &sa::encode(&offers));
    chain.push(&Payload::Nonce(Nonce { data: &ni }));
    chain.push(&Payload::Ke(Ke {
        group: group.0,
        reserved: 0,
        data: key.public(),
    }));
    Then::Send(chain, Box::new(Request { place, ni, group, key }))
}

/// The peer's answer to our request.
pub(crate) fn on_response(
    this: &Established,
    sa: &Sa,
    cx: &mut Context,
    request: Request,
    parsed: &Parsed<'_>,
) -> Then {
    if let Some(error) = parsed.error() {
        return told(this, sa, cx, error, &request);
    }
    match read(this, &request, parsed) {
        Ok((suite, spi_r, nr, peer)) => {
            let Request { place, ni, key, .. } = request;
            let ticket = cx.ask(Asker::Sa(sa.slot), Question::Agree { key, peer });
            Then::Wait(Working::Agreeing(Box::new(Agreeing {
                ticket,
                place,
                suite,
                spi_r,
                ni,
                nr,
            })))
        }
        Err(cause) => {
            give_up(cx, &request.place, None);
            Then::Broken(Refusal::new(Party::Us, cause).look_at(&this.parties.connection.place))
        }
    }
}

/// The peer refuses: now, or for good (section 2.25).
fn told(this: &Established, sa: &Sa, cx: &mut Context, error: &Notify<'_>, request: &Request) -> Then {
    let connection = &this.parties.connection;
    match error.notify {
        NotifyType::TEMPORARY_FAILURE => return give_up(cx, &request.place, None),
        NotifyType::INVALID_KE_PAYLOAD => {
            let wanted = <[u8; 2]>::try_from(error.data).map(|g| Group(u16::from_be_bytes(g)));
            let offered = |g: &Group| connection.ike.iter().any(|p| p.groups.contains(g));
            if let Ok(group) = wanted
                && offered(&group)
                && group != request.group
            {
                return Then::Wait(make_key(sa, cx, request.place, group));
            }
        }
        _ => {}
    }
    let refusal = Refusal::new(Party::Peer, Cause::Notified(error.notify))
        .offered(listed(&connection.ike, ToString::to_string))
        .look_at(connection.place.of(&["ike"]));
    give_up(cx, &request.place, Some(refusal))
}

/// What of the answer counts: the suite, the peer's SPI, Nr and the peer's public value.
type Answered = (IkeSuite, Spi, Vec<u8>, Vec<u8>);

fn read(this: &Established, request: &Request, parsed: &Parsed<'_>) -> Result<Answered, Cause> {
    let offers = negotiate::read(&parsed.sa()?).map_err(|e| Cause::Syntax(e.to_string()))?;
    let choice = negotiate::accept_ike(&offers, &this.parties.connection.ike).ok_or(Cause::NoIkeProposal)?;
    let ke = parsed.ke()?;
    if ke.group != request.group.0 || choice.suite.group != request.group {
        let text = format!("the answer's is in {}, ours in {}", Group(ke.group), request.group);
        return Err(Cause::KeyExchange(text));
    }
    Ok((
        choice.suite,
        spi(&choice.spi)?,
        parsed.nonce()?.to_vec(),
        ke.data.to_vec(),
    ))
}

/// The peer's SPI for the new SA: eight octets, not all zero.
pub(super) fn spi(octets: &[u8]) -> Result<Spi, Cause> {
    let spi = <[u8; 8]>::try_from(octets).map(Spi);
    spi.ok()
        .filter(|spi| !spi.is_zero())
        .ok_or_else(|| Cause::Syntax("the new IKE SPI is not eight octets, or zero".into()))
}

fn on_answer(this: &Established, cx: &mut Context, working: Working, answer: Answer) -> Then {
    let connection = &this.parties.connection;
    let us = |e: String| Refusal::new(Party::Us, Cause::KeyExchange(e)).look_at(&connection.place);
    match (working, answer) {
        (Working::MakingKey { place, group, .. }, Answer::Key(Ok(key))) => request(this, cx, place, group, key),
        (Working::MakingKey { place, .. }, Answer::Key(Err(e))) => give_up(cx, &place, Some(us(e.to_string()))),
        (Working::Agreeing(a), Answer::Shared(shared)) => {
            let Agreeing {
                place,
                suite,
                spi_r,
                ni,
                nr,
                ..
            } = *a;
            let spis = (place.spi, spi_r);
            let channel = shared.and_then(|shared| {
                this.channel
                    .successor(cx.provider, suite, true, spis, (&ni, &nr), &shared)
            });
            match channel {
                Ok(channel) => Then::Made(Box::new(Heir::new(place, spis, channel, ni, nr, cx))),
                Err(e) => {
                    give_up(cx, &place, None);
                    Then::Broken(us(e.to_string()))
                }
            }
        }
        (working, _) => Then::Wait(working),
    }
}

impl Working {
    fn awaits(&self, asked: Ticket) -> bool {
        match self {
            Self::Reserving(_) => false,
            Self::MakingKey { ticket, .. } => *ticket == asked,
            Self::Agreeing(a) => a.ticket == asked,
        }
    }

    /// The peer has answered our request: its own, if it comes now, is too late.
    pub fn is_answered(&self) -> bool {
        matches!(self, Self::Agreeing(_))
    }
}
