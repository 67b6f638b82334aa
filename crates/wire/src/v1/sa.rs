//! Security Association: DOI, situation, proposals, transforms, attributes (RFC 2408 sections 3.4 to 3.6, RFC 2407
//! section 4.6.1).

mod define;
mod ipsec;
mod oakley;
mod transform;

use bytes::BufMut;
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16, be_u32};

pub use define::{ProposalDef, TransformDef, encode, encode_chosen};
pub use ipsec::IpsecTransform;
pub use oakley::OakleyTransform;
pub use transform::{Transform, Transforms};

use crate::ParseError;
use crate::numbers::v1::{Doi, Protocol, Situation};
use crate::read::{length16, run};

/// Octets of a proposal before its SPI.
const PROPOSAL_HEADER_LEN: usize = 8;

/// The payload: what the numbers mean, and the proposals. Hashes take the body as it came: use `RawPayload::body`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sa<'a> {
    /// What the numbers mean. Only for [`Doi::IPSEC`] what follows is known.
    pub doi: Doi,
    /// Why protection is wanted.
    pub situation: Situation,
    /// Secrecy and integrity labels, where the situation has them; not looked into.
    pub labels: &'a [u8],
    /// The proposals, one after the other; read by [`Sa::proposals`].
    pub proposal_bytes: &'a [u8],
}

impl<'a> Sa<'a> {
    /// Reads a body up to the proposals.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let (after, (doi, situation)) = run(body, "SA payload truncated", (be_u32, be_u32))?;
        let (doi, situation) = (Doi(doi), Situation(situation));
        let labels_len = if doi == Doi::IPSEC && situation.is_labelled() {
            labels_len(after).map_err(|error| error.shifted(8))?
        } else {
            0
        };
        let (labels, proposal_bytes) = after.split_at_checked(labels_len).unwrap_or((after, &[]));
        Ok(Self {
            doi,
            situation,
            labels,
            proposal_bytes,
        })
    }

    /// The proposals, in order. Ends after the first error. Offsets count from the first proposal.
    pub fn proposals(&self) -> Proposals<'a> {
        Proposals {
            whole: self.proposal_bytes,
            rest: self.proposal_bytes,
            more: true,
            failed: false,
        }
    }

    /// Appends the body, made again from proposals, transforms and attributes; what cannot be read follows as it came.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u32(self.doi.0);
        out.put_u32(self.situation.0);
        out.put_slice(self.labels);
        let mut proposals = self.proposals();
        while let Some(Ok(proposal)) = proposals.next() {
            proposal.encode(out);
        }
        out.put_slice(proposals.rest);
    }
}

/// Octets of the labels: a domain, then secrecy level and category, integrity level and category, each with a length
/// and padded to 32 bits; categories count bits.
fn labels_len(bytes: &[u8]) -> Result<usize, ParseError> {
    let truncated = "labels of the situation truncated";
    let (mut rest, _) = run(bytes, truncated, be_u32)?;
    for unit in [8, 1, 8, 1] {
        let offset = bytes.len() - rest.len();
        let (after, (length, _reserved)) = run(rest, truncated, (be_u16, be_u16)).map_err(|e| e.shifted(offset))?;
        let octets = (usize::from(length) * unit).div_ceil(8).next_multiple_of(4);
        rest = after
            .get(octets..)
            .ok_or(ParseError::new(offset, "label longer than the SA payload"))?;
    }
    Ok(bytes.len() - rest.len())
}

/// One proposal: a protocol and the transforms offered for it. Proposals of one number are meant together, those of
/// different numbers are alternatives (RFC 2408 section 4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proposal<'a> {
    /// Next payload: 2 if another proposal follows, 0 if not.
    pub more: u8,
    /// Reserved; as it came.
    pub reserved: u8,
    /// Proposal number.
    pub number: u8,
    /// The kind of SA.
    pub protocol: Protocol,
    /// The sender's SPI; in phase 1 it is to be ignored (RFC 2408 section 3.5). At most 255 octets are encoded.
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
mod tests;
