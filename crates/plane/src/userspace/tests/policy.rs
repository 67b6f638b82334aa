//! Which SA takes which packet.

use super::*;
use crate::test_sa::subnet;

/// Installs an outbound SA with one remote selector.
fn towards(plane: &mut UserspacePlane, child: u64, change: impl FnOnce(&mut SaInstall)) {
    let (_, mut outbound) = pair(child);
    change(&mut outbound);
    done(plane, PlaneOp::InstallOutbound(outbound));
}

fn chosen(plane: &mut UserspacePlane, packet: &[u8]) -> Option<u64> {
    match plane.outbound(packet, &mut Vec::new()) {
        Outbound::Send { child, .. } => Some(child.0),
        Outbound::NoPolicy => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_most_specific_remote_selector_wins() {
    // In whatever order they come.
    for order in [[1, 2, 3, 4], [4, 3, 2, 1], [2, 4, 1, 3]] {
        let mut plane = plane();
        for child in order {
            towards(&mut plane, child, |sa| match child {
                1 => sa.remote_ts = vec![subnet(0, 0, 0, 0, 0)],
                2 => sa.remote_ts = vec![subnet(10, 2, 0, 0, 16), subnet(10, 3, 3, 3, 32)],
                3 => sa.remote_ts = vec![subnet(10, 2, 7, 0, 24)],
                _ => {
                    sa.remote_ts = vec![subnet(10, 2, 0, 0, 16)];
                    (
                        sa.remote_ts[0].protocol,
                        sa.remote_ts[0].start_port,
                        sa.remote_ts[0].end_port,
                    ) = (17, 53, 53);
                }
            });
        }
        let mut to = |destination, port| chosen(&mut plane, &udp(HERE, destination, port, 1));
        assert_eq!(to([198, 51, 100, 1], 80), Some(1));
        assert_eq!(to([10, 2, 0, 1], 80), Some(2));
        assert_eq!(to([10, 3, 3, 3], 80), Some(2));
        assert_eq!(to([10, 2, 7, 1], 53), Some(3));
        assert_eq!(to([10, 2, 0, 1], 53), Some(4));
        assert_eq!(
            chosen(&mut plane, &udp([10, 9, 0, 1], THERE, 53, 1)),
            None,
            "not from our side"
        );
    }
}

#[test]
fn a_worse_selector_serves_where_the_better_has_other_local_addresses() {
    let mut plane = plane();
    towards(&mut plane, 1, |sa| sa.remote_ts = vec![subnet(0, 0, 0, 0, 0)]);
    towards(&mut plane, 2, |sa| sa.local_ts = vec![subnet(10, 5, 0, 0, 16)]);
    assert_eq!(chosen(&mut plane, &udp(HERE, THERE, 53, 1)), Some(1));
    assert_eq!(chosen(&mut plane, &udp([10, 5, 0, 1], THERE, 53, 1)), Some(2));
}

#[test]
fn the_newest_takes_over_and_the_older_takes_back() {
    let (mut ours, mut theirs) = connected();
    let packet = udp(HERE, THERE, 53, 1);
    let (_, old) = send(&mut ours, &packet);
    install(&mut ours, &mut theirs, pair(2));
    assert_eq!(chosen(&mut ours, &packet), Some(2));
    // What is still on its way through the old one arrives.
    assert_eq!(receive(&mut theirs, &old[0]), Ok(packet.clone()));
    done(&mut ours, PlaneOp::RemoveOutbound(ChildId(2)));
    assert_eq!(chosen(&mut ours, &packet), Some(1));
    done(&mut ours, PlaneOp::RemoveOutbound(ChildId(1)));
    assert_eq!(chosen(&mut ours, &packet), None);
}

/// Type and code belong to the sender's selector only (RFC 4301 section 4.4.1.3).
#[test]
fn icmp_types_are_those_of_the_sender() {
    let (mut ours, mut theirs) = (plane(), plane());
    let (mut inbound, mut outbound) = pair(1);
    for sa in [&mut inbound, &mut outbound] {
        // We may send echo requests, they may send replies.
        let icmp = |ts: &mut TrafficSelector, port: u16| (ts.protocol, ts.start_port, ts.end_port) = (1, port, port);
        icmp(&mut sa.local_ts[0], 8 << 8);
        icmp(&mut sa.remote_ts[0], 0);
    }
    install(&mut ours, &mut theirs, (inbound, outbound));
    let (request, reply) = (ip(1, HERE, THERE, &[8, 0, 0, 0]), ip(1, THERE, HERE, &[0, 0, 0, 0]));
    let (_, esp) = send(&mut ours, &request);
    assert_eq!(receive(&mut theirs, &esp[0]), Ok(request));
    let (_, esp) = send(&mut theirs, &reply);
    assert_eq!(receive(&mut ours, &esp[0]), Ok(reply));
    assert_eq!(chosen(&mut theirs, &ip(1, THERE, HERE, &[8, 0, 0, 0])), None);
    assert_eq!(chosen(&mut ours, &ip(1, HERE, THERE, &[0, 0, 0, 0])), None);
}

#[test]
fn later_fragments_alone_need_a_selector_of_all_ports() {
    let mut later = udp(HERE, THERE, 53, 8);
    later[6..8].copy_from_slice(&[0x00, 0x10]);
    let mut plane = plane();
    towards(&mut plane, 1, |sa| sa.remote_ts[0].end_port = 1000);
    assert_eq!(chosen(&mut plane, &udp(HERE, THERE, 53, 8)), Some(1));
    assert_eq!(
        plane.outbound(&later, &mut Vec::new()),
        Outbound::Incomplete,
        "no selector shows its port"
    );
    done(&mut plane, PlaneOp::RemoveOutbound(ChildId(1)));
    towards(&mut plane, 2, |_| ());
    assert_eq!(chosen(&mut plane, &later), Some(2));
}

/// RFC 4301 section 7: such a packet is put together first, and its outer packet is fragmented.
#[test]
fn a_fragmented_packet_goes_whole_where_selectors_have_ports() {
    let (mut ours, mut theirs) = (plane(), plane());
    let (mut inbound, mut outbound) = pair(1);
    for sa in [&mut inbound, &mut outbound] {
        sa.remote_ts[0].end_port = 1000;
    }
    install(&mut ours, &mut theirs, (inbound, outbound));
    let mut whole = udp(HERE, THERE, 53, 3000);
    whole[6] = 0;
    let headers = handfast_esp::tunnel::Headers::parse(&whole).unwrap();
    let mut parts: Vec<Vec<u8>> = vec![];
    handfast_esp::tunnel::fragment_ipv4(&whole, &headers, 1600, &mut vec![], |part| {
        parts.push(part.to_vec());
        Ok::<(), ()>(())
    })
    .unwrap();
    assert_eq!(ours.outbound(&parts[0], &mut Vec::new()), Outbound::Incomplete);
    let (_, esp) = send(&mut ours, &parts[1]);
    assert_eq!(esp.len(), 1);
    assert_eq!(receive(&mut theirs, &esp[0]).unwrap()[20..], whole[20..]);
    // Not fragmented by its sender, and may be: the same.
    let (_, esp) = send(&mut ours, &whole);
    assert_eq!(
        (esp.len(), receive(&mut theirs, &esp[0]).unwrap().len()),
        (1, whole.len())
    );
}

/// More flows than are remembered, each twice, among SAs of single hosts.
#[test]
fn flows_do_not_disturb_each_other() {
    let mut plane = plane();
    for child in 0..40u8 {
        towards(&mut plane, child.into(), |sa| {
            sa.remote_ts = vec![subnet(10, 2, 0, child, 32)]
        });
    }
    for _ in 0..2 {
        for child in 0..40 {
            for port in 0..40 {
                assert_eq!(
                    chosen(&mut plane, &udp(HERE, [10, 2, 0, child], port, 1)),
                    Some(child.into())
                );
            }
        }
        assert_eq!(chosen(&mut plane, &udp(HERE, [10, 2, 0, 40], 1, 1)), None);
    }
    done(&mut plane, PlaneOp::RemoveOutbound(ChildId(7)));
    assert_eq!(chosen(&mut plane, &udp(HERE, [10, 2, 0, 7], 1, 1)), None);
    towards(&mut plane, 99, |sa| sa.remote_ts = vec![subnet(10, 2, 0, 7, 32)]);
    assert_eq!(chosen(&mut plane, &udp(HERE, [10, 2, 0, 7], 1, 1)), Some(99));
}
