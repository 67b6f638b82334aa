//! Integrity algorithms: HMAC (RFC 2403, RFC 2404, RFC 4868), and AES as a MAC (RFC 3566, RFC 4494).

use core::marker::PhantomData;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::aes_mac::AesMac;
use super::keyed;
use crate::provider::CryptoError;
use crate::transform::Integ;

/// Octets of the longest ICV.
pub(super) const LONGEST: usize = 32;

/// Every integrity algorithm, best first.
pub(super) const MACS: [&dyn MacAlgorithm; 6] = [
    &HmacIntegrity::<Hmac<Sha256>>::new(Integ::HMAC_SHA2_256_128, 32, 16),
    &HmacIntegrity::<Hmac<Sha384>>::new(Integ::HMAC_SHA2_384_192, 48, 24),
    &HmacIntegrity::<Hmac<Sha512>>::new(Integ::HMAC_SHA2_512_256, 64, 32),
    &HmacIntegrity::<Hmac<Sha1>>::new(Integ::HMAC_SHA1_96, 20, 12),
    &AesIntegrity {
        id: Integ::AES_CMAC_96,
        keyed: AesMac::cmac,
    },
    &AesIntegrity {
        id: Integ::AES_XCBC_96,
        keyed: AesMac::xcbc,
    },
];

/// What only the legacy provider has.
pub(super) const LEGACY_MACS: [&dyn MacAlgorithm; 1] = [&HmacIntegrity::<Hmac<Md5>>::new(Integ::HMAC_MD5_96, 16, 12)];

/// An integrity algorithm, ready to be keyed.
pub(super) trait MacAlgorithm: Send + Sync {
    /// Which it is.
    fn id(&self) -> Integ;
    /// Octets of key, which has this size only.
    fn key_len(&self) -> usize;
    /// Octets of the MAC that are sent, at most [`LONGEST`].
    fn icv_len(&self) -> usize;
    /// Takes in its key.
    fn key(&self, key: &[u8]) -> Result<Box<dyn KeyedMac>, CryptoError>;
}

/// An integrity algorithm that has its key.
pub(super) trait KeyedMac: Send + Sync {
    /// The first octets of the MAC over the concatenation of `data`.
    fn compute(&self, data: [&[u8]; 2], icv: &mut [u8]);
}

struct HmacIntegrity<H> {
    id: Integ,
    key_len: usize,
    icv_len: usize,
    hmac: PhantomData<fn() -> H>,
}

impl<H> HmacIntegrity<H> {
    const fn new(id: Integ, key_len: usize, icv_len: usize) -> Self {
        Self {
            id,
            key_len,
            icv_len,
            hmac: PhantomData,
        }
    }
}

impl<H: Mac + KeyInit + Clone + Send + Sync + 'static> MacAlgorithm for HmacIntegrity<H> {
    fn id(&self) -> Integ {
        self.id
    }

    fn key_len(&self) -> usize {
        self.key_len
    }

    fn icv_len(&self) -> usize {
        self.icv_len
    }

    fn key(&self, key: &[u8]) -> Result<Box<dyn KeyedMac>, CryptoError> {
        // A key of another size than RFC 4868 section 2.1.1 fixes is no mistake that HMAC would notice.
        if key.len() != self.key_len {
            return Err(CryptoError::Length);
        }
        Ok(Box::new(KeyedHmac(keyed::<H>(key))))
    }
}

/// An HMAC that has taken in its key.
struct KeyedHmac<H>(H);

impl<H: Mac + Clone + Send + Sync> KeyedMac for KeyedHmac<H> {
    fn compute(&self, data: [&[u8]; 2], icv: &mut [u8]) {
        let mut hmac = self.0.clone();
        for part in data {
            hmac.update(part);
        }
        copy_start(hmac.finalize().as_bytes(), icv);
    }
}

/// AES-XCBC-MAC-96 or AES-CMAC-96: both have keys of 128 bits only.
struct AesIntegrity {
    id: Integ,
    keyed: fn([u8; 16]) -> AesMac,
}

impl MacAlgorithm for AesIntegrity {
    fn id(&self) -> Integ {
        self.id
    }

    fn key_len(&self) -> usize {
        16
    }

    fn icv_len(&self) -> usize {
        12
    }

    fn key(&self, key: &[u8]) -> Result<Box<dyn KeyedMac>, CryptoError> {
        let key = key.try_into().map_err(|_| CryptoError::Length)?;
        Ok(Box::new((self.keyed)(key)))
    }
}

impl KeyedMac for AesMac {
    fn compute(&self, data: [&[u8]; 2], icv: &mut [u8]) {
        copy_start(&self.mac(&data), icv);
    }
}

fn copy_start(mac: &[u8], icv: &mut [u8]) {
    for (to, from) in icv.iter_mut().zip(mac) {
        *to = *from;
    }
}
