//! What selectors look at: addresses, protocol, ports (RFC 4301 section 4.4.1.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::protocol;

/// More IPv6 extension headers than any honest packet has.
const MAX_EXTENSIONS: usize = 8;

/// What the headers of an IP packet say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Headers {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// The protocol after IP and, in IPv6, after its extension headers.
    pub protocol: u8,
    /// Ports, or what stands in their place.
    pub ports: Ports,
    /// Octets of the packet. What follows in a buffer is not part of it (RFC 4303 section 2.7).
    pub total_len: usize,
    /// Where the next protocol begins.
    pub transport: usize,
    /// Octets from the beginning of the unfragmented payload; not 0 in a fragment that is not the first.
    pub fragment_offset: usize,
    /// Whether fragments follow.
    pub more_fragments: bool,
    /// Whether routers must not fragment it; always in IPv6.
    pub dont_fragment: bool,
    /// DSCP and ECN.
    pub tos: u8,
}

/// What a packet has in place of ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ports {
    /// None, or they cannot be seen: another protocol, a fragment that is not the first, a truncated header.
    None,
    /// Source and destination port of TCP, UDP, UDP-Lite, SCTP, DCCP.
    Pair(u16, u16),
    /// Type and code of ICMP (type in the upper octet), or the type of a Mobility Header in the upper octet. There is
    /// one only, and it belongs to the sender (RFC 4301 section 4.4.1.3, cases B to D).
    Type(u16),
}

impl Headers {
    /// Reads the headers of a packet that may be followed by other octets. `None` if it is malformed.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::parse_v4(packet),
            6 => Self::parse_v6(packet),
            _ => None,
        }
    }

    /// Whether it is an IPv6 packet.
    pub fn is_ipv6(&self) -> bool {
        self.source.is_ipv6()
    }

    /// Whether it is a part of a fragmented packet.
    pub fn is_fragment(&self) -> bool {
        self.fragment_offset != 0 || self.more_fragments
    }

    /// The source port, or what a sender's selector compares with its ports.
    pub fn source_port(&self) -> Option<u16> {
        match self.ports {
            Ports::Pair(source, _) => Some(source),
            Ports::Type(value) => Some(value),
            Ports::None => None,
        }
    }

    fn parse_v4(packet: &[u8]) -> Option<Self> {
        let header = packet.first_chunk::<20>()?;
        let header_len = usize::from(header[0] & 15) * 4;
        let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header_len < 20 || total_len < header_len || packet.len() < total_len {
            return None;
        }
        let flags = u16::from_be_bytes([header[6], header[7]]);
        let address = |at: usize| Some(Ipv4Addr::from(*packet.get(at..)?.first_chunk::<4>()?).into());
        let mut this = Self {
            source: address(12)?,
            destination: address(16)?,
            protocol: header[9],
            ports: Ports::None,
            total_len,
            transport: header_len,
            fragment_offset: usize::from(flags & 0x1fff) * 8,
            more_fragments: flags & 0x2000 != 0,
            dont_fragment: flags & 0x4000 != 0,
            tos: header[1],
        };
        this.ports = this.read_ports(packet);
        Some(this)
    }

    fn parse_v6(packet: &[u8]) -> Option<Self> {
        let header = packet.first_chunk::<40>()?;
        let total_len = 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
        if packet.len() < total_len {
            return None;
        }
        let address = |at: usize| Some(Ipv6Addr::from(*packet.get(at..)?.first_chunk::<16>()?).into());
        let mut this = Self {
            source: address(8)?,
            destination: address(24)?,
            protocol: header[6],
            ports: Ports::None,
            total_len,
            transport: 40,
            fragment_offset: 0,
            more_fragments: false,
            dont_fragment: true,
            tos: (header[0] << 4) | (header[1] >> 4),
        };
        this.walk_extensions(packet.get(..total_len)?)?;
        this.ports = this.read_ports(packet);
        Some(this)
    }

    /// Follows the chain of extension headers (RFC 8200 section 4) to the protocol after them.
    fn walk_extensions(&mut self, packet: &[u8]) -> Option<()> {
        for _ in 0..MAX_EXTENSIONS {
            // What comes after the Fragment header of a later fragment is no header.
            if self.fragment_offset != 0 {
                return Some(());
            }
            let octets = match self.protocol {
                protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION => 8,
                protocol::AUTHENTICATION => 4,
                protocol::FRAGMENT => 0,
                _ => return Some(()),
            };
            let extension = packet.get(self.transport..)?;
            let &[next, units, high, low] = extension.first_chunk::<4>()?;
            let len = match octets {
                // In units of 8 octets, the first not counted.
                8 => (usize::from(units) + 1) * 8,
                // In units of 4 octets, the first two not counted (RFC 4302 section 2.2).
                4 => (usize::from(units) + 2) * 4,
                _ => {
                    let field = u16::from_be_bytes([high, low]);
                    self.fragment_offset = usize::from(field & 0xfff8);
                    self.more_fragments = field & 1 != 0;
                    8
                }
            };
            extension.get(..len)?;
            (self.protocol, self.transport) = (next, self.transport + len);
        }
        None
    }

    fn read_ports(&self, packet: &[u8]) -> Ports {
        let transport = packet.get(self.transport..self.total_len).unwrap_or_default();
        let Some(&[a, b, c, d]) = transport.first_chunk::<4>().filter(|_| self.fragment_offset == 0) else {
            return Ports::None;
        };
        match self.protocol {
            protocol::TCP | protocol::UDP | protocol::UDP_LITE | protocol::SCTP | protocol::DCCP => {
                Ports::Pair(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
            }
            protocol::ICMP | protocol::ICMPV6 => Ports::Type(u16::from_be_bytes([a, b])),
            // Next protocol, length, type.
            protocol::MOBILITY => Ports::Type(u16::from_be_bytes([c, 0])),
            _ => Ports::None,
        }
    }
}

#[cfg(test)]
mod tests;
