//! The states of an ISAKMP SA (RFC 2409 section 5).
//!
//! ```text
//! main mode, initiator    Offered -> MakingKey -> Exchanged -> Agreeing -> [Signing] -> Proving -> [Judging] --+
//! main mode, responder    Answered -> Responding -> Ready -> [Judging] -> [Signing] ---------------------------+
//! aggressive, initiator   MakingKey -> Sent -> Agreeing -> [Judging] -> [Signing] -----------------------------+
//! aggressive, responder   Responding -> [Signing] -> Answered -> [Judging] ------------------------------------+
//!                                                                                    Gone <- Established <-----+
//! ```
//!
//! Those in brackets are for signatures only; each mode has its own. Kerberos has its own states in main mode, and in
//! aggressive mode (`aggressive_kerberos.rs`) those that wait for it:
//!
//! ```text
//! initiator  Preparing -> Offered ... Agreeing -> Stepping <-> Proving -> Established
//! responder  Readying -> Answered -> Responding -> Accepting -> Ready <-> Stepping, Ready -> Established
//! ```
//!
//! Every state may also end in `Gone`.

use std::borrow::Cow;
use std::sync::Arc;

use handfast_crypto::proposal::IkeSuite;
use handfast_wire::numbers::v1::AuthMethod;
use handfast_wire::v1::Message;

use crate::context::Context;
use crate::datagrams::Datagrams;
use crate::endpoint::timers::Reason;
use crate::input::Answer;
use crate::output::Ticket;
use crate::policy::{Connection, Method};
use crate::refusal::{Cause, Party, Refusal};
use crate::retransmit::{Due, Pending};
use crate::time::Instant;
use crate::v1::auth::Exchanged;
use crate::v1::certificates::Wishes;
use crate::v1::established::Established;
use crate::v1::first_message::Readying;
use crate::v1::fragment::Cut;
use crate::v1::isakmp::Isakmp;
use crate::v1::kerberos::Gss;
use crate::v1::vendor::Abilities;
use crate::v1::{
    aggressive, aggressive_kerberos, aggressive_responder, kerberos_initiator, kerberos_responder, main_initiator,
    main_responder, proposals,
};

pub(crate) use crate::sa::{Gone, Parties, Sa, record};

/// A state method's outcome.
pub(crate) type Next = crate::sa::Next<State>;

/// See the module's diagram.
pub(crate) enum State {
    MainOffered(Box<main_initiator::Offered>),
    MainMakingKey(Box<main_initiator::MakingKey>),
    MainExchanged(Box<main_initiator::Exchanged>),
    MainAgreeing(Box<main_initiator::Agreeing>),
    MainSigning(Box<main_initiator::Signing>),
    MainProving(Box<main_initiator::Proving>),
    MainJudging(Box<main_initiator::Judging>),
    MainAnswered(Box<main_responder::Answered>),
    MainResponding(Box<main_responder::Responding>),
    MainReady(Box<main_responder::Ready>),
    MainReadyJudging(Box<main_responder::Judging>),
    MainReadySigning(Box<main_responder::Signing>),
    AggressiveStepping(Box<aggressive_kerberos::Stepping>),
    AggressiveReadying(Box<Readying<aggressive_responder::FirstMessage>>),
    AggressiveAccepting(Box<aggressive_kerberos::Accepting>),
    KerberosPreparing(Box<kerberos_initiator::Preparing>),
    KerberosStepping(Box<kerberos_initiator::Stepping>),
    KerberosProving(Box<kerberos_initiator::Proving>),
    KerberosReadying(Box<Readying<main_responder::FirstMessage>>),
    KerberosAccepting(Box<kerberos_responder::Accepting>),
    KerberosReady(Box<kerberos_responder::Ready>),
    KerberosReadyStepping(Box<kerberos_responder::Stepping>),
    AggressiveMakingKey(Box<aggressive::MakingKey>),
    AggressiveSent(Box<aggressive::Sent>),
    AggressiveAgreeing(Box<aggressive::Agreeing>),
    AggressiveJudging(Box<aggressive::Judging>),
    AggressiveSigning(Box<aggressive::Signing>),
    AggressiveResponding(Box<aggressive_responder::Responding>),
    AggressiveAnswering(Box<aggressive_responder::Signing>),
    AggressiveAnswered(Box<aggressive_responder::Answered>),
    AggressiveAnsweredJudging(Box<aggressive_responder::Judging>),
    Established(Box<Established>),
    Gone(Gone),
}

