//! ESP packets that overtake the answer which brings their keys.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_plane::DropReason;
use handfast_sim::World;
use handfast_sim::pair::{MINUTE, both_up, named, world_with};
use handfast_sim::policies::parsed;

/// Runs until host 1 has this many outbound SAs, its answer being late.
fn answered_late(world: &mut World, outbound: usize) {
    world.network.faults.late = 100;
    assert!(world.run_until(MINUTE, |w| w.hosts[1].outbound.len() == outbound));
    world.network.faults.late = 0;
}

/// Host 1 sends packets that overtake its answer; all that fits is delivered once the answer is there.
fn overtaken(world: &mut World, packets: usize, octets: usize, kept: usize) {
    let before = world.hosts[0].delivered;
    for _ in 0..packets {
        world.packet(1, octets);
    }
    world.run(Duration::from_millis(100));
    assert_eq!(world.hosts[0].delivered, before);
    let early = |w: &World| w.hosts[0].dropped.iter().filter(|r| **r == DropReason::Early).count();
    assert_eq!(early(world), kept);
    world.run(Duration::from_secs(2));
    assert_eq!(world.hosts[0].delivered, before + kept);
    world.packet(1, 100);
    world.run(Duration::from_millis(100));
    assert_eq!(world.hosts[0].delivered, before + kept + 1);
}

#[test]
fn packets_of_the_first_child_wait_for_ike_auth() {
    for (packets, octets, kept) in [(10, 100, 10), (100, 100, 64), (100, 1400, 64)] {
        let mut world = world_with(1, |_, _| {});
        world.command(0, named(true));
        answered_late(&mut world, 1);
        overtaken(&mut world, packets, octets, kept);
    }
}

#[test]
fn packets_of_a_further_child_wait_for_its_answer() {
    let mut world = world_with(2, |i, c| {
        let net = |h: usize| vec![parsed(["10.3.0.0/16", "10.4.0.0/16"][h])];
        let mut first = (*c.children[0]).clone();
        first.name = "other".into();
        (first.local_ts, first.remote_ts) = (net(i), net(1 - i));
        c.children.insert(0, first.into());
    });
    world.command(0, named(true));
    assert!(world.run_until(MINUTE, both_up));
    answered_late(&mut world, 2);
    overtaken(&mut world, 10, 100, 10);
}

#[test]
fn nothing_is_kept_for_an_offer_that_came_to_nothing() {
    let mut world = world_with(3, |_, _| {});
    world.command(0, named(true));
    answered_late(&mut world, 1);
    let packet = world.hosts[1].packet(100).remove(0);
    world.command(0, named(false));
    // Kept or not: the answer comes, and the child is not made any more.
    world.run(Duration::from_millis(10));
    for wait in [0, 5] {
        world.run(Duration::from_secs(wait));
        let now = world.now;
        world.hosts[0].esp(now, packet.from, packet.bytes.to_vec());
    }
    assert_eq!(world.hosts[0].dropped.last(), Some(&DropReason::UnknownSpi));
    assert_eq!(world.hosts[0].delivered, 0);
}
