//! Several children under one IKE SA, and what two ends agree on for each.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use handfast_engine::Event;
use handfast_engine::policy::{ChildPolicy, Connection};
use handfast_plane::op::Mode;
use handfast_sim::pair::{MINUTE, named, world_with};
use handfast_sim::policies::parsed;
use handfast_sim::{Faults, World};
use handfast_store::SaStore;

/// The connection's child with another name and, at the second host, another subnet.
fn child(c: &Connection, host: usize, name: &str, subnet: &str) -> ChildPolicy {
    let mut child = (*c.children[0]).clone();
    child.name = name.into();
    let changed = if host == 0 {
        &mut child.remote_ts
    } else {
        &mut child.local_ts
    };
    *changed = subnet.split(' ').map(parsed).collect();
    child
}

fn three(host: usize, c: &mut Connection) {
    let make = |(name, subnet)| Arc::new(child(c, host, name, subnet));
    c.children = [
        ("first", "10.2.0.0/16"),
        ("web", "10.3.0.0/16[tcp/443]"),
        ("voice", "10.4.0.0/16"),
    ]
    .map(make)
    .to_vec();
}

fn bring_up(world: &mut World) -> bool {
    world.command(0, named(true));
    world.run_until(MINUTE, |w| w.hosts[0].count(is_up) == 1)
}

fn is_up(event: &Event) -> bool {
    matches!(event, Event::ConnectionUp { .. })
}

/// Names of the children whose outbound SA a host's plane holds, each once for each SA.
fn names(world: &World, host: usize) -> Vec<String> {
    let mut names: Vec<String> = world.hosts[host].outbound.values().map(|sa| sa.name.clone()).collect();
    names.sort();
    names
}

/// Every SA that one plane sends on is one that the other receives on, with the same key.
fn assert_paired(world: &World) {
    for (here, there) in [(0, 1), (1, 0)] {
        for sa in world.hosts[here].outbound.values() {
            let other = world.hosts[there].inbound.values().find(|other| other.spi == sa.spi);
            let other = other.unwrap_or_else(|| panic!("{} of {here} has no receiver", sa.name));
            assert_eq!(other.keys.encr.as_bytes(), sa.keys.encr.as_bytes());
            assert_eq!((&other.local_ts, other.mode), (&sa.remote_ts, sa.mode));
            assert_eq!(other.suite, sa.suite);
        }
    }
}

#[test]
fn up_brings_all_children() {
    let mut world = world_with(1, three);
    assert!(bring_up(&mut world), "{:#?}", world.hosts[0].events);
    for host in 0..2 {
        assert_eq!(names(&world, host), ["first", "voice", "web"]);
        assert_eq!(world.hosts[host].engine.sa_count(), 1);
    }
    assert_paired(&world);
    let web = world.hosts[0].outbound.values().find(|sa| sa.name == "web").unwrap();
    assert_eq!(web.remote_ts[0].to_string(), "10.3.0.0/16[tcp/443]");
    // Two messages for each further child.
    assert_eq!(world.network.sent.len(), 4 + 4);
}

#[test]
fn each_child_but_the_first_tells_how_long_its_exchange_took() {
    let mut world = world_with(1, three);
    assert!(bring_up(&mut world));
    for host in &world.hosts {
        let took = |e: &Event| match e {
            Event::ChildEstablished { took, .. } => Some(*took),
            _ => None,
        };
        let took: Vec<_> = host.events.iter().filter_map(took).collect();
        assert_eq!(
            took.iter().map(Option::is_some).collect::<Vec<_>>(),
            [false, true, true]
        );
    }
    let facts = world.hosts[0].store.snapshot();
    let told = facts.ike_sas[0].children.iter().filter_map(|c| c.took_us);
    // There and back on a network that takes 5 to 15 milliseconds each way.
    assert!(told.clone().count() == 2 && told.clone().all(|us| (10_000..100_000).contains(&us)));
}

#[test]
fn children_come_through_loss_and_each_is_rekeyed_by_itself() {
    for seed in 0..10 {
        let mut world = world_with(seed, |host, c| {
            three(host, c);
            for (n, child) in c.children.iter_mut().enumerate() {
                let child = Arc::make_mut(child);
                child.rekey = Duration::from_secs(if host == 0 { 100 * (n as u64 + 1) } else { 0 });
                child.esp = vec![parsed("aes128gcm16-x25519")];
            }
        });
        world.network.faults.loss = 10;
        world.network.faults.repeat = 10;
        world.network.faults.late = 10;
        world.command(0, named(true));
        world.run(Duration::from_secs(1000));
        world.network.faults = Faults::default();
        world.run(Duration::from_secs(12));
        for host in 0..2 {
            let mut names = names(&world, host);
            names.dedup();
            assert_eq!(names, ["first", "voice", "web"], "seed {seed}");
        }
        assert_paired(&world);
        let made =
            |name: &str| world.hosts[0].count(|e| matches!(e, Event::ChildEstablished { name: n, .. } if n == name));
        assert!(made("first") > made("voice"), "seed {seed}");
    }
}

