//! Notify (RFC 7296 section 3.10).

use bytes::BufMut;
use nom::bytes::complete::take;
use nom::combinator::rest;
use nom::number::complete::{be_u8, be_u16};

use crate::ParseError;
use crate::numbers::{NotifyType, Protocol};
use crate::read::run;

/// An error or a status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notify<'a> {
    /// The kind of SA that `spi` names; 0 without SPI, whatever the sender put there else.
    pub protocol: Protocol,
    /// The SPI, empty where the notify concerns no SA or the IKE SA. At most 255 octets are encoded.
    pub spi: &'a [u8],
    /// What is notified.
    pub notify: NotifyType,
    /// Notification data.
    pub data: &'a [u8],
}

impl<'a> Notify<'a> {
    /// A notify about no child SA.
    pub const fn new(notify: NotifyType, data: &'a [u8]) -> Self {
        Self {
            protocol: Protocol::NONE,
            spi: &[],
            notify,
            data,
        }
    }

    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let (after, (protocol, spi_size, notify)) = run(body, "N payload truncated", (be_u8, be_u8, be_u16))?;
        let (_, (spi, data)) = run(after, "SPI longer than the N payload", (take(spi_size), rest))
            .map_err(|error| error.shifted(body.len() - after.len()))?;
        Ok(Self {
            protocol: Protocol(protocol),
            spi,
            notify: NotifyType(notify),
            data,
        })
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        let spi = self.spi.get(..255).unwrap_or(self.spi);
        out.put_u8(self.protocol.0);
        out.put_u8(spi.len() as u8);
        out.put_u16(self.notify.0);
        out.put_slice(spi);
        out.put_slice(self.data);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let body = [3, 4, 0x40, 0x09, 1, 2, 3, 4, 5];
        let notify = Notify::parse(&body).unwrap();
        assert_eq!(
            notify,
            Notify {
                protocol: Protocol::ESP,
                spi: &[1, 2, 3, 4],
                notify: NotifyType::REKEY_SA,
                data: &[5]
            }
        );
        let mut out = Vec::new();
        notify.encode_body(&mut out);
        assert_eq!(out, body);
    }

    #[test]
    fn an_spi_beyond_the_payload_is_an_error() {
        assert_eq!(
            Notify::parse(&[3, 4, 0, 11, 1, 2, 3]).unwrap_err().reason,
            "SPI longer than the N payload"
        );
        assert_eq!(Notify::parse(&[3, 4, 0]).unwrap_err().reason, "N payload truncated");
    }
}
