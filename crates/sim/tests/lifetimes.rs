//! Children are replaced when they have carried enough or are old enough, and closed when nothing has replaced them.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_engine::Event;
use handfast_engine::policy::{ChildPolicy, Start};
use handfast_plane::op::{Limits, Volume};
use handfast_sim::World;
use handfast_sim::pair::{MINUTE, both_up, disagreement, up, world_with};

fn world(seed: u64, change: impl Fn(usize, &mut ChildPolicy)) -> World {
    world_with(seed, |i, c| {
        c.liveness = Duration::ZERO;
        c.start = if i == 0 { Start::Now } else { Start::Wait };
        let mut child = (*c.children[0]).clone();
        change(i, &mut child);
        c.children = vec![child.into()];
    })
}

fn packets(soft: u64, hard: u64) -> Limits {
    let of = |packets| Volume {
        packets,
        ..Volume::ENDLESS
    };
    Limits {
        soft: of(soft),
        hard: of(hard),
    }
}

fn bytes(soft: u64, hard: u64) -> Limits {
    let of = |bytes| Volume {
        bytes,
        ..Volume::ENDLESS
    };
    Limits {
        soft: of(soft),
        hard: of(hard),
    }
}

fn rekeys(world: &World, host: usize) -> usize {
    world.hosts[host].count(|e| matches!(e, Event::ChildRekeyed { .. }))
}

/// Sends this many packets, one each 10 ms.
fn send(world: &mut World, from: usize, count: usize) {
    for _ in 0..count {
        world.packet(from, 100);
        world.run(Duration::from_millis(10));
    }
    world.run(Duration::from_secs(8));
}

#[test]
fn what_a_child_carries_is_limited_in_packets_and_octets_without_loss() {
    for (name, limits) in [("packets", packets(100, 125)), ("bytes", bytes(13_600, 17_000))] {
        for counts in [0, 1] {
            for sends in [0, 1] {
                // One side watches; it counts what it sends and what it receives.
                let mut world = world(1, |i, c| {
                    if i == counts {
                        c.limits = limits;
                    }
                });
                up(&mut world);
                send(&mut world, sends, 1000);
                assert_eq!(world.hosts[1 - sends].delivered, 1000, "{name}");
                let found = rekeys(&world, 0);
                assert!((9..=15).contains(&found), "{name}: {found} rekeys");
                assert_eq!(disagreement(&world), None);
            }
        }
    }
}

#[test]
fn both_sides_count_and_no_packet_is_lost() {
    let mut world = world(2, |_, c| c.limits = packets(100, 125));
    up(&mut world);
    for _ in 0..1000 {
        world.packet(0, 100);
        world.packet(1, 100);
        world.run(Duration::from_millis(10));
    }
    world.run(Duration::from_secs(8));
    assert_eq!([world.hosts[0].delivered, world.hosts[1].delivered], [1000, 1000]);
    assert!((9..=16).contains(&rekeys(&world, 0)), "{}", rekeys(&world, 0));
    assert_eq!(disagreement(&world), None);
}

#[test]
fn a_child_that_nothing_replaces_ends_and_the_connection_comes_back() {
    for (name, limits, lifetime) in [
        ("packets", packets(u64::MAX, 50), Duration::ZERO),
        ("age", Limits::NONE, Duration::from_secs(100)),
    ] {
        let mut world = world(3, |i, c| {
            if i == 1 {
                (c.limits, c.lifetime) = (limits, lifetime);
            }
        });
        up(&mut world);
        let spi = world.hosts[1].inbound.values().next().unwrap().spi;
        for _ in 0..60 {
            world.packet(0, 100);
        }
        // Nothing of it arrives beyond the limit, and both sides know that it is gone.
        let renewed = |w: &World| both_up(w) && w.hosts[1].inbound.values().all(|sa| sa.spi != spi);
        assert!(world.run_until(2 * MINUTE, renewed), "{name}");
        if name == "packets" {
            assert_eq!(world.hosts[1].delivered, 50);
        }
        let gone = world.hosts[1].events.iter().find_map(|e| match e {
            Event::IkeGone { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        assert!(gone.unwrap().contains("no newer one has come in time"), "{name}");
    }
}

#[test]
fn a_child_that_the_peer_replaced_and_forgot_ends_alone() {
    // Host 1 begins a rekey and dies before it deletes the old child: its Delete never arrives.
    let mut world = world(4, |i, c| {
        c.rekey = Duration::from_secs(if i == 1 { 100 } else { 0 });
        c.lifetime = Duration::from_secs(if i == 0 { 150 } else { 0 });
    });
    up(&mut world);
    assert!(world.run_until(2 * MINUTE, |w| rekeys(w, 0) == 1 && rekeys(w, 1) == 1));
    let delete = |bytes: &[u8]| bytes[18] == 37 && bytes[19] & 0x20 == 0;
    world.tamper = Some(Box::new(move |_, t| {
        if delete(&t.bytes) {
            vec![]
        } else {
            vec![t.bytes.to_vec()]
        }
    }));
    world.run(Duration::from_secs(20));
    assert_eq!(world.hosts[0].engine.sa_count(), 1);
    assert_eq!(world.hosts[0].inbound.len(), 2, "the old one is still there");
    world.tamper = None;
    assert!(world.run_until(3 * MINUTE, |w| disagreement(w).is_none()));
}
