//! What is offered when the configuration names no proposal.

use super::{Esn, EspProposal, IkeProposal};
use crate::provider::Provider;
use crate::transform::{Encr, Group, Integ, Prf};

/// Ciphers with their own integrity protection, best first. AES-128 first: it is the fastest, and no weaker in practice.
const AEAD: [Encr; 3] = [Encr::aes_gcm16(128), Encr::aes_gcm16(256), Encr::CHACHA20_POLY1305];
const CBC: [Encr; 3] = [Encr::aes_cbc(256), Encr::aes_cbc(192), Encr::aes_cbc(128)];
/// No SHA-1: RFC 8247 keeps it as MUST-, on its way out.
const INTEG: [Integ; 3] = [
    Integ::HMAC_SHA2_256_128,
    Integ::HMAC_SHA2_384_192,
    Integ::HMAC_SHA2_512_256,
];
const PRF: [Prf; 3] = [Prf::HMAC_SHA2_256, Prf::HMAC_SHA2_384, Prf::HMAC_SHA2_512];
/// Nothing below 2048 bits (RFC 8247 section 2.4).
const GROUPS: [Group; 6] = [
    Group::X25519,
    Group::ECP256,
    Group::ECP384,
    Group::MODP2048,
    Group::MODP3072,
    Group::MODP4096,
];

impl IkeProposal {
    /// The proposals for an IKE SA when none is configured: first AEAD, then AES-CBC with HMAC; only what `provider`
    /// implements.
    pub fn defaults(provider: &Provider) -> Vec<Self> {
        let prf: Vec<Prf> = PRF.into_iter().filter(|id| provider.prf(*id).is_some()).collect();
        let groups: Vec<Group> = GROUPS.into_iter().filter(|id| provider.group(*id).is_some()).collect();
        if prf.is_empty() || groups.is_empty() {
            return Vec::new();
        }
        ciphers(provider)
            .into_iter()
            .map(|(encr, integ)| Self {
                encr,
                prf: prf.clone(),
                integ,
                groups: groups.clone(),
            })
            .collect()
    }
}

impl EspProposal {
    /// The proposals for a child SA when none is configured, in the same order; without a group of their own.
    pub fn defaults(provider: &Provider) -> Vec<Self> {
        ciphers(provider)
            .into_iter()
            .map(|(encr, integ)| Self {
                encr,
                integ,
                groups: Vec::new(),
                // Extended first: a fast SA need not be replaced because its numbers run out.
                esn: Esn::Either,
            })
            .collect()
    }
}

fn ciphers(provider: &Provider) -> Vec<(Vec<Encr>, Vec<Integ>)> {
    let has = |encr, integ| provider.protect(encr, integ).is_some();
    let aead: Vec<Encr> = AEAD.into_iter().filter(|encr| has(*encr, None)).collect();
    // Any cipher may be chosen with any integrity algorithm, so only those that go with all others are offered.
    let integ: Vec<Integ> = INTEG
        .into_iter()
        .filter(|integ| CBC.iter().any(|encr| has(*encr, Some(*integ))))
        .collect();
    let cbc: Vec<Encr> = CBC
        .into_iter()
        .filter(|encr| integ.iter().all(|integ| has(*encr, Some(*integ))))
        .collect();
    let mut all = Vec::new();
    if !aead.is_empty() {
        all.push((aead, Vec::new()));
    }
    if !cbc.is_empty() && !integ.is_empty() {
        all.push((cbc, integ));
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::default_provider;
    use crate::provider::{PrfAlgorithm, ProtectAlgorithm};

    #[test]
    fn aead_comes_first_and_sha1_not_at_all() {
        let ike = IkeProposal::defaults(default_provider());
        let text: Vec<String> = ike.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "aes128gcm16-aes256gcm16-chacha20poly1305-prfsha256-prfsha384-prfsha512-\
                 x25519-ecp256-ecp384-modp2048-modp3072-modp4096",
                "aes256-aes192-aes128-sha256-sha384-sha512-x25519-ecp256-ecp384-modp2048-modp3072-modp4096",
            ]
        );
        let esp: Vec<String> = EspProposal::defaults(default_provider())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            esp,
            [
                "aes128gcm16-aes256gcm16-chacha20poly1305-esn-noesn",
                "aes256-aes192-aes128-sha256-sha384-sha512-esn-noesn"
            ]
        );
        for proposal in ike {
            assert_eq!(proposal.to_string().parse(), Ok(proposal));
        }
    }

    #[test]
    fn only_what_is_implemented_is_offered() {
        static PRFS: [&dyn PrfAlgorithm; 0] = [];
        let with = |protects: &'static [&'static dyn ProtectAlgorithm]| Provider {
            name: "test",
            prfs: &PRFS,
            groups: default_provider().groups,
            protects,
            cbcs: &[],
        };
        assert!(IkeProposal::defaults(&with(default_provider().protects)).is_empty());
        assert!(EspProposal::defaults(&with(&[])).is_empty());
        let one = EspProposal::defaults(&with(&default_provider().protects[..1]));
        assert_eq!(one.len(), 1);
        assert_eq!(one.first().unwrap().to_string(), "aes128gcm16-esn-noesn");
    }
}
