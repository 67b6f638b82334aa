//! RFC 2202: HMAC-MD5. OpenSSL 3.0: 3DES. Only the legacy provider has them.

use handfast_crypto::transform::{Encr, Group, Integ, Prf};
use handfast_crypto::{legacy_providers, providers};
use handfast_tests::golden::unhex;

fn octets(hex: &str) -> Vec<u8> {
    unhex(hex).unwrap()
}

/// RFC 2202 section 2.
#[test]
fn hmac_md5() {
    for provider in legacy_providers() {
        let prf = provider.prf(Prf::HMAC_MD5).unwrap();
        let counted: Vec<u8> = (1..=25).collect();
        let cases: [(&[u8], &[u8], &str); 7] = [
            (&[0x0b; 16], b"Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "750c783e6ab0b503eaa86e310a5db738",
            ),
            (&[0xaa; 16], &[0xdd; 50], "56be34521d144c88dbb8c733f0e8b3f6"),
            (&counted, &[0xcd; 50], "697eaf0aca3a3aea3a75164746ffaa79"),
            (&[0x0c; 16], b"Test With Truncation", "56461ef2342edc00f9bab995690efd4c"),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
            ),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
                "6f630fad67cda0ee1fb1f562db3aa53e",
            ),
        ];
        for (key, data, output) in cases {
            assert_eq!(prf.compute(key, &[data]).as_bytes(), octets(output));
        }
    }
}

/// The fifth case's truncated digest, over a packet of header, IV and nothing.
#[test]
fn hmac_md5_96() {
    for provider in legacy_providers() {
        let algorithm = provider.protect(Encr::TRIPLE_DES, Some(Integ::HMAC_MD5_96)).unwrap();
        let key = algorithm.key(&[1; 24], &[0x0c; 16]).unwrap();
        let mut packet = [&b"Test With Truncation"[..], &octets("56461ef2342edc00f9bab995")].concat();
        assert_eq!(key.open(&mut packet, 12, None).map(|plain| plain.len()), Ok(0));
        packet[31] ^= 1;
        assert!(key.open(&mut packet, 12, None).is_err());
    }
}

/// `openssl enc -des-ede3-cbc -nopad` of 20 21 .. 47.
#[test]
fn triple_des() {
    for provider in legacy_providers() {
        let plain: Vec<u8> = (0x20..0x48).collect();
        let ciphertext = "aed865a958a327c766b0d687c8bab9cb762053350c5bf53e7024341248ad45b7aa619d875ab00865";
        let algorithm = provider.protect(Encr::TRIPLE_DES, Some(Integ::HMAC_SHA1_96)).unwrap();
        let key = octets("0123456789abcdef23456789abcdef01456789abcdef0123");
        let key = algorithm.key(&key, &[7; 20]).unwrap();
        let mut packet = octets(&["0000432100000007f69f2445df4f9b17", ciphertext].concat());
        let prf = provider.prf(Prf::HMAC_SHA1).unwrap();
        let icv = prf.compute(&[7; 20], &[&packet]);
        packet.extend_from_slice(&icv.as_bytes()[..12]);
        assert_eq!(*key.open(&mut packet, 8, None).unwrap(), plain);
    }
}

#[test]
fn without_legacy_algorithms_there_are_none_of_them() {
    for (provider, with) in providers().iter().zip(legacy_providers()) {
        assert!(provider.prf(Prf::HMAC_MD5).is_none());
        for group in [1, 2, 5, 22, 23, 24].map(Group) {
            assert!(provider.group(group).is_none(), "{group}");
            let legacy = [Group::MODP1024, Group::MODP1536].contains(&group);
            assert_eq!(with.group(group).is_some(), legacy, "{group}");
        }
        let weak = |encr, integ| encr == Encr::TRIPLE_DES || integ == Some(Integ::HMAC_MD5_96);
        assert!(!provider.protects.iter().any(|p| weak(p.encr(), p.integ())));
        assert!(with.protects.iter().any(|p| weak(p.encr(), p.integ())));
    }
}
