//! What keeps connections up: commands in every phase, late answers, back-off, renewal, and that nothing piles up.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use handfast_crypto::secret::Secret;
use handfast_engine::policy::{Policy, Remote, Start};
use handfast_engine::{Answer, Engine, EngineConfig, Event, Input, Instant, Output, Question};
use handfast_sim::pair::{MINUTE, both_up, named, world_with};
use handfast_sim::policies::{address, connection, parsed, policy};
use handfast_sim::{Host, World};

fn is_up(event: &Event) -> bool {
    matches!(event, Event::ConnectionUp { .. })
}

fn is_down(event: &Event) -> bool {
    matches!(event, Event::ConnectionDown { .. })
}

fn waits(host: &Host) -> Vec<Duration> {
    let wait = |e: &Event| match e {
        Event::ConnectionDown { retry_in, .. } => *retry_in,
        _ => None,
    };
    host.events.iter().filter_map(wait).collect()
}

#[test]
fn a_connection_that_its_peer_renews_is_not_reported_down() {
    let mut world = world_with(1, |_, _| {});
    world.command(0, named(true));
    assert!(world.run_until(MINUTE, both_up));
    world.run(Duration::from_secs(1));
    world.hosts[1].events.clear();
    world.hosts[0] = Host::new(99, vec![address(0)], policy(connection(0)));
    world.command(0, named(true));
    assert!(world.run_until(MINUTE, both_up));
    assert_eq!(world.hosts[1].engine.sa_count(), 1);
    assert_eq!(world.hosts[1].count(is_down), 0);
}

#[test]
fn two_connections_between_the_same_identities_do_not_push_each_other_out() {
    let lab = |host: usize| {
        let mut c = connection(host);
        let mut child = (*c.children[0]).clone();
        child.name = "lab".into();
        let subnet = |h| vec![parsed(if h == 0 { "10.3.0.0/16" } else { "10.4.0.0/16" })];
        (child.local_ts, child.remote_ts) = (subnet(host), subnet(1 - host));
        c.name = "lab".into();
        c.children = vec![Arc::new(child)];
        c
    };
    let mut office = connection(0);
    office.start = Start::Now;
    let mut second = lab(0);
    second.start = Start::Now;
    let mut of_a = policy(office);
    of_a.connections.push(Arc::new(second));
    // The identities decide, so the first connection of host 1 meets both.
    let mut both = connection(1);
    both.children.push(lab(1).children[0].clone());
    let hosts = vec![
        Host::new(1, vec![address(0)], of_a),
        Host::new(2, vec![address(1)], policy(both)),
    ];
    let mut world = World::new(2, hosts);
    world.run(5 * MINUTE);
    for host in &world.hosts {
        assert_eq!(host.outbound.len(), 2);
    }
    assert_eq!(world.hosts[0].count(is_up), 2, "one of them was up more than once");
}

#[test]
fn up_while_going_down_is_not_up_yet() {
    let mut world = world_with(3, |_, _| {});
    world.command(0, named(true));
    assert!(world.run_until(MINUTE, both_up));
    world.run(Duration::from_secs(1));
    world.hosts[0].events.clear();
    world.command(0, named(false));
    world.command(0, named(true));
    assert_eq!(world.hosts[0].count(is_up), 0);
    assert!(world.run_until(MINUTE, |w| w.hosts[0].count(is_up) == 1));
    assert!(both_up(&world));
}

#[test]
fn down_in_every_phase_leaves_nothing() {
    for delay in 0..60 {
        let mut world = world_with(4, |_, _| {});
        world.command(0, named(true));
        world.run(Duration::from_millis(delay));
        world.command(0, named(false));
        world.run(Duration::from_secs(10));
        let a = &world.hosts[0];
        assert_eq!(a.engine.sa_count(), 0, "down after {delay} ms");
        assert!(a.inbound.is_empty() && a.outbound.is_empty());
        let sent = world.network.sent.iter().filter(|t| t.local.ip() == address(0)).count();
        // The peer may have been left with an SA: it finds out.
        world.run(10 * MINUTE);
        assert!(world.hosts[1].inbound.is_empty() && world.hosts[1].outbound.is_empty());
        let later = world.network.sent.iter().filter(|t| t.local.ip() == address(0)).count();
        assert!(later <= sent, "down after {delay} ms, and tried again");
    }
}

#[test]
fn a_name_that_does_not_resolve_is_asked_for_less_and_less_often() {
    let mut world = world_with(5, |i, c| {
        if i == 0 {
            c.remote = Remote::Name("nowhere.test".into());
            c.start = Start::Now;
        }
    });
    world.run(20 * MINUTE);
    let waits = waits(&world.hosts[0]);
    assert!(waits[0] <= Duration::from_secs(1) && waits[0] >= Duration::from_millis(700));
    for (n, wait) in waits.iter().enumerate() {
        let most = Duration::from_secs(1 << n.min(6)).min(MINUTE);
        assert!(*wait <= most && *wait >= most.mul_f64(0.74), "wait {n} is {wait:?}");
    }
    assert!((20..40).contains(&waits.len()), "{} attempts", waits.len());
    world.command(0, named(false));
    world.hosts[0].events.clear();
    world.run(20 * MINUTE);
    assert_eq!(world.hosts[0].count(is_down), 0);
}

