//! Rows of the catalogue of hostile input, through the whole endpoint. The oracle: no panic, at most one answer and no
//! amplification, no SA left, and the next good handshake works.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use handfast_auth::{Identity, IdentityPattern};
use handfast_engine::Event;
use handfast_plane::op::Mode;
use handfast_sim::pair::{MINUTE, at, both_up, named, world_with};
use handfast_sim::policies::{address, parsed};

/// A true first message.
fn first_message() -> Vec<u8> {
    let mut world = world_with(1, |_, _| {});
    world.command(0, named(true));
    world.network.sent[0].bytes.to_vec()
}

/// A first message with these payloads (type, body) and a right length.
fn built(payloads: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = first_message()[..28].to_vec();
    bytes[16] = payloads.first().map_or(0, |p| p.0);
    for (n, (_, body)) in payloads.iter().enumerate() {
        bytes.extend([payloads.get(n + 1).map_or(0, |p| p.0), 0]);
        bytes.extend((4 + body.len() as u16).to_be_bytes());
        bytes.extend(body);
    }
    let length = bytes.len() as u32;
    bytes[24..28].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// The payloads of a message that is not protected.
fn payloads(message: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut kind, mut at, mut list) = (message[16], 28, vec![]);
    while kind != 0 {
        let length = usize::from(u16::from_be_bytes([message[at + 2], message[at + 3]]));
        list.push((kind, message[at + 4..at + length].to_vec()));
        (kind, at) = (message[at], at + length);
    }
    list
}

/// The first message with one payload's body changed.
fn with(kind: u8, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut list = payloads(&first_message());
    list.iter_mut().filter(|p| p.0 == kind).for_each(|p| change(&mut p.1));
    built(&list)
}

/// Sends each to host 1 under the oracle. Returns the notify of each answer: `None` for no answer, 0 for an SA.
fn answers(messages: &[Vec<u8>]) -> Vec<Option<u16>> {
    let mut world = world_with(2, |_, _| {});
    let mut out = vec![];
    for bytes in messages {
        let before = world.network.sent.len();
        world.network.inject(world.now, at(0), at(1), bytes.clone());
        world.run(Duration::from_millis(1));
        let sent = &world.network.sent[before..];
        assert!(sent.len() <= 1);
        assert!(sent.iter().all(|s| s.bytes.len() <= 2 * bytes.len()), "amplified");
        out.push(sent.first().map(|answer| {
            let (kind, body) = payloads(&answer.bytes)[0].clone();
            if kind == 41 {
                u16::from_be_bytes([body[2], body[3]])
            } else {
                0
            }
        }));
        // Nothing stays for longer than a half-open SA may.
        world.run(Duration::from_secs(31));
        assert!(world.hosts[1].engine.sizes().iter().all(|(_, size)| *size == 0));
    }
    world.command(0, named(true));
    assert!(world.run_until(MINUTE, both_up));
    out
}

const SYNTAX: Option<u16> = Some(7);
const NO_PROPOSAL: Option<u16> = Some(14);
const INVALID_KE: Option<u16> = Some(17);

#[test]
fn a001_too_little_for_a_header() {
    let mut world = world_with(3, |_, _| {});
    for n in 0..28 {
        for fill in [0x00, 0xff] {
            for port in [500, 4500] {
                let to = SocketAddr::new(address(1), port);
                world.network.inject(world.now, at(0), to, vec![fill; n]);
            }
        }
    }
    world.run(Duration::from_secs(1));
    assert!(world.network.sent.is_empty());
}

#[test]
fn a007_an_unknown_critical_payload_is_named() {
    let mut list = payloads(&first_message());
    list.push((200, vec![1, 2, 3]));
    let mut critical = built(&list);
    let at = critical.len() - 7;
    assert_eq!(answers(&[critical.clone()]), [Some(0)], "not critical: passed over");
    critical[at + 1] = 0x80;
    let mut world = world_with(4, |_, _| {});
    world.network.inject(world.now, self::at(0), self::at(1), critical);
    world.run(Duration::from_millis(100));
    assert_eq!(payloads(&world.network.sent[0].bytes)[0].1, [0, 0, 0, 1, 200]);
    assert_eq!(world.hosts[1].engine.sa_count(), 0);
}

