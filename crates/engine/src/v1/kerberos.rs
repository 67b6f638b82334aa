//! Kerberos in main mode (draft-ietf-ipsec-isakmp-gss-auth-07 section 3): what an exchange knows of it, and what both roles
//! do alike.
//!
//! ```text
//! HDR, SA (with GIi)              ->    <- HDR, SA (with GIr)
//! HDR, KE, Ni, GSSi               ->    <- HDR, KE, Nr, GSSr
//! HDR*, IDii, GSSi(n) or HASH_I   ->    <- HDR*, IDir, GSSr(n) or HASH_R
//! [HDR*, GSSi(n) or HASH_I        ->    <- HDR*, GSSr(n) or HASH_R ...]
//! ```
//!
//! A HASH says that its sender's context is complete. Both sides are done when each has sent and verified one.

use std::sync::Arc;

use handfast_auth::identity::Identity;
use handfast_auth::kerberos::ikev1::{self, HashedIdentity, Proving};
use handfast_auth::kerberos::{Established as Context, GssError, Negotiation, Progress};
use handfast_crypto::secret::Secret;
use handfast_wire::v1::gss::Framing;

use crate::policy::{Connection, Kerberos, Method};
use crate::refusal::{Cause, Party, Refusal};
use crate::sa::Proofs;
use crate::v1::auth;
use crate::v1::isakmp::Isakmp;
use crate::v1::message::{Chain, Parsed};
use crate::v1::proposals;
use crate::v1::state::{Keyed, Sa};

/// One side of it.
#[derive(Default)]
struct Side {
    /// Its name as it was sent (GIi or GIr).
    gi: Option<Vec<u8>>,
    /// Its tokens so far.
    tokens: Vec<Vec<u8>>,
}

/// How far our context is.
enum Stage {
    /// There is none, or a step is being made.
    None,
    Making(Box<Negotiation>),
    Complete(Box<Context>),
}

/// Kerberos of one exchange.
pub(crate) struct Gss {
    policy: Arc<Kerberos>,
    framing: Framing,
    hashed: HashedIdentity,
    ours: Side,
    theirs: Side,
    stage: Stage,
}

impl Gss {
    /// `parsed`: the peer's SA payload and vendor IDs, which say how it writes.
    pub fn new(connection: &Connection, parsed: &Parsed<'_>) -> Option<Self> {
        let policy = connection.auth.kerberos.clone()?;
        let framing = policy.framing.unwrap_or_else(|| Framing::for_peer(parsed.vendor_ids()));
        let hashed = policy
            .hashed
            .unwrap_or_else(|| HashedIdentity::for_peer(parsed.vendor_ids()));
        let theirs = Side {
            gi: parsed.sa().ok().and_then(|sa| proposals::name_of_peer(&sa)),
            ..Side::default()
        };
        let ours = Side {
            gi: proposals::own_name(connection),
            ..Side::default()
        };
        Some(Self {
            policy,
            framing,
            hashed,
            ours,
            theirs,
            stage: Stage::None,
        })
    }

    /// The same, with the initiator's first step, which was made before the peer was heard of.
    pub fn as_initiator(connection: &Connection, parsed: &Parsed<'_>, first: Option<Progress>) -> Option<Self> {
        let mut this = Self::new(connection, parsed)?;
        this.advance(first?);
        Some(this)
    }

    pub fn is_complete(&self) -> bool {
        matches!(self.stage, Stage::Complete(_))
    }

    /// The body of the payload with our latest token.
    pub fn token(&self) -> Option<Vec<u8>> {
        self.ours.tokens.last().map(|token| self.framing.body(token))
    }

    pub fn policy(&self) -> &Arc<Kerberos> {
        &self.policy
    }

    /// Takes in where a step has led. Returns the body of the payload that is to go to the peer.
    pub fn advance(&mut self, progress: Progress) -> Option<Vec<u8>> {
        let token = match progress {
            Progress::Continue { token, negotiation } => {
                self.stage = Stage::Making(negotiation);
                Some(token)
            }
            Progress::Complete { token, established } => {
                self.stage = Stage::Complete(established);
                token
            }
        };
        token.map(|token| {
            let body = self.framing.body(&token);
            self.ours.tokens.push(token);
            body
        })
    }

    /// The peer's token in a message, if it has one.
    pub fn receive(&mut self, parsed: &Parsed<'_>) -> Option<Vec<u8>> {
        let token = parsed.gss().ok()?.token(self.framing).ok()?.to_vec();
        self.theirs.tokens.push(token.clone());
        Some(token)
    }

