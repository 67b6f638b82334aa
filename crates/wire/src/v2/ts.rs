//! Traffic Selector payloads (RFC 7296 section 3.13).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::BufMut;
use nom::Parser;
use nom::number::complete::{be_u8, be_u16};

use crate::ParseError;
use crate::numbers::TsType;
use crate::read::{length16, octets, run};
use crate::selector::TrafficSelector;

/// Octets of a selector before its addresses.
const SELECTOR_HEADER_LEN: usize = 8;

/// A TSi or TSr payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ts<'a> {
    /// How many selectors the payload says it has; [`Ts::selectors`] checks it.
    pub count: u8,
    /// Reserved; as they came.
    pub reserved: [u8; 3],
    /// The selectors, one after the other.
    pub selector_bytes: &'a [u8],
}

/// One traffic selector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TsEntry<'a> {
    /// A range of IPv4 or IPv6 addresses.
    Range(TrafficSelector),
    /// A type that is not known here (Fibre Channel, a security label, ...).
    Unknown {
        /// Its type.
        ts_type: TsType,
        /// The whole selector, from its type on.
        raw: &'a [u8],
    },
}

impl<'a> Ts<'a> {
    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let (selector_bytes, (count, reserved)) = run(body, "TS payload truncated", (be_u8, octets))?;
        Ok(Self {
            count,
            reserved,
            selector_bytes,
        })
    }

    /// The selectors, in order. Ends after the first error.
    pub fn selectors(&self) -> Selectors<'a> {
        Selectors {
            whole: self.selector_bytes,
            rest: self.selector_bytes,
            left: self.count,
            failed: false,
        }
    }

    /// Appends the body, made again from the selectors; what cannot be read follows as it came.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.put_u8(self.count);
        out.put_slice(&self.reserved);
        let mut selectors = self.selectors();
        while let Some(Ok(entry)) = selectors.next() {
            entry.encode(out);
        }
        out.put_slice(selectors.rest);
    }
}

/// The body of a TS payload with these selectors; what exceeds 255 is cut off.
pub fn encode(selectors: &[TrafficSelector]) -> Vec<u8> {
    let selectors = selectors.get(..255).unwrap_or(selectors);
    let mut out = vec![selectors.len() as u8, 0, 0, 0];
    for selector in selectors {
        TsEntry::Range(*selector).encode(&mut out);
    }
    out
}

impl TsEntry<'_> {
    /// Appends the selector. One whose ends are of two families, which parsing never gives, is written as IPv6.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let selector = match self {
            Self::Range(selector) => selector,
            Self::Unknown { raw, .. } => return out.put_slice(raw),
        };
        let ends = match (selector.start, selector.end) {
            (IpAddr::V4(start), IpAddr::V4(end)) => [start.octets(), end.octets()].concat(),
            (start, end) => [to_v6(start).octets(), to_v6(end).octets()].concat(),
        };
        let ts_type = if ends.len() == 8 {
            TsType::IPV4_ADDR_RANGE
        } else {
            TsType::IPV6_ADDR_RANGE
        };
        out.put_u8(ts_type.0);
        out.put_u8(selector.protocol);
        out.put_u16(length16(SELECTOR_HEADER_LEN + ends.len()));
        out.put_u16(selector.start_port);
        out.put_u16(selector.end_port);
        out.put_slice(&ends);
    }
}

fn to_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// Iterator over the entries of a [`Ts`].
#[derive(Clone, Debug)]
pub struct Selectors<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
    left: u8,
    failed: bool,
}

impl<'a> Selectors<'a> {
    fn step(&mut self) -> Result<TsEntry<'a>, ParseError> {
        if self.left == 0 {
            return Err(ParseError::new(0, "octets after the last selector"));
        }
        // Every type has its length in the same place; a security label (RFC 9478) has no ports after it.
        let (_, (ts_type, _, length)) = run(self.rest, "selector truncated", (be_u8, be_u8, be_u16))?;
        if length < 4 {
            return Err(ParseError::new(2, "selector length below 4"));
        }
        let Some((raw, rest)) = self.rest.split_at_checked(usize::from(length)) else {
            return Err(ParseError::new(2, "selector longer than the TS payload"));
        };
        let entry = match TsType(ts_type) {
            TsType::IPV4_ADDR_RANGE => TsEntry::Range(range(raw, |end: [u8; 4]| Ipv4Addr::from(end).into())?),
            TsType::IPV6_ADDR_RANGE => TsEntry::Range(range(raw, |end: [u8; 16]| Ipv6Addr::from(end).into())?),
            ts_type => TsEntry::Unknown { ts_type, raw },
        };
        self.rest = rest;
        self.left -= 1;
        Ok(entry)
    }
}

