//! Signatures by AWS-LC, which makes those of RSA and of P-384 and P-521 several times faster. It draws what is random in
//! them itself.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, RsaEncoding};
use handfast_crypto::hash::Hash;
use rsa::pkcs1::EncodeRsaPrivateKey;
use zeroize::Zeroizing;

use super::{Form, SignError};
use crate::certificate::algorithm::Scheme;
use crate::certificate::private_key::{Kind, PrivateKey};
use crate::certificate::public_key::PublicKey;

/// A key as AWS-LC wants it.
pub(super) enum Fast {
    Rsa(KeyPair),
    /// With the only hash that AWS-LC signs with this key in both forms.
    Ec {
        hash: Hash,
        asn1: EcdsaKeyPair,
        fixed: EcdsaKeyPair,
    },
}

impl Fast {
    /// `None` for a key that AWS-LC does not sign with here.
    pub(super) fn new(key: &PrivateKey) -> Option<Self> {
        let (hash, asn1, fixed, scalar): (_, &EcdsaSigningAlgorithm, &EcdsaSigningAlgorithm, _) = match &key.kind {
            Kind::Rsa { bare, .. } => {
                let pkcs1 = bare.to_pkcs1_der().ok()?;
                return KeyPair::from_der(pkcs1.as_bytes()).ok().map(Self::Rsa);
            }
            Kind::P256(own) => (
                Hash::Sha256,
                &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
                &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                Zeroizing::new(own.to_bytes().to_vec()),
            ),
            Kind::P384(own) => (
                Hash::Sha384,
                &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
                &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
                Zeroizing::new(own.to_bytes().to_vec()),
            ),
            Kind::P521(own) => (
                Hash::Sha512,
                &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
                &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
                Zeroizing::new(own.to_bytes().to_vec()),
            ),
            Kind::Ed25519(_) => return None,
        };
        let PublicKey::Ec(_, point) = &key.public else {
            return None;
        };
        let pair = |algorithm| EcdsaKeyPair::from_private_key_and_public_key(algorithm, &scalar, point).ok();
        Some(Self::Ec {
            hash,
            asn1: pair(asn1)?,
            fixed: pair(fixed)?,
        })
    }

    /// The signature; `None` where AWS-LC has not this form.
    pub(super) fn sign(&self, form: Form, octets: &[u8]) -> Option<Result<Vec<u8>, SignError>> {
        let refused = |_| SignError::Failed("AWS-LC refused".into());
        match self {
            Self::Rsa(pair) => {
                let Form::Scheme(scheme) = form else {
                    return None;
                };
                let (encoding, hash) = rsa_encoding(scheme)?;
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign_digest(encoding, &digest::digest(hash, octets), &mut signature);
                Some(signed.map(|()| signature).map_err(refused))
            }
            Self::Ec { hash, asn1, fixed } => {
                let algorithm = digest_of(*hash)?;
                let (pair, digest) = match form {
                    Form::Scheme(Scheme::Ecdsa(asked)) if asked == *hash => (asn1, digest::digest(algorithm, octets)),
                    Form::EcdsaFixed(asked) if asked == *hash => (fixed, digest::digest(algorithm, octets)),
                    // Of a hash ECDSA knows nothing but its octets; one of another length has to be cut or is short.
                    Form::EcdsaPrehashed => (fixed, Digest::import_less_safe(octets, algorithm).ok()?),
                    _ => return None,
                };
                let signed = pair.sign_digest(&digest);
                Some(signed.map(|signature| signature.as_ref().to_vec()).map_err(refused))
            }
        }
    }
}

fn digest_of(hash: Hash) -> Option<&'static digest::Algorithm> {
    match hash {
        Hash::Sha256 => Some(&digest::SHA256),
        Hash::Sha384 => Some(&digest::SHA384),
        Hash::Sha512 => Some(&digest::SHA512),
        Hash::Md5 | Hash::Sha1 => None,
    }
}

fn rsa_encoding(scheme: Scheme) -> Option<(&'static dyn RsaEncoding, &'static digest::Algorithm)> {
    let encoding: &dyn RsaEncoding = match scheme {
        Scheme::RsaPkcs1(Hash::Sha256) => &signature::RSA_PKCS1_SHA256,
        Scheme::RsaPkcs1(Hash::Sha384) => &signature::RSA_PKCS1_SHA384,
        Scheme::RsaPkcs1(Hash::Sha512) => &signature::RSA_PKCS1_SHA512,
        // The salt has as many octets as the hash.
        scheme if scheme == Scheme::pss(Hash::Sha256) => &signature::RSA_PSS_SHA256,
        scheme if scheme == Scheme::pss(Hash::Sha384) => &signature::RSA_PSS_SHA384,
        scheme if scheme == Scheme::pss(Hash::Sha512) => &signature::RSA_PSS_SHA512,
        _ => return None,
    };
    Some((encoding, digest_of(scheme.hash()?)?))
}
