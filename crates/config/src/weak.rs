//! Which algorithms are weak, and whether `legacy = true` allows them.

use handfast_crypto::transform::{Encr, Group, Integ, Prf};

/// What is wrong with an algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weak {
    /// Allowed where a configuration says so, for peers that know nothing better.
    Legacy(&'static str),
    /// Allowed nowhere.
    Never(&'static str),
}

use Weak::{Legacy, Never};

/// RFC 8221 section 5 and RFC 8247 section 2.1.
pub(crate) fn cipher(encr: Encr) -> Option<Weak> {
    match encr.id {
        1 | 2 | 9 => Some(Never("keys of DES have 56 bits (RFC 8221 section 5: MUST NOT)")),
        3 => Some(Legacy(
            "3DES has blocks of 64 bits, which soon repeat (RFC 8221 section 5: SHOULD NOT)",
        )),
        4..=8 => Some(Never("its blocks have 64 bits, which soon repeat")),
        11 => Some(Never("it does not encrypt")),
        _ => None,
    }
}

/// RFC 8247 section 2.3.
pub(crate) fn integrity(integ: Integ) -> Option<Weak> {
    match integ.0 {
        1 => Some(Legacy("MD5 is broken (RFC 8247 section 2.3: MUST NOT)")),
        4 | 6 => Some(Never("MD5 is broken (RFC 8247 section 2.3: MUST NOT)")),
        3 => Some(Never("DES is broken (RFC 8247 section 2.3: MUST NOT)")),
        _ => None,
    }
}

/// RFC 8247 section 2.2.
pub(crate) fn prf(prf: Prf) -> Option<Weak> {
    match prf.0 {
        1 => Some(Legacy("MD5 is broken (RFC 8247 section 2.2: MUST NOT)")),
        3 => Some(Never("Tiger was given up")),
        _ => None,
    }
}

/// RFC 8247 section 2.4.
pub(crate) fn group(group: Group) -> Option<Weak> {
    match group.0 {
        1 => Some(Never("768 bits can be broken (RFC 8247 section 2.4: MUST NOT)")),
        2 => Some(Legacy(
            "1024 bits can be broken by a rich enemy (RFC 8247 section 2.4: SHOULD NOT)",
        )),
        5 => Some(Legacy("1536 bits are too few (RFC 8247 section 2.4: SHOULD NOT)")),
        22 => Some(Never(
            "1024 bits with a small subgroup can be broken (RFC 8247 section 2.4: MUST NOT)",
        )),
        23 | 24 => Some(Never(
            "it has small subgroups and primes of unknown origin (RFC 8247 section 2.4: SHOULD NOT)",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handfast_crypto::proposal::{EspProposal, IkeProposal};
    use handfast_crypto::{default_provider, legacy_provider};

    #[test]
    fn the_defaults_are_not_weak() {
        let provider = legacy_provider();
        for proposal in IkeProposal::defaults(provider) {
            assert!(proposal.encr.iter().all(|e| cipher(*e).is_none()));
            assert!(proposal.integ.iter().all(|i| integrity(*i).is_none()));
            assert!(proposal.prf.iter().all(|p| prf(*p).is_none()));
            assert!(proposal.groups.iter().all(|g| group(*g).is_none()));
        }
        for proposal in EspProposal::defaults(provider) {
            assert!(proposal.encr.iter().all(|e| cipher(*e).is_none()));
            assert!(proposal.integ.iter().all(|i| integrity(*i).is_none()));
        }
    }

    /// What is weak is what the legacy provider has above the other, and what neither has.
    #[test]
    fn what_is_legacy_is_there_for_who_asks_and_no_more() {
        let (old, all) = (default_provider(), legacy_provider());
        for id in all.groups.iter().map(|g| g.id()) {
            assert_eq!(matches!(group(id), Some(Legacy(_))), old.group(id).is_none(), "{id}");
        }
        for id in all.prfs.iter().map(|p| p.id()) {
            assert_eq!(matches!(prf(id), Some(Legacy(_))), old.prf(id).is_none(), "{id}");
        }
        for protect in all.protects {
            let (encr, integ) = (protect.encr(), protect.integ());
            let weak = [cipher(encr), integ.and_then(integrity)];
            let legacy = weak.iter().any(|w| matches!(w, Some(Legacy(_))));
            assert_eq!(legacy, old.protect(encr, integ).is_none(), "{encr} {integ:?}");
            assert!(!weak.iter().any(|w| matches!(w, Some(Never(_)))), "{encr} {integ:?}");
        }
    }
}
