#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::super::headers::Headers;
use super::super::offload::complete_checksum;
use super::super::split::Split;
use super::super::test_packets::{Frame, ipv4, ipv6, reference_checksum, transport_checksum};
use super::*;

/// A frame as it would be written to a device.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Written {
    octets: Vec<u8>,
    offload: Offload,
}

fn join<'p>(packets: impl IntoIterator<Item = &'p [u8]>, udp: bool) -> Vec<Written> {
    let mut all = Vec::new();
    let mut emit = |joined: Joined<'_, '_>| {
        all.push(Written {
            octets: [&[joined.head], joined.payloads].concat().concat(),
            offload: joined.offload,
        });
    };
    let mut joiner = Joiner::new(udp);
    for packet in packets {
        joiner.push(packet, &mut emit);
    }
    joiner.flush(&mut emit);
    joiner.flush(&mut emit);
    all
}

fn join_all(packets: &[Vec<u8>]) -> Vec<Written> {
    join(packets.iter().map(Vec::as_slice), true)
}

/// What a device makes of it.
fn split(frame: &Written) -> Vec<Vec<u8>> {
    let headers = Headers::parse(&frame.octets).unwrap();
    assert_eq!(headers.total_len, frame.octets.len());
    let Some(segments) = frame.offload.segments else {
        assert_eq!(frame.offload, Offload::default());
        return vec![frame.octets.clone()];
    };
    let split = Split::new(&frame.octets, &headers, segments).unwrap();
    let one = |index| {
        let mut out = Vec::new();
        split.append(index, &mut out);
        out
    };
    (0..split.count()).map(one).collect()
}

fn split_frame(frame: &Frame, size: u16) -> Vec<Vec<u8>> {
    split(&Written {
        octets: frame.octets(),
        offload: Offload {
            checksum: None,
            segments: Some(Segments {
                protocol: frame.protocol(),
                size,
            }),
        },
    })
}

/// The identification of a packet with DF says nothing (RFC 6864 section 4.1).
fn without_id(mut packet: Vec<u8>) -> Vec<u8> {
    if packet[0] >> 4 == 4 && packet[6] & 0x40 != 0 {
        packet[4..6].fill(0);
        packet[10..12].fill(0);
    }
    packet
}

proptest! {
    #[test]
    fn what_was_split_is_joined(mut frame in Frame::any(), size in 63u16..3000) {
        frame.extra = 0;
        if let Some(tcp) = &mut frame.tcp {
            tcp.flags = tcp.flags & (FIN | PSH | ECE) | ACK;
        }
        let packets = split_frame(&frame, size);
        let joined = join_all(&packets);
        if packets.len() == 1 {
            prop_assert_eq!(&joined[0].octets, &packets[0]);
            return Ok(());
        }
        prop_assert_eq!(joined.len(), 1);
        let Written { mut octets, offload } = joined[0].clone();
        prop_assert_eq!(offload.segments, Some(Segments { protocol: frame.protocol(), size }));
        if !frame.ipv6 {
            prop_assert_eq!(reference_checksum(&octets[..20]), 0);
        }
        // The partial checksum, completed, is that of the whole; all else is the frame.
        prop_assert!(complete_checksum(&mut octets, offload.checksum.unwrap()));
        prop_assert_eq!(transport_checksum(&octets), 0);
        let partial = offload.checksum.unwrap();
        let at = usize::from(partial.start + partial.offset);
        octets[at..at + 2].fill(0);
        prop_assert_eq!(octets, frame.octets());
    }

    /// Any packets, of several flows, some of them not in order, some damaged: what the host gets after the frames are
    /// split again is what came.
    #[test]
    fn what_was_joined_is_split(
        frames in prop::collection::vec((Frame::any(), 200u16..2000), 1..5),
        swaps in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 0..3),
        damage in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 0..3),
        udp: bool,
    ) {
        let mut packets: Vec<Vec<u8>> = frames.iter().flat_map(|(frame, size)| split_frame(frame, *size)).collect();
        for (a, b) in swaps {
            let (a, b) = (a.index(packets.len()), b.index(packets.len()));
            packets.swap(a, b);
        }
        for (packet, octet) in damage {
            let packet = packet.index(packets.len());
            let octet = octet.index(packets[packet].len());
            packets[packet][octet] ^= 0x10;
        }
        packets.retain(|packet| Headers::parse(packet).is_some_and(|headers| headers.total_len == packet.len()));
        let joined = join(packets.iter().map(Vec::as_slice), udp);
        for written in &joined {
            let is_udp = written.offload.segments.is_some_and(|s| s.protocol == Segmented::Udp);
            prop_assert!(udp || !is_udp);
        }
        let again: Vec<_> = joined.iter().flat_map(split).map(without_id).collect();
        let packets: Vec<_> = packets.into_iter().map(without_id).collect();
        prop_assert_eq!(again, packets);
    }

    #[test]
    fn nonsense_does_no_harm(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..9)) {
        let joined = join_all(&packets);
        let octets: Vec<u8> = joined.into_iter().flat_map(|frame| frame.octets).collect();
        prop_assert_eq!(octets, packets.concat());
    }
}

