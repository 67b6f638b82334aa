//! Principals as text: `host/gw.example.net@EXAMPLE.NET` (RFC 1964 section 2.1.1).

use std::fmt::{self, Write};
use std::str::FromStr;

/// A principal: components and a realm. Compared octet by octet, as Kerberos does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Principal {
    components: Vec<String>,
    realm: Option<String>,
}

/// Why a text is no principal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrincipalError {
    /// Nothing where a name should stand.
    #[error("a component of the principal is empty: write it as in host/gw.example.net@EXAMPLE.NET")]
    Empty,
    /// `@` without a realm after it.
    #[error("the realm after '@' is empty")]
    EmptyRealm,
    /// A second `@`, or a `/` in the realm.
    #[error("'{0}' stands in the realm; where it is part of a name, write \\{0}")]
    InRealm(char),
    /// A control character.
    #[error("the principal holds a control character")]
    Control,
    /// Ends in a backslash.
    #[error("the principal ends in a backslash, which says how to read what follows it")]
    Backslash,
    /// Too long.
    #[error("the principal is longer than {MOST_OCTETS} octets")]
    Long,
    /// No service or no host.
    #[error("a service is written service:NAME@HOST, as in service:host@gw.example.net")]
    Service,
}

/// Longer ones are not looked at; a KDC's database takes about 2,500.
pub const MOST_OCTETS: usize = 4096;

impl Principal {
    /// Its components: `host` and `gw.example.net`.
    pub fn components(&self) -> &[String] {
        &self.components
    }

    /// Its realm, if it has one; the library gives one without the default realm.
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// The same in this realm, if it has none.
    #[must_use]
    pub fn or_in(mut self, realm: &str) -> Self {
        self.realm.get_or_insert_with(|| realm.to_owned());
        self
    }
}

impl FromStr for Principal {
    type Err = PrincipalError;

    /// A backslash takes the meaning from the character after it.
    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        let (components, realm) = split(text, |_, c| c)?;
        Ok(Self { components, realm })
    }
}

/// Splits a principal. `each` sees every character of a component, and whether it was written with a backslash.
pub(super) fn split(
    text: &str,
    each: impl Fn(bool, char) -> char,
) -> Result<(Vec<String>, Option<String>), PrincipalError> {
    if text.len() > MOST_OCTETS {
        return Err(PrincipalError::Long);
    }
    if text.chars().any(char::is_control) {
        return Err(PrincipalError::Control);
    }
    let (mut done, mut part, mut in_realm) = (Vec::new(), String::new(), false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next().ok_or(PrincipalError::Backslash)? {
                // The library writes control characters so. Read as letters they would make one name of two.
                't' | 'n' | 'b' | '0' => return Err(PrincipalError::Control),
                c => part.push(each(true, c)),
            },
            '/' | '@' if in_realm => return Err(PrincipalError::InRealm(c)),
            '/' | '@' => {
                in_realm = c == '@';
                done.push(std::mem::take(&mut part));
            }
            _ if in_realm => part.push(c),
            _ => part.push(each(false, c)),
        }
    }
    let realm = if in_realm {
        Some(part)
            .filter(|realm| !realm.is_empty())
            .map(Some)
            .ok_or(PrincipalError::EmptyRealm)?
    } else {
        done.push(part);
        None
    };
    if done.iter().any(String::is_empty) {
        return Err(PrincipalError::Empty);
    }
    Ok((done, realm))
}

/// Writes a component or realm with backslashes where they are needed.
pub(super) fn escaped(f: &mut fmt::Formatter<'_>, part: &str) -> fmt::Result {
    for c in part.chars() {
        if matches!(c, '/' | '@' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    Ok(())
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, component) in self.components.iter().enumerate() {
            if index > 0 {
                f.write_char('/')?;
            }
            escaped(f, component)?;
        }
        if let Some(realm) = &self.realm {
            f.write_char('@')?;
            escaped(f, realm)?;
        }
        Ok(())
    }
}

