//! Every path against num-bigint, from single products to whole exponentiations, with values that no key has too.
#![allow(clippy::unwrap_used)]

use crypto_bigint::U512;
use num_bigint::BigUint;

use super::*;
use crate::{Arithmetic, ModpGroup};

/// Cases for each group and path. Optimised, it is thousands.
const PRODUCTS: usize = if cfg!(debug_assertions) { 500 } else { 2000 };
const POWERS: usize = if cfg!(debug_assertions) { 24 } else { 2000 };

/// Bits from one exponent to the next, with the longer primes; a multiple of no window.
const STEP: usize = if cfg!(debug_assertions) { 23 } else { 1 };

/// Numbers that only look random, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Octets, now and then with runs of zeros or ones, where carries go far.
    fn octets(&mut self, len: usize) -> Vec<u8> {
        let mut octets: Vec<u8> = (0..len).map(|_| self.next().to_le_bytes()[3]).collect();
        for _ in 0..self.next() % 4 {
            let (a, b) = (self.next() as usize % (len + 1), self.next() as usize % (len + 1));
            let fill = if self.next() & 8 == 0 { 0 } else { 0xff };
            octets[a.min(b)..a.max(b)].fill(fill);
        }
        octets
    }

    fn exponent(&mut self) -> U512 {
        U512::from_be_slice(&self.octets(64))
    }
}

fn number(octets: &[u8]) -> BigUint {
    BigUint::from_bytes_be(octets)
}

fn padded(value: &BigUint, len: usize) -> Vec<u8> {
    let octets = value.to_bytes_be();
    let mut out = vec![0; len - octets.len()];
    out.extend_from_slice(&octets);
    out
}

/// 0, 1, 2, p - 2, p - 1, p and what else is at the edge of something; not all are below p.
fn edges(p: &BigUint, len: usize) -> Vec<Vec<u8>> {
    let small = [0_u32, 1, 2, 3].map(BigUint::from);
    let near = [p - 2_u8, p - 1_u8, p.clone(), p + 1_u8, p >> 1_u8, (p >> 1_u8) + 1_u8];
    let powers = [51_u32, 52, 53, 63, 64, 65, 104, 512].map(|bits| BigUint::from(1_u8) << bits);
    let fewer = powers.clone().map(|power| power - 1_u8);
    let mut edges: Vec<Vec<u8>> = small
        .iter()
        .chain(&near)
        .chain(&powers)
        .chain(&fewer)
        .map(|value| padded(value, len))
        .collect();
    edges.push(vec![0xff; len]);
    edges
}

fn groups() -> impl Iterator<Item = ModpGroup> {
    [2, 5, 14, 15, 16, 17, 18]
        .map(|number| ModpGroup::legacy(number).unwrap())
        .into_iter()
}

/// Products and squares of numbers in Montgomery's form, by one path.
pub(crate) fn products<M: Montgomery>(modulus: &M, prime: &[u8]) {
    let (p, len) = (number(prime), prime.len());
    let check = |a: &[u8], b: &[u8]| {
        let (a_form, b_form) = (modulus.enter(a), modulus.enter(b));
        assert_eq!(number(&modulus.leave(&a_form)), number(a) % &p, "in and out");
        let mut product = a_form.clone();
        modulus.multiply(&mut product, &b_form);
        assert_eq!(*modulus.leave(&product), padded(&(number(a) * number(b) % &p), len));
        // Of what is not reduced, as it comes in a chain.
        modulus.square(&mut product);
        modulus.multiply(&mut product, &a_form);
        let chain = (number(a) * number(b) % &p).pow(2) % &p * number(a) % &p;
        assert_eq!(*modulus.leave(&product), padded(&chain, len));
    };
    let edges = edges(&p, len);
    for a in &edges {
        for b in &edges {
            check(a, b);
        }
    }
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..PRODUCTS {
        check(&numbers.octets(len), &numbers.octets(len));
    }
    assert_eq!(number(&modulus.leave(&modulus.one())), BigUint::from(1_u8));
}

