//! What `run` and `demo` share: the engine with its plane and store, and the answers to its questions.

pub mod answers;
pub mod core;
pub mod costs;
pub mod edges;
pub mod kerberos;
pub mod prepared;
pub mod traffic;

use std::time::Duration;

use handfast_crypto::provider::Provider;
use handfast_engine::Instant;

/// Whose algorithms this build uses. What is offered and accepted comes from the policy alone, and the configuration names a
/// legacy algorithm only where it says `legacy = true`.
pub fn provider() -> &'static Provider {
    #[cfg(feature = "aws-lc")]
    return handfast_crypto::aws_lc_legacy_provider();
    #[cfg(not(feature = "aws-lc"))]
    handfast_crypto::legacy_provider()
}

/// The engine's time now: since boot, suspend included.
pub fn now() -> Instant {
    Instant(crate::net::clock::now())
}

/// A seed that nobody can guess.
pub fn seed() -> Result<[u8; 32], String> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| format!("the system gives no random numbers: {e}"))?;
    Ok(seed)
}

/// How long until a deadline.
pub fn until(deadline: Option<Instant>) -> Duration {
    // Without one, look again now and then; nothing depends on it.
    deadline.map_or(Duration::from_secs(3600), |at| at.since(now()))
}
