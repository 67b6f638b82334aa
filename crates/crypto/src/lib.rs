//! Transforms, key agreement and key schedules of IKE as pure functions.
#![forbid(unsafe_code)]
pub mod proposal;
pub mod provider;
pub mod secret;
pub mod transform;
