//! Who a peer says it is: the ID payloads of IKE (RFC 7296 section 3.5, RFC 2407 section 4.6.2).

use std::net::{Ipv4Addr, Ipv6Addr};

/// An identity as configured or as received.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Identity {
    /// ID_IPV4_ADDR (1).
    Ipv4(Ipv4Addr),
    /// ID_FQDN (2).
    Fqdn(String),
    /// ID_RFC822_ADDR (3).
    Email(String),
    /// ID_IPV6_ADDR (5).
    Ipv6(Ipv6Addr),
    /// ID_DER_ASN1_DN (9), DER octets.
    Dn(Vec<u8>),
    /// ID_KEY_ID (11), opaque octets.
    KeyId(Vec<u8>),
    /// Any other type, or octets that are not valid for their type; matches nothing but itself.
    Other {
        /// ID type octet.
        kind: u8,
        /// Identification data.
        data: Vec<u8>,
    },
}
