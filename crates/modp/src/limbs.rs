//! Numbers of 64-bit limbs, for every processor.
//!
//! Products are summed up column by column: the low and the high halves of a column's products on their own, each in 128
//! bits, so that nothing is carried before the column is done, and the products of a square are made once. crypto-bigint,
//! which goes row by row, takes 1.1 to 1.4 times as long; it makes the constants.

use crypto_bigint::Uint;
use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use zeroize::Zeroizing;

use crate::montgomery::Montgomery;

/// The integers modulo a prime that is -1 modulo 2^64, times R = 2^(64 N). Numbers are below R, not all below the prime.
pub(crate) struct Limbs<const N: usize> {
    prime: [u64; N],
    /// p + 1, whose lowest limb is 0.
    above: [u64; N],
    /// R mod p, which stands for 1.
    one: [u64; N],
    /// R^2 mod p, which brings numbers in.
    square: [u64; N],
}

impl<const N: usize> Limbs<N> {
    /// Modulo the prime of these parameters.
    pub fn new(params: &FixedMontyParams<N>) -> Self {
        let form = |number: &Uint<N>| FixedMontyForm::new(number, params).to_montgomery();
        let prime = params.modulus().as_ref();
        Self {
            prime: prime.to_words(),
            above: prime.wrapping_add(&Uint::ONE).to_words(),
            one: form(&Uint::ONE).to_words(),
            square: form(&form(&Uint::ONE)).to_words(),
        }
    }

    /// The product whose columns `add` sums up, lower first, divided by R. In the lower half the lowest limb of each sum is
    /// its quotient, since p is -1 modulo 2^64: t + q p = t - q + q (p + 1).
    #[inline(always)]
    fn reduce(&self, add: impl Fn(&mut Column, usize)) -> [u64; N] {
        let (mut quotients, mut result) = (Zeroizing::new([0; N]), [0; N]);
        let mut column = Column::default();
        for k in 0..N {
            add(&mut column, k);
            column.add(quotients.get(..k), self.above.get(1..=k));
            if let Some(quotient) = quotients.get_mut(k) {
                *quotient = column.next();
            }
        }
        for (k, limb) in result.iter_mut().enumerate() {
            add(&mut column, N + k);
            column.add(quotients.get(k + 1..), self.above.get(k + 1..));
            *limb = column.next();
        }
        // Below R + p.
        subtract(&mut result, &self.prime, column.next());
        result
    }
}

/// The sum of one column's products.
#[derive(Default)]
struct Column {
    low: u128,
    high: u128,
}

impl Column {
    #[inline(always)]
    fn product(&mut self, a: u64, b: u64) {
        let product = u128::from(a) * u128::from(b);
        self.low += product & u128::from(u64::MAX);
        self.high += product >> 64;
    }

    /// The products of the first of `a` and the last of `b`, the second and the last but one, and so on.
    #[inline(always)]
    fn add(&mut self, a: Option<&[u64]>, b: Option<&[u64]>) {
        let (Some(a), Some(b)) = (a, b) else { return };
        let (a, a_rest) = a.as_chunks::<4>();
        let (b_rest, b) = b.as_rchunks::<4>();
        for ([a0, a1, a2, a3], [b3, b2, b1, b0]) in a.iter().zip(b.iter().rev()) {
            self.product(*a0, *b0);
            self.product(*a1, *b1);
            self.product(*a2, *b2);
            self.product(*a3, *b3);
        }
        for (a, b) in a_rest.iter().zip(b_rest.iter().rev()) {
            self.product(*a, *b);
        }
    }

    /// The products of each of `a` with its mirror image.
    #[inline(always)]
    fn add_square(&mut self, a: Option<&[u64]>) {
        let Some(a) = a else { return };
        let mut half = Self::default();
        half.add(a.get(..a.len() / 2), a.get(a.len().div_ceil(2)..));
        half.low <<= 1;
        half.high <<= 1;
        if a.len() % 2 == 1
            && let Some(middle) = a.get(a.len() / 2)
        {
            half.product(*middle, *middle);
        }
        self.low += half.low;
        self.high += half.high;
    }

    /// The limb of this column; what is above it goes on to the next.
    #[inline(always)]
    fn next(&mut self) -> u64 {
        let limb = self.low as u64;
        self.low = (self.low >> 64) + self.high;
        self.high = 0;
        limb
    }
}

/// a = a + over R - b where that is not negative.
fn subtract<const N: usize>(a: &mut [u64; N], b: &[u64; N], over: u64) {
    let mut less = Zeroizing::new([0; N]);
    let mut borrow = 0;
    for ((less, a), b) in less.iter_mut().zip(&*a).zip(b) {
        let difference = u128::from(*a).wrapping_sub(u128::from(*b)).wrapping_sub(borrow);
        borrow = difference >> 127;
        *less = difference as u64;
    }
    // All ones where a alone is too small. Hidden, so that it does not become a jump.
    let keep = core::hint::black_box((over.wrapping_sub(borrow as u64) >> 63).wrapping_neg());
    for (a, less) in a.iter_mut().zip(less.iter()) {
        *a = *a & keep | less & !keep;
    }
}

impl<const N: usize> Montgomery for Limbs<N> {
    type Number = [u64; N];

    fn one(&self) -> Self::Number {
        self.one
    }

    fn enter(&self, octets: &[u8]) -> Self::Number {
        let mut number = Uint::<N>::from_be_slice(octets).to_words();
        self.multiply(&mut number, &self.square);
        number
    }

    fn leave(&self, number: &Self::Number) -> Zeroizing<Vec<u8>> {
        let mut number = Zeroizing::new(*number);
        let mut one = [0; N];
        if let Some(limb) = one.first_mut() {
            *limb = 1;
        }
        // At most p, and p itself where it stands for zero.
        self.multiply(&mut number, &one);
        subtract(&mut number, &self.prime, 0);
        let octets = number.iter().rev().flat_map(|limb| limb.to_be_bytes());
        Zeroizing::new(octets.collect())
    }

    fn multiply(&self, a: &mut Self::Number, b: &Self::Number) {
        *a = self.reduce(|column, k| {
            let first = (k + 1).saturating_sub(N);
            column.add(a.get(first..N.min(k + 1)), b.get(first..N.min(k + 1)));
        });
    }

    fn square(&self, a: &mut Self::Number) {
        *a = self.reduce(|column, k| column.add_square(a.get((k + 1).saturating_sub(N)..N.min(k + 1))));
    }

    fn select(&self, out: &mut Self::Number, table: &[Self::Number], index: u64) {
        *out = [0; N];
        for (i, entry) in (0..).zip(table) {
            // All ones where they are equal.
            let different = i ^ index;
            let mask = core::hint::black_box(((different | different.wrapping_neg()) >> 63).wrapping_sub(1));
            for (out, limb) in out.iter_mut().zip(entry) {
                *out |= limb & mask;
            }
        }
    }
}
