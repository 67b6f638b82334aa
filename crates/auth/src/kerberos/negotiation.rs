//! A context from its first token to the proof: what must hold of it before anything is believed.

use std::fmt;
use std::sync::Arc;

use super::credentials::LocalKerberos;
use super::error::{ErrorKind, GssError};
use super::mechanism::{Context, Facts, Flags};
use super::principal::Principal;
use super::question::Role;

/// Tokens that one side may need. Kerberos has one or two.
pub const MOST_TOKENS: usize = 3;
/// Octets of a token. A ticket of a member of very many groups has some 50,000.
pub const MOST_TOKEN_OCTETS: usize = 65_000;

/// A context that is not complete: the peer's next token goes on with it.
pub struct Negotiation {
    local: Arc<LocalKerberos>,
    role: Role,
    context: Box<dyn Context>,
    steps: usize,
}

/// Where a step has led.
#[derive(Debug)]
pub enum Progress {
    /// Send this token; the peer's answer goes to [`Negotiation::step`].
    Continue {
        /// For the peer.
        token: Vec<u8>,
        /// What its answer is for.
        negotiation: Box<Negotiation>,
    },
    /// Our side is complete.
    Complete {
        /// For the peer, if it still needs one.
        token: Option<Vec<u8>>,
        /// The proof.
        established: Box<Established>,
    },
}

impl Progress {
    /// The token for the peer.
    pub fn token(&self) -> Option<&[u8]> {
        match self {
            Self::Continue { token, .. } => Some(token),
            Self::Complete { token, .. } => token.as_deref(),
        }
    }
}

impl Negotiation {
    pub(super) fn new(local: Arc<LocalKerberos>, role: Role, context: Box<dyn Context>) -> Self {
        Self {
            local,
            role,
            context,
            steps: 0,
        }
    }

    /// Takes a token of the peer, and makes ours. May take long: see [`GssQuestion`](super::GssQuestion).
    ///
    /// # Errors
    /// Why it came to nothing: what the library says, or what does not hold of the context that it made.
    pub fn step(self, token: &[u8]) -> Result<Progress, GssError> {
        if token.is_empty() || token.len() > MOST_TOKEN_OCTETS {
            let words = format!("the peer's token has {} octets", token.len());
            return Err(GssError::peer(ErrorKind::BadToken, STAGE, words));
        }
        self.advance(Some(token)).map_err(GssError::by_peer)
    }

    /// The initiator's first step.
    pub(super) fn start(self) -> Result<Progress, GssError> {
        self.advance(None)
    }

    fn advance(mut self, token: Option<&[u8]>) -> Result<Progress, GssError> {
        self.steps += 1;
        if self.steps > MOST_TOKENS {
            let words = format!("the context is not complete after {MOST_TOKENS} tokens");
            return Err(GssError::peer(ErrorKind::BadToken, STAGE, words));
        }
        let step = self.context.step(token)?;
        if step.complete {
            let established = Established::judge(&self.local, self.role, self.context)?;
            return Ok(Progress::Complete {
                token: step.token,
                established: Box::new(established),
            });
        }
        let asked = token.is_some();
        let token = step.token.ok_or_else(|| {
            // MIT's library does this where an answer comes in the place of a question.
            let kind = if asked { ErrorKind::BadToken } else { ErrorKind::Other };
            let words = "the library wants more of the peer, and has nothing to send for it";
            GssError::local(kind, STAGE, words)
        })?;
        Ok(Progress::Continue {
            token,
            negotiation: Box::new(self),
        })
    }
}

const STAGE: &str = "making the context";

impl fmt::Debug for Negotiation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Negotiation({:?}, after {} steps)", self.role, self.steps)
    }
}

/// A complete context in which everything holds that must: Kerberos's, both sides proved, what is wrapped is authentic,
/// and the peer is one that the connection is for.
pub struct Established {
    peer: Principal,
    own: Principal,
    facts: Facts,
    context: Box<dyn Context>,
}

impl Established {
    /// What must hold (draft section 3; RFC 2743 section 1.2.1: flags tell what is there, not what was asked for). A
    /// responder comes here before its token, its own proof, leaves.
    fn judge(local: &LocalKerberos, role: Role, context: Box<dyn Context>) -> Result<Self, GssError> {
        let facts = context.facts()?;
        if !facts.is_kerberos {
            let words = "the context was made by another mechanism than Kerberos V5";
            return Err(GssError::peer(ErrorKind::Unprotected, "judging the context", words));
        }
        let names = [(Flags::MUTUAL, "mutual authentication"), (Flags::INTEG, "integrity")];
        if let Some((_, name)) = names.iter().find(|(flag, _)| !facts.flags.contains(*flag)) {
            let words = format!("the context has no {name}");
            return Err(GssError::peer(ErrorKind::Unprotected, "judging the context", words));
        }
        let (peer, own) = match role {
            Role::Initiator => (facts.target.clone(), facts.source.clone()),
            Role::Responder => (facts.source.clone(), facts.target.clone()),
        };
        local.peers.check(&peer, &own)?;
        Ok(Self {
            peer,
            own,
            facts,
            context,
        })
    }

    /// The peer, proved and accepted.
    pub fn peer(&self) -> &Principal {
        &self.peer
    }

    /// Who we are in it.
    pub fn own(&self) -> &Principal {
        &self.own
    }

    /// Seconds until the ticket ends.
    pub fn lifetime(&self) -> u32 {
        self.facts.lifetime
    }

    /// Whether what is wrapped is encrypted.
    pub fn is_confidential(&self) -> bool {
        self.facts.flags.contains(Flags::CONF)
    }

    /// The body of our HASH payload: HASH_I or HASH_R, wrapped. Talks to nobody.
    ///
    /// # Errors
    /// If the ticket has expired meanwhile.
    pub fn wrap(&mut self, hash: &[u8]) -> Result<Vec<u8>, GssError> {
        self.context.wrap(hash)
    }

    /// The hash in the body of the peer's HASH payload, which must have `expected` octets: to be compared in constant
    /// time. Talks to nobody.
    ///
    /// # Errors
    /// If it is not of this context, or is of another length.
    pub fn unwrap(&mut self, body: &[u8], expected: usize) -> Result<Vec<u8>, GssError> {
        const STAGE: &str = "unwrapping the peer's hash";
        if body.is_empty() || body.len() > MOST_TOKEN_OCTETS {
            let words = format!("the peer's HASH payload has {} octets", body.len());
            return Err(GssError::peer(ErrorKind::BadToken, STAGE, words));
        }
        let hash = self.context.unwrap(body).map_err(GssError::by_peer)?;
        if hash.len() != expected {
            let words = format!("the peer wrapped {} octets, a hash has {expected}", hash.len());
            return Err(GssError::peer(ErrorKind::BadToken, STAGE, words));
        }
        Ok(hash)
    }
}

impl fmt::Debug for Established {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Established({}, {})", self.peer, self.facts.flags.0)
    }
}

#[cfg(test)]
mod tests;
