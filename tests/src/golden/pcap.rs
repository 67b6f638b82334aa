//! A small reader of captures: pcap and pcapng, Ethernet and BSD loopback, IPv4 and IPv6, down to IKE and ESP.
//! What it does not understand it leaves out; it never panics, since the malformed captures go through it too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One IKE message on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CapturedMessage {
    /// Sender.
    pub src: SocketAddr,
    /// Receiver.
    pub dst: SocketAddr,
    /// From the initiator's SPI on: the non-ESP marker is stripped.
    pub bytes: Vec<u8>,
    /// Whether there was a non-ESP marker (RFC 3948 section 2.2).
    pub encapsulated: bool,
}

/// One ESP packet on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CapturedEsp {
    /// Sender.
    pub src: IpAddr,
    /// Receiver.
    pub dst: IpAddr,
    /// From the SPI on.
    pub bytes: Vec<u8>,
    /// Whether it was carried in UDP (RFC 3948 section 2.1), not as IP protocol 50.
    pub encapsulated: bool,
}

impl CapturedEsp {
    /// The SPI: the first four octets.
    pub fn spi(&self) -> u32 {
        self.bytes.first_chunk().map_or(0, |spi| u32::from_be_bytes(*spi))
    }
}

/// What a capture holds of IKE and ESP.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Traffic {
    /// IKE messages, in order.
    pub messages: Vec<CapturedMessage>,
    /// ESP packets, in order.
    pub esp: Vec<CapturedEsp>,
}

/// Reads a capture file's octets.
pub fn traffic(file: &[u8]) -> Traffic {
    let mut traffic = Traffic::default();
    for (linktype, frame) in frames(file) {
        if let Some(packet) = network_layer(linktype, frame) {
            traffic.ip(packet);
        }
    }
    traffic
}

impl Traffic {
    fn ip(&mut self, packet: &[u8]) -> Option<()> {
        let (src, dst, protocol, body): (IpAddr, IpAddr, u8, &[u8]) = match packet.first()? >> 4 {
            4 => {
                let header_len = usize::from(packet[0] & 15) * 4;
                let total = usize::from(be16(packet, 2)?).min(packet.len());
                // A fragment (RFC 791) has no place in the recordings.
                if be16(packet, 6)? & 0x1fff != 0 {
                    return None;
                }
                let address = |at| Some(Ipv4Addr::from(chunk::<4>(packet, at)?).into());
                (
                    address(12)?,
                    address(16)?,
                    *packet.get(9)?,
                    packet.get(header_len..total)?,
                )
            }
            6 => {
                let end = (40 + usize::from(be16(packet, 4)?)).min(packet.len());
                let address = |at| Some(Ipv6Addr::from(chunk::<16>(packet, at)?).into());
                (address(8)?, address(24)?, *packet.get(6)?, packet.get(40..end)?)
            }
            _ => return None,
        };
        match protocol {
            17 => self.udp(src, dst, body),
            50 => {
                self.esp.push(CapturedEsp {
                    src,
                    dst,
                    bytes: body.to_vec(),
                    encapsulated: false,
                });
                Some(())
            }
            _ => None,
        }
    }

    fn udp(&mut self, src: IpAddr, dst: IpAddr, datagram: &[u8]) -> Option<()> {
        let (from, to) = (
            SocketAddr::new(src, be16(datagram, 0)?),
            SocketAddr::new(dst, be16(datagram, 2)?),
        );
        let end = usize::from(be16(datagram, 4)?).min(datagram.len());
        let data = datagram.get(8..end)?;
        let either = |port| from.port() == port || to.port() == port;
        // The NAT keepalive is one octet (RFC 3948 section 2.3).
        if either(4500) && data.len() >= 4 {
            match data.strip_prefix(&[0; 4]) {
                Some(ike) => self.messages.push(CapturedMessage {
                    src: from,
                    dst: to,
                    bytes: ike.to_vec(),
                    encapsulated: true,
                }),
                None => self.esp.push(CapturedEsp {
                    src,
                    dst,
                    bytes: data.to_vec(),
                    encapsulated: true,
                }),
            }
        } else if either(500) {
            let bytes = data.to_vec();
            self.messages.push(CapturedMessage {
                src: from,
                dst: to,
                bytes,
                encapsulated: false,
            });
        }
        Some(())
    }
}

