//! Certificates and keys while the daemon runs: files that change, and certificates that expire.

pub mod expiry;
pub mod watch;

pub use watch::{Renewal, Watch};
