//! Ciphers and integrity algorithms put together: encrypt, then authenticate (RFC 4303 section 3.3.2, RFC 7296 section
//! 3.14).

use subtle::ConstantTimeEq;

use super::cipher::{CIPHERS, Cipher, CipherAlgorithm, LEGACY_CIPHERS};
use super::mac::{KeyedMac, LEGACY_MACS, LONGEST, MACS, MacAlgorithm};
use crate::provider::{CryptoError, Protect, ProtectAlgorithm};
use crate::providers::join;
use crate::transform::{Encr, Integ};

const COUNT: usize = CIPHERS.len() * MACS.len();

static COMBINED: [EncryptThenMac; COUNT] = combine(&CIPHERS, &MACS);

/// Every cipher with every integrity algorithm.
pub(in crate::providers) static PROTECTS: [&dyn ProtectAlgorithm; COUNT] = refer(&COMBINED);

const LEGACY_COUNT: usize = LEGACY_CIPHERS.len() * (MACS.len() + LEGACY_MACS.len()) + CIPHERS.len() * LEGACY_MACS.len();

static OLD_CIPHER: [EncryptThenMac; LEGACY_CIPHERS.len() * MACS.len()] = combine(&LEGACY_CIPHERS, &MACS);
static OLD_MAC: [EncryptThenMac; CIPHERS.len() * LEGACY_MACS.len()] = combine(&CIPHERS, &LEGACY_MACS);
static OLD_BOTH: [EncryptThenMac; LEGACY_CIPHERS.len() * LEGACY_MACS.len()] = combine(&LEGACY_CIPHERS, &LEGACY_MACS);

/// Those with a cipher or an integrity algorithm that only the legacy provider has.
pub(in crate::providers) static LEGACY_PROTECTS: [&dyn ProtectAlgorithm; LEGACY_COUNT] =
    join([&refer(&OLD_CIPHER), &refer(&OLD_MAC), &refer(&OLD_BOTH)]);

/// One cipher and one integrity algorithm.
#[derive(Clone, Copy)]
struct EncryptThenMac {
    cipher: &'static dyn CipherAlgorithm,
    mac: &'static dyn MacAlgorithm,
}

/// All combinations, ciphers in the inner loop. N is the product of the lengths.
const fn combine<const N: usize>(
    ciphers: &[&'static dyn CipherAlgorithm],
    macs: &[&'static dyn MacAlgorithm],
) -> [EncryptThenMac; N] {
    let mut all = [EncryptThenMac {
        cipher: ciphers[0],
        mac: macs[0],
    }; N];
    let mut i = 0;
    while i < N {
        all[i] = EncryptThenMac {
            cipher: ciphers[i % ciphers.len()],
            mac: macs[i / ciphers.len()],
        };
        i += 1;
    }
    all
}

/// References to each.
const fn refer<const N: usize>(all: &'static [EncryptThenMac; N]) -> [&'static dyn ProtectAlgorithm; N] {
    let mut table: [&dyn ProtectAlgorithm; N] = [&all[0]; N];
    let mut i = 0;
    while i < N {
        table[i] = &all[i];
        i += 1;
    }
    table
}

impl ProtectAlgorithm for EncryptThenMac {
    fn encr(&self) -> Encr {
        self.cipher.id()
    }

    fn integ(&self) -> Option<Integ> {
        Some(self.mac.id())
    }

    fn encr_key_len(&self) -> usize {
        self.cipher.key_len()
    }

    fn integ_key_len(&self) -> usize {
        self.mac.key_len()
    }

    fn key(&self, encr_key: &[u8], integ_key: &[u8]) -> Result<Box<dyn Protect>, CryptoError> {
        Ok(Box::new(Keyed {
            cipher: self.cipher.key(encr_key)?,
            mac: self.mac.key(integ_key)?,
            icv_len: self.mac.icv_len(),
        }))
    }
}

/// Both with their keys.
struct Keyed {
    cipher: Box<dyn Cipher>,
    mac: Box<dyn KeyedMac>,
    icv_len: usize,
}

impl Keyed {
    /// The MAC over everything before the ICV, and then over the upper half of an extended sequence number, which is
    /// not sent (RFC 4303 section 2.2.1).
    fn authenticate(&self, covered: &[u8], esn_high: Option<u32>, icv: &mut [u8]) {
        let high = esn_high.map(u32::to_be_bytes);
        self.mac
            .compute([covered, high.as_ref().map_or(&[], |high| &high[..])], icv);
    }
}

impl Protect for Keyed {
    fn iv_len(&self) -> usize {
        self.cipher.iv_len()
    }

    fn icv_len(&self) -> usize {
        self.icv_len
    }

    fn block_len(&self) -> usize {
        self.cipher.block_len()
    }

    fn seal(&self, packet: &mut [u8], header_len: usize, counter: u64, esn: Option<u32>) -> Result<(), CryptoError> {
        let covered_len = packet.len().checked_sub(self.icv_len).ok_or(CryptoError::Length)?;
        let (covered, icv) = packet.split_at_mut(covered_len);
        let (_, rest) = covered.split_at_mut_checked(header_len).ok_or(CryptoError::Length)?;
        let (iv, body) = rest.split_at_mut_checked(self.iv_len()).ok_or(CryptoError::Length)?;
        if !body.len().is_multiple_of(self.block_len()) {
            return Err(CryptoError::Length);
        }
        self.cipher.make_iv(counter, iv);
        self.cipher.encrypt(iv, body).ok_or(CryptoError::Length)?;
        self.authenticate(covered, esn, icv);
        Ok(())
    }

    fn open<'p>(&self, packet: &'p mut [u8], header_len: usize, esn: Option<u32>) -> Result<&'p mut [u8], CryptoError> {
        let covered_len = packet.len().checked_sub(self.icv_len).ok_or(CryptoError::Integrity)?;
        let (covered, icv) = packet.split_at_mut(covered_len);
        let mut ours = [0; LONGEST];
        let ours = ours.get_mut(..self.icv_len).ok_or(CryptoError::Integrity)?;
        self.authenticate(covered, esn, ours);
        // In constant time, and before anything is decrypted, so that padding is no oracle.
        if !bool::from(ours.ct_eq(icv)) {
            return Err(CryptoError::Integrity);
        }
        let (_, rest) = covered.split_at_mut_checked(header_len).ok_or(CryptoError::Integrity)?;
        let (iv, body) = rest.split_at_mut_checked(self.iv_len()).ok_or(CryptoError::Integrity)?;
        self.cipher.decrypt(iv, body).ok_or(CryptoError::Integrity)?;
        Ok(body)
    }
}
