//! Two engines, no socket, no clock: how SAs come up, stay up and end.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_crypto::secret::Secret;
use handfast_engine::policy::{Connection, Start};
use handfast_engine::{Command, Event};
use handfast_sim::pair::{MINUTE, both_up, nothing_left, up, world_with};
use handfast_sim::policies::{address, connection, parsed, policy};
use handfast_sim::{Host, World};
use handfast_store::SaStore;

fn is_down(event: &Event) -> bool {
    matches!(event, Event::ConnectionDown { .. })
}

#[test]
fn both_ends_hold_the_same_keys_and_selectors() {
    let mut world = world_with(1, |_, _| {});
    up(&mut world);
    let (a_out, b_in) = (
        world.hosts[0].outbound.values().next().unwrap(),
        world.hosts[1].inbound.values().next().unwrap(),
    );
    assert_eq!(a_out.spi, b_in.spi);
    assert_eq!(a_out.keys.encr.as_bytes(), b_in.keys.encr.as_bytes());
    assert_eq!(a_out.local_ts, b_in.remote_ts);
    let (a_in, b_out) = (
        world.hosts[0].inbound.values().next().unwrap(),
        world.hosts[1].outbound.values().next().unwrap(),
    );
    assert_eq!(a_in.spi, b_out.spi);
    assert_eq!(a_in.keys.encr.as_bytes(), b_out.keys.encr.as_bytes());
    assert_ne!(a_in.keys.encr.as_bytes(), a_out.keys.encr.as_bytes());
    // Four datagrams: two exchanges.
    assert_eq!(world.network.sent.len(), 4);
    let snapshot = world.hosts[0].store.snapshot();
    assert_eq!(snapshot.ike_sas.len(), 1);
    assert_eq!(snapshot.ike_sas[0].children.len(), 1);
}

