#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::super::test_packets::{ipv4, ipv4_options, ipv6};
use super::*;

const PORTS: [u8; 8] = [0x01, 0xbb, 0xc0, 0x01, 0, 8, 0, 0];

fn parse(packet: &[u8]) -> Headers {
    Headers::parse(packet).unwrap()
}

#[test]
fn an_ipv4_packet() {
    let mut packet = ipv4(17, &PORTS);
    packet[1] = 0xb9;
    let headers = parse(&packet);
    assert_eq!(headers.source, IpAddr::from([192, 0, 2, 1]));
    assert_eq!(headers.destination, IpAddr::from([198, 51, 100, 2]));
    assert_eq!((headers.protocol, headers.ports), (17, Ports::Pair(443, 0xc001)));
    assert_eq!((headers.total_len, headers.transport, headers.tos), (28, 20, 0xb9));
    assert!(headers.dont_fragment && !headers.is_fragment() && !headers.is_ipv6());
}

#[test]
fn options_are_skipped_and_what_follows_is_ignored() {
    let mut packet = ipv4_options(6, &[1, 1, 1, 0], &PORTS);
    packet.extend_from_slice(&[0xee; 40]);
    let headers = parse(&packet);
    assert_eq!((headers.transport, headers.total_len), (24, 32));
    assert_eq!(headers.ports, Ports::Pair(443, 0xc001));
}

#[test]
fn each_protocol_has_its_ports() {
    for (protocol, ports) in [
        (6, Ports::Pair(443, 0xc001)),
        (17, Ports::Pair(443, 0xc001)),
        (33, Ports::Pair(443, 0xc001)),
        (132, Ports::Pair(443, 0xc001)),
        (136, Ports::Pair(443, 0xc001)),
        (1, Ports::Type(443)),
        (58, Ports::Type(443)),
        (135, Ports::Type(0xc000)),
        (47, Ports::None),
        (50, Ports::None),
    ] {
        assert_eq!(parse(&ipv4(protocol, &PORTS)).ports, ports, "{protocol}");
    }
    // Truncated: the ports cannot be seen.
    assert_eq!(parse(&ipv4(17, &PORTS[..3])).ports, Ports::None);
}

#[test]
fn later_fragments_have_no_ports() {
    let mut packet = ipv4(17, &PORTS);
    packet[6..8].copy_from_slice(&0x2000u16.to_be_bytes());
    let first = parse(&packet);
    assert_eq!((first.ports, first.is_fragment()), (Ports::Pair(443, 0xc001), true));
    packet[6..8].copy_from_slice(&0x0002u16.to_be_bytes());
    let later = parse(&packet);
    assert_eq!(
        (later.ports, later.fragment_offset, later.more_fragments),
        (Ports::None, 16, false)
    );
    assert_eq!(later.source_port(), None);
}

#[test]
fn ipv6_extension_headers_are_walked() {
    let hop = [60, 0, 1, 4, 0, 0, 0, 0];
    let destination = [43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let routing = [51, 0, 0, 0, 0, 0, 0, 0];
    let ah = [17, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9];
    let payload = [&hop[..], &destination, &routing, &ah, &PORTS].concat();
    let mut packet = ipv6(0, &payload);
    (packet[0], packet[1]) = (0x6a, 0xb0);
    let headers = parse(&packet);
    assert_eq!((headers.protocol, headers.ports), (17, Ports::Pair(443, 0xc001)));
    assert_eq!(headers.transport, 40 + 8 + 16 + 8 + 16);
    assert_eq!(
        (headers.tos, headers.dont_fragment, headers.is_ipv6()),
        (0xab, true, true)
    );
}

#[test]
fn ipv6_fragments() {
    let first = [&[58, 0, 0, 1, 0, 0, 0, 7][..], &[128, 0, 0, 0]].concat();
    let headers = parse(&ipv6(44, &first));
    assert_eq!((headers.protocol, headers.ports), (58, Ports::Type(0x8000)));
    assert!(headers.is_fragment() && headers.more_fragments);
    // In a later one the octets after the header look like an extension header, and are none.
    let later = [&[60, 0, 0x05, 0xa8, 0, 0, 0, 7][..], &[0xff; 8]].concat();
    let headers = parse(&ipv6(44, &later));
    assert_eq!(
        (headers.protocol, headers.ports, headers.fragment_offset),
        (60, Ports::None, 0x5a8)
    );
}

#[test]
fn the_walk_is_bounded_and_stays_inside() {
    let chain = |count: usize| {
        let mut payload = [60, 0, 1, 4, 0, 0, 0, 0].repeat(count - 1);
        payload.extend_from_slice(&[17, 0, 1, 4, 0, 0, 0, 0]);
        payload.extend_from_slice(&PORTS);
        ipv6(60, &payload)
    };
    assert!(Headers::parse(&chain(7)).is_some());
    assert!(Headers::parse(&chain(9)).is_none());
    assert!(
        Headers::parse(&ipv6(60, &[17, 1, 1, 4, 0, 0, 0, 0])).is_none(),
        "longer than the packet"
    );
    assert!(Headers::parse(&ipv6(44, &[17, 0, 0])).is_none());
}

#[test]
fn malformed_packets_are_refused() {
    let good = ipv4(17, &PORTS);
    for len in 0..good.len() {
        assert!(Headers::parse(&good[..len]).is_none(), "{len} octets");
    }
    let changed = |at: usize, value: u8| {
        let mut packet = good.clone();
        packet[at] = value;
        Headers::parse(&packet)
    };
    assert!(changed(0, 0x55).is_none(), "version");
    assert!(changed(0, 0x44).is_none(), "header length of 16");
    assert!(changed(0, 0x4f).is_none(), "header beyond the packet");
    assert!(changed(3, 19).is_none(), "total length less than the header");
    assert!(changed(3, 29).is_none(), "total length beyond the buffer");
    let six = ipv6(17, &PORTS);
    for len in 0..six.len() {
        assert!(Headers::parse(&six[..len]).is_none(), "{len} octets");
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_offsets_stay_inside(version in prop_oneof![Just(0x45u8), Just(0x60), any::<u8>()],
                                              octets in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut octets = octets;
        if let Some(first) = octets.first_mut() {
            *first = version;
        }
        if let Some(headers) = Headers::parse(&octets) {
            prop_assert!(headers.transport <= headers.total_len && headers.total_len <= octets.len());
        }
    }
}
