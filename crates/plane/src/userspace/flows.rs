//! Which SA took the packets of a flow before: spares the search through all selectors.

use std::net::IpAddr;

use handfast_esp::tunnel::{Headers, Ports};

/// A power of two. Two flows of one place push each other out, which costs a search and nothing else.
const PLACES: usize = 256;

/// Remembers the slot of each of some flows. Forget all when the policy changes.
#[derive(Default)]
pub(super) struct Flows {
    places: Vec<Option<(Flow, usize)>>,
}

/// All that a selector can look at.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Flow {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    ports: Ports,
}

impl Flows {
    /// The slot that took this packet's flow, or what `search` finds.
    pub fn get_or_search(&mut self, headers: &Headers, search: impl FnOnce() -> Option<usize>) -> Option<usize> {
        let flow = Flow {
            source: headers.source,
            destination: headers.destination,
            protocol: headers.protocol,
            ports: headers.ports,
        };
        if self.places.is_empty() {
            self.places.resize(PLACES, None);
        }
        let place = self.places.get_mut(flow.place())?;
        if let Some((known, slot)) = place
            && *known == flow
        {
            return Some(*slot);
        }
        let slot = search()?;
        *place = Some((flow, slot));
        Some(slot)
    }

    pub fn forget(&mut self) {
        self.places.clear();
    }
}

impl Flow {
    fn place(&self) -> usize {
        let ports = match self.ports {
            Ports::None => 0,
            Ports::Pair(source, destination) => u64::from(source) << 16 | u64::from(destination),
            Ports::Type(value) => u64::from(value),
        };
        let mut mixed = ports ^ u64::from(self.protocol) << 32;
        for word in [fold(self.source), fold(self.destination)] {
            mixed = (mixed ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> (usize::BITS - PLACES.trailing_zeros())
    }
}

fn fold(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            (bits >> 64) as u64 ^ (bits as u64).rotate_left(17)
        }
    }
}
