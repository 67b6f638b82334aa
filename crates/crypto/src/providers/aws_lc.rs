//! Algorithms of AWS-LC: X25519, P-256, P-384, P-521, AES-GCM and ChaCha20-Poly1305.
//!
//! AWS-LC draws its private keys from a generator of its own, which it seeds by the system's randomness, and can be given
//! none: this file and `ring.rs` are the two places below the daemon that have randomness of their own.

mod aead;

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};

pub(super) use aead::AEADS;

use crate::provider::{CryptoError, EphemeralKey, KeyAgreement, RandomSource};
use crate::secret::Secret;
use crate::transform::Group;

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

pub(super) static ECP521: Curve = Curve {
    id: Group::ECP521,
    algorithm: &agreement::ECDH_P521,
    prefix: UNCOMPRESSED,
    public_len: 132,
    shared_len: 66,
};

/// IKE sends X | Y (RFC 5903 section 7); AWS-LC, like SEC 1, puts 0x04 before it.
const UNCOMPRESSED: &[u8] = &[4];

/// Octets of a P-521 point in SEC 1 form, the longest of all.
const LONGEST_POINT: usize = 133;

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
        self.key(PrivateKey::generate(self.algorithm).map_err(|_| CryptoError::Random)?)
    }
}

impl Curve {
    fn key(&self, private: PrivateKey) -> Result<Box<dyn EphemeralKey>, CryptoError> {
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

/// Of the library's kinds of private key this is the one that may be used again; that ours is used once says its trait. The
/// library erases it when it is dropped.
struct CurveKey {
    algorithm: &'static agreement::Algorithm,
    prefix: &'static [u8],
    private: PrivateKey,
    public: Vec<u8>,
}

impl EphemeralKey for CurveKey {
    fn public(&self) -> &[u8] {
        &self.public
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        // AWS-LC reads public keys in other forms too, each of another length. It checks that coordinates are in range and
        // that the point is on the curve (RFC 6989 section 2.3).
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
        let shared = agreement::agree(
            &self.private,
            UnparsedPublicKey::new(self.algorithm, &*point),
            CryptoError::InvalidPublic,
            |shared: &[u8]| Ok(Secret::from(shared)),
        )?;
        // As with ring: a point of small order makes the result zero whatever our key is (RFC 7748 section 6.1).
        if self.algorithm == &agreement::X25519 && shared.ct_eq(&[0; 32]) {
            return Err(CryptoError::InvalidPublic);
        }
        Ok(shared)
    }
}

#[cfg(test)]
mod tests;
