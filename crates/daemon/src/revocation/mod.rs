//! Whether a peer's certificate is revoked: CRLs and OCSP answers are fetched over HTTP, past our own tunnels, and kept
//! until they end. Only the engine's question "judge this peer" leads here, and only after proof and path were found good:
//! nobody without a certificate by a trusted CA makes us fetch anything.
//!
//! | question | place |
//! |---|---|
//! | What comes of the engine's question? | [`judge`] |
//! | Which answers are fetched for a path? | [`fetcher`] |
//! | How long is an answer kept, and who waits for whom? | `cache` |
//! | How is it fetched? | [`http`], [`url`], `body` |
//!
//! Names are looked up by the system's resolver, whose packets carry no mark: they go the way of all others.

mod body;
mod cache;
pub mod fetcher;
pub mod http;
pub mod judge;
pub mod url;

pub use cache::{Content, Found};
pub use fetcher::{Fetcher, Gathered, Settings, Step};
