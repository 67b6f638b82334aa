//! A connection that is taken down, or that cannot begin, before it is up.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_engine::policy::{Connection, Versions};
use handfast_engine::{Command, Event, Input};
use handfast_sim::World;
use handfast_sim::pair::{MINUTE, at, both_up, named, nothing_left, up, world_with};
use handfast_sim::policies::parsed;

fn downs(world: &World) -> Vec<String> {
    let down = |e: &Event| match e {
        Event::ConnectionDown { reason, .. } if !reason.contains("waits for") => Some(reason.clone()),
        _ => None,
    };
    world.hosts[0].events.iter().filter_map(down).collect()
}

/// Host 0 has sent IKE_AUTH, which has not arrived.
fn half_way(seed: u64) -> World {
    let mut world = world_with(seed, |_, _| {});
    world.command(0, named(true));
    assert!(world.run_until(MINUTE, |w| w.network.sent.iter().any(|t| t.bytes[18] == 35)));
    world
}

#[test]
fn down_while_ike_auth_is_under_way_is_told_to_the_peer() {
    for command in [named(false), Command::Shutdown] {
        let mut world = half_way(1);
        world.command(0, command);
        assert!(world.run_until(
            MINUTE,
            |w| w.hosts[1].count(|e| matches!(e, Event::IkeEstablished { .. })) == 1
        ));
        assert!(world.run_until(Duration::from_secs(1), nothing_left));
        let told = |e: &Event| matches!(e, Event::IkeGone { reason, .. } if reason == "deleted by the peer");
        assert_eq!(world.hosts[1].count(told), 1, "{:?}", world.hosts[1].events);
        assert_eq!(world.hosts[0].count(|e| matches!(e, Event::ChildEstablished { .. })), 0);
        assert!(world.hosts[0].count(|e| matches!(e, Event::ConnectionUp { .. })) == 0);
    }
    let mut world = half_way(2);
    world.command(0, named(false));
    assert!(world.run_until(MINUTE, |w| !downs(w).is_empty()));
    assert_eq!(downs(&world).len(), 1);
    up(&mut world);
}

#[test]
fn a_peer_that_does_not_answer_does_not_hold_it_up() {
    let mut world = half_way(3);
    world.network.faults.cut = true;
    world.command(0, named(false));
    world.command(0, named(false));
    assert!(world.run_until(Duration::from_secs(3), |w| w.hosts[0].engine.sa_count() == 0));
    assert_eq!(downs(&world), ["taken down (the peer did not answer IKE_AUTH)"]);
    world.run(3 * MINUTE);
    assert_eq!(world.hosts[0].engine.sizes().iter().map(|s| s.1).sum::<usize>(), 0);
}

#[test]
fn a_first_message_that_cannot_leave_is_told_at_once_and_tried_again() {
    cannot_leave(|_| {});
}

#[test]
fn so_it_is_in_ikev1() {
    for aggressive in [false, true] {
        cannot_leave(|c| {
            c.versions = Versions::One;
            c.aggressive = aggressive;
            c.ike = vec![parsed("aes128-sha256-ecp256")];
        });
    }
}

fn cannot_leave(change: impl Fn(&mut Connection)) {
    let mut world = world_with(4, |_, c| change(c));
    let failed = |world: &mut World| {
        let (local, remote, reason) = (at(0), at(1), "No route to host".to_string());
        world.hosts[0].feed(world.now, Input::SendFailed { local, remote, reason })
    };
    world.network.faults.cut = true;
    world.command(0, named(true));
    assert!(failed(&mut world).is_empty());
    let told = downs(&world);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("nothing can be sent to 192.0.2.2:500: No route to host"),
        "{told:?}"
    );
    assert_eq!(world.hosts[0].refusals().len(), 1);
    assert_eq!(world.hosts[0].engine.sa_count(), 0);
    // The next attempt comes by itself; once it was on its way, a repetition that fails is only lost.
    world.run(Duration::from_secs(1) + Duration::from_millis(100));
    assert_eq!(world.hosts[0].engine.sa_count(), 1);
    world.run(Duration::from_secs(2));
    failed(&mut world);
    assert_eq!((world.hosts[0].engine.sa_count(), downs(&world).len()), (1, 1));
    world.network.faults.cut = false;
    assert!(world.run_until(MINUTE, both_up));
    // And nothing of it concerns what stands.
    failed(&mut world);
    assert!(both_up(&world));
}
