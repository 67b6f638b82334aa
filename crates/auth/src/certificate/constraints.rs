//! Name constraints (RFC 5280 section 4.2.1.10), of every form that IKE or X.509 uses.

use std::net::IpAddr;

use super::der::{Der, DerError, tag};
use super::general_name::{GeneralName, MOST_NAMES, TAG_DIRECTORY, TAG_DNS, TAG_EMAIL, TAG_IP, TAG_URI, ia5};
use super::name::Name;
use super::x509::Certificate;

/// Which names a CA's certificates may have.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NameConstraints {
    permitted: Vec<Subtree>,
    excluded: Vec<Subtree>,
}

/// One tree of names.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Subtree {
    Email(String),
    Dns(String),
    Directory(Name),
    Uri(String),
    Ip {
        base: Vec<u8>,
        mask: Vec<u8>,
    },
    /// A form that cannot be compared here; the number is that of the form.
    Other(u8),
}

impl NameConstraints {
    pub(crate) fn parse(der: &mut Der<'_>) -> Result<Self, DerError> {
        let mut fields = der.sequence("nameConstraints")?;
        let permitted = fields.optional(tag::constructed(0), "permittedSubtrees")?;
        let excluded = fields.optional(tag::constructed(1), "excludedSubtrees")?;
        fields.end("nameConstraints")?;
        let read = |value: Option<&[u8]>, field| match value {
            Some(value) => Subtree::parse_all(Der::new(value), field),
            None => Ok(Vec::new()),
        };
        Ok(Self {
            permitted: read(permitted, "permittedSubtrees")?,
            excluded: read(excluded, "excludedSubtrees")?,
        })
    }

    /// Why a certificate below this CA has a name that it may not have.
    pub(crate) fn refuse(&self, certificate: &Certificate) -> Option<String> {
        let names = &certificate.extensions().subject_alt_names;
        if let Some(reason) = names.iter().find_map(|name| self.refuse_name(name)) {
            return Some(reason);
        }
        let subject = certificate.subject();
        if !subject.is_empty()
            && let Some(reason) = self.refuse_name(&GeneralName::Directory(subject.clone()))
        {
            return Some(reason);
        }
        // "When no subjectAltName extension is present", says the RFC; a name that counts is constrained either way.
        let mut emails = subject.email_addresses();
        emails.find_map(|address| self.refuse_name(&GeneralName::Email(address.to_owned())))
    }

    fn refuse_name(&self, name: &GeneralName) -> Option<String> {
        let of_form = |subtree: &&Subtree| subtree.form() == form(name);
        if let GeneralName::Other(form) = name {
            let constrained = self
                .permitted
                .iter()
                .chain(&self.excluded)
                .any(|subtree| subtree.form() == *form);
            return constrained.then(|| format!("a name of form {form} cannot be compared with the name constraints"));
        }
        if self
            .excluded
            .iter()
            .filter(of_form)
            .any(|subtree| subtree.contains(name) != Some(false))
        {
            return Some(format!("{name} is excluded by the name constraints"));
        }
        let mut permitted = self.permitted.iter().filter(of_form).peekable();
        if permitted.peek().is_some() && !permitted.any(|subtree| subtree.contains(name) == Some(true)) {
            return Some(format!("{name} is not permitted by the name constraints"));
        }
        None
    }
}

fn form(name: &GeneralName) -> u8 {
    match name {
        GeneralName::Email(_) => 1,
        GeneralName::Dns(_) => 2,
        GeneralName::Directory(_) => 4,
        GeneralName::Uri(_) => 6,
        GeneralName::Ip(_) => 7,
        GeneralName::Other(form) => *form,
    }
}

impl Subtree {
    fn parse_all(mut der: Der<'_>, field: &'static str) -> Result<Vec<Self>, DerError> {
        let mut subtrees = Vec::new();
        while !der.is_empty() {
            if subtrees.len() == MOST_NAMES {
                return Err(DerError {
                    field,
                    what: "more than 512 subtrees",
                });
            }
            let mut fields = der.sequence(field)?;
            let base = fields.any(field)?;
            // "minimum MUST be zero, and maximum MUST be absent."
            fields.end(field)?;
            let unreadable = DerError {
                field,
                what: "a base that is none of its form",
            };
            let text = || ia5(base.value).ok_or(unreadable);
            subtrees.push(match base.tag {
                TAG_EMAIL => Self::Email(text()?),
                TAG_DNS => Self::Dns(text()?),
                TAG_DIRECTORY => Self::Directory(Name::from_der(base.value)?),
                TAG_URI => Self::Uri(text()?),
                TAG_IP if matches!(base.value.len(), 8 | 32) => {
                    let (base, mask) = base.value.split_at(base.value.len() / 2);
                    let ones: u32 = mask
                        .iter()
                        .map(|octet| octet.leading_ones())
                        .take_while(|n| *n > 0)
                        .sum();
                    if mask.iter().map(|octet| octet.count_ones()).sum::<u32>() != ones {
                        return Err(unreadable);
                    }
                    Self::Ip {
                        base: base.to_vec(),
                        mask: mask.to_vec(),
                    }
                }
                TAG_IP => return Err(unreadable),
                other => Self::Other(other & 0x1f),
            });
        }
        Ok(subtrees)
    }

    fn form(&self) -> u8 {
        match self {
            Self::Email(_) => 1,
            Self::Dns(_) => 2,
            Self::Directory(_) => 4,
            Self::Uri(_) => 6,
            Self::Ip { .. } => 7,
            Self::Other(form) => *form,
        }
    }