#[test]
fn a009_reserved_bits_are_passed_over() {
    let mut bytes = first_message();
    // The reserved flags, the minor version, and the reserved bits of the first payload's header.
    bytes[19] |= 0xc7;
    bytes[17] |= 0x0f;
    bytes[29] |= 0x7f;
    assert_eq!(answers(&[bytes]), [Some(0)]);
}

#[test]
fn a011_many_payloads() {
    let mut list = payloads(&first_message());
    for _ in 0..200 {
        list.push((43, vec![7; 4]));
    }
    let long_sa = with(33, |body| {
        let one = body.clone();
        for _ in 0..500 {
            body.extend(&one);
        }
    });
    let found = answers(&[built(&list), long_sa]);
    assert_eq!(found[0], SYNTAX);
    assert!(found[1] == SYNTAX || found[1] == NO_PROPOSAL, "{found:?}");
}

#[test]
fn a019_nonces_of_a_wrong_length() {
    let nonce = |n: usize| with(40, |body| *body = vec![9; n]);
    let found = answers(&[nonce(15), nonce(257), nonce(0), nonce(16), nonce(256)]);
    assert_eq!(found, [SYNTAX, SYNTAX, SYNTAX, Some(0), Some(0)]);
}

#[test]
fn a021_spis_that_cannot_be() {
    let mut zero = first_message();
    zero[..8].fill(0);
    let mut early = first_message();
    early[8] = 1;
    let mut late = first_message();
    late[23] = 1;
    assert_eq!(answers(&[zero, early, late]), [None, None, None]);
}

#[test]
fn a023_a_response_that_nobody_asked_for() {
    let flags = |flags| {
        let mut bytes = first_message();
        bytes[19] = flags;
        bytes
    };
    assert_eq!(answers(&[flags(0x28), flags(0x20), flags(0x00)]), [None, None, None]);
}

#[test]
fn a027_a_first_message_on_an_established_sa() {
    let mut world = world_with(5, |_, _| {});
    world.command(0, named(true));
    assert!(world.run_until(MINUTE, both_up));
    world.run(Duration::from_secs(1));
    let sent: Vec<_> = world.network.sent.clone();
    let mut changed = sent[0].bytes.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    for bytes in [sent[0].bytes.to_vec(), changed, sent[2].bytes.to_vec()] {
        let before = world.network.sent.len();
        world.network.inject(world.now, at(0), at(1), bytes);
        world.run(Duration::from_millis(100));
        let answers = &world.network.sent[before..];
        assert!(answers.len() <= 1 && answers.iter().all(|a| a.bytes == sent[3].bytes));
    }
    assert_eq!(world.hosts[1].engine.sa_count(), 1);
    assert_eq!(world.hosts[1].count(|e| matches!(e, Event::IkeEstablished { .. })), 1);
    assert!(both_up(&world));
}

#[test]
fn a029_a_protected_message_with_any_octet_changed() {
    let mut world = world_with(6, |_, _| {});
    world.command(0, named(true));
    assert!(world.run_until(MINUTE, both_up));
    world.run(Duration::from_secs(1));
    // The Delete of host 0, which does not arrive.
    world.network.faults.cut = true;
    world.command(0, named(false));
    let delete = world.network.sent.last().unwrap().clone();
    world.network.faults.cut = false;
    let before = world.network.sent.len();
    let mut now = world.now;
    for place in 28..delete.bytes.len() {
        let mut bytes = delete.bytes.to_vec();
        bytes[place] ^= 0x40;
        world.network.inject(now, delete.local, delete.remote, bytes);
        let mut short = delete.bytes[..place].to_vec();
        short[24..28].copy_from_slice(&(place as u32).to_be_bytes());
        world.network.inject(now, delete.local, delete.remote, short);
        now = world.now;
    }
    world.run(Duration::from_millis(500));
    // Payload headers are authenticated too, so nothing of this was accepted or answered.
    assert_eq!(world.network.sent.len(), before);
    assert_eq!(world.hosts[1].outbound.len(), 1);
    assert!(world.run_until(MINUTE, |w| w.hosts.iter().all(|h| h.engine.sa_count() == 0)));
}

