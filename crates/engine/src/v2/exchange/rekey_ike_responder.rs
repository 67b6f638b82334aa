//! The peer replaces the IKE SA (RFC 7296 sections 1.3.2 and 2.8).

use handfast_crypto::proposal::IkeSuite;
use handfast_crypto::transform::Group;
use handfast_wire::header::{PayloadType, Spi};
use handfast_wire::numbers::NotifyType;
use handfast_wire::v2::{Ke, Nonce, Payload, PayloadChain, sa};

use crate::context::{Asker, Context, Effect, Reserved};
use crate::input::Answer;
use crate::negotiate::{self, Choice, Offer};
use crate::output::{Question, Ticket};
use crate::refusal::{Cause, Party, Refusal, listed};
use crate::v2::established::Established;
use crate::v2::exchange::Sent;
use crate::v2::exchange::rekey_ike::spi;
use crate::v2::message::{Envelope, Parsed, push_notify};
use crate::v2::state::{Next, Sa, State};
use crate::v2::succession::Heir;
use crate::v2::window::Turn;

/// A request of the peer that is being worked on.
pub(crate) struct Incoming {
    envelope: Envelope,
    choice: Choice<IkeSuite>,
    spi_i: Spi,
    ni: Vec<u8>,
    public: Vec<u8>,
    stage: Stage,
}

enum Stage {
    Reserving,
    Responding(Ticket, Reserved),
}

/// What the peer is told, and its owner.
struct No(NotifyType, Vec<u8>, Option<Box<Refusal>>);

impl Established {
    pub fn on_ike_rekey_request(
        mut self: Box<Self>,
        sa: &mut Sa,
        cx: &mut Context,
        envelope: Envelope,
        parsed: &Parsed<'_>,
        offers: &[Offer],
    ) -> Next {
        if self.is_busy_for_ike_rekey() {
            let no = No(NotifyType::TEMPORARY_FAILURE, vec![], None);
            return self.refuse_ike_rekey(sa, cx, envelope, no);
        }
        let (choice, spi_i) = match read(&self, offers, parsed) {
            Ok(read) => read,
            Err(no) => return self.refuse_ike_rekey(sa, cx, envelope, no),
        };
        let values = parsed
            .nonce()
            .and_then(|ni| Ok((ni.to_vec(), parsed.ke()?.data.to_vec())));
        let (ni, public) = match values {
            Ok(values) => values,
            Err(cause) => return self.refuse_ike_rekey(sa, cx, envelope, syntax(cause)),
        };
        self.forgo_ike_rekey(cx);
        self.incoming_ike = Some(Box::new(Incoming {
            envelope,
            choice,
            spi_i,
            ni,
            public,
            stage: Stage::Reserving,
        }));
        cx.effects.push(Effect::Reserve {
            by: sa.slot,
            peer: Some(spi_i),
        });
        Ok(State::Established(self))
    }

    /// Section 2.25.2: while this SA is being closed, while a child of it is being rekeyed or closed, and once the peer
    /// has answered a rekey of ours.
    fn is_busy_for_ike_rekey(&self) -> bool {
        let busy = match &self.turn {
            Turn::Idle => false,
            Turn::Rekeying(_) => true,
            Turn::RekeyingIke(working) => working.is_answered(),
            Turn::Waiting(outstanding) => match outstanding.sent {
                Sent::Probe | Sent::RekeyIke(_) => false,
                Sent::DeleteIke | Sent::Child(_) | Sent::DeleteChild(_) | Sent::DeleteSpi => true,
            },
        };
        busy || self.is_closing() || self.succession.over || self.succession.theirs.is_some()
    }

    pub fn on_reserved_for_peer(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, place: Reserved) -> Next {
        match &mut self.incoming_ike {
            Some(incoming) if matches!(incoming.stage, Stage::Reserving) => {
                let question = Question::Respond {
                    group: incoming.choice.suite.group,
                    peer: std::mem::take(&mut incoming.public),
                };
                incoming.stage = Stage::Responding(cx.ask(Asker::Sa(sa.slot), question), place);
            }
            _ => {
                let Reserved { slot, id, .. } = place;
                cx.effects.push(Effect::Release { slot, id });
            }
        }
        Ok(State::Established(self))
    }

