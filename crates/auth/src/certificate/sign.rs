//! Making signatures: here, or wherever a [`Signer`] keeps its key.

#[cfg(feature = "aws-lc")]
mod aws_lc;

use std::fmt;
use std::sync::Arc;

use handfast_crypto::hash::Hash;
use rand_core::{TryCryptoRng, TryRng};
use ring::rand::SecureRandom;
use ring::signature::{self as ring_signature, EcdsaKeyPair, RsaEncoding};
use zeroize::Zeroizing;

use super::algorithm::{Scheme, digest_info};
use super::private_key::{Kind, PrivateKey};
use super::public_key::PublicKey;

/// How to sign.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// As X.509 and method 14 of IKEv2 do (ECDSA as ECDSA-Sig-Value).
    Scheme(Scheme),
    /// ECDSA over the message, r and s one after the other: methods 9 to 11 of IKEv2.
    EcdsaFixed(Hash),
    /// RSA over a hash, padded as PKCS#1 v1.5 without DigestInfo: method 3 of IKEv1.
    RsaBare,
    /// ECDSA over a hash, r and s one after the other: methods 9 to 11 of IKEv1.
    EcdsaPrehashed,
}

/// Why no signature was made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The key cannot sign so.
    #[error("a key of {key} cannot sign with {form}")]
    WrongForm {
        /// What was asked.
        form: Form,
        /// Kind of the key.
        key: String,
    },
    /// The library or the device refused.
    #[error("signing failed: {0}")]
    Failed(String),
}

/// Signs with one private key, wherever that is.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// Signs `octets`: the message, or the hash where [`Form`] says so. May take long; the engine asks for it with a
    /// question.
    ///
    /// # Errors
    /// [`SignError`].
    fn sign(&self, form: Form, octets: &[u8]) -> Result<Vec<u8>, SignError>;

    /// Whether it signs in less time than it takes to have another thread do it.
    fn is_quick(&self) -> bool {
        false
    }
}

/// A key in memory.
pub struct LocalSigner {
    key: PrivateKey,
    random: Arc<dyn SecureRandom + Send + Sync>,
    quick: Option<QuickEcdsa>,
    #[cfg(feature = "aws-lc")]
    fast: Option<aws_lc::Fast>,
}

/// ECDSA by ring, which signs several times faster, but only a message with the hash of its curve.
struct QuickEcdsa {
    hash: Hash,
    asn1: EcdsaKeyPair,
    fixed: EcdsaKeyPair,
}

impl QuickEcdsa {
    fn new(key: &PrivateKey, random: &dyn SecureRandom) -> Option<Self> {
        let (scalar, hash, asn1, fixed) = match &key.kind {
            Kind::P256(own) => (
                Zeroizing::new(own.to_bytes().to_vec()),
                Hash::Sha256,
                &ring_signature::ECDSA_P256_SHA256_ASN1_SIGNING,
                &ring_signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            ),
            Kind::P384(own) => (
                Zeroizing::new(own.to_bytes().to_vec()),
                Hash::Sha384,
                &ring_signature::ECDSA_P384_SHA384_ASN1_SIGNING,
                &ring_signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            ),
            _ => return None,
        };
        let PublicKey::Ec(_, point) = &key.public else {
            return None;
        };
        let pair = |algorithm| EcdsaKeyPair::from_private_key_and_public_key(algorithm, &scalar, point, random).ok();
        Some(Self {
            hash,
            asn1: pair(asn1)?,
            fixed: pair(fixed)?,
        })
    }
}

impl LocalSigner {
    /// `random` blinds RSA, salts PSS and goes into the nonces of ECDSA over P-256 and P-384, beside key and message; other
    /// ECDSA takes its nonces from key and message (RFC 6979). With the feature `aws-lc` AWS-LC makes what it can, with
    /// randomness of its own.
    pub fn new(key: PrivateKey, random: Arc<dyn SecureRandom + Send + Sync>) -> Self {
        let quick = QuickEcdsa::new(&key, &*random);
        #[cfg(feature = "aws-lc")]
        let fast = aws_lc::Fast::new(&key);
        Self {
            key,
            random,
            quick,
            #[cfg(feature = "aws-lc")]
            fast,
        }
    }
}

impl Signer for LocalSigner {
    fn public_key(&self) -> &PublicKey {
        &self.key.public
    }

