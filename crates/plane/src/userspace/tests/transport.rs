//! Transport mode: the packets of the two hosts themselves.

use handfast_esp::tunnel::Headers;

use super::*;
use crate::op::{Encapsulation, Mode};
use crate::test_sa::path;

const US: [u8; 4] = [192, 0, 2, 1];
const THEM: [u8; 4] = [203, 0, 113, 2];

/// Two planes with a child in transport mode; `remote` is what follows the peer's address ("[tcp/443]").
fn transport(remote: &str) -> (UserspacePlane, UserspacePlane) {
    let (mut ours, mut theirs) = (plane(), plane());
    let (mut inbound, mut outbound) = pair(1);
    for sa in [&mut inbound, &mut outbound] {
        sa.mode = Mode::Transport;
        sa.path.encapsulation = Encapsulation::Esp;
        sa.local_ts = vec!["192.0.2.1".parse().unwrap()];
        sa.remote_ts = vec![format!("203.0.113.2{remote}").parse().unwrap()];
    }
    install(&mut ours, &mut theirs, (inbound, outbound));
    (ours, theirs)
}

/// What arrives: all but the identification and the time to live.
fn same(received: &[u8], sent: &[u8]) {
    let fields = |packet: &[u8]| {
        let headers = Headers::parse(packet).unwrap();
        (
            headers.source,
            headers.destination,
            headers.protocol,
            headers.ports,
            headers.total_len,
        )
    };
    assert_eq!(fields(received), fields(sent));
    assert_eq!(received[20..], sent[20..]);
}

#[test]
fn packets_of_the_hosts_pass_without_their_ip_header() {
    let (mut ours, mut theirs) = transport("");
    let packet = udp(US, THEM, 53, 100);
    let (_, esp) = send(&mut ours, &packet);
    // SPI, sequence number, IV, 108 octets of UDP and trailer, ICV.
    assert_eq!(esp[0].len(), 8 + 8 + 112 + 16);
    same(&receive(&mut theirs, &esp[0]).unwrap(), &packet);
    let back = udp(THEM, US, 53, 7);
    let (_, esp) = send(&mut theirs, &back);
    same(&receive(&mut ours, &esp[0]).unwrap(), &back);
    assert_eq!(counters(&mut ours, 1).packets_in, 1);
    assert_eq!(counters(&mut theirs, 1).bytes_in, 128);
}

#[test]
fn selectors_hold_for_the_packet_that_is_made_again() {
    let (mut ours, mut theirs) = transport("[udp/53]");
    assert_eq!(
        ours.outbound(&udp(US, THEM, 54, 1), &mut Vec::new()),
        Outbound::NoPolicy
    );
    let (_, esp) = send(&mut ours, &udp(US, THEM, 53, 1));
    assert!(receive(&mut theirs, &esp[0]).is_ok());
    // The peer seals what it may not.
    let (inbound, outbound) = pair(1);
    let mut wide = plane();
    let mut sa = mirror(&inbound);
    sa.mode = Mode::Transport;
    (sa.local_ts, sa.remote_ts) = (vec!["203.0.113.2".parse().unwrap()], vec!["192.0.2.1".parse().unwrap()]);
    done(&mut wide, PlaneOp::InstallOutbound(sa));
    let mut packet = udp(THEM, US, 1, 1);
    packet[20..22].copy_from_slice(&54u16.to_be_bytes());
    let (_, esp) = send(&mut wide, &packet);
    assert_eq!(receive(&mut ours, &esp[0]), Err(DropReason::Policy));
    assert_eq!(counters(&mut ours, 1).dropped_policy, 1);
    drop(outbound);
}

#[test]
fn what_does_not_fit_is_answered_or_sent_whole() {
    let (mut ours, mut theirs) = transport("[udp]");
    let mtu = ours.children().next().unwrap().inner_mtu;
    // 1500 less SPI, sequence number, IV, ICV and trailer.
    assert_eq!(mtu, 1500 - 8 - 8 - 16 - 2);
    let (_, esp) = send(&mut ours, &udp(US, THEM, 53, mtu - 28));
    assert!(20 + esp[0].len() <= 1500);
    let big = udp(US, THEM, 53, mtu - 27);
    assert!(matches!(ours.outbound(&big, &mut Vec::new()), Outbound::TooBig { .. }));
    // The host fragments what it may: the whole packet goes in one, whose outer packet is fragmented then.
    let mut whole = udp(US, THEM, 53, 4000);
    whole[6] = 0;
    let headers = Headers::parse(&whole).unwrap();
    let mut parts: Vec<Vec<u8>> = vec![];
    handfast_esp::tunnel::fragment_ipv4(&whole, &headers, 1400, &mut vec![], |part| {
        parts.push(part.to_vec());
        Ok::<(), ()>(())
    })
    .unwrap();
    assert_eq!(parts.len(), 3);
    assert_eq!(ours.outbound(&parts[0], &mut Vec::new()), Outbound::Incomplete);
    assert_eq!(ours.outbound(&parts[1], &mut Vec::new()), Outbound::Incomplete);
    let (_, esp) = send(&mut ours, &parts[2]);
    assert_eq!(esp.len(), 1);
    same(&receive(&mut theirs, &esp[0]).unwrap(), &whole);
}

#[test]
fn ipv6_packets_pass_too() {
    let (mut ours, mut theirs) = (plane(), plane());
    let (mut inbound, mut outbound) = pair(1);
    let (us, them) = ("2001:db8::1", "2001:db8::2");
    for sa in [&mut inbound, &mut outbound] {
        sa.mode = Mode::Transport;
        (sa.path.local, sa.path.remote) = (us.parse().unwrap(), them.parse().unwrap());
        (sa.local_ts, sa.remote_ts) = (vec![us.parse().unwrap()], vec![them.parse().unwrap()]);
    }
    install(&mut ours, &mut theirs, (inbound, outbound));
    for len in [8, 9, 10, 11, 1000] {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, 17, 64];
        packet[4..6].copy_from_slice(&(len as u16).to_be_bytes());
        for last in [1, 2] {
            packet.extend_from_slice(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        packet.resize(40 + len, 7);
        let (_, esp) = send(&mut ours, &packet);
        assert_eq!(receive(&mut theirs, &esp[0]), Ok(packet));
    }
}

#[test]
fn it_does_not_move() {
    let (mut ours, _) = transport("");
    let mut moved = path(9);
    moved.encapsulation = Encapsulation::Esp;
    assert!(matches!(
        ours.apply(PlaneOp::UpdatePath(ChildId(1), moved)),
        PlaneReply::Failed(_)
    ));
}
