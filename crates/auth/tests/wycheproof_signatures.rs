//! Wycheproof's cases for checking RSA (PKCS#1 v1.5 and PSS), ECDSA (both encodings) and Ed25519 signatures.
#![allow(clippy::unwrap_used)]

use handfast_auth::certificate::{Curve, PublicKey, Scheme};
use handfast_crypto::hash::Hash;
use wycheproof::{HashFunction, TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

fn hash(of: HashFunction) -> Option<Hash> {
    match of {
        HashFunction::Sha1 => Some(Hash::Sha1),
        HashFunction::Sha2_256 => Some(Hash::Sha256),
        HashFunction::Sha2_384 => Some(Hash::Sha384),
        HashFunction::Sha2_512 => Some(Hash::Sha512),
        _ => None,
    }
}

/// What was accepted must be valid; what is valid must be accepted.
#[derive(Default)]
struct Tally {
    valid: usize,
    refused: usize,
}

impl Tally {
    fn count(&mut self, what: &str, expected: TestResult, accepted: bool) {
        match expected {
            TestResult::Valid => assert!(accepted, "{what}: a valid signature was refused"),
            TestResult::Invalid => assert!(!accepted, "{what}: an invalid signature was accepted"),
            // Only the missing NULL of DigestInfo is such; it is refused, as RFC 8017 section 8.2.2 note 2 allows.
            TestResult::Acceptable => assert!(!accepted, "{what}: accepted"),
        }
        if accepted {
            self.valid += 1;
        } else {
            self.refused += 1;
        }
    }
}

#[test]
fn rsa_pkcs1() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    let mut tally = Tally::default();
    for name in [
        TestName::Rsa2048Sha256,
        TestName::Rsa2048Sha384,
        TestName::Rsa2048Sha512,
        TestName::Rsa3072Sha256,
        TestName::Rsa3072Sha384,
        TestName::Rsa3072Sha512,
        TestName::Rsa4096Sha256,
        TestName::Rsa4096Sha384,
        TestName::Rsa4096Sha512,
        TestName::Rsa8192Sha256,
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let hash = hash(group.hash).unwrap();
            // A group may have a key that nobody should have; then everything with it is refused.
            let key = PublicKey::from_spki(&group.der);
            for test in group.tests {
                let what = format!("{name:?} {}", test.tc_id);
                let by_scheme = key
                    .as_ref()
                    .is_ok_and(|key| key.verify(Scheme::RsaPkcs1(hash), &test.msg, &test.sig).is_ok());
                tally.count(&what, test.result, by_scheme);
            }
        }
    }
    assert_eq!((tally.valid, tally.refused), (75, 2513));
}

/// The block of IKEv1 (RFC 2409 section 5.1) has no DigestInfo; with one put before the hash, it is the usual one, so
/// the same cases judge it.
#[test]
fn rsa_pkcs1_of_bare_contents() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    const SHA256: &[u8] = &[
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04,
        0x20,
    ];
    let mut tally = Tally::default();
    for group in TestSet::load(TestName::Rsa2048Sha256).unwrap().test_groups {
        let key = PublicKey::from_spki(&group.der);
        for test in group.tests {
            let contents = [SHA256, &Hash::Sha256.digest(&[&test.msg])].concat();
            let accepted = key
                .as_ref()
                .is_ok_and(|key| key.verify_rsa_bare(&contents, &test.sig).is_ok());
            tally.count(&format!("case {}", test.tc_id), test.result, accepted);
        }
    }
    assert_eq!((tally.valid, tally.refused), (9, 250));
}

#[test]
fn rsa_pss() {
    use rsa_pss_verify::{TestName, TestSet};
    let mut tally = Tally::default();
    for name in [
        TestName::RsaPss2048Sha256Mgf1SaltLen0,
        TestName::RsaPss2048Sha256Mgf1SaltLen32,
        TestName::RsaPss2048Sha384Mgf1SaltLen48,
        TestName::RsaPss3072Sha256Mgf1SaltLen32,
        TestName::RsaPss4096Sha256Mgf1SaltLen32,
        TestName::RsaPss4096Sha384Mgf1SaltLen48,
        TestName::RsaPss4096Sha512Mgf1SaltLen32,
        TestName::RsaPss4096Sha512Mgf1SaltLen64,
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let scheme = Scheme::RsaPss {
                hash: hash(group.hash).unwrap(),
                salt: group.salt_size,
            };
            let key = PublicKey::from_spki(&group.der);
            for test in group.tests {
                let accepted = key
                    .as_ref()
                    .is_ok_and(|key| key.verify(scheme, &test.msg, &test.sig).is_ok());
                tally.count(&format!("{name:?} {}", test.tc_id), test.result, accepted);
            }
        }
    }
    assert_eq!((tally.valid, tally.refused), (704, 361));
}

#[test]
fn ecdsa_in_both_encodings() {
    use ecdsa::{TestName, TestSet};
    let mut tally = Tally::default();
    for (name, curve, fixed) in [
        (TestName::EcdsaSecp256r1Sha256, Curve::P256, false),
        (TestName::EcdsaSecp256r1Sha512, Curve::P256, false),
        (TestName::EcdsaSecp384r1Sha256, Curve::P384, false),
        (TestName::EcdsaSecp384r1Sha384, Curve::P384, false),
        (TestName::EcdsaSecp384r1Sha512, Curve::P384, false),
        (TestName::EcdsaSecp521r1Sha512, Curve::P521, false),
        (TestName::EcdsaSecp256r1Sha256P1363, Curve::P256, true),
        (TestName::EcdsaSecp384r1Sha384P1363, Curve::P384, true),
        (TestName::EcdsaSecp521r1Sha512P1363, Curve::P521, true),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let hash = hash(group.hash).unwrap();
            let key = PublicKey::from_spki(&group.der).unwrap();
            assert!(matches!(&key, PublicKey::Ec(of, _) if *of == curve));
            for test in group.tests {
                let checked = if fixed {
                    key.verify_ecdsa_fixed(hash, &test.msg, &test.sig)
                } else {
                    key.verify(Scheme::Ecdsa(hash), &test.msg, &test.sig)
                };
                tally.count(&format!("{name:?} {}", test.tc_id), test.result, checked.is_ok());
            }
        }
    }
    assert_eq!((tally.valid, tally.refused), (1833, 2125));
}

#[test]
fn ed25519() {
    use eddsa::{TestName, TestSet};
    let mut tally = Tally::default();
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = PublicKey::from_spki(&group.der).unwrap();
        for test in group.tests {
            let checked = key.verify(Scheme::Ed25519, &test.msg, &test.sig);
            tally.count(&format!("case {}", test.tc_id), test.result, checked.is_ok());
        }
    }
    assert_eq!((tally.valid, tally.refused), (88, 63));
}
