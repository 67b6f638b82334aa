//! AUTH by signature in IKEv2: methods 1 (RSA), 9 to 11 (ECDSA, RFC 4754) and 14 (RFC 7427, RFC 8420).

use std::fmt;

use handfast_crypto::hash::Hash;
use handfast_wire::numbers::AuthMethod;

use super::algorithm::{AlgorithmError, Scheme, hash_name};
use super::public_key::{Curve, PublicKey};
use super::sign::Form;
use super::verify::SignatureError;
use crate::v2::{Proof, ProofContext};

/// Hash algorithms of a SIGNATURE_HASH_ALGORITHMS notify (RFC 7427 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SignatureHashes(u8);

const NUMBERS: [(Hash, u8); 4] = [(Hash::Sha1, 1), (Hash::Sha256, 2), (Hash::Sha384, 3), (Hash::Sha512, 4)];
/// "Identity" (RFC 8420 section 2): the message itself is signed, as Ed25519 does.
const IDENTITY: u8 = 5;

impl SignatureHashes {
    /// What we announce. SHA-1 only where its owner asked for it.
    pub fn ours(sha1: bool) -> Self {
        Self(0b11_1100 | u8::from(sha1) << 1)
    }

    /// Reads the notify's data. Unknown numbers are left out, and a rest of one octet.
    pub fn from_notify(data: &[u8]) -> Self {
        Self(data.chunks_exact(2).fold(0, |bits, pair| match pair {
            [0, number @ 1..=IDENTITY] => bits | 1 << number,
            _ => bits,
        }))
    }

    /// The notify's data.
    pub fn to_notify(self) -> Vec<u8> {
        let numbers = (1..=IDENTITY).filter(|number| self.0 & 1 << number != 0);
        numbers.flat_map(|number| [0, number]).collect()
    }

    /// Whether this hash is among them.
    pub fn has(self, hash: Hash) -> bool {
        NUMBERS
            .iter()
            .any(|(known, number)| *known == hash && self.0 & 1 << number != 0)
    }

    /// Whether messages may be signed as they are.
    pub fn has_identity(self) -> bool {
        self.0 & 1 << IDENTITY != 0
    }
}

impl fmt::Display for SignatureHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hashes = NUMBERS
            .iter()
            .filter(|(hash, _)| self.has(*hash))
            .map(|(hash, _)| hash_name(*hash));
        let names: Vec<&str> = hashes.chain(self.has_identity().then_some("identity")).collect();
        f.write_str(&names.join(", "))
    }
}

/// What the owner of a key wants of its signatures.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Preference {
    /// RSA with PSS, as RFC 8247 section 3.2 wants it, and not with PKCS#1 v1.5.
    pub pss: bool,
    /// Whether SHA-1 may be used where the peer knows nothing else. Never chosen without this.
    pub sha1: bool,
}

impl Default for Preference {
    fn default() -> Self {
        Self { pss: true, sha1: false }
    }
}

/// How our AUTH is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice {
    /// Auth Method.
    pub method: AuthMethod,
    /// What the signer does with the octets.
    pub form: Form,
}

/// Why there is no way to sign for this peer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChoiceError {
    /// The peer said nothing of hashes, so only SHA-1 is left for RSA.
    #[error(
        "the peer announces no signature hashes (RFC 7427), which leaves RSA with SHA-1 only, and that is not allowed here"
    )]
    OnlySha1,
    /// The peer said nothing of hashes, and this key needs that.
    #[error("the peer announces no signature hashes (RFC 7427), without which a key of {0} cannot be used")]
    NeedsMethod14(String),
    /// No hash in common.
    #[error("the peer takes signatures with {peer} only, for which a key of {key} has no use")]
    NoCommonHash {
        /// What the peer announced.
        peer: SignatureHashes,
        /// Our key.
        key: String,
    },
}

