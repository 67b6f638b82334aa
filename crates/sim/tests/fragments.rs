//! IKE messages in fragments (RFC 7383): sizes, loss and disorder, repetitions, and fragments that nobody should send.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_auth::{Identity, IdentityPattern};
use handfast_engine::input::Rekey;
use handfast_engine::policy::Connection;
use handfast_engine::{Command, Event, Input, Transmit};
use handfast_sim::pair::{MINUTE, both_up, named, nothing_left, up, world_with};
use handfast_sim::policies::{address, connection, policy};
use handfast_sim::{Faults, Host, World};

/// IP and UDP headers and the non-ESP marker, which the network here does not carry.
const BEFORE_IKE: usize = 32;

fn sized(seed: u64, size: Option<u16>) -> World {
    world_with(seed, |_, c| c.fragment_size = size)
}

fn is_fragment(sent: &Transmit) -> bool {
    sent.bytes[16] == 53
}

/// Number and total of a fragment.
fn numbers(sent: &Transmit) -> (u16, u16) {
    let number = |at| u16::from_be_bytes([sent.bytes[at], sent.bytes[at + 1]]);
    (number(32), number(34))
}

/// The connection with identities of `length` octets at both ends. Neither end names the other's.
fn with_long_names(host: usize, c: &mut Connection, length: usize) {
    c.local_id = Identity::Fqdn(["a", "b"][host].repeat(length));
    c.remote_id = IdentityPattern::Any;
}

#[test]
fn no_datagram_is_larger_than_configured_and_ike_sa_init_is_whole() {
    for size in [200u16, 256, 300, 576] {
        for suite in [
            "aes128gcm16-prfsha256-x25519",
            "aes256-sha512-x25519",
            "chacha20poly1305-prfsha256-x25519",
        ] {
            let mut world = world_with(1, |host, c| {
                c.fragment_size = Some(size);
                c.ike = vec![suite.parse().unwrap()];
                with_long_names(host, c, 600);
            });
            up(&mut world);
            world.command(0, named(false));
            assert!(world.run_until(MINUTE, nothing_left));
            let (init, others): (Vec<_>, Vec<_>) = world.network.sent.iter().partition(|t| t.bytes[18] == 34);
            assert!(init.iter().all(|t| t.bytes[16] == 33));
            assert!(others.iter().all(|t| t.bytes.len() + BEFORE_IKE <= usize::from(size)));
            let auth: Vec<_> = others.iter().filter(|t| t.bytes[18] == 35).collect();
            assert!(auth.len() >= 4 && auth.iter().all(|t| is_fragment(t)), "{size} {suite}");
            // The datagrams are filled: all but the last of a message have the same length, near the limit.
            assert!(
                auth[0].bytes.len() + BEFORE_IKE + 16 > usize::from(size),
                "{size} {suite}"
            );
            // The type of the first inner payload is in the first fragment alone.
            assert!(auth.iter().all(|t| (t.bytes[28] != 0) == (numbers(t).0 == 1)));
            // The Delete fits.
            assert!(others.iter().filter(|t| t.bytes[18] == 37).all(|t| !is_fragment(t)));
        }
    }
}

#[test]
fn a_message_of_sixty_thousand_octets_whole_and_in_fragments() {
    for size in [Some(65_535), Some(1280), Some(576), Some(200), None] {
        let mut world = world_with(2, |host, c| {
            c.fragment_size = size;
            with_long_names(host, c, 60_000);
        });
        up(&mut world);
        let fragments = world.network.sent.iter().filter(|t| is_fragment(t)).count();
        match size {
            Some(65_535) | None => assert_eq!(fragments, 0),
            Some(size) => assert!(fragments > 120_000 / usize::from(size), "{fragments} of {size}"),
        }
    }
}

#[test]
fn larger_than_any_datagram_needs_fragments() {
    let names = |size| {
        world_with(3, move |host, c| {
            c.fragment_size = size;
            with_long_names(host, c, 65_500);
        })
    };
    let mut world = names(Some(1280));
    up(&mut world);
    let mut world = names(None);
    world.command(0, named(true));
    world.run(Duration::from_secs(2));
    assert!(world.hosts[0].outbound.is_empty());
    let refusals = world.hosts[0].refusals();
    assert!(refusals[0].contains("fits into no datagram"), "{refusals:?}");
    // An answer as well as a request.
    let mut world = world_with(3, |host, c| {
        c.fragment_size = None;
        c.remote_id = IdentityPattern::Any;
        if host == 1 {
            with_long_names(1, c, 65_500);
        }
    });
    world.command(0, named(true));
    world.run(Duration::from_secs(2));
    let refusals = world.hosts[1].refusals();
    assert!(refusals[0].contains("fits into no datagram"), "{refusals:?}");
}

