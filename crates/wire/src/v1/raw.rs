//! The chain of payloads: generic headers (RFC 2408 section 3.2).

use nom::number::complete::{be_u8, be_u16};

use super::{Cert, CertReq, Config, Delete, Fragment, Gss, Hash, Id, Ke, NatD, NatOa, Nonce, Notify, Payload, Sa, Sig};
use super::{Payload as P, VendorId};
use crate::ParseError;
use crate::header::PayloadType;
use crate::read::run;

/// Octets of the generic payload header.
pub const GENERIC_HEADER_LEN: usize = 4;

/// A payload whose body has not been looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawPayload<'a> {
    /// What it is, as the one before it said.
    pub kind: PayloadType,
    /// What comes next.
    pub next: PayloadType,
    /// The reserved octet, as it came. RFC 2408 section 5.3 has a message discarded in which it is not zero:
    /// [`check_reserved`].
    pub reserved: u8,
    /// Everything after the generic header: SAi_b, IDii_b, Ni_b of RFC 2409.
    pub body: &'a [u8],
    /// Where the generic header is in the slice that was walked.
    pub offset: usize,
}

impl<'a> RawPayload<'a> {
    /// Where the payload ends in the slice that was walked.
    pub const fn end(&self) -> usize {
        self.offset
            .saturating_add(GENERIC_HEADER_LEN)
            .saturating_add(self.body.len())
    }

    /// Reads the body. Lists inside (proposals, attributes) are read by their iterators.
    pub fn parse(&self) -> Result<Payload<'a>, ParseError> {
        let body = self.body;
        let payload = match self.kind {
            PayloadType::V1_SA => Sa::parse(body).map(P::Sa),
            PayloadType::V1_KE => Ok(P::Ke(Ke { data: body })),
            PayloadType::V1_ID => Id::parse(body).map(P::Id),
            PayloadType::V1_CERT => Cert::parse(body).map(P::Cert),
            PayloadType::V1_CERTREQ => CertReq::parse(body).map(P::CertReq),
            PayloadType::V1_HASH => Ok(P::Hash(Hash { data: body })),
            PayloadType::V1_SIG => Ok(P::Sig(Sig { data: body })),
            PayloadType::V1_NONCE => Ok(P::Nonce(Nonce { data: body })),
            PayloadType::V1_NOTIFY => Notify::parse(body).map(P::Notify),
            PayloadType::V1_DELETE => Delete::parse(body).map(P::Delete),
            PayloadType::V1_VENDOR_ID => Ok(P::VendorId(VendorId { data: body })),
            PayloadType::V1_ATTRIBUTES => Config::parse(body).map(P::Config),
            PayloadType::V1_NAT_D | PayloadType::V1_NAT_D_DRAFT => Ok(P::NatD(NatD {
                draft: self.kind == PayloadType::V1_NAT_D_DRAFT,
                hash: body,
            })),
            PayloadType::V1_NAT_OA => NatOa::parse(false, body).map(P::NatOa),
            PayloadType::V1_NAT_OA_DRAFT => NatOa::parse(true, body).map(P::NatOa),
            PayloadType::V1_GSS => Ok(P::Gss(Gss { data: body })),
            PayloadType::V1_FRAGMENT => Fragment::parse(body).map(P::Fragment),
            kind => Ok(P::Unknown(kind, body)),
        };
        payload.map_err(|error| error.shifted(self.offset.saturating_add(GENERIC_HEADER_LEN)))
    }
}

/// The payloads of a chain, in order. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Payloads<'a> {
    next: PayloadType,
    rest: &'a [u8],
    offset: usize,
    padded: bool,
    done: bool,
}

/// Walks a chain whose first payload is `first`; nothing may follow the last payload.
pub fn payloads(first: PayloadType, bytes: &[u8]) -> Payloads<'_> {
    Payloads {
        next: first,
        rest: bytes,
        offset: 0,
        padded: false,
        done: false,
    }
}

