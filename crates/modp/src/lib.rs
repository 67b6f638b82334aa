//! Constant-time Diffie-Hellman in the MODP groups of IKE (RFC 3526).
//!
//! ```
//! use handfast_modp::{ModpGroup, PrivateKey};
//!
//! let group = ModpGroup::by_number(14)?;
//! # let mut seed = 0_u8;
//! # let mut random = |out: &mut [u8]| -> Result<(), handfast_modp::Error> {
//! #     out.iter_mut().for_each(|octet| { seed = seed.wrapping_mul(5).wrapping_add(7); *octet = seed });
//! #     Ok(())
//! # };
//! let (ours, theirs) = (PrivateKey::generate(group, &mut random)?, PrivateKey::generate(group, &mut random)?);
//! assert_eq!(ours.agree(&theirs.public())?, theirs.agree(&ours.public())?);
//! # Ok::<(), handfast_modp::Error>(())
//! ```
//!
//! Time depends on the group only, not on the private value nor on the peer's public value, except that an illegal
//! public value is refused at once. Private values and shared secrets are erased when they are dropped; copies that the
//! arithmetic leaves on the stack are not.
//!
//! The first public value in a group makes its table of powers of 2 (README.md says how large), which takes as long as
//! some ten exponentiations; which instructions multiply is found out at run time ([`Arithmetic`]).
#![deny(unsafe_code)] // except in ifma/kernel.rs

mod arithmetic;
mod field;
mod group;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod key;
mod limbs;
mod montgomery;
mod primes;

pub use arithmetic::Arithmetic;
pub use group::ModpGroup;
pub use key::PrivateKey;

/// Why there is no group, key or shared secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// No MODP group has this number.
    #[error("{0} is the number of no MODP group")]
    UnknownGroup(u16),
    /// The group is known and too weak to use.
    #[error("group {number} ({name}) is refused: {reason}")]
    RefusedGroup {
        /// IANA number.
        number: u16,
        /// Usual name.
        name: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The peer's public value is not one (RFC 6989 section 2.1).
    #[error("public value out of range")]
    PublicValue,
    /// A private value has the wrong length, or is too small to hide anything.
    #[error("private value of wrong length or below 2")]
    PrivateValue,
}

/// The example of README.md, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
