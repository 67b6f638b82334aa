//! Algorithms of ring: X25519, P-256, P-384, AES-GCM and ChaCha20-Poly1305.
//!
//! ring draws its private keys from the system's randomness itself and can be given none, so this file is the one place
//! below the daemon that touches the system's randomness.

use ring::aead;
use ring::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use ring::rand::SystemRandom;
use subtle::ConstantTimeEq;

use crate::provider::{CryptoError, EphemeralKey, KeyAgreement, Protect, ProtectAlgorithm, RandomSource};
use crate::providers::packet;
use crate::secret::Secret;
use crate::transform::{Encr, Group, Integ};

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

pub(super) static AES128_GCM16: Aead = Aead {
    encr: Encr::aes_gcm16(128),
    algorithm: &aead::AES_128_GCM,
};

pub(super) static AES256_GCM16: Aead = Aead {
    encr: Encr::aes_gcm16(256),
    algorithm: &aead::AES_256_GCM,
};

pub(super) static CHACHA20_POLY1305: Aead = Aead {
    encr: Encr::CHACHA20_POLY1305,
    algorithm: &aead::CHACHA20_POLY1305,
};

/// IKE sends X | Y (RFC 5903 section 7); ring, like SEC 1, puts 0x04 before it.
const UNCOMPRESSED: &[u8] = &[4];

/// Octets of a P-384 point in SEC 1 form, the longest of all.
const LONGEST_POINT: usize = 97;

/// Salt at the end of the key material (RFC 4106 section 8.1, RFC 7634 section 2), explicit IV and ICV.
const SALT_LEN: usize = 4;
const IV_LEN: usize = 8;
const ICV_LEN: usize = 16;

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
        let private =
            EphemeralPrivateKey::generate(self.algorithm, &SystemRandom::new()).map_err(|_| CryptoError::Random)?;
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
        // RFC 8031 section 5: "receiving an all-zero output MUST cause the implementation to abort". ring refuses it
        // too; the requirement is IKE's, so it is kept here as well.
        let zero = vec![0; shared.len()];
        if shared.as_bytes().ct_eq(&zero).into() {
            return Err(CryptoError::InvalidPublic);
        }
        Ok(shared)
    }
}

/// An AEAD cipher with a 4-octet salt and an 8-octet explicit IV: AES-GCM (RFC 4106, RFC 5282) and ChaCha20-Poly1305
/// (RFC 7634).
pub(super) struct Aead {
    encr: Encr,
    algorithm: &'static aead::Algorithm,
}

impl ProtectAlgorithm for Aead {
    fn encr(&self) -> Encr {
        self.encr
    }

    fn integ(&self) -> Option<Integ> {
        None
    }

    fn encr_key_len(&self) -> usize {
        self.algorithm.key_len() + SALT_LEN
    }

    fn integ_key_len(&self) -> usize {
        0
    }

    fn key(&self, encr_key: &[u8], integ_key: &[u8]) -> Result<Box<dyn Protect>, CryptoError> {
        if !integ_key.is_empty() {
            return Err(CryptoError::Length);
        }
        let (key, salt) = encr_key.split_last_chunk::<SALT_LEN>().ok_or(CryptoError::Length)?;
        let key = aead::UnboundKey::new(self.algorithm, key).map_err(|_| CryptoError::Length)?;
        Ok(Box::new(AeadKey {
            key: aead::LessSafeKey::new(key),
            salt: *salt,
        }))
    }
}

/// A prepared key. ring does not erase its keys when they are dropped; everything before this point is erased.
struct AeadKey {
    key: aead::LessSafeKey,
    salt: [u8; SALT_LEN],
}

impl AeadKey {
    fn nonce(&self, iv: [u8; IV_LEN]) -> aead::Nonce {
        let mut nonce = [0; aead::NONCE_LEN];
        let (salt, rest) = nonce.split_at_mut(SALT_LEN);
        salt.copy_from_slice(&self.salt);
        rest.copy_from_slice(&iv);
        aead::Nonce::assume_unique_for_key(nonce)
    }
}

impl Protect for AeadKey {
    fn iv_len(&self) -> usize {
        IV_LEN
    }

    fn icv_len(&self) -> usize {
        ICV_LEN
    }

    fn block_len(&self) -> usize {
        1
    }

    fn seal(&self, packet: &mut [u8], header_len: usize, counter: u64, esn: Option<u32>) -> Result<(), CryptoError> {
        let parts = packet::split::<IV_LEN>(packet, header_len, ICV_LEN).ok_or(CryptoError::Length)?;
        *parts.iv = counter.to_be_bytes();
        let aad = packet::Aad::new(parts.header, esn)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(*parts.iv), aead::Aad::from(aad.bytes()), parts.body)
            .map_err(|_| CryptoError::Length)?;
        parts.icv.copy_from_slice(tag.as_ref());
        Ok(())
    }

    fn open<'p>(&self, packet: &'p mut [u8], header_len: usize, esn: Option<u32>) -> Result<&'p mut [u8], CryptoError> {
        let (header, rest) = packet.split_at_mut_checked(header_len).ok_or(CryptoError::Integrity)?;
        let (iv, sealed) = rest.split_first_chunk_mut::<IV_LEN>().ok_or(CryptoError::Integrity)?;
        let aad = packet::Aad::new(header, esn).map_err(|_| CryptoError::Integrity)?;
        self.key
            .open_in_place(self.nonce(*iv), aead::Aad::from(aad.bytes()), sealed)
            .map_err(|_| CryptoError::Integrity)
    }
}
