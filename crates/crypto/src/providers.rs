//! Implementations behind the traits of [`provider`](crate::provider), and the table of them.

mod modp;
mod packet;
mod ring;
mod rust;

use crate::provider::{ProtectAlgorithm, Provider};

static DEFAULT: Provider = Provider {
    name: "ring",
    prfs: rust::PRFS,
    groups: &[
        &ring::X25519,
        &ring::ECP256,
        &ring::ECP384,
        &modp::MODP2048,
        &modp::MODP3072,
        &modp::MODP4096,
        &modp::MODP6144,
        &modp::MODP8192,
    ],
    protects: &PROTECTS,
};

/// AEAD first.
static PROTECTS: [&dyn ProtectAlgorithm; 3 + rust::PROTECTS.len()] = {
    let mut all: [&dyn ProtectAlgorithm; 3 + rust::PROTECTS.len()] = [&ring::AES128_GCM16; 3 + rust::PROTECTS.len()];
    all[1] = &ring::AES256_GCM16;
    all[2] = &ring::CHACHA20_POLY1305;
    let mut i = 0;
    while i < rust::PROTECTS.len() {
        all[3 + i] = rust::PROTECTS[i];
        i += 1;
    }
    all
};

/// All that this crate implements: ring where it has the algorithm, pure Rust where it has not.
pub fn default_provider() -> &'static Provider {
    &DEFAULT
}
