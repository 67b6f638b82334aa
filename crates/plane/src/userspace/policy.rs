//! Which outbound SA takes a packet: the most specific remote selector, then the newest SA.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use handfast_esp::tunnel::Headers;
use handfast_wire::selector::TrafficSelector;

use super::child::Child;
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

/// The first address, high half first, and then when it was installed.
type Place = ([u64; 2], u64, u16);

/// The slot of the child whose selector it is.
type Entry = u32;

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
        for (remote, index) in remote.iter().zip(0..) {
            let (size, place) = place(remote, self.installs, index);
            self.sizes.entry(size).or_default().insert(place, slot as Entry);
        }
        self.flows.forget();
        self.installs
    }

    /// Forgets the selectors of an SA.
    pub fn remove(&mut self, install: u64, remote: &[TrafficSelector]) {
        for (remote, index) in remote.iter().zip(0..) {
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

    /// The slot of the best of the children whose selectors select a packet.
    pub fn choose(&mut self, headers: &Headers, children: &[Option<Child>]) -> Option<usize> {
        let at = number(headers.destination);
        let rank = |(&(_, installed, index), &slot): (&Place, &Entry)| {
            let child = children.get(slot as usize)?.as_ref()?;
            let remote = child.remote_ts.get(usize::from(index))?;
            let selects = matching::destination(remote, headers)
                && child.local_ts.iter().any(|local| matching::source(local, headers));
            selects.then(|| (Rank::of(remote, Reverse(installed)), slot as usize))
        };
        let best = |(size, entries): (&u128, &BTreeMap<Place, Entry>)| {
            let first = (halves(at.saturating_sub(*size)), 0, 0);
            let may = entries.range(first..=(halves(at), u64::MAX, u16::MAX));
            may.filter_map(rank).min_by_key(|(rank, _)| *rank)
        };
        self.flows
            .get_or_search(headers, || self.sizes.iter().find_map(best).map(|(_, slot)| slot))
    }
}

/// Where a selector is: by its number of addresses, and there.
fn place(selector: &TrafficSelector, install: u64, index: u16) -> (u128, Place) {
    let (start, end) = (number(selector.start), number(selector.end));
    (end.saturating_sub(start), (halves(start), install, index))
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

/// An IPv4 address is the IPv6 address that it is mapped to.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// As large as it is, a `u128` has to stand at a multiple of 16.
fn halves(number: u128) -> [u64; 2] {
    [(number >> 64) as u64, number as u64]
}
