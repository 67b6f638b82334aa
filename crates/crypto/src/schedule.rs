//! Key schedules: from nonces and shared secrets to keys, as pure functions.

pub mod v1;
pub mod v2;
