//! Traffic selectors: which packets an SA carries (RFC 7296 section 3.13.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

mod text;

pub use text::SelectorSyntaxError;

/// A range of addresses of one family, a protocol and a range of ports. All ranges include both ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TrafficSelector {
    /// IP protocol; 0 is any.
    pub protocol: u8,
    /// First port (or ICMP type and code, RFC 7296 section 3.13.1). Any is 0..=65535, OPAQUE is 65535..=0.
    pub start_port: u16,
    /// Last port.
    pub end_port: u16,
    /// First address.
    pub start: IpAddr,
    /// Last address, of the same family.
    pub end: IpAddr,
}

impl TrafficSelector {
    /// Any protocol, any port, the addresses of a subnet. Host bits of `address` are ignored; a `prefix_len` beyond
    /// the family's is the family's.
    pub fn from_subnet(address: IpAddr, prefix_len: u8) -> Self {
        let (width, bits) = (width(address), to_bits(address));
        let host = host_mask(width, prefix_len.min(width));
        let (start, end) = (from_bits(address, bits & !host), from_bits(address, bits | host));
        Self {
            protocol: 0,
            start_port: 0,
            end_port: u16::MAX,
            start,
            end,
        }
    }

    /// The addresses as a subnet, if they are one; protocol and ports do not matter.
    pub fn as_subnet(&self) -> Option<(IpAddr, u8)> {
        let (start, end) = self.range()?;
        let width = width(self.start);
        let host = start ^ end;
        // A subnet differs in all of the low bits and in no other.
        let host_len = host.trailing_ones();
        let prefix_len = width.checked_sub(u8::try_from(host_len).ok()?)?;
        (host == host_mask(width, prefix_len) && start & host == 0).then_some((self.start, prefix_len))
    }

    /// Whether a packet is selected. `port` is the packet's, or ICMP type and code; `None` if it has none or hides it
    /// (a fragment that is not the first): only ANY and OPAQUE select that (RFC 4301 section 4.4.1.1).
    pub fn contains_packet(&self, protocol: u8, port: impl Into<Option<u16>>, address: IpAddr) -> bool {
        let port_selected = match port.into() {
            Some(port) => (self.start_port..=self.end_port).contains(&port),
            None => self.is_any_port() || self.is_opaque(),
        };
        let address_selected = self.range().is_some_and(|(start, end)| {
            self.start.is_ipv4() == address.is_ipv4() && (start..=end).contains(&to_bits(address))
        });
        (self.protocol == 0 || self.protocol == protocol) && port_selected && address_selected
    }

    /// Whether every packet that `other` selects is selected. False if `other` selects none.
    pub fn contains(&self, other: &Self) -> bool {
        self.intersect(other).as_ref() == Some(other)
    }

    /// What both select; `None` if there is nothing.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let protocol = match (self.protocol, other.protocol) {
            (0, protocol) | (protocol, 0) => protocol,
            (ours, theirs) if ours == theirs => ours,
            _ => return None,
        };
        let (start_port, end_port) = self.intersect_ports(other)?;
        if self.start.is_ipv4() != other.start.is_ipv4() {
            return None;
        }
        let ((ours_start, ours_end), (theirs_start, theirs_end)) = (self.range()?, other.range()?);
        let (start, end) = (ours_start.max(theirs_start), ours_end.min(theirs_end));
        let address = |bits| from_bits(self.start, bits);
        (start <= end).then(|| Self {
            protocol,
            start_port,
            end_port,
            start: address(start),
            end: address(end),
        })
    }

    /// Whether all ports are selected, unknown ones included.
    pub const fn is_any_port(&self) -> bool {
        self.start_port == 0 && self.end_port == u16::MAX
    }

    /// Whether the ports are OPAQUE: only packets whose port cannot be seen.
    pub const fn is_opaque(&self) -> bool {
        self.start_port == u16::MAX && self.end_port == 0
    }

    fn intersect_ports(&self, other: &Self) -> Option<(u16, u16)> {
        // ANY encompasses OPAQUE; no other range does (RFC 4301 section 4.4.1.1).
        let opaque = |selector: &Self| selector.is_opaque() || selector.is_any_port();
        if self.is_opaque() || other.is_opaque() {
            return (opaque(self) && opaque(other)).then_some((u16::MAX, 0));
        }
        let (start, end) = (self.start_port.max(other.start_port), self.end_port.min(other.end_port));
        (start <= end).then_some((start, end))
    }

    /// The ends as numbers; `None` if they are of two families or the wrong way round.
    fn range(&self) -> Option<(u128, u128)> {
        let (start, end) = (to_bits(self.start), to_bits(self.end));
        (self.start.is_ipv4() == self.end.is_ipv4() && start <= end).then_some((start, end))
    }
}

const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// An address of the family of `like`.
fn from_bits(like: IpAddr, bits: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from_bits(bits as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
    }
}

/// The bits after the prefix.
fn host_mask(width: u8, prefix_len: u8) -> u128 {
    match width.saturating_sub(prefix_len) {
        0 => 0,
        host_len => u128::MAX >> (128 - u32::from(host_len.min(128))),
    }
}

#[cfg(test)]
mod tests;
