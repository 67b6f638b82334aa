//! Packets on SAs that we have offered and the peer has accepted, which have overtaken its answer (RFC 7296 section 2.8:
//! the responder may send at once, and only the answer brings the keys to open what it sends).

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// What is kept for one SPI. Nobody has proved to have sent it.
const MOST_PACKETS: usize = 64;
const MOST_OCTETS: usize = 128 << 10;

/// A packet as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Early {
    /// The ESP packet.
    pub esp: Vec<u8>,
    /// Where its UDP datagram came from.
    pub from: Option<(IpAddr, u16)>,
    /// The ECN bits of its outer header.
    pub ecn: u8,
}

/// Those of SPIs that are expected, and those whose SA is there by now.
#[derive(Default)]
pub(super) struct Waiting {
    expected: HashMap<u32, Kept>,
    ready: VecDeque<Early>,
}

#[derive(Default)]
struct Kept {
    packets: Vec<Early>,
    octets: usize,
}

impl Waiting {
    pub fn expect(&mut self, spi: u32) {
        self.expected.entry(spi).or_default();
    }

    pub fn forget(&mut self, spi: u32) {
        self.expected.remove(&spi);
    }

    /// Takes a packet whose SPI no SA has; whether it is kept.
    pub fn keep(&mut self, spi: u32, esp: &[u8], from: Option<(IpAddr, u16)>, ecn: u8) -> bool {
        let Some(kept) = self.expected.get_mut(&spi) else {
            return false;
        };
        if kept.packets.len() >= MOST_PACKETS || kept.octets + esp.len() > MOST_OCTETS {
            return false;
        }
        kept.octets += esp.len();
        let esp = esp.to_vec();
        kept.packets.push(Early { esp, from, ecn });
        true
    }

    /// The SA is there.
    pub fn release(&mut self, spi: u32) {
        self.ready
            .extend(self.expected.remove(&spi).into_iter().flat_map(|kept| kept.packets));
    }

    pub fn next(&mut self) -> Option<Early> {
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_goes_with_its_spi() {
        let mut waiting = Waiting::default();
        assert!(!waiting.keep(300, &[0; 100], None, 0), "not expected");
        waiting.expect(300);
        waiting.expect(400);
        let kept = (0..100).filter(|_| waiting.keep(300, &[3; 100], None, 0)).count();
        assert_eq!(kept, MOST_PACKETS);
        let kept = (0..100).filter(|_| waiting.keep(400, &[4; 9000], None, 1)).count();
        assert_eq!(kept, MOST_OCTETS / 9000);
        // Expected again: what is there stays.
        waiting.expect(400);
        waiting.forget(300);
        waiting.release(300);
        assert_eq!(waiting.next(), None);
        waiting.release(400);
        assert_eq!(std::iter::from_fn(|| waiting.next()).count(), MOST_OCTETS / 9000);
        assert!(!waiting.keep(400, &[4; 100], None, 0), "its SA is there");
    }
}
