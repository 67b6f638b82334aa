//! The protected channel of an ISAKMP SA: CBC with a chain of IVs for each exchange (RFC 2409 appendix B).

use handfast_crypto::hash::Hash;
use handfast_crypto::proposal::IkeSuite;
use handfast_crypto::provider::{Cbc, CbcAlgorithm, CryptoError, PrfAlgorithm, Provider};
use handfast_crypto::schedule::v1::{self, PhaseOneKeys};
use handfast_crypto::secret::Secret;
use handfast_crypto::transform::Prf;
use handfast_wire::header::{Header, Spi};

use crate::event::KeyLog;
use crate::v1::message::{Chain, Parsed};

/// Keys of an ISAKMP SA.
///
/// A keyed cipher is many times as large as its key and quickly made, and most SAs are idle: there is one only while a
/// message is at hand.
pub(crate) struct Isakmp {
    pub suite: IkeSuite,
    pub hash: Hash,
    pub prf: &'static dyn PrfAlgorithm,
    /// The PRF of HASH_I and HASH_R.
    pub proof_prf: &'static dyn PrfAlgorithm,
    pub keys: PhaseOneKeys,
    cipher: &'static dyn CbcAlgorithm,
    block_len: usize,
    ka: Secret,
    /// Last block of ciphertext of phase 1, from which every later exchange has its first IV.
    pub phase_one: Iv,
}

/// The IV of an exchange's next message: the last block of ciphertext of the one before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Iv(Vec<u8>);

/// A message that was decrypted. Nothing is authenticated yet: the caller keeps `next` only once its HASH is right.
pub(crate) struct Decrypted {
    pub plain: Vec<u8>,
    pub next: Iv,
}

/// What Diffie-Hellman and its surroundings give.
pub(crate) struct Agreed<'a> {
    pub shared: &'a Secret,
    pub cookies: (Spi, Spi),
    /// g^xi and g^xr.
    pub publics: (&'a [u8], &'a [u8]),
}

impl Isakmp {
    /// From SKEYID, which depends on the way of authentication, as the PRF of HASH_I and HASH_R may do.
    pub fn new(
        provider: &'static Provider,
        suite: IkeSuite,
        (skeyid, proof_prf): (Secret, Prf),
        agreed: &Agreed<'_>,
    ) -> Result<Self, CryptoError> {
        let hash = Hash::of_prf(suite.prf).ok_or(CryptoError::Unsupported)?;
        let prf = provider.prf(suite.prf).ok_or(CryptoError::Unsupported)?;
        let algorithm = provider.cbc(suite.encr).ok_or(CryptoError::Unsupported)?;
        let (cky_i, cky_r) = (&agreed.cookies.0.0, &agreed.cookies.1.0);
        let keys = v1::phase_one_keys(prf, skeyid, agreed.shared, cky_i, cky_r);
        let ka = v1::cipher_key(prf, &keys.skeyid_e, algorithm.key_len())?;
        let block_len = algorithm.block_len();
        let iv = v1::phase_one_iv(hash, agreed.publics.0, agreed.publics.1, block_len);
        Ok(Self {
            suite,
            hash,
            prf,
            proof_prf: provider.prf(proof_prf).ok_or(CryptoError::Unsupported)?,
            cipher: algorithm,
            keys,
            block_len,
            ka,
            phase_one: Iv(iv),
        })
    }

    fn keyed(&self) -> Result<Box<dyn Cbc>, CryptoError> {
        self.cipher.key(self.ka.as_bytes())
    }

    /// Phase 1 is complete: what only it needed goes.
    pub fn settle(&mut self) {
        for key in [&mut self.keys.skeyid, &mut self.keys.skeyid_e] {
            *key = Secret::new(vec![]);
        }
    }

    /// The first IV of an exchange of phase 2.
    pub fn phase_two(&self, message_id: u32) -> Iv {
        self.phase_two_after(&self.phase_one, message_id)
    }

    /// The same while phase 1 goes on: `last` is its last block so far.
    pub fn phase_two_after(&self, last: &Iv, message_id: u32) -> Iv {
        Iv(v1::phase_two_iv(self.hash, &last.0, message_id, self.block_len))
    }

    /// HASH(1) before these payloads.
    pub fn hashed(&self, message_id: u32, chain: Chain) -> Chain {
        let hash = v1::hash_1(self.prf, &self.keys.skeyid_a, message_id, chain.bytes());
        chain.after_hash(hash.as_bytes())
    }

    /// The payloads of a message that begins an exchange of phase 2 or is one of its own, if its HASH(1) comes first and is
    /// right.
    pub fn proved<'a>(&self, header: Header, opened: &'a Decrypted) -> Option<Parsed<'a>> {
        let parsed = Parsed::inner(header, &opened.plain).ok()?;
        let expected = v1::hash_1(self.prf, &self.keys.skeyid_a, header.message_id, parsed.rest());
        let hash = parsed.hash().ok().filter(|_| parsed.is_hash_first())?;
        (hash.len() == expected.len() && expected.ct_eq(hash)).then_some(parsed)
    }

    /// Pads with zeros and encrypts; the IV becomes that of the next message.
    pub fn encrypt(&self, iv: &mut Iv, mut plain: Vec<u8>) -> Result<Vec<u8>, CryptoError> {
        let len = plain.len().next_multiple_of(self.block_len);
        plain.resize(len, 0);
        self.keyed()?.encrypt(&iv.0, &mut plain)?;
        *iv = self.last_block(&plain)?;
        Ok(plain)
    }

    /// `None` for what is not whole blocks.
    pub fn decrypt(&self, iv: &Iv, ciphertext: &[u8]) -> Option<Decrypted> {
        if ciphertext.is_empty() {
            return None;
        }
        let next = self.last_block(ciphertext).ok()?;
        let mut plain = ciphertext.to_vec();
        self.keyed().ok()?.decrypt(&iv.0, &mut plain).ok()?;
        Some(Decrypted { plain, next })
    }

    fn last_block(&self, ciphertext: &[u8]) -> Result<Iv, CryptoError> {
        let from = ciphertext
            .len()
            .checked_sub(self.block_len)
            .ok_or(CryptoError::Length)?;
        Ok(Iv(ciphertext.get(from..).unwrap_or_default().to_vec()))
    }

    pub fn key_log(&self, (cky_i, cky_r): (Spi, Spi)) -> KeyLog {
        KeyLog::Isakmp {
            cky_i,
            cky_r,
            suite: self.suite,
            keys: self.keys.clone(),
            key: self.ka.clone(),
        }
    }
}
