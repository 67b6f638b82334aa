//! Messages of IKEv1: ISAKMP (RFC 2408) with the payloads of the IPsec DOI (RFC 2407) and of IKE (RFC 2409).
//!
//! [`Message::parse`] reads a datagram, [`Message::payloads`] walks its payloads, [`RawPayload::parse`] reads one;
//! [`PayloadChain`] and [`message`] write. What hashes take as it came is at hand: [`RawPayload::body`] for SAi_b and
//! IDii_b, [`Plaintext::after`] for what follows the HASH payload of quick mode.
//!
//! A message with the Encryption flag is [`Message::ciphertext`] after its header; decrypted, it is read by
//! [`Plaintext::split`]. To send one: [`PayloadChain::padded`], encrypt, [`encrypted_message`].

pub mod attribute;
pub mod build;
pub mod cert;
pub mod config;
pub mod delete;
pub mod fragment;
pub mod gss;
pub mod id;
pub mod lifetime;
pub mod nat;
pub mod notify;
pub mod opaque;
pub mod payload;
pub mod plaintext;
pub mod raw;
pub mod sa;
pub mod vendor;

pub use attribute::{Attribute, AttributeDef, AttributeValue, AttributeValueDef, Attributes};
pub use build::{PayloadChain, encrypted_message, message};
pub use cert::{Cert, CertReq};
pub use config::Config;
pub use delete::Delete;
pub use fragment::Fragment;
pub use gss::Gss;
pub use id::Id;
pub use lifetime::Lifetimes;
pub use nat::{NatD, NatOa};
pub use notify::Notify;
pub use opaque::{Hash, Ke, Nonce, Sig, VendorId};
pub use payload::Payload;
pub use plaintext::Plaintext;
pub use raw::{Payloads, RawPayload, payloads};
pub use sa::{IpsecTransform, OakleyTransform, Proposal, ProposalDef, Sa, Transform, TransformDef};

use crate::ParseError;
use crate::header::{Flags, HEADER_LEN, Header};

/// An IKEv1 message in a datagram.
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
    /// The major version must be 1, and the Length field must be the datagram's length (RFC 2408 section 5.2 has the
    /// message discarded if it is not what was received).
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let header = Header::parse(datagram)?;
        if header.version.major != 1 {
            return Err(ParseError::new(17, "major version is not 1"));
        }
        if usize::try_from(header.length) != Ok(datagram.len()) {
            return Err(ParseError::new(24, "length is not the datagram's"));
        }
        Ok(Self {
            header,
            bytes: datagram,
        })
    }

    /// Whether the payloads are encrypted.
    pub const fn is_encrypted(&self) -> bool {
        self.header.flags.contains(Flags::V1_ENCRYPTION)
    }

    /// Everything after the header: the payloads, or what they were encrypted to.
    pub fn body(&self) -> &'a [u8] {
        self.bytes.get(HEADER_LEN..).unwrap_or_default()
    }

    /// What the payloads were encrypted to; `None` if they were not.
    pub fn ciphertext(&self) -> Option<&'a [u8]> {
        self.is_encrypted().then(|| self.body())
    }

    /// The payloads of a message in the clear. Offsets count from the end of the header. Of an encrypted message it
    /// makes no sense, and gives an error most of the time.
    pub fn payloads(&self) -> Payloads<'a> {
        payloads(self.header.next_payload, self.body())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::header::{ExchangeType, PayloadType, Spi, Version};

    pub(super) fn header(exchange: ExchangeType) -> Header {
        Header {
            spi_i: Spi([1; 8]),
            spi_r: Spi::ZERO,
            next_payload: PayloadType::NONE,
            version: Version::V1,
            exchange,
            flags: Flags::default(),
            message_id: 0,
            length: 0,
        }
    }

    #[test]
    fn length_must_be_the_datagrams() {
        let bytes = message(header(ExchangeType::V1_MAIN), &PayloadChain::new());
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
        for octet in [0x00, 0x20, 0x2f, 0xf0] {
            let mut bytes = message(header(ExchangeType::V1_MAIN), &PayloadChain::new());
            bytes[17] = octet;
            assert_eq!(Message::parse(&bytes).unwrap_err().reason, "major version is not 1");
        }
    }

    #[test]
    fn an_encrypted_message_is_header_and_ciphertext() {
        let header = header(ExchangeType::V1_QUICK);
        let bytes = encrypted_message(header, PayloadType::V1_HASH, &[7; 32]);
        let message = Message::parse(&bytes).unwrap();
        assert!(message.is_encrypted());
        assert_eq!(message.ciphertext(), Some(&[7; 32][..]));
        assert_eq!(message.header.next_payload, PayloadType::V1_HASH);
        let clear = super::message(header, &PayloadChain::new());
        assert_eq!(Message::parse(&clear).unwrap().ciphertext(), None);
    }
}
