//! Subnets, as routes have them, and the ranges of traffic selectors, which need not be subnets.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address and a prefix length; the host bits are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Subnet {
    address: IpAddr,
    prefix: u8,
}

impl Subnet {
    /// A subnet; host bits are cleared. `None` if the prefix is longer than an address of the family.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = address.to_canonical();
        (prefix <= width(address)).then(|| Subnet {
            address: from_bits(address, bits(address) & mask(address, prefix)),
            prefix,
        })
    }

    /// The subnet of one address.
    pub fn host(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Subnet {
            address,
            prefix: width(address),
        }
    }

    /// The fewest subnets that together are the range `start..=end`; none if the families differ or it is empty.
    ///
    /// A range may need up to 2·128−2 subnets, so `limit` bounds them: `None` beyond it.
    pub fn cover(start: IpAddr, end: IpAddr, limit: usize) -> Option<Vec<Self>> {
        let (mut at, last) = (bits(start), bits(end));
        let mut out = Vec::new();
        if start.is_ipv4() != end.is_ipv4() {
            return Some(out);
        }
        while at <= last {
            if out.len() == limit {
                return None;
            }
            // The largest aligned block that starts here and ends within the range.
            let width = u32::from(width(start));
            let mut host_bits = at.trailing_zeros().min(width);
            while host_bits > 0 && low_bits(host_bits) > last - at {
                host_bits -= 1;
            }
            out.push(Subnet {
                address: from_bits(start, at),
                prefix: u8::try_from(width - host_bits).ok()?,
            });
            match at.checked_add(low_bits(host_bits)).and_then(|end| end.checked_add(1)) {
                Some(next) => at = next,
                None => break,
            }
        }
        Some(out)
    }

    /// The first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The number of leading bits that all its addresses share.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether it is IPv4.
    pub fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// Whether it holds every address of its family.
    pub fn is_default(&self) -> bool {
        self.prefix == 0
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.is_ipv4() && bits(address) & mask(address, self.prefix) == bits(self.address)
    }

    /// Whether `other` lies in it, and is smaller.
    pub fn strictly_contains(&self, other: &Subnet) -> bool {
        other.prefix > self.prefix && self.contains(other.address)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl std::str::FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || format!("\"{text}\" is not a subnet such as 10.1.0.0/16");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        match prefix {
            None => Ok(Subnet::host(address)),
            Some(prefix) => Subnet::new(address, prefix.parse().map_err(|_| bad())?).ok_or_else(bad),
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address of `like`'s family with these bits.
fn from_bits(like: IpAddr, bits: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(
            u32::try_from(bits & 0xffff_ffff).unwrap_or_default(),
        )),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

/// The highest `prefix` bits of an address of this family.
fn mask(address: IpAddr, prefix: u8) -> u128 {
    let width = u32::from(width(address));
    low_bits(width) & !low_bits(width - u32::from(prefix).min(width))
}

/// A number whose lowest `count` bits are set.
fn low_bits(count: u32) -> u128 {
    u128::MAX.checked_shr(128 - count.min(128)).unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn cover(start: &str, end: &str) -> Vec<String> {
        let subnets = Subnet::cover(start.parse().unwrap(), end.parse().unwrap(), 300).unwrap();
        subnets.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn text_and_back() {
        for (text, same) in [
            ("10.1.2.3/16", "10.1.0.0/16"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("255.255.255.255/31", "255.255.255.254/31"),
            ("2001:db8:1::1/33", "2001:db8::/33"),
            ("::/0", "::/0"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(text.parse::<Subnet>().unwrap().to_string(), same);
        }
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "a/8",
        ] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad}");
        }
    }

    #[test]
    fn containment_minds_family_and_size() {
        let net: Subnet = "10.0.0.0/8".parse().unwrap();
        assert!(net.contains("10.255.255.255".parse().unwrap()));
        assert!(net.contains("::ffff:10.0.0.1".parse().unwrap()));
        assert!(!net.contains("11.0.0.0".parse().unwrap()));
        assert!(!net.contains("::a00:1".parse().unwrap()));
        assert!(net.strictly_contains(&"10.1.0.0/16".parse().unwrap()));
        assert!(!net.strictly_contains(&net));
        assert!(!"::/0".parse::<Subnet>().unwrap().strictly_contains(&net));
        assert!("::/0".parse::<Subnet>().unwrap().contains("ffff::".parse().unwrap()));
    }

    #[test]
    fn ranges_become_subnets() {
        assert_eq!(cover("0.0.0.0", "255.255.255.255"), ["0.0.0.0/0"]);
        assert_eq!(cover("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ["::/0"]);
        assert_eq!(cover("10.1.0.0", "10.1.255.255"), ["10.1.0.0/16"]);
        assert_eq!(
            cover("10.0.0.1", "10.0.0.6"),
            ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"]
        );
        assert_eq!(cover("255.255.255.255", "255.255.255.255"), ["255.255.255.255/32"]);
        assert_eq!(cover("10.0.0.2", "10.0.0.1"), [""; 0]);
        assert_eq!(cover("10.0.0.0", "::1"), [""; 0]);
        assert_eq!(cover("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe").len(), 254);
        assert_eq!(
            Subnet::cover("0.0.0.1".parse().unwrap(), "255.255.255.254".parse().unwrap(), 61),
            None
        );
        assert_eq!(cover("0.0.0.1", "255.255.255.254").len(), 62);
    }
}
