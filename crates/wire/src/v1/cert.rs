//! Certificate and Certificate Request (RFC 2408 sections 3.9 and 3.10).

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
    /// The type wanted.
    pub encoding: CertEncoding,
    /// One authority: for X.509 its distinguished name in DER; empty if any will do. IKEv2 has hashes here.
    pub authority: &'a [u8],
}

impl<'a> CertReq<'a> {
    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let fields = (be_u8, rest).map(|(encoding, authority)| Self {
            encoding: CertEncoding(encoding),
            authority,
        });
        run(body, "CERTREQ payload truncated", fields).map(|(_, request)| request)
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u8(self.encoding.0);
        out.put_slice(self.authority);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let body = [4, 0x30, 0];
        let (cert, request) = (Cert::parse(&body).unwrap(), CertReq::parse(&body).unwrap());
        assert_eq!((cert.encoding, cert.data), (CertEncoding::X509_SIGNATURE, &body[1..]));
        assert_eq!(request.authority, &body[1..]);
        let mut out = Vec::new();
        cert.encode_body(&mut out);
        request.encode_body(&mut out);
        assert_eq!(out, [body, body].concat());
        assert!(Cert::parse(&[]).is_err() && CertReq::parse(&[]).is_err());
    }
}
