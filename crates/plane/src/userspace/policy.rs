//! Which outbound SA takes a packet: the most specific remote selector, then the newest SA.

use std::cmp::Reverse;
use std::net::IpAddr;

use handfast_esp::tunnel::Headers;
use handfast_wire::selector::TrafficSelector;

use super::flows::Flows;
use super::matching;

/// Remote selectors of all outbound SAs, best first: the first that matches wins.
#[derive(Default)]
pub(super) struct Policy {
    entries: Vec<Entry>,
    installs: u64,
    flows: Flows,
}

struct Entry {
    rank: Rank,
    remote: TrafficSelector,
    slot: usize,
}

/// Smaller is better: fewer addresses, then a protocol, then fewer ports, then later installed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    addresses: u128,
    any_protocol: bool,
    ports: u16,
    installed: Reverse<u64>,
}

impl Policy {
    /// Adds the selectors of a newly installed SA.
    pub fn insert(&mut self, slot: usize, remote: &[TrafficSelector]) {
        self.installs += 1;
        let installed = Reverse(self.installs);
        self.entries.extend(remote.iter().map(|&remote| Entry {
            rank: Rank::of(&remote, installed),
            remote,
            slot,
        }));
        self.entries.sort_by_key(|entry| entry.rank);
        self.flows.forget();
    }

    /// Forgets the selectors of a slot's SA.
    pub fn remove(&mut self, slot: usize) {
        self.entries.retain(|entry| entry.slot != slot);
        self.flows.forget();
    }

    /// The first slot whose remote selector selects a packet, and of which `from_us` says that a local one does.
    pub fn choose(&mut self, headers: &Headers, from_us: impl Fn(usize) -> bool) -> Option<usize> {
        let entries = &self.entries;
        let takes = |entry: &&Entry| matching::destination(&entry.remote, headers) && from_us(entry.slot);
        self.flows
            .get_or_search(headers, || entries.iter().find(takes).map(|entry| entry.slot))
    }
}

impl Rank {
    fn of(selector: &TrafficSelector, installed: Reverse<u64>) -> Self {
        Self {
            addresses: number(selector.end).saturating_sub(number(selector.start)),
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
