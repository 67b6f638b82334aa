//! Frames that stand for several packets: what a network device with segmentation offload exchanges with the host.

use super::checksum::sum;

/// What a device says of a frame beside its octets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Offload {
    /// The checksum of the transport protocol is not complete.
    pub checksum: Option<PartialChecksum>,
    /// The frame stands for several packets.
    pub segments: Option<Segments>,
}

/// A checksum field that holds the sum of the pseudo-header only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartialChecksum {
    /// From here to the end the checksum is computed.
    pub start: u16,
    /// Where the field is, counted from `start`.
    pub offset: u16,
}

/// How a frame stands for several packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segments {
    /// Of which protocol the packets are.
    pub protocol: Segmented,
    /// Octets of payload of each; the last one may have less.
    pub size: u16,
}

/// A protocol whose packets can be joined in one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Segmented {
    /// TCP.
    Tcp,
    /// UDP: each datagram stays one.
    Udp,
}

impl Segmented {
    /// Where the checksum is in the header.
    pub(super) const fn checksum_offset(self) -> usize {
        match self {
            Self::Tcp => 16,
            Self::Udp => 6,
        }
    }

    /// A computed checksum as it is sent: in UDP, 0 would say that there is none (RFC 768).
    pub(super) const fn sent_checksum(self, value: u16) -> u16 {
        match (self, value) {
            (Self::Udp, 0) => 0xffff,
            _ => value,
        }
    }
}

/// Completes the checksum that the host left to the device. Returns whether the packet has such a field.
pub fn complete_checksum(packet: &mut [u8], partial: PartialChecksum) -> bool {
    let (start, offset) = (usize::from(partial.start), usize::from(partial.offset));
    let Some(covered) = packet.get_mut(start..) else {
        return false;
    };
    // The field's own value, the pseudo-header's sum, is part of the sum.
    let value = !(sum(covered, 0) as u16);
    match covered.get_mut(offset..offset + 2) {
        Some(field) => {
            let udp = offset == Segmented::Udp.checksum_offset();
            let protocol = if udp { Segmented::Udp } else { Segmented::Tcp };
            let value = protocol.sent_checksum(value);
            field.copy_from_slice(&value.to_be_bytes());
            true
        }
        None => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::checksum::pseudo_header;
    use super::super::headers::Headers;
    use super::super::test_packets::{ipv4, ipv6, transport_checksum};
    use super::*;

    #[test]
    fn a_partial_checksum_becomes_right() {
        for (offset, protocol, header_len) in [(16, 6, 20), (6, 17, 8)] {
            for payload_len in [0, 1, 2, 3, 700, 1401] {
                let body: Vec<u8> = (0..header_len + payload_len).map(|i| (i * 7 + 3) as u8).collect();
                for mut packet in [ipv4(protocol, &body), ipv6(protocol, &body)] {
                    let headers = Headers::parse(&packet).unwrap();
                    let at = headers.transport + offset;
                    let pseudo = pseudo_header(headers.source, headers.destination, protocol, body.len());
                    packet[at..at + 2].copy_from_slice(&(pseudo as u16).to_be_bytes());
                    let partial = PartialChecksum {
                        start: headers.transport as u16,
                        offset: offset as u16,
                    };
                    assert!(complete_checksum(&mut packet, partial));
                    assert_eq!(transport_checksum(&packet), 0);
                }
            }
        }
    }

    #[test]
    fn zero_is_sent_as_its_other_form_in_udp() {
        for (offset, expected) in [(6, [0xff; 2]), (16, [0; 2])] {
            let mut packet = [0; 20];
            packet[..2].fill(0xff);
            assert!(complete_checksum(&mut packet, PartialChecksum { start: 0, offset }));
            assert_eq!(packet[usize::from(offset)..][..2], expected);
        }
    }

    #[test]
    fn a_field_outside_of_the_packet_is_none() {
        let mut packet = [1; 30];
        for (start, offset) in [(31, 0), (30, 0), (29, 0), (20, 9), (u16::MAX, u16::MAX)] {
            assert!(!complete_checksum(&mut packet, PartialChecksum { start, offset }));
            assert_eq!(packet, [1; 30]);
        }
    }
}
