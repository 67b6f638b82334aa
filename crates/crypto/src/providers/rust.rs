//! Algorithms in pure Rust: PRFs, AEAD ciphers, and ciphers with an integrity algorithm.

mod aead;
mod aes_mac;
mod cipher;
mod ecp;
mod etm;
mod mac;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

pub(super) use aead::AEADS;
pub(super) use cipher::{CBCS, LEGACY_CBCS};
pub(super) use ecp::{BRAINPOOL256, BRAINPOOL384, ECP521};
pub(super) use etm::{LEGACY_PROTECTS, PROTECTS};

use crate::provider::PrfAlgorithm;
use crate::secret::Secret;
use crate::transform::Prf;

/// Every PRF, best first.
pub(super) static PRFS: [&dyn PrfAlgorithm; 6] = [
    &HmacPrf::<Hmac<Sha256>>::new(Prf::HMAC_SHA2_256, 32),
    &HmacPrf::<Hmac<Sha384>>::new(Prf::HMAC_SHA2_384, 48),
    &HmacPrf::<Hmac<Sha512>>::new(Prf::HMAC_SHA2_512, 64),
    &HmacPrf::<Hmac<Sha1>>::new(Prf::HMAC_SHA1, 20),
    &aes_mac::PRF_CMAC,
    &aes_mac::PRF_XCBC,
];

/// What only the legacy provider has.
pub(super) static LEGACY_PRFS: [&dyn PrfAlgorithm; 1] = [&HmacPrf::<Hmac<Md5>>::new(Prf::HMAC_MD5, 16)];

/// HMAC as a PRF (RFC 2104, RFC 4868). The preferred key size is the output's (RFC 7296 section 2.13).
struct HmacPrf<H> {
    id: Prf,
    len: usize,
    hmac: core::marker::PhantomData<fn() -> H>,
}

impl<H> HmacPrf<H> {
    const fn new(id: Prf, len: usize) -> Self {
        Self {
            id,
            len,
            hmac: core::marker::PhantomData,
        }
    }
}

impl<H: Mac + KeyInit> PrfAlgorithm for HmacPrf<H> {
    fn id(&self) -> Prf {
        self.id
    }

    fn output_len(&self) -> usize {
        self.len
    }

    fn key_len(&self) -> usize {
        self.len
    }

    fn compute(&self, key: &[u8], data: &[&[u8]]) -> Secret {
        let mut hmac = keyed::<H>(key);
        for part in data {
            hmac.update(part);
        }
        Secret::from(hmac.finalize().as_bytes().as_slice())
    }
}

/// An HMAC with this key, which may have any length.
fn keyed<H: Mac + KeyInit>(key: &[u8]) -> H {
    <H as KeyInit>::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"))
}
