//! IKE SPIs that say where their SA is: slot and a random tag, mixed with a per-boot secret, so that routing a datagram
//! is one index and a stranger's octets are never hashed into a table.

use std::hash::Hasher;

use handfast_wire::header::Spi;
use siphasher::sip::SipHasher24;

/// Makes and reads our SPIs.
pub(crate) struct SpiMint {
    key: [u8; 16],
}

/// What an SPI of ours says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub slot: u32,
    pub tag: u32,
}

const ROUNDS: u8 = 4;

impl SpiMint {
    pub fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    /// The SPI for a place. `None` for the one place in 2^64 whose SPI would be zero: take another tag.
    pub fn mint(&self, place: Place) -> Option<Spi> {
        let (mut left, mut right) = (place.slot, place.tag);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.mix(round, right));
        }
        let spi = Spi(((u64::from(left) << 32) | u64::from(right)).to_be_bytes());
        (!spi.is_zero()).then_some(spi)
    }

    /// The place that an SPI would have if it were ours. The caller compares the tag.
    pub fn place(&self, spi: Spi) -> Place {
        let value = u64::from_be_bytes(spi.0);
        let (mut left, mut right) = ((value >> 32) as u32, value as u32);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.mix(round, left), left);
        }
        Place { slot: left, tag: right }
    }

    /// The round function of the Feistel network.
    fn mix(&self, round: u8, half: u32) -> u32 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&[round]);
        hasher.write(&half.to_be_bytes());
        hasher.finish() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_survives_the_round_trip() {
        let mint = SpiMint::new([7; 16]);
        for slot in [0, 1, 99_999, u32::MAX] {
            for tag in [0, 0xdead_beef] {
                let place = Place { slot, tag };
                assert_eq!(mint.mint(place).map(|spi| mint.place(spi)), Some(place));
            }
        }
    }

    #[test]
    fn neighbours_look_unrelated_and_another_key_reads_nothing() {
        let mint = SpiMint::new([7; 16]);
        let a = mint
            .mint(Place { slot: 1, tag: 0 })
            .map(|s| u64::from_be_bytes(s.0))
            .unwrap_or_default();
        let b = mint
            .mint(Place { slot: 2, tag: 0 })
            .map(|s| u64::from_be_bytes(s.0))
            .unwrap_or_default();
        assert!((a ^ b).count_ones() > 10);
        let other = SpiMint::new([8; 16]);
        assert_ne!(other.place(Spi(a.to_be_bytes())), Place { slot: 1, tag: 0 });
    }
}
