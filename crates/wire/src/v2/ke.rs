//! Key Exchange (RFC 7296 section 3.4).

use bytes::BufMut;
use nom::Parser;
use nom::combinator::rest;
use nom::number::complete::be_u16;

use crate::ParseError;
use crate::read::run;

/// A public value of a key exchange method.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ke<'a> {
    /// Diffie-Hellman group (key exchange method) number.
    pub group: u16,
    /// Reserved; as it came.
    pub reserved: u16,
    /// The public value.
    pub data: &'a [u8],
}

impl<'a> Ke<'a> {
    /// A payload to send.
    pub const fn new(group: u16, data: &'a [u8]) -> Self {
        Self {
            group,
            reserved: 0,
            data,
        }
    }

    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let fields = (be_u16, be_u16, rest).map(|(group, reserved, data)| Self { group, reserved, data });
        run(body, "KE payload truncated", fields).map(|(_, ke)| ke)
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u16(self.group);
        out.put_u16(self.reserved);
        out.put_slice(self.data);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let body = [0, 31, 0xab, 0xcd, 1, 2, 3];
        let ke = Ke::parse(&body).unwrap();
        assert_eq!(
            ke,
            Ke {
                group: 31,
                reserved: 0xabcd,
                data: &[1, 2, 3]
            }
        );
        let mut out = Vec::new();
        ke.encode_body(&mut out);
        assert_eq!(out, body);
        assert!(Ke::parse(&body[..4]).unwrap().data.is_empty());
        assert!(Ke::parse(&body[..3]).is_err());
    }
}
