//! Transforms by their IANA number ("Internet Key Exchange Version 2 (IKEv2) Parameters").
//!
//! A value of these types names an algorithm; whether a [`Provider`](crate::provider::Provider)
//! implements it is another question. The names are strongSwan's ("aes128gcm16", "prfsha256", "x25519"); printing never
//! fails, and what has no name prints as its number.

mod names;

pub use names::{UnknownName, candidates};

/// Encryption algorithm (transform type 1) with its key length where the algorithm has several.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Encr {
    /// Transform ID.
    pub id: u16,
    /// Key Length attribute in bits; `None` where the algorithm has one length only (ChaCha20, 3DES).
    pub key_bits: Option<u16>,
}

/// Pseudo-random function (transform type 2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Prf(pub u16);

/// Integrity algorithm (transform type 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Integ(pub u16);

/// Key exchange group (transform type 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Group(pub u16);

impl Encr {
    /// ENCR_CHACHA20_POLY1305 (RFC 7634), which has no Key Length attribute.
    pub const CHACHA20_POLY1305: Self = Self { id: 28, key_bits: None };

    /// ENCR_3DES (RFC 2451): only for peers that know nothing better.
    pub const TRIPLE_DES: Self = Self { id: 3, key_bits: None };

    /// AES-GCM with a 16-octet ICV (RFC 4106, RFC 5282).
    pub const fn aes_gcm16(bits: u16) -> Self {
        Self {
            id: 20,
            key_bits: Some(bits),
        }
    }

    /// AES-GCM with a 12-octet ICV (RFC 4106, RFC 5282).
    pub const fn aes_gcm12(bits: u16) -> Self {
        Self {
            id: 19,
            key_bits: Some(bits),
        }
    }

    /// AES-GCM with an 8-octet ICV (RFC 4106, RFC 5282).
    pub const fn aes_gcm8(bits: u16) -> Self {
        Self {
            id: 18,
            key_bits: Some(bits),
        }
    }

    /// AES-CCM with a 16-octet ICV (RFC 4309, RFC 5282).
    pub const fn aes_ccm16(bits: u16) -> Self {
        Self {
            id: 16,
            key_bits: Some(bits),
        }
    }

    /// AES-CCM with a 12-octet ICV (RFC 4309, RFC 5282).
    pub const fn aes_ccm12(bits: u16) -> Self {
        Self {
            id: 15,
            key_bits: Some(bits),
        }
    }

    /// AES-CCM with an 8-octet ICV (RFC 4309, RFC 5282).
    pub const fn aes_ccm8(bits: u16) -> Self {
        Self {
            id: 14,
            key_bits: Some(bits),
        }
    }

    /// ENCR_AES_CTR (RFC 3686, RFC 5930).
    pub const fn aes_ctr(bits: u16) -> Self {
        Self {
            id: 13,
            key_bits: Some(bits),
        }
    }

    /// ENCR_AES_CBC (RFC 3602).
    pub const fn aes_cbc(bits: u16) -> Self {
        Self {
            id: 12,
            key_bits: Some(bits),
        }
    }

    /// Whether it brings its own integrity protection, so that no integrity transform goes with it (RFC 5282 section 8).
    pub const fn is_aead(self) -> bool {
        matches!(self.id, 14..=16 | 18..=21 | 25..=35)
    }
}

impl Prf {
    /// PRF_HMAC_MD5 (RFC 2104): only for peers that know nothing better.
    pub const HMAC_MD5: Self = Self(1);
    /// PRF_AES128_XCBC (RFC 4434).
    pub const AES128_XCBC: Self = Self(4);
    /// PRF_AES128_CMAC (RFC 4615).
    pub const AES128_CMAC: Self = Self(8);
    /// PRF_HMAC_SHA1 (RFC 2104).
    pub const HMAC_SHA1: Self = Self(2);
    /// PRF_HMAC_SHA2_256 (RFC 4868).
    pub const HMAC_SHA2_256: Self = Self(5);
    /// PRF_HMAC_SHA2_384 (RFC 4868).
    pub const HMAC_SHA2_384: Self = Self(6);
    /// PRF_HMAC_SHA2_512 (RFC 4868).
    pub const HMAC_SHA2_512: Self = Self(7);
}

impl Integ {
    /// NONE: said by some peers beside an AEAD cipher (RFC 7296 section 3.3.2).
    pub const NONE: Self = Self(0);
    /// AUTH_HMAC_MD5_96 (RFC 2403): only for peers that know nothing better.
    pub const HMAC_MD5_96: Self = Self(1);
    /// AUTH_HMAC_SHA1_96 (RFC 2404).
    pub const HMAC_SHA1_96: Self = Self(2);
    /// AUTH_AES_XCBC_96 (RFC 3566).
    pub const AES_XCBC_96: Self = Self(5);
    /// AUTH_AES_CMAC_96 (RFC 4494).
    pub const AES_CMAC_96: Self = Self(8);
    /// AUTH_HMAC_SHA2_256_128 (RFC 4868).
    pub const HMAC_SHA2_256_128: Self = Self(12);
    /// AUTH_HMAC_SHA2_384_192 (RFC 4868).
    pub const HMAC_SHA2_384_192: Self = Self(13);
    /// AUTH_HMAC_SHA2_512_256 (RFC 4868).
    pub const HMAC_SHA2_512_256: Self = Self(14);

    /// The PRF on the same primitive, which a proposal means when it names none.
    pub const fn prf(self) -> Option<Prf> {
        match self.0 {
            1 => Some(Prf::HMAC_MD5),
            2 => Some(Prf::HMAC_SHA1),
            5 => Some(Prf::AES128_XCBC),
            8 => Some(Prf::AES128_CMAC),
            12 => Some(Prf::HMAC_SHA2_256),
            13 => Some(Prf::HMAC_SHA2_384),
            14 => Some(Prf::HMAC_SHA2_512),
            _ => None,
        }
    }
}

impl Group {
    /// NONE.
    pub const NONE: Self = Self(0);
    /// 1024-bit MODP (RFC 2409): only for peers that know nothing better.
    pub const MODP1024: Self = Self(2);
    /// 1536-bit MODP (RFC 3526): only for peers that know nothing better.
    pub const MODP1536: Self = Self(5);
    /// 2048-bit MODP (RFC 3526).
    pub const MODP2048: Self = Self(14);
    /// 3072-bit MODP (RFC 3526).
    pub const MODP3072: Self = Self(15);
    /// 4096-bit MODP (RFC 3526).
    pub const MODP4096: Self = Self(16);
    /// 6144-bit MODP (RFC 3526).
    pub const MODP6144: Self = Self(17);
    /// 8192-bit MODP (RFC 3526).
    pub const MODP8192: Self = Self(18);
    /// NIST P-256 (RFC 5903).
    pub const ECP256: Self = Self(19);
    /// NIST P-384 (RFC 5903).
    pub const ECP384: Self = Self(20);
    /// NIST P-521 (RFC 5903).
    pub const ECP521: Self = Self(21);
    /// brainpoolP256r1 (RFC 6954).
    pub const BRAINPOOL256: Self = Self(28);
    /// brainpoolP384r1 (RFC 6954).
    pub const BRAINPOOL384: Self = Self(29);
    /// Curve25519 (RFC 8031).
    pub const X25519: Self = Self(31);
}
