#![allow(clippy::unwrap_used)]

use super::*;
use crate::delta::End;

fn ike(id: u64, state: &str) -> SaDelta {
    SaDelta::IkeSa(IkeSaFacts {
        id: SaId(id),
        connection: Some("site".into()),
        ike_version: 2,
        state: state.into(),
        initiator: true,
        local: End::default(),
        remote: End::default(),
        spi_i: "0011223344556677".into(),
        spi_r: String::new(),
        proposal: String::new(),
        auth_local: String::new(),
        auth_remote: String::new(),
        peer_certificate: None,
        peer_principal: None,
        nat_local: false,
        nat_remote: false,
        established_ms: None,
        took_us: None,
        rekey_ms: None,
        messages: 1,
    })
}

fn child(id: u64, ike: u64, state: &str) -> SaDelta {
    SaDelta::Child(ChildFacts {
        id,
        ike: SaId(ike),
        name: "net".into(),
        mode: "tunnel".into(),
        state: state.into(),
        spi_in: "c0000001".into(),
        spi_out: "c0000002".into(),
        proposal: "AES_GCM_16-256".into(),
        local_ts: vec!["10.1.0.0/16".into()],
        remote_ts: vec!["10.2.0.0/16".into()],
        rekey_ms: None,
        took_us: None,
    })
}

fn ike_gone(id: u64) -> SaDelta {
    SaDelta::IkeSaGone {
        id: SaId(id),
        reason: "deleted by the peer".into(),
    }
}

fn child_gone(ike: u64, id: u64) -> SaDelta {
    SaDelta::ChildGone {
        ike: SaId(ike),
        id,
        reason: "rekeyed".into(),
    }
}

fn down(connection: &str, state: &str) -> SaDelta {
    SaDelta::ConnectionDown(DownFacts {
        connection: connection.into(),
        state: state.into(),
        reason: "the peer does not answer".into(),
        retry_ms: Some(9),
    })
}

fn fold(deltas: &[SaDelta]) -> MemoryStore {
    let mut store = MemoryStore::new();
    for delta in deltas {
        store.record(delta).unwrap();
    }
    store
}

/// (IKE SA, its state, its children)
fn shape(store: &MemoryStore) -> Vec<(u64, String, Vec<u64>)> {
    let shape = |entry: IkeSaEntry| {
        (
            entry.facts.id.0,
            entry.facts.state,
            entry.children.iter().map(|child| child.id).collect(),
        )
    };
    store.snapshot().ike_sas.into_iter().map(shape).collect()
}

#[test]
fn the_last_facts_win_and_children_stay() {
    let store = fold(&[
        ike(1, "connecting"),
        child(7, 1, "installed"),
        ike(1, "established"),
        child(7, 1, "rekeyed"),
    ]);
    assert_eq!(shape(&store), [(1, "established".into(), vec![7])]);
    assert_eq!(store.snapshot().ike_sas[0].children[0].state, "rekeyed");
}

#[test]
fn each_change_twice_is_as_once() {
    let deltas = [
        ike(1, "connecting"),
        child(7, 1, "installed"),
        child(8, 1, "installed"),
        down("a", "down"),
        child_gone(1, 8),
    ];
    let once = fold(&deltas);
    let mut twice = MemoryStore::new();
    for delta in &deltas {
        twice.record(delta).unwrap();
        twice.record(delta).unwrap();
    }
    assert_eq!(once.snapshot(), twice.snapshot());
    let mut ended = once.clone();
    ended.record(&ike_gone(1)).unwrap();
    ended.record(&ike_gone(1)).unwrap();
    assert_eq!(shape(&ended), []);
}

