//! IKEv1 between two engines: both modes of phase 1, quick mode, rekeys of either phase, through loss and disorder.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_crypto::secret::Secret;
use handfast_engine::policy::{Connection, Versions};
use handfast_engine::{Command, Event, Rekey};
use handfast_sim::pair::{MINUTE, both_up, disagreement, named, nothing_left, up, world_with};
use handfast_sim::policies::{address, connection, parsed, policy};
use handfast_sim::{Faults, Host, World};

const SECOND: Duration = Duration::from_secs(1);

fn v1(connection: &mut Connection) {
    connection.versions = Versions::One;
    connection.ike = vec![parsed("aes128-sha256-ecp256")];
    child(connection, |c| {
        c.esp = vec![parsed("aes128gcm16"), parsed("aes128-sha256")]
    });
}

fn child(connection: &mut Connection, change: impl Fn(&mut handfast_engine::policy::ChildPolicy)) {
    let mut child = (*connection.children[0]).clone();
    change(&mut child);
    connection.children = vec![child.into()];
}

fn count(world: &World, host: usize, wanted: impl Fn(&Event) -> bool) -> usize {
    world.hosts[host].count(wanted)
}

fn downs(world: &World, host: usize) -> usize {
    count(world, host, |e| matches!(e, Event::ConnectionDown { .. }))
}

fn ike_rekeys(world: &World, host: usize) -> usize {
    count(world, host, |e| matches!(e, Event::IkeRekeyed { .. }))
}

fn child_rekeys(world: &World, host: usize) -> usize {
    count(world, host, |e| matches!(e, Event::ChildRekeyed { .. }))
}

#[test]
fn both_modes_bring_the_same_keys_to_both_ends() {
    for aggressive in [false, true] {
        for esp in ["aes128gcm16", "aes128-sha256-ecp256"] {
            let mut world = world_with(1, |_, c| {
                v1(c);
                c.aggressive = aggressive;
                child(c, |c| c.esp = vec![parsed(esp)]);
            });
            up(&mut world);
            for (here, there) in [(0, 1), (1, 0)] {
                let out = world.hosts[here].outbound.values().next().unwrap();
                let inn = world.hosts[there].inbound.values().next().unwrap();
                assert_eq!(out.spi, inn.spi);
                assert_eq!(out.keys.encr.as_bytes(), inn.keys.encr.as_bytes());
                assert_eq!(out.keys.integ.as_bytes(), inn.keys.integ.as_bytes());
                assert_eq!(out.local_ts, inn.remote_ts);
            }
            let messages = |w: &World| count(w, 0, |e| matches!(e, Event::Message { .. }));
            assert_eq!(messages(&world), if aggressive { 6 } else { 9 });
            world.command(0, named(false));
            assert!(world.run_until(MINUTE, nothing_left));
        }
    }
}

#[test]
fn a_lossy_network_only_delays() {
    for seed in 0..30 {
        let mut world = world_with(seed, |_, c| {
            v1(c);
            c.aggressive = seed % 2 == 1;
        });
        world.network.faults = Faults {
            loss: 20,
            repeat: 20,
            late: 20,
            ..Faults::default()
        };
        up(&mut world);
        world.network.faults = Faults::default();
        world.run(5 * SECOND);
        assert_eq!(disagreement(&world), None, "seed {seed}");
    }
}

#[test]
fn a_repeated_message_never_runs_its_exchange_twice() {
    let mut world = world_with(3, |_, c| v1(c));
    world.network.faults.repeat = 100;
    up(&mut world);
    world.run(10 * SECOND);
    for host in [0, 1] {
        assert_eq!(count(&world, host, |e| matches!(e, Event::IkeEstablished { .. })), 1);
        assert_eq!(count(&world, host, |e| matches!(e, Event::ChildEstablished { .. })), 1);
    }
    assert_eq!(disagreement(&world), None);
}

