//! Configuration (RFC 7296 section 3.15).

use bytes::BufMut;
use nom::number::complete::{be_u8, be_u16};

use crate::ParseError;
use crate::numbers::{CfgAttributeType, CfgType};
use crate::read::{length16, octets, run};

/// A Configuration payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config<'a> {
    /// Request, reply, set or acknowledgement.
    pub cfg_type: CfgType,
    /// Reserved; as they came.
    pub reserved: [u8; 3],
    /// The attributes, one after the other; read by [`Config::iter`].
    pub attributes: &'a [u8],
}

/// One attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConfigAttribute<'a> {
    /// The reserved bit before the type; as it came.
    pub reserved: bool,
    /// What it configures; 15 bits.
    pub kind: CfgAttributeType,
    /// Its value; empty in a request that leaves it to the other side.
    pub value: &'a [u8],
}

impl<'a> Config<'a> {
    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let (attributes, (cfg_type, reserved)) = run(body, "CP payload truncated", (be_u8, octets))?;
        Ok(Self {
            cfg_type: CfgType(cfg_type),
            reserved,
            attributes,
        })
    }

    /// The attributes, in order. Ends after the first error.
    pub fn iter(&self) -> ConfigAttributes<'a> {
        ConfigAttributes {
            whole: self.attributes,
            rest: self.attributes,
            failed: false,
        }
    }

    /// Appends the body, made again from the attributes; what cannot be read follows as it came.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u8(self.cfg_type.0);
        out.put_slice(&self.reserved);
        let mut attributes = self.iter();
        while let Some(Ok(attribute)) = attributes.next() {
            attribute.encode(out);
        }
        out.put_slice(attributes.rest);
    }
}

impl<'a> ConfigAttribute<'a> {
    /// An attribute to send.
    pub const fn new(kind: CfgAttributeType, value: &'a [u8]) -> Self {
        Self {
            reserved: false,
            kind,
            value,
        }
    }

    /// Appends the attribute.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u16(self.kind.0 & 0x7fff | u16::from(self.reserved) << 15);
        out.put_u16(length16(self.value.len()));
        out.put_slice(self.value);
    }
}

/// The body of a CP payload with these attributes.
pub fn encode(cfg_type: CfgType, attributes: &[ConfigAttribute<'_>]) -> Vec<u8> {
    let mut out = vec![cfg_type.0, 0, 0, 0];
    for attribute in attributes {
        attribute.encode(&mut out);
    }
    out
}

/// Iterator over [`ConfigAttribute`]s.
#[derive(Clone, Debug)]
pub struct ConfigAttributes<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
    failed: bool,
}

impl<'a> ConfigAttributes<'a> {
    fn step(&mut self) -> Result<ConfigAttribute<'a>, ParseError> {
        let (after, (kind, length)) = run(self.rest, "configuration attribute truncated", (be_u16, be_u16))?;
        let Some((value, rest)) = after.split_at_checked(usize::from(length)) else {
            return Err(ParseError::new(2, "configuration attribute longer than the CP payload"));
        };
        self.rest = rest;
        Ok(ConfigAttribute {
            reserved: kind & 0x8000 != 0,
            kind: CfgAttributeType(kind & 0x7fff),
            value,
        })
    }
}

impl<'a> Iterator for ConfigAttributes<'a> {
    type Item = Result<ConfigAttribute<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.rest.is_empty() {
            return None;
        }
        let offset = self.whole.len() - self.rest.len();
        let item = self.step().map_err(|error| error.shifted(offset));
        self.failed = item.is_err();
        Some(item)
    }
}

impl std::iter::FusedIterator for ConfigAttributes<'_> {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const BODY: &[u8] = &[2, 9, 8, 7, 0, 1, 0, 4, 10, 3, 0, 1, 0x80, 3, 0, 0];

    #[test]
    fn reads_and_writes() {
        let config = Config::parse(BODY).unwrap();
        assert_eq!((config.cfg_type, config.reserved), (CfgType::REPLY, [9, 8, 7]));
        let attributes: Vec<_> = config.iter().map(Result::unwrap).collect();
        assert_eq!(
            attributes[0],
            ConfigAttribute::new(CfgAttributeType::INTERNAL_IP4_ADDRESS, &[10, 3, 0, 1])
        );
        assert_eq!(
            (attributes[1].kind, attributes[1].reserved),
            (CfgAttributeType::INTERNAL_IP4_DNS, true)
        );
        let mut out = Vec::new();
        config.encode_body(&mut out);
        assert_eq!(out, BODY);
    }

    #[test]
    fn an_attribute_cannot_leave_the_payload() {
        for len in [5, 7, 10, 13, 15] {
            let config = Config::parse(&BODY[..len]).unwrap();
            assert!(config.iter().any(|attribute| attribute.is_err()), "{len}");
            let mut out = Vec::new();
            config.encode_body(&mut out);
            assert_eq!(out, BODY[..len]);
        }
        assert!(Config::parse(&BODY[..3]).is_err());
    }

    #[test]
    fn a_request_is_built() {
        let body = encode(
            CfgType::REQUEST,
            &[ConfigAttribute::new(CfgAttributeType::INTERNAL_IP4_DNS, &[])],
        );
        assert_eq!(body, [1, 0, 0, 0, 0, 3, 0, 0]);
    }
}