fn range<const N: usize>(raw: &[u8], address: fn([u8; N]) -> IpAddr) -> Result<TrafficSelector, ParseError> {
    let fields = (be_u8, be_u8, be_u16, be_u16, be_u16, octets, octets);
    let (rest, selector) = run(
        raw,
        "selector too short for its type",
        fields.map(|(_, protocol, _, start_port, end_port, start, end)| TrafficSelector {
            protocol,
            start_port,
            end_port,
            start: address(start),
            end: address(end),
        }),
    )?;
    if !rest.is_empty() {
        return Err(ParseError::new(2, "selector too long for its type"));
    }
    Ok(selector)
}

impl<'a> Iterator for Selectors<'a> {
    type Item = Result<TsEntry<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let offset = self.whole.len() - self.rest.len();
        let item = match (self.rest, self.left) {
            ([], 0) => return None,
            ([], _) => Err(ParseError::new(0, "fewer selectors than announced")),
            _ => self.step(),
        };
        self.failed = item.is_err();
        Some(item.map_err(|error| error.shifted(offset)))
    }
}

impl std::iter::FusedIterator for Selectors<'_> {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const BODY: &[u8] = &[
        2, 1, 2, 3, 7, 6, 0, 16, 1, 187, 1, 187, 10, 1, 0, 0, 10, 1, 255, 255, // 10.1.0.0/16 tcp/443
        10, 0xee, 0, 6, 1, 2, // a label
    ];

    #[test]
    fn ranges_and_unknown_types_are_read_and_written() {
        let ts = Ts::parse(BODY).unwrap();
        let entries: Vec<_> = ts.selectors().map(Result::unwrap).collect();
        let TsEntry::Range(range) = entries[0] else {
            panic!("a range")
        };
        assert_eq!((range.protocol, range.start_port, range.end_port), (6, 443, 443));
        assert_eq!(
            (range.start, range.end),
            ("10.1.0.0".parse().unwrap(), "10.1.255.255".parse().unwrap())
        );
        assert_eq!(
            entries[1],
            TsEntry::Unknown {
                ts_type: TsType::SECLABEL,
                raw: &BODY[20..]
            }
        );
        let mut out = Vec::new();
        ts.encode_body(&mut out);
        assert_eq!(out, BODY);
    }

    #[test]
    fn both_families_are_written() {
        let selectors = ["10.0.0.5-10.0.0.9[udp/53]", "2001:db8::/32"].map(|text| text.parse().unwrap());
        let body = encode(&selectors);
        assert_eq!(body.len(), 4 + 16 + 40);
        let read: Vec<_> = Ts::parse(&body).unwrap().selectors().map(Result::unwrap).collect();
        assert_eq!(read, selectors.map(TsEntry::Range));
    }

    #[test]
    fn what_cannot_be_read_is_named_and_kept() {
        for (at, octet, reason) in [
            (0, 1, "octets after the last selector"),
            (0, 3, "fewer selectors than announced"),
            (7, 3, "selector length below 4"),
            (7, 15, "selector too short for its type"),
            (7, 17, "selector too long for its type"),
            (4, 8, "selector too short for its type"),
            (6, 1, "selector longer than the TS payload"),
        ] {
            let mut body = BODY.to_vec();
            body[at] = octet;
            let ts = Ts::parse(&body).unwrap();
            assert_eq!(
                ts.selectors().find_map(Result::err).map(|error| error.reason),
                Some(reason)
            );
            let mut out = Vec::new();
            ts.encode_body(&mut out);
            assert_eq!(out, body, "{reason}");
        }
        assert!(Ts::parse(&[1, 0, 0]).is_err());
    }
}
