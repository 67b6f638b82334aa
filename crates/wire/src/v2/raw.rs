//! The chain of payloads: generic headers (RFC 7296 section 3.2).

use nom::number::complete::{be_u8, be_u16};

use super::{Auth, Cert, CertReq, Config, Delete, Eap, Encrypted, Fragment, Id, Ke, Nonce, Notify, Payload};
use super::{Sa, Ts, VendorId};
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
    /// What comes next; for SK and SKF the first payload inside.
    pub next: PayloadType,
    /// Whether a receiver that does not know the type must refuse the message (RFC 7296 section 2.5).
    pub critical: bool,
    /// The seven reserved bits beside it.
    pub reserved: u8,
    /// Everything after the generic header.
    pub body: &'a [u8],
    /// Where the generic header is in the slice that was walked.
    pub offset: usize,
}

impl<'a> RawPayload<'a> {
    /// Reads the body. Lists inside (proposals, selectors, attributes) are read by their iterators.
    pub fn parse(&self) -> Result<Payload<'a>, ParseError> {
        let body = self.body;
        let payload = match self.kind {
            PayloadType::SA => Ok(Payload::Sa(Sa { body })),
            PayloadType::KE => Ke::parse(body).map(Payload::Ke),
            PayloadType::IDI => Id::parse(body).map(Payload::IdI),
            PayloadType::IDR => Id::parse(body).map(Payload::IdR),
            PayloadType::CERT => Cert::parse(body).map(Payload::Cert),
            PayloadType::CERTREQ => CertReq::parse(body).map(Payload::CertReq),
            PayloadType::AUTH => Auth::parse(body).map(Payload::Auth),
            PayloadType::NONCE => Ok(Payload::Nonce(Nonce { data: body })),
            PayloadType::NOTIFY => Notify::parse(body).map(Payload::Notify),
            PayloadType::DELETE => Delete::parse(body).map(Payload::Delete),
            PayloadType::VENDOR_ID => Ok(Payload::VendorId(VendorId { data: body })),
            PayloadType::TSI => Ts::parse(body).map(Payload::TsI),
            PayloadType::TSR => Ts::parse(body).map(Payload::TsR),
            PayloadType::SK => Ok(Payload::Sk(Encrypted { body })),
            PayloadType::SKF => Fragment::parse(body).map(Payload::Skf),
            PayloadType::CP => Config::parse(body).map(Payload::Cp),
            PayloadType::EAP => Ok(Payload::Eap(Eap { data: body })),
            kind => Ok(Payload::Unknown(kind, body)),
        };
        payload.map_err(|error| error.shifted(self.offset.saturating_add(GENERIC_HEADER_LEN)))
    }
}

/// The payloads of a chain, in order. Ends after the first error, and after SK or SKF, which must come last.
#[derive(Clone, Debug)]
pub struct Payloads<'a> {
    next: PayloadType,
    rest: &'a [u8],
    offset: usize,
    done: bool,
}

/// Walks a chain whose first payload is `first`: what an SK payload held, for example.
pub fn payloads(first: PayloadType, bytes: &[u8]) -> Payloads<'_> {
    Payloads {
        next: first,
        rest: bytes,
        offset: 0,
        done: false,
    }
}

impl<'a> Payloads<'a> {
    fn step(&mut self) -> Result<Option<RawPayload<'a>>, ParseError> {
        if self.next == PayloadType::NONE {
            return match self.rest {
                [] => Ok(None),
                _ => Err(ParseError::new(0, "octets after the last payload")),
            };
        }
        let (rest, (next, flags, length)) = run(self.rest, "payload header truncated", (be_u8, be_u8, be_u16))?;
        // Lengths below 4 would make the walk stand still.
        let Some(body_len) = usize::from(length).checked_sub(GENERIC_HEADER_LEN) else {
            return Err(ParseError::new(2, "payload length below 4"));
        };
        let Some((body, rest)) = rest.split_at_checked(body_len) else {
            return Err(ParseError::new(2, "payload longer than the message"));
        };
        let kind = self.next;
        let payload = RawPayload {
            kind,
            next: PayloadType(next),
            critical: flags & 0x80 != 0,
            reserved: flags & 0x7f,
            body,
            offset: self.offset,
        };
        self.offset += GENERIC_HEADER_LEN + body_len;
        self.rest = rest;
        self.next = payload.next;
        if kind == PayloadType::SK || kind == PayloadType::SKF {
            // Its next payload field names the first payload inside (RFC 7296 section 3.14).
            self.next = PayloadType::NONE;
        }
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
    fn a_chain_is_walked_with_critical_and_reserved_bits() {
        let bytes = [43, 0x81, 0, 5, 9, 0, 0x7f, 0, 4];
        let all: Vec<_> = payloads(PayloadType::NONCE, &bytes).map(Result::unwrap).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(
            (all[0].kind, all[0].critical, all[0].reserved),
            (PayloadType::NONCE, true, 1)
        );
        assert_eq!((all[0].body, all[0].offset), (&[9][..], 0));
        assert_eq!(
            (all[1].kind, all[1].critical, all[1].reserved),
            (PayloadType::VENDOR_ID, false, 0x7f)
        );
        assert_eq!((all[1].body.len(), all[1].offset), (0, 5));
    }

    #[test]
    fn bad_lengths_end_the_walk() {
        for (bytes, reason) in [
            (&[40, 0, 0, 3][..], "payload length below 4"),
            (&[40, 0, 0, 0], "payload length below 4"),
            (&[0, 0, 0, 5], "payload longer than the message"),
            (&[0, 0, 0xff, 0xff, 1, 2], "payload longer than the message"),
            (&[0, 0, 0], "payload header truncated"),
            (&[], "payload header truncated"),
        ] {
            let mut walk = payloads(PayloadType::NONCE, bytes);
            assert_eq!(walk.next().unwrap().unwrap_err().reason, reason);
            assert!(walk.next().is_none());
        }
    }

    #[test]
    fn octets_after_the_end_are_an_error_at_their_place() {
        let mut walk = payloads(PayloadType::NONCE, &[0, 0, 0, 4, 7]);
        assert!(walk.next().unwrap().is_ok());
        assert_eq!(
            walk.next().unwrap().unwrap_err(),
            ParseError::new(4, "octets after the last payload")
        );
        assert!(walk.next().is_none());
    }

    #[test]
    fn an_encrypted_payload_is_the_last() {
        let mut walk = payloads(PayloadType::SK, &[35, 0, 0, 5, 1]);
        let sk = walk.next().unwrap().unwrap();
        assert_eq!((sk.kind, sk.next), (PayloadType::SK, PayloadType::IDI));
        assert!(walk.next().is_none());
        let mut walk = payloads(PayloadType::SK, &[35, 0, 0, 5, 1, 0, 0, 0, 4]);
        assert!(walk.next().unwrap().is_ok());
        assert!(walk.next().unwrap().is_err());
    }

    #[test]
    fn an_empty_chain_is_empty() {
        assert!(payloads(PayloadType::NONE, &[]).next().is_none());
    }

    #[test]
    fn errors_inside_a_payload_count_from_the_chains_start() {
        let bytes = [39, 0, 0, 4, 0, 0, 0, 5, 2];
        let auth = payloads(PayloadType::NONCE, &bytes).nth(1).unwrap().unwrap();
        assert_eq!(auth.parse().unwrap_err().offset, 9);
    }
}
