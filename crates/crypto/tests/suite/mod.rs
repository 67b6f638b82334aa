//! What every implementation behind the traits of `handfast_crypto::provider` must do.

mod agreement;
mod prf;
mod protect;

use handfast_crypto::provider::{CryptoError, Provider, RandomSource};

/// A source that is no source of randomness, for tests: a counter.
pub struct Counter(pub u8);

impl RandomSource for Counter {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        for octet in out {
            self.0 = self.0.wrapping_add(1);
            *octet = self.0;
        }
        Ok(())
    }
}

/// Runs over every entry of a provider's table.
pub fn check(provider: &Provider) {
    let mut seen = Vec::new();
    for prf in provider.prfs {
        assert!(provider.prf(prf.id()).is_some());
        seen.push(prf.id().to_string());
        prf::check(*prf);
    }
    for group in provider.groups {
        assert!(provider.group(group.id()).is_some());
        seen.push(group.id().to_string());
        agreement::check(*group);
    }
    for protect in provider.protects {
        let (encr, integ) = (protect.encr(), protect.integ());
        assert!(provider.protect(encr, integ).is_some());
        seen.push(format!("{encr}-{integ:?}"));
        protect::check(*protect);
    }
    assert!(!seen.is_empty());
    let total = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), total, "something is there twice: {seen:?}");
}
