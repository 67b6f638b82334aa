#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::super::test_packets::{Frame, ipv4, reference_checksum, transport_checksum};
use super::*;

fn segments(protocol: Segmented, size: u16) -> Segments {
    Segments { protocol, size }
}

fn split(frame: &[u8], segments: Segments) -> Option<Vec<Vec<u8>>> {
    let headers = Headers::parse(frame).unwrap();
    let split = Split::new(frame, &headers, segments)?;
    let one = |index| {
        let mut out = vec![9];
        assert_eq!(split.append(index, &mut out), out.len() - 1);
        out.split_off(1)
    };
    let all: Vec<Vec<u8>> = (0..split.count()).map(one).collect();
    assert_eq!(all[0].len(), split.packet_len());
    assert_eq!(
        split.sizes().0 + split.sizes().1 * all.len(),
        all.iter().map(Vec::len).sum::<usize>()
    );
    Some(all)
}

proptest! {
    /// Against headers read and checksums computed apart from the code under test.
    #[test]
    fn the_packets_are_the_frame(frame in Frame::any(), size in 1u16..3000) {
        let octets = frame.octets();
        let packets = split(&octets, segments(frame.protocol(), size)).unwrap();
        let count = packets.len();
        let head_len = frame.head_len();
        let mut payload = Vec::new();
        for (index, packet) in packets.iter().enumerate() {
            let headers = Headers::parse(packet).unwrap();
            prop_assert_eq!(headers.total_len, packet.len());
            prop_assert_eq!(transport_checksum(packet), 0);
            if frame.ipv6 {
                prop_assert_eq!(&packet[..4], &octets[..4]);
                prop_assert_eq!(&packet[6..headers.transport], &octets[6..headers.transport]);
            } else {
                prop_assert_eq!(reference_checksum(&packet[..headers.transport]), 0);
                let id = u16::from_be_bytes([packet[4], packet[5]]);
                prop_assert_eq!(id, 0x1234u16.wrapping_add(index as u16));
                prop_assert_eq!(&packet[..2], &octets[..2]);
                prop_assert_eq!(&packet[6..10], &octets[6..10]);
                prop_assert_eq!(&packet[12..headers.transport], &octets[12..headers.transport]);
            }
            let (header, whole) = (&packet[headers.transport..head_len], &octets[headers.transport..head_len]);
            match frame.tcp {
                Some(ref tcp) => {
                    let sequence = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
                    prop_assert_eq!(sequence, tcp.sequence.wrapping_add(payload.len() as u32));
                    let only_last = if index + 1 == count { 0 } else { 0x09 };
                    let only_first = if index == 0 { 0 } else { 0x80 };
                    prop_assert_eq!(header[13], tcp.flags & !only_last & !only_first);
                    prop_assert_eq!(&header[..4], &whole[..4]);
                    prop_assert_eq!(&header[8..13], &whole[8..13]);
                    prop_assert_eq!(&header[14..16], &whole[14..16]);
                    prop_assert_eq!(&header[18..], &whole[18..]);
                }
                None => {
                    prop_assert_eq!(&header[..4], &whole[..4]);
                    prop_assert_eq!(usize::from(u16::from_be_bytes([header[4], header[5]])), packet.len() - headers.transport);
                    prop_assert_ne!(&header[6..8], &[0, 0]);
                }
            }
            let part = &packet[head_len..];
            prop_assert!(part.len() == usize::from(size) || index + 1 == count);
            payload.extend_from_slice(part);
        }
        prop_assert_eq!(payload, frame.payload);
    }

    /// Whatever the frame and whatever is said of it: no panic, and no packet of another size.
    #[test]
    fn nonsense_is_refused(mut octets in prop::collection::vec(any::<u8>(), 20..200), six: bool, udp: bool, size: u16) {
        octets[0] = if six { 0x60 } else { 0x45 };
        let protocol = if udp { Segmented::Udp } else { Segmented::Tcp };
        if let Some(headers) = Headers::parse(&octets)
            && let Some(split) = Split::new(&octets, &headers, segments(protocol, size))
        {
            for index in 0..split.count() + 1 {
                prop_assert!(split.append(index, &mut Vec::new()) <= split.packet_len());
            }
        }
    }
}

#[test]
fn what_is_not_such_a_frame_is_refused() {
    let mut tcp = vec![0; 30];
    tcp[12] = 5 << 4;
    let good = ipv4(6, &tcp);
    assert_eq!(split(&good, segments(Segmented::Tcp, 4)).unwrap().len(), 3);
    assert!(split(&good, segments(Segmented::Tcp, 0)).is_none());
    assert!(split(&good, segments(Segmented::Udp, 4)).is_none());
    let mut fragment = good.clone();
    fragment[6] = 0x20;
    assert!(split(&fragment, segments(Segmented::Tcp, 4)).is_none());
    for data_offset in [0, 4, 8] {
        let mut bad = good.clone();
        bad[32] = data_offset << 4;
        assert!(split(&bad, segments(Segmented::Tcp, 4)).is_none(), "{data_offset}");
    }
    assert!(split(&ipv4(17, &[0; 7]), segments(Segmented::Udp, 4)).is_none());
}
