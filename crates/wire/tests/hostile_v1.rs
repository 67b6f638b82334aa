//! Hostile IKEv1 octets: refused or read within bounds, each with a reason.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use handfast_wire::describe::{describe_v1_chain, describe_v1_message};
use handfast_wire::header::{ExchangeType, Flags, HEADER_LEN, Header, PayloadType, Spi, Version};
use handfast_wire::numbers::IdType;
use handfast_wire::numbers::v1::Protocol;
use handfast_wire::v1::{self, AttributeDef, Id, Message, Payload, PayloadChain, ProposalDef, TransformDef, payloads};

fn header(exchange: ExchangeType) -> Header {
    Header {
        spi_i: Spi([1; 8]),
        spi_r: Spi::ZERO,
        next_payload: PayloadType::NONE,
        version: Version::V1,
        exchange,
        flags: Flags::default(),
        message_id: 0,
        length: 0,
    }
}

fn suite(attributes: Vec<AttributeDef>) -> TransformDef {
    TransformDef {
        number: 1,
        id: 1,
        attributes,
    }
}

fn offer(transforms: Vec<TransformDef>) -> Vec<u8> {
    v1::sa::encode(&[ProposalDef {
        number: 1,
        protocol: Protocol::ISAKMP,
        spi: vec![],
        transforms,
    }])
}

/// How the one transform of an offer with these attributes reads in phase 1.
fn read(attributes: Vec<AttributeDef>) -> Result<(Option<u64>, Option<u16>), &'static str> {
    let body = offer(vec![suite(attributes)]);
    let proposal = v1::Sa::parse(&body).unwrap().proposals().next().unwrap().unwrap();
    let transform = proposal.transforms().next().unwrap().unwrap();
    let oakley = transform.oakley().map_err(|error| error.reason)?;
    Ok((oakley.lifetimes.seconds, oakley.unknown))
}

#[test]
fn datagrams_too_short_for_a_header() {
    for len in 0..HEADER_LEN {
        assert!(Message::parse(&vec![0x10; len]).is_err());
        assert!(Message::parse(&vec![0xff; len]).is_err());
    }
}

#[test]
fn lengths_that_lie() {
    for length in [0u16, 1, 2, 3, 0x7fff, 0xffff] {
        let mut chain = PayloadChain::new();
        chain.push_raw(PayloadType::V1_SA, &offer(vec![suite(vec![AttributeDef::short(1, 7)])]));
        let mut bytes = v1::message(header(ExchangeType::V1_MAIN), &chain);
        bytes[HEADER_LEN + 2..HEADER_LEN + 4].copy_from_slice(&length.to_be_bytes());
        let message = Message::parse(&bytes).unwrap();
        assert!(message.payloads().next().unwrap().is_err(), "{length}");
        assert!(describe_v1_message(&message).starts_with("Main Mode [(payload l"));
    }
}

