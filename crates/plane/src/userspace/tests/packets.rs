//! Packets through two planes.

use handfast_crypto::secret::Secret;
use handfast_crypto::transform::{Encr, Integ};
use handfast_esp::OutboundSa;
use handfast_esp::tunnel::Headers;

use super::*;
use crate::op::{Encapsulation, Limits, Volume};
use crate::test_sa::{path, subnet};

#[test]
fn packets_pass_both_ways_and_are_counted() {
    let (mut ours, mut theirs) = connected();
    let (there, back) = (udp(HERE, THERE, 53, 100), udp(THERE, HERE, 53, 50));
    for _ in 0..3 {
        let (_, esp) = send(&mut ours, &there);
        assert_eq!(receive(&mut theirs, &esp[0]), Ok(there.clone()));
    }
    let (_, esp) = send(&mut theirs, &back);
    assert_eq!(receive(&mut ours, &esp[0]), Ok(back));
    let expected = Counters {
        packets_out: 3,
        bytes_out: 384,
        packets_in: 1,
        bytes_in: 78,
        ..Counters::default()
    };
    assert_eq!(counters(&mut ours, 1), expected);
}

#[test]
fn every_suite_carries_packets() {
    for protect in default_provider().protects {
        for esn in [false, true] {
            let (mut ours, mut theirs) = (plane(), plane());
            let (mut inbound, mut outbound) = pair(1);
            for sa in [&mut inbound, &mut outbound] {
                (sa.suite.encr, sa.suite.integ, sa.suite.esn) = (protect.encr(), protect.integ(), esn);
                sa.keys.encr = Secret::new(vec![7; protect.encr_key_len()]);
                sa.keys.integ = Secret::new(vec![8; protect.integ_key_len()]);
            }
            install(&mut ours, &mut theirs, (inbound, outbound));
            let packet = udp(HERE, THERE, 53, 999);
            let (_, esp) = send(&mut ours, &packet);
            assert_eq!(receive(&mut theirs, &esp[0]), Ok(packet));
        }
    }
}

#[test]
fn drops_are_told_apart_and_counted() {
    let (mut ours, mut theirs) = connected();
    let packet = udp(HERE, THERE, 53, 100);
    let (_, esp) = send(&mut ours, &packet);
    let esp = &esp[0];
    let mut tampered = esp.clone();
    *tampered.last_mut().unwrap() ^= 1;
    assert_eq!(receive(&mut theirs, &tampered), Err(DropReason::Integrity));
    assert_eq!(theirs.poll_event(), None, "a forged packet is no first packet");
    assert_eq!(receive(&mut theirs, esp), Ok(packet));
    assert_eq!(receive(&mut theirs, esp), Err(DropReason::Replay));
    assert_eq!(receive(&mut theirs, &esp[..20]), Err(DropReason::Malformed));
    assert_eq!(receive(&mut theirs, &esp[..3]), Err(DropReason::Malformed));
    assert_eq!(receive(&mut theirs, &[9; 60]), Err(DropReason::UnknownSpi));
    let expected = Counters {
        packets_in: 1,
        bytes_in: 128,
        dropped_integrity: 1,
        dropped_replay: 1,
        dropped_policy: 1,
        ..Counters::default()
    };
    assert_eq!(counters(&mut theirs, 1), expected);
}

