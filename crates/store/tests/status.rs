//! The shape of `handfast status --json` is a promise: it is compared with a file.
#![allow(clippy::unwrap_used)]

use handfast_store::delta::{CertificateFacts, ChildFacts, DownFacts, End, IkeSaFacts, SaDelta, SaId};
use handfast_store::refusals::{RefusalFacts, Refusals};
use handfast_store::status::{CertificateStatus, Status, TrafficCounters, status};
use handfast_store::{MemoryStore, SaStore};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/status-v1.json");

fn end(address: &str, port: u16, id: &str) -> End {
    End {
        address: address.into(),
        port,
        id: id.into(),
    }
}

fn established(id: u64) -> IkeSaFacts {
    IkeSaFacts {
        id: SaId(id),
        connection: Some("office".into()),
        ike_version: 2,
        state: "established".into(),
        initiator: true,
        local: end("192.0.2.1", 4500, "a.example"),
        remote: end("198.51.100.7", 4500, "b.example"),
        spi_i: "593632af1ce0a548".into(),
        spi_r: "28905ad5eeda8f20".into(),
        proposal: "aes256gcm16-prfsha384-ecp384".into(),
        auth_local: "psk".into(),
        auth_remote: "psk".into(),
        peer_certificate: Some(CertificateFacts {
            subject: "CN=b.example.net".into(),
            anchor: Some("CN=Example CA".into()),
            not_after: Some(1_798_331_400),
        }),
        peer_principal: None,
        nat_local: true,
        nat_remote: false,
        established_ms: Some(60_500),
        took_us: Some(12_345),
        rekey_ms: Some(14_400_000),
        messages: 6,
    }
}

fn half_open(id: u64, connection: Option<&str>, initiator: bool) -> IkeSaFacts {
    IkeSaFacts {
        connection: connection.map(str::to_owned),
        state: "connecting".into(),
        initiator,
        local: end("192.0.2.1", 500, ""),
        remote: end("203.0.113.9", 500, ""),
        spi_r: "0000000000000000".into(),
        proposal: String::new(),
        auth_local: String::new(),
        auth_remote: String::new(),
        nat_local: false,
        established_ms: None,
        took_us: None,
        rekey_ms: None,
        messages: 1,
        ..established(id)
    }
}

fn child(id: u64, ike: u64) -> ChildFacts {
    ChildFacts {
        id,
        ike: SaId(ike),
        name: "lan".into(),
        mode: "tunnel".into(),
        state: "installed".into(),
        spi_in: "c1a2b3d4".into(),
        spi_out: "0badcafe".into(),
        proposal: "aes256gcm16".into(),
        local_ts: vec!["10.1.0.0/16".into()],
        remote_ts: vec!["10.2.0.0/16".into(), "2001:db8:2::/48".into()],
        rekey_ms: Some(3_600_999),
        took_us: None,
    }
}

fn down(connection: &str, state: &str, reason: &str, retry_ms: Option<u64>) -> SaDelta {
    SaDelta::ConnectionDown(DownFacts {
        connection: connection.into(),
        state: state.into(),
        reason: reason.into(),
        retry_ms,
    })
}

