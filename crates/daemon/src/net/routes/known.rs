//! What the last look at everything has left in the kernel, so that a tunnel that comes or goes costs its own routes and
//! not a look at all of them. Pure.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::TunnelRoute;
use super::plan::{Layout, Plan, Via, source, table_of};
use crate::net::{Flow, Subnet};

/// A table and what is reached by it.
pub(super) type Key = (u32, Subnet);

/// Routes that depend on nothing but their own tunnels.
#[derive(Default)]
pub(super) struct Known {
    plain: HashMap<Key, Entry>,
    /// Where other routes say something, or would.
    others: HashSet<Key>,
    /// How many plain ones there are of each family, IPv4 first. The family's rule is there if there is one.
    families: [usize; 2],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    /// How many tunnels want it.
    count: usize,
    source: Option<IpAddr>,
    /// They would not all have this source.
    mixed: bool,
}

/// What to do in the kernel.
#[derive(Default, PartialEq, Eq, Debug)]
pub(super) struct Steps {
    pub(super) add: Vec<(Key, Via)>,
    pub(super) remove: Vec<Key>,
}

fn family(subnet: &Subnet) -> usize {
    usize::from(!subnet.is_ipv4())
}

/// Whether a route has no part in rules, other routes or settings.
fn is_plain(route: &TunnelRoute) -> bool {
    route.flow == Flow::ANY
        && !route.remote.is_default()
        && !route.locals.iter().any(|local| route.remote.strictly_contains(local))
        && !route.peer.is_some_and(|peer| route.remote.contains(peer))
}

impl Known {
    /// After a plan of everything was carried out.
    pub(super) fn new(wanted: &[TunnelRoute], plan: &Plan, addresses: &[IpAddr], layout: &Layout) -> Self {
        let mut this = Self::default();
        for route in wanted.iter().filter(|route| !is_plain(route)) {
            let table = table_of(route, layout);
            this.others.insert((table, route.remote));
            this.others.extend(route.locals.iter().map(|local| (table, *local)));
        }
        for route in wanted.iter().filter(|route| is_plain(route)) {
            let key = (table_of(route, layout), route.remote);
            if !this.others.contains(&key) && plan.routes.contains_key(&key) {
                this.count(key, source(route, addresses));
            }
        }
        this
    }

    fn count(&mut self, key: Key, source: Option<IpAddr>) {
        let new = || Entry {
            count: 0,
            source,
            mixed: false,
        };
        let entry = self.plain.entry(key).or_insert_with(new);
        self.families[family(&key.1)] += usize::from(entry.count == 0);
        entry.count += 1;
        entry.mixed |= entry.source != source;
    }

