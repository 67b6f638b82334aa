//! What most tests begin with: hosts A and B with the connection "office", and what they ask of the two.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use handfast_engine::Command;
use handfast_engine::policy::Connection;
use handfast_store::SaStore;

use crate::policies::{address, connection, policy};
use crate::{Host, World};

/// Longer than anything takes without faults.
pub const MINUTE: Duration = Duration::from_secs(60);

/// Both hosts, the connection of each changed by `change`.
pub fn world_with(seed: u64, change: impl Fn(usize, &mut Connection)) -> World {
    let host = |index: usize| {
        let mut connection = connection(index);
        change(index, &mut connection);
        Host::new(seed as u8 ^ (index as u8 + 1), vec![address(index)], policy(connection))
    };
    World::new(seed, vec![host(0), host(1)])
}

/// A host's IKE port.
pub fn at(host: usize) -> SocketAddr {
    SocketAddr::new(address(host), 500)
}

/// The connection up or down.
pub fn named(up: bool) -> Command {
    let connection = "office".to_string();
    if up {
        Command::Up { connection }
    } else {
        Command::Down { connection }
    }
}

/// Host A brings the connection up; a test for which that fails is at its end.
pub fn up(world: &mut World) {
    world.command(0, named(true));
    let done = world.run_until(MINUTE, both_up);
    assert!(
        done,
        "not up: {:#?} {:#?}",
        world.hosts[0].events, world.hosts[1].events
    );
}

/// Each host has one pair.
pub fn both_up(world: &World) -> bool {
    let one = |h: &Host| h.outbound.len() == 1 && h.inbound.len() == 1;
    world.hosts.iter().all(one)
}

/// No SA of any kind is left.
pub fn nothing_left(world: &World) -> bool {
    let none = |h: &Host| h.outbound.is_empty() && h.inbound.is_empty() && h.engine.sa_count() == 0;
    world.hosts.iter().all(none)
}

/// Why the hosts do not agree on one IKE SA with one child each, as the store, the plane and the other host see it.
pub fn disagreement(world: &World) -> Option<String> {
    let spis = |sas: &std::collections::BTreeMap<_, handfast_plane::op::SaInstall>| -> BTreeSet<u32> {
        sas.values().map(|sa| sa.spi).collect()
    };
    let (a, b) = (&world.hosts[0], &world.hosts[1]);
    for (name, here, there) in [("A", a, b), ("B", b, a)] {
        let snapshot = here.store.snapshot();
        let children: usize = snapshot.ike_sas.iter().map(|sa| sa.children.len()).sum();
        let counts = [
            ("IKE SAs", here.engine.sa_count()),
            ("IKE SAs on record", snapshot.ike_sas.len()),
            ("children on record", children),
            ("outbound SAs", here.outbound.len()),
            ("inbound SAs", here.inbound.len()),
            ("children in the plane", here.plane.children().count()),
        ];
        if let Some((what, count)) = counts.iter().find(|(_, count)| *count != 1) {
            return Some(format!("{name} has {count} {what}"));
        }
        if spis(&here.outbound) != spis(&there.inbound) {
            return Some(format!("{name} sends on an SA that the other does not have"));
        }
        let of = |h: &Host| {
            let facts = &h.store.snapshot().ike_sas[0].facts;
            (facts.spi_i.clone(), facts.spi_r.clone())
        };
        if of(here) != of(there) {
            return Some(format!("{name} has another IKE SA"));
        }
    }
    None
}
