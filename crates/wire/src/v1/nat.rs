//! NAT discovery and NAT original address (RFC 3947 sections 3.2 and 5.2; the drafts number the payloads otherwise).

use std::net::IpAddr;

use bytes::BufMut;
use nom::Parser;
use nom::combinator::rest;
use nom::number::complete::be_u8;

use super::id::{address_octets, read_address};
use crate::ParseError;
use crate::numbers::IdType;
use crate::read::{octets, run};

/// A hash of cookies, an address and a port. The first is of the receiver's address, the others of the sender's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NatD<'a> {
    /// Payload 130 of the drafts, in place of 20.
    pub draft: bool,
    /// HASH(CKY-I | CKY-R | IP | port).
    pub hash: &'a [u8],
}

/// An address that a NAT will have changed: of transport mode in UDP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NatOa<'a> {
    /// Payload 131 of the drafts, in place of 21.
    pub draft: bool,
    /// ID_IPV4_ADDR or ID_IPV6_ADDR.
    pub id_type: IdType,
    /// Reserved; as they came.
    pub reserved: [u8; 3],
    /// The address.
    pub data: &'a [u8],
}

impl<'a> NatOa<'a> {
    /// Reads a body.
    pub fn parse(draft: bool, body: &'a [u8]) -> Result<Self, ParseError> {
        let fields = (be_u8, octets, rest).map(|(id_type, reserved, data)| Self {
            draft,
            id_type: IdType(id_type),
            reserved,
            data,
        });
        run(body, "NAT-OA payload truncated", fields).map(|(_, address)| address)
    }

    /// The address; `None` if the type is neither of the two or the length is not its.
    pub fn address(&self) -> Option<IpAddr> {
        read_address(self.id_type, self.data)
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u8(self.id_type.0);
        out.put_slice(&self.reserved);
        out.put_slice(self.data);
    }
}

/// The body of a NAT-OA payload.
pub fn encode_nat_oa(address: IpAddr) -> Vec<u8> {
    let (id_type, octets) = address_octets(address);
    let mut out = vec![id_type.0, 0, 0, 0];
    out.extend(octets);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, len) in [("192.0.2.1", 8), ("2001:db8::1", 20)] {
            let address: IpAddr = text.parse().unwrap();
            let body = encode_nat_oa(address);
            assert_eq!(body.len(), len);
            let read = NatOa::parse(true, &body).unwrap();
            assert_eq!((read.draft, read.address()), (true, Some(address)));
            let mut out = Vec::new();
            read.encode_body(&mut out);
            assert_eq!(out, body);
            assert_eq!(NatOa::parse(false, &body[..len - 1]).unwrap().address(), None);
        }
        assert!(NatOa::parse(false, &[1, 0, 0]).is_err());
        assert_eq!(NatOa::parse(false, &[2, 0, 0, 0, 1, 2, 3, 4]).unwrap().address(), None);
    }
}
