//! Which identities a connection accepts of its peer.

use std::fmt;
use std::str::FromStr;

use super::text::IdentityError;
use super::{Identity, split_email};
use crate::certificate::{Name, NamePattern};

/// A set of identities: `%any`, one identity, `*.example.net`, `*@example.net`, or a distinguished name with `*` in place
/// of values.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum IdentityPattern {
    /// Every identity: whoever proves the secret.
    Any,
    /// This one, with domain names compared without case.
    Exact(Identity),
    /// Every domain name below this domain, at any depth, not the domain itself. Without the leading dot.
    Suffix(String),
    /// Every e-mail address of exactly this domain.
    EmailDomain(String),
    /// Every distinguished name that fits.
    Dn(NamePattern),
}

impl IdentityPattern {
    /// Whether this identity is acceptable.
    pub fn matches(&self, identity: &Identity) -> bool {
        match (self, identity) {
            (Self::Any, _) => true,
            (Self::Exact(expected), received) => expected.same_as(received),
            (Self::Suffix(domain), Identity::Fqdn(name)) => is_below(name, domain),
            (Self::EmailDomain(domain), Identity::Email(address)) => {
                split_email(address).is_some_and(|(_, of)| of.eq_ignore_ascii_case(domain))
            }
            (Self::Dn(pattern), Identity::Dn(der)) => Name::from_der(der).is_ok_and(|name| pattern.matches(&name)),
            _ => false,
        }
    }

    /// The one identity it accepts, if it is one: what an initiator can ask for as IDr (RFC 7296 section 1.2).
    pub fn exact(&self) -> Option<&Identity> {
        match self {
            Self::Exact(identity) => Some(identity),
            _ => None,
        }
    }
}

impl From<Identity> for IdentityPattern {
    fn from(identity: Identity) -> Self {
        Self::Exact(identity)
    }
}

impl FromStr for IdentityPattern {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        if text == "%any" {
            return Ok(Self::Any);
        }
        if text.contains("=*") {
            let name = text.strip_prefix("dn:").unwrap_or(text);
            return match name.parse::<NamePattern>() {
                Ok(pattern) if pattern.has_wildcard() => Ok(Self::Dn(pattern)),
                Ok(_) => text.parse().map(Self::Exact),
                Err(error) => Err(IdentityError::new(text, error.why)),
            };
        }
        let (domain, pattern): (_, fn(String) -> Self) = match (text.strip_prefix("*."), text.strip_prefix("*@")) {
            (Some(domain), _) => (domain, Self::Suffix),
            (_, Some(domain)) => (domain, Self::EmailDomain),
            _ if text.contains('*') && !text.contains(':') => {
                return Err(IdentityError::new(
                    text,
                    "patterns are \"%any\", \"*.domain\", \"*@domain\" and distinguished names with \"=*\"",
                ));
            }
            _ => return text.parse().map(Self::Exact),
        };
        if !is_domain(domain) {
            return Err(IdentityError::new(
                text,
                "after \"*\" comes a whole domain (\"*.example.net\")",
            ));
        }
        Ok(pattern(domain.to_owned()))
    }
}

impl fmt::Display for IdentityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("%any"),
            Self::Exact(identity) => identity.fmt(f),
            Self::Suffix(domain) => write!(f, "*.{domain}"),
            Self::EmailDomain(domain) => write!(f, "*@{domain}"),
            Self::Dn(pattern) => write!(f, "dn:{pattern}"),
        }
    }
}

/// Labels of letters, digits, '-' and '_'.
fn is_domain(text: &str) -> bool {
    text.split('.').all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
    })
}

/// Whether `name` is one or more labels, a dot, and `domain`. The labels must look like labels: a name such as
/// "x@y .example.net" is nobody's host.
fn is_below(name: &str, domain: &str) -> bool {
    let Some((below, end)) = name
        .len()
        .checked_sub(domain.len())
        .and_then(|at| name.split_at_checked(at))
    else {
        return false;
    };
    end.eq_ignore_ascii_case(domain) && below.strip_suffix('.').is_some_and(is_domain)
}
