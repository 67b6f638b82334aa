//! Who a peer says it is: the ID payloads of IKE (RFC 7296 section 3.5, RFC 2407 section 4.6.2).
//!
//! An [`Identity`] has three forms: the octets of an ID payload, a value, and a text that people write and logs show
//! (see [`text`] for its notation). An [`IdentityPattern`] says which identities are acceptable.

pub mod pattern;
pub mod text;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use handfast_wire::numbers::IdType;

use crate::certificate::Name;

pub use pattern::IdentityPattern;
pub use text::IdentityError;

/// An identity as configured or as received.
///
/// `==` compares octets; [`Identity::same_as`] also knows that domain names have no case.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Identity {
    /// ID_IPV4_ADDR (1).
    Ipv4(Ipv4Addr),
    /// ID_FQDN (2).
    Fqdn(String),
    /// ID_RFC822_ADDR (3).
    Email(String),
    /// ID_IPV6_ADDR (5).
    Ipv6(Ipv6Addr),
    /// ID_DER_ASN1_DN (9), DER octets.
    Dn(Vec<u8>),
    /// ID_KEY_ID (11), opaque octets.
    KeyId(Vec<u8>),
    /// Any other type, or octets that are not valid for their type; matches nothing but itself.
    Other {
        /// ID type octet.
        kind: u8,
        /// Identification data.
        data: Vec<u8>,
    },
}

impl Identity {
    /// Reads the type and data of an ID payload. Never fails: what is not valid for its type is [`Identity::Other`].
    ///
    /// Names must be printable ASCII: a NUL or control character in a name is how one name is made to look like another.
    pub fn from_wire(id_type: u8, data: &[u8]) -> Self {
        Self::known(IdType(id_type), data).unwrap_or_else(|| Self::Other {
            kind: id_type,
            data: data.to_vec(),
        })
    }

    fn known(id_type: IdType, data: &[u8]) -> Option<Self> {
        match id_type {
            IdType::IPV4_ADDR => <[u8; 4]>::try_from(data).ok().map(|octets| Self::Ipv4(octets.into())),
            IdType::IPV6_ADDR => <[u8; 16]>::try_from(data).ok().map(|octets| Self::Ipv6(octets.into())),
            IdType::FQDN => printable(data).map(Self::Fqdn),
            IdType::RFC822_ADDR => printable(data)
                .filter(|name| split_email(name).is_some())
                .map(Self::Email),
            IdType::DER_ASN1_DN => is_der_sequence(data).then(|| Self::Dn(data.to_vec())),
            IdType::KEY_ID => (!data.is_empty()).then(|| Self::KeyId(data.to_vec())),
            _ => None,
        }
    }

    /// Type and data of its ID payload.
    pub fn to_wire(&self) -> (u8, Vec<u8>) {
        (self.id_type().0, self.data())
    }

    /// Body of its ID payload with the reserved octets zero: RestOfIDPayload of our own AUTH (RFC 7296 section 2.15).
    pub fn to_id_body(&self) -> Vec<u8> {
        let mut body = vec![self.id_type().0, 0, 0, 0];
        body.extend(self.data());
        body
    }

    /// Its ID type.
    pub fn id_type(&self) -> IdType {
        match self {
            Self::Ipv4(_) => IdType::IPV4_ADDR,
            Self::Fqdn(_) => IdType::FQDN,
            Self::Email(_) => IdType::RFC822_ADDR,
            Self::Ipv6(_) => IdType::IPV6_ADDR,
            Self::Dn(_) => IdType::DER_ASN1_DN,
            Self::KeyId(_) => IdType::KEY_ID,
            Self::Other { kind, .. } => IdType(*kind),
        }
    }

    /// What it is, for people ("domain name").
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Ipv4(_) => "IPv4 address",
            Self::Fqdn(_) => "domain name",
            Self::Email(_) => "e-mail address",
            Self::Ipv6(_) => "IPv6 address",
            Self::Dn(_) => "distinguished name",
            Self::KeyId(_) => "key ID",
            Self::Other { .. } => "identity of another kind",
        }
    }

    /// Whether both name the same: domain names, and the domain of an e-mail address, are compared without case,
    /// distinguished names as RFC 5280 does, all else octet by octet.
    pub fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fqdn(a), Self::Fqdn(b)) => a.eq_ignore_ascii_case(b),
            (Self::Email(a), Self::Email(b)) => match (split_email(a), split_email(b)) {
                (Some((user_a, domain_a)), Some((user_b, domain_b))) => {
                    user_a == user_b && domain_a.eq_ignore_ascii_case(domain_b)
                }
                _ => a == b,
            },
            // RFC 5280 section 7.1: string types, case and white space do not matter.
            (Self::Dn(a), Self::Dn(b)) => {
                a == b || matches!((Name::from_der(a), Name::from_der(b)), (Ok(a), Ok(b)) if a == b)
            }
            _ => self == other,
        }
    }

    fn data(&self) -> Vec<u8> {
        match self {
            Self::Ipv4(address) => address.octets().to_vec(),
            Self::Ipv6(address) => address.octets().to_vec(),
            Self::Fqdn(name) | Self::Email(name) => name.as_bytes().to_vec(),
            Self::Dn(data) | Self::KeyId(data) | Self::Other { data, .. } => data.clone(),
        }
    }
}

impl From<IpAddr> for Identity {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }
}

/// The text, if it is printable ASCII and not empty.
fn printable(data: &[u8]) -> Option<String> {
    let valid = !data.is_empty() && data.iter().all(|octet| (0x20..=0x7e).contains(octet));
    valid.then(|| String::from_utf8(data.to_vec()).ok()).flatten()
}

/// User and domain, both not empty. The local part may hold a quoted '@', the domain may not.
fn split_email(address: &str) -> Option<(&str, &str)> {
    address
        .rsplit_once('@')
        .filter(|(user, domain)| !user.is_empty() && !domain.is_empty())
}

/// Whether it is one DER SEQUENCE and nothing after it, which a Name is (RFC 5280 section 4.1.2.4).
fn is_der_sequence(data: &[u8]) -> bool {
    let Some((0x30, rest)) = data.split_first().map(|(tag, rest)| (*tag, rest)) else {
        return false;
    };
    match rest.split_first() {
        Some((&short @ 0..=0x7f, value)) => value.len() == usize::from(short),
        Some((&0x81, rest)) => rest
            .split_first()
            .is_some_and(|(&len, value)| len > 0x7f && value.len() == len.into()),
        Some((&0x82, [high, low, value @ ..])) => {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            len > 0xff && value.len() == len
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
