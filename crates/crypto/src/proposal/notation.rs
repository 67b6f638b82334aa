//! The notation of proposals and suites: "aes128gcm16-prfsha256-x25519", as in strongSwan's configuration.

use core::fmt::{self, Display};
use core::str::FromStr;

use super::suggest::nearest;
use super::{Esn, EspProposal, EspSuite, IkeProposal, IkeSuite};
use crate::transform::{Encr, Group, Integ, Prf, candidates};

/// What is wrong with a proposal in text form.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProposalError {
    /// A word that names no algorithm.
    #[error("unknown algorithm \"{token}\"{}", did_you_mean(.suggestion.as_deref()))]
    Unknown {
        /// The word.
        token: String,
        /// The nearest name there is, if one is near.
        suggestion: Option<String>,
    },
    /// A word that names something which has no place here.
    #[error("\"{token}\" has no place here: {reason}")]
    Misplaced {
        /// The word.
        token: String,
        /// Why, and what would be right.
        reason: &'static str,
    },
    /// The same word twice.
    #[error("\"{token}\" is there twice")]
    Repeated {
        /// The word.
        token: String,
    },
    /// Something is not there.
    #[error("no {what} in \"{proposal}\"; add one, for example \"{example}\"")]
    Missing {
        /// What it is.
        what: &'static str,
        /// The whole proposal.
        proposal: String,
        /// A word that would do.
        example: &'static str,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    match suggestion {
        Some(name) => format!("; did you mean \"{name}\"?"),
        None => {
            "; ciphers are written like \"aes128gcm16\" or \"aes256\", PRFs like \"prfsha256\", integrity algorithms \
                 like \"sha256\", groups like \"x25519\""
                .to_owned()
        }
    }
}

/// All words of a proposal, by type.
#[derive(Default)]
struct Words {
    encr: Vec<Encr>,
    prf: Vec<Prf>,
    integ: Vec<Integ>,
    groups: Vec<Group>,
    esn: Vec<bool>,
}

impl Words {
    fn read(text: &str) -> Result<Self, ProposalError> {
        let mut words = Self::default();
        for token in text.split('-') {
            words.add(token)?;
        }
        if words.encr.is_empty() {
            return Err(missing("cipher", text, "aes128gcm16"));
        }
        let aead = words.encr.iter().filter(|encr| encr.is_aead()).count();
        if aead != 0 && aead != words.encr.len() {
            let other = words.encr.iter().find(|encr| !encr.is_aead());
            return Err(misplaced(
                other,
                "AEAD and other ciphers go into separate proposals (RFC 7296 section 3.3)",
            ));
        }
        if aead != 0 && !words.integ.is_empty() {
            return Err(misplaced(
                words.integ.first(),
                "an AEAD cipher brings its own integrity protection; a PRF is written with \"prf\" before it",
            ));
        }
        if aead == 0 && words.integ.is_empty() {
            return Err(missing("integrity algorithm", text, "sha256"));
        }
        Ok(words)
    }

    fn add(&mut self, token: &str) -> Result<(), ProposalError> {
        let word = token.trim().to_ascii_lowercase();
        let fresh = if word == "esn" || word == "noesn" {
            push(&mut self.esn, word == "esn")
        } else if let Ok(encr) = word.parse::<Encr>() {
            push(&mut self.encr, encr)
        } else if let Ok(prf) = word.parse::<Prf>() {
            push(&mut self.prf, prf)
        } else if let Some(integ) = word.parse().ok().filter(|integ| *integ != Integ::NONE) {
            push(&mut self.integ, integ)
        } else if let Some(group) = word.parse().ok().filter(|group| *group != Group::NONE) {
            push(&mut self.groups, group)
        } else {
            return Err(ProposalError::Unknown {
                token: token.to_owned(),
                suggestion: nearest(&word, candidates()),
            });
        };
        if fresh {
            Ok(())
        } else {
            Err(ProposalError::Repeated {
                token: token.to_owned(),
            })
        }
    }
}

