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

const RING: usize = 3;

/// AEAD first.
static PROTECTS: [&dyn ProtectAlgorithm; RING + rust::AEADS.len() + rust::PROTECTS.len()] = {
    let mut all: [&dyn ProtectAlgorithm; RING + rust::AEADS.len() + rust::PROTECTS.len()] =
        [&ring::AES128_GCM16; RING + rust::AEADS.len() + rust::PROTECTS.len()];
    all[1] = &ring::AES256_GCM16;
    all[2] = &ring::CHACHA20_POLY1305;
    let (_, rest) = all.split_at_mut(RING);
    let (aeads, others) = rest.split_at_mut(rust::AEADS.len());
    aeads.copy_from_slice(&rust::AEADS);
    others.copy_from_slice(&rust::PROTECTS);
    all
};

/// All that this crate implements: ring where it has the algorithm, pure Rust where it has not.
pub fn default_provider() -> &'static Provider {
    &DEFAULT
}
