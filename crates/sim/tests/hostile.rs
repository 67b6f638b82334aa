//! Datagrams of strangers: no panic, bounded memory, at most one answer each and never more than twice its octets.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use handfast_engine::Command;
use handfast_sim::policies::{address, connection, policy};
use handfast_sim::{Host, World};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

fn world(seed: u64) -> World {
    let host = |i| Host::new(i as u8 + 1, vec![address(i)], policy(connection(i)));
    World::new(seed, vec![host(0), host(1)])
}

fn from(port: u16) -> SocketAddr {
    SocketAddr::new(address(0), port)
}

/// A true IKE_SA_INIT request of host 0.
fn first_message() -> Vec<u8> {
    let mut world = world(1);
    world.command(
        0,
        Command::Up {
            connection: "office".into(),
        },
    );
    world.network.sent[0].bytes.to_vec()
}

/// Sends each datagram to host 1 and returns the answers' sizes; the common oracle is checked here.
fn attack(world: &mut World, datagrams: impl Iterator<Item = Vec<u8>>) -> usize {
    let mut answers = 0;
    for bytes in datagrams {
        let before = world.network.sent.len();
        world
            .network
            .inject(world.now, from(500), SocketAddr::new(address(1), 500), bytes.clone());
        world.run(Duration::from_millis(1));
        let sent = &world.network.sent[before..];
        assert!(sent.len() <= 1, "more than one answer");
        assert!(sent.iter().all(|s| s.bytes.len() <= 2 * bytes.len()), "amplified");
        answers += sent.len();
    }
    assert!(world.hosts[1].inbound.is_empty() && world.hosts[1].outbound.is_empty());
    answers
}

fn base_is_restored(world: &mut World) {
    world.run(Duration::from_secs(60));
    assert_eq!(
        (
            world.hosts[1].engine.sa_count(),
            world.hosts[1].engine.half_open_count()
        ),
        (0, 0)
    );
    world.command(
        0,
        Command::Up {
            connection: "office".into(),
        },
    );
    assert!(world.run_until(Duration::from_secs(60), |w| {
        w.hosts.iter().all(|h| h.outbound.len() == 1)
    }));
}

#[test]
fn every_octet_of_a_first_message_changed() {
    let mut world = world(2);
    let good = first_message();
    let datagrams = (0..good.len()).flat_map(|at| {
        let good = good.clone();
        [0x00, 0x01, 0x7f, 0x80, 0xff].into_iter().map(move |value| {
            let mut bytes = good.clone();
            bytes[at] ^= value;
            bytes
        })
    });
    attack(&mut world, datagrams);
    base_is_restored(&mut world);
}

#[test]
fn every_length_of_a_first_message() {
    let mut world = world(3);
    let good = first_message();
    let answers = attack(&mut world, (0..good.len()).map(|n| good[..n].to_vec()));
    assert_eq!(answers, 0, "a datagram cut short gets no answer");
    base_is_restored(&mut world);
}

#[test]
fn noise_of_every_size() {
    let mut world = world(4);
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let datagrams = (0..3000usize).map(|n| {
        let mut bytes = vec![0; n % 700];
        rng.fill_bytes(&mut bytes);
        if bytes.len() >= 28 {
            // Enough of a header to be looked at.
            bytes[17] = 0x20;
            bytes[18] = 34 + (n % 4) as u8;
            bytes[19] = 0x08;
            let length = bytes.len() as u32;
            bytes[24..28].copy_from_slice(&length.to_be_bytes());
        }
        bytes
    });
    attack(&mut world, datagrams.collect::<Vec<_>>().into_iter());
    base_is_restored(&mut world);
}

#[test]
fn strangers_cannot_hold_more_than_the_limit() {
    let mut world = world(5);
    let good = first_message();
    for n in 0..500u16 {
        let mut bytes = good.clone();
        bytes[..2].copy_from_slice(&(n + 1).to_be_bytes());
        world
            .network
            .inject(world.now, from(1000 + n), SocketAddr::new(address(1), 500), bytes);
        world.run(Duration::from_millis(1));
    }
    // Half of the limit; from then on nobody gets in without a cookie.
    assert_eq!(world.hosts[1].engine.half_open_count(), 50);
    base_is_restored(&mut world);
}

#[test]
fn own_messages_that_come_back_are_not_accepted() {
    let mut world = world(6);
    world.command(
        0,
        Command::Up {
            connection: "office".into(),
        },
    );
    assert!(world.run_until(Duration::from_secs(60), |w| {
        w.hosts.iter().all(|h| h.outbound.len() == 1)
    }));
    let sent = world.network.sent.clone();
    let before = world.network.sent.len();
    for transmit in &sent {
        // To its own sender.
        world
            .network
            .inject(world.now, transmit.remote, transmit.local, transmit.bytes.to_vec());
    }
    world.run(Duration::from_secs(1));
    let answered = world.network.sent.len() - before;
    assert!(
        answered <= 1,
        "{answered}: at most host 1's... own first message is a stranger's to host 0"
    );
    assert!(world.hosts.iter().all(|h| h.outbound.len() == 1));
}

#[test]
fn nothing_but_the_right_messages_before_authentication() {
    let mut world = world(7);
    world.command(
        0,
        Command::Up {
            connection: "office".into(),
        },
    );
    world.run_until(Duration::from_secs(1), |w| w.hosts[1].engine.half_open_count() == 1);
    let response = world.network.sent.last().unwrap().clone();
    // Other exchanges on the half-open SA, not protected.
    for exchange in [34, 36, 37, 43] {
        for flags in [0x08, 0x28] {
            let mut bytes = response.bytes[..28].to_vec();
            (bytes[16], bytes[18], bytes[19]) = (0, exchange, flags);
            bytes[20..28].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 28]);
            let before = world.network.sent.len();
            let sent = world.hosts[1].feed(
                world.now,
                handfast_engine::Input::Datagram {
                    local: SocketAddr::new(address(1), 500),
                    remote: from(500),
                    bytes: &bytes,
                },
            );
            assert!(sent.is_empty(), "exchange {exchange} answered");
            assert_eq!(world.network.sent.len(), before);
        }
    }
    assert!(world.run_until(Duration::from_secs(60), |w| {
        w.hosts.iter().all(|h| h.outbound.len() == 1)
    }));
}
