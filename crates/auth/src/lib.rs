//! (see Cargo.toml)
pub mod identity;