#[test]
fn comes_up_through_loss_repetition_and_reordering() {
    for seed in 0..40 {
        let mut world = world_with(seed, |_, c| c.liveness = Duration::ZERO);
        world.network.faults.loss = 30;
        world.network.faults.repeat = 20;
        world.network.faults.late = 20;
        world.command(
            0,
            Command::Up {
                connection: "office".into(),
            },
        );
        assert!(
            world.run_until(10 * MINUTE, both_up),
            "seed {seed}: {:#?}",
            world.hosts[0].events
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_octets() {
    let run = |seed| {
        let mut world = world_with(seed, |_, _| {});
        up(&mut world);
        world.network.sent.into_iter().map(|t| t.bytes).collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn down_deletes_on_both_sides_and_stays_down() {
    for side in [0, 1] {
        let mut world = world_with(3, |_, _| {});
        up(&mut world);
        world.command(
            side,
            Command::Down {
                connection: "office".into(),
            },
        );
        assert!(world.run_until(MINUTE, nothing_left));
        world.hosts[side].events.clear();
        world.run(5 * MINUTE);
        assert_eq!(
            world.hosts[side].count(|e| matches!(e, Event::ConnectionUp { .. })),
            usize::from(side == 1)
        );
    }
}

#[test]
fn a_connection_that_should_be_up_comes_back_after_the_peer_deletes_it() {
    let mut world = world_with(4, |i, c| c.start = if i == 0 { Start::Now } else { Start::Wait });
    assert!(world.run_until(MINUTE, both_up));
    world.command(
        1,
        Command::Down {
            connection: "office".into(),
        },
    );
    assert!(world.run_until(MINUTE, nothing_left));
    assert!(world.run_until(MINUTE, both_up), "{:#?}", world.hosts[0].events);
}

#[test]
fn both_may_begin_at_once() {
    let mut world = world_with(5, |_, c| c.start = Start::Now);
    let up = |w: &World| {
        w.hosts
            .iter()
            .all(|h| !h.outbound.is_empty() && h.outbound.len() == h.inbound.len())
    };
    assert!(world.run_until(MINUTE, up));
    world.run(10 * MINUTE);
    assert!(up(&world));
    assert!(world.hosts.iter().all(|h| h.outbound.len() <= 2), "SAs multiply");
}

#[test]
fn an_attempt_is_on_record_while_it_lasts() {
    let mut world = world_with(18, |_, _| {});
    world.network.faults.cut = true;
    world.command(
        0,
        Command::Up {
            connection: "office".into(),
        },
    );
    let snapshot = world.hosts[0].store.snapshot();
    assert_eq!(snapshot.ike_sas.len(), 1);
    let facts = &snapshot.ike_sas[0].facts;
    assert_eq!(
        (facts.state.as_str(), facts.remote.address.as_str()),
        ("connecting", "192.0.2.2")
    );
    assert!(world.run_until(10 * MINUTE, |w| w.hosts[0].count(is_down) > 1));
    assert_eq!(world.hosts[0].store.snapshot().ike_sas.len(), 0);
}

#[test]
fn the_peer_that_comes_first_is_enough() {
    let mut world = world_with(17, |_, c| c.start = Start::Now);
    // Host 0 begins while host 1 is not there.
    world.network.faults.cut = true;
    world.hosts[0].feed(world.now, handfast_engine::Input::Timer);
    world.run(Duration::from_millis(100));
    world.network.faults.cut = false;
    let connected = |w: &World| w.hosts.iter().all(|h| !h.outbound.is_empty());
    // Host 1 restarts and connects by itself before host 0 sends again, or the other way round.
    let fresh = {
        let mut c = connection(1);
        c.start = Start::Now;
        c
    };
    world.hosts[1] = Host::new(50, vec![address(1)], policy(fresh));
    assert!(world.run_until(MINUTE, connected));
    world.run(Duration::from_secs(10));
    for host in &world.hosts {
        assert_eq!(host.count(|e| matches!(e, Event::ConnectionUp { .. })), 1);
        assert_eq!(host.count(|e| matches!(e, Event::ChildGone { .. })), 0);
    }
}

#[test]
fn a_dead_peer_is_noticed_and_connected_again() {
    let mut world = world_with(6, |_, c| c.start = Start::Now);
    assert!(world.run_until(MINUTE, |w| w.hosts.iter().all(|h| !h.outbound.is_empty())));
    world.network.faults.cut = true;
    assert!(world.run_until(10 * MINUTE, |w| w.hosts.iter().all(|h| h.outbound.is_empty())));
    assert!(
        world.hosts[0]
            .refusals()
            .iter()
            .any(|r| r.contains("no INFORMATIONAL response")),
        "{:?}",
        world.hosts[0].refusals()
    );
    world.network.faults.cut = false;
    assert!(world.run_until(5 * MINUTE, |w| w.hosts.iter().all(|h| !h.outbound.is_empty())));
}

#[test]
fn traffic_counts_as_life() {
    let mut world = world_with(9, |_, _| {});
    up(&mut world);
    let sent = world.network.sent.len();
    for _ in 0..10 {
        world.hosts.iter_mut().for_each(|h| h.counters.packets_in += 1);
        world.run(Duration::from_secs(25));
    }
    assert_eq!(world.network.sent.len(), sent, "no probe while packets arrive");
    world.run(2 * MINUTE);
    assert!(world.network.sent.len() > sent, "probes when none do");
}

#[test]
fn a_wrong_secret_is_explained_on_both_sides() {
    let mut world = world_with(10, |i, c| {
        if i == 1 {
            c.auth.psk = Secret::new(b"something else".to_vec());
        }
    });
    world.command(
        0,
        Command::Up {
            connection: "office".into(),
        },
    );
    assert!(world.run_until(MINUTE, |w| w.hosts[0].count(is_down) > 1));
    let (a, b) = (
        world.hosts[0].refusals().join("\n"),
        world.hosts[1].refusals().join("\n"),
    );
    assert!(
        a.contains("AUTHENTICATION_FAILED") && a.contains("secrets differ") && a.contains("host0.toml:1"),
        "{a}"
    );
    assert!(b.contains("authentication failed") && b.contains("host1.toml:1"), "{b}");
    assert!(!a.contains("something else") && !b.contains("something else"));
    assert!(world.hosts.iter().all(|h| h.inbound.is_empty()));
}

#[test]
fn every_kind_of_mismatch_is_named_by_the_side_that_refuses() {
    type Change = fn(&mut Connection);
    let cases: [(&str, &str, Change); 4] = [
        ("no proposal in common for the IKE SA", "NO_PROPOSAL_CHOSEN", |c| {
            c.ike = vec![parsed("aes256gcm16-prfsha384-x25519")]
        }),
        ("identity is not the expected one", "AUTHENTICATION_FAILED", |c| {
            c.remote_id = parsed("c.test")
        }),
        (
            "no proposal in common for the child SA",
            "no proposal in common for the child SA",
            |c| {
                let mut child = (*c.children[0]).clone();
                child.esp = vec![parsed("chacha20poly1305")];
                c.children = vec![child.into()];
            },
        ),
        ("selectors do not meet", "selectors do not meet", |c| {
            let mut child = (*c.children[0]).clone();
            child.remote_ts = vec![parsed("10.9.0.0/16")];
            c.children = vec![child.into()];
        }),
    ];
    for (here, there, change) in cases {
        let mut world = world_with(11, |i, c| {
            if i == 1 {
                change(c)
            }
        });
        world.command(
            0,
            Command::Up {
                connection: "office".into(),
            },
        );
        assert!(world.run_until(MINUTE, |w| w.hosts[0].count(is_down) > 1), "{here}");
        let (a, b) = (
            world.hosts[0].refusals().join("\n"),
            world.hosts[1].refusals().join("\n"),
        );
        assert!(b.contains(here) && b.contains("would be accepted"), "{here}: {b}");
        assert!(a.contains(there) && a.contains("offered"), "{there}: {a}");
        assert!(world.hosts.iter().all(|h| h.inbound.is_empty()), "{here}");
    }
}

#[test]
fn without_a_data_path_nothing_is_established() {
    for broken in [0, 1] {
        let mut world = world_with(12, |_, _| {});
        world.hosts[broken].plane_broken = true;
        world.command(
            0,
            Command::Up {
                connection: "office".into(),
            },
        );
        assert!(world.run_until(MINUTE, |w| w.hosts[0].count(is_down) > 1));
        // The side that can install may be up until the other tells it, never longer.
        assert_eq!(
            world.hosts[broken].count(|e| matches!(e, Event::ConnectionUp { .. })),
            0
        );
        world.command(
            0,
            Command::Down {
                connection: "office".into(),
            },
        );
        assert!(world.run_until(Duration::from_secs(20), nothing_left));
        assert!(world.hosts[broken].refusals().join("\n").contains("out of order"));
    }
}

#[test]
fn the_responders_choice_of_group_is_followed() {
    // The seeded provider has one group only, so the wish for another is refused by the initiator's offer.
    let mut world = world_with(13, |i, c| {
        c.ike = vec![parsed(if i == 0 {
            "aes128gcm16-prfsha256-x25519"
        } else {
            "aes128gcm16-prfsha256-ecp256"
        })];
    });
    world.command(
        0,
        Command::Up {
            connection: "office".into(),
        },
    );
    assert!(world.run_until(MINUTE, |w| w.hosts[0].count(is_down) > 1));
    assert!(world.hosts[0].refusals().join("\n").contains("NO_PROPOSAL_CHOSEN"));
}

#[test]
fn shutdown_says_goodbye() {
    let mut world = world_with(14, |_, _| {});
    up(&mut world);
    world.command(0, Command::Shutdown);
    assert!(world.run_until(MINUTE, |w| w.hosts[0].count(|e| matches!(e, Event::Idle)) == 1));
    assert!(world.run_until(MINUTE, nothing_left));
}

#[test]
fn shutdown_does_not_wait_for_the_dead() {
    let mut world = world_with(15, |_, _| {});
    up(&mut world);
    world.network.faults.cut = true;
    world.command(0, Command::Shutdown);
    assert!(world.run_until(
        Duration::from_secs(4),
        |w| w.hosts[0].count(|e| matches!(e, Event::Idle)) == 1
    ));
}

#[test]
fn a_reborn_peer_replaces_its_old_sa() {
    let mut world = world_with(16, |_, _| {});
    up(&mut world);
    world.run(Duration::from_secs(1));
    // Host 0 dies without a word and is born again.
    world.hosts[0] = Host::new(99, vec![address(0)], policy(connection(0)));
    up(&mut world);
    assert_eq!(world.hosts[1].engine.sa_count(), 1);
}

/// The policy of every child with this age of rekeying.
fn rekeying(c: &mut Connection, age: Duration, esp: &str) {
    let mut child = (*c.children[0]).clone();
    child.rekey = age;
    child.esp = vec![parsed(esp)];
    c.children = vec![child.into()];
}

fn rekeys(world: &World, host: usize) -> usize {
    world.hosts[host].count(|e| matches!(e, Event::ChildRekeyed { .. }))
}

#[test]
fn children_are_replaced_before_they_end_by_one_side() {
    for esp in ["aes128gcm16", "aes128gcm16-x25519"] {
        let mut world = world_with(30, |i, c| {
            let age = if i == 0 { 100 } else { 0 };
            rekeying(c, Duration::from_secs(age), esp);
        });
        up(&mut world);
        let first: Vec<u32> = world.hosts[0].inbound.values().map(|sa| sa.spi).collect();
        world.run(Duration::from_secs(1000));
        assert!((10..=14).contains(&rekeys(&world, 0)), "{esp}: {}", rekeys(&world, 0));
        assert!(both_up(&world), "{esp}: one pair each");
        let (out, inn) = (
            world.hosts[0].outbound.values().next().unwrap(),
            world.hosts[1].inbound.values().next().unwrap(),
        );
        assert_eq!((out.spi, out.keys.encr.as_bytes()), (inn.spi, inn.keys.encr.as_bytes()));
        assert!(!first.contains(&world.hosts[0].inbound.values().next().unwrap().spi));
        assert!(world.hosts.iter().all(|h| h.count(is_down) <= 1), "{esp}: never down");
    }
}

#[test]
fn both_sides_replace_children_through_loss() {
    for seed in 0..20 {
        let mut world = world_with(seed, |_, c| rekeying(c, Duration::from_secs(60), "aes128gcm16-x25519"));
        up(&mut world);
        world.network.faults.loss = 10;
        world.network.faults.repeat = 10;
        world.network.faults.late = 10;
        world.run(Duration::from_secs(1200));
        world.network.faults = handfast_sim::Faults::default();
        world.run(Duration::from_secs(5));
        assert!(rekeys(&world, 0) > 15, "seed {seed}: {}", rekeys(&world, 0));
        // One pair, or two while an old one overlaps; inbound SAs of deleted pairs drain for a while.
        for (here, there) in [(0, 1), (1, 0)] {
            let (here, there) = (&world.hosts[here], &world.hosts[there]);
            assert!((1..=2).contains(&here.outbound.len()), "seed {seed}");
            assert!((1..=4).contains(&here.inbound.len()), "seed {seed}");
            let open: Vec<u32> = there.inbound.values().map(|sa| sa.spi).collect();
            assert!(here.outbound.values().all(|sa| open.contains(&sa.spi)), "seed {seed}");
        }
    }
}