/// RFC 4301 section 5.2: a peer cannot send what was not agreed, whatever its own policy is.
#[test]
fn inner_packets_outside_the_selectors_are_dropped() {
    let (mut ours, mut theirs) = (plane(), plane());
    let (inbound, mut outbound) = pair(1);
    done(&mut theirs, PlaneOp::InstallInbound(mirror(&outbound)));
    done(&mut theirs, PlaneOp::InstallOutbound(mirror(&inbound)));
    outbound.local_ts = vec![subnet(0, 0, 0, 0, 0)];
    outbound.remote_ts = vec![subnet(0, 0, 0, 0, 0)];
    done(&mut ours, PlaneOp::InstallOutbound(outbound));
    for (source, destination, passes) in [
        (HERE, THERE, true),
        ([10, 9, 0, 1], THERE, false),
        (HERE, [10, 9, 0, 1], false),
        (THERE, HERE, false),
    ] {
        let packet = udp(source, destination, 53, 4);
        let (_, esp) = send(&mut ours, &packet);
        let expected = if passes { Ok(packet) } else { Err(DropReason::Policy) };
        assert_eq!(receive(&mut theirs, &esp[0]), expected);
    }
    assert_eq!(counters(&mut theirs, 1).dropped_policy, 3);
}

/// What child 1's key seals, whatever it is.
fn raw(payload: &[u8], next_header: u8) -> Vec<u8> {
    let (_, outbound) = pair(1);
    let algorithm = default_provider().protect(outbound.suite.encr, None).unwrap();
    let key = algorithm.key(outbound.keys.encr.as_bytes(), &[]).unwrap();
    let mut esp = Vec::new();
    OutboundSa::new(outbound.spi, key, false)
        .seal(payload, next_header, &mut esp)
        .unwrap();
    esp
}

#[test]
fn authentic_packets_that_hold_no_ip_packet_are_dropped() {
    let packet = udp(HERE, THERE, 53, 4);
    for (payload, next_header, expected) in [
        (&packet[..], 4, Ok(packet.clone())),
        (&packet[..], 41, Err(DropReason::Malformed)),
        (&packet[..], 17, Err(DropReason::Malformed)),
        (&packet[..30], 4, Err(DropReason::Malformed)),
        (&[], 4, Err(DropReason::Malformed)),
        (&packet[..], 59, Err(DropReason::Dummy)),
        // Octets after the packet hide its size (RFC 4303 section 2.7).
        (&[&packet[..], &[0; 50]].concat(), 4, Ok(packet.clone())),
    ] {
        let (_, mut theirs) = connected();
        assert_eq!(
            receive(&mut theirs, &raw(payload, next_header)),
            expected,
            "{next_header}"
        );
    }
}

#[test]
fn the_first_packet_is_reported_once() {
    let (mut ours, mut theirs) = connected();
    for _ in 0..2 {
        let (_, esp) = send(&mut ours, &udp(HERE, THERE, 53, 4));
        receive(&mut theirs, &esp[0]).unwrap();
    }
    assert_eq!(theirs.poll_event(), Some(PlaneEvent::FirstInbound(ChildId(1))));
    assert_eq!(theirs.poll_event(), None);
    assert_eq!(ours.poll_event(), None);
}

#[test]
fn only_the_newest_authentic_packet_moves_the_peer() {
    let (mut ours, mut theirs) = connected();
    let packet = udp(HERE, THERE, 53, 4);
    let esp: Vec<_> = (0..3).map(|_| send(&mut ours, &packet).1.remove(0)).collect();
    let known = (path(2).local, 4500);
    let elsewhere = (path(2).local, 61_000);
    let mut moved = |esp: &[u8], from| match theirs.inbound(&mut esp.to_vec(), Some(from)) {
        Inbound::Deliver { moved, .. } | Inbound::DeliverOwned { moved, .. } => moved,
        Inbound::Drop(reason) => panic!("{reason:?}"),
    };
    assert_eq!(moved(&esp[0], known), None);
    assert_eq!(moved(&esp[2], elsewhere), Some(elsewhere));
    assert_eq!(moved(&esp[1], elsewhere), None, "late");

    let mut plain = path(2);
    (plain.local, plain.remote, plain.encapsulation) = (plain.remote, plain.local, Encapsulation::Esp);
    done(&mut theirs, PlaneOp::UpdatePath(ChildId(1), plain));
    let mut esp = send(&mut ours, &packet).1.remove(0);
    let delivered = theirs.inbound(&mut esp, Some(elsewhere));
    assert!(
        matches!(delivered, Inbound::Deliver { moved: None, .. }),
        "{delivered:?}"
    );
}

