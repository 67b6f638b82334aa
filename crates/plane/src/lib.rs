//! (see Cargo.toml)
pub mod op;
