//! Authentication of the IKE SA in IKEv2 (RFC 7296 section 2.15).

mod psk;

use handfast_crypto::provider::PrfAlgorithm;
use handfast_crypto::secret::Secret;
use handfast_wire::numbers::AuthMethod;

use crate::credential::{Credential, Expectation};
use crate::error::{AuthError, AuthRefusal};

/// What a proof is made over, seen from the side that proves itself.
///
/// To make our own proof, all of it is ours but the nonce; to check the peer's, all of it is the peer's but the nonce.
#[derive(Clone, Copy)]
pub struct ProofContext<'a> {
    /// The negotiated PRF.
    pub prf: &'a dyn PrfAlgorithm,
    /// SK_pi if the prover is the original initiator, else SK_pr.
    pub sk_p: &'a Secret,
    /// The prover's IKE_SA_INIT message from the first octet of its header to its last: the one that was answered, if a
    /// COOKIE or INVALID_KE_PAYLOAD made it start again (RFC 7296 section 2.6).
    pub first_message: &'a [u8],
    /// The nonce of the other side, without the payload header.
    pub other_nonce: &'a [u8],
    /// RestOfIDPayload of the prover: ID type, the reserved octets as sent, and the data.
    pub id_body: &'a [u8],
}

/// Fields of an AUTH payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof {
    /// Auth Method, an [`AuthMethod`] number.
    pub method: u8,
    /// Authentication Data.
    pub data: Vec<u8>,
}

/// Makes our AUTH payload. `context` is seen from our side.
///
/// # Errors
/// [`AuthError::EmptySecret`] for an empty preshared key.
pub fn prove(credential: &Credential, context: &ProofContext<'_>) -> Result<Proof, AuthError> {
    match credential {
        Credential::Psk(psk) => {
            if psk.is_empty() {
                return Err(AuthError::EmptySecret);
            }
            let data = psk::auth(psk.as_bytes(), context).as_bytes().to_vec();
            Ok(Proof {
                method: AuthMethod::SHARED_KEY.0,
                data,
            })
        }
    }
}

/// Checks the peer's AUTH payload (`method`, `data`). `context` is seen from the peer's side.
///
/// # Errors
/// Why it is not accepted; for our log only.
pub fn verify(
    expectation: &Expectation,
    context: &ProofContext<'_>,
    method: u8,
    data: &[u8],
) -> Result<(), AuthRefusal> {
    match expectation {
        Expectation::Psk(psk) => psk::verify(psk, context, AuthMethod(method), data),
    }
}

/// Spends the time of a [`verify`] where there is nothing to verify against, so that a stranger who tries identities
/// cannot tell an unknown one from a wrong secret by the clock.
pub fn verify_decoy(context: &ProofContext<'_>) {
    psk::decoy(context);
}

#[cfg(test)]
mod tests;
