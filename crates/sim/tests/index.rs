//! The engine finds SAs by what they belong to without looking at all of them. Each host compares its index with a look
//! at all of them after every input (`Host`), in every test; here with everything that changes SAs, in any order.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use handfast_engine::policy::{Connection, Policy, Start};
use handfast_engine::{Command, Input, Rekey};
use handfast_sim::pair::MINUTE;
use handfast_sim::policies::{address, connection, parsed, policy};
use handfast_sim::{Host, World};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

const CONNECTIONS: usize = 4;

fn numbered(host: usize, n: usize, psk: &str) -> Connection {
    let mut c = connection(host);
    c.name = format!("c{n}");
    // Two of them between the same identities.
    let id = |h: usize| format!("{}{}.test", ["a", "b"][h], n / 2);
    c.local_id = parsed(&id(host));
    c.remote_id = parsed(&id(1 - host));
    c.auth.psk = handfast_crypto::secret::Secret::new(psk.into());
    let mut child = (*c.children[0]).clone();
    child.name.clone_from(&c.name);
    let subnet = |h: usize| vec![parsed(&format!("10.{}.0.0/16", 10 * n + h))];
    (child.local_ts, child.remote_ts) = (subnet(host), subnet(1 - host));
    child.rekey = Duration::from_secs(40);
    c.rekey = Duration::from_secs(90);
    c.children = vec![Arc::new(child)];
    c.start = if host == 0 { Start::Now } else { Start::Wait };
    c
}

fn all(host: usize, psk: &str, without: Option<usize>) -> Policy {
    let wanted = (0..CONNECTIONS).filter(|n| Some(*n) != without);
    let mut list: Vec<_> = wanted.map(|n| Arc::new(numbered(host, n, psk))).collect();
    let mut policy = policy((*list.remove(0)).clone());
    policy.connections.extend(list);
    policy
}

#[test]
fn it_agrees_with_a_look_at_all_whatever_happens() {
    for seed in 0..30 {
        let hosts = [0, 1].map(|h| Host::new(seed as u8 * 2 + h as u8, vec![address(h)], all(h, "one", None)));
        let mut world = World::new(seed, hosts.into());
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        world.network.faults.loss = 10;
        world.network.faults.repeat = 10;
        world.network.faults.late = 10;
        for _ in 0..60 {
            let host = (rng.next_u32() % 2) as usize;
            let connection = format!("c{}", rng.next_u32() % CONNECTIONS as u32);
            match rng.next_u32() % 8 {
                0 => world.command(host, Command::Down { connection }),
                1 | 2 => world.command(host, Command::Up { connection }),
                3 => {
                    let what = Rekey::Children;
                    world.command(host, Command::Rekey { connection, what });
                }
                4 => {
                    let what = Rekey::Ike;
                    world.command(host, Command::Rekey { connection, what });
                }
                5 => {
                    let without = (rng.next_u32() % 6) as usize;
                    let psk = if rng.next_u32().is_multiple_of(2) { "one" } else { "two" };
                    let policy = Arc::new(all(host, psk, Some(without)));
                    let sent = world.hosts[host].feed(world.now, Input::Policy(policy));
                    sent.into_iter().for_each(|t| world.network.send(world.now, t));
                }
                _ => {}
            }
            world.run(Duration::from_millis(u64::from(rng.next_u32() % 3000)));
        }
        // Nothing is left in it when nothing is left.
        for host in [0, 1] {
            world.command(host, Command::Shutdown);
        }
        world.run(MINUTE);
        world.network.faults.cut = true;
        world.run(5 * MINUTE);
        for host in &world.hosts {
            assert_eq!(host.engine.sa_count(), 0, "{seed}");
            let index = host.engine.sizes().into_iter().find(|(name, _)| *name == "index");
            assert_eq!(index, Some(("index", 0)), "{seed}");
        }
    }
}
