//! From a frame that stands for several packets to these packets, as a network device would send them.

use super::checksum::{fill_ipv4, pseudo_header, sum};
use super::headers::Headers;
use super::offload::{Segmented, Segments};
use super::protocol;

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// A frame to be split.
#[derive(Clone, Copy, Debug)]
pub struct Split<'f> {
    /// IP and transport header.
    head: &'f [u8],
    payload: &'f [u8],
    /// Where the transport header begins.
    transport: usize,
    segments: Segments,
    ipv6: bool,
    /// Sum of the pseudo-header without its length.
    pseudo: u32,
}

impl<'f> Split<'f> {
    /// `None` if the frame is not what `segments` says.
    pub fn new(frame: &'f [u8], headers: &Headers, segments: Segments) -> Option<Self> {
        let transport = headers.transport;
        let header = frame.get(transport..headers.total_len)?;
        let (number, header_len) = match segments.protocol {
            Segmented::Tcp => (protocol::TCP, usize::from(*header.get(12)? >> 4) * 4),
            Segmented::Udp => (protocol::UDP, 8),
        };
        let least = if number == protocol::TCP { 20 } else { 8 };
        if headers.protocol != number || headers.is_fragment() || header_len < least || segments.size == 0 {
            return None;
        }
        let head_len = transport + header_len;
        Some(Self {
            head: frame.get(..head_len)?,
            payload: frame.get(head_len..headers.total_len)?,
            transport,
            segments,
            ipv6: headers.is_ipv6(),
            pseudo: pseudo_header(headers.source, headers.destination, number, 0),
        })
    }

    /// How many packets it is.
    pub fn count(&self) -> usize {
        self.payload.len().div_ceil(self.size()).max(1)
    }

    /// Octets of the largest packet.
    pub fn packet_len(&self) -> usize {
        self.head.len() + self.payload.len().min(self.size())
    }

    /// Octets of payload of all packets, and of headers of each.
    pub fn sizes(&self) -> (usize, usize) {
        (self.payload.len(), self.head.len())
    }

    /// Appends packet `index`, its checksums complete. Returns its length.
    pub fn append(&self, index: usize, out: &mut Vec<u8>) -> usize {
        let before = out.len();
        let from = (index * self.size()).min(self.payload.len());
        let to = (from + self.size()).min(self.payload.len());
        out.extend_from_slice(self.head);
        out.extend_from_slice(self.payload.get(from..to).unwrap_or_default());
        let last = to == self.payload.len();
        let packet = out.get_mut(before..).unwrap_or_default();
        let len = packet.len();
        if let Some((ip, transport)) = packet.split_at_mut_checked(self.transport) {
            self.finish_ip(ip, index, len);
            self.finish_transport(transport, index, from, last);
        }
        len
    }

    fn size(&self) -> usize {
        usize::from(self.segments.size)
    }

    /// The length, and in IPv4 the identification: each packet has its own (RFC 6864 section 4).
    fn finish_ip(&self, ip: &mut [u8], index: usize, total: usize) {
        if self.ipv6 {
            if let Some(field) = ip.get_mut(4..6) {
                field.copy_from_slice(&((total - 40) as u16).to_be_bytes());
            }
        } else if let Some([_, _, l0, l1, i0, i1]) = ip.first_chunk_mut::<6>() {
            [*l0, *l1] = (total as u16).to_be_bytes();
            let id = u16::from_be_bytes([*i0, *i1]).wrapping_add(index as u16);
            [*i0, *i1] = id.to_be_bytes();
            fill_ipv4(ip);
        }
    }

    fn finish_transport(&self, transport: &mut [u8], index: usize, from: usize, last: bool) {
        let len = transport.len();
        match self.segments.protocol {
            Segmented::Tcp => {
                if let Some(header) = transport.first_chunk_mut::<14>() {
                    let sequence = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
                    header[4..8].copy_from_slice(&sequence.wrapping_add(from as u32).to_be_bytes());
                    // What ends a burst is on its last packet; "window reduced" is said once (RFC 3168 section 6.1.2).
                    if !last {
                        header[13] &= !(FIN | PSH);
                    }
                    if index != 0 {
                        header[13] &= !CWR;
                    }
                }
            }
            Segmented::Udp => {
                if let Some(field) = transport.get_mut(4..6) {
                    field.copy_from_slice(&(len as u16).to_be_bytes());
                }
            }
        }
        let at = self.segments.protocol.checksum_offset();
        if let Some(field) = transport.get_mut(at..at + 2) {
            field.fill(0);
        }
        let value = self
            .segments
            .protocol
            .sent_checksum(!(sum(transport, self.pseudo + len as u32) as u16));
        if let Some(field) = transport.get_mut(at..at + 2) {
            field.copy_from_slice(&value.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
