//! A fragment of a message: the vendor id FRAGMENTATION announces it. No RFC defines it; the facts are those of the
//! implementations that speak it.

use bytes::BufMut;
use nom::Parser;
use nom::combinator::rest;
use nom::number::complete::{be_u8, be_u16};

use crate::ParseError;
use crate::read::run;

/// A slice of a whole message, the message's header included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment<'a> {
    /// Which message; strongSwan says 1 for every one.
    pub id: u16,
    /// Which slice, from 1.
    pub number: u8,
    /// 1 in the last fragment, 0 in others.
    pub last: u8,
    /// The slice.
    pub data: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let fields = (be_u16, be_u8, be_u8, rest).map(|(id, number, last, data)| Self { id, number, last, data });
        run(body, "FRAG payload truncated", fields).map(|(_, fragment)| fragment)
    }

    /// Whether it is the last.
    pub const fn is_last(&self) -> bool {
        self.last & 1 != 0
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u16(self.id);
        out.put_u8(self.number);
        out.put_u8(self.last);
        out.put_slice(self.data);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let body = [0, 1, 3, 1, 9, 9];
        let fragment = Fragment::parse(&body).unwrap();
        assert_eq!((fragment.id, fragment.number, fragment.is_last()), (1, 3, true));
        assert_eq!(fragment.data, [9, 9]);
        let mut out = Vec::new();
        fragment.encode_body(&mut out);
        assert_eq!(out, body);
        assert!(Fragment::parse(&body[..3]).is_err());
    }
}