    fn sign(&self, form: Form, octets: &[u8]) -> Result<Vec<u8>, SignError> {
        #[cfg(feature = "aws-lc")]
        if let Some(signed) = self.fast.as_ref().and_then(|fast| fast.sign(form, octets)) {
            return signed;
        }
        let random = &*self.random;
        if let Some(quick) = &self.quick {
            let pair = match form {
                Form::Scheme(Scheme::Ecdsa(hash)) if hash == quick.hash => Some(&quick.asn1),
                Form::EcdsaFixed(hash) if hash == quick.hash => Some(&quick.fixed),
                _ => None,
            };
            if let Some(pair) = pair {
                let signed = pair.sign(random, octets);
                return signed
                    .map(|signature| signature.as_ref().to_vec())
                    .map_err(|_| SignError::Failed("ring's ECDSA refused".into()));
            }
        }
        match (&self.key.kind, form) {
            (Kind::Rsa { bare, .. }, Form::RsaBare) => rsa_bare(bare, octets, random),
            (Kind::Rsa { bare, .. }, Form::Scheme(Scheme::RsaPkcs1(Hash::Sha1))) => {
                let contents = digest_info(Hash::Sha1, &Hash::Sha1.digest(&[octets]));
                rsa_bare(bare, &contents, random)
            }
            (Kind::Rsa { ring, .. }, Form::Scheme(scheme)) => {
                let encoding = rsa_encoding(scheme).ok_or_else(|| self.wrong(form))?;
                let mut signature = vec![0; ring.public().modulus_len()];
                ring.sign(encoding, random, octets, &mut signature)
                    .map_err(|_| SignError::Failed("ring's RSA refused".into()))?;
                Ok(signature)
            }
            (Kind::Ed25519(pair), Form::Scheme(Scheme::Ed25519)) => Ok(pair.sign(octets).as_ref().to_vec()),
            (_, Form::Scheme(Scheme::Ecdsa(hash))) => self.ecdsa(form, &hash.digest(&[octets]), true),
            (_, Form::EcdsaFixed(hash)) => self.ecdsa(form, &hash.digest(&[octets]), false),
            (_, Form::EcdsaPrehashed) => self.ecdsa(form, octets, false),
            _ => Err(self.wrong(form)),
        }
    }

    fn is_quick(&self) -> bool {
        matches!(self.key.kind, Kind::Ed25519(_) | Kind::P256(_))
    }
}

impl LocalSigner {
    fn ecdsa(&self, form: Form, hash: &[u8], asn1: bool) -> Result<Vec<u8>, SignError> {
        macro_rules! sign {
            ($module:ident, $key:expr) => {{
                use $module::ecdsa::signature::hazmat::PrehashSigner;
                let signature: $module::ecdsa::Signature = $key
                    .sign_prehash(hash)
                    .map_err(|error| SignError::Failed(error.to_string()))?;
                if asn1 {
                    signature.to_der().as_bytes().to_vec()
                } else {
                    signature.to_bytes().to_vec()
                }
            }};
        }
        Ok(match &self.key.kind {
            Kind::P256(key) => sign!(p256, key),
            Kind::P384(key) => sign!(p384, key),
            Kind::P521(key) => sign!(p521, key),
            Kind::Rsa { .. } | Kind::Ed25519(_) => return Err(self.wrong(form)),
        })
    }

    fn wrong(&self, form: Form) -> SignError {
        SignError::WrongForm {
            form,
            key: self.key.public.to_string(),
        }
    }
}

impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalSigner({})", self.key.public)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) => scheme.fmt(f),
            Self::EcdsaFixed(hash) => Scheme::Ecdsa(*hash).fmt(f),
            Self::RsaBare => f.write_str("RSA over a bare hash"),
            Self::EcdsaPrehashed => f.write_str("ECDSA over a hash"),
        }
    }
}

fn rsa_encoding(scheme: Scheme) -> Option<&'static dyn RsaEncoding> {
    Some(match scheme {
        Scheme::RsaPkcs1(Hash::Sha256) => &ring_signature::RSA_PKCS1_SHA256,
        Scheme::RsaPkcs1(Hash::Sha384) => &ring_signature::RSA_PKCS1_SHA384,
        Scheme::RsaPkcs1(Hash::Sha512) => &ring_signature::RSA_PKCS1_SHA512,
        // ring salts with as many octets as the hash has.
        scheme if scheme == Scheme::pss(Hash::Sha256) => &ring_signature::RSA_PSS_SHA256,
        scheme if scheme == Scheme::pss(Hash::Sha384) => &ring_signature::RSA_PSS_SHA384,
        scheme if scheme == Scheme::pss(Hash::Sha512) => &ring_signature::RSA_PSS_SHA512,
        _ => return None,
    })
}

fn rsa_bare(key: &rsa::PrivateKey, contents: &[u8], random: &dyn SecureRandom) -> Result<Vec<u8>, SignError> {
    key.sign_with_rng(&mut Random(random), rsa::Pkcs1v15Sign::new_unprefixed(), contents)
        .map_err(|error| SignError::Failed(error.to_string()))
}

/// ring's source of randomness for crates that want `rand_core`'s.
pub(super) struct Random<'a>(pub(super) &'a dyn SecureRandom);

impl TryRng for Random<'_> {
    type Error = NoRandomness;

    fn try_next_u32(&mut self) -> Result<u32, NoRandomness> {
        let mut octets = Zeroizing::new([0; 4]);
        self.try_fill_bytes(&mut *octets)?;
        Ok(u32::from_ne_bytes(*octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, NoRandomness> {
        let mut octets = Zeroizing::new([0; 8]);
        self.try_fill_bytes(&mut *octets)?;
        Ok(u64::from_ne_bytes(*octets))
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), NoRandomness> {
        self.0.fill(octets).map_err(|_| NoRandomness)
    }
}

impl TryCryptoRng for Random<'_> {}

/// The system has no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the system has no randomness")]
pub(super) struct NoRandomness;
