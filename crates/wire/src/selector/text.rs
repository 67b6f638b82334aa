//! Traffic selectors as text: `10.1.0.0/16`, `10.1.0.5-10.1.0.9`, `10.1.0.0/16[tcp/443]`, `::/0[6/1000-2000]`,
//! `10.1.0.0/16[icmp/8]` and `10.1.0.0/16[icmp/3:1]` (type and code).

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::{TrafficSelector, width};

/// Why a text is not a traffic selector.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SelectorSyntaxError {
    /// Neither an IPv4 nor an IPv6 address.
    #[error("`{0}` is not an IP address; expected a subnet (10.1.0.0/16) or a range (10.1.0.5-10.1.0.9)")]
    Address(String),
    /// The prefix is not a number, or longer than the address.
    #[error("`/{prefix}` is not a prefix length from 0 to {max}")]
    Prefix {
        /// What stands after the slash.
        prefix: String,
        /// 32 or 128.
        max: u8,
    },
    /// Bits are set after the prefix: most likely a slip.
    #[error("{address}/{prefix_len} has bits set after the prefix; the subnet is {start}/{prefix_len}")]
    HostBits {
        /// The address as written.
        address: IpAddr,
        /// The prefix length as written.
        prefix_len: u8,
        /// The subnet's first address.
        start: IpAddr,
    },
    /// A range of two families, or whose end is before its start.
    #[error("the range {0}-{1} does not go upwards within one address family")]
    Range(IpAddr, IpAddr),
    /// The part in brackets lacks its closing bracket.
    #[error("`[{0}` has no closing bracket at the end")]
    Bracket(String),
    /// Neither a known name nor a number.
    #[error("`{0}` is not a protocol; expected tcp, udp, sctp, icmp, icmpv6, gre, any or a number up to 255")]
    Protocol(String),
    /// Neither a port, nor a range of ports, nor a word.
    #[error("`{0}` is not a port; expected a number up to 65535, a range (1000-2000) or `opaque`")]
    Port(String),
    /// Neither an ICMP type, nor a type and a code, nor a range of them.
    #[error("`{0}` is not of ICMP; expected a type (8), a type and a code (3:1), a range of them (0-8) or `opaque`")]
    Icmp(String),
}

const PROTOCOLS: [(&str, u8); 7] = [
    ("any", 0),
    ("icmp", 1),
    ("tcp", 6),
    ("udp", 17),
    ("gre", 47),
    ("icmpv6", 58),
    ("sctp", 132),
];

impl fmt::Display for TrafficSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_subnet() {
            Some((address, prefix_len)) => write!(f, "{address}/{prefix_len}")?,
            None => write!(f, "{}-{}", self.start, self.end)?,
        }
        if self.protocol == 0 && self.is_any_port() {
            return Ok(());
        }
        match PROTOCOLS.iter().find(|(_, number)| *number == self.protocol) {
            Some((name, _)) => write!(f, "[{name}")?,
            None => write!(f, "[{}", self.protocol)?,
        }
        match (self.start_port, self.end_port) {
            _ if self.is_any_port() => f.write_str("]"),
            _ if self.is_opaque() => f.write_str("/opaque]"),
            (start, end) if is_icmp(self.protocol) => {
                let [(first, from), (last, to)] = [start, end].map(|port| (port >> 8, port & 0xff));
                match (from, to) {
                    (0, 0xff) if first == last => write!(f, "/{first}]"),
                    (0, 0xff) => write!(f, "/{first}-{last}]"),
                    _ if start == end => write!(f, "/{first}:{from}]"),
                    _ => write!(f, "/{first}:{from}-{last}:{to}]"),
                }
            }
            (start, end) if start == end => write!(f, "/{start}]"),
            (start, end) => write!(f, "/{start}-{end}]"),
        }
    }
}

impl FromStr for TrafficSelector {
    type Err = SelectorSyntaxError;

    /// Reads what `Display` writes. An address alone is that host.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (addresses, protocol, ports) = match text.split_once('[') {
            None => (text, 0, (0, u16::MAX)),
            Some((addresses, suffix)) => {
                let inner = suffix
                    .strip_suffix(']')
                    .ok_or_else(|| SelectorSyntaxError::Bracket(suffix.to_owned()))?;
                let (protocol, ports) = match inner.split_once('/') {
                    Some((protocol, ports)) => (protocol, Some(ports)),
                    None => (inner, None),
                };
                let protocol = parse_protocol(protocol)?;
                let ports = ports.map(|ports| parse_ports(protocol, ports)).transpose()?;
                (addresses, protocol, ports.unwrap_or((0, u16::MAX)))
            }
        };
        let addresses = parse_addresses(addresses.trim())?;
        Ok(Self {
            protocol,
            start_port: ports.0,
            end_port: ports.1,
            start: *addresses.start(),
            end: *addresses.end(),
        })
    }
}

fn parse_addresses(text: &str) -> Result<RangeInclusive<IpAddr>, SelectorSyntaxError> {
    if let Some((start, end)) = text.split_once('-') {
        let (start, end) = (parse_address(start)?, parse_address(end)?);
        if start.is_ipv4() != end.is_ipv4() || start > end {
            return Err(SelectorSyntaxError::Range(start, end));
        }
        return Ok(start..=end);
    }
    let Some((address, prefix)) = text.split_once('/') else {
        let address = parse_address(text)?;
        return Ok(address..=address);
    };
    let address = parse_address(address)?;
    let max = width(address);
    let prefix_len =
        number(prefix)
            .filter(|prefix_len| *prefix_len <= max)
            .ok_or_else(|| SelectorSyntaxError::Prefix {
                prefix: prefix.to_owned(),
                max,
            })?;
    let subnet = TrafficSelector::from_subnet(address, prefix_len);
    if subnet.start != address {
        return Err(SelectorSyntaxError::HostBits {
            address,
            prefix_len,
            start: subnet.start,
        });
    }
    Ok(subnet.start..=subnet.end)
}

