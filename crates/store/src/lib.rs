//! SA facts as versioned data, and the stores that keep them.
//!
//! * [`delta`] holds the changes that the engine records; a store is the fold of them.
//! * [`snapshot`] is what a store holds at one moment, as data.
//! * [`memory`] and [`journal`] are stores, behind [`SaStore`].
//! * [`refusals`] are the latest of them, in memory only.
//! * [`status`] is what `handfast status --json` prints, made from a snapshot.
//!
//! No key material is in any of them.
#![forbid(unsafe_code)]

pub mod delta;
pub mod journal;
pub mod memory;
mod packed;
pub mod refusals;
pub mod snapshot;
pub mod status;

pub use delta::SaDelta;
pub use journal::JournalStore;
pub use memory::MemoryStore;
pub use snapshot::SaSnapshot;

use delta::SaId;

/// Keeps SA facts.
pub trait SaStore: Send {
    /// Keeps one change. When it returns, the change is as durable as this store makes it, so that the peer may be told.
    ///
    /// # Errors
    /// The change was not kept, and the store is as before.
    fn record(&mut self, delta: &SaDelta) -> Result<(), StoreError>;

    /// What is kept now.
    fn snapshot(&self) -> SaSnapshot;
}

/// Why a change was not kept, or a stored form not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A child was recorded before its IKE SA or after its end.
    #[error("child SA {child} belongs to IKE SA {}, which is not recorded", .ike.0)]
    UnknownSa {
        /// The child.
        child: u64,
        /// Its IKE SA.
        ike: SaId,
    },
    /// The medium failed.
    #[error("the store cannot write: {0}")]
    Io(#[from] std::io::Error),
    /// An earlier write failed half way; nothing can follow it.
    #[error("the store is closed after an earlier write error")]
    Closed,
    /// A stored form is not readable.
    #[error("line {line} of the stored form is not readable: {why}")]
    Format {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A stored form is of another version.
    #[error(
        "the stored form has version {found}; this program reads version {}",
        delta::FORMAT_VERSION
    )]
    Version {
        /// Its version.
        found: u16,
    },
}

/// The example of README.md, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
