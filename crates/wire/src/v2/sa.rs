//! Security Association: proposals, their transforms, the transforms' attributes (RFC 7296 section 3.3).

mod define;
mod transform;

use bytes::BufMut;
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16};

pub use define::{ProposalDef, TransformDef, encode};
pub use transform::{Attribute, AttributeValue, Attributes, Transform, Transforms};

use crate::ParseError;
use crate::numbers::Protocol;
use crate::read::{length16, run};

/// Octets of a proposal before its SPI.
const PROPOSAL_HEADER_LEN: usize = 8;

/// The payload's body, read by [`Sa::proposals`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sa<'a> {
    /// The proposals, one after the other.
    pub body: &'a [u8],
}

impl<'a> Sa<'a> {
    /// The proposals, in order. Ends after the first error.
    pub fn proposals(&self) -> Proposals<'a> {
        Proposals {
            whole: self.body,
            rest: self.body,
            more: true,
            failed: false,
        }
    }

    /// Appends the body, made again from proposals, transforms and attributes; what cannot be read follows as it came.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        let mut proposals = self.proposals();
        while let Some(Ok(proposal)) = proposals.next() {
            proposal.encode(out);
        }
        out.put_slice(proposals.rest);
    }
}

/// One proposal: a protocol and the transforms offered for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proposal<'a> {
    /// Last Substruc: 2 if another proposal follows, 0 if not.
    pub more: u8,
    /// Reserved; as it came.
    pub reserved: u8,
    /// Proposal number, from 1.
    pub number: u8,
    /// The kind of SA.
    pub protocol: Protocol,
    /// The sender's SPI: empty, 4 or 8 octets. At most 255 are encoded.
    pub spi: &'a [u8],
    /// How many transforms the proposal says it has; [`Proposal::transforms`] checks it.
    pub transform_count: u8,
    /// The transforms, one after the other.
    pub transform_bytes: &'a [u8],
}

impl<'a> Proposal<'a> {
    /// The transforms, in order. Ends after the first error.
    pub fn transforms(&self) -> Transforms<'a> {
        Transforms::new(self.transform_bytes, self.transform_count)
    }

    /// Appends the proposal.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let spi = self.spi.get(..255).unwrap_or(self.spi);
        out.put_u8(self.more);
        out.put_u8(self.reserved);
        out.put_u16(length16(PROPOSAL_HEADER_LEN + spi.len() + self.transform_bytes.len()));
        out.put_u8(self.number);
        out.put_u8(self.protocol.0);
        out.put_u8(spi.len() as u8);
        out.put_u8(self.transform_count);
        out.put_slice(spi);
        let mut transforms = self.transforms();
        while let Some(Ok(transform)) = transforms.next() {
            transform.encode(out);
        }
        out.put_slice(transforms.rest());
    }
}

/// Iterator over [`Proposal`]s.
#[derive(Clone, Debug)]
pub struct Proposals<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
    more: bool,
    failed: bool,
}

impl<'a> Proposals<'a> {
    fn step(&mut self) -> Result<Proposal<'a>, ParseError> {
        if !self.more {
            return Err(ParseError::new(0, "octets after the last proposal"));
        }
        let header = (be_u8, be_u8, be_u16, be_u8, be_u8, be_u8, be_u8);
        let (after, (more, reserved, length, number, protocol, spi_size, transform_count)) =
            run(self.rest, "proposal truncated", header)?;
        if !matches!(more, 0 | 2) {
            return Err(ParseError::new(0, "proposal neither last nor followed by one"));
        }
        let Some(body_len) = usize::from(length).checked_sub(PROPOSAL_HEADER_LEN) else {
            return Err(ParseError::new(2, "proposal length below 8"));
        };
        let Some((body, rest)) = after.split_at_checked(body_len) else {
            return Err(ParseError::new(2, "proposal longer than the SA payload"));
        };
        let (transform_bytes, spi) = run(body, "SPI longer than the proposal", take(spi_size))
            .map_err(|error| error.shifted(PROPOSAL_HEADER_LEN))?;
        if more == 2 && rest.is_empty() {
            return Err(ParseError::new(0, "proposals end where one more is announced"));
        }
        self.rest = rest;
        self.more = more == 2;
        let protocol = Protocol(protocol);
        Ok(Proposal {
            more,
            reserved,
            number,
            protocol,
            spi,
            transform_count,
            transform_bytes,
        })
    }
}

impl<'a> Iterator for Proposals<'a> {
    type Item = Result<Proposal<'a>, ParseError>;

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

impl std::iter::FusedIterator for Proposals<'_> {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::numbers::{AttributeType, TransformType};

    /// ESP, SPI, AES-CBC-128 with odd reserved octets; then AH-like with none.
    const BODY: &[u8] = &[
        2, 0x55, 0, 24, 1, 3, 4, 1, 0xaa, 0xbb, 0xcc, 0xdd, // proposal 1
        0, 0x66, 0, 12, 1, 0x77, 0, 12, 0x80, 14, 0, 128, // its transform
        0, 0, 0, 8, 2, 2, 0, 0, // proposal 2
    ];

    #[test]
    fn the_tree_is_read() {
        let proposals: Vec<_> = Sa { body: BODY }.proposals().map(Result::unwrap).collect();
        assert_eq!(proposals.len(), 2);
        assert_eq!((proposals[0].number, proposals[0].protocol), (1, Protocol::ESP));
        assert_eq!(proposals[0].spi, [0xaa, 0xbb, 0xcc, 0xdd]);
        let transforms: Vec<_> = proposals[0].transforms().map(Result::unwrap).collect();
        assert_eq!((transforms[0].kind, transforms[0].id), (TransformType::ENCR, 12));
        assert_eq!((transforms[0].reserved, transforms[0].reserved2), (0x66, 0x77));
        let attributes: Vec<_> = transforms[0].attributes().map(Result::unwrap).collect();
        let key_length = Attribute {
            kind: AttributeType::KEY_LENGTH,
            value: AttributeValue::Short(128),
        };
        assert_eq!(attributes, [key_length]);
        assert_eq!(proposals[1].transforms().count(), 0);
    }

    #[test]
    fn encoding_the_tree_gives_the_octets() {
        let mut out = Vec::new();
        Sa { body: BODY }.encode_body(&mut out);
        assert_eq!(out, BODY);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_kept() {
        for (change, reason) in [
            (Some((0, 0)), "octets after the last proposal"),
            (Some((0, 3)), "proposal neither last nor followed by one"),
            (Some((3, 7)), "proposal length below 8"),
            (Some((3, 200)), "proposal longer than the SA payload"),
            (Some((6, 17)), "SPI longer than the proposal"),
            (Some((24, 2)), "proposals end where one more is announced"),
            (None, "proposal truncated"),
        ] {
            let mut body = BODY.to_vec();
            match change {
                Some((at, octet)) => body[at] = octet,
                None => body.truncate(30),
            }
            let sa = Sa { body: &body };
            assert_eq!(sa.proposals().find_map(Result::err).unwrap().reason, reason);
            let mut out = Vec::new();
            sa.encode_body(&mut out);
            assert_eq!(out, body, "{reason}");
        }
    }

    #[test]
    fn an_empty_payload_has_no_proposals() {
        assert_eq!(Sa { body: &[] }.proposals().count(), 0);
    }
}
