//! Algorithms of ring: X25519, P-256, P-384, AES-GCM and ChaCha20-Poly1305.
//!
//! ring draws its private keys from the system's randomness itself and can be given none, so this file is the one place
//! below the daemon that touches the system's randomness.

mod aead;

use std::sync::Arc;

use ring::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use ring::rand::{SecureRandom, SystemRandom};

pub(super) use aead::AEADS;

use crate::provider::{CryptoError, EphemeralKey, KeyAgreement, RandomSource};
use crate::secret::Secret;
use crate::transform::Group;

/// The system's randomness as ring wants it, to blind and salt signatures.
pub fn system_random() -> Arc<dyn SecureRandom + Send + Sync> {
    Arc::new(SystemRandom::new())
}

pub(super) static X25519: Curve = Curve {
    id: Group::X25519,
    algorithm: &agreement::X25519,
    prefix: &[],
    public_len: 32,
    shared_len: 32,
};

pub(super) static ECP256: Curve = Curve {
    id: Group::ECP256,
    algorithm: &agreement::ECDH_P256,
    prefix: UNCOMPRESSED,
    public_len: 64,
    shared_len: 32,
};

pub(super) static ECP384: Curve = Curve {
    id: Group::ECP384,
    algorithm: &agreement::ECDH_P384,
    prefix: UNCOMPRESSED,
    public_len: 96,
    shared_len: 48,
};

/// IKE sends X | Y (RFC 5903 section 7); ring, like SEC 1, puts 0x04 before it.
const UNCOMPRESSED: &[u8] = &[4];

/// Octets of a P-384 point in SEC 1 form, the longest of all.
const LONGEST_POINT: usize = 97;

/// A curve.
pub(super) struct Curve {
    id: Group,
    algorithm: &'static agreement::Algorithm,
    prefix: &'static [u8],
    public_len: usize,
    shared_len: usize,
}

impl KeyAgreement for Curve {
    fn id(&self) -> Group {
        self.id
    }

    fn public_len(&self) -> usize {
        self.public_len
    }

    fn shared_len(&self) -> usize {
        self.shared_len
    }

    fn generate(&self, _random: &mut dyn RandomSource) -> Result<Box<dyn EphemeralKey>, CryptoError> {
        self.generate_with(&SystemRandom::new())
    }
}

impl Curve {
    fn generate_with(&self, random: &dyn SecureRandom) -> Result<Box<dyn EphemeralKey>, CryptoError> {
        let private = EphemeralPrivateKey::generate(self.algorithm, random).map_err(|_| CryptoError::Random)?;
        let public = private.compute_public_key().map_err(|_| CryptoError::Random)?;
        let public = public
            .as_ref()
            .strip_prefix(self.prefix)
            .ok_or(CryptoError::Length)?
            .to_vec();
        Ok(Box::new(CurveKey {
            algorithm: self.algorithm,
            prefix: self.prefix,
            private,
            public,
        }))
    }
}

struct CurveKey {
    algorithm: &'static agreement::Algorithm,
    prefix: &'static [u8],
    private: EphemeralPrivateKey,
    public: Vec<u8>,
}

impl EphemeralKey for CurveKey {
    fn public(&self) -> &[u8] {
        &self.public
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        // ring checks that coordinates are in range and that the point is on the curve (RFC 6989 section 2.3).
        if peer.len() != self.public.len() {
            return Err(CryptoError::InvalidPublic);
        }
        let mut point = [0; LONGEST_POINT];
        let point = point
            .get_mut(..self.prefix.len() + peer.len())
            .ok_or(CryptoError::Length)?;
        let (prefix, coordinates) = point.split_at_mut(self.prefix.len());
        prefix.copy_from_slice(self.prefix);
        coordinates.copy_from_slice(peer);
        let shared = agreement::agree_ephemeral(
            self.private,
            &UnparsedPublicKey::new(self.algorithm, &*point),
            |shared: &[u8]| Secret::from(shared),
        )
        .map_err(|_| CryptoError::InvalidPublic)?;
        // A peer that sends a point of small order makes the result zero whatever our key is. RFC 7748 section 6.1 lets
        // us check for it; ring does so too. (A point of P-256 may well have x = 0.)
        let zero = [0; 32];
        if self.algorithm == &agreement::X25519 && shared.ct_eq(&zero) {
            return Err(CryptoError::InvalidPublic);
        }
        Ok(shared)
    }
}

#[cfg(test)]
mod tests;
