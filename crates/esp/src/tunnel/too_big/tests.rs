#![allow(clippy::unwrap_used)]

use super::super::test_packets::{clear_df, ipv4, ipv6, reference_checksum, transport_checksum};
use super::*;

fn answer(packet: &[u8], mtu: usize) -> Option<Vec<u8>> {
    too_big(packet, &Headers::parse(packet).unwrap(), mtu)
}

#[test]
fn ipv4_with_df_gets_type_3_code_4() {
    let packet = ipv4(17, &[7; 1400]);
    let reply = answer(&packet, 1234).unwrap();
    assert_eq!(reply.len(), 576);
    assert_eq!(reference_checksum(&reply[..20]), 0);
    assert_eq!(reference_checksum(&reply[20..]), 0);
    assert_eq!(reply[20..22], [3, 4]);
    assert_eq!(reply[24..28], [0, 0, 0x04, 0xd2], "next-hop MTU, RFC 1191 section 4");
    assert_eq!(reply[28..], packet[..548]);
    let headers = Headers::parse(&reply).unwrap();
    let original = Headers::parse(&packet).unwrap();
    assert_eq!(
        (headers.source, headers.destination),
        (original.destination, original.source)
    );
    assert_eq!((headers.protocol, headers.total_len), (1, 576));
}

#[test]
fn ipv6_gets_packet_too_big() {
    let packet = ipv6(17, &[7; 1400]);
    let reply = answer(&packet, 1390).unwrap();
    assert_eq!(reply.len(), 1280, "as much as fits, RFC 4443 section 3.2");
    assert_eq!(transport_checksum(&reply), 0);
    assert_eq!(reply[40..42], [2, 0]);
    assert_eq!(reply[44..48], 1390u32.to_be_bytes());
    assert_eq!(reply[48..], packet[..1232]);
    let headers = Headers::parse(&reply).unwrap();
    let original = Headers::parse(&packet).unwrap();
    assert_eq!(
        (headers.source, headers.destination),
        (original.destination, original.source)
    );
}

#[test]
fn a_packet_that_may_be_fragmented_gets_none() {
    let mut packet = ipv4(17, &[7; 1400]);
    clear_df(&mut packet);
    assert_eq!(answer(&packet, 1234), None);
}

#[test]
fn icmp_errors_get_none_and_other_icmp_does() {
    for (kind, answered) in [
        (0, true),
        (3, false),
        (4, false),
        (5, false),
        (8, true),
        (11, false),
        (12, false),
    ] {
        assert_eq!(answer(&ipv4(1, &[kind; 600]), 500).is_some(), answered, "ICMP {kind}");
    }
    for (kind, answered) in [
        (1, false),
        (2, false),
        (3, false),
        (4, false),
        (127, false),
        (128, true),
        (137, false),
    ] {
        assert_eq!(
            answer(&ipv6(58, &[kind; 1400]), 1300).is_some(),
            answered,
            "ICMPv6 {kind}"
        );
    }
    // Truncated: it could be an error.
    assert_eq!(answer(&ipv4(1, &[8]), 20), None);
}

#[test]
fn later_fragments_and_groups_get_none() {
    let mut later = ipv4(17, &[7; 600]);
    later[6..8].copy_from_slice(&0x4001u16.to_be_bytes());
    assert_eq!(answer(&later, 500), None);
    for (at, address) in [(12, [224, 0, 0, 1]), (12, [0; 4]), (16, [239, 1, 1, 1]), (16, [255; 4])] {
        let mut packet = ipv4(17, &[7; 600]);
        packet[at..at + 4].copy_from_slice(&address);
        assert_eq!(answer(&packet, 500), None, "{address:?}");
    }
    let mut group = ipv6(17, &[7; 1400]);
    group[24] = 0xff;
    assert_eq!(answer(&group, 1300), None);
}
