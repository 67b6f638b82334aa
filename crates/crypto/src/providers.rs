//! Implementations behind the traits of [`provider`](crate::provider), and the table of them.

#[cfg(test)]
mod answers;
#[cfg(feature = "aws-lc")]
mod aws_lc;
#[cfg(feature = "aws-lc")]
mod aws_lc_tables;
mod modp;
mod packet;
mod ring;
mod rust;

#[cfg(feature = "aws-lc")]
pub use aws_lc_tables::{aws_lc_legacy_provider, aws_lc_provider};
pub use ring::system_random;

use crate::provider::{CbcAlgorithm, KeyAgreement, PrfAlgorithm, ProtectAlgorithm, Provider};

static DEFAULT: Provider = Provider {
    name: "ring",
    prfs: &rust::PRFS,
    groups: &GROUPS,
    protects: &PROTECTS,
    cbcs: &rust::CBCS,
};

static GROUPS: [&dyn KeyAgreement; 11] = [
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
];

const COUNT: usize = ring::AEADS.len() + rust::AEADS.len() + rust::PROTECTS.len();

/// AEAD first, ring's before those in pure Rust.
static PROTECTS: [&dyn ProtectAlgorithm; COUNT] = join([&ring::AEADS, &rust::AEADS, &rust::PROTECTS]);

static LEGACY: Provider = Provider {
    name: "ring",
    prfs: &LEGACY_PRFS,
    groups: &LEGACY_GROUPS,
    protects: &LEGACY_PROTECTS,
    cbcs: &LEGACY_CBCS,
};

static LEGACY_PRFS: [&dyn PrfAlgorithm; rust::PRFS.len() + rust::LEGACY_PRFS.len()] =
    join([&rust::PRFS, &rust::LEGACY_PRFS]);

static LEGACY_GROUPS: [&dyn KeyAgreement; GROUPS.len() + 2] = join([&GROUPS, &[&modp::MODP1536, &modp::MODP1024]]);

static LEGACY_PROTECTS: [&dyn ProtectAlgorithm; COUNT + rust::LEGACY_PROTECTS.len()] =
    join([&PROTECTS, &rust::LEGACY_PROTECTS]);

static LEGACY_CBCS: [&dyn CbcAlgorithm; rust::CBCS.len() + rust::LEGACY_CBCS.len()] =
    join([&rust::CBCS, &rust::LEGACY_CBCS]);

/// One table of all of them; N is their total length, and the first is not empty.
const fn join<T: Copy, const N: usize, const M: usize>(parts: [&[T]; M]) -> [T; N] {
    let mut all = [parts[0][0]; N];
    let mut rest: &mut [_] = &mut all;
    let mut i = 0;
    while i < M {
        let (place, after) = rest.split_at_mut(parts[i].len());
        place.copy_from_slice(parts[i]);
        rest = after;
        i += 1;
    }
    assert!(rest.is_empty());
    all
}

/// All that is fit for use: ring where it has the algorithm, pure Rust where it has not.
pub fn default_provider() -> &'static Provider {
    &DEFAULT
}

/// The default provider's algorithms, and after them 3DES, HMAC-MD5 as an integrity algorithm, PRF_HMAC_MD5, and the groups
/// of 1024 and 1536 bits, which RFC 8221 and RFC 8247 advise against or forbid. Nothing is taken from it unless somebody
/// asks for that by name.
pub fn legacy_provider() -> &'static Provider {
    &LEGACY
}

static PROVIDERS: &[&Provider] = &[
    &DEFAULT,
    #[cfg(feature = "aws-lc")]
    &aws_lc_tables::DEFAULT,
];

static LEGACY_PROVIDERS: &[&Provider] = &[
    &LEGACY,
    #[cfg(feature = "aws-lc")]
    &aws_lc_tables::LEGACY,
];

/// Every provider of this build, each with the same algorithms in the same order: the default one, and with the feature
/// `aws-lc` that of AWS-LC.
pub fn providers() -> &'static [&'static Provider] {
    PROVIDERS
}

/// The same, each with the legacy algorithms after its own.
pub fn legacy_providers() -> &'static [&'static Provider] {
    LEGACY_PROVIDERS
}
