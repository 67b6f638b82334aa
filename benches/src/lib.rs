//! What the benches share.

pub mod ends;
pub mod figures;
#[cfg(feature = "openssl")]
pub mod openssl;
pub mod ratio;
pub mod unavoidable;
pub mod unavoidable_signatures;
pub mod unavoidable_v1;

use handfast_crypto::provider::{CryptoError, RandomSource};

/// The system's randomness.
pub struct Random;

impl RandomSource for Random {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(out).map_err(|_| CryptoError::Random)
    }
}
