//! What the engine asks of Kerberos. Each question holds all that is needed, so that whoever drives the engine answers it
//! on another thread: a call can take as long as the KDC does, and cannot be cancelled.

use std::fmt;
use std::sync::Arc;

use super::credentials::LocalKerberos;
use super::error::{ErrorKind, GssError};
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
    Initiate(Arc<LocalKerberos>),
    Accept(Arc<LocalKerberos>, Vec<u8>),
    Step(Box<Negotiation>, Vec<u8>),
}

/// Its answer.
#[derive(Debug)]
pub enum GssAnswer {
    /// To [`GssQuestion::ready`].
    Ready(Result<(), GssError>),
    /// To the others.
    Progress(Result<Progress, GssError>),
}

impl GssQuestion {
    /// Are there credentials for this role? Asked before Kerberos is offered or taken. An initiator's first ticket is
    /// fetched by this unless it is there already; a responder needs no KDC.
    pub fn ready(local: &Arc<LocalKerberos>, role: Role) -> Self {
        Self(What::Ready(Arc::clone(local), role))
    }

    /// The initiator's first token: a ticket for the configured target.
    pub fn initiate(local: &Arc<LocalKerberos>) -> Self {
        Self(What::Initiate(Arc::clone(local)))
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
        matches!(self.0, What::Initiate(_) | What::Ready(_, Role::Initiator))
    }

    /// Asks the library: blocks, perhaps for long.
    pub fn answer(self) -> GssAnswer {
        match self.0 {
            What::Ready(local, role) => GssAnswer::Ready(ready(&local, role)),
            What::Initiate(local) => GssAnswer::Progress(initiate(local)),
            What::Accept(local, token) => GssAnswer::Progress(accept(local, &token)),
            What::Step(negotiation, token) => GssAnswer::Progress(negotiation.step(&token)),
        }
    }

    /// Its answer where nobody could be asked.
    pub fn fail(&self, error: GssError) -> GssAnswer {
        match self.0 {
            What::Ready(..) => GssAnswer::Ready(Err(error)),
            _ => GssAnswer::Progress(Err(error)),
        }
    }
}

fn ready(local: &LocalKerberos, role: Role) -> Result<(), GssError> {
    match role {
        Role::Initiator => first(local).map(drop),
        Role::Responder => local.mechanism.accept(&local.credentials).map(drop),
    }
}

fn initiate(local: Arc<LocalKerberos>) -> Result<Progress, GssError> {
    let context = first(&local)?;
    Negotiation::new(local, Role::Initiator, context).start()
}

fn first(local: &LocalKerberos) -> Result<Box<dyn super::Context>, GssError> {
    let target = local.target.as_ref().ok_or_else(|| {
        let words = "this connection does not say whom to ask a ticket for";
        GssError::local(ErrorKind::Other, "beginning", words)
    })?;
    local.mechanism.initiate(&local.credentials, target, local.flags)
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
