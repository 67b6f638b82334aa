//! The attributes payload of the configuration method and of XAUTH (draft-dukes-ike-mode-cfg-02 section 3.2).

use bytes::BufMut;
use nom::Parser;
use nom::combinator::rest;
use nom::number::complete::{be_u8, be_u16};

use super::attribute::{self, AttributeDef, Attributes, attributes};
use crate::ParseError;
use crate::numbers::CfgType;
use crate::read::run;

/// A configuration payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config<'a> {
    /// Request, reply, set or acknowledgement; the numbers are those of IKEv2.
    pub cfg_type: CfgType,
    /// Reserved; as it came.
    pub reserved: u8,
    /// Which transaction.
    pub identifier: u16,
    /// The attributes, one after the other; read by [`Config::iter`].
    pub attributes: &'a [u8],
}

impl<'a> Config<'a> {
    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let fields = (be_u8, be_u8, be_u16, rest).map(|(cfg_type, reserved, identifier, attributes)| Self {
            cfg_type: CfgType(cfg_type),
            reserved,
            identifier,
            attributes,
        });
        run(body, "CP payload truncated", fields).map(|(_, config)| config)
    }

    /// The attributes, in order. Ends after the first error.
    pub fn iter(&self) -> Attributes<'a> {
        attributes(self.attributes)
    }

    /// Appends the body, made again from the attributes; what cannot be read follows as it came.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u8(self.cfg_type.0);
        out.put_u8(self.reserved);
        out.put_u16(self.identifier);
        let mut walk = self.iter();
        while let Some(Ok(attribute)) = walk.next() {
            attribute.encode(out);
        }
        out.put_slice(walk.rest());
    }
}

/// The body of a configuration payload with these attributes.
pub fn encode(cfg_type: CfgType, identifier: u16, attributes: &[AttributeDef]) -> Vec<u8> {
    let mut out = vec![cfg_type.0, 0];
    out.put_u16(identifier);
    out.extend(attribute::encode(attributes));
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::numbers::v1::CfgAttribute;
    use crate::v1::Attribute;

    #[test]
    fn reads_and_writes() {
        let body = encode(
            CfgType::REPLY,
            0x0102,
            &[
                AttributeDef::short(CfgAttribute::XAUTH_STATUS.0, 1),
                AttributeDef::long(CfgAttribute::INTERNAL_IP4_ADDRESS.0, [10, 3, 0, 1]),
                AttributeDef::long(CfgAttribute::INTERNAL_IP4_DNS.0, []),
            ],
        );
        assert_eq!(body[..8], [2, 0, 1, 2, 0xc0, 0x8f, 0, 1]);
        let config = Config::parse(&body).unwrap();
        assert_eq!((config.cfg_type, config.identifier), (CfgType::REPLY, 0x0102));
        let all: Vec<_> = config.iter().map(Result::unwrap).collect();
        assert_eq!(all[0], Attribute::short(16527, 1));
        assert_eq!(all[1].value.as_bytes(), Some(&[10, 3, 0, 1][..]));
        let mut out = Vec::new();
        config.encode_body(&mut out);
        assert_eq!(out, body);
        for len in 4..body.len() {
            let mut out = Vec::new();
            Config::parse(&body[..len]).unwrap().encode_body(&mut out);
            assert_eq!(out, body[..len]);
        }
        assert!(Config::parse(&body[..3]).is_err());
    }
}
