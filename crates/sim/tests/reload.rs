//! A configuration that is read again: what did not change goes on, what did is obeyed or begun anew.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use handfast_crypto::secret::Secret;
use handfast_engine::policy::{ChildPolicy, Connection, Policy, Remote, Start, UdpEncapsulation};
use handfast_engine::reload::{Effect, differences};
use handfast_engine::{Command, Event, Input, Rekey, Transmit};
use handfast_plane::op::ChildId;
use handfast_sim::pair::MINUTE;
use handfast_sim::policies::{address, connection, parsed, policy};
use handfast_sim::{Host, World};
use handfast_store::SaStore;

const SOON: Duration = Duration::from_secs(1);

/// A second connection between the same hosts, under other names.
fn lab(host: usize) -> Connection {
    let mut c = connection(host);
    let name = |h| if h == 0 { "lab-a.test" } else { "lab-b.test" };
    let subnet = |h| vec![parsed(if h == 0 { "10.3.0.0/16" } else { "10.4.0.0/16" })];
    c.name = "lab".into();
    c.local_id = parsed(name(host));
    c.remote_id = parsed(name(1 - host));
    child(&mut c, |child| {
        child.name = "lab".into();
        (child.local_ts, child.remote_ts) = (subnet(host), subnet(1 - host));
    });
    c
}

fn child(c: &mut Connection, change: impl FnOnce(&mut ChildPolicy)) {
    let mut child = (*c.children[0]).clone();
    change(&mut child);
    c.children = vec![Arc::new(child)];
}

/// Both connections; `change` may touch "office".
fn policy_of(host: usize, change: impl Fn(usize, &mut Connection)) -> Policy {
    let (mut office, mut lab) = (connection(host), lab(host));
    if host == 0 {
        (office.start, lab.start) = (Start::Now, Start::Now);
    }
    change(host, &mut office);
    let mut policy = policy(office);
    policy.connections.push(Arc::new(lab));
    policy
}

/// Two hosts with both connections up.
fn world(seed: u64, change: impl Fn(usize, &mut Connection)) -> World {
    let host = |i: usize| Host::new(seed as u8 ^ (i as u8 + 1), vec![address(i)], policy_of(i, &change));
    let mut world = World::new(seed, vec![host(0), host(1)]);
    assert!(world.run_until(MINUTE, all_up), "{:#?}", world.hosts[0].events);
    world.run(SOON);
    for host in &mut world.hosts {
        host.events.clear();
    }
    world
}

fn all_up(world: &World) -> bool {
    world
        .hosts
        .iter()
        .all(|h| h.outbound.len() == 2 && h.inbound.len() == 2)
}

fn reload(world: &mut World, host: usize, policy: Policy) -> Vec<Transmit> {
    let sent = world.hosts[host].feed(world.now, Input::Policy(Arc::new(policy)));
    for transmit in sent.clone() {
        world.network.send(world.now, transmit);
    }
    sent
}

/// Inbound children of a name.
fn children(world: &World, host: usize, name: &str) -> Vec<(ChildId, u32)> {
    let all = world.hosts[host].inbound.values();
    all.filter(|sa| sa.name == name).map(|sa| (sa.child, sa.spi)).collect()
}

fn told_of(host: &Host, name: &str) -> Vec<String> {
    let text = |e: &Event| match e {
        Event::ConnectionUp { connection } if connection == name => Some("up".to_string()),
        Event::ConnectionDown { connection, reason, .. } if connection == name => Some(reason.clone()),
        _ => None,
    };
    host.events.iter().filter_map(text).collect()
}

#[test]
fn the_same_again_sends_nothing() {
    let mut world = world(1, |_, _| {});
    for host in [0, 1] {
        let before = (children(&world, host, "office"), children(&world, host, "lab"));
        assert!(reload(&mut world, host, policy_of(host, |_, _| {})).is_empty());
        assert_eq!(
            before,
            (children(&world, host, "office"), children(&world, host, "lab"))
        );
    }
    world.run(SOON);
    assert!(
        world.hosts.iter().all(|h| h.events.is_empty()),
        "{:#?}",
        world.hosts[0].events
    );
}