    /// Whether the name is in this tree; `None` if that cannot be said.
    fn contains(&self, name: &GeneralName) -> Option<bool> {
        match (self, name) {
            (Self::Email(base), GeneralName::Email(address)) => {
                let (user, host) = address.rsplit_once('@')?;
                Some(match base.rsplit_once('@') {
                    Some((base_user, base_host)) => user == base_user && host.eq_ignore_ascii_case(base_host),
                    None => host_in(base, host),
                })
            }
            (Self::Dns(base), GeneralName::Dns(name)) => Some(domain_in(base, name)),
            (Self::Directory(base), GeneralName::Directory(name)) => Some(name.is_below(base)),
            (Self::Uri(base), GeneralName::Uri(uri)) => host_of(uri).map(|host| host_in(base, host)),
            (Self::Ip { base, mask }, GeneralName::Ip(address)) => Some(address_in(base, mask, *address)),
            _ => None,
        }
    }
}

/// A domain name is in a tree if it is its top, or has labels before it. An empty base is every name.
fn domain_in(base: &str, name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    match base.strip_prefix('.') {
        // Not of the RFC, but common: everything below.
        Some(domain) => is_below(domain, name),
        None => base.is_empty() || name.eq_ignore_ascii_case(base) || is_below(base, name),
    }
}

/// Hosts of e-mail addresses and URIs: this host itself, or with a leading dot all below and not itself.
fn host_in(base: &str, host: &str) -> bool {
    match base.strip_prefix('.') {
        Some(domain) => is_below(domain, host),
        None => base.is_empty() || host.eq_ignore_ascii_case(base),
    }
}

fn is_below(domain: &str, name: &str) -> bool {
    let split = name
        .len()
        .checked_sub(domain.len())
        .and_then(|at| name.split_at_checked(at));
    split.is_some_and(|(labels, end)| labels.len() > 1 && labels.ends_with('.') && end.eq_ignore_ascii_case(domain))
}

/// The host of a URI, if it has one that is a name.
fn host_of(uri: &str) -> Option<&str> {
    let (_, after) = uri.split_once("://")?;
    let authority = after.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split(':').next()?;
    let named = !host.is_empty() && !host.starts_with('[') && host.parse::<std::net::Ipv4Addr>().is_err();
    named.then_some(host)
}

fn address_in(base: &[u8], mask: &[u8], address: IpAddr) -> bool {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    octets.len() == base.len()
        && octets
            .iter()
            .zip(base)
            .zip(mask)
            .all(|((own, base), mask)| own & mask == base & mask)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn trees_of_each_form() {
        let email = |address: &str| GeneralName::Email(address.into());
        let dns = |name: &str| GeneralName::Dns(name.into());
        let uri = |uri: &str| GeneralName::Uri(uri.into());
        let ip = |address: &str| GeneralName::Ip(address.parse().unwrap());
        let dn = |name: &str| GeneralName::Directory(name.parse().unwrap());
        let net = |base: &[u8], mask: &[u8]| Subtree::Ip {
            base: base.to_vec(),
            mask: mask.to_vec(),
        };
        // The examples of RFC 5280 section 4.2.1.10, and their edges.
        for (subtree, name, expected) in [
            (
                Subtree::Email("root@host.example".into()),
                email("root@HOST.example"),
                Some(true),
            ),
            (
                Subtree::Email("root@host.example".into()),
                email("Root@host.example"),
                Some(false),
            ),
            (
                Subtree::Email("host.example".into()),
                email("any@host.example"),
                Some(true),
            ),
            (
                Subtree::Email("host.example".into()),
                email("any@a.host.example"),
                Some(false),
            ),
            (
                Subtree::Email(".host.example".into()),
                email("any@a.host.example"),
                Some(true),
            ),
            (
                Subtree::Email(".host.example".into()),
                email("any@host.example"),
                Some(false),
            ),
            (Subtree::Email("host.example".into()), email("no-address"), None),
            (Subtree::Dns("host.example".into()), dns("host.example"), Some(true)),
            (Subtree::Dns("host.example".into()), dns("a.b.HOST.example"), Some(true)),
            (Subtree::Dns("host.example".into()), dns("ahost.example"), Some(false)),
            (Subtree::Dns("host.example".into()), dns(".host.example"), Some(false)),
            (
                Subtree::Dns("host.example".into()),
                dns("host.example.org"),
                Some(false),
            ),
            (Subtree::Dns(String::new()), dns("any.example"), Some(true)),
            (
                Subtree::Uri("host.example".into()),
                uri("http://u@host.example:80/x"),
                Some(true),
            ),
            (Subtree::Uri(".example".into()), uri("ftp://host.example"), Some(true)),
            (Subtree::Uri("host.example".into()), uri("http://192.0.2.1/"), None),
            (Subtree::Uri("host.example".into()), uri("urn:x"), None),
            (net(&[192, 0, 2, 0], &[255, 255, 255, 0]), ip("192.0.2.77"), Some(true)),
            (net(&[192, 0, 2, 0], &[255, 255, 255, 0]), ip("192.0.3.77"), Some(false)),
            (net(&[0; 4], &[0; 4]), ip("::1"), Some(false)),
            (net(&[0; 16], &[0; 16]), ip("::1"), Some(true)),
            (
                Subtree::Directory("C=XX, O=A".parse().unwrap()),
                dn("C=xx, O=a, CN=b"),
                Some(true),
            ),
            (
                Subtree::Directory("C=XX, O=A".parse().unwrap()),
                dn("C=XX, CN=b, O=A"),
                Some(false),
            ),
            (
                Subtree::Directory("C=XX, O=A".parse().unwrap()),
                dn("C=XX"),
                Some(false),
            ),
        ] {
            assert_eq!(subtree.contains(&name), expected, "{subtree:?} {name}");
        }
    }
}
