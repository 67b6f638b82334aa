//! SAs are replaced when they have carried enough or are old enough, and closed when nothing has replaced them.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_engine::Event;
use handfast_engine::policy::{ChildPolicy, Connection, Start};
use handfast_plane::op::{Limits, Volume};
use handfast_sim::World;
use handfast_sim::forger::{Forger, chain, notify};
use handfast_sim::impostor::Mode;
use handfast_sim::pair::{MINUTE, both_up, disagreement, up, world_with};
use handfast_wire::header::{ExchangeType, PayloadType};

fn world(seed: u64, change: impl Fn(usize, &mut ChildPolicy)) -> World {
    world_with(seed, |i, c| {
        c.liveness = Duration::ZERO;
        c.start = if i == 0 { Start::Now } else { Start::Wait };
        let mut child = (*c.children[0]).clone();
        change(i, &mut child);
        c.children = vec![child.into()];
    })
}

fn packets(soft: u64, hard: u64) -> Limits {
    let of = |packets| Volume {
        packets,
        ..Volume::ENDLESS
    };
    Limits {
        soft: of(soft),
        hard: of(hard),
    }
}

fn bytes(soft: u64, hard: u64) -> Limits {
    let of = |bytes| Volume {
        bytes,
        ..Volume::ENDLESS
    };
    Limits {
        soft: of(soft),
        hard: of(hard),
    }
}

fn rekeys(world: &World, host: usize) -> usize {
    world.hosts[host].count(|e| matches!(e, Event::ChildRekeyed { .. }))
}

/// Sends this many packets, one each 10 ms.
fn send(world: &mut World, from: usize, count: usize) {
    for _ in 0..count {
        world.packet(from, 100);
        world.run(Duration::from_millis(10));
    }
    world.run(Duration::from_secs(8));
}

#[test]
fn what_a_child_carries_is_limited_in_packets_and_octets_without_loss() {
    for (name, limits) in [("packets", packets(100, 125)), ("bytes", bytes(13_600, 17_000))] {
        for counts in [0, 1] {
            for sends in [0, 1] {
                // One side watches; it counts what it sends and what it receives.
                let mut world = world(1, |i, c| {
                    if i == counts {
                        c.limits = limits;
                    }
                });
                up(&mut world);
                send(&mut world, sends, 1000);
                assert_eq!(world.hosts[1 - sends].delivered, 1000, "{name}");
                let found = rekeys(&world, 0);
                assert!((9..=15).contains(&found), "{name}: {found} rekeys");
                assert_eq!(disagreement(&world), None);
            }
        }
    }
}

#[test]
fn both_sides_count_and_no_packet_is_lost() {
    let mut world = world(2, |_, c| c.limits = packets(100, 125));
    up(&mut world);
    for _ in 0..1000 {
        world.packet(0, 100);
        world.packet(1, 100);
        world.run(Duration::from_millis(10));
    }
    world.run(Duration::from_secs(8));
    assert_eq!([world.hosts[0].delivered, world.hosts[1].delivered], [1000, 1000]);
    assert!((9..=16).contains(&rekeys(&world, 0)), "{}", rekeys(&world, 0));
    assert_eq!(disagreement(&world), None);
}

