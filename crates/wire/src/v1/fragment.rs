//! A fragment of a message: the vendor id FRAGMENTATION announces it. No RFC defines it; the facts are those of the
//! implementations that speak it.

use bytes::BufMut;
use nom::Parser;
use nom::combinator::rest;
use nom::number::complete::{be_u8, be_u16};

use super::{Payload, PayloadChain, message};
use crate::ParseError;
use crate::header::{ExchangeType, Flags, HEADER_LEN, Header};
use crate::read::run;

/// Octets of a fragment's datagram beside the slice.
pub const OVERHEAD: usize = HEADER_LEN + 8;

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

/// The datagrams that carry `whole`, a message with this header, in fragments of at most `max_len` octets each. `None`
/// if 255 of them do not suffice.
///
/// Each has a header of its own: that of main mode, whatever the message is, without flags and message ID (what
/// strongSwan sends, and the only one in which it takes a fragment).
pub fn split(header: &Header, whole: &[u8], id: u16, max_len: usize) -> Option<Vec<Vec<u8>>> {
    let header = Header {
        exchange: ExchangeType::V1_MAIN,
        flags: Flags::default(),
        message_id: 0,
        ..*header
    };
    let room = max_len.checked_sub(OVERHEAD).filter(|room| *room > 0)?;
    let total = u8::try_from(whole.len().div_ceil(room)).ok()?;
    let fragments = (1..=total).zip(whole.chunks(room)).map(|(number, data)| {
        let mut chain = PayloadChain::new();
        chain.push(&Payload::Fragment(Fragment {
            id,
            number,
            last: u8::from(number == total),
            data,
        }));
        message(header, &chain)
    });
    Some(fragments.collect())
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

    #[test]
    fn a_message_is_split_and_its_slices_are_it() {
        let header = crate::v1::tests::header(ExchangeType::V1_QUICK);
        let whole: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let fragments = split(&header, &whole, 7, 200).unwrap();
        assert_eq!(fragments.len(), 1000usize.div_ceil(200 - OVERHEAD));
        let mut again = Vec::new();
        for (index, datagram) in fragments.iter().enumerate() {
            assert!(datagram.len() <= 200);
            let message = crate::v1::Message::parse(datagram).unwrap();
            assert_eq!(
                (message.header.exchange, message.header.message_id),
                (ExchangeType::V1_MAIN, 0)
            );
            let Payload::Fragment(fragment) = message.payloads().next().unwrap().unwrap().parse().unwrap() else {
                panic!("a fragment")
            };
            assert_eq!((fragment.id, usize::from(fragment.number)), (7, index + 1));
            assert_eq!(fragment.is_last(), index + 1 == fragments.len());
            again.extend_from_slice(fragment.data);
        }
        assert_eq!(again, whole);
        assert_eq!(split(&header, &whole, 7, OVERHEAD), None);
        assert_eq!(split(&header, &whole, 7, OVERHEAD + 3), None);
        assert_eq!(split(&header, &whole, 7, OVERHEAD + 4).unwrap().len(), 250);
    }
}
