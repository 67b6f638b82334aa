//! The provider of AWS-LC: what it has and does faster, and below it the same code as in the default one.

use super::{LEGACY_CBCS, LEGACY_PRFS, aws_lc, join, modp, rust};
use crate::provider::{KeyAgreement, ProtectAlgorithm, Provider};

pub(super) static DEFAULT: Provider = Provider {
    name: "aws-lc",
    prfs: &rust::PRFS,
    groups: &GROUPS,
    protects: &PROTECTS,
    cbcs: &rust::CBCS,
};

static GROUPS: [&dyn KeyAgreement; 11] = [
    &aws_lc::X25519,
    &aws_lc::ECP256,
    &aws_lc::ECP384,
    &aws_lc::ECP521,
    &rust::BRAINPOOL256,
    &rust::BRAINPOOL384,
    &modp::MODP2048,
    &modp::MODP3072,
    &modp::MODP4096,
    &modp::MODP6144,
    &modp::MODP8192,
];

/// AES-GCM with 192 bits, the first of these, is among AWS-LC's.
const RUST_AEADS: &[&dyn ProtectAlgorithm] = rust::AEADS.split_at(1).1;

const COUNT: usize = aws_lc::AEADS.len() + RUST_AEADS.len() + rust::PROTECTS.len();

static PROTECTS: [&dyn ProtectAlgorithm; COUNT] = join([&aws_lc::AEADS, RUST_AEADS, &rust::PROTECTS]);

pub(super) static LEGACY: Provider = Provider {
    name: "aws-lc",
    prfs: &LEGACY_PRFS,
    groups: &LEGACY_GROUPS,
    protects: &LEGACY_PROTECTS,
    cbcs: &LEGACY_CBCS,
};

static LEGACY_GROUPS: [&dyn KeyAgreement; GROUPS.len() + 2] = join([&GROUPS, &[&modp::MODP1536, &modp::MODP1024]]);

static LEGACY_PROTECTS: [&dyn ProtectAlgorithm; COUNT + rust::LEGACY_PROTECTS.len()] =
    join([&PROTECTS, &rust::LEGACY_PROTECTS]);

/// AWS-LC where it has the algorithm and wins; else the default provider's. It has the same algorithms.
pub fn aws_lc_provider() -> &'static Provider {
    &DEFAULT
}

/// The same with the algorithms of [`legacy_provider`](crate::legacy_provider).
pub fn aws_lc_legacy_provider() -> &'static Provider {
    &LEGACY
}
