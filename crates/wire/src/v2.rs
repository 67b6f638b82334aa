//! IKEv2: a message is a header and a chain of payloads (RFC 7296 section 3).
//!
//! Reading goes in steps, each of which borrows from the datagram: [`Message::parse`], [`Message::payloads`],
//! [`RawPayload::parse`], then the iterators of the payloads that hold lists. Writing goes through a
//! [`PayloadChain`] and [`message`], or [`sk_frame`] for what is to be encrypted.

pub mod auth;
pub mod build;
pub mod cert;
pub mod config;
pub mod delete;
pub mod encrypted;
pub mod id;
pub mod ke;
pub mod notify;
pub mod opaque;
pub mod payload;
pub mod raw;
pub mod sa;
pub mod ts;

pub use auth::Auth;
pub use build::{PayloadChain, message, sk_frame, skf_frame};
pub use cert::{Cert, CertReq};
pub use config::{Config, ConfigAttribute};
pub use delete::Delete;
pub use encrypted::{Encrypted, Fragment};
pub use id::Id;
pub use ke::Ke;
pub use notify::Notify;
pub use opaque::{Eap, Nonce, VendorId};
pub use payload::Payload;
pub use raw::{Payloads, RawPayload, payloads};
pub use sa::{Attribute, AttributeValue, Proposal, ProposalDef, Sa, Transform, TransformDef};
pub use ts::{Ts, TsEntry};

use crate::ParseError;
use crate::header::{HEADER_LEN, Header};

/// An IKEv2 message in a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// The header.
    pub header: Header,
    /// The whole message, header included.
    pub bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads the header; `datagram` begins after the non-ESP marker, if there was one.
    ///
    /// The major version must be 2 (a higher one is answered by the caller, RFC 7296 section 2.5), and the Length
    /// field must be the datagram's length.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let header = Header::parse(datagram)?;
        if header.version.major != 2 {
            return Err(ParseError::new(17, "major version is not 2"));
        }
        if usize::try_from(header.length) != Ok(datagram.len()) {
            return Err(ParseError::new(24, "length is not the datagram's"));
        }
        Ok(Self {
            header,
            bytes: datagram,
        })
    }

    /// The payloads. Offsets count from the end of the header.
    pub fn payloads(&self) -> Payloads<'a> {
        payloads(
            self.header.next_payload,
            self.bytes.get(HEADER_LEN..).unwrap_or_default(),
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::header::{ExchangeType, Flags, PayloadType, Spi, Version};

    fn header() -> Header {
        Header {
            spi_i: Spi([1; 8]),
            spi_r: Spi::ZERO,
            next_payload: PayloadType::NONE,
            version: Version::V2,
            exchange: ExchangeType::INFORMATIONAL,
            flags: Flags::INITIATOR,
            message_id: 0,
            length: 0,
        }
    }

    #[test]
    fn length_must_be_the_datagrams() {
        let bytes = message(header(), &PayloadChain::new());
        assert_eq!(Message::parse(&bytes).unwrap().payloads().count(), 0);
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(Message::parse(&longer).unwrap_err().offset, 24);
        let mut lying = bytes.clone();
        lying[27] -= 1;
        assert_eq!(Message::parse(&lying).unwrap_err().offset, 24);
        assert!(Message::parse(&bytes[..27]).is_err());
    }

    #[test]
    fn other_versions_are_not_ours() {
        for octet in [0x10, 0x1f, 0x30, 0xf0] {
            let mut bytes = message(header(), &PayloadChain::new());
            bytes[17] = octet;
            assert_eq!(Message::parse(&bytes).unwrap_err().reason, "major version is not 2");
        }
        let mut bytes = message(header(), &PayloadChain::new());
        bytes[17] = 0x21;
        assert_eq!(Message::parse(&bytes).unwrap().header.version.minor, 1);
    }
}