#[test]
fn what_does_not_fit_is_answered_or_fragmented() {
    let (mut ours, mut theirs) = connected();
    let mtu = ours.children().next().unwrap().inner_mtu;
    let fitting = udp(HERE, THERE, 53, mtu - 28);
    let (_, esp) = send(&mut ours, &fitting);
    assert!(28 + esp[0].len() <= 1500);
    let mut big = udp(HERE, THERE, 53, mtu - 27);
    let mut out = vec![1];
    let Outbound::TooBig {
        child: ChildId(1),
        reply,
    } = ours.outbound(&big, &mut out)
    else {
        panic!("it fits");
    };
    assert_eq!((out, reply[20], reply[21]), (vec![1], 3, 4));
    assert_eq!(usize::from(u16::from_be_bytes([reply[26], reply[27]])), mtu);

    big = udp(HERE, THERE, 53, 4000);
    big[6] = 0;
    let (_, esp) = send(&mut ours, &big);
    assert_eq!(esp.len(), 3);
    let mut payload = Vec::new();
    for esp in &esp {
        assert!(28 + esp.len() <= 1500);
        let packet = receive(&mut theirs, esp).unwrap();
        assert_eq!(Headers::parse(&packet).unwrap().fragment_offset, payload.len());
        payload.extend_from_slice(&packet[20..]);
    }
    assert_eq!(payload, big[20..]);
    assert_eq!(
        counters(&mut ours, 1).packets_out,
        2,
        "one packet, however many fragments"
    );
}

