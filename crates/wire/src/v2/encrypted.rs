//! Encrypted payloads: SK (RFC 7296 section 3.14) and SKF (RFC 7383 section 2.5).

use bytes::BufMut;
use nom::Parser;
use nom::combinator::rest;
use nom::number::complete::be_u16;

use crate::ParseError;
use crate::read::run;

/// Payloads under the protection of the IKE SA. How IV, ciphertext and ICV divide the body depends on the suite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Encrypted<'a> {
    /// IV, ciphertext, ICV.
    pub body: &'a [u8],
}

impl Encrypted<'_> {
    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.body);
    }
}

/// One fragment of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment<'a> {
    /// Which fragment this is, from 1.
    pub number: u16,
    /// How many there are.
    pub total: u16,
    /// IV, ciphertext, ICV.
    pub body: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Reads a body. Whether the numbers make sense is for who reassembles (RFC 7383 section 2.6).
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let fields = (be_u16, be_u16, rest).map(|(number, total, body)| Self { number, total, body });
        run(body, "SKF payload truncated", fields).map(|(_, fragment)| fragment)
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u16(self.number);
        out.put_u16(self.total);
        out.put_slice(self.body);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let body = [0, 2, 1, 0, 9, 9];
        let fragment = Fragment::parse(&body).unwrap();
        assert_eq!(
            fragment,
            Fragment {
                number: 2,
                total: 256,
                body: &[9, 9]
            }
        );
        let mut out = Vec::new();
        fragment.encode_body(&mut out);
        assert_eq!(out, body);
        assert!(Fragment::parse(&body[..3]).is_err());
    }
}
