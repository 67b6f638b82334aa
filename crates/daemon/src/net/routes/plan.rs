//! Which routes and rules a set of tunnelled subnets needs: pure, so that it is tested without root.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Flow, RouteSettings, TunnelRoute};
use crate::net::Subnet;

/// Priorities of rules for flows, all before the main rule.
const FLOW_RULES: u32 = 3;

/// The numbers that the routes and rules are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Table of the subnets.
    pub(super) table: u32,
    /// Table of the default routes.
    pub(super) default_table: u32,
    /// Table of the subnets of which only some packets are tunnelled.
    pub(super) flow_table: u32,
    pub(super) priority: u32,
    pub(super) mark: u32,
    /// Index of the TUN device.
    pub(super) device: u32,
}

impl Layout {
    pub(super) fn new(settings: &RouteSettings, device: u32) -> Self {
        Layout {
            table: settings.table,
            default_table: settings.table.wrapping_add(1),
            flow_table: settings.table.wrapping_add(2),
            priority: settings.priority,
            mark: settings.mark,
            device,
        }
    }

    pub(super) fn owns_table(&self, table: u32) -> bool {
        [self.table, self.default_table, self.flow_table].contains(&table)
    }

    pub(super) fn owns_priority(&self, priority: u32) -> bool {
        priority.wrapping_sub(self.priority.wrapping_sub(FLOW_RULES)) < FLOW_RULES + 3
    }
}

/// Where a route leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Via {
    /// Into the TUN device of this index, with the source that the host's own packets get.
    Device { index: u32, source: Option<IpAddr> },
    /// Out of this table: the next rule decides.
    Throw,
}

/// A policy rule of one address family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Rule {
    pub(super) ipv4: bool,
    pub(super) priority: u32,
    pub(super) action: RuleAction,
}

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum RuleAction {
    /// Packets without this mark look here.
    Unmarked { mark: u32, table: u32 },
    /// Packets take a route of the main table, but not its default route.
    MainButDefault,
    /// Packets with this mark go on with the rule of this priority.
    MarkedGoTo { mark: u32, priority: u32 },
    /// Where they go on.
    Nothing,
    /// Packets of a flow to a subnet look here.
    FlowTo { flow: Flow, subnet: Subnet, table: u32 },
}

/// All routes and rules.
#[derive(Default, PartialEq, Eq, Debug)]
pub(super) struct Plan {
    /// By table and destination.
    pub(super) routes: BTreeMap<(u32, Subnet), Via>,
    pub(super) rules: BTreeSet<Rule>,
}

impl Plan {
    /// `addresses`: the host's own, in the order of preference.
    pub(super) fn new(wanted: &[TunnelRoute], addresses: &[IpAddr], layout: &Layout) -> Self {
        let mut plan = Plan::default();
        for route in wanted {
            plan.add(route, addresses, layout);
        }
        // A throw yields where another tunnel leads to the same subnet.
        for route in wanted {
            for local in route
                .locals
                .iter()
                .filter(|local| route.remote.strictly_contains(local))
            {
                plan.routes
                    .entry((table_of(route, layout), *local))
                    .or_insert(Via::Throw);
            }
        }
        plan
    }

    fn add(&mut self, route: &TunnelRoute, addresses: &[IpAddr], layout: &Layout) {
        let ipv4 = route.remote.is_ipv4();
        let table = table_of(route, layout);
        let found = source(route, addresses);
        let via = self.routes.entry((table, route.remote)).or_insert(Via::Device {
            index: layout.device,
            source: found,
        });
        // Several local selectors may share a remote one: any of them may know a source.
        if let Via::Device {
            source: source @ None, ..
        } = via
        {
            *source = found;
        }
        let unmarked = |after, table| {
            let action = RuleAction::Unmarked {
                mark: layout.mark,
                table,
            };
            Rule {
                ipv4,
                priority: layout.priority.wrapping_add(after),
                action,
            }
        };
        if route.flow != Flow::ANY {
            return self.add_flow(route, layout);
        }
        if route.remote.is_default() {
            let action = RuleAction::MainButDefault;
            self.rules.insert(Rule {
                ipv4,
                priority: layout.priority.wrapping_add(1),
                action,
            });
            self.rules.insert(unmarked(2, layout.default_table));
        } else {
            self.rules.insert(unmarked(0, layout.table));
        }
    }
}

