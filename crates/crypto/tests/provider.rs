//! The suite over every provider there is.
#![allow(clippy::unwrap_used)]

pub mod suite;

use handfast_crypto::proposal::{EspProposal, IkeProposal};
use handfast_crypto::provider::{CryptoError, ProtectAlgorithm, Provider, RandomSource};
use handfast_crypto::transform::Group;
use handfast_crypto::{legacy_providers, providers};

#[test]
fn every_provider_does_all_it_must() {
    for provider in providers() {
        suite::check(provider);
    }
}

#[test]
fn so_does_every_provider_with_legacy_algorithms() {
    for provider in legacy_providers() {
        suite::check(provider);
    }
}

/// What a configuration may have only when it says so.
#[test]
fn the_legacy_algorithms_are_3des_md5_and_short_groups() {
    for (old, all) in providers().iter().zip(legacy_providers()) {
        added(old, all);
    }
}

fn added(old: &Provider, all: &Provider) {
    let prfs: Vec<String> = all.prfs[old.prfs.len()..]
        .iter()
        .map(|prf| prf.id().to_string())
        .collect();
    assert_eq!(prfs, ["prfmd5"]);
    let groups: Vec<String> = all.groups[old.groups.len()..]
        .iter()
        .map(|group| group.id().to_string())
        .collect();
    assert_eq!(groups, ["modp1536", "modp1024"]);
    let added: Vec<String> = all.protects[old.protects.len()..].iter().map(|p| name(*p)).collect();
    let mut wanted: Vec<String> = ["sha256", "sha384", "sha512", "sha1", "aescmac", "aesxcbc"]
        .map(|integ| format!("3des-{integ}"))
        .into();
    for mode in ["", "ctr"] {
        wanted.extend([256, 192, 128].map(|bits| format!("aes{bits}{mode}-md5")));
    }
    wanted.push("3des-md5".to_owned());
    assert_eq!(added, wanted);
    for (one, other) in old.protects.iter().zip(all.protects) {
        assert_eq!(name(*one), name(*other));
    }
    assert_eq!(IkeProposal::defaults(all), IkeProposal::defaults(old));
    assert_eq!(EspProposal::defaults(all), EspProposal::defaults(old));
}

fn name(algorithm: &dyn ProtectAlgorithm) -> String {
    match algorithm.integ() {
        Some(integ) => format!("{}-{integ}", algorithm.encr()),
        None => algorithm.encr().to_string(),
    }
}

#[test]
fn every_provider_has_what_is_promised() {
    for provider in providers() {
        promised(provider);
    }
}

fn promised(provider: &Provider) {
    let groups: Vec<String> = provider.groups.iter().map(|group| group.id().to_string()).collect();
    assert_eq!(
        groups.join(" "),
        "x25519 ecp256 ecp384 ecp521 ecp256bp ecp384bp modp2048 modp3072 modp4096 modp6144 modp8192"
    );
    let prfs: Vec<String> = provider.prfs.iter().map(|prf| prf.id().to_string()).collect();
    assert_eq!(
        prfs.join(" "),
        "prfsha256 prfsha384 prfsha512 prfsha1 prfaescmac prfaesxcbc"
    );
    let mut protects: Vec<String> = provider.protects.iter().map(|p| name(*p)).collect();
    protects.sort();
    let mut wanted = vec!["chacha20poly1305".to_owned()];
    for bits in [128, 192, 256] {
        wanted.extend(["gcm16", "gcm12", "gcm8", "ccm16", "ccm12", "ccm8"].map(|mode| format!("aes{bits}{mode}")));
        for integ in ["sha1", "sha256", "sha384", "sha512", "aesxcbc", "aescmac"] {
            wanted.extend(["", "ctr"].map(|mode| format!("aes{bits}{mode}-{integ}")));
        }
    }
    wanted.sort();
    assert_eq!(protects, wanted);
}

#[test]
fn without_randomness_there_is_no_key() {
    struct Dry;
    impl RandomSource for Dry {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), CryptoError> {
            Err(CryptoError::Random)
        }
    }
    for provider in providers() {
        // These have a source of their own.
        let own: &[Group] = match provider.name {
            "ring" => &[Group::X25519, Group::ECP256, Group::ECP384],
            _ => &[Group::X25519, Group::ECP256, Group::ECP384, Group::ECP521],
        };
        for group in provider.groups.iter().filter(|group| !own.contains(&group.id())) {
            assert_eq!(group.generate(&mut Dry).map(|_| ()), Err(CryptoError::Random));
        }
    }
}

/// With the feature `aws-lc` there are two, and this says that the suite has seen both.
#[test]
fn the_features_say_which_providers_there_are() {
    let names: Vec<&str> = providers().iter().map(|provider| provider.name).collect();
    if cfg!(feature = "aws-lc") {
        assert_eq!(names, ["ring", "aws-lc"]);
    } else {
        assert_eq!(names, ["ring"]);
    }
}
