//! COOKIE as responder (RFC 7296 section 2.6): nothing is kept for a peer that has not shown where it is, and a true
//! peer gets in while others flood.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use handfast_engine::policy::{Connection, Cookies, Policy};
use handfast_engine::{Event, Input, Transmit};
use handfast_sim::pair::{MINUTE, at, both_up, named, up};
use handfast_sim::policies::{address, connection, parsed, policy};
use handfast_sim::{Faults, Host, World};

fn world(seed: u64, change: impl Fn(&mut Policy), of_connection: impl Fn(usize, &mut Connection)) -> World {
    let host = |index: usize| {
        let mut connection = connection(index);
        of_connection(index, &mut connection);
        let mut policy = policy(connection);
        if index == 1 {
            change(&mut policy);
        }
        Host::new(seed as u8 ^ (index as u8 + 1), vec![address(index)], policy)
    };
    World::new(seed, vec![host(0), host(1)])
}

fn always(seed: u64) -> World {
    world(seed, |p| p.cookies = Cookies::Always, |_, _| {})
}

fn give(world: &mut World, from: SocketAddr, bytes: &[u8]) -> Vec<Transmit> {
    let (local, remote) = (at(1), from);
    world.hosts[1].feed(world.now, Input::Datagram { local, remote, bytes })
}

/// The notify that a lone, unprotected answer is.
fn notify(answer: &Transmit) -> (u16, Vec<u8>) {
    assert_eq!((answer.bytes[16], answer.bytes[28]), (41, 0), "one notify");
    let number = u16::from_be_bytes([answer.bytes[34], answer.bytes[35]]);
    (number, answer.bytes[36..].to_vec())
}

const COOKIE: u16 = 16390;
const INVALID_KE: u16 = 17;

/// A first message of host 0 as it is sent at first.
fn first_message() -> Vec<u8> {
    let mut world = always(1);
    world.command(0, named(true));
    world.network.sent[0].bytes.to_vec()
}

