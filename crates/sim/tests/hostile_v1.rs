//! Hostile IKEv1 input through the whole endpoint: nothing panics, no SA is made or lost, sizes come back to base, answers
//! are few and no larger than what asked for them, and the next good handshake works.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use handfast_engine::policy::{Connection, Versions};
use handfast_sim::World;
use handfast_sim::pair::{at, both_up, disagreement, up, world_with};
use handfast_sim::policies::parsed;
use handfast_wire::header::{ExchangeType, Flags, Header, PayloadType, Spi, Version};
use handfast_wire::numbers::v1::{NotifyType, Protocol};
use handfast_wire::v1::notify::cookies;
use handfast_wire::v1::{Delete, Fragment, Message, Notify, Payload, PayloadChain, encrypted_message, message};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

const MINUTE: Duration = Duration::from_secs(60);

fn v1(connection: &mut Connection) {
    connection.versions = Versions::One;
    connection.ike = vec![parsed("aes128-sha256-ecp256")];
}

fn world(seed: u64) -> World {
    world_with(seed, |_, c| v1(c))
}

/// Somebody else on the network.
fn stranger() -> SocketAddr {
    "198.51.100.66:500".parse().unwrap()
}

fn header(spi_i: Spi, spi_r: Spi, exchange: ExchangeType, message_id: u32) -> Header {
    Header {
        spi_i,
        spi_r,
        next_payload: PayloadType::NONE,
        version: Version::V1,
        exchange,
        flags: Flags::default(),
        message_id,
        length: 0,
    }
}

/// Messages of a good exchange, as host 0 (or 1) sent them.
fn messages(world: &World, host: usize) -> Vec<Vec<u8>> {
    let sent = world.network.sent.iter().filter(|t| t.local == at(host));
    sent.map(|t| t.bytes.to_vec()).collect()
}

/// Sends one datagram to host 1 and returns how many answers it got, none larger than twice the datagram.
fn send(world: &mut World, from: SocketAddr, bytes: &[u8]) -> usize {
    let before = world.network.sent.len();
    world.network.inject(world.now, from, at(1), bytes.to_vec());
    world.run(Duration::from_millis(1));
    let sent: Vec<_> = world.network.sent[before..]
        .iter()
        .filter(|t| t.remote == from)
        .collect();
    let octets: usize = sent.iter().map(|t| t.bytes.len()).sum();
    assert!(octets <= 2 * bytes.len().max(28), "{octets} octets for {}", bytes.len());
    sent.len()
}

/// Sizes at base on both hosts, and a good handshake.
fn recovers(world: &mut World) {
    world.run(2 * MINUTE);
    assert_eq!(world.hosts[1].engine.half_open_count(), 0);
    assert_eq!(world.hosts[1].engine.sa_count(), 0);
    up(world);
    world.run(Duration::from_secs(5));
    assert_eq!(disagreement(world), None);
}

/// A001, A043: rests of messages, cookies of nobody.
#[test]
fn fragments_of_headers_and_unknown_cookies_are_dropped_in_silence() {
    let mut world = world(1);
    up(&mut world);
    let good = messages(&world, 0);
    let mut world = world_with(2, |_, c| v1(c));
    for len in 0..28 {
        assert_eq!(send(&mut world, stranger(), &good[0][..len]), 0, "{len} octets");
    }
    for (index, bytes) in good.iter().enumerate().skip(1) {
        assert_eq!(send(&mut world, stranger(), bytes), 0, "message {index} of another SA");
    }
    let spi = cookies(Spi([1; 8]), Spi([2; 8]));
    let there = Notify::new(Protocol::ISAKMP, &spi, NotifyType::R_U_THERE, &[0, 0, 0, 1]);
    let mut chain = PayloadChain::new();
    chain.push(&Payload::Notify(there));
    let header = header(Spi([1; 8]), Spi([2; 8]), ExchangeType::V1_INFORMATIONAL, 7);
    assert_eq!(send(&mut world, stranger(), &message(header, &chain)), 0);
    recovers(&mut world);
}

/// A019, A045, A047, A053: messages that do not belong where they come.
#[test]
fn wrong_exchanges_and_nonces_make_no_sa() {
    let mut good = world(3);
    up(&mut good);
    let [first, third, fifth] = [0, 1, 2].map(|i| messages(&good, 0)[i].clone());
    let mut world = world_with(4, |_, c| v1(c));
    // Aggressive mode where only main mode is allowed, new group mode and quick mode of a stranger.
    for exchange in [
        ExchangeType::V1_AGGRESSIVE,
        ExchangeType::V1_NEW_GROUP,
        ExchangeType::V1_QUICK,
        ExchangeType::V1_BASE,
        ExchangeType::V1_INFORMATIONAL,
    ] {
        let mut bytes = first.clone();
        bytes[18] = exchange.0;
        send(&mut world, stranger(), &bytes);
        assert_eq!(world.hosts[1].engine.sa_count(), 0, "{exchange}");
    }
    // A main mode in progress gets aggressive mode's message, a nonce of 7 or 257 octets, message 5 in place of 3.
    assert_eq!(send(&mut world, at(0), &first), 1);
    let second = world.network.sent.last().unwrap().bytes.to_vec();
    let ours = Message::parse(&second).unwrap().header;
    let with_cookie = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[8..16].copy_from_slice(&ours.spi_r.0);
        bytes
    };
    let mut switched = with_cookie(&third);
    switched[18] = ExchangeType::V1_AGGRESSIVE.0;
    assert_eq!(send(&mut world, at(0), &switched), 0);
    assert_eq!(send(&mut world, at(0), &with_cookie(&fifth)), 0);
    for len in [0, 7, 257] {
        let mut chain = PayloadChain::new();
        chain.push_raw(PayloadType::V1_KE, &[4; 64]);
        chain.push_raw(PayloadType::V1_NONCE, &vec![1; len]);
        let header = header(ours.spi_i, ours.spi_r, ExchangeType::V1_MAIN, 0);
        assert_eq!(send(&mut world, at(0), &message(header, &chain)), 0, "nonce of {len}");
    }
    assert_eq!(
        world.hosts[1].engine.half_open_count(),
        1,
        "it waits for the true message 3"
    );
    recovers(&mut world);
}