    /// An answer to our question. Others' answers are handed back.
    pub fn on_incoming_ike_answer(
        mut self: Box<Self>,
        sa: &mut Sa,
        cx: &mut Context,
        asked: Ticket,
        answer: Answer,
    ) -> Result<Next, (Box<Self>, Answer)> {
        let ours = |i: &mut Box<Incoming>| matches!(i.stage, Stage::Responding(ticket, _) if ticket == asked);
        let Some(incoming) = self.incoming_ike.take_if(ours) else {
            return Err((self, answer));
        };
        let (Stage::Responding(_, place), Answer::Responded(result)) = (&incoming.stage, answer) else {
            return Ok(Ok(State::Established(self)));
        };
        let (place, suite, spis) = (*place, incoming.choice.suite, (incoming.spi_i, place.spi));
        let nr = cx.rng.bytes::<32>().to_vec();
        let made = result.and_then(|(public, shared)| {
            let nonces = (incoming.ni.as_slice(), nr.as_slice());
            let channel = (self.channel).successor(cx.provider, suite, false, spis, nonces, &shared)?;
            Ok((public, channel))
        });
        Ok(match made {
            Ok((public, channel)) => {
                let mut chain = PayloadChain::new();
                let answer = negotiate::ike_answer(&incoming.choice, &place.spi.0);
                chain.push_raw(PayloadType::SA, false, &sa::encode(&[answer]));
                chain.push(&Payload::Nonce(Nonce { data: &nr }));
                chain.push(&Payload::Ke(Ke {
                    group: suite.group.0,
                    reserved: 0,
                    data: &public,
                }));
                self.respond(sa, cx, incoming.envelope, &chain);
                let heir = Heir::new(place, spis, channel, incoming.ni, nr, cx);
                self.succession.theirs = Some(Box::new(heir));
                self.settle(sa, cx);
                self.next_request(sa, cx)
            }
            Err(e) => {
                let Reserved { slot, id, .. } = place;
                cx.effects.push(Effect::Release { slot, id });
                let mut no = syntax(Cause::KeyExchange(format!("{}: {e}", suite.group)));
                if !e.is_the_peers() {
                    no.0 = NotifyType::NO_ADDITIONAL_SAS;
                }
                self.settle(sa, cx);
                self.refuse_ike_rekey(sa, cx, incoming.envelope, no)
            }
        })
    }

    /// The SA stays as it is unless the request is malformed (section 2.21.3).
    fn refuse_ike_rekey(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context, envelope: Envelope, no: No) -> Next {
        let No(notify, data, refusal) = no;
        if notify == NotifyType::INVALID_SYNTAX
            && let Some(refusal) = refusal
        {
            return self.malformed(sa, cx, envelope, *refusal);
        }
        let mut chain = PayloadChain::new();
        push_notify(&mut chain, notify, &data);
        self.respond(sa, cx, envelope, &chain);
        match (self.next_request(sa, cx), refusal) {
            (Ok(state), Some(refusal)) => Err(Box::new((state, *refusal))),
            (next, _) => next,
        }
    }
}

fn syntax(cause: Cause) -> No {
    No(
        NotifyType::INVALID_SYNTAX,
        vec![],
        Some(Box::new(Refusal::new(Party::Us, cause))),
    )
}

fn read(this: &Established, offers: &[Offer], parsed: &Parsed<'_>) -> Result<(Choice<IkeSuite>, Spi), No> {
    let connection = &this.parties.connection;
    let ke_group = Group(parsed.ke().map_err(syntax)?.group);
    let Some(choice) = negotiate::choose_ike(offers, &connection.ike, ke_group) else {
        let refusal = Refusal::new(Party::Us, Cause::NoIkeProposal)
            .offered(negotiate::describe(offers))
            .acceptable(listed(&connection.ike, ToString::to_string))
            .look_at(connection.place.of(&["ike"]));
        return Err(No(NotifyType::NO_PROPOSAL_CHOSEN, vec![], Some(Box::new(refusal))));
    };
    if choice.suite.group != ke_group {
        // Section 1.3: name the group that we want; the peer asks again.
        let data = choice.suite.group.0.to_be_bytes().to_vec();
        return Err(No(NotifyType::INVALID_KE_PAYLOAD, data, None));
    }
    let spi_i = spi(&choice.spi).map_err(syntax)?;
    Ok((choice, spi_i))
}
