//! The IP packets inside a tunnel: reading their headers, answering the oversized, and the few changes that a tunnel
//! must make to them.

pub(crate) mod checksum;
mod ecn;
mod fragment;
mod headers;
mod join;
mod mss;
mod offload;
mod split;
mod too_big;

pub use ecn::{CongestionLost, encapsulated_tos, merge_ecn};
pub use fragment::fragment_ipv4;
pub use headers::{Headers, Ports};
pub use join::{Joined, Joiner};
pub use mss::clamp_mss;
pub use offload::{Offload, PartialChecksum, Segmented, Segments, complete_checksum};
pub use split::Split;
pub use too_big::too_big;

/// Next header of an IPv4 packet in ESP.
pub const NEXT_HEADER_IPV4: u8 = 4;

/// Next header of an IPv6 packet in ESP.
pub const NEXT_HEADER_IPV6: u8 = 41;

/// The smallest MTU that every IPv6 link has (RFC 8200 section 5).
pub const IPV6_MIN_MTU: usize = 1280;

/// The next header that says what `packet` is, by its version; `None` if it is no IP packet.
pub fn inner_protocol(packet: &[u8]) -> Option<u8> {
    match packet.first()? >> 4 {
        4 => Some(NEXT_HEADER_IPV4),
        6 => Some(NEXT_HEADER_IPV6),
        _ => None,
    }
}

pub(crate) mod protocol {
    //! IP protocol numbers.

    pub const HOP_BY_HOP: u8 = 0;
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const DCCP: u8 = 33;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const AUTHENTICATION: u8 = 51;
    pub const ICMPV6: u8 = 58;
    pub const DESTINATION: u8 = 60;
    pub const SCTP: u8 = 132;
    pub const MOBILITY: u8 = 135;
    pub const UDP_LITE: u8 = 136;
}

#[cfg(test)]
pub(crate) mod test_packets;