/// The entry that was asked for, whichever it is.
pub(crate) fn selection<M: Montgomery>(modulus: &M, prime: &[u8]) {
    let octets = |i: u64| padded(&BigUint::from(i), prime.len());
    for len in [1, 2, 16, 32] {
        let table: Vec<M::Number> = (0..len).map(|i| modulus.enter(&octets(i * i + 7))).collect();
        for index in 0..len {
            let mut chosen = modulus.one();
            modulus.select(&mut chosen, &table, index);
            assert_eq!(*modulus.leave(&chosen), octets(index * index + 7));
        }
    }
}

fn exponent(value: &BigUint) -> U512 {
    U512::from_be_slice(&padded(value, 64))
}

#[test]
fn powers_of_edges() {
    for group in groups() {
        let (field, len) = (group.field(), group.public_len());
        let p = number(&group.prime());
        for by in Arithmetic::available() {
            for base in edges(&p, len) {
                for small in [0_u32, 1, 2, 3, 65_537] {
                    let expected = number(&base).modpow(&BigUint::from(small), &p);
                    let power = field.power(by, &base, &U512::from_u32(small), 33);
                    assert_eq!(number(&power), expected, "{group:?} {by:?} {small}");
                    assert_eq!(power.len(), len);
                }
            }
        }
    }
}

/// Exponents of every length: 2^n, which is a one and zeros, and 2^n - 1, which is all ones.
#[test]
fn exponents_of_every_length() {
    for group in groups() {
        let (field, len) = (group.field(), group.public_len());
        let p = number(&group.prime());
        let base = number(&Numbers(7).octets(len)) % &p;
        let octets = padded(&base, len);
        for by in Arithmetic::available() {
            let mut ones = BigUint::from(1_u8);
            let mut one = base.clone();
            for bits in 0..=512_u32 {
                if len <= 256 || (bits as usize + 1).is_multiple_of(STEP) || bits == 512 {
                    let all_ones = exponent(&((BigUint::from(1_u8) << bits) - 1_u8));
                    let power = field.power(by, &octets, &all_ones, bits);
                    assert_eq!(number(&power), ones, "{group:?} {by:?} {bits} ones");
                    if bits < 512 {
                        let single = exponent(&(BigUint::from(1_u8) << bits));
                        let power = field.power(by, &octets, &single, bits + 1);
                        assert_eq!(number(&power), one, "{group:?} {by:?} 2^{bits}");
                        // What is above the length is not looked at.
                        assert_eq!(number(&field.power(by, &octets, &single, bits)), BigUint::from(1_u8));
                    }
                }
                ones = &ones * &ones % &p * &base % &p;
                one = &one * &one % &p;
            }
        }
    }
}

#[test]
fn powers_of_two() {
    for group in groups() {
        let field = group.field();
        let p = number(&group.prime());
        let bits = group.exponent_bits();
        let two = BigUint::from(2_u8);
        let mut exponents: Vec<BigUint> = vec![BigUint::ZERO, BigUint::from(3_u8)];
        exponents.extend((0..bits).step_by(STEP).map(|bit| BigUint::from(1_u8) << bit));
        exponents.extend((1..=bits).step_by(17).map(|bits| (BigUint::from(1_u8) << bits) - 1_u8));
        exponents.push((BigUint::from(1_u8) << bits) - 1_u8);
        let mut numbers = Numbers(11);
        exponents.extend((0..POWERS).map(|_| number(&numbers.octets(bits as usize / 8))));
        for x in exponents {
            let expected = two.modpow(&x, &p);
            for by in Arithmetic::available() {
                let power = field.power_of_two(by, &exponent(&x));
                assert_eq!(number(&power), expected, "{group:?} {by:?} {x}");
            }
        }
    }
}

#[test]
fn random_powers() {
    for group in groups() {
        let (field, len) = (group.field(), group.public_len());
        let p = number(&group.prime());
        let mut numbers = Numbers(13);
        // The oracle takes long for the two long primes.
        for i in 0..if len < 768 { POWERS } else { POWERS / 2 } {
            let (base, x) = (numbers.octets(len), numbers.exponent());
            let bits = if i % 4 == 0 { 512 } else { group.exponent_bits() };
            let cut = number(x.to_be_bytes().as_slice()) % (BigUint::from(1_u8) << bits);
            let expected = number(&base).modpow(&cut, &p);
            for by in Arithmetic::available() {
                assert_eq!(
                    number(&field.power(by, &base, &x, bits)),
                    expected,
                    "{group:?} {by:?} {i}"
                );
            }
        }
    }
}
