//! Every ESP packet of the recorded exchanges opens with the recorded keys, and there is an IP packet inside.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use handfast_crypto::legacy_provider;
use handfast_crypto::transform::{Encr, Integ};
use handfast_esp::tunnel::{Headers, inner_protocol};
use handfast_esp::{InboundSa, OpenError};
use handfast_tests::golden::{self, CapturedEsp, Exchange, unhex};
use handfast_tests::keys::{EspRow, KeyLog};

/// Wireshark's names, with the length of the key, which tells AES-128 from AES-256.
fn algorithms(row: &EspRow) -> Option<(Encr, Option<Integ>)> {
    let bits = row.key.len() * 4;
    let encr = match row.encr.as_str() {
        "TripleDES-CBC [RFC2451]" => Encr::TRIPLE_DES,
        "AES-CBC [RFC3602]" => Encr::aes_cbc(bits as u16),
        "AES-GCM with 16 octet ICV [RFC4106]" => Encr::aes_gcm16(bits as u16 - 32),
        "ChaCha20 with Poly1305 [RFC7634]" => Encr::CHACHA20_POLY1305,
        _ => return None,
    };
    let integ = match row.auth.as_str() {
        "NULL" => None,
        "HMAC-MD5-96 [RFC2403]" => Some(Integ::HMAC_MD5_96),
        "HMAC-SHA-1-96 [RFC2404]" => Some(Integ::HMAC_SHA1_96),
        "HMAC-SHA-256-128 [RFC4868]" => Some(Integ::HMAC_SHA2_256_128),
        _ => return None,
    };
    Some((encr, integ))
}

fn sa(row: &EspRow) -> InboundSa {
    let (encr, integ) = algorithms(row).unwrap_or_else(|| panic!("{} {} has no name here", row.encr, row.auth));
    let algorithm = legacy_provider().protect(encr, integ).unwrap();
    let key = algorithm
        .key(&unhex(&row.key).unwrap(), &unhex(&row.auth_key).unwrap())
        .unwrap();
    InboundSa::new(u32::from_str_radix(&row.spi, 16).unwrap(), key, false)
}

fn rows(exchange: &Exchange) -> Vec<EspRow> {
    KeyLog::read(&exchange.dir().join("wireshark")).esp
}

/// Opens one packet, checks what is inside and that it opens only once and only unchanged.
fn check(sa: &mut InboundSa, captured: &CapturedEsp, place: &str) {
    let mut tampered = captured.bytes.clone();
    *tampered.last_mut().unwrap() ^= 1;
    assert_eq!(sa.open(&mut tampered), Err(OpenError::Integrity), "{place}");

    let mut packet = captured.bytes.clone();
    let opened = sa.open(&mut packet).unwrap_or_else(|e| panic!("{place}: {e}"));
    let inner = &packet[opened.payload];
    assert_eq!(inner_protocol(inner), Some(opened.next_header), "{place}");
    let headers = Headers::parse(inner).unwrap_or_else(|| panic!("{place}: no IP packet inside"));
    assert_eq!(headers.total_len, inner.len(), "{place}");
    // What was carried were pings.
    assert_eq!(headers.protocol, 1, "{place}");

    assert_eq!(sa.open(&mut captured.bytes.clone()), Err(OpenError::Replay), "{place}");
}

#[test]
fn every_packet_opens() {
    let mut opened = BTreeMap::new();
    for exchange in golden::exchanges() {
        let rows = rows(&exchange);
        let mut sas: BTreeMap<u32, InboundSa> = rows
            .iter()
            .map(|row| (u32::from_str_radix(&row.spi, 16).unwrap(), sa(row)))
            .collect();
        for (index, captured) in exchange.esp.iter().enumerate() {
            let place = format!("{}, ESP packet {index}", exchange.name);
            let row = rows
                .iter()
                .find(|row| u32::from_str_radix(&row.spi, 16) == Ok(captured.spi()));
            let row = row.unwrap_or_else(|| panic!("{place}: no key"));
            let suite = format!("{} {}", row.encr, row.auth);
            check(sas.get_mut(&captured.spi()).unwrap(), captured, &place);
            *opened.entry(suite).or_insert(0) += 1;
        }
    }
    assert_eq!(
        opened.len(),
        5,
        "AES-GCM, ChaCha20-Poly1305, AES-CBC with SHA-1 and SHA-256, 3DES with MD5: {opened:#?}"
    );
    assert!(opened.values().all(|&count| count >= 4));
}
