//! The groups' constants against what RFC 2409 and RFC 3526 say of them.
#![allow(clippy::unwrap_used)]

use handfast_modp::{Error, ModpGroup};
use num_bigint::{BigInt, BigUint};

/// Number, size, and the added constant of the prime's formula (RFC 2409 section 6.2, RFC 3526 sections 2 to 7).
const FORMULAS: [(u16, u32, u32); 7] = [
    (2, 1024, 129_093),
    (5, 1536, 741_804),
    (14, 2048, 124_476),
    (15, 3072, 1_690_314),
    (16, 4096, 240_904),
    (17, 6144, 929_484),
    (18, 8192, 4_743_158),
];

/// floor(2^bits * pi), by Machin's formula with guard bits.
fn pi(bits: u32) -> BigUint {
    const GUARD: u32 = 64;
    let one = BigInt::from(1) << (bits + GUARD);
    let arctan_inverse = |x: u32| {
        let square = x * x;
        let mut power = &one / x;
        let mut sum = power.clone();
        let mut divisor = 1_u32;
        while power != BigInt::ZERO {
            power /= square;
            divisor += 2;
            let term = &power / divisor;
            if divisor % 4 == 3 {
                sum -= term;
            } else {
                sum += term;
            }
        }
        sum
    };
    let pi: BigInt = (arctan_inverse(5) * 16 - arctan_inverse(239) * 4) >> GUARD;
    pi.to_biguint().unwrap()
}

#[test]
fn pi_is_pi() {
    // The first hexadecimal digits of pi.
    assert_eq!(pi(128).to_str_radix(16), "3243f6a8885a308d313198a2e03707344");
}

#[test]
fn primes_follow_the_formula() {
    let one = BigUint::from(1_u8);
    for (number, bits, constant) in FORMULAS {
        let prime = (&one << bits) - (&one << (bits - 64)) - &one + ((pi(bits - 130) + constant) << 64);
        let group = ModpGroup::legacy(number).unwrap();
        assert_eq!(BigUint::from_bytes_be(&group.prime()), prime, "{group:?}");
        assert_eq!(group.public_len() * 8, bits as usize);
    }
}

#[test]
fn two_generates_the_subgroup_of_squares() {
    // p = 7 mod 8, so 2 is a square, and its order is the prime (p - 1) / 2. Shown for the smallest groups; the formula
    // covers the rest.
    for number in [2, 5, 14, 15] {
        let prime = BigUint::from_bytes_be(&ModpGroup::legacy(number).unwrap().prime());
        let order = &prime >> 1_u8;
        assert_eq!(BigUint::from(2_u8).modpow(&order, &prime), BigUint::from(1_u8));
        assert_eq!(
            BigUint::from(3_u8).modpow(&(&order - 1_u8), &order),
            BigUint::from(1_u8)
        );
    }
}

#[test]
fn private_values_have_twice_the_strength() {
    // SP 800-57 part 1 table 2, for 1536 the upper estimate of RFC 3526 section 8; 4096 to 8192 by its formula in FIPS 140 IG 7.5.
    let strengths = [(2, 80), (5, 120), (14, 112), (15, 128), (16, 152), (17, 176), (18, 200)];
    for (number, strength) in strengths {
        let group = ModpGroup::legacy(number).unwrap();
        assert!(group.private_len() * 8 >= 2 * strength, "{group:?}");
    }
}

#[test]
fn weak_groups_are_known_and_refused() {
    for (number, name) in [
        (1, "modp768"),
        (2, "modp1024"),
        (5, "modp1536"),
        (22, "modp1024s160"),
        (23, "modp2048s224"),
        (24, "modp2048s256"),
    ] {
        let error = ModpGroup::by_number(number).unwrap_err();
        assert!(matches!(error, Error::RefusedGroup { .. }), "{error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("group {number} ({name}) is refused: ")),
            "{error}"
        );
    }
    for number in [0, 3, 4, 6, 13, 19, 31, u16::MAX] {
        assert_eq!(ModpGroup::by_number(number), Err(Error::UnknownGroup(number)));
        assert_eq!(ModpGroup::legacy(number), Err(Error::UnknownGroup(number)));
    }
}

#[test]
fn the_short_groups_are_there_for_who_asks_and_the_others_never() {
    assert_eq!(
        ModpGroup::all().map(ModpGroup::number).collect::<Vec<_>>(),
        [14, 15, 16, 17, 18]
    );
    for number in [2, 5, 14, 18] {
        assert_eq!(ModpGroup::legacy(number).unwrap().number(), number);
    }
    for number in [1, 22, 23, 24] {
        assert!(
            matches!(ModpGroup::legacy(number), Err(Error::RefusedGroup { .. })),
            "{number}"
        );
    }
}