#[test]
fn children_beyond_the_bound_are_refused_and_asked_for_again() {
    let mut world = world_with(2, |host, c| {
        three(host, c);
        if host == 1 {
            c.max_children = 2;
        }
    });
    assert!(bring_up(&mut world), "up without the third");
    assert_eq!(names(&world, 0), ["first", "web"]);
    let (asked, refused) = (
        world.hosts[0].refusals().join("\n"),
        world.hosts[1].refusals().join("\n"),
    );
    assert!(asked.contains("NO_ADDITIONAL_SAS"), "{asked}");
    assert!(refused.contains("2 child SAs already"), "{refused}");
    world.run(3 * MINUTE);
    assert!(
        (2..=5).contains(&world.hosts[1].refusals().len()),
        "{:?}",
        world.hosts[1].refusals()
    );
    assert_eq!(world.hosts[0].engine.sa_count(), 1);
}

#[test]
fn a_child_that_the_peer_does_not_have_is_refused_alone() {
    let mut world = world_with(3, |host, c| {
        three(host, c);
        if host == 1 {
            c.children.remove(1);
        }
    });
    assert!(bring_up(&mut world));
    assert_eq!(names(&world, 0), ["first", "voice"]);
    let refused = world.hosts[1].refusals().join("\n");
    assert!(
        refused.contains("10.3.0.0/16[tcp/443]") && refused.contains("do not meet"),
        "{refused}"
    );
    let told = world.hosts[0].refusals().join("\n");
    assert!(told.contains("10.3.0.0/16[tcp/443]"), "{told}");
}

#[test]
fn the_children_move_with_the_ike_sa_and_missing_ones_are_still_asked_for() {
    for (rekeys, seed) in [(0, 4), (1, 5)] {
        let mut world = world_with(seed, |host, c| {
            three(host, c);
            if host == rekeys {
                c.rekey = Duration::from_secs(100);
            }
            if host == 1 {
                c.max_children = 2;
            }
        });
        assert!(bring_up(&mut world));
        world.run(Duration::from_secs(500));
        assert!(world.hosts[0].count(|e| matches!(e, Event::IkeRekeyed { .. })) >= 3);
        assert_eq!(names(&world, 0), ["first", "web"]);
        assert_paired(&world);
        assert!(world.hosts[1].refusals().len() >= 5, "{:?}", world.hosts[1].refusals());
    }
}

#[test]
fn extended_sequence_numbers_where_both_allow_them() {
    for (ours, theirs, esn) in [
        ("aes128gcm16-esn-noesn", "aes128gcm16-esn-noesn", Some(true)),
        ("aes128gcm16-esn-noesn", "aes128gcm16", Some(false)),
        ("aes128gcm16", "aes128gcm16-esn-noesn", Some(false)),
        ("aes128gcm16-esn", "aes128gcm16-esn-noesn", Some(true)),
        ("aes128gcm16-esn", "aes128gcm16", None),
    ] {
        let mut world = world_with(6, |host, c| {
            Arc::make_mut(&mut c.children[0]).esp = vec![parsed(if host == 0 { ours } else { theirs })];
        });
        let up = bring_up(&mut world);
        let agreed = world.hosts[0].outbound.values().next().map(|sa| sa.suite.esn);
        assert_eq!(agreed.filter(|_| up), esn, "{ours} {theirs}");
        assert_paired(&world);
    }
}

#[test]
fn selectors_are_narrowed_to_what_both_allow() {
    let mut world = world_with(7, |host, c| {
        let wide = "10.2.0.0/16 10.3.0.0/16[udp/1000-2000] 2001:db8::/32";
        let narrow = "10.2.5.0/24 10.3.1.0/24[udp/1500-3000] 10.9.0.0/16";
        let mut one = child(c, host, "office", if host == 0 { wide } else { narrow });
        if host == 0 {
            one.local_ts.push(parsed("2001:db8:1::/48"));
        }
        c.children = vec![one.into()];
    });
    assert!(bring_up(&mut world));
    let sa = world.hosts[0].outbound.values().next().unwrap();
    let text: Vec<String> = sa.remote_ts.iter().map(ToString::to_string).collect();
    assert_eq!(text, ["10.2.5.0/24", "10.3.1.0/24[udp/1500-2000]"]);
    assert_paired(&world);
}