/// Chooses how to sign with this key for a peer that announced these hashes.
///
/// # Errors
/// [`ChoiceError`].
pub fn choose(key: &PublicKey, peer: Option<SignatureHashes>, preference: Preference) -> Result<Choice, ChoiceError> {
    let Some(hashes) = peer else {
        return choose_old(key, preference);
    };
    let none = || ChoiceError::NoCommonHash {
        peer: hashes,
        key: key.to_string(),
    };
    let order: [Hash; 4] = match key {
        PublicKey::Ec(Curve::P384, _) => [Hash::Sha384, Hash::Sha512, Hash::Sha256, Hash::Sha1],
        PublicKey::Ec(Curve::P521, _) => [Hash::Sha512, Hash::Sha384, Hash::Sha256, Hash::Sha1],
        _ => [Hash::Sha256, Hash::Sha384, Hash::Sha512, Hash::Sha1],
    };
    let common = || {
        let allowed = |hash: &Hash| hashes.has(*hash) && (*hash != Hash::Sha1 || preference.sha1);
        order.into_iter().find(allowed).ok_or_else(none)
    };
    let scheme = match key {
        PublicKey::Ed25519(_) if hashes.has_identity() => Scheme::Ed25519,
        PublicKey::Ed25519(_) => return Err(none()),
        PublicKey::Ec(..) => Scheme::Ecdsa(common()?),
        PublicKey::Rsa(_) => match common()? {
            // PSS with SHA-1 is nobody's.
            hash if preference.pss && hash != Hash::Sha1 => Scheme::pss(hash),
            hash => Scheme::RsaPkcs1(hash),
        },
    };
    Ok(Choice {
        method: AuthMethod::DIGITAL_SIGNATURE,
        form: Form::Scheme(scheme),
    })
}

/// Without RFC 7427: the methods of RFC 7296 and RFC 4754.
fn choose_old(key: &PublicKey, preference: Preference) -> Result<Choice, ChoiceError> {
    Ok(match key {
        PublicKey::Rsa(_) if preference.sha1 => Choice {
            method: AuthMethod::RSA_SIGNATURE,
            form: Form::Scheme(Scheme::RsaPkcs1(Hash::Sha1)),
        },
        PublicKey::Rsa(_) => return Err(ChoiceError::OnlySha1),
        PublicKey::Ec(curve, _) => {
            let (method, hash) = ecdsa_method(*curve);
            Choice {
                method,
                form: Form::EcdsaFixed(hash),
            }
        }
        PublicKey::Ed25519(_) => return Err(ChoiceError::NeedsMethod14(key.to_string())),
    })
}

pub(super) fn ecdsa_method(curve: Curve) -> (AuthMethod, Hash) {
    match curve {
        Curve::P256 => (AuthMethod::ECDSA_256, Hash::Sha256),
        Curve::P384 => (AuthMethod::ECDSA_384, Hash::Sha384),
        Curve::P521 => (AuthMethod::ECDSA_521, Hash::Sha512),
    }
}

impl Choice {
    /// The AUTH payload with this signature in it.
    pub fn proof(self, signature: &[u8]) -> Proof {
        let data = match self.form {
            Form::Scheme(scheme) if self.method == AuthMethod::DIGITAL_SIGNATURE => {
                let identifier = scheme.to_der();
                // RFC 7427 section 3: the identifier's length in one octet, the identifier, the signature.
                [&[identifier.len() as u8], &identifier[..], signature].concat()
            }
            _ => signature.to_vec(),
        };
        Proof {
            method: self.method.0,
            data,
        }
    }
}

/// The octets that are signed: the prover's first message, the other side's nonce, prf(SK_p, RestOfIDPayload) (RFC 7296
/// section 2.15).
pub fn signed_octets(context: &ProofContext<'_>) -> Vec<u8> {
    let maced_id = context.prf.compute(context.sk_p.as_bytes(), &[context.id_body]);
    [context.first_message, context.other_nonce, maced_id.as_bytes()].concat()
}

