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
        &rust::ECP521,
        &rust::BRAINPOOL256,
        &rust::BRAINPOOL384,
        &modp::MODP2048,
        &modp::MODP3072,
        &modp::MODP4096,
        &modp::MODP6144,
        &modp::MODP8192,
    ],
    protects: &PROTECTS,
};

const COUNT: usize = ring::AEADS.len() + rust::AEADS.len() + rust::PROTECTS.len();

/// AEAD first, ring's before those in pure Rust.
static PROTECTS: [&dyn ProtectAlgorithm; COUNT] = join([&ring::AEADS, &rust::AEADS, &rust::PROTECTS]);

/// One table of all of them; N is their total length.
const fn join<const N: usize, const M: usize>(
    parts: [&[&'static dyn ProtectAlgorithm]; M],
) -> [&'static dyn ProtectAlgorithm; N] {
    let mut all = [parts[0][0]; N];
    let mut rest: &mut [_] = &mut all;
    let mut i = 0;
    while i < M {
        let (place, after) = rest.split_at_mut(parts[i].len());
        place.copy_from_slice(parts[i]);
        rest = after;
        i += 1;
    }
    all
}

/// All that this crate implements: ring where it has the algorithm, pure Rust where it has not.
pub fn default_provider() -> &'static Provider {
    &DEFAULT
}
