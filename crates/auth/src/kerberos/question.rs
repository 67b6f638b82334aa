//! What the engine asks of Kerberos. Each question holds all that is needed, so that whoever drives the engine answers it
//! on another thread: a call can take as long as the KDC does, and cannot be cancelled.

use std::fmt;
use std::sync::Arc;

use super::credentials::LocalKerberos;
use super::error::{ErrorKind, GssError};
use super::mechanism::Ready;
use super::negotiation::{MOST_TOKEN_OCTETS, Negotiation, Progress};

/// Our side of a context, which is our side of the exchange.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Initiator.
    Initiator,
    /// Responder, GSS-API's acceptor.
    Responder,
}

/// One question.
pub struct GssQuestion(What);

enum What {
    Ready(Arc<LocalKerberos>, Role),
    Initiate(Arc<LocalKerberos>, Tickets),
    Accept(Arc<LocalKerberos>, Vec<u8>),
    Step(Box<Negotiation>, Vec<u8>),
}

/// Which tickets an initiator uses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tickets {
    Kept,
    Fresh,
}

/// Its answer.
#[derive(Debug)]
pub enum GssAnswer {
    /// To [`GssQuestion::ready`].
    Ready(Result<Ready, GssError>),
    /// To the others.
    Progress(Result<Progress, GssError>),
}

impl GssQuestion {
    /// Are there credentials for this role? Asked before Kerberos is offered or taken. An initiator's first ticket is
    /// fetched by this unless it is there already; a responder needs no KDC.
    pub fn ready(local: &Arc<LocalKerberos>, role: Role) -> Self {
        Self(What::Ready(Arc::clone(local), role))
    }

    /// The initiator's first token: a ticket for the configured target. Tickets that are here already are used until they
    /// end, which needs no KDC.
    pub fn initiate(local: &Arc<LocalKerberos>) -> Self {
        Self(What::Initiate(Arc::clone(local), Tickets::Kept))
    }

    /// The same with new tickets. A peer whose key was changed cannot open a ticket from before that, and only says that
    /// it failed: so after a failure, the next attempt is made with these.
    pub fn initiate_afresh(local: &Arc<LocalKerberos>) -> Self {
        Self(What::Initiate(Arc::clone(local), Tickets::Fresh))
    }

    /// The responder's answer to the initiator's first token.
    pub fn accept(local: &Arc<LocalKerberos>, token: &[u8]) -> Self {
        Self(What::Accept(Arc::clone(local), token.to_vec()))
    }

    /// Either side's answer to a further token.
    pub fn step(negotiation: Box<Negotiation>, token: &[u8]) -> Self {
        Self(What::Step(negotiation, token.to_vec()))
    }

    /// Whether its answer can depend on the KDC. The others read files at most.
    pub fn asks_kdc(&self) -> bool {
        matches!(self.0, What::Initiate(..) | What::Ready(_, Role::Initiator))
    }

    /// Asks the library: blocks, perhaps for long.
    pub fn answer(self) -> GssAnswer {
        match self.0 {
            What::Ready(local, role) => GssAnswer::Ready(local.mechanism.ready(&local.credentials, role)),
            What::Initiate(local, tickets) => GssAnswer::Progress(initiate(local, tickets)),
            What::Accept(local, token) => GssAnswer::Progress(accept(local, &token)),
            What::Step(negotiation, token) => GssAnswer::Progress(negotiation.step(&token)),
        }
    }

    /// What makes its answer where nobody could be asked, or none came in time.
    pub fn failure(&self) -> fn(GssError) -> GssAnswer {
        match self.0 {
            What::Ready(..) => |error| GssAnswer::Ready(Err(error)),
            _ => |error| GssAnswer::Progress(Err(error)),
        }
    }
}

fn initiate(local: Arc<LocalKerberos>, tickets: Tickets) -> Result<Progress, GssError> {
    if tickets == Tickets::Fresh {
        local.mechanism.forget(&local.credentials);
    }
    let target = local.target.as_ref().ok_or_else(|| {
        let words = "this connection does not say whom to ask a ticket for";
        GssError::local(ErrorKind::Other, "beginning", words)
    })?;
    let context = local.mechanism.initiate(&local.credentials, target, local.flags)?;
    Negotiation::new(local, Role::Initiator, context).start()
}

fn accept(local: Arc<LocalKerberos>, token: &[u8]) -> Result<Progress, GssError> {
    if token.is_empty() || token.len() > MOST_TOKEN_OCTETS {
        let words = format!("the peer's token has {} octets", token.len());
        return Err(GssError::peer(ErrorKind::BadToken, "making the context", words));
    }
    let context = local.mechanism.accept(&local.credentials)?;
    Negotiation::new(local, Role::Responder, context).step(token)
}

impl fmt::Debug for GssQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            What::Ready(..) => "GssQuestion::ready",
            What::Initiate(..) => "GssQuestion::initiate",
            What::Accept(..) => "GssQuestion::accept",
            What::Step(..) => "GssQuestion::step",
        })
    }
}
