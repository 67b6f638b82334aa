//! Published answers: NIST's CAVS for the key schedule of IKEv2, RFCs for HMAC, AES-CBC and ChaCha20-Poly1305 in ESP.
#![allow(clippy::unwrap_used)]

#[path = "vectors/cavs.rs"]
mod cavs;
#[path = "vectors/rfc.rs"]
mod rfc;