#[test]
fn loss_repetition_and_disorder() {
    for seed in 0..30 {
        let mut world = sized(seed, Some(200));
        world.network.faults = Faults {
            loss: 8,
            repeat: 20,
            late: 15,
            cut: false,
        };
        up(&mut world);
        world.network.faults = Faults {
            loss: 3,
            ..world.network.faults
        };
        let rekey = |what| Command::Rekey {
            connection: "office".into(),
            what,
        };
        let rekeyed = |w: &World| {
            w.hosts
                .iter()
                .all(|h| h.count(|e| matches!(e, Event::IkeRekeyed { .. })) == 1)
        };
        world.command(1, rekey(Rekey::Ike));
        assert!(world.run_until(MINUTE * 3, rekeyed), "seed {seed}");
        // What replaced it has fragments too (section 2.3), in either direction.
        let before = world.network.sent.len();
        world.run(MINUTE);
        world.network.faults = Faults::default();
        world.command(0, rekey(Rekey::Children));
        world.run(Duration::from_secs(10));
        let sent = &world.network.sent[before..];
        let child = sent.iter().filter(|t| t.bytes[18] == 36);
        assert!(
            child.clone().count() >= 4 && child.clone().all(is_fragment),
            "seed {seed}"
        );
        assert!(both_up(&world), "seed {seed}");
        world.command(0, named(false));
        assert!(world.run_until(MINUTE, nothing_left), "seed {seed}");
    }
}

#[test]
fn only_where_both_want_it() {
    for off in [0, 1] {
        let mut world = world_with(4, |host, c| {
            c.fragment_size = (host != off).then_some(200);
            with_long_names(host, c, 600);
        });
        up(&mut world);
        assert!(!world.network.sent.iter().any(is_fragment));
    }
}

/// Feeds host 1 what host 0 sent, and returns the answers.
fn give(world: &mut World, sent: &Transmit) -> Vec<Transmit> {
    let input = Input::Datagram {
        local: sent.remote,
        remote: sent.local,
        bytes: &sent.bytes,
    };
    world.hosts[1].feed(world.now, input)
}

#[test]
fn a_request_that_was_answered_is_answered_again_at_its_first_fragment() {
    let mut world = sized(5, Some(200));
    up(&mut world);
    world.run(Duration::from_secs(1));
    let auth = |flag: u8| move |t: &&Transmit| t.bytes[18] == 35 && t.bytes[19] & 0x20 == flag;
    let request: Vec<_> = world.network.sent.iter().filter(auth(0)).cloned().collect();
    let response: Vec<_> = world.network.sent.iter().filter(auth(0x20)).cloned().collect();
    assert!(request.len() >= 2 && response.len() >= 2);
    for _ in 0..3 {
        for fragment in &request {
            let answers = give(&mut world, fragment);
            if numbers(fragment).0 == 1 {
                assert_eq!(answers, response);
            } else {
                assert!(answers.is_empty());
            }
        }
    }
    let mut forged = request[0].clone();
    let mut octets = forged.bytes.to_vec();
    *octets.last_mut().unwrap() ^= 1;
    forged.bytes = octets.into();
    assert!(give(&mut world, &forged).is_empty(), "not authentic");
}

#[test]
fn the_last_answer_of_an_sa_comes_again_too() {
    // A refusal in fragments: the request was answered, and the SA is gone.
    let mut world = world_with(6, |host, c| {
        c.fragment_size = Some(200);
        if host == 1 {
            c.remote_id = IdentityPattern::Exact(Identity::Fqdn("other.test".into()));
        }
    });
    world.command(0, named(true));
    assert!(world.run_until(MINUTE, |w| !w.hosts[1].refusals().is_empty()));
    world.command(0, named(false));
    world.run(Duration::from_secs(3));
    assert_eq!(world.hosts[1].engine.sa_count(), 0);
    let request: Vec<_> = (world.network.sent.iter())
        .filter(|t| t.bytes[18] == 35 && t.bytes[19] & 0x20 == 0)
        .cloned()
        .collect();
    assert!(request.len() >= 2 && request.iter().all(is_fragment));
    assert_eq!(give(&mut world, &request[0]).len(), 1);
    assert!(give(&mut world, &request[1]).is_empty());
}

/// Host 1 half-way with a peer, whose IKE_AUTH request is returned and has not arrived.
fn half_way(seed: u64, size: Option<u16>) -> (World, Vec<Transmit>) {
    let mut world = world_with(seed, |host, c| {
        c.fragment_size = size;
        with_long_names(host, c, 200);
    });
    world.command(0, named(true));
    world.run_until(MINUTE, |w| w.network.sent.iter().any(|t| t.bytes[18] == 35));
    let request = (world.network.sent.iter())
        .filter(|t| t.bytes[18] == 35)
        .cloned()
        .collect();
    (world, request)
}

