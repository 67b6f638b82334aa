//! Notification (RFC 2408 section 3.14, RFC 2407 section 4.6.3).

use bytes::BufMut;
use nom::bytes::complete::take;
use nom::combinator::rest;
use nom::number::complete::{be_u8, be_u16, be_u32};

use crate::ParseError;
use crate::header::Spi;
use crate::numbers::v1::{Doi, NotifyType, Protocol};
use crate::read::run;

/// An error or a status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notify<'a> {
    /// What the numbers mean.
    pub doi: Doi,
    /// The kind of SA that `spi` names.
    pub protocol: Protocol,
    /// The SPI: both cookies for the ISAKMP SA, or empty. At most 255 octets are encoded.
    pub spi: &'a [u8],
    /// What is notified.
    pub notify: NotifyType,
    /// Notification data.
    pub data: &'a [u8],
}

impl<'a> Notify<'a> {
    /// A notify of the IPsec DOI about the SA of `protocol` that `spi` names.
    pub const fn new(protocol: Protocol, spi: &'a [u8], notify: NotifyType, data: &'a [u8]) -> Self {
        Self {
            doi: Doi::IPSEC,
            protocol,
            spi,
            notify,
            data,
        }
    }

    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let fields = (be_u32, be_u8, be_u8, be_u16);
        let (after, (doi, protocol, spi_size, notify)) = run(body, "N payload truncated", fields)?;
        let (_, (spi, data)) =
            run(after, "SPI longer than the N payload", (take(spi_size), rest)).map_err(|error| error.shifted(8))?;
        Ok(Self {
            doi: Doi(doi),
            protocol: Protocol(protocol),
            spi,
            notify: NotifyType(notify),
            data,
        })
    }

    /// Whether it concerns the ISAKMP SA of these cookies: its SPI is both of them (RFC 2407 section 4.6.3, RFC 3706
    /// section 5.3), or left out.
    pub fn is_about(&self, spi_i: Spi, spi_r: Spi) -> bool {
        self.protocol == Protocol::ISAKMP && (self.spi.is_empty() || self.spi == cookies(spi_i, spi_r))
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        let spi = self.spi.get(..255).unwrap_or(self.spi);
        out.put_u32(self.doi.0);
        out.put_u8(self.protocol.0);
        out.put_u8(spi.len() as u8);
        out.put_u16(self.notify.0);
        out.put_slice(spi);
        out.put_slice(self.data);
    }
}

/// Both cookies, the SPI of an ISAKMP SA (RFC 2408 section 2.4).
pub fn cookies(spi_i: Spi, spi_r: Spi) -> [u8; 16] {
    let mut both = [0; 16];
    for (to, from) in both.iter_mut().zip(spi_i.0.iter().chain(&spi_r.0)) {
        *to = *from;
    }
    both
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let (a, b) = (Spi([1; 8]), Spi([2; 8]));
        let spi = cookies(a, b);
        let notify = Notify::new(Protocol::ISAKMP, &spi, NotifyType::R_U_THERE, &[0, 0, 0, 9]);
        let mut out = Vec::new();
        notify.encode_body(&mut out);
        assert_eq!(out[..8], [0, 0, 0, 1, 1, 16, 0x8d, 0x28]);
        let read = Notify::parse(&out).unwrap();
        assert_eq!(read, notify);
        assert!(read.is_about(a, b) && !read.is_about(b, a));
        assert!(!read.notify.is_error() && NotifyType::NO_PROPOSAL_CHOSEN.is_error());
    }

    #[test]
    fn an_spi_cannot_leave_the_payload() {
        let body = [0, 0, 0, 1, 3, 4, 0, 11, 9, 9, 9];
        assert_eq!(
            Notify::parse(&body).unwrap_err().reason,
            "SPI longer than the N payload"
        );
        assert_eq!(Notify::parse(&body[..7]).unwrap_err().reason, "N payload truncated");
    }
}
