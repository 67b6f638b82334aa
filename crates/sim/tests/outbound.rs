//! A plane that refuses what sends, after the peer was told that the child is there.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use handfast_engine::policy::Connection;
use handfast_engine::{Command, Event, Rekey};
use handfast_sim::pair::{MINUTE, both_up, up, world_with};
use handfast_sim::policies::parsed;
use handfast_sim::{Host, World};

const SOON: Duration = Duration::from_secs(3);

fn second_child(host: usize, c: &mut Connection) {
    let subnet = |h| vec![parsed(if h == 0 { "10.3.0.0/16" } else { "10.4.0.0/16" })];
    let mut child = (*c.children[0]).clone();
    child.name = "further".into();
    (child.local_ts, child.remote_ts) = (subnet(host), subnet(1 - host));
    c.children.push(Arc::new(child));
}

fn counts(host: &Host) -> (usize, usize) {
    (host.inbound.len(), host.outbound.len())
}

fn explained(world: &World) {
    let refusals = world.hosts[1].refusals();
    assert!(
        refusals
            .iter()
            .any(|r| r.contains("out of order") && r.contains("host1.toml:1")),
        "{refusals:?}"
    );
    assert!(world.hosts[1].count(|e| matches!(e, Event::ChildGone { reason, .. } if reason.contains("installed"))) > 0);
}

/// A further child: it goes on both sides, the first one stays.
#[test]
fn a_further_child_that_cannot_send_is_deleted_with_the_peer() {
    for seed in 0..20 {
        let mut world = world_with(seed, second_child);
        let connection = "office".to_string();
        world.command(0, Command::Up { connection });
        assert!(world.run_until(MINUTE, |w| w.hosts[1].outbound.len() == 1));
        world.hosts[1].outbound_broken = true;
        // What may still arrive is taken for some seconds.
        world.run(3 * SOON);
        explained(&world);
        for host in &world.hosts {
            assert_eq!(counts(host), (1, 1), "{seed}: {:#?}", host.events);
            assert_eq!(host.engine.sa_count(), 1);
        }
    }
}

/// A fresh child that takes the only one's place: nothing can send, so the connection is begun anew until it can.
#[test]
fn a_replacement_that_cannot_send_ends_the_sa_and_it_comes_again() {
    for seed in 0..20 {
        let mut world = world_with(seed, |_, _| {});
        up(&mut world);
        world.run(SOON);
        world.hosts[1].outbound_broken = true;
        let (connection, what) = ("office".to_string(), Rekey::Children);
        world.command(0, Command::Rekey { connection, what });
        world.run(SOON);
        explained(&world);
        // B never keeps a child that only receives.
        world.run(MINUTE);
        assert_eq!(counts(&world.hosts[1]), (0, 0), "{seed}: {:#?}", world.hosts[1].events);
        world.hosts[1].outbound_broken = false;
        assert!(
            world.run_until(2 * MINUTE, both_up),
            "{seed}: {:#?}",
            world.hosts[0].events
        );
    }
}
