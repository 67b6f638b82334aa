//! Laws over arbitrary octets for IKEv1: nothing panics, and what was read is written again as it came.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use handfast_wire::describe::{describe_v1_chain, describe_v1_message};
use handfast_wire::header::{ExchangeType, Flags, HEADER_LEN, Header, PayloadType, Spi, Version};
use handfast_wire::numbers::CfgType;
use handfast_wire::numbers::v1::Protocol;
use handfast_wire::selector::TrafficSelector;
use handfast_wire::v1::raw::check_reserved;
use handfast_wire::v1::{self, AttributeDef, Lifetimes, Message, Payload, PayloadChain, Plaintext, ProposalDef};
use handfast_wire::v1::{TransformDef, payloads};
use proptest::collection::vec;
use proptest::prelude::*;

/// Reads every payload that can be read, and everything inside it; gives the chain made again from the trees, and
/// whether the whole chain could be read.
fn reencode(first: PayloadType, bytes: &[u8]) -> (PayloadChain, bool) {
    let mut chain = PayloadChain::new();
    for raw in payloads(first, bytes) {
        let Ok(raw) = raw else { return (chain, false) };
        assert_eq!(&bytes[raw.offset + 4..raw.end()], raw.body);
        let mut body = Vec::new();
        match raw.parse() {
            Ok(payload) => {
                assert_eq!(payload.kind(), raw.kind);
                read_inside(&payload);
                payload.encode_body(&mut body);
            }
            Err(error) => {
                assert!(error.offset >= raw.offset + 4 && error.offset <= raw.end());
                body.extend_from_slice(raw.body);
            }
        }
        chain.push_bits(raw.kind, raw.reserved, &body);
    }
    (chain, true)
}

/// Every reading that there is of what a payload holds; errors are fine, panics are not.
fn read_inside(payload: &Payload<'_>) {
    match payload {
        Payload::Sa(sa) => {
            for transform in sa
                .proposals()
                .flatten()
                .flat_map(|proposal| proposal.transforms().flatten())
            {
                let (oakley, ipsec, def) = (transform.oakley(), transform.ipsec(), transform.to_def());
                assert_eq!(def.is_ok(), transform.attributes().all(|attribute| attribute.is_ok()));
                assert!(def.is_ok() || oakley.is_err() && ipsec.is_err());
            }
        }
        Payload::Id(id) => {
            let _ = id.check_phase_1();
            if let Ok(selector) = id.selector() {
                assert!(selector.start <= selector.end);
                let body = v1::id::encode_selector(&selector).unwrap();
                assert_eq!(v1::Id::parse(&body).unwrap().selector(), Ok(selector));
            }
        }
        Payload::Notify(notify) => {
            let _ = (Lifetimes::read_oakley(notify.data), Lifetimes::read_ipsec(notify.data));
        }
        Payload::Delete(delete) => assert!(delete.iter().count() <= usize::from(delete.count)),
        Payload::Config(config) => assert!(config.iter().flatten().all(|attribute| attribute.class < 0x8000)),
        Payload::NatOa(address) => drop(address.address()),
        Payload::Gss(gss) => drop((
            gss.recognised(),
            gss.token(handfast_wire::v1::gss::Framing::VendorOctet),
        )),
        Payload::VendorId(vendor_id) => drop(v1::vendor::name(vendor_id.data)),
        _ => {}
    }
}

fn header(exchange: ExchangeType) -> Header {
    Header {
        spi_i: Spi([1; 8]),
        spi_r: Spi([2; 8]),
        next_payload: PayloadType::NONE,
        version: Version::V1,
        exchange,
        flags: Flags::default(),
        message_id: 7,
        length: 0,
    }
}

/// Types that have a parser, and some that have none.
fn kind() -> impl Strategy<Value = PayloadType> {
    let other = any::<u8>().prop_filter("ends the chain", |kind| *kind != 0);
    prop_oneof![8 => 1u8..=14, 2 => 20u8..=21, 2 => 129u8..=132, 1 => other].prop_map(PayloadType)
}

