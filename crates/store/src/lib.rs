//! (see Cargo.toml)
pub mod delta;
