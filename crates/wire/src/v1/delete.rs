//! Delete (RFC 2408 section 3.15).

use bytes::BufMut;
use nom::number::complete::{be_u8, be_u16, be_u32};

use crate::ParseError;
use crate::numbers::v1::{Doi, Protocol};
use crate::read::run;

/// SAs that the sender has deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delete<'a> {
    /// What the numbers mean.
    pub doi: Doi,
    /// The kind of SA.
    pub protocol: Protocol,
    /// Octets of each SPI: 16 for the ISAKMP SA (both cookies), 4 for AH and ESP.
    pub spi_size: u8,
    /// How many SPIs.
    pub count: u16,
    /// The SPIs, one after the other.
    pub spis: &'a [u8],
}

impl<'a> Delete<'a> {
    /// Deletes one SA.
    pub const fn one(protocol: Protocol, spi: &'a [u8]) -> Self {
        Self {
            doi: Doi::IPSEC,
            protocol,
            spi_size: spi.len() as u8,
            count: 1,
            spis: spi,
        }
    }

    /// Reads a body. The SPIs must fill it exactly.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let fields = (be_u32, be_u8, be_u8, be_u16);
        let (spis, (doi, protocol, spi_size, count)) = run(body, "D payload truncated", fields)?;
        if spis.len() != usize::from(spi_size) * usize::from(count) {
            return Err(ParseError::new(6, "SPIs do not fill the D payload"));
        }
        Ok(Self {
            doi: Doi(doi),
            protocol: Protocol(protocol),
            spi_size,
            count,
            spis,
        })
    }

    /// The SPIs; none if their size is 0.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let size = usize::from(self.spi_size);
        let spis = if size == 0 { &[] } else { self.spis };
        spis.chunks_exact(size.max(1))
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u32(self.doi.0);
        out.put_u8(self.protocol.0);
        out.put_u8(self.spi_size);
        out.put_u16(self.count);
        out.put_slice(self.spis);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let body = [0, 0, 0, 1, 3, 4, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8];
        let delete = Delete::parse(&body).unwrap();
        assert_eq!((delete.doi, delete.protocol), (Doi::IPSEC, Protocol::ESP));
        assert_eq!(delete.iter().collect::<Vec<_>>(), [[1, 2, 3, 4], [5, 6, 7, 8]]);
        let mut out = Vec::new();
        delete.encode_body(&mut out);
        assert_eq!(out, body);
        let one = Delete::one(Protocol::ESP, &[1, 2, 3, 4]);
        out.clear();
        one.encode_body(&mut out);
        assert_eq!(Delete::parse(&out).unwrap(), one);
    }

    #[test]
    fn a_lying_count_is_an_error() {
        for body in [
            &[0, 0, 0, 1, 3, 4, 0, 2, 1, 2, 3, 4][..],
            &[0, 0, 0, 1, 3, 4, 0, 0, 1, 2, 3, 4],
            &[0, 0, 0, 1, 3, 5, 0, 1, 1, 2, 3, 4],
            &[0, 0, 0, 1, 3, 4, 0xff, 0xff],
            &[0, 0, 0, 1, 3, 4, 0],
        ] {
            assert!(Delete::parse(body).is_err(), "{body:?}");
        }
        assert_eq!(Delete::parse(&[0, 0, 0, 1, 1, 0, 0, 9]).unwrap().iter().count(), 0);
    }
}
