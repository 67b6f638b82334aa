//! What one side proves itself with, and what it accepts as the other side's proof.
//!
//! The two are apart because RFC 7296 section 2.15 lets each side use another method and another secret. Certificates
//! are in [`certificate`](crate::certificate): making a signature and judging a peer take long or need I/O, so those are
//! questions, answered by whoever drives the engine.

use handfast_crypto::secret::Secret;

/// Our own means of proof.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credential {
    /// A preshared key.
    Psk(Secret),
}

impl Credential {
    /// Name for status and logs ("psk").
    pub fn method_name(&self) -> &'static str {
        match self {
            Self::Psk(_) => "psk",
        }
    }
}

/// What we accept from the peer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Expectation {
    /// Proof of this preshared key.
    Psk(Secret),
}

impl Expectation {
    /// Name for status and logs ("psk").
    pub fn method_name(&self) -> &'static str {
        match self {
            Self::Psk(_) => "psk",
        }
    }
}
