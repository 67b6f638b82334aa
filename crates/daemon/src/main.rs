//! Daemon
fn main() {}
