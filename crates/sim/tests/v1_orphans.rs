//! IKEv1: a peer deletes its ISAKMP SA and keeps the child SAs (RFC 2409 section 8). They carry packets on, and belong to the
//! next phase 1, whoever begins it.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_engine::Event;
use handfast_engine::policy::{ChildPolicy, Connection, Versions};
use handfast_sim::pair::{MINUTE, at, both_up, disagreement, named, nothing_left, up, world_with};
use handfast_sim::policies::{address, connection, parsed, policy};
use handfast_sim::{ForgerV1, Host, World};
use handfast_wire::header::{ExchangeType, PayloadType};
use handfast_wire::v1::notify::cookies;

const SECOND: Duration = Duration::from_secs(1);

fn v1(connection: &mut Connection) {
    connection.versions = Versions::One;
    connection.ike = vec![parsed("aes128-sha256-ecp256")];
}

/// A connection that is up.
fn world(seed: u64, change: impl Fn(usize, &mut Connection)) -> World {
    let mut world = world_with(seed, |i, c| {
        v1(c);
        change(i, c);
    });
    up(&mut world);
    world.run(SECOND);
    world
}

/// A host hears its peer delete the ISAKMP SA, and that alone.
fn delete(world: &mut World, host: usize) {
    let wire = world.network.sent.iter().map(|t| &t.bytes[..]);
    let forger = ForgerV1::new(&world.hosts[host], wire).unwrap();
    let mut body = vec![0, 0, 0, 1, 1, 16, 0, 1];
    body.extend(cookies(forger.cookies.0, forger.cookies.1));
    let id = 0x2000 + host as u32;
    let message = forger.hashed(ExchangeType::V1_INFORMATIONAL, id, &[(PayloadType::V1_DELETE, body)]);
    world.network.inject(world.now, at(1 - host), at(host), message);
    world.run(Duration::from_millis(1));
}

fn delivered(world: &World) -> usize {
    world.hosts.iter().map(|h| h.delivered).sum()
}

/// Packets both ways every 100 milliseconds for this long; returns how many were lost.
fn lost(world: &mut World, time: Duration) -> usize {
    let before = delivered(world);
    let count = time.as_millis() as usize / 100;
    for _ in 0..count {
        world.packet(0, 100);
        world.packet(1, 100);
        world.run(Duration::from_millis(100));
    }
    world.run(Duration::from_millis(100));
    2 * count - (delivered(world) - before)
}

fn downs(world: &World, host: usize) -> usize {
    let down = |e: &Event| matches!(e, Event::ConnectionDown { reason, .. } if !reason.contains("waits for"));
    world.hosts[host].count(down)
}

fn established(world: &World, host: usize) -> usize {
    world.hosts[host].count(|e| matches!(e, Event::IkeEstablished { .. }))
}

#[test]
fn children_outlive_their_phase_1_and_the_next_has_them() {
    for deleted in [&[0][..], &[1], &[0, 1]] {
        let mut world = world(1, |_, _| {});
        deleted.iter().for_each(|host| delete(&mut world, *host));
        assert!(both_up(&world));
        assert_eq!(lost(&mut world, 20 * SECOND), 0, "{deleted:?}");
        if deleted.contains(&0) {
            // Somebody wants it up there, so another phase 1 came at once.
            assert_eq!(established(&world, 0), 2, "{deleted:?}");
            world.run(20 * SECOND);
            assert_eq!(disagreement(&world), None, "{deleted:?}");
        } else {
            assert_eq!(established(&world, 0), 1, "nothing is needed yet");
        }
        for host in [0, 1] {
            assert_eq!(downs(&world, host), 0, "{deleted:?}: never down");
        }
        world.command(0, named(false));
        world.command(1, named(false));
        assert!(world.run_until(MINUTE, nothing_left));
        up(&mut world);
    }
}

#[test]
fn a_rekey_makes_the_phase_1_that_it_needs() {
    let mut world = world(2, |host, c| {
        if host == 1 {
            let child = ChildPolicy {
                rekey: 20 * SECOND,
                ..(*c.children[0]).clone()
            };
            c.children = vec![child.into()];
        }
    });
    delete(&mut world, 1);
    let spi = world.hosts[1].inbound.values().next().unwrap().spi;
    assert_eq!(lost(&mut world, 30 * SECOND), 0);
    assert_eq!(established(&world, 1), 2);
    let now: Vec<u32> = world.hosts[1].inbound.values().map(|sa| sa.spi).collect();
    assert!(!now.contains(&spi), "replaced");
    assert!((0..2).all(|host| downs(&world, host) == 0), "never down");
    let whole = |w: &World| disagreement(w).is_none();
    assert!(world.run_until(MINUTE, whole), "{:?}", disagreement(&world));
}

/// Silence is looked into as ever, with a phase 1 in place of R-U-THERE.
#[test]
fn a_peer_that_is_silent_after_it_is_found_dead() {
    let mut world = world(3, |_, _| {});
    delete(&mut world, 1);
    world.network.faults.cut = true;
    let ended = |w: &World| w.hosts[1].engine.sa_count() == 0;
    assert!(!world.run_until(25 * SECOND, ended));
    assert!(world.run_until(5 * MINUTE, ended));
    let host = &world.hosts[1];
    assert_eq!(
        (host.inbound.len(), host.outbound.len(), host.plane.children().count()),
        (0, 0, 0)
    );
    assert!(
        host.engine.sizes().iter().all(|(_, n)| *n == 0),
        "{:?}",
        host.engine.sizes()
    );
    assert_eq!(downs(&world, 1), 1);
    world.network.faults.cut = false;
    world.run(5 * MINUTE);
    up(&mut world);
}

/// Some mean their children too when they delete phase 1 alone.
#[test]
fn a_peer_that_has_forgotten_the_children_gets_new_ones() {
    let mut world = world(4, |_, _| {});
    // Both want it up; the peer has lost all it knew.
    world.command(1, named(true));
    let mut fresh = connection(0);
    v1(&mut fresh);
    world.hosts[0] = Host::new(88, vec![address(0)], policy(fresh));
    let before = world.hosts[1].keys.len();
    assert!(before > 0);
    delete(&mut world, 1);
    world.run(4 * SECOND);
    assert_eq!(lost(&mut world, SECOND), 0);
    world.run(20 * SECOND);
    assert_eq!(disagreement(&world), None);
}