#[test]
fn either_side_replaces_either_phase_and_the_tunnel_stays() {
    for begins in [0, 1] {
        let mut world = world_with(4, |i, c| {
            v1(c);
            if i == begins {
                c.rekey = 100 * SECOND;
                child(c, |c| c.rekey = 70 * SECOND);
            }
        });
        up(&mut world);
        world.run(1000 * SECOND);
        for host in [0, 1] {
            assert!(
                (9..=14).contains(&ike_rekeys(&world, host)),
                "{}",
                ike_rekeys(&world, host)
            );
            assert!(child_rekeys(&world, host) >= 12, "{}", child_rekeys(&world, host));
            assert!(downs(&world, host) <= 1, "never down");
        }
        let whole = |w: &World| disagreement(w).is_none();
        assert!(world.run_until(60 * SECOND, whole), "{:?}", disagreement(&world));
    }
}

#[test]
fn rekeys_that_cross_leave_one_pair() {
    for seed in 0..20 {
        let mut world = world_with(seed, |_, c| v1(c));
        up(&mut world);
        for what in [Rekey::Children, Rekey::Ike, Rekey::Children] {
            for host in [0, 1] {
                let connection = "office".to_string();
                world.command(host, Command::Rekey { connection, what });
            }
            world.run(50 * SECOND);
            assert_eq!(disagreement(&world), None, "seed {seed} after {what:?}");
        }
        assert!((0..2).all(|h| downs(&world, h) <= 1), "seed {seed}: never down");
    }
}

/// IKEv1 does not say what a quick mode is to replace. Whoever takes a rekey soon after its own for one that has crossed
/// it gives way once the peer deletes the other pair.
#[test]
fn a_rekey_soon_after_the_peers_leaves_one_pair_too() {
    for seed in 0..20 {
        let mut world = world_with(seed, |_, c| v1(c));
        up(&mut world);
        for (gap, first) in [(20, 0), (300, 1), (1500, 0), (4000, 1)] {
            for host in [first, 1 - first] {
                let (connection, what) = ("office".to_string(), Rekey::Children);
                world.command(host, Command::Rekey { connection, what });
                world.run(Duration::from_millis(gap));
            }
            for _ in 0..100 {
                world.run(SECOND / 4);
                for (here, there) in [(0, 1), (1, 0)] {
                    let receives = |spi: u32| world.hosts[there].inbound.values().any(|sa| sa.spi == spi);
                    let reaches = world.hosts[here].outbound.values().any(|sa| receives(sa.spi));
                    assert!(reaches, "seed {seed}, {gap} ms: {here} does not reach {there}");
                }
            }
            assert_eq!(disagreement(&world), None, "seed {seed} after {gap} ms");
        }
        assert!((0..2).all(|h| downs(&world, h) <= 1), "seed {seed}: never down");
    }
}

#[test]
fn loss_and_disorder_leave_one_sa_and_one_pair() {
    for seed in 0..20 {
        let mut world = world_with(seed, |_, c| {
            v1(c);
            c.rekey = 90 * SECOND;
            child(c, |c| c.rekey = 60 * SECOND);
        });
        up(&mut world);
        world.network.faults = Faults {
            loss: 10,
            repeat: 10,
            late: 10,
            ..Faults::default()
        };
        world.run(900 * SECOND);
        world.network.faults = Faults::default();
        let whole = |w: &World| disagreement(w).is_none();
        assert!(
            world.run_until(240 * SECOND, whole),
            "seed {seed}: {:?}\n{:#?}",
            disagreement(&world),
            world.hosts[0].events.iter().rev().take(30).collect::<Vec<_>>()
        );
        assert!(child_rekeys(&world, 0) > 10, "seed {seed}");
        for host in &world.hosts {
            assert!(
                host.engine.sizes().iter().all(|(_, n)| *n < 80),
                "{:?}",
                host.engine.sizes()
            );
        }
    }
}

