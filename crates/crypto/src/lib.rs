//! Transforms, key agreement and key schedules of IKE as pure functions.
//!
//! * [`transform`] names algorithms by IANA number, [`proposal`] puts names together into offers and suites.
//! * [`provider`] has the traits behind which algorithms stand, [`default_provider`] the table of those implemented and
//!   fit for use, [`legacy_provider`] that with a few which are not. The feature `aws-lc` adds a second provider, with the
//!   algorithms of AWS-LC where it has them; [`providers`] lists those of a build.
//! * [`schedule`] derives keys from nonces and shared secrets.
#![forbid(unsafe_code)]
pub mod hash;
pub mod proposal;
pub mod provider;
mod providers;
pub mod schedule;
pub mod secret;
pub mod transform;

#[cfg(feature = "aws-lc")]
pub use providers::{aws_lc_legacy_provider, aws_lc_provider};
pub use providers::{default_provider, legacy_provider, legacy_providers, providers, system_random};

/// The example of README.md, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
