//! What both roles of IKE_AUTH share (RFC 7296 sections 1.2 and 2.15).

use handfast_auth::credential::Step;
use handfast_auth::identity::Identity;
use handfast_auth::v2::{Proof, ProofContext};
use handfast_auth::{Credential, Expectation, v2};
use handfast_wire::numbers::{AuthMethod, IdType, NotifyType};
use handfast_wire::v2::{Auth, Id, Payload, PayloadChain};

use crate::policy::Connection;
use crate::refusal::Cause;

/// Our identity as payload.
pub(crate) fn push_id(chain: &mut PayloadChain, identity: &Identity, initiator: bool) {
    let (kind, data) = identity.to_wire();
    let id = Id {
        id_type: IdType(kind),
        reserved: [0; 3],
        data: &data,
    };
    chain.push(&if initiator { Payload::IdI(id) } else { Payload::IdR(id) });
}

/// The octets of our ID payload that AUTH covers: all but the generic header.
pub(crate) fn id_body(identity: &Identity) -> Vec<u8> {
    let (kind, data) = identity.to_wire();
    let mut body = vec![kind, 0, 0, 0];
    body.extend_from_slice(&data);
    body
}

/// Our AUTH payload.
pub(crate) fn prove(connection: &Connection, context: &ProofContext<'_>) -> Result<Proof, Cause> {
    match v2::prove(&Credential::Psk(connection.auth.psk.clone()), context) {
        Ok(Step::Done(proof)) => Ok(proof),
        Ok(_) => Err(Cause::Authentication(
            "this method needs an answer from elsewhere".into(),
        )),
        Err(e) => Err(Cause::Authentication(e.to_string())),
    }
}

/// Whether the peer's AUTH payload proves its identity.
pub(crate) fn verify(connection: &Connection, context: &ProofContext<'_>, auth: &Auth<'_>) -> Result<(), Cause> {
    match v2::verify(
        &Expectation::Psk(connection.auth.psk.clone()),
        context,
        auth.method.0,
        auth.data,
    ) {
        Ok(Step::Done(())) => Ok(()),
        Ok(_) => Err(Cause::Authentication(
            "this method needs an answer from elsewhere".into(),
        )),
        Err(e) => Err(Cause::Authentication(e.to_string())),
    }
}

pub(crate) fn push_auth(chain: &mut PayloadChain, proof: &Proof) {
    chain.push(&Payload::Auth(Auth {
        method: AuthMethod(proof.method),
        reserved: [0; 3],
        data: &proof.data,
    }));
}

/// The cause that an error notify means for a child.
pub(crate) fn child_cause(notify: NotifyType) -> Cause {
    match notify {
        NotifyType::NO_PROPOSAL_CHOSEN => Cause::NoChildProposal,
        NotifyType::TS_UNACCEPTABLE => Cause::Selectors,
        other => Cause::Notified(other),
    }
}
