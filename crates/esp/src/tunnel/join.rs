//! From packets that follow each other to one frame that stands for all of them, as a network device would receive it.

use super::checksum::{fill_ipv4, sum};
use super::offload::{Offload, PartialChecksum, Segmented, Segments};
use super::protocol;

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const ECE: u8 = 0x40;

/// The largest frame: what the length field of IPv4 can say.
const FRAME_MAX: usize = 65_535;
/// The most packets in one: as many parts one system call writes easily, and as the kernel joins at most itself.
const PACKETS_MAX: usize = 128;

/// Takes packets in the order of their arrival and gives them back in the same order, those of one flow joined where
/// that loses nothing: the host, or whoever splits the frame again, gets the same packets. Only the identification of
/// IPv4 packets with DF may change, which says nothing (RFC 6864 section 4.1).
#[derive(Debug)]
pub struct Joiner<'p> {
    /// Whether frames of UDP are understood.
    udp: bool,
    run: Option<Run<'p>>,
    /// The payloads of the run.
    payloads: Vec<&'p [u8]>,
    head: Vec<u8>,
}

/// A packet, or a frame that stands for several.
#[derive(Clone, Copy, Debug)]
pub struct Joined<'j, 'p> {
    /// The headers; of a packet that was not joined, all of it.
    pub head: &'j [u8],
    /// The payloads.
    pub payloads: &'j [&'p [u8]],
    /// What a device would say of it.
    pub offload: Offload,
}

/// Packets that are being joined.
#[derive(Clone, Copy, Debug)]
struct Run<'p> {
    first: &'p [u8],
    shape: Shape,
    /// The packet that was joined last.
    last: &'p [u8],
    /// Octets of all payloads.
    len: usize,
    /// Nothing can follow.
    closed: bool,
    /// The first packet's checksums were looked at, and are right.
    verified: bool,
}

/// Where the parts of a packet are that can be joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shape {
    protocol: Segmented,
    ipv6: bool,
    transport: usize,
    /// Where the payload begins.
    payload: usize,
}

impl<'p> Joiner<'p> {
    /// Holds nothing. `udp`: whether UDP packets may be joined too.
    pub fn new(udp: bool) -> Self {
        Self {
            udp,
            run: None,
            payloads: Vec::new(),
            head: Vec::new(),
        }
    }

    /// Takes the next packet, an IP packet with nothing after it; `emit` gets what nothing can be joined to any more.
    pub fn push(&mut self, packet: &'p [u8], emit: &mut impl FnMut(Joined<'_, 'p>)) {
        let shape = Shape::of(packet).filter(|shape| self.udp || shape.protocol == Segmented::Tcp);
        if let (Some(shape), Some(run)) = (shape, &mut self.run)
            && self.payloads.len() < PACKETS_MAX
            && run.take(packet, shape)
        {
            self.payloads.push(packet.get(shape.payload..).unwrap_or_default());
            return;
        }
        self.flush(emit);
        match shape {
            Some(shape) => {
                let payload = packet.get(shape.payload..).unwrap_or_default();
                self.run = Some(Run {
                    first: packet,
                    shape,
                    last: packet,
                    len: payload.len(),
                    closed: shape.closes(packet),
                    verified: false,
                });
                self.payloads.push(payload);
            }
            None => emit(Joined::alone(packet)),
        }
    }

    /// Gives back what it holds.
    pub fn flush(&mut self, emit: &mut impl FnMut(Joined<'_, 'p>)) {
        if let Some(run) = self.run.take() {
            if self.payloads.len() < 2 {
                emit(Joined::alone(run.first));
            } else {
                let offload = run.write_head(&mut self.head);
                emit(Joined {
                    head: &self.head,
                    payloads: &self.payloads,
                    offload,
                });
            }
        }
        self.payloads.clear();
    }
}

impl<'j> Joined<'j, '_> {
    /// A packet that stands for itself.
    pub fn alone(packet: &'j [u8]) -> Self {
        Self {
            head: packet,
            payloads: &[],
            offload: Offload::default(),
        }
    }
}

impl<'p> Run<'p> {
    /// Takes the packet if it continues this run.
    fn take(&mut self, packet: &'p [u8], shape: Shape) -> bool {
        let len = packet.len() - shape.payload;
        let size = self.first.len() - self.shape.payload;
        let fits = !self.closed && shape == self.shape && len <= size && self.first.len() + self.len <= FRAME_MAX;
        // The frame's checksum will be that of all, so a wrong one would be made right: each is verified before.
        let takes = fits
            && shape.same_flow(self.last, packet)
            && shape.follows(self.last, packet)
            && (self.verified || shape.verify(self.first))
            && shape.verify(packet);
        if takes {
            self.verified = true;
            self.len += len;
            self.last = packet;
            self.closed = len < size || shape.closes(packet);
        }
        takes
    }

    /// The headers of the frame.
    fn write_head(&self, head: &mut Vec<u8>) -> Offload {
        let shape = self.shape;
        head.clear();
        head.extend_from_slice(self.first.get(..shape.payload).unwrap_or_default());
        let transport_len = shape.payload - shape.transport + self.len;
        if let Some((ip, transport)) = head.split_at_mut_checked(shape.transport) {
            if shape.ipv6 {
                ip[4..6].copy_from_slice(&(transport_len as u16).to_be_bytes());
            } else {
                ip[2..4].copy_from_slice(&((shape.transport + transport_len) as u16).to_be_bytes());
                fill_ipv4(ip);
            }
            match shape.protocol {
                Segmented::Tcp => transport[13] |= self.last.get(shape.transport + 13).copied().unwrap_or_default(),
                Segmented::Udp => transport[4..6].copy_from_slice(&(transport_len as u16).to_be_bytes()),
            }
            let at = shape.protocol.checksum_offset();
            let pseudo = shape.pseudo_header(self.first, transport_len);
            transport[at..at + 2].copy_from_slice(&(pseudo as u16).to_be_bytes());
        }
        Offload {
            checksum: Some(PartialChecksum {
                start: shape.transport as u16,
                offset: shape.protocol.checksum_offset() as u16,
            }),
            segments: Some(Segments {
                protocol: shape.protocol,
                size: (self.first.len() - shape.payload) as u16,
            }),
        }
    }
}

