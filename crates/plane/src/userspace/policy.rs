//! Which outbound SA takes a packet: the most specific remote selector, then the newest SA.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use handfast_esp::tunnel::Headers;
use handfast_wire::selector::TrafficSelector;

use super::flows::Flows;
use super::matching;

/// Remote selectors of all outbound SAs. The one of the best rank that matches wins.
///
/// They are in order of how many addresses they have, and of these each by its first address: those that can have an
/// address are then together, and of subnets of one size that is one.
#[derive(Default)]
pub(super) struct Policy {
    sizes: BTreeMap<u128, BTreeMap<Place, Entry>>,
    installs: u64,
    flows: Flows,
}

/// By the first address, and then told apart by when and as which it came.
type Place = (bool, u128, u64, usize);

struct Entry {
    rank: Rank,
    remote: TrafficSelector,
    slot: usize,
}

/// Smaller is better, among as many addresses: a protocol, then fewer ports, then later installed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    any_protocol: bool,
    ports: u16,
    installed: Reverse<u64>,
}

impl Policy {
    /// Adds the selectors of a newly installed SA. Returns what removes them again.
    pub fn insert(&mut self, slot: usize, remote: &[TrafficSelector]) -> u64 {
        self.installs += 1;
        for (index, &remote) in remote.iter().enumerate() {
            let (size, place) = place(&remote, self.installs, index);
            let rank = Rank::of(&remote, Reverse(self.installs));
            self.sizes
                .entry(size)
                .or_default()
                .insert(place, Entry { rank, remote, slot });
        }
        self.flows.forget();
        self.installs
    }

    /// Forgets the selectors of an SA.
    pub fn remove(&mut self, install: u64, remote: &[TrafficSelector]) {
        for (index, remote) in remote.iter().enumerate() {
            let (size, place) = place(remote, install, index);
            let Some(entries) = self.sizes.get_mut(&size) else {
                continue;
            };
            entries.remove(&place);
            if entries.is_empty() {
                self.sizes.remove(&size);
            }
        }
        self.flows.forget();
    }

    /// The best slot whose remote selector selects a packet, and of which `from_us` says that a local one does.
    pub fn choose(&mut self, headers: &Headers, from_us: impl Fn(usize) -> bool) -> Option<usize> {
        let address = headers.destination;
        let (v6, at) = (address.is_ipv6(), number(address));
        let takes = |entry: &&Entry| matching::destination(&entry.remote, headers) && from_us(entry.slot);
        let best = |(size, entries): (&u128, &BTreeMap<Place, Entry>)| {
            let first = (v6, at.saturating_sub(*size), 0, 0);
            let may = entries
                .range(first..=(v6, at, u64::MAX, usize::MAX))
                .map(|(_, entry)| entry);
            may.filter(takes).min_by_key(|entry| entry.rank).map(|entry| entry.slot)
        };
        self.flows.get_or_search(headers, || self.sizes.iter().find_map(best))
    }
}

/// Where a selector is: by its number of addresses, and there.
fn place(selector: &TrafficSelector, install: u64, index: usize) -> (u128, Place) {
    let (start, end) = (number(selector.start), number(selector.end));
    (
        end.saturating_sub(start),
        (selector.start.is_ipv6(), start, install, index),
    )
}

impl Rank {
    fn of(selector: &TrafficSelector, installed: Reverse<u64>) -> Self {
        Self {
            any_protocol: selector.protocol == 0,
            ports: selector.end_port.saturating_sub(selector.start_port),
            installed,
        }
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}