fn attribute() -> impl Strategy<Value = AttributeDef> {
    prop_oneof![
        (0u16..20, any::<u16>()).prop_map(|(class, value)| AttributeDef::short(class, value)),
        (0u16..20, any::<u64>()).prop_map(|(class, value)| AttributeDef::number(class, value)),
        (0u16..0x8000, vec(any::<u8>(), 0..12)).prop_map(|(class, value)| AttributeDef::long(class, value)),
    ]
}

/// Bodies that get past the first checks: lists with true lengths inside.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let transform = (any::<u8>(), any::<u8>(), vec(attribute(), 0..6))
        .prop_map(|(number, id, attributes)| TransformDef { number, id, attributes });
    let proposal = (any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..9), vec(transform, 0..5)).prop_map(
        |(number, protocol, spi, transforms)| ProposalDef {
            number,
            protocol: Protocol(protocol),
            spi,
            transforms,
        },
    );
    let sa = vec(proposal, 0..4).prop_map(|proposals| v1::sa::encode(&proposals));
    let cp = (any::<u16>(), vec(attribute(), 0..5))
        .prop_map(|(identifier, attributes)| v1::config::encode(CfgType::REQUEST, identifier, &attributes));
    let id = (1u8..=11, prop_oneof![Just(4usize), Just(8), Just(16), Just(32)])
        .prop_flat_map(|(kind, len)| (Just(kind), vec(any::<u8>(), len + 3)))
        .prop_map(|(kind, rest)| [&[kind][..], &rest].concat());
    let sound = prop_oneof![vec(any::<u8>(), 0..40), sa, cp, id];
    // One octet of a sound body changed, or none.
    (sound, any::<prop::sample::Index>(), any::<Option<u8>>()).prop_map(|(mut body, at, octet)| {
        if let (Some(octet), false) = (octet, body.is_empty()) {
            let at = at.index(body.len());
            body[at] = octet;
        }
        body
    })
}

