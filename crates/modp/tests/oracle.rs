//! Keys and shared secrets against num-bigint.
#![allow(clippy::unwrap_used)]

use handfast_modp::{Error, ModpGroup, PrivateKey};
use num_bigint::BigUint;
use proptest::prelude::*;

/// Those that anybody may use, and those for who asks.
fn groups() -> impl Iterator<Item = ModpGroup> {
    [2, 5]
        .map(|number| ModpGroup::legacy(number).unwrap())
        .into_iter()
        .chain(ModpGroup::all())
}

fn padded(value: &BigUint, len: usize) -> Vec<u8> {
    let octets = value.to_bytes_be();
    let mut out = vec![0; len - octets.len()];
    out.extend_from_slice(&octets);
    out
}

fn prime(group: ModpGroup) -> BigUint {
    BigUint::from_bytes_be(&group.prime())
}

/// Compares the public value and the shared secret of one private value with the oracle's.
fn check(group: ModpGroup, private: &[u8], peer: &BigUint) {
    let (p, x) = (prime(group), BigUint::from_bytes_be(private));
    let key = PrivateKey::from_octets(group, private).unwrap();
    let public = padded(&BigUint::from(2_u8).modpow(&x, &p), group.public_len());
    assert_eq!(key.public(), public, "{group:?} public");
    let shared = padded(&peer.modpow(&x, &p), group.public_len());
    let peer = padded(peer, group.public_len());
    assert_eq!(*key.agree(&peer).unwrap(), shared, "{group:?} shared");
}

fn private(group: ModpGroup, value: u64) -> Vec<u8> {
    padded(&BigUint::from(value), group.private_len())
}

#[test]
fn edges() {
    for group in groups() {
        let p = prime(group);
        let peers = [
            BigUint::from(2_u8),
            BigUint::from(3_u8),
            &p - 2_u8,
            &p - 3_u8,
            &p >> 1_u8,
        ];
        for peer in peers {
            check(group, &private(group, 2), &peer);
            check(group, &private(group, 65_537), &peer);
        }
        // Carries everywhere, and a result of few octets that is padded.
        check(group, &vec![0xff; group.private_len()], &(&p - 2_u8));
        let key = PrivateKey::from_octets(group, &private(group, 3)).unwrap();
        assert_eq!(key.public(), padded(&BigUint::from(8_u8), group.public_len()));
        // Each half of a limb, and each limb, empty in turn.
        for limb in 0..group.private_len() / 8 {
            let mut octets = vec![0x5a; group.private_len()];
            octets[limb * 8..limb * 8 + 8].fill(0);
            octets[0] |= 1;
            check(group, &octets, &BigUint::from(3_u8));
        }
    }
}

#[test]
fn values_out_of_range_are_refused() {
    for group in groups() {
        let p = prime(group);
        let key = PrivateKey::from_octets(group, &private(group, 12_345)).unwrap();
        let len = group.public_len();
        let zero = BigUint::ZERO;
        for bad in [zero, BigUint::from(1_u8), &p - 1_u8, p.clone(), &p + 1_u8, &p + 2_u8] {
            assert_eq!(
                key.agree(&padded(&bad, len)),
                Err(Error::PublicValue),
                "{group:?} {bad}"
            );
        }
        assert_eq!(key.agree(&vec![0xff; len]), Err(Error::PublicValue));
        for len in [0, 1, len - 1, len + 1, 2 * len] {
            assert_eq!(key.agree(&vec![3; len]), Err(Error::PublicValue), "{group:?} {len}");
        }
        assert!(key.agree(&padded(&(&p - 2_u8), len)).is_ok());
        assert!(key.agree(&padded(&BigUint::from(2_u8), len)).is_ok());
    }
}

#[test]
fn private_values_of_wrong_length_or_size_are_refused() {
    for group in groups() {
        for bad in [
            private(group, 0),
            private(group, 1),
            vec![],
            vec![7; group.private_len() - 1],
        ] {
            assert_eq!(PrivateKey::from_octets(group, &bad).unwrap_err(), Error::PrivateValue);
        }
        let long = vec![7; group.private_len() + 1];
        assert_eq!(PrivateKey::from_octets(group, &long).unwrap_err(), Error::PrivateValue);
    }
}

#[test]
fn generated_keys_use_all_the_randomness_and_the_top_bit() {
    for group in groups() {
        let mut asked = 0;
        let key = PrivateKey::generate(group, &mut |out: &mut [u8]| -> Result<(), ()> {
            asked += out.len();
            out.iter_mut().zip(1..).for_each(|(octet, i)| *octet = i);
            Ok(())
        });
        assert_eq!(asked, group.private_len());
        let mut octets: Vec<u8> = (1..=group.private_len()).map(|i| u8::try_from(i).unwrap()).collect();
        octets[0] |= 0x80;
        let same = PrivateKey::from_octets(group, &octets).unwrap();
        assert_eq!(key.unwrap().public(), same.public());
        assert_eq!(
            PrivateKey::generate(group, &mut |_: &mut [u8]| Err("dry")).unwrap_err(),
            "dry"
        );
        assert_eq!(format!("{same:?}"), format!("PrivateKey({})", group.name()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_values(number in prop::sample::select(vec![2, 5, 14, 15, 16_u16]), private in any::<[u8; 48]>(), peer in any::<[u8; 32]>(), spread in 1..256_u32) {
        let group = ModpGroup::legacy(number).unwrap();
        let peer = BigUint::from_bytes_be(&peer).pow(spread % 40 + 1) % prime(group);
        prop_assume!(peer > BigUint::from(1_u8) && private[0] > 0);
        check(group, &private[..group.private_len()], &peer);
    }

    #[test]
    fn both_sides_agree(a in any::<[u8; 64]>(), b in any::<[u8; 64]>(), number in prop::sample::select(vec![2, 5, 14, 15, 16, 17, 18_u16])) {
        let group = ModpGroup::legacy(number).unwrap();
        prop_assume!(a[0] > 0 && b[0] > 0);
        let key = |octets: &[u8]| PrivateKey::from_octets(group, &octets[..group.private_len()]).unwrap();
        let (a, b) = (key(&a), key(&b));
        prop_assert_eq!(a.agree(&b.public()).unwrap(), b.agree(&a.public()).unwrap());
    }
}
