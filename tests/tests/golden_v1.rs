//! The recorded IKEv1 exchanges: every message is read and written again to the same octets, in the clear and once
//! decrypted; every SKEYID, IV, HASH and KEYMAT is computed again; everything that was protected opens.
#![allow(clippy::unwrap_used)]

#[path = "golden_v1/ecdsa.rs"]
mod ecdsa;
#[path = "golden_v1/isakmp.rs"]
mod isakmp;
#[path = "golden_v1/phase_one.rs"]
mod phase_one;
#[path = "golden_v1/phase_two.rs"]
mod phase_two;
#[path = "golden_v1/replay.rs"]
mod replay;
#[path = "golden_v1/signatures.rs"]
mod signatures;
#[path = "golden_v1/wire.rs"]
mod wire;

use std::collections::BTreeMap;

use handfast_tests::golden::{Exchange, exchange, exchanges};
use replay::{Replay, Tally, replay};

/// What each recording holds: ISAKMP SAs, encrypted messages, hashes and signatures that verify, child SAs, ESP packets.
const HELD: [(&str, Tally); 7] = [
    ("v1-aggressive-psk-aes128-sha1-modp1024", Tally::of(1, 6, 7, 1, 4)),
    ("v1-dpd", Tally::of(1, 13, 13, 1, 0)),
    ("v1-fail-psk-mismatch", Tally::of(1, 4, 1, 0, 0)),
    ("v1-main-psk-aes128-sha1-modp1536-pfs", Tally::of(1, 11, 11, 2, 4)),
    ("v1-main-psk-aes256-sha256-modp2048", Tally::of(2, 14, 14, 2, 4)),
    ("v1-main-rsa-aes128-sha256-modp2048", Tally::of(1, 7, 7, 1, 4)),
    ("v1-xauth-psk-modecfg-pull", Tally::of(1, 13, 13, 1, 2)),
];

#[test]
fn every_secret_is_computed_again_and_everything_opens() {
    let recorded: Vec<Exchange> = exchanges().into_iter().filter(|exchange| !exchange.is_v2()).collect();
    let mut held = Vec::new();
    for exchange in &recorded {
        let replay = replay(exchange);
        compare(exchange, &replay);
        held.push((exchange.name.as_str(), replay.tally));
    }
    assert_eq!(held, HELD);
}

/// The recording daemon's values against ours: for each name the same values in the same order.
fn compare(exchange: &Exchange, replay: &Replay<'_>) {
    // NAT detection is looked at where the payloads are.
    let is_natd = |name: &str| {
        ["natd_", "precalculated ", "received "]
            .iter()
            .any(|p| name.starts_with(p))
    };
    let mut recorded: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
    for (name, value) in exchange.keydumps.iter().filter(|(name, _)| !is_natd(name)) {
        recorded.entry(name).or_default().push(value);
    }
    let mut computed: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
    for (name, value) in &replay.computed {
        computed.entry(name).or_default().push(value);
    }
    for (name, values) in &recorded {
        assert_eq!(computed.get(name), Some(values), "{}: {name}", exchange.name);
    }
    let names = |map: &BTreeMap<&str, Vec<&[u8]>>| map.keys().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&computed), names(&recorded), "{}", exchange.name);
}

#[test]
fn a_peer_with_another_key_opens_nothing_and_says_so() {
    let exchange = exchange("v1-fail-psk-mismatch");
    let replay = replay(&exchange);
    assert_eq!(replay.refusals, ["PAYLOAD-MALFORMED"; 3]);
}

#[test]
fn extended_authentication_and_configuration_are_read() {
    let exchange = exchange("v1-xauth-psk-modecfg-pull");
    let replay = replay(&exchange);
    let text = |value: &str| value.as_bytes().to_vec();
    let values = |name: &str| -> Vec<Vec<u8>> {
        let of_name = replay.configured.iter().filter(|(_, attribute, _)| attribute == name);
        of_name.map(|(_, _, value)| value.clone()).collect()
    };
    let types: Vec<&str> = replay
        .configured
        .iter()
        .map(|(cfg_type, ..)| cfg_type.as_str())
        .collect();
    for wanted in ["CFG_REQUEST", "CFG_REPLY", "CFG_SET", "CFG_ACK"] {
        assert!(types.contains(&wanted), "{wanted}: {:?}", replay.configured);
    }
    assert!(
        values("XAUTH_USER_NAME").contains(&text("carol")),
        "{:?}",
        replay.configured
    );
    assert!(values("XAUTH_USER_PASSWORD").contains(&text("Ar3etTnp01qlpOgb")));
    assert_eq!(values("XAUTH_STATUS")[0], [0, 1]);
    assert!(values("INTERNAL_IP4_ADDRESS").iter().any(|address| address.len() == 4));
}
