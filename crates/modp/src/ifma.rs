//! Numbers of 52-bit digits for AVX-512 IFMA.

mod kernel;

use zeroize::{Zeroize, Zeroizing};

use crate::montgomery::Montgomery;

pub(crate) use kernel::Ifma;

/// Bits of a digit.
const BITS: usize = 52;
/// All of them.
const MASK: u64 = (1 << BITS) - 1;
const LANES: usize = 8;

/// A number of `8 * V` digits, least significant first.
#[derive(Clone)]
#[repr(C, align(64))]
pub(crate) struct Digits<const V: usize>([[u64; LANES]; V]);

impl<const V: usize> Zeroize for Digits<V> {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl<const V: usize> Digits<V> {
    const ZERO: Self = Self([[0; LANES]; V]);

    fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.as_flattened().iter().copied()
    }

    /// Of big-endian octets, which must fit.
    fn from_octets(octets: &[u8]) -> Self {
        let mut number = Self::ZERO;
        let (mut digits, mut octets) = (number.0.as_flattened_mut().iter_mut(), octets.iter().rev());
        let (mut held, mut bits) = (0_u128, 0);
        for digit in &mut digits {
            while bits < BITS {
                held |= u128::from(*octets.next().unwrap_or(&0)) << bits;
                bits += 8;
            }
            *digit = held as u64 & MASK;
            held >>= BITS;
            bits -= BITS;
        }
        number
    }

    /// Big-endian octets, filled up with zeros or cut to this length.
    fn to_octets(&self, len: usize) -> Zeroizing<Vec<u8>> {
        let mut octets = Zeroizing::new(vec![0; len]);
        let mut digits = self.iter();
        let (mut held, mut bits) = (0_u128, 0);
        for octet in octets.iter_mut().rev() {
            if bits < 8 {
                held |= u128::from(digits.next().unwrap_or(0)) << bits;
                bits += BITS;
            }
            *octet = held as u8;
            held >>= 8;
            bits -= 8;
        }
        octets
    }
}

/// The integers modulo a prime that is -1 modulo 2^64, times 2^(52 n).
pub(crate) struct Modulus<const V: usize> {
    ifma: Ifma,
    prime: Digits<V>,
    above: Digits<V>,
    /// 2^(52 n) mod p, which stands for 1.
    one: Digits<V>,
    /// 2^(104 n) mod p, which brings numbers in.
    square: Digits<V>,
    n: usize,
    octets: usize,
}

impl<const V: usize> Modulus<V> {
    /// `power` gives 2^exponent mod p.
    pub fn new(ifma: Ifma, prime: &[u8], power: impl Fn(u64) -> Vec<u8>) -> Self {
        // Two bits more than the prime: sums stay below twice the prime without a comparison.
        let n = (8 * prime.len() + 2).div_ceil(BITS);
        let prime_octets = prime;
        let prime = Digits::from_octets(prime_octets);
        let mut above = prime.clone();
        let mut carry = 1;
        for digit in above.0.as_flattened_mut() {
            *digit += carry;
            carry = *digit >> BITS;
            *digit &= MASK;
        }
        let two_to = |exponent: usize| Digits::from_octets(&power(exponent as u64));
        Self {
            ifma,
            one: two_to(BITS * n),
            square: two_to(2 * BITS * n),
            prime,
            above,
            n,
            octets: prime_octets.len(),
        }
    }
}

impl<const V: usize> Montgomery for Modulus<V> {
    type Number = Digits<V>;

    fn one(&self) -> Self::Number {
        self.one.clone()
    }

    fn enter(&self, octets: &[u8]) -> Self::Number {
        let mut number = Digits::from_octets(octets);
        self.multiply(&mut number, &self.square);
        number
    }

    fn leave(&self, number: &Self::Number) -> Zeroizing<Vec<u8>> {
        let mut number = Zeroizing::new(number.clone());
        let mut one = Digits::ZERO;
        if let Some(digit) = one.0.as_flattened_mut().first_mut() {
            *digit = 1;
        }
        self.multiply(&mut number, &one);
        // At most p now, and p itself where it stands for zero.
        let mut less = Zeroizing::new(number.clone());
        let mut borrow = 0;
        for (digit, prime) in less.0.as_flattened_mut().iter_mut().zip(self.prime.iter()) {
            let difference = digit.wrapping_sub(prime).wrapping_sub(borrow);
            borrow = difference >> 63;
            *digit = difference & MASK;
        }
        let keep = core::hint::black_box(borrow.wrapping_neg());
        for (digit, less) in number.0.as_flattened_mut().iter_mut().zip(less.iter()) {
            *digit = *digit & keep | less & !keep;
        }
        number.to_octets(self.octets)
    }

    fn multiply(&self, a: &mut Self::Number, b: &Self::Number) {
        self.ifma.multiply(a, b, &self.above, self.n);
    }

    fn square(&self, a: &mut Self::Number) {
        self.ifma.square(a, &self.above, self.n);
    }

    fn select(&self, out: &mut Self::Number, table: &[Self::Number], index: u64) {
        self.ifma.select(out, table, index);
    }
}
