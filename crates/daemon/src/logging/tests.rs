#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::{Arc, Mutex};

use handfast_engine::refusal::{Cause, Party};
use handfast_store::delta::SaId;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

#[test]
fn only_levels_are_levels() {
    for good in ["info", "trace", "warn,handfast::net=debug", "handfast=trace"] {
        assert!(filter(good).is_ok(), "{good}");
    }
    for bad in ["verbose", "", "info,loud", "handfast=chatty"] {
        assert!(filter(bad).unwrap_err().contains("use error, warn"), "{bad}");
    }
}

#[test]
fn control_characters_are_escaped_and_other_letters_are_not() {
    assert_eq!(plain("a\nERROR \u{1b}[31mö"), "a\\nERROR \\u{1b}[31mö");
    assert_eq!(plain("\u{202e}gpj\u{2028}日本"), "\\u{202e}gpj\\u{2028}日本");
}

#[test]
fn events_of_an_sa_are_in_its_span() {
    let lines = written(|log| {
        log(&message("IKE_SA_INIT request 0 [SA KE No]"));
        log(&established());
        log(&Event::IkeGone {
            sa: SaId(7),
            reason: "deleted".into(),
        });
        log(&Event::ConnectionUp {
            connection: "office".into(),
        });
    });
    let span = |line: usize| &lines[line]["span"];
    assert_eq!(span(0)["sa"], 7);
    assert_eq!(span(1)["connection"], "office");
    assert_eq!(span(2)["sa"], 7);
    assert!(span(3).is_null(), "{lines:?}");
    assert_eq!(lines[1]["fields"]["peer"], "b.example\\nforged");
}

#[test]
fn an_sa_that_took_anothers_place_is_of_the_same_connection() {
    let lines = written(|log| {
        log(&established());
        let (old, new) = (SaId(7), SaId(8));
        log(&Event::IkeRekeyed { old, new });
        log(&Event::IkeGone {
            sa: old,
            reason: "replaced".into(),
        });
        log(&Event::IkeGone {
            sa: new,
            reason: "deleted".into(),
        });
    });
    for line in &lines[1..] {
        assert_eq!(line["span"]["connection"], "office", "{line}");
    }
    assert_eq!(lines[3]["span"]["sa"], 8);
}

#[test]
fn a_refusal_says_all_that_its_owner_needs() {
    let lines = written(|log| {
        let refusal = Refusal::new(Party::Us, Cause::NoIkeProposal)
            .offered(vec!["aes128-sha1-modp1024".into(), "3des".into()])
            .acceptable(vec!["aes128gcm16-prfsha256-x25519".into()])
            .look_at("handfast.toml:3");
        log(&Event::Refused {
            sa: None,
            connection: Some("office".into()),
            remote: "192.0.2.1:500".parse().unwrap(),
            refusal,
        });
    });
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["level"], "WARN");
    let fields = &lines[0]["fields"];
    assert_eq!(fields["cause"], "no_ike_proposal");
    assert_eq!(fields["offered"], "aes128-sha1-modp1024 | 3des");
    assert_eq!(fields["acceptable"], "aes128gcm16-prfsha256-x25519");
    assert_eq!(fields["look_at"], "handfast.toml:3");
}

fn message(summary: &str) -> Event {
    Event::Message {
        sa: SaId(7),
        direction: Direction::Out,
        summary: summary.into(),
        size: 200,
        local: "192.0.2.2:500".parse().unwrap(),
        remote: "192.0.2.1:500".parse().unwrap(),
    }
}

fn established() -> Event {
    Event::IkeEstablished {
        sa: SaId(7),
        connection: "office".into(),
        spi_i: handfast_wire::header::Spi([1; 8]),
        spi_r: handfast_wire::header::Spi([2; 8]),
        suite: handfast_crypto::proposal::IkeSuite {
            encr: handfast_crypto::transform::Encr::aes_gcm16(128),
            prf: handfast_crypto::transform::Prf::HMAC_SHA2_256,
            integ: None,
            group: handfast_crypto::transform::Group::X25519,
        },
        peer: "b.example\nforged".into(),
        initiator: true,
        took: std::time::Duration::from_millis(3),
    }
}

/// The JSON lines that events become.
fn written(run: impl FnOnce(&mut dyn FnMut(&Event))) -> Vec<serde_json::Value> {
    let out = Memory::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_span_list(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(out.clone())
        .finish();
    let mut book = Book::default();
    tracing::subscriber::with_default(subscriber, || {
        run(&mut |one| {
            book.learn(one);
            event(one, &book);
            book.forget(one);
        });
    });
    assert!(book.is_empty());
    let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl io::Write for Memory {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Memory {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
