//! Replacing the IKE SA: its children go on, whoever begins and whatever is lost.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use handfast_engine::policy::Connection;
use handfast_engine::{Command, Event};
use handfast_sim::policies::{address, connection, parsed, policy};
use handfast_sim::{Faults, Host, World};
use handfast_store::SaStore;

const SECOND: Duration = Duration::from_secs(1);

fn world_with(seed: u64, change: impl Fn(usize, &mut Connection)) -> World {
    let host = |index: usize| {
        let mut connection = connection(index);
        change(index, &mut connection);
        Host::new(seed as u8 ^ (index as u8 + 1), vec![address(index)], policy(connection))
    };
    let mut world = World::new(seed, vec![host(0), host(1)]);
    world.command(
        0,
        Command::Up {
            connection: "office".into(),
        },
    );
    assert!(world.run_until(60 * SECOND, both_up), "seed {seed}");
    world
}

fn both_up(world: &World) -> bool {
    world
        .hosts
        .iter()
        .all(|h| h.outbound.len() == 1 && h.inbound.len() == 1)
}

fn ike_rekeys(world: &World, host: usize) -> usize {
    world.hosts[host].count(|e| matches!(e, Event::IkeRekeyed { .. }))
}

fn downs(world: &World, host: usize) -> usize {
    world.hosts[host].count(|e| matches!(e, Event::ConnectionDown { .. }))
}

/// SPI pairs of the IKE SAs that the store calls established.
fn established(world: &World, host: usize) -> BTreeSet<(String, String)> {
    let snapshot = world.hosts[host].store.snapshot();
    let live = snapshot.ike_sas.iter().filter(|sa| sa.facts.state == "established");
    live.map(|sa| (sa.facts.spi_i.clone(), sa.facts.spi_r.clone()))
        .collect()
}

/// One IKE SA on each side, the same one, holding one child, and the plane's pairs fit each other.
fn is_whole(world: &World) -> bool {
    let same = established(world, 0) == established(world, 1) && established(world, 0).len() == 1;
    let single = world.hosts.iter().all(|h| h.engine.sa_count() == 1);
    let held = world.hosts.iter().all(|h| {
        let snapshot = h.store.snapshot();
        snapshot.ike_sas.len() == 1 && snapshot.ike_sas[0].children.len() == h.outbound.len()
    });
    let spi = |sas: &std::collections::BTreeMap<_, handfast_plane::op::SaInstall>| -> BTreeSet<u32> {
        sas.values().map(|sa| sa.spi).collect()
    };
    let (a, b) = (&world.hosts[0], &world.hosts[1]);
    same && single && held && spi(&a.outbound) == spi(&b.inbound) && spi(&b.outbound) == spi(&a.inbound)
}

#[test]
fn either_side_replaces_the_ike_sa_and_the_child_stays() {
    for begins in [0, 1] {
        let mut world = world_with(40, |i, c| {
            c.rekey = if i == begins { 100 * SECOND } else { Duration::ZERO }
        });
        let child: Vec<u32> = world.hosts[0].inbound.values().map(|sa| sa.spi).collect();
        let before = established(&world, 0);
        world.run(1000 * SECOND);
        assert!((10..=14).contains(&ike_rekeys(&world, 0)), "{}", ike_rekeys(&world, 0));
        assert_eq!(ike_rekeys(&world, 0), ike_rekeys(&world, 1));
        assert!(is_whole(&world), "{:?}", world.hosts[0].store.snapshot());
        assert_ne!(before, established(&world, 0));
        let now: Vec<u32> = world.hosts[0].inbound.values().map(|sa| sa.spi).collect();
        assert_eq!(child, now, "the child is the same");
        assert!((0..2).all(|h| downs(&world, h) <= 1), "never down");
        // The new SA is the one that `down` ends.
        world.command(
            0,
            Command::Down {
                connection: "office".into(),
            },
        );
        world.run(20 * SECOND);
        assert!(
            world
                .hosts
                .iter()
                .all(|h| h.engine.sa_count() == 0 && h.inbound.is_empty())
        );
    }
}

#[test]
fn the_new_sa_may_have_another_suite() {
    let mut world = world_with(41, |_, c| {
        c.ike = vec![parsed("aes256-sha512-x25519")];
        c.rekey = 50 * SECOND;
    });
    world.run(500 * SECOND);
    assert!(ike_rekeys(&world, 0) >= 8);
    assert!(is_whole(&world));
}

#[test]
fn rekeys_that_meet_leave_one_sa() {
    // Both sides always begin at the same moment: their messages cross.
    let mut met = 0;
    for seed in 0..20 {
        let mut world = world_with(seed, |_, _| {});
        for _ in 0..3 {
            for host in [0, 1] {
                world.command(
                    host,
                    Command::Rekey {
                        connection: "office".into(),
                        what: handfast_engine::Rekey::Ike,
                    },
                );
            }
            world.run(15 * SECOND);
            assert!(
                is_whole(&world),
                "seed {seed}: {:#?}",
                world.hosts.iter().map(|h| &h.events).collect::<Vec<_>>()
            );
        }
        met += world.hosts[0].count(|e| matches!(e, Event::IkeGone { reason, .. } if reason.contains("another rekey")));
        met += world.hosts[1].count(|e| matches!(e, Event::IkeGone { reason, .. } if reason.contains("another rekey")));
        assert!((0..2).all(|h| downs(&world, h) <= 1), "seed {seed}: never down");
    }
    assert!(met > 20, "{met}: most of them met");
}

#[test]
fn loss_and_disorder_leave_one_sa_and_no_tunnel_down() {
    for seed in 0..30 {
        let mut world = world_with(seed, |_, c| {
            c.rekey = 40 * SECOND;
            let mut child = (*c.children[0]).clone();
            child.rekey = 55 * SECOND;
            c.children = vec![child.into()];
        });
        world.network.faults = Faults {
            loss: 10,
            repeat: 10,
            late: 10,
            ..Faults::default()
        };
        world.run(1200 * SECOND);
        assert!(ike_rekeys(&world, 0) > 15, "seed {seed}: {}", ike_rekeys(&world, 0));
        assert!(
            ike_rekeys(&world, 0).abs_diff(ike_rekeys(&world, 1)) <= 1,
            "seed {seed}"
        );
        assert!((0..2).all(|h| downs(&world, h) <= 1), "seed {seed}: never down");
        world.network.faults = Faults::default();
        assert!(
            world.run_until(60 * SECOND, is_whole),
            "seed {seed}: {:#?}",
            world.hosts.iter().map(|h| h.store.snapshot()).collect::<Vec<_>>()
        );
        for host in &world.hosts {
            assert!(
                host.engine.sizes().iter().all(|(_, n)| *n < 80),
                "{:?}",
                host.engine.sizes()
            );
        }
    }
}
