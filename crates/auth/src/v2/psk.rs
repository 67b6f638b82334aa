//! AUTH with a preshared key: Shared Key Message Integrity Code, method 2 (RFC 7296 section 2.15).

use std::hint::black_box;

use handfast_crypto::secret::Secret;
use handfast_wire::numbers::AuthMethod;

use super::ProofContext;
use crate::error::AuthRefusal;

/// "The string is 17 ASCII characters without null termination."
const KEY_PAD: &[u8; 17] = b"Key Pad for IKEv2";

/// AUTH = prf(prf(psk, "Key Pad for IKEv2"), first message | other side's nonce | prf(SK_p, RestOfIDPayload))
pub(super) fn auth(psk: &[u8], context: &ProofContext<'_>) -> Secret {
    let ProofContext {
        prf,
        sk_p,
        first_message,
        other_nonce,
        id_body,
    } = *context;
    let maced_id = prf.compute(sk_p.as_bytes(), &[id_body]);
    let key = prf.compute(psk, &[KEY_PAD]);
    prf.compute(key.as_bytes(), &[first_message, other_nonce, maced_id.as_bytes()])
}

pub(super) fn verify(
    psk: &Secret,
    context: &ProofContext<'_>,
    method: AuthMethod,
    data: &[u8],
) -> Result<(), AuthRefusal> {
    // Before any check, so that every refusal costs what `decoy` costs.
    let expected = auth(psk.as_bytes(), context);
    let fits = expected.ct_eq(data);
    if psk.is_empty() {
        return Err(AuthRefusal::EmptySecret);
    }
    if method != AuthMethod::SHARED_KEY {
        return Err(AuthRefusal::WrongMethod {
            expected: AuthMethod::SHARED_KEY,
            received: method,
        });
    }
    if data.is_empty() {
        return Err(AuthRefusal::EmptyProof);
    }
    if data.len() != expected.len() {
        return Err(AuthRefusal::ProofLength {
            expected: expected.len(),
            received: data.len(),
        });
    }
    if fits { Ok(()) } else { Err(AuthRefusal::BadProof) }
}

pub(super) fn decoy(context: &ProofContext<'_>) {
    // As long as usual secrets are, and shorter than a block of any hash.
    let expected = auth(&[0; 32], context);
    black_box(expected.ct_eq(black_box(&[0; 64][..expected.len().min(64)])));
}