fn parse_address(text: &str) -> Result<IpAddr, SelectorSyntaxError> {
    text.parse().map_err(|_| SelectorSyntaxError::Address(text.to_owned()))
}

fn parse_protocol(text: &str) -> Result<u8, SelectorSyntaxError> {
    let named = PROTOCOLS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text))
        .map(|(_, number)| *number);
    named
        .or_else(|| number(text))
        .ok_or_else(|| SelectorSyntaxError::Protocol(text.to_owned()))
}

/// Types and codes of ICMP are one number (RFC 7296 section 3.13.1), and written apart.
fn is_icmp(protocol: u8) -> bool {
    protocol == 1 || protocol == 58
}

fn parse_ports(protocol: u8, text: &str) -> Result<(u16, u16), SelectorSyntaxError> {
    let error = || match is_icmp(protocol) {
        true => SelectorSyntaxError::Icmp(text.to_owned()),
        false => SelectorSyntaxError::Port(text.to_owned()),
    };
    if text.eq_ignore_ascii_case("any") {
        return Ok((0, u16::MAX));
    }
    if text.eq_ignore_ascii_case("opaque") {
        return Ok((u16::MAX, 0));
    }
    let one = |text: &str| {
        if is_icmp(protocol) {
            parse_icmp(text)
        } else {
            number(text).map(|port| (port, port))
        }
    };
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let (start, end) = one(start).zip(one(end)).ok_or_else(error)?;
    if start.0 <= end.1 {
        Ok((start.0, end.1))
    } else {
        Err(error())
    }
}

/// A type, with any code, or `type:code`.
fn parse_icmp(text: &str) -> Option<(u16, u16)> {
    let octet = |text: &str| number::<u8>(text).map(u16::from);
    match text.split_once(':') {
        Some((kind, code)) => octet(kind).zip(octet(code)).map(|(kind, code)| {
            let both = kind << 8 | code;
            (both, both)
        }),
        None => octet(text).map(|kind| (kind << 8, kind << 8 | 0xff)),
    }
}

/// Digits only: `str::parse` would take a sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_notation_is_stable() {
        for text in [
            "10.1.0.0/16",
            "10.1.0.5/32",
            "10.1.0.5-10.1.0.9",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::/32",
            "10.1.0.0/16[tcp/443]",
            "10.1.0.0/16[tcp]",
            "10.1.0.0/16[99/1000-2000]",
            "10.1.0.0/16[any/53]",
            "10.1.0.0/16[udp/opaque]",
            "10.1.0.0/16[icmp/8]",
            "10.1.0.0/16[icmp/0-8]",
            "10.1.0.0/16[icmp/3:1]",
            "10.1.0.0/16[icmp/3:1-3:4]",
            "::/0[icmpv6/128]",
            "::/0[icmpv6/opaque]",
        ] {
            assert_eq!(text.parse::<TrafficSelector>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_ways_to_say_the_same() {
        for (text, same) in [
            ("10.1.0.5", "10.1.0.5/32"),
            ("10.0.0.0-10.0.0.255", "10.0.0.0/24"),
            ("10.0.0.0/8[6/1000-2000]", "10.0.0.0/8[tcp/1000-2000]"),
            ("10.0.0.0/8[TCP/0-65535]", "10.0.0.0/8[tcp]"),
            ("10.0.0.0/8[0]", "10.0.0.0/8"),
            ("10.0.0.0/8[any/any]", "10.0.0.0/8"),
        ] {
            assert_eq!(text.parse::<TrafficSelector>().unwrap().to_string(), same);
        }
    }

    #[test]
    fn errors_explain() {
        for (text, explanation) in [
            ("", "is not an IP address"),
            ("10.1.0/16", "`10.1.0` is not an IP address"),
            ("10.1.0.0/33", "`/33` is not a prefix length from 0 to 32"),
            ("10.1.0.0/+8", "`/+8` is not a prefix length"),
            ("10.1.0.0/", "`/` is not a prefix length"),
            ("10.1.0.1/16", "the subnet is 10.1.0.0/16"),
            ("10.1.0.9-10.1.0.1", "does not go upwards"),
            ("10.1.0.9-::1", "within one address family"),
            ("10.1.0.0/16[tcp", "no closing bracket"),
            ("10.1.0.0/16[tpc/1]", "`tpc` is not a protocol"),
            ("10.1.0.0/16[256]", "`256` is not a protocol"),
            ("10.1.0.0/16[]", "is not a protocol"),
            ("10.1.0.0/16[tcp/65536]", "`65536` is not a port"),
            ("10.1.0.0/16[tcp/9-3]", "`9-3` is not a port"),
            ("10.1.0.0/16[icmp/256]", "`256` is not of ICMP"),
            (
                "10.1.0.0/16[icmp/3:256]",
                "expected a type (8), a type and a code (3:1)",
            ),
            ("10.1.0.0/16[icmp/8-3]", "`8-3` is not of ICMP"),
        ] {
            let error = text.parse::<TrafficSelector>().unwrap_err().to_string();
            assert!(error.contains(explanation), "{text}: {error}");
        }
    }
}
