//! Identification (RFC 7296 section 3.5).

use bytes::BufMut;
use nom::Parser;
use nom::combinator::rest;
use nom::number::complete::be_u8;

use crate::ParseError;
use crate::numbers::IdType;
use crate::read::{octets, run};

/// An identity. The AUTH calculation takes the body as it came (RFC 7296 section 2.15): use `RawPayload::body`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id<'a> {
    /// How to read `data`.
    pub id_type: IdType,
    /// Reserved; as they came.
    pub reserved: [u8; 3],
    /// Identification data.
    pub data: &'a [u8],
}

impl<'a> Id<'a> {
    /// A payload to send.
    pub const fn new(id_type: IdType, data: &'a [u8]) -> Self {
        Self {
            id_type,
            reserved: [0; 3],
            data,
        }
    }

    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let fields = (be_u8, octets, rest).map(|(id_type, reserved, data)| Self {
            id_type: IdType(id_type),
            reserved,
            data,
        });
        run(body, "ID payload truncated", fields).map(|(_, id)| id)
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u8(self.id_type.0);
        out.put_slice(&self.reserved);
        out.put_slice(self.data);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let body = [2, 7, 8, 9, b'a', b'.', b'b'];
        let id = Id::parse(&body).unwrap();
        assert_eq!(
            id,
            Id {
                id_type: IdType::FQDN,
                reserved: [7, 8, 9],
                data: b"a.b"
            }
        );
        let mut out = Vec::new();
        id.encode_body(&mut out);
        assert_eq!(out, body);
    }

    #[test]
    fn too_short_is_an_error() {
        for len in 0..4 {
            assert_eq!(
                Id::parse(&[2, 0, 0, 0][..len]).unwrap_err().reason,
                "ID payload truncated"
            );
        }
    }
}
