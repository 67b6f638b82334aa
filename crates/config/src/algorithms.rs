//! The keys `ike` and `esp`: their notation, and whether each algorithm is fit for use and implemented.

use std::fmt::Display;
use std::str::FromStr;

use handfast_crypto::proposal::{EspProposal, IkeProposal, ProposalError};
use handfast_crypto::provider::Provider;
use handfast_crypto::transform::{Encr, Group, Integ, Prf};
use handfast_crypto::{default_provider, legacy_provider};

use handfast_engine::policy::Versions;

use crate::section::{Reader, Section};
use crate::weak::{self, Weak};

const IKE: &str = "algorithms such as \"aes128gcm16-prfsha256-x25519\"";
const ESP: &str = "algorithms such as \"aes128gcm16\"";
// What to take instead; not all there is, for that is much and grows.
const CIPHERS: &str = "a cipher such as aes128gcm16, aes256gcm16, chacha20poly1305 or aes256";
/// What is offered in IKEv1, where each combination is a transform of its own.
const IKEV1: &str = "aes256-aes128-sha256-sha512-ecp256-ecp384-modp3072-modp2048";
const INTEGRITY: &str = "an integrity algorithm such as sha256, sha384 or sha512";
const PRFS: &str = "a PRF such as prfsha256, prfsha384 or prfsha512";
const GROUPS: &str = "a group such as x25519, ecp256, ecp384, modp2048 or modp3072";

/// The proposals for the IKE SA; the defaults if there are none.
pub(crate) fn ike(
    s: &mut Section<'_, '_>,
    reader: &mut Reader<'_>,
    legacy: bool,
    versions: Versions,
) -> Vec<IkeProposal> {
    let mut list: Vec<IkeProposal> = vec![];
    for (text, at) in s.texts(reader, "ike", IKE) {
        if let Some(proposal) = parse::<IkeProposal>(reader, "ike", &text, at, IKE) {
            let mut judge = Judge::new(reader, "ike", &text, at, legacy);
            judge.ciphers(&proposal.encr, &proposal.integ);
            judge.prfs(&proposal.prf);
            judge.groups(&proposal.groups);
            list.push(proposal);
        }
    }
    if list.is_empty() {
        return match versions {
            Versions::One => IKEV1.parse().into_iter().collect(),
            Versions::Two | Versions::Any => IkeProposal::defaults(default_provider()),
        };
    }
    // RFC 2409 appendix A knows ciphers in CBC mode only, and no IKEv1 peer a curve of RFC 7748.
    let for_v1 = |p: &IkeProposal| !p.encr.iter().all(|e| e.is_aead()) && p.groups.iter().any(|g| *g != Group::X25519);
    if versions != Versions::Two && !list.iter().any(for_v1) {
        let message = "ike: nothing in it can be used in IKEv1".to_string();
        let hint = "IKEv1 has AES-CBC with an HMAC, and no x25519";
        reader.error(
            s.at_of("ike"),
            message,
            "algorithms such as \"aes256-sha256-modp2048\"",
            hint,
        );
    }
    list
}

/// The proposals for ESP; the defaults if there are none.
pub(crate) fn esp(s: &mut Section<'_, '_>, reader: &mut Reader<'_>, legacy: bool) -> Vec<EspProposal> {
    let mut list: Vec<EspProposal> = vec![];
    for (text, at) in s.texts(reader, "esp", ESP) {
        if let Some(proposal) = parse::<EspProposal>(reader, "esp", &text, at, ESP) {
            let mut judge = Judge::new(reader, "esp", &text, at, legacy);
            judge.ciphers(&proposal.encr, &proposal.integ);
            judge.groups(&proposal.groups);
            list.push(proposal);
        }
    }
    if list.is_empty() {
        list = EspProposal::defaults(default_provider());
    }
    list
}

/// Whether any of them is there only because of `legacy = true`.
pub(crate) fn any_legacy(ike: &[IkeProposal], esp: &[EspProposal]) -> bool {
    let legacy = |weak: Option<Weak>| matches!(weak, Some(Weak::Legacy(_)));
    let protects = |encr: &[Encr], integ: &[Integ]| {
        encr.iter().any(|e| legacy(weak::cipher(*e))) || integ.iter().any(|i| legacy(weak::integrity(*i)))
    };
    let groups = |groups: &[Group]| groups.iter().any(|g| legacy(weak::group(*g)));
    ike.iter()
        .any(|p| protects(&p.encr, &p.integ) || groups(&p.groups) || p.prf.iter().any(|p| legacy(weak::prf(*p))))
        || esp.iter().any(|p| protects(&p.encr, &p.integ) || groups(&p.groups))
}

fn parse<T>(reader: &mut Reader<'_>, key: &str, text: &str, at: usize, expected: &str) -> Option<T>
where
    T: FromStr<Err = ProposalError>,
{
    let why = match text.parse() {
        Ok(value) => return Some(value),
        Err(why) => why,
    };
    let at = match &why {
        ProposalError::Unknown { token, .. }
        | ProposalError::Misplaced { token, .. }
        | ProposalError::Repeated { token } => {
            // Of a word that is there twice, the second is one too many.
            let last = matches!(why, ProposalError::Repeated { .. });
            let mut found = words(text).filter(|(_, word)| word.trim().eq_ignore_ascii_case(token.trim()));
            let word = if last { found.last() } else { found.next() };
            word.map_or(at, |(offset, _)| reader.inside(at, text, offset))
        }
        ProposalError::Missing { .. } => at,
    };
    match why {
        ProposalError::Unknown { token, suggestion } => {
            let hint = suggestion.map_or(String::new(), |name| format!("did you mean \"{name}\"?"));
            reader.error(at, format!("{key}: unknown algorithm {token:?}"), expected, &hint);
        }
        why => reader.error(at, format!("{key}: {why}"), expected, ""),
    }
    None
}

/// The words of a proposal with their offsets.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut next = 0;
    text.split('-').map(move |word| {
        let offset = next;
        next += word.len() + 1;
        (offset, word)
    })
}