/// Ends with a refusal.
pub(crate) fn refuse(refusal: Refusal) -> Next {
    Err(Box::new((gone(refusal.to_string()), refusal)))
}

/// Ends without one.
pub(crate) fn gone(reason: impl Into<Cow<'static, str>>) -> State {
    State::Gone(Gone { reason: reason.into() })
}

/// The peer's last message and our answer to it: if it comes again, so does the answer, and nothing runs twice.
#[derive(Clone, Default)]
pub(crate) struct Last {
    pub received: Vec<u8>,
    pub answer: Option<Datagrams>,
}

impl Last {
    pub fn new(received: impl Into<Vec<u8>>, answer: impl Into<Datagrams>) -> Self {
        Self {
            received: received.into(),
            answer: Some(answer.into()),
        }
    }

    /// There was nothing to answer.
    pub fn unanswered(received: impl Into<Vec<u8>>) -> Self {
        Self {
            received: received.into(),
            answer: None,
        }
    }

    /// Answers a repetition; returns whether it was one.
    pub fn answers(&self, sa: &mut Sa, cx: &mut Context, message: &[u8]) -> bool {
        let repeated = self.received == message;
        match &self.answer {
            Some(answer) if repeated => {
                sa.resend(cx, answer.clone());
                true
            }
            _ => false,
        }
    }
}

/// What is agreed once the SA payloads have been exchanged.
pub(crate) struct Chosen {
    pub connection: Arc<Connection>,
    pub suite: IkeSuite,
    /// Body of the initiator's SA payload, which HASH_I and HASH_R cover.
    pub sai_b: Vec<u8>,
    /// How both prove themselves.
    pub way: AuthMethod,
    pub abilities: Abilities,
    /// Whose certificates the peer asks for.
    pub wishes: Wishes,
    /// Kerberos, if that is the way.
    pub kerberos: Option<Box<Gss>>,
}

impl Chosen {
    pub fn method(&self) -> Method {
        proposals::method_of(self.way)
    }

    /// How messages leave that the peer may get in fragments.
    pub fn cut(&self) -> Cut {
        self.abilities.cut(&self.connection)
    }
}

/// What both sides have once the public values are exchanged.
pub(crate) struct Keyed {
    pub chosen: Chosen,
    pub isakmp: Isakmp,
    pub publics: Exchanged,
}

/// A message of ours that waits for its answer, and what anyone may have sent meanwhile: a complaint counts only if
/// nothing better comes before the next retransmission, for it is not authenticated.
pub(crate) struct Waiting {
    pub pending: Pending,
    complaint: Option<Refusal>,
    waiting_for: &'static str,
}

/// What a waiting state does when its time comes.
pub(crate) enum Overdue {
    Wait,
    End(Box<Refusal>),
}

impl Waiting {
    pub fn new(cx: &Context, connection: &Connection, bytes: impl Into<Datagrams>, waiting_for: &'static str) -> Self {
        Self {
            pending: Pending::new(bytes, cx.now, connection.retransmit),
            complaint: None,
            waiting_for,
        }
    }

    pub fn complain(&mut self, refusal: Refusal) {
        self.complaint = Some(refusal);
    }

    pub fn deadline(&self) -> (Instant, Reason) {
        (self.pending.due, Reason::Retransmit)
    }

