#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::super::test_packets::{clear_df, ipv4, ipv4_options, ipv6, reference_checksum};
use super::*;

fn fragments(packet: &[u8], mtu: usize) -> Option<Vec<Vec<u8>>> {
    let headers = Headers::parse(packet).unwrap();
    let mut all = Vec::new();
    let done = fragment_ipv4(packet, &headers, mtu, &mut Vec::new(), |fragment| {
        all.push(fragment.to_vec());
        Ok::<(), ()>(())
    });
    done.unwrap().then_some(all)
}

/// Puts fragments together and checks each header on the way.
fn reassemble(fragments: &[Vec<u8>], mtu: usize) -> Vec<u8> {
    let mut payload = Vec::new();
    let start = Headers::parse(&fragments[0]).unwrap().fragment_offset;
    for (index, fragment) in fragments.iter().enumerate() {
        let headers = Headers::parse(fragment).unwrap();
        assert!(fragment.len() <= mtu);
        assert_eq!(headers.total_len, fragment.len());
        assert_eq!(reference_checksum(&fragment[..headers.transport]), 0);
        assert_eq!(headers.fragment_offset, start + payload.len());
        let last = index + 1 == fragments.len();
        assert!(last || fragment.len() == fragments[0].len(), "of one size");
        assert!(last || headers.more_fragments);
        payload.extend_from_slice(&fragment[headers.transport..]);
    }
    payload
}

proptest! {
    #[test]
    fn fragments_are_the_packet(len in 0usize..3000, mtu in 28usize..1500) {
        let payload: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
        let mut packet = ipv4(17, &payload);
        clear_df(&mut packet);
        let parts = fragments(&packet, mtu).unwrap();
        if let Some(last) = parts.last() {
            prop_assert!(!Headers::parse(last).unwrap().more_fragments);
            prop_assert_eq!(reassemble(&parts, mtu), payload);
        } else {
            prop_assert_eq!(len, 0);
        }
    }
}

#[test]
fn a_fragment_can_be_fragmented_again() {
    let mut packet = ipv4(17, &[5; 800]);
    clear_df(&mut packet);
    packet[6..8].copy_from_slice(&(0x2000u16 | 100).to_be_bytes());
    let parts = fragments(&packet, 300).unwrap();
    assert_eq!(Headers::parse(&parts[0]).unwrap().fragment_offset, 800);
    assert_eq!(reassemble(&parts, 300), [5; 800]);
    assert!(
        Headers::parse(parts.last().unwrap()).unwrap().more_fragments,
        "it was not the last"
    );
}

#[test]
fn only_copied_options_are_in_later_fragments() {
    // Record route (not copied), no operation, loose source route (copied), end.
    let options = [7, 3, 4, 1, 0x83, 7, 4, 10, 0, 0, 1, 0];
    let mut packet = ipv4_options(17, &options, &[3; 200]);
    clear_df(&mut packet);
    let parts = fragments(&packet, 120).unwrap();
    assert_eq!(parts[0][20..32], options);
    for later in &parts[1..] {
        assert_eq!(later[20..32], [1, 1, 1, 1, 0x83, 7, 4, 10, 0, 0, 1, 0]);
    }
    assert_eq!(reassemble(&parts, 120), [3; 200]);
}

#[test]
fn malformed_options_do_no_harm() {
    for options in [[7, 0, 0, 0], [7, 1, 0, 0], [7, 40, 0, 0], [1, 1, 1, 7]] {
        let mut packet = ipv4_options(17, &options, &[3; 200]);
        clear_df(&mut packet);
        assert_eq!(reassemble(&fragments(&packet, 120).unwrap(), 120), [3; 200]);
    }
}

#[test]
fn some_cannot_be_fragmented() {
    assert_eq!(fragments(&ipv4(17, &[1; 100]), 60), None, "DF");
    assert_eq!(fragments(&ipv6(17, &[1; 100]), 60), None, "IPv6");
    let mut packet = ipv4(17, &[1; 100]);
    clear_df(&mut packet);
    assert_eq!(fragments(&packet, 27), None, "no room for 8 octets");
    let headers = Headers::parse(&packet).unwrap();
    let stopped = fragment_ipv4(&packet, &headers, 60, &mut Vec::new(), |_| Err("enough"));
    assert_eq!(stopped, Err("enough"));
}