/// Each setting that was negotiated or proved, changed at both ends: begun anew at once, and the other never hears of it.
#[test]
fn what_was_negotiated_is_begun_anew_and_the_other_connection_is_not_touched() {
    type Change = fn(usize, &mut Connection);
    let cases: [(&str, Change); 9] = [
        ("local", |_, c| c.local = vec![]),
        ("remote", |i, c| {
            if i == 1 {
                c.remote = Remote::Any;
            }
        }),
        ("local_id", |i, c| {
            if i == 0 {
                c.local_id = parsed("c.test");
            } else {
                c.remote_id = parsed("c.test");
            }
        }),
        ("remote_id", |_, c| c.remote_id = parsed("*.test")),
        ("secret", |_, c| c.auth.psk = Secret::new(b"another secret".to_vec())),
        ("ike", |_, c| c.ike = vec![parsed("aes256gcm16-prfsha384-x25519")]),
        ("udp_encapsulation", |_, c| {
            c.udp_encapsulation = UdpEncapsulation::Always
        }),
        ("esp", |_, c| child(c, |child| child.esp = vec![parsed("aes256gcm16")])),
        ("subnet", |i, c| {
            child(c, |child| {
                let narrow = vec![parsed("10.1.7.0/24")];
                if i == 0 {
                    child.local_ts = narrow;
                } else {
                    child.remote_ts = narrow;
                }
            })
        }),
    ];
    for (seed, (what, change)) in (10..).zip(cases) {
        let mut world = world(seed, |_, _| {});
        let lab = [0, 1].map(|h| children(&world, h, "lab"));
        let office = [0, 1].map(|h| children(&world, h, "office"));
        reload(&mut world, 1, policy_of(1, change));
        reload(&mut world, 0, policy_of(0, change));
        assert!(
            world.run_until(3 * SOON, |w| all_up(w)
                && [0, 1].iter().all(|h| children(w, *h, "office") != office[*h])),
            "{what}: {:#?}",
            world.hosts[0].events
        );
        assert_eq!(lab, [0, 1].map(|h| children(&world, h, "lab")), "{what}");
        for host in &world.hosts {
            assert!(told_of(host, "lab").is_empty(), "{what}: {:?}", told_of(host, "lab"));
        }
        let told = told_of(&world.hosts[0], "office");
        // Whose deletion is first is a matter of chance.
        let reasons = ["its settings changed", "deleted by the peer"];
        assert!(told.iter().any(|t| reasons.contains(&t.as_str())), "{what}: {told:?}");
        assert_eq!(told.last().unwrap(), "up", "{what}");
    }
}

#[test]
fn what_needs_no_negotiation_is_obeyed_without_a_message() {
    let change = |_: usize, c: &mut Connection| {
        c.liveness = Duration::from_secs(5);
        c.keepalive = Duration::from_secs(7);
        c.retransmit.first = Duration::from_millis(100);
        c.retransmit.tries = 2;
        c.remote_port = 500;
        c.place = "host0.toml:99".into();
        child(c, |child| child.place = "host0.toml:99".into());
    };
    let mut world = world(30, |_, _| {});
    let before = children(&world, 0, "office");
    assert!(reload(&mut world, 0, policy_of(0, change)).is_empty());
    assert_eq!(before, children(&world, 0, "office"));
    // Dead after 5 s of silence and some tenths, and the refusal names the line as it is now.
    world.network.faults.cut = true;
    assert!(world.run_until(Duration::from_secs(7), |w| !told_of(&w.hosts[0], "office").is_empty()));
    let refusals = world.hosts[0].refusals();
    assert!(refusals[0].contains("see host0.toml:99"), "{refusals:?}");
    assert!(told_of(&world.hosts[0], "lab").is_empty());
}