    /// What follows from tunnels that came and went; `None` if that takes a look at everything. Nothing has changed then.
    pub(super) fn change(
        &mut self,
        added: &[TunnelRoute],
        removed: &[TunnelRoute],
        addresses: &[IpAddr],
        layout: &Layout,
    ) -> Option<Steps> {
        let key = |route: &TunnelRoute| (table_of(route, layout), route.remote);
        let simple = |route: &TunnelRoute| is_plain(route) && !self.others.contains(&key(route));
        if !added.iter().chain(removed).all(simple) {
            return None;
        }
        for route in added {
            let known = self.plain.get(&key(route));
            let same = known.is_none_or(|entry| entry.source == source(route, addresses));
            if !same || self.families[family(&route.remote)] == 0 {
                return None;
            }
        }
        let mut left: HashMap<Key, usize> = HashMap::new();
        for route in removed {
            let entry = self.plain.get(&key(route));
            let gone = left.entry(key(route)).or_default();
            *gone += 1;
            // A tunnel may also have come since the last look and gone again.
            let there = entry.map_or(0, |entry| entry.count) + added.iter().filter(|a| key(a) == key(route)).count();
            if entry.is_some_and(|entry| entry.mixed) || *gone > there {
                return None;
            }
        }
        let mut touched: Vec<Key> = added.iter().chain(removed).map(key).collect();
        touched.sort_unstable();
        touched.dedup();
        let was: Vec<bool> = touched.iter().map(|key| self.plain.contains_key(key)).collect();
        let stays = |at: &Key| {
            let there = self.plain.get(at).map_or(0, |entry| entry.count);
            let more = added.iter().filter(|route| key(route) == *at).count();
            there + more > left.get(at).copied().unwrap_or_default()
        };
        let after = |f: usize| {
            let of = || touched.iter().zip(&was).filter(move |(key, _)| family(&key.1) == f);
            let coming = of().filter(|(key, was)| !**was && stays(key)).count();
            let going = of().filter(|(key, was)| **was && !stays(key)).count();
            self.families[f] + coming - going
        };
        // Without its last route a family's rule goes too.
        if (0..2).any(|f| self.families[f] > 0 && after(f) == 0) {
            return None;
        }
        for route in added {
            self.count(key(route), source(route, addresses));
        }
        for (key, gone) in left {
            let Some(entry) = self.plain.get_mut(&key) else {
                continue;
            };
            entry.count = entry.count.saturating_sub(gone);
            if entry.count == 0 {
                self.plain.remove(&key);
                self.families[family(&key.1)] -= 1;
            }
        }
        let mut steps = Steps::default();
        for (key, was) in touched.into_iter().zip(was) {
            match (was, self.plain.get(&key)) {
                (false, Some(entry)) => {
                    let (index, source) = (layout.device, entry.source);
                    steps.add.push((key, Via::Device { index, source }));
                }
                (true, None) => steps.remove.push(key),
                _ => {}
            }
        }
        Some(steps)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::net::routes::RouteSettings;

    fn route(remote: &str, locals: &[&str]) -> TunnelRoute {
        TunnelRoute {
            remote: remote.parse().unwrap(),
            locals: locals.iter().map(|local| local.parse().unwrap()).collect(),
            peer: Some("192.0.2.9".parse().unwrap()),
            flow: Flow::ANY,
        }
    }

    struct World {
        layout: Layout,
        addresses: Vec<IpAddr>,
        wanted: Vec<TunnelRoute>,
        known: Known,
    }

    impl World {
        fn new(wanted: &[TunnelRoute]) -> Self {
            let layout = Layout::new(&RouteSettings::default(), 3);
            let addresses = vec!["10.1.0.1".parse().unwrap()];
            let plan = Plan::new(wanted, &addresses, &layout);
            let known = Known::new(wanted, &plan, &addresses, &layout);
            let wanted = wanted.to_vec();
            Self {
                layout,
                addresses,
                wanted,
                known,
            }
        }

        /// The steps must lead to the plan of everything that is then wanted.
        fn change(&mut self, added: &[TunnelRoute], removed: &[TunnelRoute]) -> Option<usize> {
            let before = Plan::new(&self.wanted, &self.addresses, &self.layout);
            let steps = self.known.change(added, removed, &self.addresses, &self.layout)?;
            self.wanted.extend_from_slice(added);
            for gone in removed {
                let at = self.wanted.iter().position(|route| route == gone).unwrap();
                self.wanted.remove(at);
            }
            let mut made = before.routes;
            made.extend(steps.add.iter().copied());
            made.retain(|key, _| !steps.remove.contains(key));
            let whole = Plan::new(&self.wanted, &self.addresses, &self.layout);
            assert_eq!(made, whole.routes);
            assert_eq!(before.rules, whole.rules);
            Some(steps.add.len() + steps.remove.len())
        }
    }

    #[test]
    fn plain_routes_come_and_go_alone() {
        let (a, b) = (
            route("10.2.0.1/32", &["10.1.0.0/16"]),
            route("10.2.0.2/32", &["10.1.0.0/16"]),
        );
        let mut world = World::new(std::slice::from_ref(&a));
        let (a, b) = (std::slice::from_ref(&a), std::slice::from_ref(&b));
        assert_eq!(world.change(b, &[]), Some(1));
        // A rekey: the same once more, then the old one goes.
        assert_eq!(world.change(b, &[]), Some(0));
        assert_eq!(world.change(&[], b), Some(0));
        assert_eq!(world.change(b, b), Some(0));
        assert_eq!(world.change(&[], b), Some(1));
        // The last one takes its rule along, and the first brings it.
        assert_eq!(world.change(&[], a), None);
        assert_eq!(world.change(b, a), Some(2));
        assert_eq!(world.change(&[route("2001:db8::/64", &[])], &[]), None);
        assert_eq!(World::new(&[]).change(a, &[]), None);
    }

    #[test]
    fn whatever_has_a_part_in_others_takes_a_look_at_all() {
        let local = ["10.1.0.0/16"];
        let plain = route("10.2.0.1/32", &local);
        let mut world = World::new(&[plain.clone(), route("10.0.0.0/8", &["10.3.0.0/16"])]);
        assert_eq!(
            world.change(&[route("10.3.0.0/16", &local)], &[]),
            None,
            "a throw is there"
        );
        assert_eq!(world.change(&[route("0.0.0.0/0", &local)], &[]), None);
        assert_eq!(world.change(&[route("10.0.0.0/7", &local)], &[]), None);
        assert_eq!(
            world.change(&[route("192.0.2.0/24", &local)], &[]),
            None,
            "the peer is inside"
        );
        let flow = Flow {
            protocol: 6,
            ..Flow::ANY
        };
        assert_eq!(world.change(&[TunnelRoute { flow, ..plain.clone() }], &[]), None);
        assert_eq!(
            world.change(&[route("10.2.0.1/32", &["10.9.0.0/16"])], &[]),
            None,
            "another source"
        );
        assert_eq!(world.change(&[], &[route("10.2.0.7/32", &local)]), None, "unknown");
        assert_eq!(world.change(&[route("10.2.0.2/32", &local)], &[plain]), Some(2));
    }
}