fn push<T: PartialEq>(list: &mut Vec<T>, value: T) -> bool {
    let fresh = !list.contains(&value);
    list.push(value);
    fresh
}

fn missing(what: &'static str, proposal: &str, example: &'static str) -> ProposalError {
    ProposalError::Missing {
        what,
        proposal: proposal.to_owned(),
        example,
    }
}

fn misplaced(token: Option<impl Display>, reason: &'static str) -> ProposalError {
    ProposalError::Misplaced {
        token: token.map(|token| token.to_string()).unwrap_or_default(),
        reason,
    }
}

impl FromStr for IkeProposal {
    type Err = ProposalError;

    /// Words joined by "-", several of one kind being alternatives, best first. Without a PRF it is the one of each
    /// integrity algorithm's hash.
    fn from_str(text: &str) -> Result<Self, ProposalError> {
        let words = Words::read(text)?;
        if let Some(esn) = words.esn.first() {
            let token = if *esn { "esn" } else { "noesn" };
            return Err(misplaced(
                Some(token),
                "sequence numbers of ESP are no matter of the IKE proposal",
            ));
        }
        let prf = if words.prf.is_empty() {
            implied_prfs(&words.integ)
        } else {
            words.prf
        };
        if prf.is_empty() {
            return Err(missing("PRF", text, "prfsha256"));
        }
        if words.groups.is_empty() {
            return Err(missing("group", text, "x25519"));
        }
        Ok(Self {
            encr: words.encr,
            prf,
            integ: words.integ,
            groups: words.groups,
        })
    }
}

impl FromStr for EspProposal {
    type Err = ProposalError;

    /// Words joined by "-", several of one kind being alternatives, best first. Sequence numbers have 32 bits unless
    /// "esn" is there; "esn-noesn" offers both.
    fn from_str(text: &str) -> Result<Self, ProposalError> {
        let words = Words::read(text)?;
        if let Some(prf) = words.prf.first() {
            return Err(misplaced(Some(prf), "ESP has no PRF; that of the IKE SA is used"));
        }
        let esn = match (words.esn.contains(&true), words.esn.contains(&false)) {
            (true, true) => Esn::Either,
            (true, false) => Esn::Yes,
            (false, _) => Esn::No,
        };
        Ok(Self {
            encr: words.encr,
            integ: words.integ,
            groups: words.groups,
            esn,
        })
    }
}

/// The PRFs that go without saying.
fn implied_prfs(integ: &[Integ]) -> Vec<Prf> {
    let mut prfs = Vec::new();
    for prf in integ.iter().filter_map(|integ| integ.prf()) {
        if !prfs.contains(&prf) {
            prfs.push(prf);
        }
    }
    prfs
}

impl Display for IkeProposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line::default();
        line.all(&self.encr);
        line.all(&self.integ);
        if self.prf != implied_prfs(&self.integ) {
            line.all(&self.prf);
        }
        line.all(&self.groups);
        line.print(f)
    }
}

impl Display for EspProposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line::default();
        line.all(&self.encr);
        line.all(&self.integ);
        line.all(&self.groups);
        match self.esn {
            Esn::No => {}
            Esn::Yes => line.all(&["esn"]),
            Esn::Either => line.all(&["esn", "noesn"]),
        }
        line.print(f)
    }
}

impl Display for IkeSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proposal = IkeProposal {
            encr: vec![self.encr],
            prf: vec![self.prf],
            integ: self.integ.into_iter().collect(),
            groups: vec![self.group],
        };
        proposal.fmt(f)
    }
}

impl Display for EspSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proposal = EspProposal {
            encr: vec![self.encr],
            integ: self.integ.into_iter().collect(),
            groups: self.group.into_iter().collect(),
            esn: if self.esn { Esn::Yes } else { Esn::No },
        };
        proposal.fmt(f)
    }
}

/// Words on their way out.
#[derive(Default)]
struct Line(Vec<String>);

impl Line {
    fn all<T: Display>(&mut self, words: &[T]) {
        self.0.extend(words.iter().map(ToString::to_string));
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.join("-"))
    }
}

#[cfg(test)]
mod tests;
