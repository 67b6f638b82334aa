//! Signatures that a careless verifier accepts (hostile row A033; CVE-2006-4339, CVE-2018-16151): made without the
//! private key, for keys with the exponent 3.

use handfast_auth::certificate::{PublicKey, Scheme, ikev1};
use handfast_crypto::hash::Hash;
use num_bigint::BigUint;

const LENGTH: usize = 256;

/// A number whose cube begins with `block`, the rest of which may be anything.
fn cube_root_of(block: &[u8]) -> Vec<u8> {
    let mut padded = block.to_vec();
    padded.resize(LENGTH, 0);
    let root = BigUint::from_bytes_be(&padded).cbrt() + 1u32;
    let cube = root.pow(3).to_bytes_be();
    // What a verifier sees that reads from the left: the padding, the contents, and then garbage.
    let seen = [vec![0; LENGTH - cube.len()], cube].concat();
    assert_eq!(seen[..block.len()], *block);
    let root = root.to_bytes_be();
    [vec![0; LENGTH - root.len()], root].concat()
}

#[test]
fn cube_roots_are_no_signatures() {
    // Nobody needs its factors.
    let mut n = vec![0xd3; LENGTH];
    n[LENGTH - 1] = 0xd5;
    let key = PublicKey::rsa(&n, &[3]).unwrap();
    let message = b"octets that are signed";
    let digest = Hash::Sha256.digest(&[message]);
    const SHA256: &[u8] = &[
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 5, 0, 4, 0x20,
    ];
    let without_null = [&[0x30, 0x2f, 0x30, 0x0b][..], &SHA256[4..15], &[4, 0x20]].concat();
    let ones = |count: usize| [vec![0, 1], vec![0xff; count], vec![0]].concat();
    for padding in [0, 1, 8, 16] {
        for info in [SHA256, &without_null, &[]] {
            let forged = cube_root_of(&[ones(padding), info.to_vec(), digest.clone()].concat());
            assert!(key.verify(Scheme::RsaPkcs1(Hash::Sha256), message, &forged).is_err());
            assert!(ikev1::verify(&key, 3, &digest, &forged).is_err());
            assert!(key.verify(Scheme::pss(Hash::Sha256), message, &forged).is_err());
        }
    }
    // Numbers that are their own powers or nothing: 0, 1, n - 1, n, and the wrong length (hostile row A035).
    let number = |value: &BigUint| {
        let octets = value.to_bytes_be();
        [vec![0; LENGTH - octets.len()], octets].concat()
    };
    let modulus = BigUint::from_bytes_be(&n);
    for value in [BigUint::ZERO, 1u32.into(), &modulus - 1u32, modulus] {
        let signature = number(&value);
        for signature in [&signature[..], &signature[1..], &[&[0], &signature[..]].concat(), &[]] {
            assert!(key.verify(Scheme::RsaPkcs1(Hash::Sha256), message, signature).is_err());
            assert!(key.verify(Scheme::pss(Hash::Sha256), message, signature).is_err());
            let salted = Scheme::RsaPss {
                hash: Hash::Sha256,
                salt: 0,
            };
            assert!(key.verify(salted, message, signature).is_err());
            assert!(ikev1::verify(&key, 3, &digest, signature).is_err());
        }
    }
}
