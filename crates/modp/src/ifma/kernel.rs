//! The instructions: all that is unsafe in this crate.
//!
//! A number has `8 * V` digits of 52 bits, least significant first, of which the first `n` count. Products and sums of a
//! lane stay in its 64 bits until the number is made whole again: each of n rows adds at most four times 2^52, and n <= 160.
//!
//! Nothing here branches on digits, or takes an address from them; `vpmadd52luq`, `vpmadd52huq` and the rest take the same
//! time for all values.
#![allow(unsafe_code)]

use core::arch::x86_64::*;

use super::Digits;

/// Digits below 2^52.
const WHOLE: u64 = (1 << 52) - 1;

/// Proof that the processor has AVX-512F and AVX-512 IFMA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ifma(());

impl Ifma {
    /// Asks the processor, and the operating system whether it keeps the registers.
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma")).then_some(Self(()))
    }

    /// a * b / 2^(52 n) mod p, below 2p, where a and b are below 2p, 4p below 2^(52 n), and `above` is p + 1, p being -1
    /// modulo 2^52.
    pub fn multiply<const V: usize>(self, a: &mut Digits<V>, b: &Digits<V>, above: &Digits<V>, n: usize) {
        // SAFETY: `self` exists, so the processor has the instructions.
        unsafe { multiply(a, b, above, n) }
    }

    /// a * a / 2^(52 n) mod p, likewise. To make the products of different digits only once takes as long at 2048 and 3072
    /// bits: their sums must then be moved by digits twice, which costs what it saves.
    pub fn square<const V: usize>(self, a: &mut Digits<V>, above: &Digits<V>, n: usize) {
        // SAFETY: `self` exists, so the processor has the instructions.
        unsafe { square(a, above, n) }
    }

    /// Copies the entry of `table` that has this index; reads all of them.
    pub fn select<const V: usize>(self, out: &mut Digits<V>, table: &[Digits<V>], index: u64) {
        // SAFETY: `self` exists, so the processor has the instructions.
        unsafe { select(out, table, index) }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load<const V: usize>(number: &Digits<V>) -> [__m512i; V] {
    let mut vectors = [_mm512_setzero_si512(); V];
    for (vector, lanes) in vectors.iter_mut().zip(&number.0) {
        // SAFETY: the pointer is to 64 octets that are borrowed here, and needs no alignment.
        *vector = unsafe { _mm512_loadu_epi64(lanes.as_ptr().cast()) };
    }
    vectors
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store<const V: usize>(number: &mut Digits<V>, vectors: [__m512i; V]) {
    for (lanes, vector) in number.0.iter_mut().zip(vectors) {
        // SAFETY: the pointer is to 64 octets that are mutably borrowed here, and needs no alignment.
        unsafe { _mm512_storeu_epi64(lanes.as_mut_ptr().cast(), vector) };
    }
}

/// A digit in every lane.
#[inline]
#[target_feature(enable = "avx512f")]
fn everywhere(digit: u64) -> __m512i {
    _mm512_set1_epi64(digit.cast_signed())
}

/// Divides by 2^52, whatever the lowest digit is.
#[inline]
#[target_feature(enable = "avx512f")]
fn down<const V: usize>(t: &mut [__m512i; V]) {
    for j in 0..V - 1 {
        t[j] = _mm512_alignr_epi64::<1>(t[j + 1], t[j]);
    }
    t[V - 1] = _mm512_alignr_epi64::<1>(_mm512_setzero_si512(), t[V - 1]);
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn multiply<const V: usize>(a: &mut Digits<V>, b: &Digits<V>, above: &Digits<V>, n: usize) {
    let product = product(a, b, above, n);
    store(a, product);
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn square<const V: usize>(a: &mut Digits<V>, above: &Digits<V>, n: usize) {
    let product = product(a, a, above, n);
    store(a, product);
}

/// One row of multiplication and reduction for each digit of b. A row's quotient is its lowest digit, since p is -1 modulo
/// 2^52: t + q p = t - q + q (p + 1), where p + 1 has no lowest digit.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn product<const V: usize>(a: &Digits<V>, b: &Digits<V>, above: &Digits<V>, n: usize) -> [__m512i; V] {
    if V > 10 {
        in_place(a, b, above, n)
    } else {
        whole(with_sums_aside(a, b, above, n))
    }
}

/// Where the registers suffice, what does not depend on a row's quotient is added up aside, so that a row waits for one
/// product only.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn with_sums_aside<const V: usize>(a: &Digits<V>, b: &Digits<V>, above: &Digits<V>, n: usize) -> [__m512i; V] {
    let (a, m) = (load(a), load(above));
    let mut digits = b.0.as_flattened().iter().copied();
    let mut digit = everywhere(digits.next().unwrap_or(0));
    let mut t = [_mm512_setzero_si512(); V];
    for j in 0..V {
        t[j] = _mm512_madd52lo_epu64(t[j], a[j], digit);
    }
    for _ in 0..n {
        // In the last row the digit after the last, which is zero.
        let next = everywhere(digits.next().unwrap_or(0));
        let mut aside = [_mm512_setzero_si512(); V];
        aside[0] = carry(t[0]);
        for j in 0..V {
            aside[j] = _mm512_madd52hi_epu64(aside[j], a[j], digit);
            aside[j] = _mm512_madd52lo_epu64(aside[j], a[j], next);
        }
        let q = quotient(t[0]);
        for j in 0..V {
            t[j] = _mm512_madd52lo_epu64(t[j], m[j], q);
            aside[j] = _mm512_madd52hi_epu64(aside[j], m[j], q);
        }
        down(&mut t);
        for j in 0..V {
            t[j] = _mm512_add_epi64(t[j], aside[j]);
        }
        digit = next;
    }
    t
}

/// Where they do not, all is added up in one place. Compiled apart, or the compiler keeps the sums of 8192 bits in memory.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma")]
fn in_place<const V: usize>(a: &Digits<V>, b: &Digits<V>, above: &Digits<V>, n: usize) -> [__m512i; V] {
    let (a, m) = (load(a), load(above));
    let mut t = [_mm512_setzero_si512(); V];
    for digit in b.0.as_flattened().iter().take(n) {
        let digit = everywhere(*digit);
        for j in 0..V {
            t[j] = _mm512_madd52lo_epu64(t[j], a[j], digit);
        }
        let (q, carry) = (quotient(t[0]), carry(t[0]));
        for j in 0..V {
            t[j] = _mm512_madd52lo_epu64(t[j], m[j], q);
        }
        down(&mut t);
        t[0] = _mm512_add_epi64(t[0], carry);
        for j in 0..V {
            t[j] = _mm512_madd52hi_epu64(t[j], a[j], digit);
            t[j] = _mm512_madd52hi_epu64(t[j], m[j], q);
        }
    }
    whole(t)
}

/// The lowest digit in every lane; a product takes no more than 52 bits of it.
#[inline]
#[target_feature(enable = "avx512f")]
fn quotient(lowest: __m512i) -> __m512i {
    _mm512_broadcastq_epi64(_mm512_castsi512_si128(lowest))
}

/// In the lowest lane, what the lowest digit has above its 52 bits.
#[inline]
#[target_feature(enable = "avx512f")]
fn carry(lowest: __m512i) -> __m512i {
    _mm512_maskz_srli_epi64::<52>(1, lowest)
}

/// Digits below 2^52 again. A number below 2^(52 n) has no carry out of its last digit.
#[inline]
#[target_feature(enable = "avx512f")]
fn whole<const V: usize>(mut t: [__m512i; V]) -> [__m512i; V] {
    let digit = everywhere(WHOLE);
    // Each lane's carry to the next leaves at most one more carry of 1 from each.
    let mut before = _mm512_setzero_si512();
    for t in &mut t {
        let carries = _mm512_srli_epi64::<52>(*t);
        *t = _mm512_add_epi64(_mm512_and_si512(*t, digit), _mm512_alignr_epi64::<7>(carries, before));
        before = carries;
    }
    // Lanes that carry, and lanes that would if one came in, as one long sum of bits.
    let mut carry = 0;
    for t in &mut t {
        let over = u32::from(_mm512_cmpgt_epu64_mask(*t, digit));
        let full = u32::from(_mm512_cmpeq_epu64_mask(*t, digit));
        let sum = (over << 1) + full + carry;
        carry = sum >> 8;
        let one_more = _mm512_mask_sub_epi64(*t, (sum ^ full) as u8, *t, everywhere(u64::MAX));
        *t = _mm512_and_si512(one_more, digit);
    }
    t
}

#[target_feature(enable = "avx512f")]
fn select<const V: usize>(out: &mut Digits<V>, table: &[Digits<V>], index: u64) {
    let index = everywhere(index);
    let mut chosen = [_mm512_setzero_si512(); V];
    for (i, entry) in (0..).zip(table) {
        let mask = _mm512_cmpeq_epi64_mask(index, everywhere(i));
        for (chosen, entry) in chosen.iter_mut().zip(load(entry)) {
            *chosen = _mm512_mask_mov_epi64(*chosen, mask, entry);
        }
    }
    store(out, chosen);
}
