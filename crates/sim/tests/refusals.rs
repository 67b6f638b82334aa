//! Every refusal is explained on both sides, and the wire learns nothing of it. The texts are in `refusals/`;
//! `BLESS=1` writes them anew.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use handfast_crypto::secret::Secret;
use handfast_engine::Event;
use handfast_engine::place::Place;
use handfast_engine::policy::{ChildPolicy, Connection, Policy, Remote};
use handfast_sim::pair::{MINUTE, named};
use handfast_sim::policies::{address, connection, parsed, policy};
use handfast_sim::{Host, World};
use handfast_store::SaStore;

/// As if each connection were read from a file: its keys have lines.
fn written(c: &mut Connection, host: usize) {
    let keys = [
        "local",
        "remote",
        "local_id",
        "remote_id",
        "secret",
        "ike",
        "esp",
        "local_subnet",
        "remote_subnet",
    ];
    let lines = keys.into_iter().zip(2..);
    c.place = Place::in_file(if host == 0 { "a.toml" } else { "b.toml" }, 1, lines);
    let place = c.place.clone();
    child(c, |child| child.place = place);
}

fn child(c: &mut Connection, change: impl FnOnce(&mut ChildPolicy)) {
    let mut child = (*c.children[0]).clone();
    change(&mut child);
    c.children = vec![Arc::new(child)];
}

type Change = fn(&mut Connection);

/// A begins; the connection of B is changed.
fn refused(change: Change, further: fn(&mut Policy)) -> World {
    let host = |index: usize| {
        let mut c = connection(index);
        if index == 1 {
            change(&mut c);
        }
        written(&mut c, index);
        let mut policy = policy(c);
        if index == 1 {
            further(&mut policy);
        }
        Host::new(index as u8 + 1, vec![address(index)], policy)
    };
    let mut world = World::new(5, vec![host(0), host(1)]);
    world.command(0, named(true));
    let failed = |w: &World| w.hosts[0].count(|e| matches!(e, Event::ConnectionDown { .. })) > 1;
    assert!(world.run_until(MINUTE, failed), "{:#?}", world.hosts[0].events);
    world
}

/// Everything that the owners of both sides are told.
fn told(world: &World) -> String {
    let mut out = String::new();
    for (host, name) in world.hosts.iter().zip(["A, which began", "B"]) {
        writeln!(out, "{name}:").unwrap();
        for event in &host.events {
            if let Event::Refused {
                connection,
                remote,
                refusal,
                ..
            } = event
            {
                writeln!(out, "  {refusal}").unwrap();
                let json = serde_json::to_string(&refusal.facts(connection.as_deref(), *remote)).unwrap();
                writeln!(out, "  {json}").unwrap();
            }
        }
        for down in host.store.snapshot().connections_down {
            writeln!(out, "  status: {}: {}", down.state, down.reason).unwrap();
        }
    }
    out
}

#[track_caller]
fn is_golden(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/refusals/{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, golden, "{}: BLESS=1 writes it anew", file.display());
}

const AS_IT_IS: fn(&mut Policy) = |_| {};

#[test]
fn both_sides_are_told_what_to_compare_and_where() {
    let cases: [(&str, Change); 9] = [
        ("wrong-secret", |c| c.auth.psk = Secret::new(b"mistyped".to_vec())),
        ("no-ike-proposal", |c| {
            c.ike = vec![parsed("aes256gcm16-prfsha384-x25519"), parsed("aes256-sha256-x25519")]
        }),
        ("no-esp-proposal", |c| {
            child(c, |c| c.esp = vec![parsed("chacha20poly1305"), parsed("aes256-sha256")])
        }),
        ("no-connection", |c| c.remote = Remote::Address(parsed("192.0.2.77"))),
        ("selectors-here", |c| {
            child(c, |c| c.local_ts = vec![parsed("10.8.0.0/16")])
        }),
        ("selectors-there", |c| {
            child(c, |c| c.remote_ts = vec![parsed("10.9.0.0/16"), parsed("10.10.0.0/16")])
        }),
        ("wrong-identity-of-the-initiator", |c| c.remote_id = parsed("c.test")),
        ("wrong-identity-looked-for", |c| c.local_id = parsed("d.test")),
        ("other-mode", |c| {
            child(c, |c| c.mode = handfast_plane::op::Mode::Transport)
        }),
    ];
    for (name, change) in cases {
        let world = refused(change, AS_IT_IS);
        let told = told(&world);
        for secret in ["mistyped", "correct horse"] {
            assert!(!told.contains(secret), "{name}: {told}");
        }
        assert!(world.hosts.iter().all(|h| h.inbound.is_empty()), "{name}");
        is_golden(name, &told);
    }
}

/// The responder's identity is not the one that the initiator expects: then the initiator refuses.
#[test]
fn the_initiator_refuses_too() {
    let host = |index: usize| {
        let mut c = connection(index);
        if index == 0 {
            c.remote_id = parsed("*.example.net");
        }
        written(&mut c, index);
        Host::new(index as u8 + 1, vec![address(index)], policy(c))
    };
    let mut world = World::new(6, vec![host(0), host(1)]);
    world.command(0, named(true));
    world.run(std::time::Duration::from_millis(900));
    is_golden("wrong-identity-of-the-responder", &told(&world));
}

/// The address leads to the algorithms of one connection, the identity to another that does not allow them.
#[test]
fn an_identity_whose_connection_has_other_algorithms_is_not_called_unknown() {
    let world = refused(
        |c| c.ike = vec![parsed("aes256gcm16-prfsha384-x25519")],
        |policy| {
            let mut other = connection(1);
            other.name = "other".into();
            other.remote_id = parsed("other.test");
            written(&mut other, 1);
            policy.connections.push(Arc::new(other));
        },
    );
    is_golden("algorithms-of-another-connection", &told(&world));
}

/// Thousands of connections are not all listed to whoever provokes it.
#[test]
fn explanations_are_bounded() {
    for change in [
        (|c| c.remote = Remote::Address(parsed("192.0.2.77"))) as Change,
        |c| c.ike = vec![parsed("aes256gcm16-prfsha384-x25519")],
        |c| c.remote_id = parsed("c.test"),
    ] {
        let world = refused(change, |policy| {
            let like = policy.connections[0].clone();
            for n in 0..2000 {
                let mut c = (*like).clone();
                c.name = format!("c{n}");
                policy.connections.push(Arc::new(c));
            }
        });
        let refusals = world.hosts[1].refusals();
        assert!(!refusals.is_empty());
        for refusal in refusals {
            assert!(refusal.contains("and 1993 more"), "{refusal}");
            assert!(refusal.len() < 1500, "{refusal}");
        }
    }
}

/// Wrong secret, unknown identity and an identity looked for in vain are the same on the wire, octet lengths included.
#[test]
fn the_wire_does_not_tell_why() {
    let cases: [Change; 3] = [
        |c| c.auth.psk = Secret::new(b"mistyped".to_vec()),
        |c| c.remote_id = parsed("c.test"),
        |c| c.local_id = parsed("d.test"),
    ];
    let lengths = cases.map(|change| {
        let world = refused(change, AS_IT_IS);
        let sent = world.network.sent.iter();
        sent.take(4).map(|t| t.bytes.len()).collect::<Vec<_>>()
    });
    assert!(lengths.iter().all(|l| *l == lengths[0]), "{lengths:?}");
}
