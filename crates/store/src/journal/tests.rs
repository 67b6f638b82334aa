#![allow(clippy::unwrap_used)]

use std::io;

use super::*;
use crate::delta::{DownFacts, SaId};

fn down(connection: &str) -> SaDelta {
    SaDelta::ConnectionDown(DownFacts {
        connection: connection.into(),
        state: "down".into(),
        reason: "not\nyet".into(),
        retry_ms: None,
    })
}

fn up(connection: &str) -> SaDelta {
    SaDelta::ConnectionUp {
        connection: connection.into(),
    }
}

fn orphan() -> SaDelta {
    serde_json::from_str(
        r#"{"change":"child","id":1,"ike":9,"name":"","mode":"","state":"","spi_in":"","spi_out":"","proposal":"",
           "local_ts":[],"remote_ts":[],"rekey_ms":null}"#,
    )
    .unwrap()
}

#[test]
fn replay_gives_the_same_store() {
    let mut store = JournalStore::create(Vec::new()).unwrap();
    for delta in [down("a"), down("b"), up("a")] {
        store.record(&delta).unwrap();
    }
    let snapshot = store.snapshot();
    let journal = store.into_inner();
    assert_eq!(
        String::from_utf8(journal.clone()).unwrap(),
        "{\"version\":1}\n\
         {\"change\":\"connection_down\",\"connection\":\"a\",\"state\":\"down\",\"reason\":\"not\\nyet\",\"retry_ms\":null}\n\
         {\"change\":\"connection_down\",\"connection\":\"b\",\"state\":\"down\",\"reason\":\"not\\nyet\",\"retry_ms\":null}\n\
         {\"change\":\"connection_up\",\"connection\":\"a\"}\n"
    );
    assert_eq!(replay(&journal[..]).unwrap().snapshot(), snapshot);

    let mut resumed = JournalStore::resume(replay(&journal[..]).unwrap(), journal);
    resumed.record(&up("b")).unwrap();
    assert_eq!(resumed.snapshot(), SaSnapshot::default());
    assert_eq!(
        replay(&resumed.into_inner()[..]).unwrap().snapshot(),
        SaSnapshot::default()
    );
}

#[test]
fn a_cut_last_line_is_left_out_and_a_broken_one_is_not() {
    let mut store = JournalStore::create(Vec::new()).unwrap();
    store.record(&down("a")).unwrap();
    let whole = store.snapshot();
    store.record(&down("b")).unwrap();
    let mut journal = store.into_inner();
    journal.truncate(journal.len() - 5);
    assert_eq!(replay(&journal[..]).unwrap().snapshot(), whole);
    journal.push(b'\n');
    assert!(matches!(replay(&journal[..]), Err(StoreError::Format { line: 3, .. })));
}

#[test]
fn a_refused_change_is_not_written() {
    let mut store = JournalStore::create(Vec::new()).unwrap();
    assert!(matches!(
        store.record(&orphan()),
        Err(StoreError::UnknownSa { child: 1, ike: SaId(9) })
    ));
    store.record(&down("a")).unwrap();
    replay(&store.into_inner()[..]).unwrap();
}

#[test]
fn another_version_is_named_as_such() {
    assert!(matches!(
        replay(&b"{\"version\":2}\n"[..]),
        Err(StoreError::Version { found: 2 })
    ));
    assert_eq!(replay(&b""[..]).unwrap().snapshot(), SaSnapshot::default());
}

/// Takes so many octets, then is full.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let taken = data.len().min(self.0);
        self.0 -= taken;
        if taken == 0 {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(taken)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_follows_a_write_error() {
    let mut store = JournalStore::create(Full(20)).unwrap();
    assert!(matches!(store.record(&down("a")), Err(StoreError::Io(_))));
    assert_eq!(store.snapshot(), SaSnapshot::default());
    assert!(matches!(store.record(&down("a")), Err(StoreError::Closed)));
}