#[test]
fn a_new_age_counts_for_children_that_stand() {
    let change = |_: usize, c: &mut Connection| {
        c.rekey = 5 * MINUTE;
        child(c, |child| child.rekey = Duration::from_secs(20));
    };
    let mut world = world(31, |_, _| {});
    let rekey_of = |world: &World| {
        let snapshot = world.hosts[0].store.snapshot();
        let mut office = snapshot
            .ike_sas
            .iter()
            .filter(|s| s.facts.connection.as_deref() == Some("office"));
        let sa = office.next().unwrap();
        (sa.facts.rekey_ms.is_some(), sa.children[0].rekey_ms.is_some())
    };
    let replaced = |world: &World| world.hosts[0].count(|e| matches!(e, Event::IkeRekeyed { .. }));
    assert_eq!(rekey_of(&world), (false, false));
    let (office, lab) = (children(&world, 0, "office"), children(&world, 0, "lab"));
    assert!(reload(&mut world, 0, policy_of(0, change)).is_empty());
    assert_eq!(rekey_of(&world), (true, true), "the status does not show it");
    world.run(Duration::from_secs(30));
    assert_ne!(office, children(&world, 0, "office"));
    assert_eq!(lab, children(&world, 0, "lab"));
    assert!(world.run_until(6 * MINUTE, |w| replaced(w) == 1));
    assert!(told_of(&world.hosts[0], "office").is_empty());
    // And never again.
    world.run(SOON);
    reload(&mut world, 0, policy_of(0, |_, _| {}));
    // One that was being replaced goes first.
    world.run(10 * SOON);
    let office = children(&world, 0, "office");
    world.run(10 * MINUTE);
    assert_eq!(office, children(&world, 0, "office"));
    assert_eq!(replaced(&world), 1);
}

/// Keys and plane take their time, and the settings change at any moment of a rekey.
#[test]
fn a_child_that_is_being_made_obeys_the_new_settings() {
    let change = |_: usize, c: &mut Connection| child(c, |child| child.rekey = 10 * MINUTE);
    for delay in 0..15 {
        let mut world = world(40 + delay, |_, _| {});
        let before = [0, 1].map(|h| children(&world, h, "office"));
        for host in &mut world.hosts {
            host.lag = Duration::from_millis(20);
        }
        let (connection, what) = ("office".to_string(), Rekey::Children);
        world.command(0, Command::Rekey { connection, what });
        world.run(Duration::from_millis(10 * delay));
        for host in [0, 1] {
            reload(&mut world, host, policy_of(host, change));
        }
        world.run(10 * SOON);
        for (host, before) in before.iter().enumerate() {
            assert_ne!(*before, children(&world, host, "office"), "{delay}");
            let snapshot = world.hosts[host].store.snapshot();
            let of = |s: &&handfast_store::snapshot::IkeSaEntry| s.facts.connection.as_deref() == Some("office");
            let office = snapshot.ike_sas.iter().find(of).unwrap();
            assert_eq!(office.children.len(), 1, "{delay}");
            assert!(office.children[0].rekey_ms.is_some(), "{delay}: {:#?}", office.children);
        }
    }
}

#[test]
fn one_that_is_gone_is_deleted_with_the_peer_and_a_new_one_begins() {
    let mut world = world(32, |_, _| {});
    let lab = children(&world, 0, "lab");
    let mut without = policy_of(0, |_, _| {});
    without.connections.remove(0);
    reload(&mut world, 0, without);
    world.run(SOON);
    for host in [0, 1] {
        assert!(children(&world, host, "office").is_empty());
    }
    assert!(
        world.hosts[0]
            .store
            .snapshot()
            .connections_down
            .iter()
            .all(|d| d.connection != "office")
    );
    reload(&mut world, 0, policy_of(0, |_, _| {}));
    assert!(world.run_until(SOON, all_up));
    assert_eq!(lab, children(&world, 0, "lab"));
    assert!(told_of(&world.hosts[0], "lab").is_empty());
}

#[test]
fn a_mended_secret_is_tried_at_once() {
    let wrong = |i: usize, c: &mut Connection| {
        if i == 0 {
            c.auth.psk = Secret::new(b"mistyped".to_vec());
        }
    };
    let host = |i: usize| Host::new(i as u8 + 33, vec![address(i)], policy_of(i, wrong));
    let mut world = World::new(33, vec![host(0), host(1)]);
    world.run(10 * MINUTE);
    assert!(children(&world, 0, "office").is_empty());
    reload(&mut world, 0, policy_of(0, |_, _| {}));
    assert!(
        world.run_until(SOON, all_up),
        "{:#?}",
        told_of(&world.hosts[0], "office")
    );
}

