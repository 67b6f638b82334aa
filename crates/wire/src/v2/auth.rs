//! Authentication (RFC 7296 section 3.8).

use bytes::BufMut;
use nom::Parser;
use nom::combinator::rest;
use nom::number::complete::be_u8;

use crate::ParseError;
use crate::numbers::AuthMethod;
use crate::read::{octets, run};

/// A proof of identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Auth<'a> {
    /// How `data` was made.
    pub method: AuthMethod,
    /// Reserved; as they came.
    pub reserved: [u8; 3],
    /// MAC or signature; with method 14 the algorithm identifier comes first (RFC 7427 section 3).
    pub data: &'a [u8],
}

impl<'a> Auth<'a> {
    /// A payload to send.
    pub const fn new(method: AuthMethod, data: &'a [u8]) -> Self {
        Self {
            method,
            reserved: [0; 3],
            data,
        }
    }

    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let fields = (be_u8, octets, rest).map(|(method, reserved, data)| Self {
            method: AuthMethod(method),
            reserved,
            data,
        });
        run(body, "AUTH payload truncated", fields).map(|(_, auth)| auth)
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u8(self.method.0);
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
        let body = [14, 1, 2, 3, 0xaa];
        let auth = Auth::parse(&body).unwrap();
        assert_eq!(
            auth,
            Auth {
                method: AuthMethod::DIGITAL_SIGNATURE,
                reserved: [1, 2, 3],
                data: &[0xaa]
            }
        );
        let mut out = Vec::new();
        auth.encode_body(&mut out);
        assert_eq!(out, body);
        assert!(Auth::parse(&body[..3]).is_err());
    }
}