#[test]
fn an_answer_that_comes_after_down_is_late() {
    let mut c = connection(0);
    c.remote = Remote::Name("peer.test".into());
    let config = EngineConfig {
        seed: [1; 32],
        key_log: false,
        provider: handfast_sim::seeded::provider(),
    };
    let mut engine = Engine::new(config, Arc::new(policy(c)));
    let now = Instant::default();
    let asked = |engine: &mut Engine| {
        let mut ticket = None;
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Ask(t, Question::Resolve(_)) => ticket = Some(t),
                Output::Transmit(_) => panic!("sent before the name is known"),
                _ => {}
            }
        }
        ticket
    };
    engine.handle(now, Input::Command(named(true)));
    let first = asked(&mut engine).unwrap();
    engine.handle(now, Input::Command(named(false)));
    engine.handle(now, Input::Command(named(true)));
    let second = asked(&mut engine).unwrap();
    engine.handle(now, Input::Command(named(false)));
    for ticket in [first, second, second] {
        engine.handle(now, Input::Answer(ticket, Answer::Addresses(Ok(vec![address(1)]))));
        assert_eq!(asked(&mut engine), None);
        assert_eq!(engine.sa_count(), 0);
    }
    assert!(
        engine.sizes().iter().all(|(_, size)| *size == 0),
        "{:?}",
        engine.sizes()
    );
}

#[test]
fn one_that_comes_up_and_goes_at_once_is_tried_less_often() {
    let mut world = world_with(6, |i, c| c.start = if i == 0 { Start::Now } else { Start::Wait });
    let end = world.now + 10 * MINUTE;
    let mut times = 0;
    while world.now < end {
        if !world.run_until(2 * MINUTE, both_up) {
            break;
        }
        times += 1;
        world.command(1, named(false));
        world.run_until(Duration::from_secs(1), |w| !both_up(w));
    }
    assert!((8..30).contains(&times), "up {times} times in ten minutes");
    // Once it has stood for a while the next wait is short again.
    assert!(world.run_until(2 * MINUTE, both_up));
    world.run(2 * MINUTE);
    world.hosts[0].events.clear();
    world.command(1, named(false));
    world.run(Duration::from_secs(1));
    assert!(waits(&world.hosts[0])[0] <= Duration::from_secs(1));
}

#[test]
fn a_policy_that_changes_while_it_connects() {
    let reload = |world: &mut World, policy: Policy| {
        let now = world.now;
        let sent = world.hosts[0].feed(now, Input::Policy(Arc::new(policy)));
        sent.into_iter().for_each(|t| world.network.send(now, t));
    };
    // Waiting becomes "now".
    let mut world = world_with(7, |_, _| {});
    world.run(MINUTE);
    let mut c = connection(0);
    c.start = Start::Now;
    reload(&mut world, policy(c.clone()));
    assert!(world.run_until(MINUTE, both_up));
    // Taken down by a person: reading the same again does not bring it back.
    world.command(0, named(false));
    world.run(MINUTE);
    reload(&mut world, policy(c.clone()));
    world.run(5 * MINUTE);
    assert_eq!(world.hosts[0].engine.sa_count(), 0);
    // It goes, in every phase of its negotiation.
    for delay in 0..40 {
        let mut world = world_with(8, |i, c| c.start = if i == 0 { Start::Now } else { Start::Wait });
        world.hosts[0].feed(world.now, Input::Policy(Arc::new(policy(c.clone()))));
        world.run(Duration::from_millis(delay));
        let mut none = policy(c.clone());
        none.connections.clear();
        reload(&mut world, none);
        world.run(5 * MINUTE);
        assert_eq!(world.hosts[0].engine.sa_count(), 0);
        assert!(world.hosts[0].inbound.is_empty() && world.hosts[0].outbound.is_empty());
    }
}

#[test]
fn ten_thousand_failures_leave_nothing_behind() {
    let mut world = world_with(9, |i, c| {
        if i == 0 {
            c.remote = Remote::Name("nowhere.test".into());
            c.start = Start::Now;
        }
    });
    let mut failed = 0;
    while failed < 10_000 {
        world.run(60 * MINUTE);
        failed += waits(&world.hosts[0]).len();
        world.hosts[0].events.clear();
        let sizes = world.hosts[0].engine.sizes();
        assert!(sizes.iter().all(|(_, size)| *size <= 1), "{sizes:?}");
    }
    // Strangers that are refused, each from another place.
    let request = {
        let mut other = world_with(10, |_, c| c.ike = vec![parsed("aes256gcm16-prfsha384-x25519")]);
        other.command(0, named(true));
        other.network.sent[0].bytes.to_vec()
    };
    for n in 0..10_000u16 {
        let mut bytes = request.clone();
        bytes[..2].copy_from_slice(&(n + 1).to_be_bytes());
        let from = SocketAddr::new(address(0), 1000 + n);
        let input = Input::Datagram {
            local: SocketAddr::new(address(1), 500),
            remote: from,
            bytes: &bytes,
        };
        let now = world.now;
        assert_eq!(world.hosts[1].feed(now, input).len(), 1);
        world.hosts[1].events.clear();
    }
    let sizes = world.hosts[1].engine.sizes();
    assert!(sizes.iter().all(|(_, size)| *size == 0), "{sizes:?}");
}

#[test]
fn failed_proofs_leave_no_more_than_the_last_answers() {
    let mut world = world_with(11, |i, c| {
        c.start = if i == 0 { Start::Now } else { Start::Wait };
        if i == 1 {
            c.auth.psk = Secret::new(b"another".to_vec());
        }
    });
    world.run(180 * MINUTE);
    assert!(waits(&world.hosts[0]).len() > 150);
    world.command(0, named(false));
    world.run(MINUTE);
    for host in &world.hosts {
        for (what, size) in host.engine.sizes() {
            assert!(size == 0 || what == "farewells" && size <= 64, "{what}: {size}");
        }
    }
}