    /// The context that waits for the peer's next token, for the question that takes it.
    pub fn take_negotiation(&mut self) -> Option<Box<Negotiation>> {
        match std::mem::replace(&mut self.stage, Stage::None) {
            Stage::Making(negotiation) => Some(negotiation),
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// The peer's principal, proved by the complete context.
    fn peer(&self) -> Option<&Context> {
        match &self.stage {
            Stage::Complete(context) => Some(context),
            _ => None,
        }
    }

    /// What status and log say of the proofs.
    pub fn proofs(&self) -> Proofs {
        Proofs {
            principal: self.peer().map(|context| context.peer().to_string()),
            ..Proofs::both(Method::Kerberos, None)
        }
    }

    /// Whether another connection's Kerberos accepts the peer too: the one that its identity led to.
    pub fn is_accepted_by(&self, connection: &Connection) -> Result<(), GssError> {
        match (&connection.auth.kerberos, self.peer()) {
            (Some(kerberos), Some(context)) => Ok(kerberos.local.peers.check(context.peer(), context.own())?),
            _ => Ok(()),
        }
    }

    /// The tokens and names of the initiator or responder, as its hash covers them.
    fn proving<'a>(side: &'a Side, id_b: &'a [u8], gi: Option<&'a [u8]>, tokens: &'a mut Vec<&'a [u8]>) -> Proving<'a> {
        tokens.extend(side.tokens.iter().map(Vec::as_slice));
        Proving { id_b, gi, tokens }
    }

    fn hash(
        isakmp: &Isakmp,
        covered: &handfast_crypto::schedule::v1::Covered<'_>,
        by_initiator: bool,
        proving: &Proving<'_>,
    ) -> Secret {
        let make = if by_initiator { ikev1::hash_i } else { ikev1::hash_r };
        make(isakmp.prf, &isakmp.keys.skeyid, covered, proving)
    }
}

/// Our HASH payload's body, once our context is complete.
pub(crate) fn prove(keyed: &mut Keyed, sa: &Sa, id: &[u8]) -> Result<Vec<u8>, Refusal> {
    let place = keyed.chosen.connection.clone();
    let Some(gss) = keyed.chosen.kerberos.as_deref() else {
        return Err(trouble(&place, "there is no context"));
    };
    let gi = gss.ours.gi.as_deref().filter(|_| gss.theirs.gi.is_some());
    let gi = gi.map(|gi| gss.hashed.octets(gi));
    let mut tokens = vec![];
    let proving = Gss::proving(&gss.ours, id, gi.as_deref(), &mut tokens);
    let covered = auth::covered(sa, &keyed.chosen, &keyed.publics);
    let hash = Gss::hash(&keyed.isakmp, &covered, sa.initiator, &proving);
    match keyed.chosen.kerberos.as_deref_mut().map(|gss| &mut gss.stage) {
        Some(Stage::Complete(context)) => context.wrap(hash.as_bytes()).map_err(|e| refused(&place, &e)),
        _ => Err(trouble(&place, "the context is not complete")),
    }
}

/// Whether the body of the peer's HASH payload proves it under this identity.
pub(crate) fn verify(keyed: &mut Keyed, sa: &Sa, id: &[u8], body: &[u8]) -> Result<(), Refusal> {
    let place = keyed.chosen.connection.clone();
    let length = keyed.isakmp.prf.output_len();
    let received = match keyed.chosen.kerberos.as_deref_mut().map(|gss| &mut gss.stage) {
        Some(Stage::Complete(context)) => context.unwrap(body, length).map_err(|e| refused(&place, &e))?,
        _ => return Err(trouble(&place, "the peer's hash came before the context is complete")),
    };
    let Some(gss) = keyed.chosen.kerberos.as_deref() else {
        return Err(trouble(&place, "there is no context"));
    };
    let covered = auth::covered(sa, &keyed.chosen, &keyed.publics);
    // Implementations differ in how they hash the name; every reading binds the same.
    let readings = HashedIdentity::accepted(gss.theirs.gi.as_deref(), gss.ours.gi.as_deref());
    let fits = readings.iter().any(|gi| {
        let mut tokens = vec![];
        let proving = Gss::proving(&gss.theirs, id, gi.as_deref(), &mut tokens);
        Gss::hash(&keyed.isakmp, &covered, !sa.initiator, &proving).ct_eq(&received)
    });
    match fits {
        true => Ok(()),
        false => Err(trouble(
            &place,
            "the peer's hash is not of this exchange: something was altered on its way",
        )),
    }
}

/// Kerberos says no.
pub(crate) fn refused(connection: &Connection, error: &GssError) -> Refusal {
    trouble(connection, &error.to_string())
}

pub(crate) fn trouble(connection: &Connection, text: &str) -> Refusal {
    Refusal::new(Party::Us, Cause::Authentication(text.into())).look_at(connection.place.of(&["kerberos", "auth"]))
}

/// Whether the peer may be called so in this connection.
pub(crate) fn check_name(connection: &Connection, peer: &Identity) -> Result<(), Refusal> {
    if connection.remote_id.matches(peer) {
        return Ok(());
    }
    Err(Refusal::new(Party::Us, Cause::WrongIdentity)
        .offered(vec![peer.to_string()])
        .acceptable(vec![connection.remote_id.to_string()])
        .look_at(connection.place.of(&["remote_id"])))
}

/// IDii or IDir, then a token or a hash.
pub(crate) enum Part {
    Token(Vec<u8>),
    Hash(Vec<u8>),
}

impl Part {
    pub fn push(&self, chain: &mut Chain) {
        match self {
            Self::Token(body) => chain.gss(body),
            Self::Hash(body) => chain.hash(body),
        }
    }
}
