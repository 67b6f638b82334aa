//! Arithmetic modulo one of the primes.

use std::sync::LazyLock;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U512, Uint};
use zeroize::{Zeroize, Zeroizing};

/// A private exponent, or one cut down to it.
pub(crate) type Exponent = Zeroizing<U512>;

/// Exponentiation modulo a prime p, where numbers are big-endian octets of p's length.
pub(crate) trait Field: Sync {
    /// 2^exponent. Looks at the `bits` lowest bits of the exponent.
    fn power_of_two(&self, exponent: &U512, bits: u32) -> Zeroizing<Vec<u8>>;

    /// p itself.
    fn prime(&self) -> Vec<u8>;

    /// base^exponent; `None` unless 1 < base < p - 1 and its length is right.
    fn power(&self, base: &[u8], exponent: &U512, bits: u32) -> Option<Zeroizing<Vec<u8>>>;
}

/// The integers modulo a prime of `LIMBS` 64-bit limbs.
pub(crate) struct Prime<const LIMBS: usize>(LazyLock<FixedMontyParams<LIMBS>>);

impl<const LIMBS: usize> Prime<LIMBS> {
    /// `params` makes the Montgomery parameters; it is called at first use.
    pub const fn new(params: fn() -> FixedMontyParams<LIMBS>) -> Self {
        Self(LazyLock::new(params))
    }

    fn octets(value: &Uint<LIMBS>) -> Zeroizing<Vec<u8>> {
        let mut encoded = value.to_be_bytes();
        let octets = Zeroizing::new(encoded.as_slice().to_vec());
        encoded.as_mut_slice().zeroize();
        octets
    }

    fn raise(&self, base: &Uint<LIMBS>, exponent: &U512, bits: u32) -> Zeroizing<Vec<u8>> {
        let mut form = FixedMontyForm::new(base, &self.0).pow_bounded_exp(exponent, bits);
        let power = Zeroizing::new(form.retrieve());
        form.as_montgomery_mut().zeroize();
        Self::octets(&power)
    }
}

/// Montgomery parameters of a prime in hexadecimal. All primes here are odd constants.
pub(crate) fn params<const LIMBS: usize>(hex: &str) -> FixedMontyParams<LIMBS> {
    FixedMontyParams::new_vartime(Odd::<Uint<LIMBS>>::from_be_hex(hex))
}

impl<const LIMBS: usize> Field for Prime<LIMBS> {
    fn power_of_two(&self, exponent: &U512, bits: u32) -> Zeroizing<Vec<u8>> {
        self.raise(&Uint::from_u8(2), exponent, bits)
    }

    fn prime(&self) -> Vec<u8> {
        Self::octets(self.0.modulus().as_ref()).to_vec()
    }

    fn power(&self, base: &[u8], exponent: &U512, bits: u32) -> Option<Zeroizing<Vec<u8>>> {
        if base.len() != Uint::<LIMBS>::BYTES {
            return None;
        }
        let base = Uint::<LIMBS>::from_be_slice(base);
        // RFC 6989 section 2.1. The value is public, so nothing is lost by comparing in variable time.
        let last = self.0.modulus().as_ref().wrapping_sub(&Uint::ONE);
        if base.cmp_vartime(&Uint::ONE).is_le() || base.cmp_vartime(&last).is_ge() {
            return None;
        }
        Some(self.raise(&base, exponent, bits))
    }
}