/// Whom an initiator asks a ticket for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// This principal (GSS_KRB5_NT_PRINCIPAL_NAME).
    Principal(Principal),
    /// A service of a host, whose realm Kerberos finds (GSS_C_NT_HOSTBASED_SERVICE): written `service:host@gw.example.net`.
    Service {
        /// "host".
        service: String,
        /// "gw.example.net".
        host: String,
    },
}

impl Target {
    /// The host itself: what a connection without a configured target asks for.
    pub fn host(name: &str) -> Self {
        Self::Service {
            service: "host".to_owned(),
            host: name.to_owned(),
        }
    }
}

impl FromStr for Target {
    type Err = PrincipalError;

    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        let Some(service) = text.strip_prefix("service:") else {
            return Ok(Self::Principal(text.parse()?));
        };
        if text.len() > MOST_OCTETS {
            return Err(PrincipalError::Long);
        }
        if text.chars().any(char::is_control) {
            return Err(PrincipalError::Control);
        }
        let parts = service.split_once('@');
        let (service, host) = parts
            .filter(|(service, host)| !service.is_empty() && !host.is_empty() && !host.contains(['@', '/']))
            .ok_or(PrincipalError::Service)?;
        Ok(Self::Service {
            service: service.to_owned(),
            host: host.to_owned(),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal(principal) => principal.fmt(f),
            Self::Service { service, host } => write!(f, "service:{service}@{host}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_has_components_and_a_realm() {
        let p: Principal = "host/gw.example.net@EXAMPLE.NET".parse().unwrap();
        assert_eq!(p.components(), ["host", "gw.example.net"]);
        assert_eq!(p.realm(), Some("EXAMPLE.NET"));
        let p: Principal = "PC$@AD.EXAMPLE".parse().unwrap();
        assert_eq!((p.components().len(), p.to_string().as_str()), (1, "PC$@AD.EXAMPLE"));
        let p: Principal = "host/gw".parse().unwrap();
        assert_eq!(p.realm(), None);
        assert_eq!(p.or_in("R").to_string(), "host/gw@R");
    }

    #[test]
    fn what_a_backslash_precedes_separates_nothing() {
        let p: Principal = r"host\/gw\@x/y\\@R".parse().unwrap();
        assert_eq!(
            (p.components(), p.realm()),
            (&["host/gw@x".to_owned(), r"y\".to_owned()][..], Some("R"))
        );
        assert_eq!(p.to_string().parse::<Principal>().unwrap(), p);
        assert_ne!(p, r"host/gw\@x/y\\@R".parse().unwrap());
    }

    #[test]
    fn what_is_no_principal_is_refused() {
        let refused = |text: &str| text.parse::<Principal>().unwrap_err();
        for text in ["", "/x", "host/@R", "host//x", "@R"] {
            assert_eq!(refused(text), PrincipalError::Empty, "{text}");
        }
        assert_eq!(refused("host/x@"), PrincipalError::EmptyRealm);
        assert_eq!(refused("host/x@R@R"), PrincipalError::InRealm('@'));
        assert_eq!(refused("host/x@R/S"), PrincipalError::InRealm('/'));
        assert_eq!(refused("host/x\0@R"), PrincipalError::Control);
        assert_eq!(refused(r"host/x\b@R"), PrincipalError::Control);
        assert_eq!(refused("host/x\\"), PrincipalError::Backslash);
        assert_eq!(refused(&"x".repeat(MOST_OCTETS + 1)), PrincipalError::Long);
    }

    #[test]
    fn a_target_is_a_principal_or_a_service_of_a_host() {
        assert_eq!(
            "service:host@gw.example.net".parse(),
            Ok(Target::host("gw.example.net"))
        );
        assert_eq!(Target::host("gw").to_string(), "service:host@gw");
        assert!(matches!("host/gw@R".parse(), Ok(Target::Principal(_))));
        for text in [
            "service:",
            "service:host",
            "service:@gw",
            "service:host@",
            "service:host@a@b",
            "service:host@a/b",
        ] {
            assert_eq!(text.parse::<Target>(), Err(PrincipalError::Service), "{text}");
        }
    }
}