    /// It could not leave: whoever waits for the connection hears why at once. One that is sent again may fail, as it may
    /// be lost anywhere.
    pub fn unsent(&self, sa: &Sa, connection: &Connection, why: &str) -> Option<Refusal> {
        if self.pending.sent > 1 {
            return None;
        }
        let cause = Cause::Local(format!("nothing can be sent to {}: {why}", sa.path.remote));
        Some(Refusal::new(Party::Us, cause).look_at(&connection.place))
    }

    pub fn on_timer(&mut self, sa: &mut Sa, cx: &mut Context, connection: &Connection) -> Overdue {
        if cx.now < self.pending.due {
            return Overdue::Wait;
        }
        if let Some(refusal) = self.complaint.take() {
            return Overdue::End(Box::new(refusal));
        }
        match self.pending.poll(cx.now) {
            Due::Wait => {}
            Due::Again => send_again(sa, cx, &self.pending),
            Due::GiveUp => {
                let cause = Cause::Timeout {
                    waiting_for: self.waiting_for,
                    sent: self.pending.sent,
                };
                let refusal = Refusal::new(Party::Peer, cause).look_at(&connection.place);
                return Overdue::End(Box::new(refusal));
            }
        }
        Overdue::Wait
    }
}

/// Sends a message once more and says so.
pub(crate) fn send_again(sa: &mut Sa, cx: &mut Context, pending: &Pending) {
    cx.event(crate::event::Event::Retransmitted {
        sa: sa.id,
        attempt: pending.sent - 1,
        next_in: pending.due.since(cx.now),
    });
    sa.resend(cx, pending.bytes.clone());
}

impl State {
    pub fn on_message(self, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        match self {
            Self::MainOffered(s) => s.on_message(sa, cx, message),
            Self::MainExchanged(s) => s.on_message(sa, cx, message),
            Self::MainProving(s) => s.on_message(sa, cx, message),
            Self::MainAnswered(s) => s.on_message(sa, cx, message),
            Self::MainReady(s) => s.on_message(sa, cx, message),
            Self::KerberosProving(s) => s.on_message(sa, cx, message),
            Self::KerberosReady(s) => s.on_message(sa, cx, message),
            Self::AggressiveSent(s) => s.on_message(sa, cx, message),
            Self::AggressiveAnswered(s) => s.on_message(sa, cx, message),
            Self::AggressiveAnsweredJudging(s) => s.on_message(sa, cx, message),
            Self::Established(s) => s.on_message(sa, cx, message),
            other => {
                sa.dropped(cx, "message not expected in this state");
                Ok(other)
            }
        }
    }

    pub fn on_answer(self, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        match self {
            Self::MainMakingKey(s) => s.on_answer(sa, cx, ticket, answer),
            Self::MainAgreeing(s) => s.on_answer(sa, cx, ticket, answer),
            Self::MainResponding(s) => s.on_answer(sa, cx, ticket, answer),
            Self::AggressiveMakingKey(s) => s.on_answer(sa, cx, ticket, answer),
            Self::AggressiveAgreeing(s) => s.on_answer(sa, cx, ticket, answer),
            Self::AggressiveResponding(s) => s.on_answer(sa, cx, ticket, answer),
            Self::MainSigning(s) => s.on_answer(sa, cx, ticket, answer),
            Self::AggressiveStepping(s) => s.on_answer(sa, cx, ticket, answer),
            Self::AggressiveReadying(s) => s.on_answer(sa, cx, ticket, answer),
            Self::AggressiveAccepting(s) => s.on_answer(sa, cx, ticket, answer),
            Self::KerberosPreparing(s) => s.on_answer(sa, cx, ticket, answer),
            Self::KerberosStepping(s) => s.on_answer(sa, cx, ticket, answer),
            Self::KerberosReadying(s) => s.on_answer(sa, cx, ticket, answer),
            Self::KerberosAccepting(s) => s.on_answer(sa, cx, ticket, answer),
            Self::KerberosReadyStepping(s) => s.on_answer(sa, cx, ticket, answer),
            Self::MainJudging(s) => s.on_answer(sa, cx, ticket, answer),
            Self::MainReadyJudging(s) => s.on_answer(sa, cx, ticket, answer),
            Self::MainReadySigning(s) => s.on_answer(sa, cx, ticket, answer),
            Self::AggressiveJudging(s) => s.on_answer(sa, cx, ticket, answer),
            Self::AggressiveSigning(s) => s.on_answer(sa, cx, ticket, answer),
            Self::AggressiveAnswering(s) => s.on_answer(sa, cx, ticket, answer),
            Self::AggressiveAnsweredJudging(s) => s.on_answer(sa, cx, ticket, answer),
            Self::Established(s) => s.on_answer(sa, cx, ticket, answer),
            other => Ok(other),
        }
    }

