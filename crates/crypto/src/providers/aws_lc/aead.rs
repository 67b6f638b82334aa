//! AES-GCM and ChaCha20-Poly1305.

use aws_lc_rs::aead;

use crate::provider::{CryptoError, Protect, ProtectAlgorithm};
use crate::providers::packet;
use crate::transform::{Encr, Integ};

/// Every cipher, best first.
pub(in crate::providers) static AEADS: [&dyn ProtectAlgorithm; 4] = [
    &Aead {
        encr: Encr::aes_gcm16(128),
        algorithm: &aead::AES_128_GCM,
    },
    &Aead {
        encr: Encr::aes_gcm16(256),
        algorithm: &aead::AES_256_GCM,
    },
    &Aead {
        encr: Encr::CHACHA20_POLY1305,
        algorithm: &aead::CHACHA20_POLY1305,
    },
    &Aead {
        encr: Encr::aes_gcm16(192),
        algorithm: &aead::AES_192_GCM,
    },
];

/// Salt at the end of the key material (RFC 4106 section 8.1, RFC 7634 section 2), explicit IV and ICV.
const SALT_LEN: usize = 4;
const IV_LEN: usize = 8;
const ICV_LEN: usize = 16;

/// An AEAD cipher with a 4-octet salt and an 8-octet explicit IV: AES-GCM (RFC 4106, RFC 5282) and ChaCha20-Poly1305
/// (RFC 7634).
struct Aead {
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

/// A prepared key, which AWS-LC erases when it is dropped.
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
