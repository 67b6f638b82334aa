//! Certificate and Certificate Request (RFC 7296 sections 3.6 and 3.7).

use bytes::BufMut;
use nom::Parser;
use nom::combinator::rest;
use nom::number::complete::be_u8;

use crate::ParseError;
use crate::numbers::CertEncoding;
use crate::read::run;

/// A certificate, or something that goes with one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cert<'a> {
    /// How `data` is encoded.
    pub encoding: CertEncoding,
    /// Certificate data.
    pub data: &'a [u8],
}

impl<'a> Cert<'a> {
    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let fields = (be_u8, rest).map(|(encoding, data)| Self {
            encoding: CertEncoding(encoding),
            data,
        });
        run(body, "CERT payload truncated", fields).map(|(_, cert)| cert)
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u8(self.encoding.0);
        out.put_slice(self.data);
    }
}

/// A wish for a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CertReq<'a> {
    /// The encoding wanted.
    pub encoding: CertEncoding,
    /// Authorities: for X.509, SHA-1 hashes of their public keys, one after the other.
    pub data: &'a [u8],
}

impl<'a> CertReq<'a> {
    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let fields = (be_u8, rest).map(|(encoding, data)| Self {
            encoding: CertEncoding(encoding),
            data,
        });
        run(body, "CERTREQ payload truncated", fields).map(|(_, request)| request)
    }

    /// The hashes, 20 octets each; a shorter rest is left out.
    pub fn hashes(&self) -> impl Iterator<Item = &'a [u8]> {
        self.data.chunks_exact(20)
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u8(self.encoding.0);
        out.put_slice(self.data);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let cert = Cert::parse(&[4, 0x30, 0]).unwrap();
        assert_eq!(
            (cert.encoding, cert.data),
            (CertEncoding::X509_SIGNATURE, &[0x30, 0][..])
        );
        let mut out = Vec::new();
        cert.encode_body(&mut out);
        assert_eq!(out, [4, 0x30, 0]);
        assert!(Cert::parse(&[]).is_err());
        assert!(CertReq::parse(&[]).is_err());
    }

    #[test]
    fn hashes_are_twenty_octets_each() {
        let mut body = vec![4];
        body.extend([1; 20]);
        body.extend([2; 20]);
        body.push(3);
        let request = CertReq::parse(&body).unwrap();
        assert_eq!(request.hashes().collect::<Vec<_>>(), [&[1; 20][..], &[2; 20]]);
        let mut out = Vec::new();
        request.encode_body(&mut out);
        assert_eq!(out, body);
    }
}