#[test]
fn the_order_of_unrelated_changes_does_not_matter() {
    let a = fold(&[
        ike(1, "x"),
        ike(2, "y"),
        child(7, 1, "i"),
        child(8, 2, "i"),
        down("b", "down"),
        down("a", "down"),
    ]);
    let b = fold(&[
        down("a", "down"),
        ike(2, "y"),
        child(8, 2, "i"),
        ike(1, "x"),
        down("b", "down"),
        child(7, 1, "i"),
    ]);
    assert_eq!(a.snapshot(), b.snapshot());
}

#[test]
fn an_ike_sa_takes_its_children_only() {
    let store = fold(&[
        ike(1, "x"),
        ike(2, "y"),
        child(7, 1, "i"),
        child(8, 1, "i"),
        child(9, 2, "i"),
        ike_gone(1),
    ]);
    assert_eq!(shape(&store), [(2, "y".into(), vec![9])]);
    assert!(
        !store.children.contains_key(&7) && !store.children.contains_key(&8),
        "no orphan is kept"
    );
}

#[test]
fn children_that_moved_to_the_successor_survive_the_old_sa() {
    let mut store = fold(&[
        ike(1, "rekeyed"),
        child(7, 1, "i"),
        ike(2, "established"),
        child(7, 2, "i"),
    ]);
    assert_eq!(
        shape(&store),
        [(1, "rekeyed".into(), vec![]), (2, "established".into(), vec![7])]
    );
    store.record(&ike_gone(1)).unwrap();
    assert_eq!(shape(&store), [(2, "established".into(), vec![7])]);
    store.record(&child_gone(1, 7)).unwrap();
    assert_eq!(shape(&store), [(2, "established".into(), vec![])]);
}

#[test]
fn a_child_needs_its_ike_sa_and_a_refused_change_changes_nothing() {
    let mut store = fold(&[ike(1, "x"), child(7, 1, "i")]);
    let before = store.snapshot();
    let error = store.record(&child(7, 2, "moved")).unwrap_err();
    assert!(
        matches!(error, StoreError::UnknownSa { child: 7, ike: SaId(2) }),
        "{error}"
    );
    assert_eq!(store.snapshot(), before);
    store.record(&child_gone(2, 99)).unwrap();
    assert_eq!(store.snapshot(), before);
}

#[test]
fn connections_that_are_down() {
    let mut store = fold(&[down("a", "waiting"), down("b", "down"), down("a", "retrying")]);
    let states = |store: &MemoryStore| -> Vec<_> {
        store
            .snapshot()
            .connections_down
            .into_iter()
            .map(|down| (down.connection, down.state))
            .collect()
    };
    assert_eq!(
        states(&store),
        [("a".into(), "retrying".into()), ("b".into(), "down".into())]
    );
    store.record(&SaDelta::ConnectionUp { connection: "a".into() }).unwrap();
    assert_eq!(states(&store), [("b".into(), "down".into())]);
    store
        .record(&SaDelta::ConnectionGone { connection: "b".into() })
        .unwrap();
    assert_eq!(states(&store), []);
}

#[test]
fn a_snapshot_survives_json_and_restores() {
    let mut store = fold(&[ike(1, "x"), child(7, 1, "i"), ike(2, "y"), down("a", "down")]);
    let text = serde_json::to_string(&store.snapshot()).unwrap();
    let read = SaSnapshot::from_json(&text).unwrap();
    assert_eq!(read, store.snapshot());
    let mut restored = MemoryStore::from_snapshot(read);
    for delta in [child(7, 2, "moved"), ike_gone(1)] {
        store.record(&delta).unwrap();
        restored.record(&delta).unwrap();
    }
    assert_eq!(restored.snapshot(), store.snapshot());
}

#[test]
fn a_snapshot_of_another_version_is_named_as_such() {
    let error = SaSnapshot::from_json(r#"{"version":2,"something":"else"}"#).unwrap_err();
    assert!(matches!(error, StoreError::Version { found: 2 }), "{error}");
    assert!(matches!(
        SaSnapshot::from_json("{"),
        Err(StoreError::Format { line: 1, .. })
    ));
}