#[test]
fn forged_and_impossible_fragments_change_nothing() {
    let (mut world, request) = half_way(7, Some(200));
    assert!(request.len() >= 3);
    let mut forged = vec![];
    for fragment in &request {
        for (number, total) in [
            (0, 0),
            (0, 3),
            (4, 3),
            (1, 65_535),
            (65_535, 65_535),
            (1, 1),
            (2, 9),
            (1, 200),
        ] {
            let mut bytes = fragment.bytes.to_vec();
            bytes[32..34].copy_from_slice(&u16::to_be_bytes(number));
            bytes[34..36].copy_from_slice(&u16::to_be_bytes(total));
            forged.push(bytes);
        }
        for place in [16, 18, 28, 30, 36, fragment.bytes.len() - 1] {
            let mut bytes = fragment.bytes.to_vec();
            bytes[place] ^= 0x11;
            forged.push(bytes);
        }
        let mut short = fragment.bytes[..36].to_vec();
        (short[27], short[31]) = (36, 8);
        forged.push(short);
    }
    for bytes in forged {
        assert!(
            give(
                &mut world,
                &Transmit {
                    bytes: bytes.into(),
                    ..request[0].clone()
                }
            )
            .is_empty()
        );
    }
    let held = |w: &World| {
        w.hosts[1]
            .engine
            .sizes()
            .iter()
            .find(|s| s.0 == "fragment octets")
            .unwrap()
            .1
    };
    assert_eq!(held(&world), 0, "nothing unauthentic is kept");
    assert!(world.run_until(MINUTE, both_up));
    assert_eq!(held(&world), 0);
}

#[test]
fn fragments_where_none_were_agreed_are_not_taken() {
    let (mut world, whole) = half_way(8, None);
    let mut bytes = whole[0].bytes.to_vec();
    bytes[16] = 53;
    assert!(
        give(
            &mut world,
            &Transmit {
                bytes: bytes.into(),
                ..whole[0].clone()
            }
        )
        .is_empty()
    );
    assert!(
        world.hosts[1]
            .events
            .iter()
            .any(|e| matches!(e, Event::Dropped { reason, .. } if reason.contains("not agreed")))
    );
    assert!(world.run_until(MINUTE, both_up));
}

#[test]
fn a073_first_fragments_and_then_silence() {
    let mut victim = Host::new(200, vec![address(1)], policy(sized_connection(1)));
    let mut now = handfast_engine::Instant::default();
    let feed = |host: &mut Host, now, sent: &[Transmit]| -> Vec<Transmit> {
        let mut answers = vec![];
        for t in sent {
            let input = Input::Datagram {
                local: t.remote,
                remote: t.local,
                bytes: &t.bytes,
            };
            answers.extend(host.feed(now, input));
        }
        answers
    };
    let sizes = |host: &Host| host.engine.sizes();
    let of = |host: &Host, name: &str| sizes(host).iter().find(|s| s.0 == name).unwrap().1;
    let mut most = 0;
    for n in 0..500u32 {
        let mut attacker = Host::new(n as u8, vec![address(0)], policy(sized_connection(0)));
        let mut seed = Host::new((n >> 8) as u8, vec![address(0)], policy(sized_connection(0)));
        let host = if n < 256 { &mut attacker } else { &mut seed };
        let init = host.feed(now, Input::Command(named(true)));
        let mut auth = init;
        // Two turns, or three with a cookie.
        while auth.first().is_some_and(|t| t.bytes[18] == 34) {
            let answer = feed(&mut victim, now, &auth);
            auth = feed(host, now, &answer);
        }
        if let Some(first) = auth.first() {
            assert!(is_fragment(first) && auth.len() >= 3);
            assert!(feed(&mut victim, now, &auth[..1]).is_empty());
        }
        most = most.max(of(&victim, "fragment octets"));
        now = now + Duration::from_millis(10);
        victim.feed(now, Input::Timer);
    }
    assert!(most > 0 && most <= 100 * 400, "{most}");
    assert!(of(&victim, "half-open") <= 100);
    now = now + Duration::from_secs(31);
    victim.feed(now, Input::Timer);
    assert!(
        sizes(&victim).iter().all(|(_, size)| *size == 0),
        "{:?}",
        sizes(&victim)
    );
    // The next good handshake works.
    let mut world = World::new(
        9,
        vec![Host::new(77, vec![address(0)], policy(sized_connection(0))), victim],
    );
    world.now = now;
    up(&mut world);
}

fn sized_connection(host: usize) -> Connection {
    let mut connection = connection(host);
    connection.fragment_size = Some(200);
    with_long_names(host, &mut connection, 200);
    connection
}
