//! Laws over arbitrary octets: nothing panics, and what was read is written again as it came.
#![allow(clippy::unwrap_used)]

use handfast_wire::describe::{describe_chain, describe_message};
use handfast_wire::header::{ExchangeType, Flags, HEADER_LEN, Header, PayloadType, Spi, Version};
use handfast_wire::numbers::{CfgAttributeType, CfgType, Protocol, TransformType};
use handfast_wire::selector::TrafficSelector;
use handfast_wire::v2::{self, ConfigAttribute, Message, Payload, PayloadChain, ProposalDef, TransformDef, payloads};
use proptest::collection::vec;
use proptest::prelude::*;

/// Reads every payload that can be read, and everything inside it; gives the chain made again from the trees, and
/// whether the whole chain could be read.
fn reencode(first: PayloadType, bytes: &[u8]) -> (PayloadChain, bool) {
    let mut chain = PayloadChain::new();
    for raw in payloads(first, bytes) {
        let Ok(raw) = raw else { return (chain, false) };
        assert_eq!(&bytes[raw.offset + 4..raw.offset + 4 + raw.body.len()], raw.body);
        let mut body = Vec::new();
        match raw.parse() {
            Ok(payload) => {
                assert_eq!(payload.kind(), raw.kind);
                payload.encode_body(&mut body);
            }
            Err(error) => {
                assert!(error.offset >= raw.offset + 4 && error.offset <= raw.offset + 4 + raw.body.len());
                body.extend_from_slice(raw.body);
            }
        }
        chain.push_bits(raw.kind, raw.reserved | if raw.critical { 0x80 } else { 0 }, &body);
        chain.set_next(raw.next);
    }
    (chain, true)
}

fn header() -> Header {
    Header {
        spi_i: Spi([1; 8]),
        spi_r: Spi([2; 8]),
        next_payload: PayloadType::NONE,
        version: Version::V2,
        exchange: ExchangeType::IKE_AUTH,
        flags: Flags::RESPONSE,
        message_id: 7,
        length: 0,
    }
}

/// Types that have a parser, and some that have none.
fn kind() -> impl Strategy<Value = PayloadType> {
    prop_oneof![8 => 33u8..=54, 1 => any::<u8>().prop_filter("ends the chain", |kind| *kind != 0)].prop_map(PayloadType)
}

/// Bodies that get past the first checks: lists with true lengths inside.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let transform = (any::<u8>(), any::<u16>(), any::<Option<u16>>()).prop_map(|(kind, id, key_bits)| TransformDef {
        kind: TransformType(kind),
        id,
        key_bits,
    });
    let proposal = (any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..9), vec(transform, 0..6)).prop_map(
        |(number, protocol, spi, transforms)| ProposalDef {
            number,
            protocol: Protocol(protocol),
            spi,
            transforms,
        },
    );
    let sa = vec(proposal, 0..4).prop_map(|proposals| v2::sa::encode(&proposals));
    let ts = vec((any::<u32>(), 0u8..=32), 0..4).prop_map(|subnets| {
        let selectors = subnets
            .into_iter()
            .map(|(bits, len)| TrafficSelector::from_subnet(bits_to_ip(bits), len));
        v2::ts::encode(&selectors.collect::<Vec<_>>())
    });
    let cp = vec((any::<u16>(), vec(any::<u8>(), 0..6)), 0..4).prop_map(|attributes| {
        let attributes: Vec<_> = attributes
            .iter()
            .map(|(kind, value)| ConfigAttribute::new(CfgAttributeType(*kind), value))
            .collect();
        v2::config::encode(CfgType::REQUEST, &attributes)
    });
    let sound = prop_oneof![vec(any::<u8>(), 0..40), sa, ts, cp];
    // One octet of a sound body changed, or none.
    (sound, any::<prop::sample::Index>(), any::<Option<u8>>()).prop_map(|(mut body, at, octet)| {
        if let (Some(octet), false) = (octet, body.is_empty()) {
            let at = at.index(body.len());
            body[at] = octet;
        }
        body
    })
}

fn bits_to_ip(bits: u32) -> std::net::IpAddr {
    std::net::Ipv4Addr::from_bits(bits).into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_datagram_is_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(header) = Header::parse(&bytes) {
            let mut out = Vec::new();
            header.encode(&mut out);
            prop_assert_eq!(&out[..], &bytes[..HEADER_LEN]);
        }
        if let Ok(message) = Message::parse(&bytes) {
            prop_assert!(!describe_message(&message).is_empty());
        }
    }

    #[test]
    fn any_chain_is_read_or_refused(first in kind(), bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(!describe_chain(first, &bytes).is_empty());
        let (chain, whole) = reencode(first, &bytes);
        if whole {
            prop_assert_eq!(chain.first(), first);
            prop_assert_eq!(chain.bytes(), &bytes[..]);
        } else {
            // What was read before the error is still exact; the last `next` is kept too.
            prop_assert!(bytes.starts_with(chain.bytes()));
        }
    }

    #[test]
    fn what_is_read_is_written_as_it_came(parts in vec((kind(), any::<u8>(), body()), 0..6)) {
        let mut chain = PayloadChain::new();
        for (kind, octet, body) in &parts {
            chain.push_bits(*kind, *octet, body);
        }
        let bytes = v2::message(header(), &chain);
        let message = Message::parse(&bytes).unwrap();
        prop_assert!(!describe_message(&message).is_empty());
        let (again, whole) = reencode(message.header.next_payload, chain.bytes());
        // SK and SKF end a chain: what was put after them is refused.
        let ended = parts.iter().rev().skip(1).any(|(kind, ..)| matches!(*kind, PayloadType::SK | PayloadType::SKF));
        prop_assert_eq!(whole, !ended);
        if whole {
            prop_assert_eq!(v2::message(message.header, &again), bytes);
        }
    }

    #[test]
    fn reading_what_was_written_gives_the_same_tree(kind in kind(), body in body()) {
        let mut chain = PayloadChain::new();
        chain.push_raw(kind, false, &body);
        let raw = payloads(chain.first(), chain.bytes()).next().unwrap().unwrap();
        if let Ok(payload) = raw.parse() {
            let mut again = PayloadChain::new();
            again.push(&payload);
            let raw = payloads(again.first(), again.bytes()).next().unwrap().unwrap();
            prop_assert_eq!(raw.parse(), Ok(payload));
            let _: Payload<'_> = payload;
        }
    }

    #[test]
    fn cutting_a_message_is_an_error_and_no_panic(parts in vec((kind(), body()), 1..4), cut in any::<prop::sample::Index>()) {
        let mut chain = PayloadChain::new();
        for (kind, body) in &parts {
            chain.push_raw(*kind, false, body);
        }
        let bytes = v2::message(header(), &chain);
        let cut = cut.index(bytes.len());
        prop_assert!(Message::parse(&bytes[..cut]).is_err());
        // After SK and SKF a chain may end, whatever was put behind them.
        let ends_early = parts.iter().any(|(kind, _)| matches!(*kind, PayloadType::SK | PayloadType::SKF));
        if !ends_early
            && let Some(rest) = chain.bytes().get(..cut.saturating_sub(HEADER_LEN))
            && rest.len() < chain.bytes().len()
        {
            prop_assert!(payloads(chain.first(), rest).any(|raw| raw.is_err()));
        }
    }
}