/// Two packets of one TCP connection, the second right after the first.
fn two() -> (Vec<u8>, Vec<u8>) {
    let frame = Frame {
        ipv6: false,
        extra: 0,
        tcp: Some(super::super::test_packets::Tcp {
            sequence: 0xffff_ff00,
            flags: ACK,
            options: vec![1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
        }),
        payload: (0..1000).map(|i| i as u8).collect(),
    };
    let mut packets = split_frame(&frame, 500);
    (packets.remove(0), packets.remove(0))
}

/// Makes both checksums right again.
fn mend(packet: &mut [u8]) {
    packet[10..12].fill(0);
    packet[36..38].fill(0);
    let ip = reference_checksum(&packet[..20]);
    packet[10..12].copy_from_slice(&ip.to_be_bytes());
    let tcp = transport_checksum(packet);
    packet[36..38].copy_from_slice(&tcp.to_be_bytes());
}

#[test]
fn every_difference_keeps_packets_apart() {
    let (first, second) = two();
    assert_eq!(join([first.as_slice(), &second], false).len(), 1);
    // TOS, DF, time to live, addresses, ports, sequence, acknowledgement, reserved bits, flags, window, urgent, options.
    for at in [1, 6, 8, 12, 16, 20, 22, 24, 27, 28, 31, 32, 33, 34, 38, 40, 44, 51] {
        let bits: &[u8] = match at {
            6 => &[0x40],
            32 => &[0x01],
            // CWR, URG, SYN, RST; ECE, which one has and the other has not.
            33 => &[0x80, 0x20, 0x02, 0x04, 0x40],
            _ => &[0x01, 0x80],
        };
        for bit in bits {
            let mut other = second.clone();
            other[at] ^= bit;
            mend(&mut other);
            let joined = join([first.as_slice(), &other], false);
            assert_eq!(joined.len(), 2, "octet {at}, bit {bit:#x}");
            assert_eq!((&joined[0].octets, &joined[1].octets), (&first, &other));
        }
    }
}

/// What would carry one checksum for all must not hide that one was wrong.
#[test]
fn wrong_checksums_are_delivered_as_they_are() {
    let (first, second) = two();
    for at in [10, 36, 60] {
        for damage_first in [true, false] {
            let (mut first, mut second) = (first.clone(), second.clone());
            let damaged = if damage_first { &mut first } else { &mut second };
            damaged[at] ^= 1;
            let joined = join([first.as_slice(), &second], false);
            assert_eq!(joined.len(), 2, "octet {at}");
            assert_eq!((&joined[0].octets, &joined[1].octets), (&first, &second));
        }
    }
}

#[test]
fn without_df_the_identification_counts() {
    let (mut first, mut second) = two();
    for (id, count) in [(0x1235u16, 1), (0x1234, 2), (0x1236, 2)] {
        (first[6], second[6]) = (0, 0);
        second[4..6].copy_from_slice(&id.to_be_bytes());
        mend(&mut first);
        mend(&mut second);
        assert_eq!(join([first.as_slice(), &second], false).len(), count, "{id:#x}");
    }
    (first[6], second[6]) = (0x40, 0x40);
    second[4..6].fill(0);
    mend(&mut first);
    mend(&mut second);
    assert_eq!(join([first.as_slice(), &second], false).len(), 1);
}

#[test]
fn a_burst_ends_where_its_sender_ended_it() {
    for flag in [PSH, FIN] {
        let (mut first, second) = two();
        assert_eq!(join([first.as_slice(), &second], false).len(), 1);
        first[33] |= flag;
        mend(&mut first);
        assert_eq!(join([first.as_slice(), &second], false).len(), 2);
        let (first, mut second) = two();
        second[33] |= flag;
        mend(&mut second);
        let joined = join([first.as_slice(), &second], false);
        assert_eq!(joined.len(), 1);
        assert_eq!(joined[0].octets[33], ACK | flag);
    }
}

#[test]
fn a_frame_has_at_most_65535_octets() {
    let part = |n: usize| {
        let mut tcp = vec![0; 20 + 1400];
        tcp[4..8].copy_from_slice(&((n * 1400) as u32).to_be_bytes());
        (tcp[12], tcp[13]) = (5 << 4, ACK);
        [ipv4(6, &tcp), ipv6(6, &tcp)]
    };
    for family in [0, 1] {
        let packets: Vec<Vec<u8>> = (0..100).map(|n| part(n)[family].clone()).collect();
        let packets: Vec<Vec<u8>> = packets
            .into_iter()
            .map(|mut packet| {
                let at = if family == 0 { 36 } else { 56 };
                let value = transport_checksum(&packet);
                packet[at..at + 2].copy_from_slice(&value.to_be_bytes());
                packet
            })
            .collect();
        let joined = join_all(&packets);
        assert_eq!(joined.len(), 3);
        assert!(joined.iter().all(|frame| frame.octets.len() <= 65_535));
        let again: Vec<Vec<u8>> = joined.iter().flat_map(split).map(without_id).collect();
        assert_eq!(again, packets.into_iter().map(without_id).collect::<Vec<_>>());
    }
}

#[test]
fn udp_without_a_checksum_is_left_alone() {
    let frame = Frame {
        ipv6: false,
        extra: 0,
        tcp: None,
        payload: vec![7; 300],
    };
    let mut packets = split_frame(&frame, 100);
    assert_eq!(join_all(&packets).len(), 1);
    for packet in &mut packets {
        packet[26..28].fill(0);
    }
    assert_eq!(join_all(&packets).len(), 3);
}
