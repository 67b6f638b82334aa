//! Identification (RFC 2407 section 4.6.2): who a peer is in phase 1, which traffic it means in phase 2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::BufMut;
use nom::Parser;
use nom::combinator::rest;
use nom::number::complete::{be_u8, be_u16};

use crate::ParseError;
use crate::numbers::IdType;
use crate::read::run;
use crate::selector::TrafficSelector;

/// Octets before the identification data.
const DATA: usize = 4;

/// An identity, or a selection of traffic. Hashes take the body as it came: use `RawPayload::body`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id<'a> {
    /// How to read `data`.
    pub id_type: IdType,
    /// IP protocol; 0 is any. In phase 1 it MUST be 0 or UDP (RFC 2407 section 4.6.2): [`Id::check_phase_1`].
    pub protocol: u8,
    /// Port; 0 is any. In phase 1 it MUST be 0 or 500, and 4500 is seen behind NATs.
    pub port: u16,
    /// Identification data.
    pub data: &'a [u8],
}

impl<'a> Id<'a> {
    /// An identity to send in phase 1.
    pub const fn new(id_type: IdType, data: &'a [u8]) -> Self {
        Self {
            id_type,
            protocol: 0,
            port: 0,
            data,
        }
    }

    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let fields = (be_u8, be_u8, be_u16, rest).map(|(id_type, protocol, port, data)| Self {
            id_type: IdType(id_type),
            protocol,
            port,
            data,
        });
        run(body, "ID payload truncated", fields).map(|(_, id)| id)
    }

    /// Whether protocol and port are what phase 1 allows: both 0, or UDP with port 0 or 500 (RFC 2407 section 4.6.2;
    /// RFC 3947 section 4 forbids them behind a NAT, where 4500 is seen all the same).
    pub fn check_phase_1(&self) -> Result<(), ParseError> {
        match (self.protocol, self.port) {
            (0, 0) | (17, 0 | 500 | 4500) => Ok(()),
            _ => Err(ParseError::new(
                1,
                "protocol and port of a phase 1 identity are neither 0 nor UDP 500",
            )),
        }
    }

    /// The traffic that it selects: an address, a subnet or a range with protocol and port. Any other type, a length
    /// that is not the type's, a mask with gaps and a range the wrong way round are errors.
    pub fn selector(&self) -> Result<TrafficSelector, ParseError> {
        let wrong_length = ParseError::new(DATA, "length of the ID payload is not that of its type");
        let (start, end) = match self.id_type {
            IdType::IPV4_ADDR | IdType::IPV6_ADDR => {
                let address = read_address(self.id_type, self.data).ok_or(wrong_length)?;
                (address, address)
            }
            IdType::V1_IPV4_ADDR_SUBNET => {
                let (address, mask) = pair::<4>(self.data).ok_or(wrong_length)?;
                let (address, mask) = (u32::from_be_bytes(address), u32::from_be_bytes(mask));
                let prefix_len = prefix_len(u128::from(mask) << 96)?;
                return Ok(self.with_ports(TrafficSelector::from_subnet(
                    Ipv4Addr::from_bits(address).into(),
                    prefix_len,
                )));
            }
            IdType::V1_IPV6_ADDR_SUBNET => {
                let (address, mask) = pair::<16>(self.data).ok_or(wrong_length)?;
                let prefix_len = prefix_len(u128::from_be_bytes(mask))?;
                return Ok(self.with_ports(TrafficSelector::from_subnet(Ipv6Addr::from(address).into(), prefix_len)));
            }
            IdType::V1_IPV4_ADDR_RANGE => {
                let (start, end) = pair::<4>(self.data).ok_or(wrong_length)?;
                (Ipv4Addr::from(start).into(), Ipv4Addr::from(end).into())
            }
            IdType::V1_IPV6_ADDR_RANGE => {
                let (start, end) = pair::<16>(self.data).ok_or(wrong_length)?;
                (Ipv6Addr::from(start).into(), Ipv6Addr::from(end).into())
            }
            _ => return Err(ParseError::new(0, "identity is neither address, subnet nor range")),
        };
        if start > end {
            return Err(ParseError::new(DATA, "range ends before it starts"));
        }
        Ok(self.with_ports(TrafficSelector {
            protocol: 0,
            start_port: 0,
            end_port: u16::MAX,
            start,
            end,
        }))
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u8(self.id_type.0);
        out.put_u8(self.protocol);
        out.put_u16(self.port);
        out.put_slice(self.data);
    }

    fn with_ports(&self, selector: TrafficSelector) -> TrafficSelector {
        let (start_port, end_port) = match self.port {
            0 => (0, u16::MAX),
            port => (port, port),
        };
        TrafficSelector {
            protocol: self.protocol,
            start_port,
            end_port,
            ..selector
        }
    }
}

/// The body of an ID payload that selects this traffic: an address, else a subnet, else a range. `None` if the ports
/// are neither one nor all: IKEv1 cannot say it. (Port 0 alone cannot be said either.)
pub fn encode_selector(selector: &TrafficSelector) -> Option<Vec<u8>> {
    let port = match (selector.start_port, selector.end_port) {
        (0, u16::MAX) => 0,
        (start, end) if start == end && start != 0 => start,
        _ => return None,
    };
    let v4 = selector.start.is_ipv4();
    let (start, end) = (address_octets(selector.start).1, address_octets(selector.end).1);
    let (id_type, second) = match selector.as_subnet() {
        Some((_, 32)) if v4 => (IdType::IPV4_ADDR, Vec::new()),
        Some((_, 128)) => (IdType::IPV6_ADDR, Vec::new()),
        Some((_, prefix_len)) => {
            let host = u128::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0);
            let mask = (!host).to_be_bytes().get(..start.len())?.to_vec();
            let subnet = if v4 {
                IdType::V1_IPV4_ADDR_SUBNET
            } else {
                IdType::V1_IPV6_ADDR_SUBNET
            };
            (subnet, mask)
        }
        None if v4 => (IdType::V1_IPV4_ADDR_RANGE, end),
        None => (IdType::V1_IPV6_ADDR_RANGE, end),
    };
    let mut out = vec![id_type.0, selector.protocol];
    out.put_u16(port);
    out.extend(start);
    out.extend(second);
    Some(out)
}

/// The address of an ID_IPV4_ADDR or ID_IPV6_ADDR.
pub(super) fn read_address(id_type: IdType, data: &[u8]) -> Option<IpAddr> {
    match id_type {
        IdType::IPV4_ADDR => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
        IdType::IPV6_ADDR => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
        _ => None,
    }
}

/// An address as identification data, with its type.
pub(super) fn address_octets(address: IpAddr) -> (IdType, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (IdType::IPV4_ADDR, address.octets().to_vec()),
        IpAddr::V6(address) => (IdType::IPV6_ADDR, address.octets().to_vec()),
    }
}

fn pair<const N: usize>(data: &[u8]) -> Option<([u8; N], [u8; N])> {
    let (first, rest) = data.split_first_chunk::<N>()?;
    Some((*first, rest.try_into().ok()?))
}

/// How many ones a mask begins with; zeros must follow.
fn prefix_len(mask: u128) -> Result<u8, ParseError> {
    let ones = mask.leading_ones();
    match u8::try_from(ones) {
        Ok(prefix_len) if mask.checked_shl(ones).unwrap_or(0) == 0 => Ok(prefix_len),
        _ => Err(ParseError::new(DATA, "mask of the subnet has gaps")),
    }
}

#[cfg(test)]
mod tests;
