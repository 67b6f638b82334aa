//! One IKE SA in its slot: its state, and what runs it.

use std::net::SocketAddr;

use handfast_wire::v2::Message;

use handfast_plane::op::ChildId;
use handfast_store::delta::SaId;

use crate::context::{Context, Reserved};
use crate::input::Answer;
use crate::output::Ticket;
use crate::time::Instant;
use crate::v2::state::{Gone, Next, Sa, State, gone};

pub(crate) struct IkeSa {
    pub sa: Sa,
    /// The random part of our SPI.
    pub tag: u32,
    pub state: State,
    /// The connection's name once known, kept to the end.
    pub connection: Option<String>,
    /// Where the first message came from.
    pub first_from: SocketAddr,
    /// The peer said that it knows no other SA: these go once this one carries traffic.
    pub older: Option<Older>,
    /// Places kept for successors.
    pub reserved: Vec<(usize, SaId)>,
}

/// Which SAs a peer that began anew has forgotten.
pub(crate) struct Older {
    pub connection: String,
    pub peer: String,
}

impl IkeSa {
    pub fn new(sa: Sa, tag: u32) -> Self {
        let first_from = sa.path.remote;
        Self {
            sa,
            tag,
            state: gone("not begun"),
            connection: None,
            first_from,
            older: None,
            reserved: vec![],
        }
    }

    pub fn connection_name(&self) -> Option<&str> {
        self.connection.as_deref()
    }

    /// Replaces the state by what `run` makes of it, and reports a refusal.
    pub fn step(&mut self, cx: &mut Context, run: impl FnOnce(State, &mut Sa, &mut Context) -> Next) {
        let state = std::mem::replace(&mut self.state, gone("interrupted"));
        let outcome = run(state, &mut self.sa, cx);
        let (state, refusal) = match outcome {
            Ok(state) => (state, None),
            Err(both) => (both.0, Some(both.1)),
        };
        self.state = state;
        if let Some(connection) = self.state.connection() {
            self.connection = Some(connection.name.clone());
        }
        if let Some(refusal) = refusal {
            cx.refused(Some(self.sa.id), self.connection.clone(), self.sa.path.remote, refusal);
        }
    }

    pub fn ended(&self) -> Option<String> {
        if let State::Gone(Gone { reason }) = &self.state {
            Some(reason.clone())
        } else {
            None
        }
    }
}

impl State {
    pub fn on_message(self, sa: &mut Sa, cx: &mut Context, message: &Message<'_>) -> Next {
        let response = message.header.flags.is_response();
        match self {
            Self::InitSent(s) if response => s.on_message(sa, cx, message),
            Self::AuthSent(s) if response => s.on_message(sa, cx, message),
            Self::HalfOpen(s) if !response => s.on_message(sa, cx, message),
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
            Self::HalfOpen(s) => s.on_timer(cx),
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
            // Goes with the SA that keeps it.
            Self::Reserved => Ok(Self::Reserved),
            _ => Ok(gone(reason)),
        }
    }

    /// Forgets without a word to the peer.
    pub fn abandon(self, sa: &mut Sa, cx: &mut Context, reason: &str) -> State {
        match self {
            Self::Established(mut s) => s.forget_all(sa, cx, reason),
            Self::Installing(s) => s.forget(sa, cx, reason),
            _ => {}
        }
        gone(reason)
    }

    /// An attempt of ours that has not come to IKE_AUTH.
    pub fn is_unheard(&self) -> bool {
        matches!(self, Self::MakingKey(_) | Self::InitSent(_) | Self::Agreeing(_))
    }

    /// Whether this child belongs to it.
    pub fn has_child(&self, child: ChildId) -> bool {
        matches!(self, Self::Established(s) if s.children.iter().any(|c| c.id == child))
    }

    /// Carries traffic and is to stay.
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Established(s) if !s.is_closing() && !s.children.is_empty())
    }

    /// An SA with this peer that stood before `moment`.
    pub fn is_with(&self, connection: &str, peer: &str, moment: Instant) -> bool {
        matches!(self, Self::Established(s)
            if s.parties.connection.name == connection && s.parties.peer == peer && s.since() < moment)
    }
}
