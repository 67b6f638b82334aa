//! What the benches share.

pub mod ends;
pub mod figures;
#[cfg(feature = "openssl")]
pub mod openssl;
pub mod ratio;
pub mod recorded;
pub mod unavoidable;
pub mod unavoidable_signatures;
pub mod unavoidable_v1;

use std::time::Duration;

use handfast_crypto::provider::{CryptoError, RandomSource};

/// The system's randomness.
pub struct Random;

impl RandomSource for Random {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(out).map_err(|_| CryptoError::Random)
    }
}

/// Criterion with so little time for each figure that all benches together end within a quarter of an hour. Options of
/// the command line have the last word.
pub fn criterion() -> criterion::Criterion {
    criterion::Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
}
