//! GeneralName (RFC 5280 section 4.2.1.6).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::der::{Der, DerError, tag};
use super::name::Name;

/// One name of a subjectAltName.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum GeneralName {
    /// rfc822Name.
    Email(String),
    /// dNSName.
    Dns(String),
    /// directoryName.
    Directory(Name),
    /// uniformResourceIdentifier.
    Uri(String),
    /// iPAddress.
    Ip(IpAddr),
    /// A form that IKE does not use, or octets that are none of their form: equal to nothing. Holds the form's number.
    Other(u8),
}

/// More names in a certificate serve only to cost time.
pub(super) const MOST_NAMES: usize = 512;

impl GeneralName {
    /// A sequence of them.
    pub(crate) fn parse_all(mut der: Der<'_>, field: &'static str) -> Result<Vec<Self>, DerError> {
        let mut names = Vec::new();
        while !der.is_empty() {
            if names.len() == MOST_NAMES {
                return Err(DerError {
                    field,
                    what: "more than 512 names",
                });
            }
            let tlv = der.any(field)?;
            names.push(match tlv.tag {
                TAG_EMAIL => ia5(tlv.value).map_or(Self::Other(1), Self::Email),
                TAG_DNS => ia5(tlv.value).map_or(Self::Other(2), Self::Dns),
                TAG_DIRECTORY => Self::Directory(Name::from_der(tlv.value)?),
                TAG_URI => ia5(tlv.value).map_or(Self::Other(6), Self::Uri),
                TAG_IP => address(tlv.value).map_or(Self::Other(7), Self::Ip),
                other => Self::Other(other & 0x1f),
            });
        }
        Ok(names)
    }
}

pub(super) const TAG_EMAIL: u8 = tag::context(1);
pub(super) const TAG_DNS: u8 = tag::context(2);
pub(super) const TAG_DIRECTORY: u8 = tag::constructed(4);
pub(super) const TAG_URI: u8 = tag::context(6);
pub(super) const TAG_IP: u8 = tag::context(7);

impl fmt::Display for GeneralName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email(text) => write!(f, "email:{text}"),
            Self::Dns(text) => write!(f, "DNS:{text}"),
            Self::Directory(name) => write!(f, "DN:{name}"),
            Self::Uri(text) => write!(f, "URI:{text}"),
            Self::Ip(address) => write!(f, "IP:{address}"),
            Self::Other(form) => write!(f, "a name of form {form}"),
        }
    }
}

/// Printable ASCII only: a NUL inside is how one name is made to look like another.
pub(super) fn ia5(octets: &[u8]) -> Option<String> {
    let valid = octets.iter().all(|octet| (0x20..=0x7e).contains(octet));
    valid.then(|| String::from_utf8(octets.to_vec()).ok()).flatten()
}

pub(super) fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(octets)
        .ok()
        .map(|sixteen| Ipv6Addr::from(sixteen).into())
}
