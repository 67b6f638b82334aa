//! From a frame that stands for several packets to ESP packets, without a copy of each packet in between.

use handfast_crypto::provider::CryptoError;
use handfast_esp::tunnel::{self, Headers, Offload, Segments, Split};

use super::UserspacePlane;
use super::batch::Batch;
use super::child::Sender;
use super::outbound::{Outbound, select};
use crate::op::{Mode, PlaneEvent};

impl UserspacePlane {
    /// Takes a frame from our side, which is an IP packet or stands for several, of which a device with offload said
    /// `offload`. ESP packets are added to `batch`; for [`Outbound::Send`] that is all of them. The frame's octets are
    /// of no use afterwards.
    pub fn outbound_frame(&mut self, frame: &mut [u8], offload: Offload, batch: &mut Batch) -> Outbound {
        if let Some(segments) = offload.segments {
            return self.outbound_segments(frame, segments, batch);
        }
        if let Some(partial) = offload.checksum
            && !tunnel::complete_checksum(frame, partial)
        {
            return Outbound::Malformed;
        }
        self.outbound_packet(frame, batch)
    }

    fn outbound_packet(&mut self, packet: &[u8], batch: &mut Batch) -> Outbound {
        let before = batch.len();
        let outbound = self.outbound(packet, &mut batch.octets);
        if let Outbound::Send {
            path, segment_len, tos, ..
        } = outbound
        {
            batch.add(before, path, tos, segment_len);
        }
        outbound
    }

    fn outbound_segments(&mut self, frame: &[u8], segments: Segments, batch: &mut Batch) -> Outbound {
        let Some((headers, next_header)) = Headers::parse(frame).zip(tunnel::inner_protocol(frame)) else {
            return Outbound::Malformed;
        };
        let Some(split) = Split::new(frame, &headers, segments) else {
            return Outbound::Malformed;
        };
        // All packets have the same addresses and ports, and so the same SA.
        let Some((slot, child)) = select(&mut self.children, &mut self.policy, &headers) else {
            return Outbound::NoPolicy;
        };
        let (id, path) = (child.id, child.path);
        let Some(sender) = &mut child.outbound else {
            return Outbound::NoPolicy;
        };
        if child.mode == Mode::Transport || split.packet_len() > sender.mtu(headers.is_ipv6()) {
            return self.one_by_one(&split, batch);
        }
        let (before, rested) = (batch.len(), sender.sa.is_resting());
        let (sealed, failed) = sender.seal_split(&split, next_header, &mut batch.octets);
        if rested && !sender.sa.is_resting() {
            self.awake.add(slot);
        }
        if let Some(hard) = sender.newly_expiring() {
            self.events.push_back(PlaneEvent::Expiring { child: id, hard });
        }
        child.counters.packets_out += sealed.packets;
        child.counters.bytes_out += sealed.octets;
        let tos = tunnel::encapsulated_tos(headers.tos);
        batch.add(before, path, tos, sealed.segment_len);
        if failed.is_some() {
            return Outbound::Exhausted { child: id };
        }
        Outbound::Send {
            child: id,
            path,
            segment_len: sealed.segment_len,
            tos,
        }
    }

    /// Each packet of the frame as if it had come alone, up to the first that cannot be sent.
    fn one_by_one(&mut self, split: &Split<'_>, batch: &mut Batch) -> Outbound {
        let mut packet = core::mem::take(&mut self.packet);
        let mut outbound = Outbound::Malformed;
        for index in 0..split.count() {
            packet.clear();
            split.append(index, &mut packet);
            outbound = self.outbound_packet(&packet, batch);
            if !matches!(outbound, Outbound::Send { .. }) {
                break;
            }
        }
        self.packet = packet;
        outbound
    }
}

/// What was sealed of a frame.
#[derive(Clone, Copy, Default, Debug)]
struct Sealed {
    packets: u64,
    /// Of the packets inside.
    octets: u64,
    /// Octets of the first ESP packet.
    segment_len: usize,
}

impl Sender {
    /// Writes each packet into its place in the ESP packet, which is appended to `out`, and seals it there. An error
    /// ends it; what was sealed before is good.
    fn seal_split(&mut self, split: &Split<'_>, next_header: u8, out: &mut Vec<u8>) -> (Sealed, Option<CryptoError>) {
        let layout = self.sa.layout();
        let mut sealed = Sealed::default();
        out.reserve(split.count() * layout.sealed_len(split.packet_len()));
        for index in 0..split.count() {
            let before = out.len();
            out.resize(before + layout.headroom(), 0);
            let len = split.append(index, out);
            out.resize(before + layout.sealed_len(len), 0);
            let packet = out.get_mut(before..).unwrap_or_default();
            match self.seal_in_place(packet, len, next_header) {
                Ok(total) => {
                    sealed.packets += 1;
                    sealed.octets += len as u64;
                    sealed.segment_len = sealed.segment_len.max(total);
                }
                Err(error) => {
                    out.truncate(before);
                    return (sealed, Some(error));
                }
            }
        }
        (sealed, None)
    }
}
