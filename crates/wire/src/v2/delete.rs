//! Delete (RFC 7296 section 3.11).

use bytes::BufMut;
use nom::number::complete::{be_u8, be_u16};

use crate::ParseError;
use crate::numbers::Protocol;
use crate::read::run;

/// SAs that the sender has deleted: its inbound ones, or with protocol IKE and no SPI the IKE SA itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delete<'a> {
    /// The kind of SA.
    pub protocol: Protocol,
    /// Octets of one SPI: 0 for IKE, 4 for AH and ESP.
    pub spi_size: u8,
    /// How many SPIs.
    pub count: u16,
    /// The SPIs, one after the other.
    pub spis: &'a [u8],
}

impl<'a> Delete<'a> {
    /// Deletes the IKE SA that carries it.
    pub const IKE: Delete<'static> = Delete {
        protocol: Protocol::IKE,
        spi_size: 0,
        count: 0,
        spis: &[],
    };

    /// Deletes ESP SAs; `spis` holds four octets of each.
    pub fn esp(spis: &'a [u8]) -> Self {
        let count = u16::try_from(spis.len() / 4).unwrap_or(u16::MAX);
        let spis = spis.get(..usize::from(count) * 4).unwrap_or(spis);
        Self {
            protocol: Protocol::ESP,
            spi_size: 4,
            count,
            spis,
        }
    }

    /// Reads a body. The SPIs must fill it exactly.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let (spis, (protocol, spi_size, count)) = run(body, "D payload truncated", (be_u8, be_u8, be_u16))?;
        if spis.len() != usize::from(spi_size) * usize::from(count) {
            return Err(ParseError::new(2, "SPIs do not fill the D payload"));
        }
        Ok(Self {
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
        let body = [3, 4, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8];
        let delete = Delete::parse(&body).unwrap();
        assert_eq!(delete, Delete::esp(&[1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(delete.iter().collect::<Vec<_>>(), [[1, 2, 3, 4], [5, 6, 7, 8]]);
        let mut out = Vec::new();
        delete.encode_body(&mut out);
        assert_eq!(out, body);
    }

    #[test]
    fn the_ike_sa_has_no_spi() {
        let mut out = Vec::new();
        Delete::IKE.encode_body(&mut out);
        assert_eq!(out, [1, 0, 0, 0]);
        assert_eq!(Delete::parse(&out).unwrap(), Delete::IKE);
        // A count without size is odd and readable.
        assert_eq!(Delete::parse(&[1, 0, 0, 9]).unwrap().iter().count(), 0);
    }

    #[test]
    fn a_lying_count_is_an_error() {
        for body in [
            &[3, 4, 0, 2, 1, 2, 3, 4][..],
            &[3, 4, 0, 0, 1, 2, 3, 4],
            &[3, 5, 0, 1, 1, 2, 3, 4],
            &[3, 4, 0],
        ] {
            assert!(Delete::parse(body).is_err(), "{body:?}");
        }
    }
}
