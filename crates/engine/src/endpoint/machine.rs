//! The state of an IKE SA of either version, and what happens to it, led to that version.

use std::sync::Arc;

use handfast_plane::op::{ChildId, PlaneEvent};
use handfast_wire::v1::Message as MessageV1;
use handfast_wire::v2::Message;

use crate::context::{Context, Reserved};
use crate::endpoint::timers::Reason;
use crate::input::{Answer, Rekey};
use crate::output::Ticket;
use crate::policy::Connection;
use crate::sa::{Next, Sa};
use crate::time::Instant;
use crate::v1::estate::Estate;
use crate::v1::state::State as V1;
use crate::v1::{aggressive, main_initiator};
use crate::v2::sa_init;
use crate::v2::state::State as V2;

/// See the module.
pub(crate) enum Machine {
    /// IKEv1.
    V1(V1),
    /// IKEv2.
    V2(V2),
}

impl From<V1> for Machine {
    fn from(state: V1) -> Self {
        Self::V1(state)
    }
}

impl From<V2> for Machine {
    fn from(state: V2) -> Self {
        Self::V2(state)
    }
}

/// A version's outcome as everybody's.
pub(crate) fn lift<S: Into<Machine>>(next: Next<S>) -> Next<Machine> {
    next.map(Into::into).map_err(|both| Box::new((both.0.into(), both.1)))
}

/// Begins as initiator, in the version that the connection wants.
pub(crate) fn start(sa: &mut Sa, cx: &mut Context, connection: Arc<Connection>) -> Next<Machine> {
    match (sa.version, connection.aggressive) {
        (1, false) => lift(main_initiator::start(sa, cx, connection)),
        (1, true) => lift(aggressive::start(sa, cx, connection)),
        _ => lift(sa_init::start(sa, cx, connection)),
    }
}

/// Calls the method of the version's own state.
macro_rules! each {
    ($self:expr, $state:ident => $call:expr) => {
        match $self {
            Machine::V1($state) => $call,
            Machine::V2($state) => $call,
        }
    };
}

impl Machine {
    /// No SA (any more).
    pub fn gone(reason: &'static str) -> Self {
        Self::V2(crate::v2::state::gone(reason))
    }

    /// A place kept for the SA that a rekey is to make.
    pub fn reserved() -> Self {
        Self::V2(V2::Reserved)
    }

    pub fn is_reserved(&self) -> bool {
        matches!(self, Self::V2(V2::Reserved))
    }

    pub fn ended(&self) -> Option<String> {
        each!(self, s => s.ended())
    }