#[test]
fn a_dead_peer_is_found_and_a_reborn_one_replaces_its_old_sa() {
    let mut world = world_with(5, |_, c| v1(c));
    up(&mut world);
    world.network.faults.cut = true;
    let before = downs(&world, 0);
    let found = |w: &World| downs(w, 0) > before;
    assert!(world.run_until(5 * MINUTE, found), "liveness by R-U-THERE");
    assert!(world.hosts[0].refusals().join("\n").contains("R-U-THERE"));
    world.network.faults.cut = false;
    assert!(world.run_until(2 * MINUTE, both_up), "connected again");
    // Host 0 dies without a word and is born again.
    world.hosts[0] = Host::new(99, vec![address(0)], {
        let mut connection = connection(0);
        v1(&mut connection);
        policy(connection)
    });
    up(&mut world);
    world.run(SECOND);
    assert_eq!(world.hosts[1].engine.sa_count(), 1, "INITIAL-CONTACT");
}

#[test]
fn a_wrong_secret_is_explained_on_both_sides() {
    for aggressive in [false, true] {
        let mut world = world_with(6, |i, c| {
            v1(c);
            c.aggressive = aggressive;
            if i == 1 {
                c.auth.psk = Secret::new(b"another".to_vec());
            }
        });
        world.command(0, named(true));
        world.run(MINUTE);
        for host in [0, 1] {
            let refusals = world.hosts[host].refusals().join("\n");
            // In aggressive mode the responder never gets a proof to judge; it is told.
            assert!(refusals.contains("secret"), "{aggressive} {host}: {refusals}");
            assert!(world.hosts[host].outbound.is_empty());
        }
    }
}

#[test]
fn what_does_not_meet_is_explained_on_both_sides() {
    type Change = fn(&mut Connection);
    let cases: [(&str, Change); 3] = [
        ("NO-PROPOSAL-CHOSEN", |c| c.ike = vec![parsed("aes256-sha512-ecp384")]),
        ("proposal", |c| child(c, |c| c.esp = vec![parsed("aes256gcm16")])),
        ("selectors", |c| child(c, |c| c.local_ts = vec![parsed("10.9.0.0/16")])),
    ];
    for (text, change) in cases {
        let mut world = world_with(7, |i, c| {
            v1(c);
            if i == 1 {
                change(c);
            }
        });
        world.command(0, named(true));
        world.run(MINUTE);
        let refusals = world.hosts[0].refusals().join("\n");
        assert!(refusals.contains(text), "{text}: {refusals}");
        let refusals = world.hosts[1].refusals().join("\n");
        assert!(refusals.contains("host1.toml"), "{text}: {refusals}");
        assert!(world.hosts.iter().all(|h| h.inbound.is_empty()), "{text}");
    }
}

#[test]
fn a_connection_of_either_version_answers_both() {
    for versions in [Versions::One, Versions::Two] {
        let mut world = world_with(8, |i, c| {
            v1(c);
            c.versions = if i == 0 { versions } else { Versions::Any };
        });
        up(&mut world);
        assert_eq!(disagreement(&world), None);
    }
    let mut world = world_with(8, |i, c| {
        v1(c);
        c.versions = if i == 0 { Versions::One } else { Versions::Two };
    });
    world.command(0, named(true));
    assert!(!world.run_until(MINUTE, both_up));
}

#[test]
fn the_shorter_lifetime_of_both_sides_rules() {
    for shorter in [0, 1] {
        let mut world = world_with(9, |i, c| {
            v1(c);
            child(c, |c| {
                c.rekey = Duration::ZERO;
                c.lifetime = if i == shorter { 100 * SECOND } else { 1000 * SECOND };
            });
        });
        up(&mut world);
        world.run(95 * SECOND);
        // Who lets it live longer was told, and has replaced it in time.
        assert!(
            child_rekeys(&world, 1 - shorter) >= 1,
            "host {shorter} lets it live shorter"
        );
        assert!((0..2).all(|h| downs(&world, h) <= 1), "never down");
    }
}
