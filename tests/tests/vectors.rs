//! Published answers: NIST's CAVS for the key schedule of IKEv2, RFCs for the algorithms, and OpenSSL's where no RFC has
//! any.
#![allow(clippy::unwrap_used)]

#[path = "vectors/aes.rs"]
mod aes;
#[path = "vectors/cavs.rs"]
mod cavs;
#[path = "vectors/legacy.rs"]
mod legacy;
#[path = "vectors/openssl.rs"]
mod openssl;
#[path = "vectors/rfc.rs"]
mod rfc;
