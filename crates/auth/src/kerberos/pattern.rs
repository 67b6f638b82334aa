//! Which principals a peer may have. A ticket proves who somebody is, not that it is whom we want to talk to: any host of
//! the realm can get one.

use std::fmt::{self, Write};
use std::str::FromStr;

use super::principal::{Principal, PrincipalError, Target, escaped, split};

/// A principal in which `*` stands for one or more characters of one component, as in `host/*.example.net@EXAMPLE.NET`.
/// The realm is never a pattern.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PrincipalPattern {
    components: Vec<String>,
    realm: Option<String>,
}

/// Stands for a `*` that is a wildcard. No principal holds a control character.
const ANY: char = '\u{1}';

impl FromStr for PrincipalPattern {
    type Err = PrincipalError;

    /// As for a principal; `\*` is an asterisk.
    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        let (components, realm) = split(text, |escaped, c| if c == '*' && !escaped { ANY } else { c })?;
        Ok(Self { components, realm })
    }
}

impl PrincipalPattern {
    /// Exactly this principal, or that of a host's service, in whatever realm it is.
    pub fn of(target: &Target) -> Self {
        match target {
            Target::Principal(principal) => Self {
                components: principal.components().to_vec(),
                realm: principal.realm().map(str::to_owned),
            },
            Target::Service { service, host } => Self {
                components: vec![service.clone(), host.clone()],
                realm: None,
            },
        }
    }

    /// Its realm, if it names one.
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// Whether it is this principal's. A pattern without a realm fits any: [`PeerPrincipals`] has the list.
    pub fn matches(&self, principal: &Principal) -> bool {
        let components = principal.components();
        self.components.len() == components.len()
            && self
                .components
                .iter()
                .zip(components)
                .all(|(pattern, text)| fits(pattern, text))
            && self
                .realm
                .as_deref()
                .is_none_or(|realm| principal.realm() == Some(realm))
    }
}

/// Each [`ANY`] is one or more characters. Time is the product of the lengths at most, whatever the peer sends.
fn fits(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Where the part of the pattern that was looked at may end in the text.
    let mut ends = vec![false; text.len() + 1];
    if let Some(start) = ends.first_mut() {
        *start = true;
    }
    for c in pattern.chars() {
        let mut next = vec![false; ends.len()];
        let mut before = false;
        for (index, (ended, found)) in ends.iter().zip(&text).enumerate() {
            before = if c == ANY {
                before || *ended
            } else {
                *ended && *found == c
            };
            if let Some(slot) = next.get_mut(index + 1) {
                *slot = before;
            }
        }
        ends = next;
    }
    ends.last() == Some(&true)
}

impl fmt::Display for PrincipalPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, component) in self.components.iter().enumerate() {
            if index > 0 {
                f.write_char('/')?;
            }
            for (index, part) in component.split(ANY).enumerate() {
                if index > 0 {
                    f.write_char('*')?;
                }
                for (index, part) in part.split('*').enumerate() {
                    if index > 0 {
                        f.write_str("\\*")?;
                    }
                    escaped(f, part)?;
                }
            }
        }
        if let Some(realm) = &self.realm {
            f.write_char('@')?;
            escaped(f, realm)?;
        }
        Ok(())
    }
}

/// The principals that are accepted as a connection's peer. None, if it is empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PeerPrincipals {
    /// One of these must fit.
    pub patterns: Vec<PrincipalPattern>,
    /// The realms of patterns that name none. If it is empty, that is our own realm.
    pub realms: Vec<String>,
}

/// Why an authentic principal is not accepted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrincipalRefusal {
    /// Another realm.
    #[error("the peer is {found}, and its realm is none of those that are accepted for this connection ({wanted})")]
    Realm {
        /// Who it is.
        found: String,
        /// Whom we want.
        wanted: String,
    },
    /// Another principal.
    #[error("the peer proved to be {found}, and this connection is for {wanted}")]
    Principal {
        /// Who it is.
        found: String,
        /// Whom we want.
        wanted: String,
    },
}

impl PeerPrincipals {
    /// Exactly this one.
    pub fn only(principal: &Principal) -> Self {
        let pattern = PrincipalPattern::of(&Target::Principal(principal.clone()));
        Self {
            patterns: vec![pattern],
            realms: Vec::new(),
        }
    }

