//! Published answers: NIST's CAVS for the key schedules of IKEv1 and IKEv2, RFCs for the algorithms, and OpenSSL's where no RFC has
//! any.
#![allow(clippy::unwrap_used)]

#[path = "vectors/aes.rs"]
mod aes;
#[path = "vectors/cavs.rs"]
mod cavs;
#[path = "vectors/cavs_v1.rs"]
mod cavs_v1;
#[path = "vectors/every.rs"]
mod every;
#[path = "vectors/legacy.rs"]
mod legacy;
#[path = "vectors/openssl.rs"]
mod openssl;
#[path = "vectors/rfc.rs"]
mod rfc;