/// The same with this cookie before all else.
fn with_cookie(message: &[u8], cookie: &[u8]) -> Vec<u8> {
    let mut bytes = message[..28].to_vec();
    bytes[16] = 41;
    bytes.extend([message[16], 0]);
    bytes.extend((8 + cookie.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(COOKIE.to_be_bytes());
    bytes.extend(cookie);
    bytes.extend(&message[28..]);
    let length = bytes.len() as u32;
    bytes[24..28].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// Where the nonce of a first message without a cookie begins.
fn nonce_at(message: &[u8]) -> usize {
    let (mut kind, mut at) = (message[16], 28);
    while kind != 40 {
        kind = message[at];
        at += usize::from(u16::from_be_bytes([message[at + 2], message[at + 3]]));
    }
    at + 4
}

#[test]
fn always_means_that_nothing_is_kept_before_the_cookie_is_back() {
    let mut world = always(2);
    world.command(0, named(true));
    assert!(world.run_until(MINUTE, |w| w.network.sent.len() == 2));
    let (number, cookie) = notify(&world.network.sent[1]);
    assert_eq!(number, COOKIE);
    assert!((1..=64).contains(&cookie.len()));
    assert_eq!(world.network.sent[1].bytes[8..16], [0; 8], "no SPI of ours");
    assert!(world.hosts[1].engine.sizes().iter().all(|(_, size)| *size == 0));
    assert!(world.run_until(MINUTE, both_up));
    // The initiator's AUTH covers the message with the cookie.
    assert_eq!(world.network.sent[2].bytes[16], 41);
}

#[test]
fn with_loss_and_disorder_too() {
    for seed in 0..20 {
        let mut world = always(seed);
        world.network.faults = Faults {
            loss: 20,
            repeat: 20,
            late: 20,
            cut: false,
        };
        up(&mut world);
    }
}

#[test]
fn the_cookie_holds_while_the_group_is_sought() {
    let two = |host: usize, c: &mut Connection| {
        let suite = ["aes128gcm16-prfsha256-x25519-ecp256", "aes128gcm16-prfsha256-ecp256"][host];
        c.ike = vec![parsed(suite)];
    };
    let mut world = world(3, |p| p.cookies = Cookies::Always, two);
    up(&mut world);
    let answers: Vec<u16> = (world.network.sent.iter())
        .filter(|t| t.bytes[18] == 34 && t.bytes[19] & 0x20 != 0 && t.bytes[16] == 41)
        .map(|t| notify(t).0)
        .collect();
    assert_eq!(
        answers,
        [COOKIE, INVALID_KE],
        "one of each: the cookie was good for both (section 2.6.1)"
    );
}

#[test]
fn a075_a_cookie_for_something_else_gets_a_new_one() {
    let mut world = always(4);
    let good = first_message();
    let (home, away): (SocketAddr, SocketAddr) = (at(0), "192.0.2.77:500".parse().unwrap());
    let cookie = |answers: Vec<Transmit>| {
        assert_eq!(answers.len(), 1);
        let (number, cookie) = notify(&answers[0]);
        assert_eq!(number, COOKIE);
        cookie
    };
    let right = cookie(give(&mut world, home, &good));
    let mut other_spi = good.clone();
    other_spi[3] ^= 1;
    let mut other_nonce = good.clone();
    other_nonce[nonce_at(&good)] ^= 1;
    let mut wrong = right.clone();
    *wrong.last_mut().unwrap() ^= 1;
    for (from, message, offered) in [
        (away, &good, &right),
        (home, &other_spi, &right),
        (home, &other_nonce, &right),
        (home, &good, &wrong),
        (home, &good, &right[..16].to_vec()),
        (home, &good, &vec![7; 64]),
    ] {
        let sent = with_cookie(message, offered);
        let answers = give(&mut world, from, &sent);
        assert!(answers.iter().all(|a| a.bytes.len() <= sent.len() && a.remote == from));
        assert_ne!(&cookie(answers), offered);
        assert_eq!(world.hosts[1].engine.sa_count(), 0);
    }
    // The secret changes once: the cookie is still good. Twice: it is not.
    world.now = world.now + Duration::from_secs(150);
    let old = cookie(give(&mut world, home, &good));
    world.now = world.now + Duration::from_secs(70);
    let newer = cookie(give(&mut world, away, &good));
    assert_ne!(newer[0], old[0], "another secret");
    world.now = world.now + Duration::from_secs(70);
    assert_ne!(cookie(give(&mut world, home, &with_cookie(&good, &old))), old);
    let fresh = cookie(give(&mut world, home, &good));
    world.now = world.now + Duration::from_secs(65);
    let answers = give(&mut world, home, &with_cookie(&good, &fresh));
    assert_eq!(answers[0].bytes[16], 33, "an SA: the previous secret's cookie is good");
    world.run(Duration::from_secs(31));
    assert!(world.hosts[1].engine.sizes().iter().all(|(_, size)| *size == 0));
    up(&mut world);
}

#[test]
fn what_is_no_first_message_gets_no_cookie() {
    let mut world = always(5);
    let good = first_message();
    let mut unread = good.clone();
    unread[31] = 3;
    let mut without_nonce = good[..nonce_at(&good) - 4].to_vec();
    // The KE payload is the last one then.
    let ke = 28 + usize::from(u16::from_be_bytes([good[30], good[31]]));
    without_nonce[ke] = 0;
    let length = without_nonce.len() as u32;
    without_nonce[24..28].copy_from_slice(&length.to_be_bytes());
    for bytes in [unread, without_nonce] {
        assert!(give(&mut world, at(0), &bytes).is_empty());
    }
    up(&mut world);
}

fn source(n: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::from((0xcb00_7100u32 + n).to_be_bytes()), 500)
}

#[test]
fn a_flood_from_many_sources_keeps_memory_bounded_and_a_true_peer_gets_in() {
    let mut world = world(6, |_| {}, |_, _| {});
    // The connection takes peers from anywhere, and the flood never stops.
    let mut open = connection(1);
    open.remote = handfast_engine::policy::Remote::Any;
    world.hosts[1].feed(world.now, Input::Policy(policy(open).into()));
    let good = first_message();
    let flood = |world: &mut World, from: u32, count: u32| {
        for n in from..from + count {
            let mut bytes = good.clone();
            bytes[..4].copy_from_slice(&(n + 1).to_be_bytes());
            let answers = give(world, source(n % 5000), &bytes);
            assert!(answers.len() <= 1);
            assert!(answers.iter().all(|a| a.bytes.len() <= 2 * bytes.len()));
        }
    };
    flood(&mut world, 0, 20_000);
    let size = |w: &World, name: &str| w.hosts[1].engine.sizes().iter().find(|s| s.0 == name).unwrap().1;
    for name in ["SAs", "half-open", "first messages", "timers", "sources of half-open"] {
        assert!(size(&world, name) <= 51, "{name}: {}", size(&world, name));
    }
    world.command(0, named(true));
    for round in 0..50 {
        flood(&mut world, 100_000 + round * 100, 100);
        world.run(Duration::from_millis(20));
    }
    assert!(both_up(&world), "{:?}", world.hosts[0].events);
    world.run(Duration::from_secs(31));
    assert_eq!(size(&world, "half-open"), 0);
    assert_eq!(size(&world, "sources of half-open"), 0);
    assert_eq!(world.hosts[1].engine.sa_count(), 1);
}

#[test]
fn one_address_cannot_hold_all_that_there_is() {
    let mut world = world(7, |p| p.half_open_per_address = 5, |_, _| {});
    let mut open = policy({
        let mut c = connection(1);
        c.remote = handfast_engine::policy::Remote::Any;
        c
    });
    open.half_open_per_address = 5;
    world.hosts[1].feed(world.now, Input::Policy(open.into()));
    let good = first_message();
    for n in 0..200u32 {
        let mut bytes = good.clone();
        bytes[..4].copy_from_slice(&(n + 1).to_be_bytes());
        give(&mut world, SocketAddr::new(source(1).ip(), 1000 + n as u16), &bytes);
    }
    assert_eq!(world.hosts[1].engine.half_open_count(), 5);
    let why = |e: &Event| matches!(e, Event::Dropped { reason, .. } if reason.contains("from this address"));
    assert_eq!(world.hosts[1].count(why), 195);
    up(&mut world);
}
