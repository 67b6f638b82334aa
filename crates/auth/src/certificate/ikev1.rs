//! Signatures of IKEv1: over HASH_I and HASH_R themselves (RFC 2409 section 5.1, RFC 4754 section 2).

use handfast_crypto::hash::Hash;

use super::ikev2::ecdsa_method;
use super::public_key::{Curve, PublicKey};
use super::sign::Form;
use super::verify::SignatureError;

/// The authentication method of IKEv1 that a key has (the value of attribute 3 in phase 1), and how the signer signs
/// HASH_I or HASH_R.
///
/// RSA is 3, without DigestInfo around the hash. ECDSA is 9, 10 or 11 by its curve, r and s one after the other, over
/// the hash as it is, which [`ecdsa_hash`] makes. `None`: Ed25519 has no number in IKEv1.
pub fn method(key: &PublicKey) -> Option<(u16, Form)> {
    match key {
        PublicKey::Rsa(_) => Some((RSA_SIGNATURES, Form::RsaBare)),
        PublicKey::Ec(curve, _) => Some((u16::from(ecdsa_method(*curve).0.0), Form::EcdsaPrehashed)),
        PublicKey::Ed25519(_) => None,
    }
}

/// The hash of HASH_I and HASH_R, which are then its HMAC, where a method is ECDSA's (RFC 4754 section 4); with any other
/// method it is that which phase 1 negotiated.
pub fn ecdsa_hash(method: u16) -> Option<Hash> {
    let curves = [Curve::P256, Curve::P384, Curve::P521].map(ecdsa_method);
    let own = curves.into_iter().find(|(own, _)| u16::from(own.0) == method);
    own.map(|(_, hash)| hash)
}

/// Authentication by RSA signatures.
pub const RSA_SIGNATURES: u16 = 3;
/// Authentication by DSS signatures, which is refused.
pub const DSS_SIGNATURES: u16 = 2;

/// Why a signature of IKEv1 was not accepted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureV1Error {
    /// DSS.
    #[error("DSS signatures are not supported")]
    Dss,
    /// The negotiated method is that of another key.
    #[error("authentication method {method} was negotiated, and the peer's key is {key}")]
    Key {
        /// The number of the method.
        method: u16,
        /// The peer's key.
        key: String,
    },
    /// HASH_I or HASH_R is of no hash.
    #[error("a hash of {0} octets is none")]
    HashLength(usize),
    /// It does not fit.
    #[error("the peer's SIG: {0}; it has another key than its certificate's, or the exchange was altered on its way")]
    Signature(#[from] SignatureError),
}

/// Checks the SIG payload of a peer over `hash`, the HASH_I or HASH_R that we computed for it.
///
/// # Errors
/// [`SignatureV1Error`].
pub fn verify(key: &PublicKey, negotiated: u16, hash: &[u8], signature: &[u8]) -> Result<(), SignatureV1Error> {
    if negotiated == DSS_SIGNATURES {
        return Err(SignatureV1Error::Dss);
    }
    // What a PRF makes: 16 octets of MD5 or AES to 64 of SHA2-512. Anything else would be an empty or foreign hash.
    if !(16..=64).contains(&hash.len()) {
        return Err(SignatureV1Error::HashLength(hash.len()));
    }
    match method(key) {
        Some((RSA_SIGNATURES, _)) if negotiated == RSA_SIGNATURES => Ok(key.verify_rsa_bare(hash, signature)?),
        Some((own, Form::EcdsaPrehashed)) if negotiated == own => Ok(key.verify_ecdsa_prehashed(hash, signature)?),
        _ => Err(SignatureV1Error::Key {
            method: negotiated,
            key: key.to_string(),
        }),
    }
}
