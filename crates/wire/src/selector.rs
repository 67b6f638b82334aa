//! Traffic selectors: which packets an SA carries (RFC 7296 section 3.13.1).

use std::net::IpAddr;

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
