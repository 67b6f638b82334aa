//! ESP packets to IP packets and back (RFC 4303), without I/O.
//!
//! [`OutboundSa`] seals and [`InboundSa`] opens, both in place; the cipher is a
//! [`Protect`](handfast_crypto::provider::Protect) that the caller has keyed, or a [`Cipher`] that is keyed while there is
//! traffic. [`tunnel`] reads and changes the IP
//! packets inside, [`udp_encap`] tells ESP from IKE on port 4500.
#![forbid(unsafe_code)]

mod cipher;
mod inbound;
mod layout;
mod outbound;
mod replay;
pub mod transport;
pub mod tunnel;
pub mod udp_encap;

pub use cipher::Cipher;
pub use inbound::{InboundSa, OpenError, Opened};
pub use layout::{Layout, OuterHeaders};
pub use outbound::{OutboundSa, Usage};
pub use replay::ReplayWindow;

/// IP protocol number of ESP.
pub const PROTOCOL_ESP: u8 = 50;

/// Next header of a dummy packet, which the receiver drops (RFC 4303 section 2.6).
pub const NEXT_HEADER_DUMMY: u8 = 59;

/// The example of README.md, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;

#[cfg(test)]
mod tests;