fn chain_of(parts: &[(PayloadType, u8, Vec<u8>)]) -> PayloadChain {
    let mut chain = PayloadChain::new();
    for (kind, octet, body) in parts {
        chain.push_bits(*kind, *octet, body);
    }
    chain
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_chain_is_read_or_refused(first in kind(), bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(!describe_v1_chain(first, &bytes).is_empty());
        let (chain, whole) = reencode(first, &bytes);
        if whole {
            prop_assert_eq!(chain.first(), first);
            prop_assert_eq!(chain.bytes(), &bytes[..]);
        } else {
            // What was read before the error is exact, but for what the last payload says of the next.
            let end = chain.bytes().len();
            prop_assert!(end <= bytes.len());
            let again = reencode(first, &bytes[..end]).0;
            prop_assert_eq!(again.bytes(), chain.bytes());
        }
    }

    #[test]
    fn what_is_read_is_written_as_it_came(parts in vec((kind(), any::<u8>(), body()), 0..6)) {
        let chain = chain_of(&parts);
        let bytes = v1::message(header(ExchangeType::V1_MAIN), &chain);
        let message = Message::parse(&bytes).unwrap();
        prop_assert!(!describe_v1_message(&message).is_empty());
        let (again, whole) = reencode(message.header.next_payload, message.body());
        prop_assert!(whole);
        prop_assert_eq!(v1::message(message.header, &again), &bytes[..]);
        let clean = parts.iter().all(|(_, octet, _)| *octet == 0);
        prop_assert_eq!(check_reserved(message.header.next_payload, message.body()).is_ok(), clean);
    }

    #[test]
    fn reading_what_was_written_gives_the_same_tree(kind in kind(), body in body()) {
        let mut chain = PayloadChain::new();
        chain.push_raw(kind, &body);
        let raw = payloads(chain.first(), chain.bytes()).next().unwrap().unwrap();
        if let Ok(payload) = raw.parse() {
            let mut again = PayloadChain::new();
            again.push(&payload);
            let raw = payloads(again.first(), again.bytes()).next().unwrap().unwrap();
            prop_assert_eq!(raw.parse(), Ok(payload));
        }
    }

    #[test]
    fn padding_is_found_whatever_it_is(
        parts in vec((kind(), Just(0), body()), 1..4), block in 0usize..33, padding in vec(any::<u8>(), 0..40),
    ) {
        let chain = chain_of(&parts);
        let padded = chain.padded(block);
        prop_assert_eq!(padded.len() % block.max(1), 0);
        let plaintext = Plaintext::split(chain.first(), &padded).unwrap();
        prop_assert_eq!(plaintext.chain, chain.bytes());
        prop_assert!(plaintext.is_zero_padded() && plaintext.padding.len() < block.max(1));
        let odd = [chain.bytes(), &padding].concat();
        let plaintext = Plaintext::split(chain.first(), &odd).unwrap();
        prop_assert_eq!((plaintext.chain, plaintext.padding), (chain.bytes(), &padding[..]));
        // What follows a payload is the chain without it.
        for raw in plaintext.payloads() {
            let raw = raw.unwrap();
            let (rest, whole) = reencode(raw.next, plaintext.after(&raw));
            prop_assert!(whole);
            prop_assert_eq!(rest.bytes(), plaintext.after(&raw));
        }
    }

    #[test]
    fn any_plaintext_is_split_or_refused(first in kind(), bytes in vec(any::<u8>(), 0..100)) {
        if let Ok(plaintext) = Plaintext::split(first, &bytes) {
            prop_assert_eq!(&[plaintext.chain, plaintext.padding].concat()[..], &bytes[..]);
            prop_assert!(plaintext.payloads().all(|raw| raw.is_ok()));
        }
    }

    #[test]
    fn cutting_a_message_is_an_error_and_no_panic(
        parts in vec((kind(), Just(0), body()), 1..4), cut in any::<prop::sample::Index>(),
    ) {
        let chain = chain_of(&parts);
        let bytes = v1::message(header(ExchangeType::V1_QUICK), &chain);
        let cut = cut.index(bytes.len());
        prop_assert!(Message::parse(&bytes[..cut]).is_err());
        let rest = &chain.bytes()[..cut.saturating_sub(HEADER_LEN)];
        prop_assert!(payloads(chain.first(), rest).any(|raw| raw.is_err()));
        prop_assert!(Plaintext::split(chain.first(), rest).is_err());
    }

    #[test]
    fn the_answer_holds_the_chosen_transform_as_it_was_offered(sa in body(), spi in vec(any::<u8>(), 0..9)) {
        let Ok(sa) = v1::Sa::parse(&sa) else { return Ok(()) };
        for proposal in sa.proposals().map_while(Result::ok) {
            for transform in proposal.transforms().map_while(Result::ok) {
                let answer = v1::sa::encode_chosen(&sa, &[(proposal, transform, &spi)]);
                let answer = v1::Sa::parse(&answer).unwrap();
                prop_assert_eq!((answer.doi, answer.situation, answer.labels), (sa.doi, sa.situation, sa.labels));
                let chosen = answer.proposals().next().unwrap().unwrap();
                prop_assert_eq!((chosen.number, chosen.protocol, chosen.spi), (proposal.number, proposal.protocol, &spi[..]));
                let one: Vec<_> = chosen.transforms().collect();
                prop_assert_eq!(one, vec![Ok(v1::Transform { more: 0, ..transform })]);
            }
        }
    }

    #[test]
    fn traffic_is_written_as_an_identity_and_read_again(
        a in any::<u128>(), b in any::<u128>(), len in 0u8..=128, protocol in any::<u8>(), port in any::<u16>(),
    ) {
        let v4 = |bits: u128| IpAddr::from(Ipv4Addr::from_bits(bits as u32));
        let v6 = |bits: u128| IpAddr::from(Ipv6Addr::from_bits(bits));
        let (start_port, end_port) = if port == 0 { (0, u16::MAX) } else { (port, port) };
        let range = |start: IpAddr, end: IpAddr| TrafficSelector {
            protocol, start_port, end_port, start: start.min(end), end: start.max(end),
        };
        for selector in [
            TrafficSelector::from_subnet(v4(a), len % 33),
            TrafficSelector::from_subnet(v6(a), len),
            range(v4(a), v4(b)),
            range(v6(a), v6(b)),
        ] {
            let body = v1::id::encode_selector(&selector).unwrap();
            prop_assert_eq!(v1::Id::parse(&body).unwrap().selector(), Ok(selector));
        }
    }
}
