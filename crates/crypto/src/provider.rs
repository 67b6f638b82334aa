//! The table of implemented algorithms, keyed by IANA number.

use crate::secret::Secret;
use crate::transform::{Encr, Group, Integ, Prf};

/// Why a cryptographic operation failed. Terse on purpose: nothing here may tell a stranger more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CryptoError {
    /// The peer's public value is not acceptable in this group (RFC 6989).
    #[error("the peer's public key is not valid in this group")]
    InvalidPublic,
    /// A key, buffer or tag has a length that the algorithm does not take.
    #[error("wrong length")]
    Length,
    /// The integrity check failed.
    #[error("integrity check failed")]
    Integrity,
    /// No implementation in this provider.
    #[error("algorithm not implemented")]
    Unsupported,
    /// The source of randomness failed.
    #[error("no randomness")]
    Random,
    /// A per-key counter came to its end.
    #[error("key exhausted")]
    Exhausted,
}

impl CryptoError {
    /// Whether a key agreement failed by what the peer sent (RFC 6989), not by our own fault.
    pub fn is_the_peers(self) -> bool {
        matches!(self, Self::InvalidPublic | Self::Length)
    }
}

/// Source of randomness handed in by the caller (nothing below the daemon has its own).
pub trait RandomSource {
    /// Fills `out`.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError>;
}

/// A pseudo-random function (RFC 7296 section 2.13).
pub trait PrfAlgorithm: Send + Sync {
    /// Which it is.
    fn id(&self) -> Prf;
    /// Output size in octets.
    fn output_len(&self) -> usize;
    /// Preferred key size in octets, the size of SK_d, SK_pi and SK_pr.
    fn key_len(&self) -> usize;
    /// prf(key, concatenation of data).
    fn compute(&self, key: &[u8], data: &[&[u8]]) -> Secret;
    /// How many octets of each nonce key SKEYSEED: `None` for all (HMAC), 8 for the fixed-key AES PRFs (RFC 7296 2.14).
    fn nonce_key_len(&self) -> Option<usize> {
        None
    }
}

/// A key exchange group.
pub trait KeyAgreement: Send + Sync {
    /// Which it is.
    fn id(&self) -> Group;
    /// Octets of the KE payload's data.
    fn public_len(&self) -> usize;
    /// Octets of the shared secret g^ir, with leading zeros for MODP (RFC 7296 section 2.14).
    fn shared_len(&self) -> usize;
    /// Makes an ephemeral key pair. `random` may be ignored (ring has its own).
    fn generate(&self, random: &mut dyn RandomSource) -> Result<Box<dyn EphemeralKey>, CryptoError>;
}

/// An ephemeral private key, used once.
pub trait EphemeralKey: Send + Sync {
    /// Our KE payload's data.
    fn public(&self) -> &[u8];
    /// The shared secret with the peer's KE data, after the checks of RFC 6989.
    fn agree(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError>;
}

/// A cipher with its integrity protection, as used by the SK payload and by ESP, ready to be keyed.
pub trait ProtectAlgorithm: Send + Sync {
    /// The cipher.
    fn encr(&self) -> Encr;
    /// The integrity algorithm; `None` for AEAD.
    fn integ(&self) -> Option<Integ>;
    /// Octets of encryption key material taken from the key schedule (salt included, for AEAD).
    fn encr_key_len(&self) -> usize;
    /// Octets of integrity key material; 0 for AEAD.
    fn integ_key_len(&self) -> usize;
    /// Keys it for one direction.
    fn key(&self, encr_key: &[u8], integ_key: &[u8]) -> Result<Box<dyn Protect>, CryptoError>;
}

/// A keyed cipher and its integrity protection for one direction.
///
/// A packet is `header | IV | ciphertext | ICV`. The header is authenticated only; for ESP it is SPI and sequence
/// number, for IKE everything up to and including the SK payload's generic header.
pub trait Protect: Send + Sync {
    /// Octets of explicit IV.
    fn iv_len(&self) -> usize;
    /// Octets of integrity check value.
    fn icv_len(&self) -> usize;
    /// The plaintext with its padding must be a multiple of this (ESP raises it to 4 at least).
    fn block_len(&self) -> usize;
    /// Seals in place. `packet` = header (`header_len`) | IV (filled here from `counter`) | padded plaintext | room for the ICV.
    /// `counter` must never repeat for a key. `esn_high`: upper half of an extended sequence number (RFC 4303 2.2.1).
    fn seal(
        &self,
        packet: &mut [u8],
        header_len: usize,
        counter: u64,
        esn_high: Option<u32>,
    ) -> Result<(), CryptoError>;
    /// Verifies, then decrypts in place; returns the padded plaintext. One error for every failure.
    fn open<'p>(
        &self,
        packet: &'p mut [u8],
        header_len: usize,
        esn_high: Option<u32>,
    ) -> Result<&'p mut [u8], CryptoError>;
}

/// A block cipher in CBC mode without integrity protection, as ISAKMP encrypts its messages (RFC 2409 appendix B).
pub trait CbcAlgorithm: Send + Sync {
    /// The cipher.
    fn encr(&self) -> Encr;
    /// Octets of key.
    fn key_len(&self) -> usize;
    /// Octets of a block, and so of an IV.
    fn block_len(&self) -> usize;
    /// Takes in its key.
    fn key(&self, key: &[u8]) -> Result<Box<dyn Cbc>, CryptoError>;
}

/// A keyed cipher in CBC mode. IV and data must have whole blocks.
pub trait Cbc: Send + Sync {
    /// Encrypts in place.
    fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError>;
    /// Decrypts in place.
    fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError>;
}

/// A set of implementations. The first entry that has an algorithm wins.
pub struct Provider {
    /// Name for logs ("ring").
    pub name: &'static str,
    /// PRFs.
    pub prfs: &'static [&'static dyn PrfAlgorithm],
    /// Groups.
    pub groups: &'static [&'static dyn KeyAgreement],
    /// Ciphers, each combination with an integrity algorithm.
    pub protects: &'static [&'static dyn ProtectAlgorithm],
    /// Ciphers for ISAKMP messages.
    pub cbcs: &'static [&'static dyn CbcAlgorithm],
}

impl Provider {
    /// The PRF with this number.
    pub fn prf(&self, id: Prf) -> Option<&'static dyn PrfAlgorithm> {
        self.prfs.iter().copied().find(|p| p.id() == id)
    }

    /// The group with this number.
    pub fn group(&self, id: Group) -> Option<&'static dyn KeyAgreement> {
        self.groups.iter().copied().find(|g| g.id() == id)
    }

    /// The cipher for ISAKMP messages.
    pub fn cbc(&self, id: Encr) -> Option<&'static dyn CbcAlgorithm> {
        self.cbcs.iter().copied().find(|c| c.encr() == id)
    }

    /// The cipher with this integrity algorithm.
    pub fn protect(&self, encr: Encr, integ: Option<Integ>) -> Option<&'static dyn ProtectAlgorithm> {
        self.protects
            .iter()
            .copied()
            .find(|p| p.encr() == encr && p.integ() == integ)
    }
}