    /// Whether this principal, which the library proved, is accepted by `own`.
    ///
    /// # Errors
    /// Whom we want instead.
    pub fn check(&self, principal: &Principal, own: &Principal) -> Result<(), PrincipalRefusal> {
        let in_list = |realm: Option<&str>| match self.realms.as_slice() {
            [] => realm.is_some() && realm == own.realm(),
            realms => realms.iter().any(|known| Some(known.as_str()) == realm),
        };
        let realm_fits = |pattern: &PrincipalPattern| match pattern.realm() {
            Some(realm) => principal.realm() == Some(realm),
            None => in_list(principal.realm()),
        };
        if self.patterns.iter().any(|p| realm_fits(p) && p.matches(principal)) {
            return Ok(());
        }
        let found = principal.to_string();
        if self.patterns.iter().any(realm_fits) {
            let wanted = list(&self.patterns);
            return Err(PrincipalRefusal::Principal { found, wanted });
        }
        let named = self.patterns.iter().filter_map(PrincipalPattern::realm);
        let ours = own
            .realm()
            .filter(|_| self.realms.is_empty() && self.patterns.iter().any(|p| p.realm().is_none()));
        let listed = self.realms.iter().map(String::as_str);
        let mut realms: Vec<&str> = listed.chain(ours).chain(named).collect();
        realms.dedup();
        let wanted = list(&realms);
        Err(PrincipalRefusal::Realm { found, wanted })
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    if items.is_empty() {
        return "nobody".to_owned();
    }
    let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn matches(pattern: &str, principal: &str) -> bool {
        let pattern: PrincipalPattern = pattern.parse().unwrap();
        assert_eq!(pattern.to_string().parse::<PrincipalPattern>().unwrap(), pattern);
        pattern.matches(&principal.parse().unwrap())
    }

    #[test]
    fn an_asterisk_stays_within_its_component() {
        assert!(matches("host/*@R", "host/a.example.net@R"));
        assert!(matches("host/*.example.net@R", "host/a.b.example.net@R"));
        assert!(matches("*/a@R", "host/a@R") && matches("*@R", "alice@R") && matches("h*t/a*c*e@R", "host/abcde@R"));
        for (pattern, principal) in [
            ("host/*@R", "host/a/b@R"),
            ("host/*@R", "host@R"),
            ("host/*@R", r"host\/a@R"),
            ("*@R", "host/a@R"),
            ("host/*@R", "host/a@S"),
            ("host/*@R", "host/a"),
            ("host/*.example.net@R", "host/.example.net@R"),
            ("host/*.example.net@R", "host/a.example.net.evil@R"),
            ("host/a@R", "host/A@R"),
            ("host/a@R", "HTTP/a@R"),
            (r"host/\*@R", "host/a@R"),
            ("host/a*a@R", "host/a@R"),
        ] {
            assert!(!matches(pattern, principal), "{pattern} fits {principal}");
        }
        assert!(matches(r"host/\*@R", "host/*@R"));
    }

    #[test]
    fn a_realm_is_named_by_the_pattern_or_by_the_list() {
        let of = |patterns: &[&str], realms: &[&str]| PeerPrincipals {
            patterns: patterns.iter().map(|p| p.parse().unwrap()).collect(),
            realms: realms.iter().map(|r| (*r).to_owned()).collect(),
        };
        let check =
            |peers: &PeerPrincipals, who: &str| peers.check(&who.parse().unwrap(), &"host/own@OWN".parse().unwrap());
        let peers = of(&["host/b", "host/c@S"], &["R"]);
        for good in ["host/b@R", "host/c@S"] {
            assert_eq!(check(&peers, good), Ok(()), "{good}");
        }
        for bad in ["host/b@S", "host/c@R", "host/evil@R"] {
            assert!(
                matches!(check(&peers, bad), Err(PrincipalRefusal::Principal { .. })),
                "{bad}"
            );
        }
        assert!(matches!(check(&peers, "host/b@T"), Err(PrincipalRefusal::Realm { .. })));
        // No list of realms: it is our own.
        let ours = of(&["host/b"], &[]);
        assert_eq!(check(&ours, "host/b@OWN"), Ok(()));
        let refusal = check(&ours, "host/b@R").unwrap_err();
        assert!(
            matches!(&refusal, PrincipalRefusal::Realm { wanted, .. } if wanted == "OWN"),
            "{refusal}"
        );
        assert!(check(&of(&["host/b"], &["R"]), "host/b@OWN").is_err());
        assert!(
            check(&PeerPrincipals::default(), "host/b@R")
                .unwrap_err()
                .to_string()
                .contains("nobody")
        );
        let only = PeerPrincipals::only(&"host/*@R".parse().unwrap());
        assert!(check(&only, "host/*@R").is_ok() && check(&only, "host/a@R").is_err());
    }
}
