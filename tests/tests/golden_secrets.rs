//! Every intermediate secret of the recorded IKEv2 exchanges is computed again from the nonces and the Diffie-Hellman
//! secrets, and everything that was protected opens: each message, each fragment, each ESP packet.
#![allow(clippy::unwrap_used)]

#[path = "golden_secrets/payloads.rs"]
mod payloads;
#[path = "golden_secrets/replay.rs"]
mod replay;
#[path = "golden_secrets/sa.rs"]
mod sa;

use handfast_tests::golden::{Exchange, exchanges};
use handfast_wire::header::{ExchangeType, Header};
use replay::{Outcome, Tally, replay};

/// Exchanges whose suite has no implementation, not even a legacy one.
const LEFT: [(&str, &str); 0] = [];

/// What each of the others holds: AUTH payloads made with a shared key (in EAP with its MSK), and child SAs.
const HELD: [(&str, usize, usize); 13] = [
    ("v2-config-vip-dns-narrowing", 2, 1),
    ("v2-cookie", 2, 1),
    ("v2-eap-mschapv2", 2, 1),
    ("v2-ecdsa256-x25519", 0, 1),
    ("v2-fail-auth", 1, 0),
    ("v2-invalid-ke-retry", 2, 1),
    ("v2-ppk-required", 2, 1),
    ("v2-psk-3des-md5-modp1024", 2, 1),
    ("v2-psk-aes256cbc-sha256-modp2048-rekeys", 2, 3),
    ("v2-psk-aes256gcm16-prfsha384-ecp384", 2, 2),
    ("v2-rsa-fragmented-600", 0, 1),
    ("v2-rsa-pkcs1-sha256-modp2048", 0, 1),
    ("v2-rsa-pss-aes128gcm-ecp256", 0, 1),
];

#[test]
fn every_secret_is_computed_again_and_everything_opens() {
    let (mut left, mut held) = (Vec::new(), Vec::new());
    let recorded: Vec<Exchange> = exchanges().into_iter().filter(Exchange::is_v2).collect();
    for exchange in &recorded {
        match replay(exchange) {
            Outcome::Left(suite) => left.push((exchange.name.as_str(), suite)),
            Outcome::Done {
                computed,
                tally,
                signed: _,
            } => {
                compare(exchange, &computed);
                everything_opened(exchange, tally);
                held.push((exchange.name.as_str(), tally.shared_key_auths, tally.children));
            }
        }
    }
    assert_eq!(left, LEFT.map(|(name, suite)| (name, suite.to_owned())));
    assert_eq!(held, HELD);
}

fn everything_opened(exchange: &Exchange, tally: Tally) {
    let protected = exchange.messages.iter().filter(|captured| {
        let header = Header::parse(&captured.bytes).unwrap();
        header.exchange != ExchangeType::IKE_SA_INIT
    });
    assert_eq!(tally.protected, protected.count(), "{}", exchange.name);
    assert_eq!(tally.esp, exchange.esp.len(), "{}", exchange.name);
    assert_eq!(tally.ike_sas, exchange.secrets.len(), "{}", exchange.name);
}

/// The recording daemon's values, in its order, against ours.
fn compare(exchange: &Exchange, computed: &[(&str, Vec<u8>)]) {
    let recorded: Vec<(&str, &Vec<u8>)> = exchange
        .keydumps
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        // NAT detection is no secret; the engine's tests look at it.
        .filter(|(name, _)| {
            !["natd_", "precalculated ", "received "]
                .iter()
                .any(|p| name.starts_with(p))
        })
        .collect();
    for (index, ((name, value), (our_name, ours))) in recorded.iter().zip(computed).enumerate() {
        assert_eq!(name, our_name, "{}: value {index}", exchange.name);
        assert_eq!(*value, ours, "{}: value {index}, {name}", exchange.name);
    }
    assert_eq!(recorded.len(), computed.len(), "{}", exchange.name);
    // The table of IKE SAs repeats some of them.
    for table in &exchange.secrets {
        for (name, value) in table {
            let known = |hex: &str| computed.iter().any(|(n, v)| n == name && hex == hexadecimal(v));
            if name.starts_with("S") {
                assert!(value.as_str().is_some_and(known), "{}: {name}", exchange.name);
            }
        }
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