impl Shape {
    /// `None` for what is never joined: without payload, with IP options or extension headers, a fragment, TCP with
    /// flags that must stay where they are, UDP without checksum.
    fn of(packet: &[u8]) -> Option<Self> {
        let (ipv6, transport, number) = match packet.first()? >> 4 {
            4 => {
                let ip = packet.first_chunk::<20>()?;
                let whole = usize::from(u16::from_be_bytes([ip[2], ip[3]])) == packet.len();
                // Version and length, and all of flags and offset but DF.
                if ip[0] != 0x45 || u16::from_be_bytes([ip[6], ip[7]]) & 0xbfff != 0 || !whole {
                    return None;
                }
                (false, 20, ip[9])
            }
            6 => {
                let ip = packet.first_chunk::<40>()?;
                if usize::from(u16::from_be_bytes([ip[4], ip[5]])) + 40 != packet.len() {
                    return None;
                }
                (true, 40, ip[6])
            }
            _ => return None,
        };
        let header = packet.get(transport..)?;
        let (protocol, header_len) = match number {
            protocol::TCP => {
                let header = header.first_chunk::<20>()?;
                let header_len = usize::from(header[12] >> 4) * 4;
                // Reserved bits, and flags other than these.
                let odd = header[12] & 0x0f != 0 || header[13] & !(ACK | PSH | FIN | ECE) != 0;
                if odd || header[13] & ACK == 0 || header_len < 20 {
                    return None;
                }
                (Segmented::Tcp, header_len)
            }
            protocol::UDP => {
                let header = header.first_chunk::<8>()?;
                let whole = usize::from(u16::from_be_bytes([header[4], header[5]])) == packet.len() - transport;
                if !whole || header[6..8] == [0, 0] {
                    return None;
                }
                (Segmented::Udp, 8)
            }
            _ => return None,
        };
        let payload = transport + header_len;
        (payload < packet.len()).then_some(Self {
            protocol,
            ipv6,
            transport,
            payload,
        })
    }

    /// Whether nothing can follow this packet in a frame.
    fn closes(self, packet: &[u8]) -> bool {
        let flags = || packet.get(self.transport + 13).copied().unwrap_or_default();
        self.protocol == Segmented::Tcp && flags() & (PSH | FIN) != 0
    }

    /// Whether all that the headers of a frame say once is the same in both.
    fn same_flow(self, a: &[u8], b: &[u8]) -> bool {
        let same = |at: core::ops::Range<usize>| a.get(at.clone()) == b.get(at);
        let t = self.transport;
        let ip = if self.ipv6 {
            same(0..4) && same(6..40)
        } else {
            same(0..2) && same(6..10) && same(12..20)
        };
        let ends = |packet: &[u8]| packet.get(t + 13).map(|flags| flags & !(PSH | FIN));
        ip && same(t..t + 4)
            && match self.protocol {
                // Acknowledgement; window; urgent pointer and options.
                Segmented::Tcp => {
                    same(t + 8..t + 12) && ends(a) == ends(b) && same(t + 14..t + 16) && same(t + 18..self.payload)
                }
                Segmented::Udp => true,
            }
    }

    /// Whether `b` comes right after `a`.
    fn follows(self, a: &[u8], b: &[u8]) -> bool {
        let word = |packet: &[u8], at| packet.get(at..).and_then(|p| p.first_chunk::<4>()).copied();
        let in_order = || {
            let at = self.transport + 4;
            let (a_sequence, b_sequence) = (word(a, at).map(u32::from_be_bytes), word(b, at).map(u32::from_be_bytes));
            let len = (a.len() - self.payload) as u32;
            a_sequence.map(|sequence| sequence.wrapping_add(len)) == b_sequence
        };
        let identified = || {
            let id =
                |packet| word(packet, 4).map(|[i0, i1, flags, _]| (u16::from_be_bytes([i0, i1]), flags & 0x40 != 0));
            match (id(a), id(b)) {
                (Some((_, true)), Some((_, true))) => true,
                (Some((a, false)), Some((b, false))) => a.wrapping_add(1) == b,
                _ => false,
            }
        };
        (self.protocol == Segmented::Udp || in_order()) && (self.ipv6 || identified())
    }

    /// Whether all checksums are right.
    fn verify(self, packet: &[u8]) -> bool {
        let Some((ip, transport)) = packet.split_at_checked(self.transport) else {
            return false;
        };
        let pseudo = self.pseudo_header(packet, transport.len());
        (self.ipv6 || sum(ip, 0) == 0xffff) && sum(transport, pseudo) == 0xffff
    }

    /// Sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1).
    fn pseudo_header(self, packet: &[u8], transport_len: usize) -> u32 {
        let addresses = if self.ipv6 { 8..40 } else { 12..20 };
        let number = match self.protocol {
            Segmented::Tcp => protocol::TCP,
            Segmented::Udp => protocol::UDP,
        };
        sum(
            packet.get(addresses).unwrap_or_default(),
            transport_len as u32 + u32::from(number),
        )
    }
}

#[cfg(test)]
mod tests;
