//! AES-GCM in the sizes that ring has not, and AES-CCM (RFC 4106, RFC 4309; RFC 5282 for IKE).

use core::marker::PhantomData;

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::array::Array;
use aes_gcm::aead::array::typenum::Unsigned;
use aes_gcm::aead::consts::{U8, U11, U12, U16};
use aes_gcm::aead::{AeadInOut, KeyInit};
use ccm::Ccm;
use zeroize::Zeroizing;

use crate::provider::{CryptoError, Protect, ProtectAlgorithm};
use crate::providers::packet;
use crate::transform::{Encr, Integ};

/// Every cipher, those with long ICVs first.
pub(in crate::providers) static AEADS: [&dyn ProtectAlgorithm; 16] = [
    &Aead::<AesGcm<Aes192, U12, U16>>::new(Encr::aes_gcm16(192)),
    &Aead::<AesGcm<Aes256, U12, U12>>::new(Encr::aes_gcm12(256)),
    &Aead::<AesGcm<Aes192, U12, U12>>::new(Encr::aes_gcm12(192)),
    &Aead::<AesGcm<Aes128, U12, U12>>::new(Encr::aes_gcm12(128)),
    &Aead::<AesGcm<Aes256, U12, U8>>::new(Encr::aes_gcm8(256)),
    &Aead::<AesGcm<Aes192, U12, U8>>::new(Encr::aes_gcm8(192)),
    &Aead::<AesGcm<Aes128, U12, U8>>::new(Encr::aes_gcm8(128)),
    &Aead::<Ccm<Aes256, U16, U11>>::new(Encr::aes_ccm16(256)),
    &Aead::<Ccm<Aes192, U16, U11>>::new(Encr::aes_ccm16(192)),
    &Aead::<Ccm<Aes128, U16, U11>>::new(Encr::aes_ccm16(128)),
    &Aead::<Ccm<Aes256, U12, U11>>::new(Encr::aes_ccm12(256)),
    &Aead::<Ccm<Aes192, U12, U11>>::new(Encr::aes_ccm12(192)),
    &Aead::<Ccm<Aes128, U12, U11>>::new(Encr::aes_ccm12(128)),
    &Aead::<Ccm<Aes256, U8, U11>>::new(Encr::aes_ccm8(256)),
    &Aead::<Ccm<Aes192, U8, U11>>::new(Encr::aes_ccm8(192)),
    &Aead::<Ccm<Aes128, U8, U11>>::new(Encr::aes_ccm8(128)),
];

const IV_LEN: usize = 8;

/// An AEAD cipher whose nonce is a salt, at the end of the key material, and an explicit IV of 8 octets. The salt has 4
/// octets for GCM (RFC 4106 section 8.1) and 3 for CCM (RFC 4309 section 7.1).
struct Aead<A> {
    encr: Encr,
    algorithm: PhantomData<fn() -> A>,
}

impl<A> Aead<A> {
    const fn new(encr: Encr) -> Self {
        Self {
            encr,
            algorithm: PhantomData,
        }
    }
}

impl<A: AeadInOut> Aead<A> {
    const SALT_LEN: usize = A::NonceSize::USIZE - IV_LEN;
}

impl<A: AeadInOut + KeyInit + Send + Sync + 'static> ProtectAlgorithm for Aead<A> {
    fn encr(&self) -> Encr {
        self.encr
    }

    fn integ(&self) -> Option<Integ> {
        None
    }

    fn encr_key_len(&self) -> usize {
        A::key_size() + Self::SALT_LEN
    }

    fn integ_key_len(&self) -> usize {
        0
    }

    fn key(&self, encr_key: &[u8], integ_key: &[u8]) -> Result<Box<dyn Protect>, CryptoError> {
        let (key, salt) = encr_key
            .split_at_checked(A::key_size())
            .filter(|(_, salt)| salt.len() == Self::SALT_LEN && integ_key.is_empty())
            .ok_or(CryptoError::Length)?;
        let mut nonce = Zeroizing::new(Array::<u8, A::NonceSize>::default());
        nonce
            .get_mut(..salt.len())
            .ok_or(CryptoError::Length)?
            .copy_from_slice(salt);
        Ok(Box::new(AeadKey {
            cipher: A::new_from_slice(key).map_err(|_| CryptoError::Length)?,
            salted: nonce,
        }))
    }
}

/// A prepared key, and the nonce with room for the IV.
struct AeadKey<A: AeadInOut> {
    cipher: A,
    salted: Zeroizing<Array<u8, A::NonceSize>>,
}

impl<A: AeadInOut> AeadKey<A> {
    fn nonce(&self, iv: [u8; IV_LEN]) -> Array<u8, A::NonceSize> {
        let mut nonce = (*self.salted).clone();
        if let Some(place) = nonce.last_chunk_mut() {
            *place = iv;
        }
        nonce
    }
}

impl<A: AeadInOut + Send + Sync> Protect for AeadKey<A> {
    fn iv_len(&self) -> usize {
        IV_LEN
    }

    fn icv_len(&self) -> usize {
        A::TagSize::USIZE
    }

    fn block_len(&self) -> usize {
        1
    }

    fn seal(&self, packet: &mut [u8], header_len: usize, counter: u64, esn: Option<u32>) -> Result<(), CryptoError> {
        let parts = packet::split::<IV_LEN>(packet, header_len, self.icv_len()).ok_or(CryptoError::Length)?;
        *parts.iv = counter.to_be_bytes();
        let aad = packet::Aad::new(parts.header, esn)?;
        let tag = self
            .cipher
            .encrypt_inout_detached(&self.nonce(*parts.iv), aad.bytes(), parts.body.into())
            .map_err(|_| CryptoError::Length)?;
        parts.icv.copy_from_slice(&tag);
        Ok(())
    }

    fn open<'p>(&self, packet: &'p mut [u8], header_len: usize, esn: Option<u32>) -> Result<&'p mut [u8], CryptoError> {
        let parts = packet::split::<IV_LEN>(packet, header_len, self.icv_len()).ok_or(CryptoError::Integrity)?;
        let aad = packet::Aad::new(parts.header, esn).map_err(|_| CryptoError::Integrity)?;
        let tag = Array::try_from(&*parts.icv).map_err(|_| CryptoError::Integrity)?;
        self.cipher
            .decrypt_inout_detached(&self.nonce(*parts.iv), aad.bytes(), (&mut *parts.body).into(), &tag)
            .map_err(|_| CryptoError::Integrity)?;
        Ok(parts.body)
    }
}