    pub fn on_message_v2(self, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next<Self> {
        match self {
            Self::V2(state) => lift(state.on_message(sa, cx, message)),
            other @ Self::V1(_) => Ok(other),
        }
    }

    pub fn on_message_v1(self, sa: &mut Sa, cx: &mut Context, message: &MessageV1<'_>) -> Next<Self> {
        match self {
            Self::V1(state) => lift(state.on_message(sa, cx, message)),
            other @ Self::V2(_) => Ok(other),
        }
    }

    pub fn on_answer(self, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next<Self> {
        each!(self, s => lift(s.on_answer(sa, cx, ticket, answer)))
    }

    pub fn on_timer(self, sa: &mut Sa, cx: &mut Context) -> Next<Self> {
        each!(self, s => lift(s.on_timer(sa, cx)))
    }

    pub fn on_plane(self, sa: &mut Sa, cx: &mut Context, event: &PlaneEvent) -> Next<Self> {
        each!(self, s => lift(s.on_plane(sa, cx, event)))
    }

    pub fn on_reserved(self, sa: &mut Sa, cx: &mut Context, place: Reserved) -> Next<Self> {
        match self {
            Self::V2(s) => lift(s.on_reserved(sa, cx, place)),
            other @ Self::V1(_) => Ok(other),
        }
    }

    /// Gives the children to a new ISAKMP SA with the same peer.
    pub fn bequeath(&mut self, sa: &Sa, cx: &mut Context, by_us: bool) -> Estate {
        match self {
            Self::V1(s) => s.bequeath(sa, cx, by_us),
            Self::V2(_) => Estate::default(),
        }
    }

    /// When it was established, if it is an ISAKMP SA that was not replaced.
    pub fn stands_v1(&self) -> Option<Instant> {
        match self {
            Self::V1(s) => s.stands(),
            Self::V2(_) => None,
        }
    }

    /// Another ISAKMP SA with the peer, made at the same time, stays.
    pub fn give_way(self, sa: &mut Sa, cx: &mut Context) -> Next<Self> {
        match self {
            Self::V1(s) => lift(s.give_way(sa, cx)),
            other @ Self::V2(_) => Ok(other),
        }
    }

    /// An ISAKMP SA that the peer has deleted looks for a successor.
    pub fn seek(self, cx: &Context) -> Next<Self> {
        match self {
            Self::V1(s) => lift(s.seek(cx)),
            other @ Self::V2(_) => Ok(other),
        }
    }

    /// Takes over what older ISAKMP SAs leave, and goes on.
    pub fn inherit(self, sa: &mut Sa, cx: &mut Context, estates: Vec<Estate>) -> Next<Self> {
        match self {
            Self::V1(s) => lift(s.inherit(sa, cx, estates)),
            other @ Self::V2(_) => Ok(other),
        }
    }

    /// A person wants fresh keys.
    pub fn rekey(self, sa: &mut Sa, cx: &mut Context, what: Rekey) -> Next<Self> {
        each!(self, s => lift(s.rekey(sa, cx, what)))
    }

    /// Our first message could not leave.
    pub fn on_send_failed(self, sa: &Sa, why: &str) -> Next<Self> {
        each!(self, s => lift(s.on_send_failed(sa, why)))
    }

    /// Goes on with whatever waits.
    pub fn advance(self, sa: &mut Sa, cx: &mut Context) -> Next<Self> {
        each!(self, s => lift(s.advance(sa, cx)))
    }

    /// Deletes with the peer where it knows of an SA; forgets at once where it does not.
    pub fn close(self, sa: &mut Sa, cx: &mut Context, reason: &str) -> Next<Self> {
        each!(self, s => lift(s.close(sa, cx, reason)))
    }

    /// Forgets without a word to the peer.
    pub fn abandon(self, sa: &mut Sa, cx: &mut Context, reason: &str) -> Self {
        each!(self, s => s.abandon(sa, cx, reason).into())
    }

    /// Obeys a connection that differs from its own in nothing that was negotiated.
    pub fn take_settings(&mut self, sa: &Sa, cx: &mut Context, now: &Arc<Connection>) {
        each!(self, s => s.take_settings(sa, cx, now));
    }

    pub fn deadline(&self, sa: &Sa) -> Option<(Instant, Reason)> {
        each!(self, s => s.deadline(sa))
    }

    /// The connection, where the state knows it.
    pub fn connection(&self) -> Option<&Arc<Connection>> {
        each!(self, s => s.connection())
    }

    /// Octets of messages that are not whole yet.
    pub fn fragment_octets(&self) -> usize {
        match self {
            Self::V1(_) => 0,
            Self::V2(s) => s.fragment_octets(),
        }
    }

    /// The peer's proven identity.
    pub fn peer(&self) -> Option<&str> {
        each!(self, s => s.peer())
    }

    pub fn is_half_open(&self) -> bool {
        each!(self, s => s.is_half_open())
    }

    /// An attempt of ours that the peer has not answered in earnest.
    pub fn is_unheard(&self) -> bool {
        each!(self, s => s.is_unheard())
    }

    /// The children that belong to it.
    pub fn each_child(&self, visit: &mut dyn FnMut(ChildId)) {
        each!(self, s => s.each_child(visit));
    }

    /// Carries traffic and is to stay.
    pub fn is_up(&self) -> bool {
        each!(self, s => s.is_up())
    }

    /// An SA with this peer that stood before `moment`.
    pub fn is_with(&self, connection: &str, peer: &str, moment: Instant) -> bool {
        each!(self, s => s.is_with(connection, peer, moment))
    }
}
