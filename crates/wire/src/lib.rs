//! (see Cargo.toml)
pub mod selector;
