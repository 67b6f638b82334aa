//! What an SA has carried, and how much it may.

use handfast_crypto::transform::Encr;
use handfast_esp::Usage;

use crate::op::{Limits, Volume};

/// Of a cipher with blocks of 64 bits: at 2^23 blocks two of them are alike with a chance of one in half a million, far
/// from where that becomes an attack ("On the Practical (In-)Security of 64-bit Block Ciphers", CCS 2016).
const BLOCKS_OF_64_BITS: u64 = 64 << 20;
/// Of one with blocks of 128 bits: 2^48 blocks, one in eight thousand million.
const BLOCKS_OF_128_BITS: u64 = 16 << 48;

/// Counts one direction.
pub(super) struct Meter {
    used: Volume,
    limits: Limits,
    reported: Usage,
}

impl Meter {
    /// Nothing is carried yet.
    pub fn new(limits: Limits, cipher: Encr) -> Self {
        let most = ceiling(cipher);
        let of = |bytes| Volume {
            bytes,
            ..Volume::ENDLESS
        };
        Self {
            used: Volume { bytes: 0, packets: 0 },
            limits: Limits {
                soft: limits.soft.min(of(most / 4 * 3)),
                hard: limits.hard.min(of(most)),
            },
            reported: Usage::Fresh,
        }
    }

    /// Whether another packet may be carried.
    pub fn is_open(&self) -> bool {
        !self.limits.hard.is_reached_by(self.used)
    }

    /// An ESP packet of this length was carried.
    pub fn count(&mut self, octets: usize) {
        self.used.bytes = self.used.bytes.saturating_add(octets as u64);
        self.used.packets += 1;
    }

    /// Whether there is news, `sequence` numbers included, and whether the end is reached.
    pub fn news(&mut self, sequence: Usage) -> Option<bool> {
        let volume = if !self.is_open() {
            Usage::Exhausted
        } else if self.limits.soft.is_reached_by(self.used) {
            Usage::Expiring
        } else {
            Usage::Fresh
        };
        let usage = volume.max(sequence);
        let news = usage > self.reported;
        self.reported = self.reported.max(usage);
        news.then_some(usage == Usage::Exhausted)
    }
}

/// The most octets that one key of a cipher may encrypt.
fn ceiling(cipher: Encr) -> u64 {
    match cipher {
        Encr::TRIPLE_DES => BLOCKS_OF_64_BITS,
        // AES in every mode (IANA's numbers of CBC, CTR, CCM and GCM).
        Encr {
            id: 12..=16 | 18..=20, ..
        } => BLOCKS_OF_128_BITS,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn volume(bytes: u64, packets: u64) -> Volume {
        Volume { bytes, packets }
    }

    #[test]
    fn each_limit_is_reported_once() {
        let limits = Limits {
            soft: volume(u64::MAX, 2),
            hard: volume(100, u64::MAX),
        };
        let mut meter = Meter::new(limits, Encr::aes_gcm16(128));
        let carry = |meter: &mut Meter, octets| {
            assert!(meter.is_open());
            meter.count(octets);
            meter.news(Usage::Fresh)
        };
        assert_eq!(carry(&mut meter, 10), None);
        assert_eq!(carry(&mut meter, 10), Some(false));
        assert_eq!(carry(&mut meter, 79), None);
        assert_eq!(carry(&mut meter, 1), Some(true));
        assert!(!meter.is_open());
        assert_eq!(meter.news(Usage::Exhausted), None);
    }

    #[test]
    fn a_cipher_of_small_blocks_has_a_limit_of_its_own() {
        let mut meter = Meter::new(Limits::NONE, Encr::TRIPLE_DES);
        meter.count((48 << 20) - 1);
        assert_eq!(meter.news(Usage::Fresh), None);
        meter.count(1);
        assert_eq!(meter.news(Usage::Fresh), Some(false));
        meter.count(16 << 20);
        assert_eq!((meter.news(Usage::Fresh), meter.is_open()), (Some(true), false));
        // One that is asked for and lower counts.
        let limits = Limits {
            soft: volume(1000, u64::MAX),
            hard: volume(2000, u64::MAX),
        };
        let mut meter = Meter::new(limits, Encr::TRIPLE_DES);
        meter.count(2000);
        assert!(!meter.is_open());
        for cipher in [Encr::aes_cbc(256), Encr::aes_gcm16(128), Encr::CHACHA20_POLY1305] {
            let mut meter = Meter::new(Limits::NONE, cipher);
            meter.count(1 << 50);
            assert_eq!(meter.news(Usage::Fresh), None, "{cipher}");
        }
    }

    #[test]
    fn sequence_numbers_count_too() {
        let mut meter = Meter::new(Limits::NONE, Encr::aes_gcm16(128));
        assert_eq!(meter.news(Usage::Expiring), Some(false));
        assert_eq!(meter.news(Usage::Expiring), None);
        assert_eq!(meter.news(Usage::Exhausted), Some(true));
    }
}