impl Plan {
    /// Rules before all others; own packets pass them over.
    fn add_flow(&mut self, route: &TunnelRoute, layout: &Layout) {
        let before = |n: u32| layout.priority.wrapping_sub(n);
        let to = RuleAction::FlowTo {
            flow: route.flow,
            subnet: route.remote,
            table: layout.flow_table,
        };
        let over = RuleAction::MarkedGoTo {
            mark: layout.mark,
            priority: before(1),
        };
        for (priority, action) in [(before(3), over), (before(2), to), (before(1), RuleAction::Nothing)] {
            let ipv4 = route.remote.is_ipv4();
            self.rules.insert(Rule { ipv4, priority, action });
        }
    }
}

pub(super) fn table_of(route: &TunnelRoute, layout: &Layout) -> u32 {
    if route.flow != Flow::ANY {
        layout.flow_table
    } else if route.remote.is_default() {
        layout.default_table
    } else {
        layout.table
    }
}

/// An address of the host inside the local selectors, of the remote one's family.
pub(super) fn source(route: &TunnelRoute, addresses: &[IpAddr]) -> Option<IpAddr> {
    let locals = route
        .locals
        .iter()
        .filter(|local| local.is_ipv4() == route.remote.is_ipv4());
    locals
        .into_iter()
        .find_map(|local| addresses.iter().copied().find(|address| local.contains(*address)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout {
        table: 100,
        default_table: 101,
        flow_table: 102,
        priority: 200,
        mark: 7,
        device: 3,
    };

    fn route(remote: &str, locals: &[&str]) -> TunnelRoute {
        let locals = locals.iter().map(|local| local.parse().unwrap()).collect();
        TunnelRoute {
            remote: remote.parse().unwrap(),
            locals,
            peer: None,
            flow: Flow::ANY,
        }
    }

    fn plan(wanted: &[TunnelRoute]) -> (Vec<String>, Vec<String>) {
        let addresses = ["192.0.2.1", "10.1.0.1", "10.1.0.2", "2001:db8:1::1"].map(|a| a.parse().unwrap());
        let plan = Plan::new(wanted, &addresses, &LAYOUT);
        let routes = plan.routes.iter().map(|((table, subnet), via)| match via {
            Via::Throw => format!("{table} throw {subnet}"),
            Via::Device { index: 3, source: None } => format!("{table} {subnet}"),
            Via::Device {
                index: 3,
                source: Some(source),
            } => format!("{table} {subnet} src {source}"),
            Via::Device { .. } => panic!("wrong device"),
        });
        let rules = plan.rules.iter().map(|rule| match rule.action {
            RuleAction::Unmarked { mark: 7, table } => format!("{} {} unmarked {table}", rule.ipv4, rule.priority),
            RuleAction::Unmarked { .. } => panic!("wrong mark"),
            RuleAction::MainButDefault => format!("{} {} main", rule.ipv4, rule.priority),
            RuleAction::MarkedGoTo { mark: 7, priority } => {
                format!("{} {} marked to {priority}", rule.ipv4, rule.priority)
            }
            RuleAction::MarkedGoTo { .. } => panic!("wrong mark"),
            RuleAction::Nothing => format!("{} {} nothing", rule.ipv4, rule.priority),
            RuleAction::FlowTo { flow, subnet, table } => {
                format!("{} {} {} to {subnet} {table}", rule.ipv4, rule.priority, flow.protocol)
            }
        });
        (routes.collect(), rules.collect())
    }

    #[test]
    fn nothing_wanted_is_nothing() {
        assert_eq!(plan(&[]), (vec![], vec![]));
    }

    #[test]
    fn a_subnet_has_the_first_address_in_the_local_selectors_as_source() {
        let (routes, rules) = plan(&[route("10.2.0.0/16", &["10.9.0.0/16", "10.1.0.0/16"])]);
        assert_eq!(routes, ["100 10.2.0.0/16 src 10.1.0.1"]);
        assert_eq!(rules, ["true 200 unmarked 100"]);
        assert_eq!(plan(&[route("10.2.0.0/16", &["10.9.0.0/16"])]).0, ["100 10.2.0.0/16"]);
        // The wildcard of the other family must not lend its address.
        assert_eq!(plan(&[route("10.2.0.0/16", &["::/0"])]).0, ["100 10.2.0.0/16"]);
    }

    #[test]
    fn a_default_route_leaves_what_main_knows_better() {
        let (routes, rules) = plan(&[
            route("0.0.0.0/0", &["10.1.0.2/32"]),
            route("::/0", &["2001:db8:1::/64"]),
        ]);
        assert_eq!(
            routes,
            [
                "101 0.0.0.0/0 src 10.1.0.2",
                "101 throw 10.1.0.2/32",
                "101 ::/0 src 2001:db8:1::1",
                "101 throw 2001:db8:1::/64"
            ]
        );
        let expected = [
            "false 201 main",
            "false 202 unmarked 101",
            "true 201 main",
            "true 202 unmarked 101",
        ];
        assert_eq!(rules, expected);
    }

    #[test]
    fn a_local_subnet_inside_the_remote_one_stays_outside() {
        let (routes, _) = plan(&[route("10.0.0.0/8", &["10.1.0.0/16"])]);
        assert_eq!(routes, ["100 10.0.0.0/8 src 10.1.0.1", "100 throw 10.1.0.0/16"]);
        // The same selectors on both ends, or a wider local one: nothing to throw.
        assert_eq!(
            plan(&[route("10.0.0.0/8", &["10.0.0.0/8", "0.0.0.0/0"])]).0,
            ["100 10.0.0.0/8 src 10.1.0.1"]
        );
        // Another tunnel that leads there wins.
        let (routes, _) = plan(&[
            route("10.0.0.0/8", &["10.1.0.0/16"]),
            route("10.1.0.0/16", &["192.0.2.1"]),
        ]);
        assert_eq!(routes, ["100 10.0.0.0/8 src 10.1.0.1", "100 10.1.0.0/16 src 192.0.2.1"]);
    }

    #[test]
    fn a_shared_remote_takes_whichever_source_is_known() {
        let (routes, _) = plan(&[
            route("10.2.0.0/16", &["10.9.0.0/16"]),
            route("10.2.0.0/16", &["10.1.0.0/16"]),
        ]);
        assert_eq!(routes, ["100 10.2.0.0/16 src 10.1.0.1"]);
    }

    #[test]
    fn flows_have_rules_of_their_own_which_own_packets_pass_over() {
        let mut web = route("192.0.2.9/32", &["192.0.2.1/32"]);
        web.flow = Flow {
            protocol: 6,
            remote_ports: (443, 443),
            ..Flow::ANY
        };
        let mut mail = web.clone();
        mail.flow.remote_ports = (25, 25);
        let (routes, rules) = plan(&[web, mail, route("10.2.0.0/16", &["10.1.0.0/16"])]);
        assert_eq!(
            routes,
            ["100 10.2.0.0/16 src 10.1.0.1", "102 192.0.2.9/32 src 192.0.2.1"]
        );
        let expected = [
            "true 197 marked to 199",
            "true 198 6 to 192.0.2.9/32 102",
            "true 198 6 to 192.0.2.9/32 102",
            "true 199 nothing",
            "true 200 unmarked 100",
        ];
        assert_eq!(rules, expected);
    }

    #[test]
    fn own_tables_and_priorities() {
        assert!((100..=102).all(|table| LAYOUT.owns_table(table)) && !LAYOUT.owns_table(103) && !LAYOUT.owns_table(99));
        assert!((197..=202).all(|priority| LAYOUT.owns_priority(priority)));
        assert!(!LAYOUT.owns_priority(203) && !LAYOUT.owns_priority(196));
    }
}
