//! Rekeys of children and IKE SAs by both sides, in any order and at once, with answers and datagrams late or lost. In
//! the end both hosts hold the same: one IKE SA, one child, nothing in the plane that nobody knows of.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_engine::{Command, Event, Rekey};
use handfast_sim::pair::{MINUTE, disagreement, up, world_with};
use handfast_sim::policies::parsed;
use handfast_sim::{Faults, World};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

fn rekey(world: &mut World, host: usize, what: Rekey) {
    let connection = "office".into();
    world.command(host, Command::Rekey { connection, what });
}

fn world(seed: u64, esp: &str) -> World {
    let mut world = world_with(seed, |_, c| {
        let mut child = (*c.children[0]).clone();
        child.esp = vec![parsed(esp)];
        c.children = vec![child.into()];
    });
    up(&mut world);
    world.run(Duration::from_secs(1));
    world.hosts.iter_mut().for_each(|h| h.events.clear());
    world
}

fn is_down(event: &Event) -> bool {
    matches!(event, Event::ConnectionDown { .. })
}

/// All has come to rest in agreement, and works.
fn at_rest(world: &mut World, what: &str) {
    world.network.faults = Faults::default();
    let whole = |w: &World| disagreement(w).is_none();
    assert!(
        world.run_until(3 * MINUTE, whole),
        "{what}: {}",
        disagreement(world).unwrap_or_default(),
    );
    for host in [0, 1] {
        let spi = world.hosts[0].inbound.values().next().unwrap().spi;
        rekey(world, host, Rekey::Children);
        let replaced = |w: &World| disagreement(w).is_none() && w.hosts[0].inbound.values().all(|sa| sa.spi != spi);
        assert!(
            world.run_until(MINUTE, replaced),
            "{what}: host {host}'s window is stuck"
        );
        let downs: Vec<_> = world.hosts[host].events.iter().filter(|e| is_down(e)).collect();
        assert!(
            downs.is_empty(),
            "{what}: {downs:?} {:?} {:?}",
            world.hosts[0].refusals(),
            world.hosts[1].refusals()
        );
    }
    flows(world, what);
}

fn flows(world: &mut World, what: &str) {
    let before = [world.hosts[0].delivered, world.hosts[1].delivered];
    world.packet(0, 100);
    world.packet(1, 100);
    world.run(Duration::from_secs(1));
    let after = [world.hosts[0].delivered, world.hosts[1].delivered];
    assert_eq!(after, before.map(|n| n + 1), "{what}: packets do not flow");
}

/// How often a host's own new child stayed although the peer had made another.
fn collisions(world: &World) -> usize {
    let of = |h: usize| {
        let old = world.hosts[h].events.iter().filter_map(|e| match e {
            Event::ChildRekeyed { old, .. } => Some(*old),
            _ => None,
        });
        let old: Vec<_> = old.collect();
        old.len() - old.iter().collect::<std::collections::BTreeSet<_>>().len()
    };
    of(0) + of(1)
}

#[test]
fn both_replace_the_child_at_the_same_moment() {
    let mut met = 0;
    for esp in ["aes128gcm16", "aes128gcm16-x25519"] {
        for seed in 0..40 {
            let mut world = world(seed, esp);
            for (host, lag) in [(0, seed % 5), (1, seed % 7)] {
                world.hosts[host].lag = Duration::from_millis(3 * lag);
            }
            rekey(&mut world, 0, Rekey::Children);
            world.run(Duration::from_millis(seed % 11));
            rekey(&mut world, 1, Rekey::Children);
            // Without a wait of half a minute until one of them tries again.
            world.run(Duration::from_secs(8));
            assert_eq!(disagreement(&world), None, "{esp}, seed {seed}");
            met += collisions(&world);
            at_rest(&mut world, &format!("{esp}, seed {seed}"));
        }
    }
    assert!(met > 40, "{met} collisions");
}

#[test]
fn no_packet_is_lost_however_rekeys_cross() {
    for seed in 0..60 {
        let mut world = world(
            seed,
            if seed % 2 == 0 {
                "aes128gcm16"
            } else {
                "aes128gcm16-x25519"
            },
        );
        let mut dice = ChaCha20Rng::seed_from_u64(seed);
        let mut below = |n: u32| dice.next_u32() % n;
        world.network.faults.late = below(30);
        for host in 0..2 {
            world.hosts[host].lag = Duration::from_millis(below(20).into());
        }
        let mut sent = [0, 0];
        for step in 0..600 {
            for (host, sent) in sent.iter_mut().enumerate() {
                if below(2) == 0 {
                    world.packet(host, 100);
                    *sent += 1;
                }
                if below(30) == 0 {
                    rekey(&mut world, host, Rekey::Children);
                }
                if below(100) == 0 {
                    rekey(&mut world, host, Rekey::Ike);
                }
            }
            world.run(Duration::from_millis(below(60).into()));
            let inbound = world.hosts.iter().map(|h| h.inbound.len()).max();
            assert!(inbound.unwrap() < 40, "seed {seed}, step {step}: {inbound:?}");
        }
        world.run(Duration::from_secs(2));
        let delivered = [world.hosts[1].delivered, world.hosts[0].delivered];
        let dropped = world.hosts.iter().map(|h| &h.dropped).collect::<Vec<_>>();
        assert_eq!(delivered, sent, "seed {seed}: packets were lost: {dropped:?}");
        at_rest(&mut world, &format!("seed {seed}"));
    }
}

#[test]
fn loss_and_disorder_leave_the_same_on_both_sides() {
    for seed in 0..120 {
        let mut world = world(
            seed,
            if seed % 2 == 0 {
                "aes128gcm16"
            } else {
                "aes128gcm16-x25519"
            },
        );
        let mut dice = ChaCha20Rng::seed_from_u64(seed);
        let mut below = |n: u32| dice.next_u32() % n;
        world.network.faults = Faults {
            loss: below(30),
            repeat: below(30),
            late: below(30),
            ..Faults::default()
        };
        for host in 0..2 {
            world.hosts[host].lag = Duration::from_millis(below(40).into());
        }
        for _ in 0..40 {
            let host = below(2) as usize;
            match below(6) {
                0 => rekey(&mut world, host, Rekey::Ike),
                1 => rekey(&mut world, 0, Rekey::Children),
                2 => rekey(&mut world, 1, Rekey::Children),
                3 => {
                    rekey(&mut world, 0, Rekey::Children);
                    rekey(&mut world, 1, Rekey::Children);
                }
                _ => world.packet(host, 100),
            }
            let wait = [0, 5, 20, 300, 3000, 12_000][below(6) as usize];
            world.run(Duration::from_millis(wait));
        }
        at_rest(&mut world, &format!("seed {seed}"));
    }
}
