//! What happens to an ISAKMP SA beside messages, answers and timers, led to its state.

use std::sync::Arc;

use handfast_plane::op::{ChildId, PlaneEvent};

use crate::context::Context;
use crate::input::Rekey;
use crate::policy::Connection;
use crate::time::Instant;
use crate::v1::estate::Estate;
use crate::v1::state::{Next, Sa, State, gone, refuse};

impl State {
    /// Deletes with the peer where it knows of an SA; forgets at once where it does not.
    pub fn close(self, sa: &mut Sa, cx: &mut Context, reason: &str) -> Next {
        match self {
            Self::Established(s) => s.close(sa, cx, reason),
            Self::MainJudging(s) => Ok(s.close(sa, cx, reason)),
            _ => Ok(gone(reason.to_string())),
        }
    }

    /// Our first message could not leave.
    pub fn on_send_failed(self, sa: &Sa, why: &str) -> Next {
        let unsent = match &self {
            Self::MainOffered(s) => s.waiting.unsent(sa, &s.connection, why),
            Self::AggressiveSent(s) => s.waiting.unsent(sa, &s.connection, why),
            _ => None,
        };
        unsent.map_or(Ok(self), refuse)
    }

    /// Forgets without a word to the peer.
    pub fn abandon(self, sa: &mut Sa, cx: &mut Context, reason: &str) -> Self {
        if let Self::Established(mut s) = self {
            s.forget_all(sa, cx, reason);
        }
        gone(reason.to_string())
    }

    /// The children that belong to it, those that are being made included.
    pub fn each_child(&self, visit: &mut dyn FnMut(ChildId)) {
        if let Self::Established(s) = self {
            s.estate.children.iter().for_each(|c| visit(c.id));
            s.exchanges.values().filter_map(|e| e.child()).for_each(visit);
        }
    }

    /// Carries traffic and is to stay.
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Established(s) if !s.over && !s.estate.children.is_empty())
    }

    /// An SA with this peer that stood before `moment`.
    pub fn is_with(&self, connection: &str, peer: &str, moment: Instant) -> bool {
        matches!(self, Self::Established(s)
            if s.parties.connection.name == connection && s.parties.peer == peer && s.since() < moment)
    }

    /// The peer's proven identity.
    pub fn peer(&self) -> Option<&str> {
        match self {
            Self::Established(s) => Some(&s.parties.peer),
            _ => None,
        }
    }

    /// Why it has ended, if it has.
    pub fn ended(&self) -> Option<String> {
        match self {
            Self::Gone(gone) => Some(gone.reason.to_string()),
            _ => None,
        }
    }

    pub fn on_plane(self, sa: &mut Sa, cx: &mut Context, event: &PlaneEvent) -> Next {
        match (self, event) {
            (Self::Established(mut s), PlaneEvent::FirstInbound(child)) => {
                s.on_first_inbound(sa, cx, *child);
                Ok(Self::Established(s))
            }
            (Self::Established(mut s), PlaneEvent::Moved { child, to }) => {
                s.on_esp_moved(sa, cx, *child, *to);
                Ok(Self::Established(s))
            }
            // No rekey has come in time: an SA that can send no more ends.
            (Self::Established(mut s), PlaneEvent::Expiring { child, hard: true }) => {
                s.delete_child(sa, cx, *child, "has carried what it may");
                if s.is_barren() {
                    return s.close(sa, cx, "its last child SA is used up");
                }
                Ok(Self::Established(s))
            }
            (Self::Established(mut s), PlaneEvent::Expiring { child, .. }) => {
                s.wish_again(sa, cx, *child);
                s.next_wishes(sa, cx);
                Ok(Self::Established(s))
            }
            (state, _) => Ok(state),
        }
    }

    /// A person wants fresh keys.
    pub fn rekey(self, sa: &mut Sa, cx: &mut Context, what: Rekey) -> Next {
        match self {
            Self::Established(mut s) => {
                match what {
                    Rekey::Ike => s.rekey_ike_now(cx),
                    Rekey::Children => s.rekey_children_now(sa, cx),
                }
                s.on_timer(sa, cx)
            }
            other => Ok(other),
        }
    }

    /// Goes on with whatever waits.
    pub fn advance(self, _: &mut Sa, _: &mut Context) -> Next {
        Ok(self)
    }

    /// Obeys a connection that differs from its own in nothing that was negotiated.
    pub fn take_settings(&mut self, sa: &Sa, cx: &mut Context, now: &Arc<Connection>) {
        if let Self::Established(s) = self {
            s.parties.connection = now.clone();
            s.record(sa, cx);
        }
    }

    /// Gives the children to a new SA with the same peer. Returns what there was.
    pub fn bequeath(&mut self, sa: &Sa, cx: &mut Context, by_us: bool) -> Estate {
        match self {
            Self::Established(s) => s.bequeath(sa, cx, by_us),
            _ => Estate::default(),
        }
    }

    /// Established, and not replaced by another.
    pub fn stands(&self) -> Option<Instant> {
        match self {
            Self::Established(s) if !s.over => Some(s.since()),
            _ => None,
        }
    }

    /// The peer has deleted it, and its children are to have another.
    pub fn seek(self, cx: &Context) -> Next {
        match self {
            Self::Established(mut s) => {
                s.seek_soon(cx);
                Ok(Self::Established(s))
            }
            other => Ok(other),
        }
    }

    /// Another SA with the peer, made at the same time, stays.
    pub fn give_way(self, sa: &mut Sa, cx: &mut Context) -> Next {
        match self {
            Self::Established(s) => s.give_way(sa, cx),
            other => Ok(other),
        }
    }

    /// Phase 1 is complete and the endpoint has seen to older SAs.
    pub fn inherit(self, sa: &mut Sa, cx: &mut Context, estates: Vec<Estate>) -> Next {
        match self {
            Self::Established(mut s) => {
                s.inherit(sa, cx, estates);
                Ok(Self::Established(s))
            }
            other => Ok(other),
        }
    }
}