#[test]
fn a_peer_that_wants_single_pairs_is_explained() {
    let mut world = world_with(8, |host, c| Arc::make_mut(&mut c.children[0]).single_pair = host == 1);
    assert!(!bring_up(&mut world));
    let told = world.hosts[0].refusals().join("\n");
    assert!(
        told.contains("SINGLE_PAIR_REQUIRED") && told.contains("each pair of addresses"),
        "{told}"
    );
    let refused = world.hosts[1].refusals().join("\n");
    assert!(refused.contains("one address at each end"), "{refused}");

    let mut world = world_with(9, |host, c| {
        let one = Arc::make_mut(&mut c.children[0]);
        one.single_pair = host == 1;
        if host == 0 {
            (one.local_ts, one.remote_ts) = (vec![parsed("10.1.0.7")], vec![parsed("10.2.0.9")]);
        }
    });
    assert!(bring_up(&mut world));
    assert_paired(&world);
}

/// Transport mode between the hosts themselves.
fn transport(c: &mut Connection, mode: Mode, or_tunnel: bool) {
    let child = Arc::make_mut(&mut c.children[0]);
    (child.mode, child.or_tunnel) = (mode, or_tunnel);
    (child.local_ts, child.remote_ts) = (vec![parsed("[tcp]")], vec![parsed("[tcp]")]);
}

#[test]
fn transport_mode_where_both_want_it_and_a_tunnel_where_that_does() {
    for (ours, theirs, agreed) in [
        (
            (Mode::Transport, false),
            (Mode::Transport, false),
            Some(Mode::Transport),
        ),
        ((Mode::Transport, true), (Mode::Tunnel, false), Some(Mode::Tunnel)),
        ((Mode::Tunnel, false), (Mode::Transport, true), Some(Mode::Tunnel)),
        ((Mode::Tunnel, false), (Mode::Transport, false), None),
        ((Mode::Transport, false), (Mode::Tunnel, false), None),
    ] {
        let mut world = world_with(10, |host, c| {
            let (mode, or_tunnel) = if host == 0 { ours } else { theirs };
            transport(c, mode, or_tunnel);
        });
        let up = bring_up(&mut world);
        assert_eq!(
            up,
            agreed.is_some(),
            "{ours:?} {theirs:?} {:?}",
            world.hosts[0].refusals()
        );
        if let Some(agreed) = agreed {
            let sa = world.hosts[0].outbound.values().next().unwrap();
            assert_eq!(sa.mode, agreed);
            assert_eq!(sa.remote_ts[0].to_string(), "192.0.2.2/32[tcp]");
            assert_paired(&world);
        } else {
            assert!(
                world
                    .hosts
                    .iter()
                    .flat_map(|h| h.refusals())
                    .any(|r| r.contains("tunnel mode"))
            );
        }
    }
}

/// The peer grants a tunnel in CREATE_CHILD_SA: it is deleted there again (RFC 7296 section 1.3.1), and all else stays.
#[test]
fn a_further_child_of_the_wrong_mode_is_deleted_with_the_peer() {
    let mut world = world_with(11, |host, c| {
        let first = child(c, host, "first", "10.2.0.0/16");
        transport(c, if host == 0 { Mode::Transport } else { Mode::Tunnel }, false);
        c.children.insert(0, first.into());
        Arc::make_mut(&mut c.children[1]).name = "hosts".into();
    });
    assert!(bring_up(&mut world), "up without it");
    world.run(Duration::from_secs(5));
    for host in 0..2 {
        assert_eq!(names(&world, host), ["first"]);
        assert_eq!(world.hosts[host].engine.sa_count(), 1);
    }
    assert!(
        world.hosts[0]
            .refusals()
            .join("\n")
            .contains("the peer grants a tunnel")
    );
}

#[test]
fn transport_mode_is_rekeyed_in_transport_mode() {
    let mut world = world_with(12, |host, c| {
        transport(c, Mode::Transport, false);
        Arc::make_mut(&mut c.children[0]).rekey = Duration::from_secs(if host == 0 { 100 } else { 0 });
    });
    assert!(bring_up(&mut world));
    world.run(Duration::from_secs(1000));
    assert!(world.hosts[1].count(|e| matches!(e, Event::ChildRekeyed { .. })) >= 8);
    assert!(
        world
            .hosts
            .iter()
            .all(|h| h.outbound.values().all(|sa| sa.mode == Mode::Transport))
    );
    assert_paired(&world);
}
