//! Frames that stand for several packets.

use handfast_esp::tunnel::{Offload, PartialChecksum, Segmented, Segments};

use super::*;
use crate::Batch;

const TCP: Offload = Offload {
    checksum: Some(PartialChecksum { start: 20, offset: 16 }),
    segments: Some(Segments {
        protocol: Segmented::Tcp,
        size: 1000,
    }),
};

/// A TCP frame with `len` octets of payload.
fn frame(len: usize) -> Vec<u8> {
    let mut tcp = vec![0; 20];
    (tcp[12], tcp[13]) = (5 << 4, 0x18);
    tcp.extend((0..len).map(|i| (i / 7) as u8));
    ip(6, HERE, THERE, &tcp)
}

fn packets(batch: &Batch) -> Vec<Vec<u8>> {
    let all = batch.runs().flat_map(|(run, octets)| octets.chunks(run.segment_len));
    all.map(<[u8]>::to_vec).collect()
}

#[test]
fn a_frame_is_sealed_as_its_packets() {
    let (mut ours, mut theirs) = connected();
    let mut batch = Batch::default();
    for len in [3500, 1, 2000] {
        let sent = ours.outbound_frame(&mut frame(len), TCP, &mut batch);
        assert!(matches!(sent, Outbound::Send { child: ChildId(1), .. }), "{sent:?}");
    }
    assert_eq!(batch.runs().count(), 3, "a shorter packet ends a run");
    let mut payloads = Vec::new();
    for esp in packets(&batch) {
        let packet = receive(&mut theirs, &esp).unwrap();
        payloads.push(packet[40..].to_vec());
    }
    let lengths: Vec<usize> = payloads.iter().map(Vec::len).collect();
    assert_eq!(lengths, [1000, 1000, 1000, 500, 1, 1000, 1000]);
    assert_eq!(payloads[..4].concat(), frame(3500)[40..]);
    let counted = counters(&mut ours, 1);
    assert_eq!((counted.packets_out, counted.bytes_out), (7, 5501 + 7 * 40));
    assert_eq!(counters(&mut theirs, 1).packets_in, 7);
    batch.clear();
    assert!(batch.is_empty() && batch.runs().count() == 0);
}

#[test]
fn frames_of_one_flow_are_one_run() {
    let (mut ours, _) = connected();
    let mut batch = Batch::default();
    for _ in 0..3 {
        ours.outbound_frame(&mut frame(4000), TCP, &mut batch);
    }
    assert_eq!(batch.runs().count(), 1);
    assert_eq!(packets(&batch).len(), 12);
}

#[test]
fn a_packet_with_a_partial_checksum_is_completed() {
    let (mut ours, mut theirs) = connected();
    let mut batch = Batch::default();
    let offload = Offload { segments: None, ..TCP };
    let packet = frame(100);
    ours.outbound_frame(&mut packet.clone(), offload, &mut batch);
    ours.outbound_frame(&mut packet.clone(), Offload::default(), &mut batch);
    let received: Vec<_> = packets(&batch)
        .iter()
        .map(|esp| receive(&mut theirs, esp).unwrap())
        .collect();
    assert_eq!((&received[0][..36], &received[0][38..]), (&packet[..36], &packet[38..]));
    assert_ne!(received[0][36..38], [0, 0]);
    assert_eq!(received[1], packet);
    let beyond = Some(PartialChecksum { start: 150, offset: 0 });
    let offload = Offload {
        checksum: beyond,
        segments: None,
    };
    let mut packet = packet;
    assert_eq!(
        ours.outbound_frame(&mut packet, offload, &mut batch),
        Outbound::Malformed
    );
}

#[test]
fn packets_that_do_not_fit_are_answered_or_fragmented() {
    let (mut ours, mut theirs) = connected();
    ours.set_path_mtu(ChildId(1), 800);
    let mut batch = Batch::default();
    let refused = ours.outbound_frame(&mut frame(3000), TCP, &mut batch);
    let Outbound::TooBig { reply, .. } = refused else {
        panic!("{refused:?}")
    };
    // The message quotes the first packet, not the frame (RFC 792).
    assert_eq!(reply[28 + 2..28 + 4], 1040u16.to_be_bytes());
    assert!(batch.is_empty());

    let mut may_be_fragmented = frame(2500);
    may_be_fragmented[6] = 0;
    let sent = ours.outbound_frame(&mut may_be_fragmented, TCP, &mut batch);
    assert!(matches!(sent, Outbound::Send { .. }), "{sent:?}");
    let esp = packets(&batch);
    assert_eq!(esp.len(), 5, "two fragments of each full packet");
    for esp in esp {
        assert!(esp.len() + 28 <= 800);
        receive(&mut theirs, &esp).unwrap();
    }
}

#[test]
fn what_was_sealed_before_the_numbers_ended_is_sent() {
    let (mut ours, mut theirs) = connected();
    let sender = ours.child_mut(ChildId(1)).unwrap().outbound.as_mut().unwrap();
    sender.sa.skip_to(u64::from(u32::MAX) - 2);
    let mut batch = Batch::default();
    let child = ChildId(1);
    let sent = ours.outbound_frame(&mut frame(5000), TCP, &mut batch);
    assert_eq!(sent, Outbound::Exhausted { child });
    assert_eq!(ours.poll_event(), Some(PlaneEvent::Expiring { child, hard: true }));
    assert_eq!(packets(&batch).len(), 2);
    for esp in packets(&batch) {
        receive(&mut theirs, &esp).unwrap();
    }
    assert_eq!(counters(&mut ours, 1).packets_out, 2);
}

#[test]
fn what_is_no_such_frame_is_refused() {
    let (mut ours, _) = connected();
    let mut batch = Batch::default();
    let mut udp = udp(HERE, THERE, 53, 3000);
    assert_eq!(ours.outbound_frame(&mut udp, TCP, &mut batch), Outbound::Malformed);
    assert_eq!(
        ours.outbound_frame(&mut [0x45; 9], TCP, &mut batch),
        Outbound::Malformed
    );
    let mut elsewhere = frame(3000);
    elsewhere[16] = 11;
    assert_eq!(ours.outbound_frame(&mut elsewhere, TCP, &mut batch), Outbound::NoPolicy);
    assert!(batch.is_empty());
}