#[test]
fn ipv6_packets_of_1280_octets_always_pass() {
    let (mut ours, mut theirs) = (plane(), plane());
    let (mut inbound, mut outbound) = pair(1);
    for sa in [&mut inbound, &mut outbound] {
        let net = |last| TrafficSelector::from_subnet([0xfd00, 0, 0, 0, 0, 0, 0, last].into(), 128);
        (sa.local_ts, sa.remote_ts) = (vec![net(1)], vec![net(2)]);
    }
    install(&mut ours, &mut theirs, (inbound, outbound));
    let six = |len: usize| {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend_from_slice(&((len - 40) as u16).to_be_bytes());
        packet.extend_from_slice(&[17, 64]);
        for last in [1, 2] {
            packet.extend_from_slice(&[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        packet.resize(len, 5);
        packet
    };
    ours.set_path_mtu(ChildId(1), 1280);
    let (_, esp) = send(&mut ours, &six(1280));
    assert_eq!(receive(&mut theirs, &esp[0]), Ok(six(1280)));
    let Outbound::TooBig { reply, .. } = ours.outbound(&six(1281), &mut Vec::new()) else {
        panic!("it fits");
    };
    assert_eq!(reply[44..48], 1280u32.to_be_bytes());
}

#[test]
fn the_mss_is_clamped_both_ways() {
    let (mut ours, mut theirs) = connected();
    let syn = |source, destination| {
        let mut tcp = vec![0; 24];
        (tcp[12], tcp[13]) = (6 << 4, 2);
        tcp[20..].copy_from_slice(&[2, 4, 0xff, 0xff]);
        ip(6, source, destination, &tcp)
    };
    let mss = |packet: &[u8]| u16::from_be_bytes([packet[42], packet[43]]);
    let (_, esp) = send(&mut ours, &syn(HERE, THERE));
    assert_eq!(mss(&receive(&mut theirs, &esp[0]).unwrap()), 1438 - 40, "by the sender");
    let (_, esp) = send(&mut ours, &syn(HERE, THERE));
    theirs.set_path_mtu(ChildId(1), 1300);
    assert_eq!(
        mss(&receive(&mut theirs, &esp[0]).unwrap()),
        1238 - 40,
        "by the receiver"
    );
}

#[test]
fn nothing_but_ip_is_sent() {
    let (mut ours, _) = connected();
    let good = udp(HERE, THERE, 53, 4);
    for bad in [&[][..], &[0x45], &[0; 40], &good[..31]] {
        assert_eq!(ours.outbound(bad, &mut Vec::new()), Outbound::Malformed);
    }
    // What follows the packet is not sent.
    let (_, esp) = send(&mut ours, &[&good[..], &[1; 200]].concat());
    assert!(esp[0].len() < 80);
}

#[test]
fn the_outer_tos_is_the_inner_one() {
    let (mut ours, _) = connected();
    let mut packet = udp(HERE, THERE, 53, 4);
    packet[1] = 0xb9;
    assert!(matches!(
        ours.outbound(&packet, &mut Vec::new()),
        Outbound::Send { tos: 0xb9, .. }
    ));
}

#[test]
fn congestion_on_the_way_is_told_to_the_packet_inside() {
    let (mut ours, mut theirs) = connected();
    for (inner, outer, expected) in [
        (2, 0, Some(2)),
        (2, 3, Some(3)),
        (1, 3, Some(3)),
        (0, 1, Some(0)),
        (0, 3, None),
    ] {
        let mut packet = udp(HERE, THERE, 53, 4);
        packet[1] = inner;
        let (_, mut esp) = send(&mut ours, &packet);
        let merged = match theirs.inbound_marked(&mut esp[0], None, outer) {
            Inbound::Deliver { packet, .. } => Some(packet[1]),
            Inbound::Drop(DropReason::Congestion) => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(merged, expected, "{inner} {outer}");
    }
    assert_eq!(
        (
            counters(&mut theirs, 1).packets_in,
            counters(&mut theirs, 1).dropped_policy
        ),
        (4, 0)
    );
}

#[test]
fn the_end_of_sequence_numbers_is_announced() {
    let (mut ours, _) = connected();
    let packet = udp(HERE, THERE, 53, 4);
    let child = ChildId(1);
    let mut send_at = |sequence: u64| {
        let sender = ours.child_mut(child).unwrap().outbound.as_mut().unwrap();
        sender.sa.skip_to(sequence);
        let mut out = vec![1];
        let sent = ours.outbound(&packet, &mut out);
        if !matches!(sent, Outbound::Send { .. }) {
            assert_eq!(out, [1]);
        }
        (sent, ours.poll_event())
    };
    let max = u64::from(u32::MAX);
    assert_eq!(send_at(1000).1, None);
    assert_eq!(
        send_at(max / 4 * 3).1,
        Some(PlaneEvent::Expiring { child, hard: false })
    );
    assert_eq!(send_at(max / 4 * 3 + 9).1, None, "once");
    let (sent, event) = send_at(max - 1);
    assert!(matches!(sent, Outbound::Send { .. }));
    assert_eq!(event, Some(PlaneEvent::Expiring { child, hard: true }));
    assert_eq!(send_at(max), (Outbound::Exhausted { child }, None));
}

#[test]
fn an_sa_carries_no_more_than_it_may() {
    let limits = Limits {
        soft: Volume {
            packets: 3,
            ..Volume::ENDLESS
        },
        hard: Volume {
            packets: 5,
            ..Volume::ENDLESS
        },
    };
    let (mut inbound, mut outbound) = pair(1);
    outbound.limits = limits;
    let (mut ours, mut theirs) = (plane(), plane());
    let mut of_peer = mirror(&outbound);
    of_peer.limits = Limits::NONE;
    inbound.limits = limits;
    let of_peer_out = SaInstall {
        limits: Limits::NONE,
        ..mirror(&inbound)
    };
    for (plane, inbound, outbound) in [(&mut ours, inbound, outbound), (&mut theirs, of_peer, of_peer_out)] {
        assert_eq!(plane.apply(PlaneOp::InstallInbound(inbound)), PlaneReply::Done);
        assert_eq!(plane.apply(PlaneOp::InstallOutbound(outbound)), PlaneReply::Done);
    }
    let child = ChildId(1);
    let expected = |n| match n {
        3 => Some(PlaneEvent::Expiring { child, hard: false }),
        5 => Some(PlaneEvent::Expiring { child, hard: true }),
        _ => None,
    };
    let packet = udp(HERE, THERE, 53, 4);
    for n in 1..=7 {
        let sent = ours.outbound(&packet, &mut vec![]);
        assert_eq!(matches!(sent, Outbound::Send { .. }), n <= 5, "packet {n}");
        assert_eq!(ours.poll_event(), expected(n));
    }
    let packet = udp(THERE, HERE, 53, 4);
    for n in 1..=7 {
        let mut esp = vec![];
        assert!(matches!(theirs.outbound(&packet, &mut esp), Outbound::Send { .. }));
        let taken = ours.inbound(&mut esp, None);
        assert_eq!(taken == Inbound::Drop(DropReason::Exhausted), n > 5, "packet {n}");
        let events: Vec<_> = std::iter::from_fn(|| ours.poll_event()).collect();
        let wanted: Vec<_> = expected(n).into_iter().collect();
        assert_eq!(
            events
                .iter()
                .filter(|e| **e != PlaneEvent::FirstInbound(child))
                .cloned()
                .collect::<Vec<_>>(),
            wanted
        );
    }
}

#[test]
fn a_suite_of_two_algorithms_checks_its_integrity_key() {
    let (mut inbound, _) = pair(1);
    (inbound.suite.encr, inbound.suite.integ) = (Encr::aes_cbc(128), Some(Integ::HMAC_SHA2_256_128));
    inbound.keys.encr = Secret::new(vec![1; 16]);
    inbound.keys.integ = Secret::new(vec![1; 31]);
    assert!(matches!(
        plane().apply(PlaneOp::InstallInbound(inbound.clone())),
        PlaneReply::Failed(_)
    ));
    inbound.keys.integ = Secret::new(vec![1; 32]);
    assert_eq!(plane().apply(PlaneOp::InstallInbound(inbound)), PlaneReply::Done);
}

#[test]
fn sas_that_carry_nothing_rest_and_wake() {
    let (mut ours, mut theirs) = connected();
    assert!(!ours.is_awake() && !ours.rest());
    let packet = udp(HERE, THERE, 53, 100);
    let (_, esp) = send(&mut ours, &packet);
    assert!(ours.is_awake() && !theirs.is_awake());
    // A packet that nobody with the keys has made wakes nothing for longer than until the next look.
    let mut forged = esp[0].clone();
    forged[30] ^= 1;
    assert_eq!(receive(&mut theirs, &forged), Err(DropReason::Integrity));
    assert!(theirs.rest() && !theirs.rest());
    // One that is no packet of the SA wakes nothing.
    assert_eq!(receive(&mut theirs, &esp[0][..12]), Err(DropReason::Malformed));
    assert!(!theirs.is_awake());
    assert_eq!(receive(&mut theirs, &esp[0]).unwrap(), packet);
    assert!(ours.rest() && theirs.rest(), "used since the last look");
    assert!(!ours.rest() && !theirs.rest());
    assert_eq!(receive(&mut theirs, &esp[0]), Err(DropReason::Replay));
    for _ in 0..3 {
        let (_, esp) = send(&mut ours, &packet);
        assert_eq!(receive(&mut theirs, &esp[0]).unwrap(), packet);
        assert!(ours.rest() && theirs.rest());
    }
    // What is removed meanwhile is not awake.
    done(&mut ours, PlaneOp::RemoveOutbound(ChildId(1)));
    done(&mut ours, PlaneOp::RemoveInbound(ChildId(1)));
    assert!(!ours.rest());
}