fn example() -> Status {
    let deltas = [
        SaDelta::IkeSa(half_open(1, None, false)),
        SaDelta::IkeSa(half_open(2, Some("branch"), true)),
        SaDelta::IkeSa(established(3)),
        SaDelta::Child(child(11, 3)),
        SaDelta::Child(ChildFacts {
            state: "rekeyed".into(),
            rekey_ms: None,
            ..child(10, 3)
        }),
        down("branch", "connecting", "the peer does not answer", None),
        down(
            "backup",
            "retrying",
            "the two ends have different secrets",
            Some(75_000),
        ),
        down("roadwarriors", "waiting", "waits for the peer", None),
    ];
    let mut store = MemoryStore::new();
    for delta in &deltas {
        store.record(delta).unwrap();
    }
    let counted = TrafficCounters {
        bytes_in: 84_000,
        bytes_out: 83_916,
        packets_in: 1000,
        packets_out: 999,
    };
    let mut example = status(&store.snapshot(), 62_499, &|child| (child == 11).then_some(counted));
    let mut refusals = Refusals::default();
    let refused = RefusalFacts {
        connection: Some("roadwarriors".into()),
        remote: "203.0.113.9:4500".into(),
        by: "us".into(),
        cause: "selectors".into(),
        why: "the traffic selectors do not meet".into(),
        told: None,
        offered: vec!["here 10.1.0.0/16, there 10.9.0.0/16".into()],
        acceptable: vec!["here 10.1.0.0/16, there 10.2.0.0/16".into()],
        hint: Some("one side's local_subnet must meet the other's remote_subnet, in both directions".into()),
        look_at: Some("handfast.toml:12 (remote_subnet)".into()),
    };
    refusals.add(40_000, refused.clone());
    refusals.add(50_000, refused);
    refusals.add(
        60_000,
        RefusalFacts {
            connection: Some("branch".into()),
            remote: "203.0.113.9:500".into(),
            by: "peer".into(),
            cause: "notified".into(),
            why: "NO_PROPOSAL_CHOSEN".into(),
            told: Some("NO_PROPOSAL_CHOSEN".into()),
            offered: vec!["aes128gcm16-prfsha256-x25519".into()],
            acceptable: vec![],
            hint: None,
            look_at: Some("handfast.toml:3 (ike)".into()),
        },
    );
    example.refusals = refusals.status(62_499);
    let certificate = |kind: &str, subject: &str, issuer: &str, left: i64, connections: &[&str]| CertificateStatus {
        kind: kind.into(),
        subject: subject.into(),
        issuer: Some(issuer.into()),
        not_after: Some(1_798_286_400 + left),
        expires_in_s: Some(left),
        connections: connections.iter().map(ToString::to_string).collect(),
    };
    example.certificates = vec![
        certificate("own", "CN=old.example.net", "CN=Old CA", -3600, &["backup"]),
        certificate("peer", "CN=b.example.net", "CN=Example CA", 45_000, &["office"]),
        certificate(
            "own",
            "CN=a.example.net",
            "CN=Example CA",
            20 * 86_400,
            &["branch", "office"],
        ),
        CertificateStatus {
            kind: "peer".into(),
            subject: "raw public key".into(),
            issuer: None,
            not_after: None,
            expires_in_s: None,
            connections: vec!["roadwarriors".into()],
        },
    ];
    example
}

/// After a wanted change: `UPDATE_GOLDEN=1 cargo test -p handfast-store`, then docs/status.md.
#[test]
fn the_shape_is_that_of_the_golden_file() {
    let text = serde_json::to_string_pretty(&example()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(GOLDEN).unwrap());
    let read: Status = serde_json::from_str(&text).unwrap();
    assert_eq!(read, example());
}

#[test]
fn every_field_is_documented() {
    fn names(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                found.push(name.clone());
                names(value, found);
            }),
            serde_json::Value::Array(values) => values.iter().for_each(|value| names(value, found)),
            _ => {}
        }
    }
    let document = include_str!("../../../docs/status.md");
    let mut found = Vec::new();
    names(&serde_json::to_value(example()).unwrap(), &mut found);
    assert!(found.len() > 40);
    for name in found {
        assert!(
            document.contains(&format!("`{name}`")),
            "docs/status.md does not tell about `{name}`"
        );
    }
}

#[test]
fn a_later_version_may_add_fields() {
    let mut value = serde_json::to_value(example()).unwrap();
    value["ike_sas"][0]["new"] = "something".into();
    assert_eq!(serde_json::from_value::<Status>(value).unwrap(), example());
}

#[test]
fn seconds_never_go_below_zero() {
    let mut store = MemoryStore::new();
    store.record(&SaDelta::IkeSa(established(1))).unwrap();
    store.record(&down("x", "retrying", "", Some(5))).unwrap();
    let late = status(&store.snapshot(), u64::MAX, &|_| None);
    assert_eq!(
        (late.ike_sas[0].rekey_in_s, late.ike_sas[1].retry_in_s),
        (Some(0), Some(0))
    );
    assert_eq!(late.ike_sas[1].reason, None);
    let early = status(&store.snapshot(), 0, &|_| None);
    assert_eq!(early.ike_sas[0].established_s, Some(0));
}

#[test]
fn a_down_connection_is_not_hidden_by_a_stranger_or_an_ending_sa() {
    for sa in [
        half_open(1, Some("office"), false),
        IkeSaFacts {
            state: "deleting".into(),
            ..established(1)
        },
        IkeSaFacts {
            connection: Some("other".into()),
            ..established(1)
        },
    ] {
        let mut store = MemoryStore::new();
        store.record(&SaDelta::IkeSa(sa)).unwrap();
        store.record(&down("office", "down", "stopped", None)).unwrap();
        let shown = status(&store.snapshot(), 0, &|_| None);
        assert_eq!(shown.ike_sas.len(), 2);
        let entry = shown.ike_sas.iter().find(|sa| sa.state == "down").unwrap();
        assert_eq!(
            (entry.connection.as_deref(), entry.reason.as_deref()),
            (Some("office"), Some("stopped"))
        );
    }
}