#[test]
fn a059_key_exchange_values_of_a_wrong_group_or_length() {
    let ke = |group: u16, length: usize| {
        with(34, |body| {
            *body = group.to_be_bytes().to_vec();
            body.extend([0, 0]);
            body.extend(vec![9; length]);
        })
    };
    let found = answers(&[
        ke(1025, 32),
        ke(0, 32),
        ke(65535, 32),
        ke(31, 31),
        ke(31, 33),
        ke(31, 0),
    ]);
    assert_eq!(found, [INVALID_KE, INVALID_KE, INVALID_KE, SYNTAX, SYNTAX, SYNTAX]);
    let short = with(34, |body| body.truncate(3));
    assert_eq!(answers(&[short]), [SYNTAX]);
}

#[test]
fn a061_a_point_of_small_order() {
    let point = |value: u8| {
        with(34, |body| {
            body[4..].fill(0);
            body[4] = value;
        })
    };
    assert_eq!(answers(&[point(0), point(1)]), [SYNTAX, SYNTAX]);
}

#[test]
fn a077_message_ids_outside_the_window() {
    let mut world = world_with(7, |_, _| {});
    world.command(0, named(true));
    assert!(world.run_until(MINUTE, both_up));
    let good = world.network.sent[2].clone();
    let before = world.network.sent.len();
    for id in [0u32, 2, 3, 100, u32::MAX - 1, u32::MAX] {
        for flags in [0x08, 0x28] {
            let mut bytes = good.bytes.to_vec();
            bytes[19] = flags;
            bytes[20..24].copy_from_slice(&id.to_be_bytes());
            world.network.inject(world.now, good.local, good.remote, bytes);
        }
    }
    world.run(Duration::from_millis(200));
    assert_eq!(world.network.sent.len(), before);
    assert!(both_up(&world));
}

#[test]
fn a089_transport_mode_where_only_a_tunnel_is_allowed() {
    for asks in [0, 1] {
        let mut world = world_with(8, |i, c| {
            let mut child = (*c.children[0]).clone();
            (child.local_ts, child.remote_ts) = (vec![], vec![]);
            if i == asks {
                child.mode = Mode::Transport;
            }
            c.children = vec![child.into()];
        });
        world.command(0, named(true));
        world.run(MINUTE);
        // Whoever refuses names the mode, not selectors that do meet.
        let refusals = world.hosts[asks].refusals().join("\n");
        assert!(refusals.contains("offered: tunnel mode"), "{refusals}");
        assert!(!refusals.contains("selectors"), "{refusals}");
        // The responder may offer a tunnel instead, which the initiator that wants none refuses.
        assert_eq!(world.hosts[0].count(|e| matches!(e, Event::ConnectionUp { .. })), 0);
        assert!(world.hosts[0].outbound.is_empty());
        assert!(world.hosts[1].outbound.values().all(|sa| sa.mode == Mode::Tunnel));
        world.command(0, named(false));
        world.run(MINUTE);
        assert!(
            world
                .hosts
                .iter()
                .all(|h| h.engine.sa_count() == 0 && h.inbound.is_empty())
        );
    }
}

#[test]
fn a091_a101_a111_identities_that_match_nothing_look_like_a_wrong_secret() {
    let long = "x".repeat(60_000);
    let identities = [
        Identity::Fqdn(String::new()),
        Identity::Fqdn("b.test\0.evil.test".into()),
        Identity::Fqdn("192.0.2.1".into()),
        Identity::Fqdn(long),
        parsed("192.0.2.1"),
        parsed("stranger.test"),
    ];
    for identity in identities {
        let mut world = world_with(9, |i, c| {
            if i == 0 {
                c.local_id = identity.clone();
                c.remote_id = IdentityPattern::Exact(parsed("b.test"));
            }
        });
        world.command(0, named(true));
        assert!(
            world.run_until(MINUTE, |w| w.hosts[0].refusals().len() == 1),
            "{identity}"
        );
        assert!(
            world.hosts[0].refusals()[0].contains("AUTHENTICATION_FAILED"),
            "{identity}"
        );
        let auth = world.network.sent[2].clone();
        world.command(0, named(false));
        world.run(Duration::from_secs(5));
        assert_eq!(world.hosts[1].engine.sa_count(), 0);
        // The same again gets the same, and nothing is created.
        world.network.inject(world.now, auth.local, auth.remote, auth.bytes);
        world.run(Duration::from_secs(1));
        assert_eq!(world.hosts[1].engine.sa_count(), 0);
        assert!(world.hosts[1].inbound.is_empty());
    }
}
