//! Checking signatures. PKCS#1 v1.5 is checked by comparing the whole padded block with what it must be, never by
//! reading what it says: what is read can be forged (CVE-2006-4339, CVE-2018-16151).

use handfast_crypto::hash::Hash;
use ring::signature::{self as ring_signature, RsaPublicKeyComponents, UnparsedPublicKey};
use rsa::traits::SignatureScheme;

use super::algorithm::{Scheme, hash_len};
use super::public_key::{Curve, PublicKey, RsaKey};

/// Why a signature was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The key is of another kind than the signature.
    #[error("the signature is {scheme}, the key {key}")]
    WrongKey {
        /// How it was signed.
        scheme: Scheme,
        /// Kind of the key.
        key: &'static str,
    },
    /// It does not fit key and message.
    #[error("the signature does not fit")]
    Wrong,
}

impl PublicKey {
    /// Checks a signature over `message`, as X.509 and method 14 of IKEv2 have them.
    ///
    /// # Errors
    /// [`SignatureError`]. Whether SHA-1 is good enough is the caller's to say.
    pub fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match (self, scheme) {
            (Self::Rsa(key), Scheme::RsaPkcs1(hash)) => pkcs1(key, hash, message, signature),
            (Self::Rsa(key), Scheme::RsaPss { hash, salt }) => pss(key, hash, salt, message, signature),
            (Self::Ec(curve, point), Scheme::Ecdsa(hash)) => ecdsa_asn1(*curve, point, hash, message, signature),
            (Self::Ed25519(key), Scheme::Ed25519) => by_ring(&ring_signature::ED25519, key, message, signature),
            _ => Err(SignatureError::WrongKey {
                scheme,
                key: self.kind(),
            }),
        }
    }

    /// Checks RSA over a bare hash without DigestInfo, as IKEv1 has it (RFC 2409 section 5.1).
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify_rsa_bare(&self, hash: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let Self::Rsa(key) = self else {
            return Err(SignatureError::WrongKey {
                scheme: Scheme::RsaPkcs1(Hash::Sha1),
                key: self.kind(),
            });
        };
        rsa_block(key, hash, signature)
    }

    /// Checks ECDSA over octets that are a hash already, r and s one after the other: IKEv1 signs HASH_I and HASH_R
    /// themselves (RFC 4754 section 2), whatever the negotiated hash.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify_ecdsa_prehashed(&self, hash: &[u8], r_s: &[u8]) -> Result<(), SignatureError> {
        match self {
            Self::Ec(curve, point) => ecdsa_prehashed(*curve, point, hash, &Encoding::Fixed(r_s)),
            _ => Err(SignatureError::WrongKey {
                scheme: Scheme::Ecdsa(Hash::Sha256),
                key: self.kind(),
            }),
        }
    }

    /// Checks ECDSA over `message`, r and s one after the other: methods 9 to 11 of IKEv2 (RFC 4754 section 3).
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify_ecdsa_fixed(&self, hash: Hash, message: &[u8], r_s: &[u8]) -> Result<(), SignatureError> {
        self.verify_ecdsa_prehashed(&hash.digest(&[message]), r_s)
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RSA",
            Self::Ec(..) => "ECDSA",
            Self::Ed25519(_) => "Ed25519",
        }
    }
}

fn by_ring(
    algorithm: &'static dyn ring_signature::VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    UnparsedPublicKey::new(algorithm, key)
        .verify(message, signature)
        .map_err(|_| SignatureError::Wrong)
}

fn pkcs1(key: &RsaKey, hash: Hash, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let algorithm = match hash {
        Hash::Md5 => return Err(SignatureError::Wrong),
        Hash::Sha1 => &ring_signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &ring_signature::RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &ring_signature::RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &ring_signature::RSA_PKCS1_2048_8192_SHA512,
    };
    rsa_by_ring(key, algorithm, message, signature)
}

