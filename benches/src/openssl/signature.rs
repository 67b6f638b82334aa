//! Signatures.

use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer, Verifier};

/// A new key, and how it signs.
pub struct Key {
    key: PKey<Private>,
    digest: Option<MessageDigest>,
    pss: bool,
}

impl Key {
    /// RSA with SHA2-256, by PKCS #1 or PSS with a salt as long as the digest.
    pub fn rsa(bits: u32, pss: bool) -> Self {
        Self::made(
            Rsa::generate(bits).and_then(PKey::from_rsa),
            Some(MessageDigest::sha256()),
            pss,
        )
    }

    /// ECDSA on a curve of so many bits, with the digest that goes with it.
    pub fn ecdsa(bits: u32) -> Self {
        let (curve, digest) = match bits {
            256 => (Nid::X9_62_PRIME256V1, MessageDigest::sha256()),
            384 => (Nid::SECP384R1, MessageDigest::sha384()),
            _ => (Nid::SECP521R1, MessageDigest::sha512()),
        };
        let key = EcGroup::from_curve_name(curve).and_then(|group| EcKey::generate(&group));
        Self::made(key.and_then(PKey::from_ec_key), Some(digest), false)
    }

    /// Ed25519.
    pub fn ed25519() -> Self {
        Self::made(PKey::generate_ed25519(), None, false)
    }

    fn made(key: Result<PKey<Private>, ErrorStack>, digest: Option<MessageDigest>, pss: bool) -> Self {
        let key = key.unwrap_or_else(|e| panic!("{e}"));
        Self { key, digest, pss }
    }

    /// Signs.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let sign = || {
            let mut signer = match self.digest {
                Some(digest) => Signer::new(digest, &self.key)?,
                None => Signer::new_without_digest(&self.key)?,
            };
            if self.pss {
                signer.set_rsa_padding(Padding::PKCS1_PSS)?;
                signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
            }
            signer.sign_oneshot_to_vec(message)
        };
        sign().unwrap_or_else(|e| panic!("{e}"))
    }

    /// Whether the signature fits.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let verify = || {
            let mut verifier = match self.digest {
                Some(digest) => Verifier::new(digest, &self.key)?,
                None => Verifier::new_without_digest(&self.key)?,
            };
            if self.pss {
                verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
                verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
            }
            verifier.verify_oneshot(signature, message)
        };
        verify().unwrap_or_else(|e| panic!("{e}"))
    }
}
