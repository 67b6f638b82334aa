#![allow(clippy::unwrap_used)]

use super::super::test_packets::{ipv4, ipv6, transport_checksum};
use super::*;

/// A TCP segment with these flags and options (a multiple of 4 octets), in IPv4 or IPv6, its checksum right.
fn segment(six: bool, flags: u8, options: &[u8], data: &[u8]) -> Vec<u8> {
    let mut tcp = vec![
        0xc0,
        0x01,
        0,
        80,
        1,
        2,
        3,
        4,
        0,
        0,
        0,
        0,
        ((20 + options.len()) as u8) << 2,
        flags,
    ];
    tcp.extend_from_slice(&[0xff, 0xff, 0, 0, 0, 0]);
    tcp.extend_from_slice(options);
    tcp.extend_from_slice(data);
    let mut packet = if six { ipv6(6, &tcp) } else { ipv4(6, &tcp) };
    let at = Headers::parse(&packet).unwrap().transport + 16;
    let value = transport_checksum(&packet);
    packet[at..at + 2].copy_from_slice(&value.to_be_bytes());
    assert_eq!(transport_checksum(&packet), 0);
    packet
}

fn clamped(packet: &[u8], mtu: usize) -> Option<Vec<u8>> {
    let mut copy = packet.to_vec();
    let headers = Headers::parse(packet).unwrap();
    clamp_mss(&mut copy, &headers, mtu).then_some(copy)
}

#[test]
fn the_mss_is_lowered_wherever_the_option_is() {
    let mss = [2, 4, 0x05, 0xb4]; // 1460
    for six in [false, true] {
        let expected = 1400 - if six { 60 } else { 40 };
        for options in [
            mss.to_vec(),
            [&[1, 1, 1, 1][..], &mss].concat(),
            [&[1][..], &mss, &[4, 2, 0]].concat(), // across two words
            [&[4, 2, 1][..], &mss, &[0]].concat(),
            [&[8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 3, 3, 7][..], &mss, &[1, 1, 1]].concat(),
        ] {
            for (flags, data) in [(0x02, &b""[..]), (0x12, b""), (0x02, b"odd")] {
                let packet = segment(six, flags, &options, data);
                let changed = clamped(&packet, 1400).unwrap();
                assert_eq!(transport_checksum(&changed), 0, "checksum, {options:?}");
                let at = Headers::parse(&packet).unwrap().transport + 20;
                let value = at + options.windows(2).position(|w| w == [2, 4]).unwrap() + 2;
                assert_eq!(changed[value..value + 2], u16::to_be_bytes(expected));
                // Nothing else is changed.
                let differ = (0..packet.len()).filter(|&i| packet[i] != changed[i]);
                assert!(
                    differ
                        .into_iter()
                        .all(|i| (value..value + 2).contains(&i) || (at - 4..at - 2).contains(&i))
                );
            }
        }
    }
}

#[test]
fn what_needs_no_change_is_left_alone() {
    let mss = [2, 4, 0x05, 0xb4];
    assert_eq!(clamped(&segment(false, 0x02, &mss, b""), 1500), None, "it fits");
    assert_eq!(clamped(&segment(false, 0x10, &mss, b""), 1400), None, "no SYN");
    assert_eq!(clamped(&segment(false, 0x02, &[], b"abcd"), 1400), None, "no option");
    assert_eq!(
        clamped(&segment(false, 0x02, &[0, 0, 0, 0], &mss), 1400),
        None,
        "data is no option"
    );
    assert_eq!(
        clamped(&segment(false, 0x02, &[0, 2, 4, 0xff], b""), 100),
        None,
        "after the end of options"
    );
    let mut fragment = segment(false, 0x02, &mss, b"");
    fragment[6] = 0x20;
    assert_eq!(clamped(&fragment, 1400), None, "a fragment");
    let mut udp = segment(false, 0x02, &mss, b"");
    udp[9] = 17;
    assert_eq!(clamped(&udp, 1400), None, "no TCP");
}

#[test]
fn malformed_options_change_nothing() {
    for options in [
        [2, 4, 0xff, 0xff],
        [2, 3, 0xff, 0xff],
        [3, 0, 0, 0],
        [3, 1, 2, 4],
        [1, 1, 2, 4],
        [1, 1, 1, 2],
    ] {
        let packet = segment(false, 0x02, &options, b"");
        let changed = clamped(&packet, 1400);
        assert_eq!(changed.is_some(), options == [2, 4, 0xff, 0xff], "{options:?}");
    }
    // A header length beyond the packet.
    let mut packet = segment(false, 0x02, &[2, 4, 5, 0xb4], b"");
    packet[32] = 0xf0;
    assert_eq!(clamped(&packet, 1400), None);
}