    pub fn on_timer(self, sa: &mut Sa, cx: &mut Context) -> Next {
        match self {
            Self::MainOffered(s) => s.on_timer(sa, cx),
            Self::MainExchanged(s) => s.on_timer(sa, cx),
            Self::MainProving(s) => s.on_timer(sa, cx),
            Self::MainAnswered(s) => s.on_timer(cx),
            Self::MainReady(s) => s.on_timer(cx),
            Self::AggressiveSent(s) => s.on_timer(sa, cx),
            Self::AggressiveAnswered(s) => s.on_timer(cx),
            Self::KerberosProving(s) => s.on_timer(sa, cx),
            late @ (Self::AggressiveReadying(_)
            | Self::AggressiveAccepting(_)
            | Self::KerberosReadying(_)
            | Self::KerberosAccepting(_)
            | Self::KerberosReady(_)
            | Self::KerberosReadyStepping(_)
            | Self::MainReadyJudging(_)
            | Self::MainReadySigning(_)
            | Self::AggressiveAnswering(_)
            | Self::AggressiveAnsweredJudging(_)) => match late.deadline(sa) {
                Some((at, _)) if cx.now >= at => Ok(gone("authentication took too long here")),
                _ => Ok(late),
            },
            Self::Established(s) => s.on_timer(sa, cx),
            other => Ok(other),
        }
    }

    pub fn deadline(&self, sa: &Sa) -> Option<(Instant, Reason)> {
        match self {
            Self::MainOffered(s) => Some(s.waiting.deadline()),
            Self::MainExchanged(s) => Some(s.waiting.deadline()),
            Self::MainProving(s) => Some(s.waiting.deadline()),
            Self::MainAnswered(s) => Some((s.expires, Reason::HalfOpen)),
            Self::MainReady(s) => Some((s.expires, Reason::HalfOpen)),
            Self::AggressiveSent(s) => Some(s.waiting.deadline()),
            Self::AggressiveAnswered(s) => Some((s.expires, Reason::HalfOpen)),
            Self::MainReadyJudging(s) => Some((s.expires(), Reason::HalfOpen)),
            Self::KerberosProving(s) => Some(s.waiting.deadline()),
            Self::AggressiveReadying(s) => Some((s.expires, Reason::HalfOpen)),
            Self::AggressiveAccepting(s) => Some((s.expires, Reason::HalfOpen)),
            Self::KerberosReadying(s) => Some((s.expires, Reason::HalfOpen)),
            Self::KerberosAccepting(s) => Some((s.expires, Reason::HalfOpen)),
            Self::KerberosReady(s) => Some((s.expires, Reason::HalfOpen)),
            Self::KerberosReadyStepping(s) => Some((s.expires(), Reason::HalfOpen)),
            Self::MainReadySigning(s) => Some((s.expires(), Reason::HalfOpen)),
            Self::AggressiveAnswering(s) => Some((s.expires, Reason::HalfOpen)),
            Self::AggressiveAnsweredJudging(s) => Some((s.expires(), Reason::HalfOpen)),
            Self::Established(s) => s.deadline(sa),
            // These wait for an answer of the driver.
            Self::MainMakingKey(_)
            | Self::MainAgreeing(_)
            | Self::MainSigning(_)
            | Self::MainJudging(_)
            | Self::AggressiveStepping(_)
            | Self::KerberosPreparing(_)
            | Self::KerberosStepping(_)
            | Self::MainResponding(_)
            | Self::AggressiveMakingKey(_)
            | Self::AggressiveAgreeing(_)
            | Self::AggressiveJudging(_)
            | Self::AggressiveSigning(_)
            | Self::AggressiveResponding(_)
            | Self::Gone(_) => None,
        }
    }