/// Walks a chain that padding may follow.
pub(super) fn padded_payloads(first: PayloadType, bytes: &[u8]) -> Payloads<'_> {
    Payloads {
        padded: true,
        ..payloads(first, bytes)
    }
}

/// Whether the reserved octet of every payload is zero (RFC 2408 section 5.3, step 2), as far as the chain can be
/// read; what cannot be read is an error of the walk itself. Octets decrypted with a wrong key fail here or there.
pub fn check_reserved(first: PayloadType, bytes: &[u8]) -> Result<(), ParseError> {
    for raw in padded_payloads(first, bytes) {
        let raw = raw?;
        if raw.reserved != 0 {
            return Err(ParseError::new(
                raw.offset.saturating_add(1),
                "reserved octet of a payload is not zero",
            ));
        }
    }
    Ok(())
}

impl<'a> Payloads<'a> {
    fn step(&mut self) -> Result<Option<RawPayload<'a>>, ParseError> {
        if self.next == PayloadType::NONE {
            return match self.rest {
                [_, ..] if !self.padded => Err(ParseError::new(0, "octets after the last payload")),
                _ => Ok(None),
            };
        }
        let (rest, (next, reserved, length)) = run(self.rest, "payload header truncated", (be_u8, be_u8, be_u16))?;
        // Lengths below 4 would make the walk stand still.
        let Some(body_len) = usize::from(length).checked_sub(GENERIC_HEADER_LEN) else {
            return Err(ParseError::new(2, "payload length below 4"));
        };
        let Some((body, rest)) = rest.split_at_checked(body_len) else {
            return Err(ParseError::new(2, "payload longer than the message"));
        };
        let payload = RawPayload {
            kind: self.next,
            next: PayloadType(next),
            reserved,
            body,
            offset: self.offset,
        };
        self.offset += GENERIC_HEADER_LEN + body_len;
        self.rest = rest;
        self.next = payload.next;
        Ok(Some(payload))
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Result<RawPayload<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.step().map_err(|error| error.shifted(self.offset)).transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}

impl std::iter::FusedIterator for Payloads<'_> {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_walked_with_its_reserved_octets() {
        let bytes = [13, 0x81, 0, 5, 9, 0, 0, 0, 4];
        let all: Vec<_> = payloads(PayloadType::V1_NONCE, &bytes).map(Result::unwrap).collect();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].kind, all[0].reserved), (PayloadType::V1_NONCE, 0x81));
        assert_eq!((all[0].body, all[0].offset, all[0].end()), (&[9][..], 0, 5));
        assert_eq!((all[1].kind, all[1].offset), (PayloadType::V1_VENDOR_ID, 5));
        let error = check_reserved(PayloadType::V1_NONCE, &bytes).unwrap_err();
        assert_eq!(error, ParseError::new(1, "reserved octet of a payload is not zero"));
        assert_eq!(check_reserved(PayloadType::V1_NONCE, &[0, 0, 0, 5, 9]), Ok(()));
    }

    #[test]
    fn bad_lengths_end_the_walk() {
        for (bytes, reason) in [
            (&[10, 0, 0, 3][..], "payload length below 4"),
            (&[10, 0, 0, 0], "payload length below 4"),
            (&[0, 0, 0, 5], "payload longer than the message"),
            (&[0, 0, 0xff, 0xff, 1, 2], "payload longer than the message"),
            (&[0, 0, 0], "payload header truncated"),
            (&[], "payload header truncated"),
            (&[0, 0, 0, 4, 0], "octets after the last payload"),
        ] {
            let error = payloads(PayloadType::V1_NONCE, bytes).find_map(Result::err).unwrap();
            assert_eq!(error.reason, reason);
        }
    }

    #[test]
    fn errors_inside_a_payload_count_from_the_chains_start() {
        let bytes = [5, 0, 0, 4, 0, 0, 0, 5, 2];
        let id = payloads(PayloadType::V1_NONCE, &bytes).nth(1).unwrap().unwrap();
        assert_eq!(id.parse().unwrap_err().offset, 9);
    }
}
