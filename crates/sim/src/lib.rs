//! Virtual time and a lossy network for the engine: whole endpoints, no socket, no clock, the same run for the same
//! seed. Unpublished; it serves the project's tests.
#![forbid(unsafe_code)]

pub mod forger;
pub mod forger_v1;
pub mod host;
pub mod impostor;
pub mod network;
pub mod pair;
pub mod pki;
pub mod policies;
pub mod realm;
pub mod rsa_forger;
pub mod seeded;
pub mod world;

pub use forger::Forger;
pub use forger_v1::ForgerV1;
pub use host::Host;
pub use network::{Faults, Nat, Network};
pub use world::World;