/// Why the peer's AUTH by signature was not accepted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthSignatureError {
    /// Another method.
    #[error("the peer authenticated with {0}, and a certificate is wanted of it")]
    Method(AuthMethod),
    /// DSS, which nobody should use.
    #[error("the peer signed with DSS, which is not supported")]
    Dss,
    /// The AlgorithmIdentifier of method 14.
    #[error("the peer's AUTH: {0}")]
    Algorithm(#[from] AlgorithmError),
    /// The payload is cut short.
    #[error("the peer's AUTH is too short for its algorithm identifier")]
    Truncated,
    /// A hash that we did not announce.
    #[error("the peer signed with {0}, and that hash is not allowed here")]
    Hash(Scheme),
    /// The method is that of another curve.
    #[error("the peer authenticated with {method}, and its key is {key}")]
    Curve {
        /// Its method.
        method: AuthMethod,
        /// Its key.
        key: String,
    },
    /// The signature does not fit.
    #[error("the peer's AUTH: {0}; it has another key than its certificate's, or the exchange was altered on its way")]
    Signature(#[from] SignatureError),
}

/// Checks an AUTH payload over [`signed_octets`]. `announced` is what we sent in SIGNATURE_HASH_ALGORITHMS; what is not
/// in it is not accepted, in method 1 neither. Gives how it was signed.
///
/// # Errors
/// [`AuthSignatureError`].
pub fn verify(
    key: &PublicKey,
    method: AuthMethod,
    data: &[u8],
    octets: &[u8],
    announced: SignatureHashes,
) -> Result<Scheme, AuthSignatureError> {
    match method {
        AuthMethod::DIGITAL_SIGNATURE => {
            let (length, rest) = data.split_first().ok_or(AuthSignatureError::Truncated)?;
            let (identifier, signature) = rest
                .split_at_checked(usize::from(*length))
                .ok_or(AuthSignatureError::Truncated)?;
            let scheme = Scheme::from_der(identifier)?;
            let allowed = match scheme.hash() {
                Some(hash) => announced.has(hash),
                None => announced.has_identity(),
            };
            if !allowed {
                return Err(AuthSignatureError::Hash(scheme));
            }
            key.verify(scheme, octets, signature)?;
            Ok(scheme)
        }
        AuthMethod::RSA_SIGNATURE => rsa_signature(key, data, octets, announced),
        AuthMethod::ECDSA_256 | AuthMethod::ECDSA_384 | AuthMethod::ECDSA_521 => match key {
            PublicKey::Ec(curve, _) if ecdsa_method(*curve).0 == method => {
                let hash = ecdsa_method(*curve).1;
                key.verify_ecdsa_fixed(hash, octets, data)?;
                Ok(Scheme::Ecdsa(hash))
            }
            _ => Err(AuthSignatureError::Curve {
                method,
                key: key.to_string(),
            }),
        },
        AuthMethod::DSS_SIGNATURE => Err(AuthSignatureError::Dss),
        other => Err(AuthSignatureError::Method(other)),
    }
}

/// Method 1 does not say its hash. SHA-1 is what everybody takes (RFC 7296 section 3.8); others are allowed. Each is
/// tried: reading the hash out of the padding is how signatures are forged.
fn rsa_signature(
    key: &PublicKey,
    signature: &[u8],
    octets: &[u8],
    announced: SignatureHashes,
) -> Result<Scheme, AuthSignatureError> {
    let mut error = SignatureError::Wrong;
    for hash in [Hash::Sha256, Hash::Sha1, Hash::Sha384, Hash::Sha512] {
        let scheme = Scheme::RsaPkcs1(hash);
        match key.verify(scheme, octets, signature) {
            Ok(()) if announced.has(hash) => return Ok(scheme),
            Ok(()) => return Err(AuthSignatureError::Hash(scheme)),
            Err(wrong) => error = wrong,
        }
    }
    Err(error.into())
}