/// Settings that change at any moment of the negotiation, here first or there first.
#[test]
fn a_change_at_any_moment_ends_with_both_up() {
    let change = |_: usize, c: &mut Connection| c.auth.psk = Secret::new(b"another secret".to_vec());
    for delay in 0..40 {
        for first in [0, 1] {
            let host = |i: usize| Host::new(i as u8 + 34, vec![address(i)], policy_of(i, |_, _| {}));
            let mut world = World::new(delay, vec![host(0), host(1)]);
            world.run(Duration::from_millis(delay));
            reload(&mut world, first, policy_of(first, change));
            world.run(Duration::from_millis(delay / 4));
            reload(&mut world, 1 - first, policy_of(1 - first, change));
            world.run(MINUTE);
            assert!(all_up(&world), "{delay} {first}: {:#?}", world.hosts[0].events);
            assert!(world.hosts.iter().all(|h| h.engine.sa_count() == 2), "{delay} {first}");
            // What is up was proved with the new secret: no further change happens.
            let before = children(&world, 0, "office");
            world.run(MINUTE);
            assert_eq!(before, children(&world, 0, "office"), "{delay} {first}");
        }
    }
}

#[test]
fn now_becomes_wait_and_the_other_way_round() {
    let wait = |i: usize, c: &mut Connection| {
        if i == 0 {
            c.start = Start::Wait;
        }
    };
    let mut world = world(35, |_, _| {});
    let before = children(&world, 0, "office");
    assert!(reload(&mut world, 0, policy_of(0, wait)).is_empty());
    world.run(MINUTE);
    assert_eq!(before, children(&world, 0, "office"), "it goes on while it stands");
    // Once lost it is not begun again.
    let mut none = policy_of(1, |_, _| {});
    none.connections.remove(0);
    reload(&mut world, 1, none);
    world.run(10 * MINUTE);
    assert!(children(&world, 0, "office").is_empty());
    reload(&mut world, 1, policy_of(1, |_, _| {}));
    world.run(10 * MINUTE);
    assert!(children(&world, 0, "office").is_empty());
    reload(&mut world, 0, policy_of(0, |_, _| {}));
    assert!(world.run_until(SOON, all_up));
}

#[test]
fn differences_have_keys_values_and_effects_and_no_secret() {
    let before = connection(0);
    let mut after = before.clone();
    after.auth.psk = Secret::new(b"another secret".to_vec());
    after.liveness = Duration::ZERO;
    after.remote = Remote::Name("b.example.net".into());
    child(&mut after, |c| c.local_ts = vec![]);
    let told: Vec<String> = differences(&before, &after)
        .into_iter()
        .map(|d| {
            format!(
                "{} {} -> {} {:?}",
                d.key,
                d.before.unwrap_or_default(),
                d.after.unwrap_or_default(),
                d.effect
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "remote 192.0.2.2 -> b.example.net Reconnect",
            "secret  ->  Reconnect",
            "local_subnet 10.1.0.0/16 -> our address Reconnect",
            "liveness 30s -> off Live",
        ]
    );
    assert!(Effect::Live < Effect::Reconnect);
    let mut more = before.clone();
    let mut further = (*before.children[0]).clone();
    further.name = "further".into();
    more.children.push(Arc::new(further.clone()));
    let added = differences(&before, &more);
    assert_eq!((added.len(), added[0].key.as_str()), (1, "further"));
    assert_eq!(added[0].after.as_deref(), Some("10.1.0.0/16 <-> 10.2.0.0/16"));
    further.rekey = MINUTE;
    let mut changed = more.clone();
    changed.children[1] = Arc::new(further);
    assert_eq!(differences(&more, &changed)[0].key, "further.rekey");
    assert_eq!(differences(&more, &more.clone()), []);
}
