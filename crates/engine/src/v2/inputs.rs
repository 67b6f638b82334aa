//! What happens to an IKEv2 SA, led to its state.

use handfast_plane::op::{ChildId, PlaneEvent};
use handfast_wire::v2::Message;

use crate::context::{Context, Reserved};
use crate::input::{Answer, Rekey};
use crate::output::Ticket;
use crate::time::Instant;
use crate::v2::auth_pending;
use crate::v2::state::{Next, Sa, State, gone};

impl State {
    pub fn on_message(self, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let response = message.header.flags.is_response();
        match self {
            Self::InitSent(s) if response => s.on_message(sa, cx, message),
            Self::AuthSent(s) if response => s.on_message(sa, cx, message),
            Self::HalfOpen(s) if !response => s.on_message(sa, cx, message),
            busy @ (Self::JudgingResponder(_) | Self::JudgingInitiator(_) | Self::Granting(_)) => {
                // The peer is faster than our answers; it sends again.
                sa.dropped(cx, "busy with a signature");
                Ok(busy)
            }
            Self::Installing(s) => s.on_message(sa, cx, message),
            Self::Established(s) => s.on_message(sa, cx, message),
            other => {
                sa.dropped(cx, "message not expected in this state");
                Ok(other)
            }
        }
    }

    pub fn on_answer(self, sa: &mut Sa, cx: &mut Context, ticket: Ticket, answer: Answer) -> Next {
        match self {
            Self::MakingKey(s) => s.on_answer(sa, cx, ticket, answer),
            Self::Agreeing(s) => s.on_answer(sa, cx, ticket, answer),
            Self::Signing(s) => s.on_answer(sa, cx, ticket, answer),
            Self::JudgingResponder(s) => s.on_answer(sa, cx, ticket, answer),
            Self::JudgingInitiator(s) => s.on_answer(sa, cx, ticket, answer),
            Self::Granting(s) => auth_pending::granting_answered(s, sa, cx, ticket, answer),
            Self::Responding(s) => s.on_answer(sa, cx, ticket, answer),
            Self::Installing(s) => s.on_answer(sa, cx, ticket, answer),
            Self::Established(s) => s.on_answer(sa, cx, ticket, answer),
            other => Ok(other),
        }
    }

    pub fn on_reserved(self, sa: &mut Sa, cx: &mut Context, place: Reserved) -> Next {
        match self {
            Self::Established(s) => s.on_reserved(sa, cx, place),
            other => Ok(other),
        }
    }

    pub fn on_timer(self, sa: &mut Sa, cx: &mut Context) -> Next {
        match self {
            Self::InitSent(s) => s.on_timer(sa, cx),
            Self::AuthSent(s) => s.on_timer(sa, cx),
            Self::JudgingResponder(s) => s.on_timer(sa, cx),
            Self::HalfOpen(s) => s.on_timer(cx),
            Self::JudgingInitiator(s) => s.on_timer(cx),
            Self::Granting(s) => auth_pending::granting_timer(s, cx),
            Self::Established(s) => s.on_timer(sa, cx),
            other => Ok(other),
        }
    }

    /// Deletes with the peer where it knows of an SA; forgets at once where it does not.
    pub fn close(self, sa: &mut Sa, cx: &mut Context, reason: &str) -> Next {
        match self {
            Self::Established(mut s) => {
                s.close(reason);
                s.advance(sa, cx)
            }
            Self::Installing(s) => s.close(sa, cx, reason),
            Self::AuthSent(mut s) => {
                s.leave(cx, reason);
                Ok(Self::AuthSent(s))
            }
            // It ends once the answer is there, or was waited for long enough.
            Self::JudgingResponder(mut s) => {
                s.sent.leave(cx, reason);
                Ok(Self::JudgingResponder(s))
            }
            // Goes with the SA that keeps it.
            Self::Reserved => Ok(Self::Reserved),
            _ => Ok(gone(reason.to_string())),
        }
    }

    /// Our first message could not leave.
    pub fn on_send_failed(self, sa: &Sa, why: &str) -> Next {
        match self {
            Self::InitSent(s) => s.on_send_failed(sa, why),
            other => Ok(other),
        }
    }

    /// Forgets without a word to the peer.
    pub fn abandon(self, sa: &mut Sa, cx: &mut Context, reason: &str) -> State {
        match self {
            Self::Established(mut s) => s.forget_all(sa, cx, reason),
            Self::Installing(s) => s.forget(sa, cx, reason),
            _ => {}
        }
        gone(reason.to_string())
    }

    /// Why it has ended, if it has.
    pub fn ended(&self) -> Option<String> {
        match self {
            Self::Gone(gone) => Some(gone.reason.to_string()),
            _ => None,
        }
    }

    /// An attempt of ours that has not come to IKE_AUTH.
    pub fn is_unheard(&self) -> bool {
        matches!(
            self,
            Self::MakingKey(_) | Self::InitSent(_) | Self::Agreeing(_) | Self::Signing(_)
        )
    }

    /// Octets of messages that are not whole yet.
    pub fn fragment_octets(&self) -> usize {
        match self {
            Self::AuthSent(s) => s.fragment_octets(),
            Self::JudgingResponder(s) => s.sent.fragment_octets(),
            Self::HalfOpen(s) => s.channel.fragment_octets(),
            Self::JudgingInitiator(s) => s.half.channel.fragment_octets(),
            Self::Granting(s) => s.0.fragment_octets(),
            Self::Established(s) => s.channel.fragment_octets(),
            _ => 0,
        }
    }

    /// The children that belong to it.
    pub fn each_child(&self, visit: &mut dyn FnMut(ChildId)) {
        if let Self::Established(s) = self {
            s.children.iter().for_each(|c| visit(c.id));
        }
    }

    /// Carries traffic and is to stay.
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Established(s) if !s.is_closing() && !s.children.is_empty() && s.is_complete())
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

    pub fn on_plane(self, sa: &mut Sa, cx: &mut Context, event: &PlaneEvent) -> Next {
        match (self, event) {
            (Self::Established(mut s), PlaneEvent::FirstInbound(child)) => {
                s.on_first_inbound(sa, cx, *child);
                Ok(Self::Established(s))
            }
            (Self::Established(mut s), PlaneEvent::Expiring { child, hard: true }) => {
                s.child_ends(*child, "has carried what it may");
                s.advance(sa, cx)
            }
            (state, PlaneEvent::Expiring { hard: true, .. }) => state.close(sa, cx, "a child SA is used up"),
            (Self::Established(mut s), PlaneEvent::Moved { child, to }) => {
                s.on_esp_moved(sa, cx, *child, *to);
                Ok(Self::Established(s))
            }
            (Self::Established(mut s), PlaneEvent::Expiring { child, .. }) => {
                s.used_up(cx, *child);
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
                    Rekey::Children => s.rekey_children_now(cx),
                }
                s.on_timer(sa, cx)
            }
            other => Ok(other),
        }
    }

    /// Goes on with whatever waits.
    pub fn advance(self, sa: &mut Sa, cx: &mut Context) -> Next {
        match self {
            Self::Established(s) => s.advance(sa, cx),
            other => Ok(other),
        }
    }
}