#[test]
fn a_datagram_full_of_the_smallest_things_takes_no_time() {
    let start = Instant::now();
    let mut chain = PayloadChain::new();
    for _ in 0..16_000 {
        chain.push_raw(PayloadType::V1_VENDOR_ID, &[]);
    }
    assert_eq!(payloads(chain.first(), chain.bytes()).count(), 16_000);
    assert!(describe_v1_chain(chain.first(), chain.bytes()).len() < 250);

    // 255 transforms of 60 attributes; then one of 16,000 attributes; then proposals of nothing.
    let many = (0..60).map(|value| AttributeDef::short(100, value)).collect::<Vec<_>>();
    let body = offer(vec![suite(many); 255]);
    let proposal = v1::Sa::parse(&body).unwrap().proposals().next().unwrap().unwrap();
    assert_eq!(
        proposal
            .transforms()
            .filter(|t| t.as_ref().unwrap().oakley().is_ok())
            .count(),
        255
    );
    let lifetimes = [AttributeDef::short(11, 1), AttributeDef::short(12, 9)];
    let body = offer(vec![suite(lifetimes.into_iter().cycle().take(16_000).collect())]);
    let proposal = v1::Sa::parse(&body).unwrap().proposals().next().unwrap().unwrap();
    let transform = proposal.transforms().next().unwrap().unwrap();
    assert_eq!(transform.oakley().unwrap().lifetimes.seconds, Some(9));
    let empty = ProposalDef {
        number: 1,
        protocol: Protocol::ESP,
        spi: vec![],
        transforms: vec![],
    };
    let body = v1::sa::encode(&vec![empty; 8_000]);
    assert_eq!(v1::Sa::parse(&body).unwrap().proposals().count(), 8_000);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn attributes_that_conflict_are_refused_and_unknown_ones_told() {
    let (short, long) = (AttributeDef::short, |class, octets: &[u8]| {
        AttributeDef::long(class, octets)
    });
    let twice = Err("attribute given twice with different values");
    let variable = Err("basic attribute in variable format");
    assert_eq!(read(vec![short(1, 7), short(1, 5)]), twice);
    assert_eq!(read(vec![short(14, 128), short(14, 256)]), twice);
    assert_eq!(read(vec![short(1, 7), short(1, 7)]), Ok((None, None)));
    assert_eq!(read(vec![long(1, &[0, 7])]), variable);
    assert_eq!(read(vec![long(14, &[0, 128])]), variable);
    assert_eq!(read(vec![long(11, &[0, 1]), short(12, 9)]), variable);
    assert_eq!(read(vec![short(4000, 1)]), Ok((None, Some(4000))));
    // Durations of no octets, of eight, of more than fit.
    assert_eq!(
        read(vec![short(11, 1), long(12, &[])]),
        Err("life duration is no number of 64 bits")
    );
    assert_eq!(
        read(vec![short(11, 1), long(12, &[0xff; 8])]),
        Ok((Some(u64::MAX), None))
    );
    assert_eq!(
        read(vec![short(11, 1), long(12, &[0xff; 9])]),
        Err("life duration is no number of 64 bits")
    );
    assert_eq!(read(vec![short(11, 1), short(12, 0)]), Ok((Some(0), None)));
    assert_eq!(read(vec![short(12, 9)]), Err("life duration without life type"));
}

#[test]
fn an_attribute_longer_than_everything() {
    let mut body = offer(vec![suite(vec![AttributeDef::long(12, [1, 2, 3, 4])])]);
    let at = body.len() - 6;
    body[at..at + 2].copy_from_slice(&[0xff, 0xff]);
    let proposal = v1::Sa::parse(&body).unwrap().proposals().next().unwrap().unwrap();
    let transform = proposal.transforms().next().unwrap().unwrap();
    assert_eq!(
        transform.oakley().unwrap_err().reason,
        "attribute longer than what holds it"
    );
    assert!(transform.ipsec().is_err() && transform.to_def().is_err());
}

#[test]
fn nonces_too_short_and_too_long() {
    for (len, sound) in [(0, false), (7, false), (8, true), (256, true), (257, false)] {
        let mut chain = PayloadChain::new();
        chain.push_raw(PayloadType::V1_NONCE, &vec![1; len]);
        let raw = payloads(chain.first(), chain.bytes()).next().unwrap().unwrap();
        let Payload::Nonce(nonce) = raw.parse().unwrap() else {
            panic!("a nonce")
        };
        assert_eq!(nonce.is_sound(), sound, "{len}");
    }
}

#[test]
fn identities_that_select_no_traffic() {
    for (id_type, data) in [
        (IdType::FQDN, &b"host.example"[..]),
        (IdType::KEY_ID, &[0xff; 20]),
        (IdType::V1_IPV4_ADDR_SUBNET, &[10, 0, 0, 0, 255, 0, 255, 0]),
        (IdType::V1_IPV4_ADDR_SUBNET, &[10, 0, 0, 0]),
        (IdType::V1_IPV4_ADDR_RANGE, &[10, 0, 0, 9, 10, 0, 0, 1]),
        (IdType::V1_IPV6_ADDR_SUBNET, &[0; 31]),
        (IdType::V1_IPV6_ADDR_SUBNET, &[0; 16]),
        (IdType::V1_IPV6_ADDR_RANGE, &[0; 33]),
        (IdType(0), &[]),
        (IdType(255), &[1; 4]),
    ] {
        assert!(Id::new(id_type, data).selector().is_err(), "{id_type}");
    }
}

#[test]
fn fragments_of_nothing_are_told_from_none() {
    for (body, whole) in [
        (&[0, 1, 0, 0][..], true),
        (&[0, 1, 1, 1, 0], true),
        (&[0, 1, 1], false),
        (&[], false),
    ] {
        let mut chain = PayloadChain::new();
        chain.push_raw(PayloadType::V1_FRAGMENT, body);
        let raw = payloads(chain.first(), chain.bytes()).next().unwrap().unwrap();
        assert_eq!(raw.parse().is_ok(), whole, "{body:?}");
    }
}
