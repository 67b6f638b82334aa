//! Keys, signatures and certificates that OpenSSL made are read and judged as OpenSSL judges them, and the other way
//! round.
#![allow(clippy::unwrap_used)]

#[path = "certificates_openssl/forged.rs"]
mod forged;
#[path = "certificates_openssl/keys.rs"]
mod keys;
#[path = "certificates_openssl/paths.rs"]
mod paths;
#[path = "certificates_openssl/revoked.rs"]
mod revoked;