#[test]
fn a_child_that_nothing_replaces_ends_and_the_connection_comes_back() {
    for (name, limits, lifetime) in [
        ("packets", packets(u64::MAX, 50), Duration::ZERO),
        ("age", Limits::NONE, Duration::from_secs(100)),
    ] {
        let mut world = world(3, |i, c| {
            if i == 1 {
                (c.limits, c.lifetime) = (limits, lifetime);
            }
        });
        up(&mut world);
        let spi = world.hosts[1].inbound.values().next().unwrap().spi;
        for _ in 0..60 {
            world.packet(0, 100);
        }
        // Nothing of it arrives beyond the limit, and both sides know that it is gone.
        let renewed = |w: &World| both_up(w) && w.hosts[1].inbound.values().all(|sa| sa.spi != spi);
        assert!(world.run_until(2 * MINUTE, renewed), "{name}");
        if name == "packets" {
            assert_eq!(world.hosts[1].delivered, 50);
        }
        let gone = world.hosts[1].events.iter().find_map(|e| match e {
            Event::IkeGone { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        assert!(gone.unwrap().contains("no newer one has come in time"), "{name}");
    }
}

#[test]
fn a_child_that_the_peer_replaced_and_forgot_ends_alone() {
    // Host 1 begins a rekey and dies before it deletes the old child: its Delete never arrives.
    let mut world = world(4, |i, c| {
        c.rekey = Duration::from_secs(if i == 1 { 100 } else { 0 });
        c.lifetime = Duration::from_secs(if i == 0 { 150 } else { 0 });
    });
    up(&mut world);
    assert!(world.run_until(2 * MINUTE, |w| rekeys(w, 0) == 1 && rekeys(w, 1) == 1));
    let delete = |bytes: &[u8]| bytes[18] == 37 && bytes[19] & 0x20 == 0;
    world.tamper = Some(Box::new(move |_, t| {
        if delete(&t.bytes) {
            vec![]
        } else {
            vec![t.bytes.to_vec()]
        }
    }));
    world.run(Duration::from_secs(20));
    assert_eq!(world.hosts[0].engine.sa_count(), 1);
    assert_eq!(world.hosts[0].inbound.len(), 2, "the old one is still there");
    world.tamper = None;
    assert!(world.run_until(3 * MINUTE, |w| disagreement(w).is_none()));
}

/// NO_PROPOSAL_CHOSEN and TEMPORARY_FAILURE (RFC 7296 section 3.10.1).
const REFUSALS: [u16; 2] = [14, 43];

/// Host B refuses every rekey of the IKE SA: what A asks for is changed on its way into what B does not have, and B's
/// answer into this error.
fn refuses(world: &mut World, error: u16) {
    world.tamper = Some(Box::new(move |hosts, t| {
        let bytes = t.bytes.to_vec();
        let Some(mut forger) = hosts.iter().find_map(|host| Forger::sender_of(host, &bytes)) else {
            return vec![bytes];
        };
        let of_a_rekey = bytes[18] == ExchangeType::CREATE_CHILD_SA.0;
        let Some(mut payloads) = forger.open(&bytes).filter(|_| of_a_rekey) else {
            return vec![bytes];
        };
        for (kind, body) in &mut payloads {
            match *kind {
                // The transforms follow the header of the proposal and the SPI; the first is the cipher.
                PayloadType::SA => body[16 + 6..16 + 8].copy_from_slice(&[3, 0xe7]),
                PayloadType::NOTIFY => *body = notify(0, &[], error, &[]),
                _ => {}
            }
        }
        let changed = forger.rewrite(&bytes, |first, inner| {
            let chain = chain(&payloads);
            (*first, *inner) = (chain.first(), chain.bytes().to_vec());
        });
        vec![changed.unwrap()]
    }));
}

/// The IKE SA of host A lives 220 s and no longer, whatever is tried to replace it; then there is another.
fn ends_at_220_s(mut world: World, reason: &str) {
    let spi = |w: &World| w.hosts[0].inbound.values().next().map(|sa| sa.spi);
    let first = spi(&world);
    world.run(Duration::from_secs(210));
    assert_eq!(spi(&world), first);
    let gone = |w: &World| {
        let mut reasons = w.hosts[0].events.iter().filter_map(|e| match e {
            Event::IkeGone { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        reasons.find(|found| found.contains(reason))
    };
    assert_eq!(gone(&world), None);
    world.run(Duration::from_secs(15));
    assert!(gone(&world).is_some(), "{:#?}", world.hosts[0].events);
    world.tamper = None;
    assert!(
        world.run_until(2 * MINUTE, |w| both_up(w) && spi(w) != first),
        "it comes back"
    );
    assert_eq!(disagreement(&world), None);
}

fn short_lived(seed: u64, change: impl Fn(&mut Connection)) -> World {
    let mut world = world_with(seed, |i, c| {
        c.liveness = Duration::ZERO;
        c.start = if i == 0 { Start::Now } else { Start::Wait };
        if i == 0 {
            (c.rekey, c.lifetime) = (Duration::from_secs(100), Duration::from_secs(220));
        }
        change(c);
    });
    up(&mut world);
    world
}

#[test]
fn an_ike_sa_whose_rekeys_the_peer_refuses_ends_and_the_connection_comes_back() {
    for error in REFUSALS {
        let mut world = short_lived(5, |_| {});
        refuses(&mut world, error);
        ends_at_220_s(world, "the IKE SA is as old as it may become");
    }
}

#[test]
fn an_isakmp_sa_that_no_phase_1_replaces_ends_and_the_connection_comes_back() {
    let mut world = short_lived(6, |c| Mode::Main.speak(c));
    world.tamper = Some(Box::new(|_, t| {
        let begins = t.bytes[18] == ExchangeType::V1_MAIN.0;
        if begins { vec![] } else { vec![t.bytes.to_vec()] }
    }));
    ends_at_220_s(world, "the ISAKMP SA is as old as it may become");
}

#[test]
fn an_ike_sa_that_is_replaced_in_time_does_not_end() {
    for v1 in [false, true] {
        let mut world = short_lived(7, |c| {
            if v1 {
                Mode::Main.speak(c);
            }
        });
        world.run(Duration::from_secs(1000));
        let downs = world.hosts[0].count(|e| matches!(e, Event::ConnectionDown { .. }));
        assert_eq!((downs, disagreement(&world)), (0, None));
    }
}