/// The frames of a capture, each with its link type.
fn frames(file: &[u8]) -> Vec<(u16, &[u8])> {
    match chunk(file, 0) {
        Some([0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1]) => pcap_frames(file, u32::from_le_bytes),
        Some([0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d]) => pcap_frames(file, u32::from_be_bytes),
        Some([0x0a, 0x0d, 0x0d, 0x0a]) => pcapng_frames(file),
        _ => Vec::new(),
    }
}

fn pcap_frames(file: &[u8], number: fn([u8; 4]) -> u32) -> Vec<(u16, &[u8])> {
    let mut frames = Vec::new();
    let Some(link) = chunk(file, 20).map(number) else {
        return frames;
    };
    let mut rest = file.get(24..).unwrap_or_default();
    while let Some(len) = chunk(rest, 8).map(number) {
        let body = rest.get(16..).unwrap_or_default();
        let len = (len as usize).min(body.len());
        frames.push((link as u16, &body[..len])); // the upper half may hold the length of the frame check sequence
        rest = &body[len..];
    }
    frames
}

fn pcapng_frames(file: &[u8]) -> Vec<(u16, &[u8])> {
    let mut frames = Vec::new();
    let number: fn([u8; 4]) -> u32 = match chunk(file, 8) {
        Some([0x4d, 0x3c, 0x2b, 0x1a]) => u32::from_le_bytes,
        _ => u32::from_be_bytes,
    };
    let (mut link, mut rest) = (1, file);
    while let (Some(kind), Some(total)) = (chunk(rest, 0).map(number), chunk(rest, 4).map(number)) {
        let total = (total as usize).max(12).next_multiple_of(4).min(rest.len());
        let block = &rest[..total];
        match kind {
            // Interface description: the link type is its first half word.
            1 => link = chunk(block, 8).map(number).map_or(link, |n| (n & 0xffff) as u16),
            // Enhanced packet: interface, time (2), captured length, original length, data.
            6 => {
                let len = chunk(block, 20).map_or(0, number) as usize;
                let data = block.get(28..).unwrap_or_default();
                frames.push((link, &data[..len.min(data.len())]));
            }
            _ => {}
        }
        rest = &rest[total..];
    }
    frames
}

fn network_layer(linktype: u16, frame: &[u8]) -> Option<&[u8]> {
    match linktype {
        0 => frame.get(4..), // BSD loopback: an address family
        1 => match be16(frame, 12)? {
            0x0800 | 0x86dd => frame.get(14..),
            _ => None,
        },
        101 => Some(frame),     // bare IP
        113 => frame.get(16..), // Linux cooked
        _ => None,
    }
}

fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    chunk(bytes, at).map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::capture;

    #[test]
    fn captures_of_each_form_are_read() {
        let count = |file| {
            let traffic = traffic(&capture(file));
            (traffic.messages.len(), traffic.esp.len())
        };
        assert_eq!(count("ikev2four.pcap"), (21, 0)); // BSD loopback
        assert_eq!(count("ISAKMP_sa_setup.pcap"), (9, 0)); // Ethernet
        assert_eq!(count("isakmp-no-none-np.pcapng"), (1, 0));
        assert_eq!(count("isakmp4500.pcap").0, 15);
        assert!(count("isakmp4500.pcap").1 > 5);
        assert_eq!(count("LICENSE"), (0, 0));
    }

    #[test]
    fn a_truncated_capture_gives_what_is_there() {
        let file = capture("ikev2four.pcap");
        for end in 0..file.len() {
            assert!(traffic(&file[..end]).messages.len() <= 21);
        }
    }
}