    /// The connection, where the state knows it for sure.
    pub fn connection(&self) -> Option<&Arc<Connection>> {
        match self {
            Self::MainOffered(s) => Some(&s.connection),
            Self::MainMakingKey(s) => Some(&s.chosen.connection),
            Self::MainExchanged(s) => Some(&s.chosen.connection),
            Self::MainAgreeing(s) => Some(&s.chosen.connection),
            Self::MainProving(s) => Some(&s.keyed.chosen.connection),
            Self::AggressiveMakingKey(s) => Some(&s.connection),
            Self::AggressiveSent(s) => Some(&s.connection),
            Self::AggressiveAgreeing(s) => Some(&s.chosen.connection),
            Self::MainSigning(s) => Some(&s.keyed.chosen.connection),
            Self::KerberosPreparing(s) => Some(&s.connection),
            Self::KerberosStepping(s) => Some(&s.keyed.chosen.connection),
            Self::AggressiveStepping(s) => Some(&s.keyed.chosen.connection),
            Self::KerberosProving(s) => Some(&s.keyed.chosen.connection),
            Self::MainJudging(s) => Some(&s.proving.keyed.chosen.connection),
            Self::AggressiveJudging(s) => Some(&s.keyed.chosen.connection),
            Self::AggressiveSigning(s) => Some(&s.keyed.chosen.connection),
            Self::Established(s) => Some(&s.parties.connection),
            Self::MainAnswered(_)
            | Self::MainResponding(_)
            | Self::MainReady(_)
            | Self::MainReadyJudging(_)
            | Self::MainReadySigning(_)
            | Self::KerberosReadying(_)
            | Self::KerberosAccepting(_)
            | Self::KerberosReady(_)
            | Self::KerberosReadyStepping(_)
            | Self::AggressiveReadying(_)
            | Self::AggressiveAccepting(_)
            | Self::AggressiveResponding(_)
            | Self::AggressiveAnswering(_)
            | Self::AggressiveAnswered(_)
            | Self::AggressiveAnsweredJudging(_)
            | Self::Gone(_) => None,
        }
    }

    /// A peer that has not proved itself.
    pub fn is_half_open(&self) -> bool {
        matches!(
            self,
            Self::MainAnswered(_)
                | Self::MainResponding(_)
                | Self::MainReady(_)
                | Self::MainReadyJudging(_)
                | Self::MainReadySigning(_)
                | Self::AggressiveReadying(_)
                | Self::AggressiveAccepting(_)
                | Self::KerberosReadying(_)
                | Self::KerberosAccepting(_)
                | Self::KerberosReady(_)
                | Self::KerberosReadyStepping(_)
                | Self::AggressiveResponding(_)
                | Self::AggressiveAnswering(_)
                | Self::AggressiveAnswered(_)
                | Self::AggressiveAnsweredJudging(_)
        )
    }

    /// An attempt of ours that has not come to our proof.
    pub fn is_unheard(&self) -> bool {
        matches!(
            self,
            Self::MainOffered(_)
                | Self::MainMakingKey(_)
                | Self::MainExchanged(_)
                | Self::MainAgreeing(_)
                | Self::MainSigning(_)
                | Self::KerberosPreparing(_)
                | Self::KerberosStepping(_)
                | Self::AggressiveStepping(_)
                | Self::AggressiveMakingKey(_)
                | Self::AggressiveSent(_)
                | Self::AggressiveAgreeing(_)
        )
    }
}