/// A041: Delete and Notify that prove nothing, after the SA is up.
#[test]
fn what_is_not_authentic_never_deletes() {
    let mut world = world(5);
    up(&mut world);
    world.run(Duration::from_secs(1));
    let ids = Message::parse(&messages(&world, 0)[2]).unwrap().header;
    let spi = cookies(ids.spi_i, ids.spi_r);
    let esp: Vec<u8> = world.hosts[0]
        .inbound
        .values()
        .next()
        .unwrap()
        .spi
        .to_be_bytes()
        .to_vec();
    let mut delete = PayloadChain::new();
    delete.push(&Payload::Delete(Delete::one(Protocol::ISAKMP, &spi)));
    delete.push(&Payload::Delete(Delete::one(Protocol::ESP, &esp)));
    let mut contact = PayloadChain::new();
    let notify = Notify::new(Protocol::ISAKMP, &spi, NotifyType::INITIAL_CONTACT, &[]);
    contact.push(&Payload::Notify(notify));
    for chain in [&delete, &contact] {
        for id in [0, 1, 99] {
            let header = header(ids.spi_i, ids.spi_r, ExchangeType::V1_INFORMATIONAL, id);
            let clear = message(header, chain);
            let forged = encrypted_message(header, PayloadType::V1_HASH, &chain.padded(16));
            for bytes in [clear, forged] {
                assert_eq!(send(&mut world, at(0), &bytes), 0);
            }
        }
    }
    // A true message with another message ID, or with a bit changed, has a wrong hash.
    for sent in messages(&world, 0).iter().filter(|m| m[18] == ExchangeType::V1_QUICK.0) {
        let mut other = sent.clone();
        other[23] ^= 1;
        assert_eq!(send(&mut world, at(0), &other), 0);
        let mut changed = sent.clone();
        *changed.last_mut().unwrap() ^= 1;
        send(&mut world, at(0), &changed);
    }
    assert!(both_up(&world));
    world.run(Duration::from_secs(5));
    assert_eq!(disagreement(&world), None);
}

/// A071: fragments that make no message.
#[test]
fn fragments_are_bounded_and_make_nothing_of_nothing() {
    let mut world = world(6);
    let piece = |id, number, last, data: &[u8], exchange| {
        let mut chain = PayloadChain::new();
        chain.push(&Payload::Fragment(Fragment { id, number, last, data }));
        message(header(Spi([id as u8 + 1; 8]), Spi::ZERO, exchange, 0), &chain)
    };
    let main = ExchangeType::V1_MAIN;
    for id in 0..200 {
        for (number, last) in [(0, 0), (2, 1), (3, 1), (1, 1), (1, 0), (255, 1)] {
            for data in [&b"x"[..], &[0; 1400], &[]] {
                assert_eq!(send(&mut world, stranger(), &piece(id, number, last, data, main)), 0);
            }
        }
    }
    let of = |world: &World, name: &str| {
        world.hosts[1]
            .engine
            .sizes()
            .iter()
            .find(|(n, _)| *n == name)
            .unwrap()
            .1
    };
    assert!(
        of(&world, "fragment octets") <= 16 * 32 * 1024,
        "{}",
        of(&world, "fragment octets")
    );
    assert_eq!(of(&world, "SAs"), 0);
    recovers(&mut world);
    assert_eq!(of(&world, "fragment octets"), 0);
}

/// Every message of a good exchange with random octets changed, cut or lengthened, in every state.
#[test]
fn a_storm_of_changed_messages_leaves_no_trace() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    for aggressive in [false, true] {
        let change = |_: usize, c: &mut Connection| {
            v1(c);
            c.aggressive = aggressive;
        };
        let mut world = world_with(8, change);
        up(&mut world);
        let good: Vec<_> = [messages(&world, 0), messages(&world, 1)].concat();
        for round in 0..1500 {
            let mut bytes = good[rng.next_u32() as usize % good.len()].clone();
            for _ in 0..1 + rng.next_u32() % 4 {
                let at = rng.next_u32() as usize % bytes.len();
                bytes[at] = rng.next_u32() as u8;
            }
            if round % 5 == 0 {
                bytes.truncate(rng.next_u32() as usize % bytes.len());
            }
            if round % 7 == 0 && bytes.len() >= 28 {
                let len = bytes.len() as u32;
                bytes[24..28].copy_from_slice(&len.to_be_bytes());
            }
            let from = if round % 2 == 0 { at(0) } else { stranger() };
            send(&mut world, from, &bytes);
        }
        world.run(2 * MINUTE);
        assert_eq!(world.hosts[1].engine.half_open_count(), 0);
        assert_eq!(disagreement(&world), None, "aggressive: {aggressive}");
    }
}