fn pss(key: &RsaKey, hash: Hash, salt: usize, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    if salt == hash_len(hash) {
        let algorithm = match hash {
            Hash::Sha256 => Some(&ring_signature::RSA_PSS_2048_8192_SHA256),
            Hash::Sha384 => Some(&ring_signature::RSA_PSS_2048_8192_SHA384),
            Hash::Sha512 => Some(&ring_signature::RSA_PSS_2048_8192_SHA512),
            Hash::Md5 | Hash::Sha1 => None,
        };
        if let Some(algorithm) = algorithm {
            return rsa_by_ring(key, algorithm, message, signature);
        }
    }
    let key = rsa_key(key)?;
    let digest = hash.digest(&[message]);
    let checked = match hash {
        Hash::Md5 => return Err(SignatureError::Wrong),
        Hash::Sha1 => rsa::pss::Pss::<sha1::Sha1>::new_with_salt(salt).verify(&key, &digest, signature),
        Hash::Sha256 => rsa::pss::Pss::<sha2::Sha256>::new_with_salt(salt).verify(&key, &digest, signature),
        Hash::Sha384 => rsa::pss::Pss::<sha2::Sha384>::new_with_salt(salt).verify(&key, &digest, signature),
        Hash::Sha512 => rsa::pss::Pss::<sha2::Sha512>::new_with_salt(salt).verify(&key, &digest, signature),
    };
    checked.map_err(|_| SignatureError::Wrong)
}

fn rsa_by_ring(
    key: &RsaKey,
    algorithm: &'static ring_signature::RsaParameters,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    RsaPublicKeyComponents { n: &key.n, e: &key.e }
        .verify(algorithm, message, signature)
        .map_err(|_| SignatureError::Wrong)
}

/// The padded block must be that of `contents`: PKCS#1 type 1 and nothing else around it.
fn rsa_block(key: &RsaKey, contents: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    rsa::Pkcs1v15Sign::new_unprefixed()
        .verify(&rsa_key(key)?, contents, signature)
        .map_err(|_| SignatureError::Wrong)
}

fn rsa_key(key: &RsaKey) -> Result<rsa::PublicKey, SignatureError> {
    let number = rsa::BoxedUint::from_be_slice_vartime;
    rsa::PublicKey::new(number(&key.n), number(&key.e)).map_err(|_| SignatureError::Wrong)
}

fn ecdsa_asn1(curve: Curve, point: &[u8], hash: Hash, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let algorithm = match (curve, hash) {
        (Curve::P256, Hash::Sha256) => Some(&ring_signature::ECDSA_P256_SHA256_ASN1),
        (Curve::P256, Hash::Sha384) => Some(&ring_signature::ECDSA_P256_SHA384_ASN1),
        (Curve::P384, Hash::Sha256) => Some(&ring_signature::ECDSA_P384_SHA256_ASN1),
        (Curve::P384, Hash::Sha384) => Some(&ring_signature::ECDSA_P384_SHA384_ASN1),
        _ => None,
    };
    match algorithm {
        Some(algorithm) => by_ring(algorithm, point, message, signature),
        None => ecdsa_prehashed(curve, point, &hash.digest(&[message]), &Encoding::Asn1(signature)),
    }
}

/// How r and s are written.
enum Encoding<'a> {
    /// ECDSA-Sig-Value.
    Asn1(&'a [u8]),
    /// One after the other, each as long as the field.
    Fixed(&'a [u8]),
}

fn ecdsa_prehashed(curve: Curve, point: &[u8], hash: &[u8], signature: &Encoding<'_>) -> Result<(), SignatureError> {
    macro_rules! check {
        ($curve:ident) => {{
            use $curve::ecdsa::signature::hazmat::PrehashVerifier;
            let signature = match signature {
                Encoding::Asn1(octets) => $curve::ecdsa::Signature::from_der(octets),
                Encoding::Fixed(octets) => $curve::ecdsa::Signature::from_slice(octets),
            };
            $curve::ecdsa::VerifyingKey::from_sec1_bytes(point).and_then(|key| key.verify_prehash(hash, &signature?))
        }};
    }
    let checked = match curve {
        Curve::P256 => check!(p256),
        Curve::P384 => check!(p384),
        Curve::P521 => check!(p521),
    };
    checked.map_err(|_| SignatureError::Wrong)
}
