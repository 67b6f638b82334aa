//! The header that every IKE message begins with (RFC 7296 section 3.1; the same layout as RFC 2408 section 3.1).

use std::fmt;

use bytes::BufMut;
use nom::Parser;
use nom::number::complete::{be_u8, be_u32};

use crate::ParseError;
use crate::numbers::numbers;
use crate::read::{octets, run};

/// Octets of the header.
pub const HEADER_LEN: usize = 28;

/// The SPI of an IKE SA; IKEv1 calls it a cookie.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Spi(pub [u8; 8]);

impl Spi {
    /// The responder's SPI in the first message.
    pub const ZERO: Self = Self([0; 8]);

    /// Whether it is all zero.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl fmt::Display for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spi({self})")
    }
}

numbers! {
    /// Payload types of both versions; their ranges do not meet (RFC 2408 section 3.1, RFC 7296 section 3.2).
    pub struct PayloadType(u8), "payload" {
        NONE = 0 "none",
        V1_SA = 1 "SA",
        V1_PROPOSAL = 2 "P",
        V1_TRANSFORM = 3 "T",
        V1_KE = 4 "KE",
        V1_ID = 5 "ID",
        V1_CERT = 6 "CERT",
        V1_CERTREQ = 7 "CERTREQ",
        V1_HASH = 8 "HASH",
        V1_SIG = 9 "SIG",
        V1_NONCE = 10 "NONCE",
        V1_NOTIFY = 11 "N",
        V1_DELETE = 12 "D",
        V1_VENDOR_ID = 13 "V",
        V1_ATTRIBUTES = 14 "CP",
        V1_NAT_D = 20 "NAT-D",
        V1_NAT_OA = 21 "NAT-OA",
        SA = 33,
        KE = 34,
        IDI = 35 "IDi",
        IDR = 36 "IDr",
        CERT = 37,
        CERTREQ = 38,
        AUTH = 39,
        NONCE = 40 "No",
        NOTIFY = 41 "N",
        DELETE = 42 "D",
        VENDOR_ID = 43 "V",
        TSI = 44 "TSi",
        TSR = 45 "TSr",
        SK = 46,
        CP = 47,
        EAP = 48,
        GSPM = 49,
        ID_G = 50 "IDg",
        GSA = 51,
        KD = 52,
        SKF = 53,
        PS = 54,
        V1_GSS = 129 "GSS",
        V1_NAT_D_DRAFT = 130 "NAT-D(draft)",
        V1_NAT_OA_DRAFT = 131 "NAT-OA(draft)",
        V1_FRAGMENT = 132 "FRAG",
    }
}

numbers! {
    /// Exchange types of both versions; their ranges do not meet (RFC 2408 and 2409, RFC 7296 section 3.1).
    pub struct ExchangeType(u8), "exchange" {
        V1_BASE = 1 "Base",
        V1_MAIN = 2 "Main Mode",
        V1_AUTHENTICATION_ONLY = 3 "Authentication Only",
        V1_AGGRESSIVE = 4 "Aggressive Mode",
        V1_INFORMATIONAL = 5 "Informational",
        V1_TRANSACTION = 6 "Transaction",
        V1_QUICK = 32 "Quick Mode",
        V1_NEW_GROUP = 33 "New Group Mode",
        IKE_SA_INIT = 34,
        IKE_AUTH = 35,
        CREATE_CHILD_SA = 36,
        INFORMATIONAL = 37,
        IKE_SESSION_RESUME = 38,
        GSA_AUTH = 39,
        GSA_REGISTRATION = 40,
        GSA_REKEY = 41,
        IKE_INTERMEDIATE = 43,
        IKE_FOLLOWUP_KE = 44,
    }
}

/// The flags octet. IKEv2 has three flags; bits 0x01 to 0x04 are IKEv1's Encryption, Commit and Authentication Only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Flags(pub u8);

impl Flags {
    /// IKEv1: the payloads are encrypted (RFC 2408 section 3.1).
    pub const V1_ENCRYPTION: Self = Self(0x01);
    /// IKEv1: the commit bit.
    pub const V1_COMMIT: Self = Self(0x02);
    /// IKEv1: authenticated and not encrypted.
    pub const V1_AUTHENTICATION_ONLY: Self = Self(0x04);
    /// IKEv2: the sender is the original initiator of the IKE SA.
    pub const INITIATOR: Self = Self(0x08);
    /// IKEv2: the sender can speak a higher major version.
    pub const VERSION: Self = Self(0x10);
    /// IKEv2: this is a response.
    pub const RESPONSE: Self = Self(0x20);

