//! Someone between the hosts changes whatever they say, without and with their keys. The oracle: no panic, nothing grows
//! without bound, and once the storm is over both hosts come back to one SA that carries packets.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use handfast_engine::policy::Start;
use handfast_sim::pair::{MINUTE, both_up, disagreement, named, world_with};
use handfast_sim::policies::parsed;
use handfast_sim::{Forger, World};
use handfast_wire::header::PayloadType;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

const SECOND: Duration = Duration::from_secs(1);
/// The net behind each host.
const NETS: [&str; 2] = ["10.1.0.0/16", "10.2.0.0/16"];

struct Dice(ChaCha20Rng);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0.next_u32() as usize % n.max(1)
    }

    /// Changes octets as an attacker or a broken network would.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(9) {
                0 => bytes.truncate(at),
                1 => bytes.extend(vec![self.below(256) as u8; self.below(40)]),
                2 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                3 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                // A length or a number of two octets.
                4 if at + 2 <= bytes.len() => {
                    let value = [0u16, 1, 3, 4, 8, 0x7fff, 0x8000, 0xffff][self.below(8)];
                    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
                }
                // A piece twice, or left out.
                5 => {
                    let piece = bytes[at..].iter().copied().take(self.below(60)).collect::<Vec<_>>();
                    bytes.splice(at..at, piece);
                }
                6 => {
                    let end = (at + self.below(60)).min(bytes.len());
                    bytes.drain(at..end);
                }
                7 if !bytes.is_empty() => {
                    let other = self.below(bytes.len());
                    bytes.swap(at, other);
                }
                _ => {}
            }
            if bytes.is_empty() {
                return;
            }
        }
    }
}

/// A world in which both sides replace children and IKE SAs often.
fn busy_world(seed: u64) -> World {
    world_with(seed, |i, c| {
        c.start = if i == 0 { Start::Now } else { Start::Wait };
        c.rekey = 25 * SECOND;
        c.liveness = 10 * SECOND;
        let mut child = (*c.children[0]).clone();
        child.rekey = 10 * SECOND;
        child.lifetime = 60 * SECOND;
        if seed.is_multiple_of(2) {
            child.esp = vec![parsed("aes128gcm16-x25519")];
        }
        c.children = vec![child.into()];
    })
}

fn stays_bounded(world: &World, seed: u64) {
    for host in &world.hosts {
        for (what, size) in host.engine.sizes() {
            assert!(size <= 300, "seed {seed}: {what}: {size}");
        }
        assert!(host.inbound.len() <= 40, "seed {seed}: {}", host.inbound.len());
    }
}

/// The storm is over: within minutes there is one SA, and it carries packets both ways.
fn recovers(world: &mut World, seed: u64) {
    world.tamper = None;
    let whole = |w: &World| disagreement(w).is_none();
    world.run(MINUTE);
    assert!(
        world.run_until(10 * MINUTE, whole),
        "seed {seed}: {}",
        disagreement(world).unwrap_or_default()
    );
    let whole = |w: &World| {
        let ts = |h: usize| w.hosts[h].outbound.values().all(|sa| sa.local_ts == [parsed(NETS[h])]);
        ts(0) && ts(1)
    };
    if !whole(world) {
        // Who has the keys may narrow selectors, and rekeys keep what was agreed.
        world.command(0, named(false));
        world.command(0, named(true));
        assert!(
            world.run_until(MINUTE, |w| both_up(w) && whole(w)),
            "seed {seed}: not renewed"
        );
    }
    let before = [world.hosts[0].delivered, world.hosts[1].delivered];
    world.packet(0, 100);
    world.packet(1, 100);
    world.run(Duration::from_millis(20));
    let after = [world.hosts[0].delivered, world.hosts[1].delivered];
    assert_eq!(after, before.map(|n| n + 1), "seed {seed}");
}

/// Runs a storm made by `tamper` for each seed; returns how many datagrams were changed.
fn storms(
    seeds: u64,
    tamper: impl Fn(&mut Dice, &[handfast_sim::Host], &[u8]) -> Vec<Vec<u8>> + Copy + 'static,
) -> usize {
    let changed = Rc::new(RefCell::new(0));
    for seed in 0..seeds {
        let mut world = busy_world(seed);
        let mut dice = Dice(ChaCha20Rng::seed_from_u64(seed));
        let counter = changed.clone();
        world.tamper = Some(Box::new(move |hosts, transmit| {
            let arrives = tamper(&mut dice, hosts, &transmit.bytes);
            *counter.borrow_mut() += arrives.iter().filter(|b| **b != transmit.bytes).count();
            arrives
        }));
        for _ in 0..12 {
            world.run(5 * SECOND);
            stays_bounded(&world, seed);
        }
        recovers(&mut world, seed);
    }
    *changed.borrow()
}

#[test]
fn datagrams_changed_by_a_stranger_beside_the_true_ones() {
    let changed = storms(60, |dice, _, bytes| {
        let mut all: Vec<Vec<u8>> = (0..dice.below(4))
            .map(|_| {
                let mut mutant = bytes.to_vec();
                dice.mutate(&mut mutant);
                mutant
            })
            .collect();
        let place = dice.below(all.len() + 1);
        all.insert(place, bytes.to_vec());
        all
    });
    assert!(changed > 2000, "{changed}");
}

#[test]
fn datagrams_changed_by_a_stranger_instead_of_the_true_ones() {
    let changed = storms(60, |dice, _, bytes| {
        let mut bytes = bytes.to_vec();
        if dice.below(3) == 0 {
            dice.mutate(&mut bytes);
        }
        vec![bytes]
    });
    assert!(changed > 400, "{changed}");
}

/// A protected message with its payloads changed and sealed with the true keys.
fn forged(dice: &mut Dice, hosts: &[handfast_sim::Host], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut forger = hosts.iter().find_map(|h| Forger::sender_of(h, bytes))?;
    forger.rewrite(bytes, |first, inner| {
        if dice.below(10) == 0 {
            *first = PayloadType(dice.below(60) as u8);
        }
        dice.mutate(inner);
    })
}

#[test]
fn what_is_said_under_protection_changed_by_who_has_the_keys() {
    let changed = storms(60, |dice, hosts, bytes| match dice.below(4) {
        0 => vec![forged(dice, hosts, bytes).unwrap_or_else(|| bytes.to_vec())],
        _ => vec![bytes.to_vec()],
    });
    assert!(changed > 400, "{changed}");
}

#[test]
fn what_is_said_under_protection_changed_and_the_truth_after_it() {
    let changed = storms(60, |dice, hosts, bytes| {
        let lie = (dice.below(6) == 0).then(|| forged(dice, hosts, bytes)).flatten();
        lie.into_iter().chain([bytes.to_vec()]).collect()
    });
    assert!(changed > 300, "{changed}");
}
