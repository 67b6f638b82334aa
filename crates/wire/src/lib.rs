//! IKE messages: bytes to typed payloads and back, exactly.
//!
//! * [`header`] is the ISAKMP header that both versions share (RFC 2408 section 3.1, RFC 7296 section 3.1).
//! * [`v1`] holds the payloads of IKEv1 (RFC 2408, 2407, 2409), its iterators and its builders.
//! * [`v2`] holds the payloads of IKEv2, their iterators and their builders.
//! * [`numbers`] names the registered numbers; [`selector`] is the traffic selector as a value.
//! * [`describe`] prints a message on one line.
//!
//! Three rules hold throughout. Parsing borrows from the datagram and allocates nothing; it never panics. Encoding
//! what was parsed gives the same octets, reserved fields included. And nothing here decides: an unknown number is
//! kept as it came, and only what cannot be read at all is a [`ParseError`].
#![forbid(unsafe_code)]

pub mod describe;
pub mod error;
pub mod header;
pub mod numbers;
pub mod selector;
pub mod v1;
pub mod v2;

mod read;

pub use error::ParseError;

/// The example of README.md, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