    /// Whether all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the message is a response (IKEv2).
    pub const fn is_response(self) -> bool {
        self.contains(Self::RESPONSE)
    }

    /// Whether the sender is the original initiator (IKEv2).
    pub const fn is_initiator(self) -> bool {
        self.contains(Self::INITIATOR)
    }
}

impl std::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The version octet: two halves of four bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version {
    /// 1 or 2.
    pub major: u8,
    /// 0 in both versions.
    pub minor: u8,
}

impl Version {
    /// IKEv1.
    pub const V1: Self = Self { major: 1, minor: 0 };
    /// IKEv2.
    pub const V2: Self = Self { major: 2, minor: 0 };
}

impl From<u8> for Version {
    fn from(octet: u8) -> Self {
        Self {
            major: octet >> 4,
            minor: octet & 15,
        }
    }
}

impl From<Version> for u8 {
    fn from(version: Version) -> Self {
        version.major << 4 | version.minor & 15
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The header, every field as it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The original initiator's SPI.
    pub spi_i: Spi,
    /// The original responder's SPI; zero in the first message.
    pub spi_r: Spi,
    /// The type of the first payload.
    pub next_payload: PayloadType,
    /// Major and minor version.
    pub version: Version,
    /// What the message is part of.
    pub exchange: ExchangeType,
    /// Initiator, Version, Response.
    pub flags: Flags,
    /// Matches requests and responses.
    pub message_id: u32,
    /// Octets of the whole message, header included.
    pub length: u32,
}

impl Header {
    /// Reads the first 28 octets. Checks nothing but that they are there.
    pub fn parse(datagram: &[u8]) -> Result<Self, ParseError> {
        let fields = (octets, octets, be_u8, be_u8, be_u8, be_u8, be_u32, be_u32).map(
            |(spi_i, spi_r, next_payload, version, exchange, flags, message_id, length)| Self {
                spi_i: Spi(spi_i),
                spi_r: Spi(spi_r),
                next_payload: PayloadType(next_payload),
                version: Version::from(version),
                exchange: ExchangeType(exchange),
                flags: Flags(flags),
                message_id,
                length,
            },
        );
        run(datagram, "header truncated", fields).map(|(_, header)| header)
    }

    /// Appends the 28 octets, every field as it is.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_slice(&self.spi_i.0);
        out.put_slice(&self.spi_r.0);
        out.put_u8(self.next_payload.0);
        out.put_u8(self.version.into());
        out.put_u8(self.exchange.0);
        out.put_u8(self.flags.0);
        out.put_u32(self.message_id);
        out.put_u32(self.length);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OCTETS: [u8; 28] = [
        1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 33, 0x2f, 34, 0xc8, 0, 0, 1, 2, 0, 0, 0, 28,
    ];

    #[test]
    fn fields_are_where_the_rfc_puts_them() {
        let header = Header::parse(&OCTETS).unwrap();
        assert_eq!(header.spi_i.to_string(), "0102030405060708");
        assert!(header.spi_r.is_zero() && !header.spi_i.is_zero());
        assert_eq!(header.next_payload, PayloadType::SA);
        assert_eq!((header.version.major, header.version.minor), (2, 15));
        assert_eq!(header.exchange, ExchangeType::IKE_SA_INIT);
        assert!(header.flags.is_initiator() && !header.flags.is_response());
        assert_eq!((header.message_id, header.length), (258, 28));
    }

    #[test]
    fn encoding_keeps_unknown_bits() {
        let mut out = Vec::new();
        Header::parse(&OCTETS).unwrap().encode(&mut out);
        assert_eq!(out, OCTETS);
    }

    #[test]
    fn shorter_than_28_octets_is_an_error() {
        for len in 0..HEADER_LEN {
            let error = Header::parse(&OCTETS[..len]).unwrap_err();
            assert_eq!(error.reason, "header truncated");
            assert!(error.offset <= len);
        }
    }

    #[test]
    fn names_never_fail() {
        assert_eq!(ExchangeType::IKE_SA_INIT.to_string(), "IKE_SA_INIT");
        assert_eq!(ExchangeType(99).to_string(), "exchange 99");
        assert_eq!(ExchangeType(99).name(), None);
        assert_eq!(PayloadType::IDI.to_string(), "IDi");
        assert_eq!(PayloadType(200).to_string(), "payload 200");
    }
}
