//! An answer that ends an SA may be lost; who asked asks again.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_crypto::secret::Secret;
use handfast_engine::{Command, Event};
use handfast_sim::policies::{address, connection, policy};
use handfast_sim::{Host, World};

const MINUTE: Duration = Duration::from_secs(60);

fn world(seed: u64, psk_of_b: &str) -> World {
    let host = |i: usize| {
        let mut c = connection(i);
        if i == 1 && !psk_of_b.is_empty() {
            c.auth.psk = Secret::new(psk_of_b.as_bytes().to_vec());
        }
        Host::new(i as u8 + 1, vec![address(i)], policy(c))
    };
    World::new(seed, vec![host(0), host(1)])
}

fn command(world: &mut World, host: usize, up: bool) {
    let connection = "office".to_string();
    let command = if up {
        Command::Up { connection }
    } else {
        Command::Down { connection }
    };
    world.command(host, command);
}

/// Runs until this many datagrams were sent, the last of which is lost.
fn lose(world: &mut World, sent: usize) {
    assert!(world.run_until(MINUTE, |w| w.network.sent.len() == sent - 1));
    world.network.faults.cut = true;
    // The one before is under way already.
    assert!(world.run_until(Duration::from_millis(100), |w| w.network.sent.len() == sent));
    world.network.faults.cut = false;
}

#[test]
fn the_answer_to_delete() {
    let mut world = world(1, "");
    command(&mut world, 0, true);
    assert!(world.run_until(MINUTE, |w| w.hosts.iter().all(|h| h.outbound.len() == 1)));
    world.run(Duration::from_secs(1));
    let sent = world.network.sent.len();
    command(&mut world, 0, false);
    lose(&mut world, sent + 2);
    assert_eq!(world.hosts[1].engine.sa_count(), 0);
    assert_eq!(world.hosts[0].engine.sa_count(), 1);
    assert!(
        world.run_until(Duration::from_secs(3), |w| w.hosts[0].engine.sa_count() == 0),
        "the peer has to wait for its time-out"
    );
    let reason = world.hosts[0].events.iter().rev().find_map(|e| match e {
        Event::IkeGone { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.unwrap(), "taken down");
    // Much later the same octets get nothing.
    let request = world.network.sent[sent].clone();
    world.run(2 * MINUTE);
    let before = world.network.sent.len();
    world
        .network
        .inject(world.now, request.local, request.remote, request.bytes);
    world.run(Duration::from_secs(1));
    assert_eq!(world.network.sent.len(), before);
}

#[test]
fn the_refusal_of_a_proof() {
    let mut world = world(2, "another");
    command(&mut world, 0, true);
    lose(&mut world, 4);
    assert!(world.run_until(Duration::from_secs(3), |w| {
        w.hosts[0]
            .refusals()
            .iter()
            .any(|r| r.contains("AUTHENTICATION_FAILED"))
    }));
}

#[test]
fn both_delete_at_once() {
    let mut world = world(3, "");
    command(&mut world, 0, true);
    assert!(world.run_until(MINUTE, |w| w.hosts.iter().all(|h| h.outbound.len() == 1)));
    world.run(Duration::from_secs(1));
    command(&mut world, 0, false);
    command(&mut world, 1, false);
    assert!(world.run_until(Duration::from_secs(3), |w| {
        w.hosts
            .iter()
            .all(|h| h.engine.sa_count() == 0 && h.inbound.is_empty() && h.outbound.is_empty())
    }));
    for host in &world.hosts {
        assert!(host.refusals().is_empty());
    }
}
