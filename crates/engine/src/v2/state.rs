//! The states of an IKEv2 SA.
//!
//! ```text
//! initiator   MakingKey -> InitSent -> Agreeing -> [Signing] -> AuthSent -> [JudgingResponder] -+
//!               ^  INVALID_KE, COOKIE |                                                         |
//!               +---------------------+               +-----------------------------------------+
//!                                                     +-> Installing -> Established -> Closing -> Gone
//! responder   Responding -> HalfOpen -> [JudgingInitiator] -> [Granting] -+
//! ```
//!
//! Those in brackets are for certificates only.
//!
//! A rekey makes `Reserved -> Established`. Every state may also end in `Gone`. A state holds exactly what is known in it.

use std::borrow::Cow;
use std::sync::Arc;

use crate::endpoint::timers::Reason;
use crate::policy::Connection;
use crate::refusal::Refusal;
use crate::time::Instant;
use crate::v2::auth_initiator::AuthSent;
use crate::v2::auth_pending::{GrantingSigned, JudgingInitiator, JudgingResponder, Signing};
use crate::v2::auth_responder::HalfOpen;
use crate::v2::established::Established;
use crate::v2::install::Installing;
use crate::v2::sa_init::{Agreeing, InitSent, MakingKey};
use crate::v2::sa_init_responder::Responding;

pub(crate) use crate::sa::{Gone, Parties, Sa, record};

/// See the module's diagram.
pub(crate) enum State {
    MakingKey(Box<MakingKey>),
    InitSent(Box<InitSent>),
    Agreeing(Box<Agreeing>),
    Signing(Box<Signing>),
    AuthSent(Box<AuthSent>),
    JudgingResponder(Box<JudgingResponder>),
    Responding(Box<Responding>),
    HalfOpen(Box<HalfOpen>),
    JudgingInitiator(Box<JudgingInitiator>),
    Granting(Box<GrantingSigned>),
    Installing(Box<Installing>),
    Established(Box<Established>),
    /// A place kept for the SA that a rekey is to make.
    Reserved,
    Gone(Gone),
}

/// A state method's outcome.
pub(crate) type Next = crate::sa::Next<State>;

/// Ends with a refusal.
pub(crate) fn refuse(refusal: Refusal) -> Next {
    Err(Box::new((
        State::Gone(Gone {
            reason: refusal.to_string().into(),
        }),
        refusal,
    )))
}

/// Ends without one.
pub(crate) fn gone(reason: impl Into<Cow<'static, str>>) -> State {
    State::Gone(Gone { reason: reason.into() })
}

impl State {
    pub fn deadline(&self, sa: &Sa) -> Option<(Instant, Reason)> {
        match self {
            Self::InitSent(s) => Some(s.deadline()),
            Self::AuthSent(s) => Some(s.deadline()),
            Self::JudgingResponder(s) => s.sent.leaves_at(),
            Self::HalfOpen(s) => Some((s.expires, Reason::HalfOpen)),
            Self::JudgingInitiator(s) => Some((s.half.expires, Reason::HalfOpen)),
            Self::Granting(s) => Some((s.0.expires(), Reason::HalfOpen)),
            Self::Established(s) => s.deadline(sa),
            // These wait for an answer of the driver.
            Self::MakingKey(_)
            | Self::Agreeing(_)
            | Self::Signing(_)
            | Self::Responding(_)
            | Self::Installing(_)
            | Self::Reserved
            | Self::Gone(_) => None,
        }
    }

    /// The connection, where the state knows it.
    pub fn connection(&self) -> Option<&Arc<Connection>> {
        match self {
            Self::MakingKey(s) => Some(&s.connection),
            Self::InitSent(s) => Some(&s.connection),
            Self::Agreeing(s) => Some(&s.connection),
            Self::Signing(s) => Some(&s.from.connection),
            Self::AuthSent(s) => Some(&s.connection),
            Self::JudgingResponder(s) => Some(&s.sent.connection),
            Self::Installing(s) => Some(&s.parties().connection),
            Self::Established(s) => Some(&s.parties.connection),
            Self::Responding(_)
            | Self::HalfOpen(_)
            | Self::JudgingInitiator(_)
            | Self::Granting(_)
            | Self::Reserved
            | Self::Gone(_) => None,
        }
    }

    pub fn is_half_open(&self) -> bool {
        matches!(
            self,
            Self::Responding(_) | Self::HalfOpen(_) | Self::JudgingInitiator(_) | Self::Granting(_)
        )
    }
}