/// Looks at the algorithms of one proposal.
struct Judge<'r, 't> {
    reader: &'r mut Reader<'t>,
    key: &'static str,
    text: &'r str,
    at: usize,
    /// Whether the connection says `legacy = true`.
    legacy: bool,
    /// What there is for this connection.
    provider: &'static Provider,
    /// Whether something was refused already.
    refused: bool,
}

impl<'r, 't> Judge<'r, 't> {
    fn new(reader: &'r mut Reader<'t>, key: &'static str, text: &'r str, at: usize, legacy: bool) -> Self {
        Self {
            reader,
            key,
            text,
            at,
            legacy,
            provider: if legacy { legacy_provider() } else { default_provider() },
            refused: false,
        }
    }

    fn ciphers(&mut self, encr: &[Encr], integ: &[Integ]) {
        let protects = self.provider.protects;
        for cipher in encr {
            let known = protects.iter().any(|p| p.encr() == *cipher);
            self.algorithm(*cipher, weak::cipher(*cipher), known, CIPHERS);
        }
        for integ in integ {
            let known = protects.iter().any(|p| p.integ() == Some(*integ));
            self.algorithm(*integ, weak::integrity(*integ), known, INTEGRITY);
        }
        if self.refused {
            return;
        }
        for (cipher, integ) in encr.iter().flat_map(|c| integ.iter().map(move |i| (*c, *i))) {
            if self.provider.protect(cipher, Some(integ)).is_none() {
                let message = format!("{}: {cipher} with {integ} is not available", self.key);
                self.reader.error(self.at, message, "another pair", "");
            }
        }
    }

    fn prfs(&mut self, prfs: &[Prf]) {
        for prf in prfs {
            // One that goes without saying is told by its integrity algorithm, which is as weak.
            let weak = weak::prf(*prf);
            if self.offset(*prf).is_some() || !(self.refused || weak.is_some()) {
                let known = self.provider.prf(*prf).is_some();
                self.algorithm(*prf, weak, known, PRFS);
            }
        }
    }

    fn groups(&mut self, groups: &[Group]) {
        for group in groups {
            let known = self.provider.group(*group).is_some();
            self.algorithm(*group, weak::group(*group), known, GROUPS);
        }
    }

    fn algorithm<T>(&mut self, which: T, weak: Option<Weak>, known: bool, instead: &str)
    where
        T: FromStr + PartialEq + Display + Copy,
    {
        let offset = self.offset(which);
        let at = offset.map_or(self.at, |offset| self.reader.inside(self.at, self.text, offset));
        let defaults = format!("without {} the defaults are offered", self.key);
        let (message, hint) = match weak {
            Some(Weak::Legacy(why)) if self.legacy => {
                let message = format!("{}: {which} is weak: {why}", self.key);
                let hint = "legacy = true allows it; take it away as soon as the peer knows better";
                self.reader.warning(at, message, hint);
                return;
            }
            Some(Weak::Legacy(why)) => (
                format!("{}: {which} is too weak: {why}", self.key),
                "if the peer knows nothing better, legacy = true in this connection allows it".to_string(),
            ),
            Some(Weak::Never(why)) => (format!("{}: {which} is too weak: {why}", self.key), defaults),
            None if !known => (format!("{}: {which} is not available yet", self.key), defaults),
            None => return,
        };
        self.reader.error(at, message, instead, &hint);
        self.refused = true;
    }

    fn offset<T: FromStr + PartialEq>(&self, which: T) -> Option<usize> {
        let is = |word: &str| word.trim().to_ascii_lowercase().parse::<T>().is_ok_and(|t| t == which);
        words(self.text)
            .find(|(_, word)| is(word))
            .map(|(offset, word)| offset + word.len() - word.trim_start().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_proposed_instead_is_there() {
        let provider = default_provider();
        let list = |text: &str| -> Vec<String> {
            let names = text.split(" such as ").nth(1).unwrap_or_default().replace(" or ", ", ");
            names.split(", ").map(str::to_string).collect()
        };
        let known = |name: String| {
            name.parse()
                .is_ok_and(|e| provider.protects.iter().any(|p| p.encr() == e))
                || name
                    .parse()
                    .is_ok_and(|i| provider.protects.iter().any(|p| p.integ() == Some(i)))
                || name.parse().is_ok_and(|p| provider.prf(p).is_some())
                || name.parse().is_ok_and(|g| provider.group(g).is_some())
        };
        for name in [CIPHERS, INTEGRITY, PRFS, GROUPS].into_iter().flat_map(list) {
            assert!(known(name.clone()), "{name}");
        }
    }

    #[test]
    fn words_know_where_they_are() {
        let all: Vec<_> = words("a-bcd--e").collect();
        assert_eq!(all, [(0, "a"), (2, "bcd"), (6, ""), (7, "e")]);
    }
}
