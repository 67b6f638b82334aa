//! Forged IKE_SA_INIT messages (rows of the catalogue of hostile input are named by the tests).
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_engine::{Command, Event};
use handfast_sim::pair::{MINUTE, at, both_up};
use handfast_sim::policies::{address, connection, parsed, policy};
use handfast_sim::{Host, World};

fn world(seed: u64) -> World {
    let host = |i| {
        let mut c = connection(i);
        c.ike = vec![parsed("aes128gcm16-prfsha256-x25519-ecp256")];
        Host::new(i as u8 + 1, vec![address(i)], policy(c))
    };
    World::new(seed, vec![host(0), host(1)])
}

fn up(world: &mut World) {
    world.command(
        0,
        Command::Up {
            connection: "office".into(),
        },
    );
}

fn downs(world: &World) -> usize {
    world.hosts[0].count(|e| matches!(e, Event::ConnectionDown { retry_in: Some(_), .. }))
}

/// A response to host 0's first message that holds these notifies (type, data).
fn forged(request: &[u8], spi_r: [u8; 8], notifies: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = request[..8].to_vec();
    bytes.extend(spi_r);
    bytes.extend([41, 0x20, 34, 0x20, 0, 0, 0, 0, 0, 0, 0, 0]);
    for (n, (kind, data)) in notifies.iter().enumerate() {
        let next = if n + 1 < notifies.len() { 41 } else { 0 };
        bytes.extend([next, 0]);
        bytes.extend((8 + data.len() as u16).to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(kind.to_be_bytes());
        bytes.extend(*data);
    }
    let length = bytes.len() as u32;
    bytes[24..28].copy_from_slice(&length.to_be_bytes());
    bytes
}

#[test]
fn a003_a_higher_version_hears_of_ours_rarely() {
    let mut world = world(1);
    up(&mut world);
    let good = world.network.sent[0].bytes.to_vec();
    let mut world = self::world(1);
    for version in [0x30, 0xf1, 0x1f, 0x00] {
        for flags in [0x08, 0x28, 0x00] {
            let before = world.network.sent.len();
            let mut bytes = good.clone();
            (bytes[17], bytes[19]) = (version, flags);
            world.network.inject(world.now, at(0), at(1), bytes.clone());
            // Too small for an answer that is not larger.
            world.network.inject(world.now, at(0), at(1), bytes[..28].to_vec());
            world.run(Duration::from_secs(2));
            let answers: Vec<_> = world.network.sent[before..].iter().map(|t| t.bytes.to_vec()).collect();
            if version < 0x30 || flags & 0x20 != 0 {
                assert!(answers.is_empty(), "version {version:#x}, flags {flags:#x}");
                continue;
            }
            let [answer] = answers.as_slice() else {
                panic!("{} answers to version {version:#x}", answers.len())
            };
            assert_eq!(answer[..16], good[..16], "the SPIs are those of the request");
            assert_eq!((answer[17], answer[18], answer[19] & 0x20), (0x20, good[18], 0x20));
            assert_eq!(
                answer[28..],
                [0, 0, 0, 8, 0, 0, 0, 5],
                "INVALID_MAJOR_VERSION without data"
            );
        }
    }
    let before = world.network.sent.len();
    for _ in 0..1000 {
        let mut bytes = good.clone();
        bytes[17] = 0x30;
        world.network.inject(world.now, at(0), at(1), bytes);
        world.run(Duration::from_millis(1));
    }
    assert!(world.network.sent.len() - before <= 20, "not limited");
    assert_eq!(world.hosts[1].engine.sa_count(), 0);
    up(&mut world);
    assert!(world.run_until(MINUTE, both_up));
}

#[test]
fn forged_answers_before_the_true_one_do_no_harm() {
    // NO_PROPOSAL_CHOSEN, INVALID_SYNTAX, a group that is not offered, AUTHENTICATION_FAILED, a status, INVALID_MAJOR_VERSION.
    let notifies: [(u16, &[u8]); 7] = [
        (14, &[]),
        (7, &[]),
        (17, &[0, 1]),
        (17, &[]),
        (24, &[]),
        (16390, &[]),
        (5, &[]),
    ];
    for (kind, data) in notifies {
        let mut world = world(2);
        up(&mut world);
        let request = world.network.sent[0].bytes.to_vec();
        world
            .network
            .inject(world.now, at(1), at(0), forged(&request, [0; 8], &[(kind, data)]));
        assert!(world.run_until(Duration::from_millis(900), both_up), "notify {kind}");
        assert_eq!(downs(&world), 0);
    }
}

#[test]
fn an_unknown_critical_payload_in_a_forged_answer_does_no_harm() {
    let mut world = world(3);
    up(&mut world);
    let request = world.network.sent[0].bytes.to_vec();
    let mut bytes = forged(&request, [0; 8], &[(14, &[])]);
    (bytes[16], bytes[29]) = (200, 0x80);
    world.network.inject(world.now, at(1), at(0), bytes);
    assert!(world.run_until(Duration::from_millis(900), both_up));
}

#[test]
fn a_full_answer_without_the_responders_spi_is_not_taken() {
    let mut world = world(4);
    up(&mut world);
    world.run_until(Duration::from_secs(1), |w| w.network.sent.len() == 2);
    // The true answer, its SPI taken out, overtakes the true one.
    let mut bytes = world.network.sent[1].bytes.to_vec();
    bytes[8..16].fill(0);
    world.network.inject(world.now, at(1), at(0), bytes);
    assert!(world.run_until(Duration::from_millis(900), both_up));
    assert_eq!(downs(&world), 0);
}

#[test]
fn a_cookie_is_returned_first_with_all_else_unchanged_and_only_once() {
    let mut world = world(5);
    world.network.faults.cut = true;
    up(&mut world);
    let request = world.network.sent[0].bytes.to_vec();
    let cookie = forged(&request, [0; 8], &[(16390, b"cookie")]);
    for _ in 0..20 {
        world.network.inject(world.now, at(1), at(0), cookie.clone());
    }
    world.run(Duration::from_millis(100));
    assert_eq!(world.network.sent.len(), 2, "a repeated cookie is not a new one");
    let again = &world.network.sent[1].bytes;
    assert_eq!(again[16], 41, "a notify comes first");
    assert_eq!(&again[36..42], b"cookie");
    assert_eq!(again[42..], request[28..], "all else is unchanged");
    world.network.faults.cut = false;
    assert!(world.run_until(MINUTE, both_up));
    assert_eq!(downs(&world), 0);
}

#[test]
fn a057_another_group_keeps_the_cookie_with_its_nonce() {
    let nonce = |message: &[u8]| {
        let (mut kind, mut at) = (message[16], 28);
        loop {
            let length = usize::from(u16::from_be_bytes([message[at + 2], message[at + 3]]));
            if kind == 40 {
                return message[at + 4..at + length].to_vec();
            }
            (kind, at) = (message[at], at + length);
        }
    };
    let mut world = world(6);
    world.network.faults.cut = true;
    up(&mut world);
    let request = world.network.sent[0].bytes.to_vec();
    let cookie = forged(&request, [0; 8], &[(16390, b"cookie")]);
    world.network.inject(world.now, at(1), at(0), cookie);
    world.run(Duration::from_millis(10));
    assert_eq!(nonce(&world.network.sent[1].bytes), nonce(&request));
    let wish = |group| forged(&request, [0; 8], &[(17, &[0, group])]);
    world.network.inject(world.now, at(1), at(0), wish(19));
    world.run(Duration::from_millis(10));
    let other = world.network.sent[2].bytes.to_vec();
    assert_eq!(nonce(&other), nonce(&request), "the cookie covers the nonce");
    assert_eq!(&other[36..42], b"cookie");
    // The group that we use by now, as a late repetition would ask: nothing ends, nothing is sent.
    for _ in 0..5 {
        world.network.inject(world.now, at(1), at(0), wish(19));
    }
    world.run(Duration::from_millis(10));
    assert_eq!(world.network.sent.len(), 3);
    world.network.faults.cut = false;
    assert!(world.run_until(MINUTE, both_up));
    assert_eq!(downs(&world), 0, "{:?}", world.hosts[0].refusals());
}
