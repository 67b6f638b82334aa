//! Hashes that IKE uses bare, outside any keyed construction.

use md5::Md5;
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha384, Sha512};

use crate::transform::{Integ, Prf};

/// A hash that IKEv1 negotiates: it makes IVs and NAT-D payloads, and its HMAC is the PRF (RFC 2409 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Hash {
    /// MD5, for legacy peers only.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA2-256.
    Sha256,
    /// SHA2-384.
    Sha384,
    /// SHA2-512.
    Sha512,
}

impl Hash {
    /// The PRF that goes with it.
    pub fn prf(self) -> Prf {
        match self {
            Self::Md5 => Prf::HMAC_MD5,
            Self::Sha1 => Prf::HMAC_SHA1,
            Self::Sha256 => Prf::HMAC_SHA2_256,
            Self::Sha384 => Prf::HMAC_SHA2_384,
            Self::Sha512 => Prf::HMAC_SHA2_512,
        }
    }

    /// The hash inside an HMAC PRF; `None` for the AES PRFs.
    pub fn of_prf(prf: Prf) -> Option<Self> {
        let all = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];
        all.into_iter().find(|h| h.prf() == prf)
    }

    /// The hash inside an HMAC integrity algorithm; `None` for the others.
    pub fn of_integ(integ: Integ) -> Option<Self> {
        integ.prf().and_then(Self::of_prf)
    }

    /// The hash of the concatenation of `data`.
    pub fn digest(self, data: &[&[u8]]) -> Vec<u8> {
        fn run<D: Digest>(data: &[&[u8]]) -> Vec<u8> {
            let mut hash = D::new();
            data.iter().for_each(|part| hash.update(part));
            hash.finalize().to_vec()
        }
        match self {
            Self::Md5 => run::<Md5>(data),
            Self::Sha1 => run::<Sha1>(data),
            Self::Sha256 => run::<Sha256>(data),
            Self::Sha384 => run::<Sha384>(data),
            Self::Sha512 => run::<Sha512>(data),
        }
    }
}

/// SHA-1 of the concatenation of `data`, for NAT_DETECTION payloads (RFC 7296 section 2.23), where nothing depends on
/// its resistance to collisions.
pub fn sha1(data: &[&[u8]]) -> [u8; 20] {
    let mut hash = Sha1::new();
    for part in data {
        hash.update(part);
    }
    hash.finalize().into()
}
