//! Arithmetic modulo one of the primes, by each of the paths.

use std::sync::{LazyLock, OnceLock};

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U64, U512, Uint};
use zeroize::Zeroizing;

use crate::arithmetic::{Arithmetic, Path};
#[cfg(target_arch = "x86_64")]
use crate::ifma::{Digits, Ifma, Modulus};
use crate::limbs::Limbs;
use crate::montgomery::{Montgomery, PowersOfTwo, power};

/// A private exponent, or one cut down to it.
pub(crate) type Exponent = Zeroizing<U512>;

/// Exponentiation modulo a prime p, where numbers are big-endian octets of p's length.
pub(crate) trait Field: Sync {
    /// p itself.
    fn prime(&self) -> Vec<u8>;

    /// 2^exponent, looking at as many of its lowest bits as the group's private values have.
    fn power_of_two(&self, by: Arithmetic, exponent: &U512) -> Zeroizing<Vec<u8>>;

    /// base^exponent, looking at the `bits` lowest bits of the exponent. The base has p's length and may be anything.
    fn power(&self, by: Arithmetic, base: &[u8], exponent: &U512, bits: u32) -> Zeroizing<Vec<u8>>;

    /// Whether a public value has p's length and 1 < value < p - 1 (RFC 6989 section 2.1). It is no secret, so nothing is
    /// lost by comparing in variable time.
    fn is_public_value(&self, value: &[u8]) -> bool;
}

/// The integers modulo a prime of `LIMBS` 64-bit limbs, or `V` vectors of eight 52-bit digits. What is computed once is
/// made when it is needed first.
pub(crate) struct Prime<const LIMBS: usize, const V: usize> {
    exponent_bits: u32,
    params: LazyLock<FixedMontyParams<LIMBS>>,
    limbs: OnceLock<Limbs<LIMBS>>,
    limb_powers_of_two: OnceLock<PowersOfTwo<[u64; LIMBS]>>,
    #[cfg(target_arch = "x86_64")]
    vectors: OnceLock<Modulus<V>>,
    #[cfg(target_arch = "x86_64")]
    vector_powers_of_two: OnceLock<PowersOfTwo<Digits<V>>>,
}

/// Montgomery parameters of a prime in hexadecimal. All primes here are odd constants.
pub(crate) fn params<const LIMBS: usize>(hex: &str) -> FixedMontyParams<LIMBS> {
    FixedMontyParams::new_vartime(Odd::<Uint<LIMBS>>::from_be_hex(hex))
}

impl<const LIMBS: usize, const V: usize> Prime<LIMBS, V> {
    /// `params` makes the Montgomery parameters; private values have `exponent_bits`.
    pub const fn new(params: fn() -> FixedMontyParams<LIMBS>, exponent_bits: u32) -> Self {
        Self {
            exponent_bits,
            params: LazyLock::new(params),
            limbs: OnceLock::new(),
            limb_powers_of_two: OnceLock::new(),
            #[cfg(target_arch = "x86_64")]
            vectors: OnceLock::new(),
            #[cfg(target_arch = "x86_64")]
            vector_powers_of_two: OnceLock::new(),
        }
    }

    fn octets(number: &Uint<LIMBS>) -> Vec<u8> {
        number.to_be_bytes().as_slice().to_vec()
    }

    fn table<M: Montgomery>(&self, modulus: &M) -> PowersOfTwo<M::Number> {
        PowersOfTwo::new(modulus, &Self::octets(&Uint::from_u8(2)), self.exponent_bits)
    }

    fn limbs(&self) -> &Limbs<LIMBS> {
        self.limbs.get_or_init(|| Limbs::new(&self.params))
    }

    #[cfg(target_arch = "x86_64")]
    fn vectors(&self, ifma: Ifma) -> &Modulus<V> {
        self.vectors.get_or_init(|| {
            let two = FixedMontyForm::new(&Uint::from_u8(2), &self.params);
            Modulus::new(ifma, &self.prime(), |exponent| {
                Self::octets(&two.pow_vartime(&U64::from_u64(exponent)).retrieve())
            })
        })
    }
}

impl<const LIMBS: usize, const V: usize> Field for Prime<LIMBS, V> {
    fn prime(&self) -> Vec<u8> {
        Self::octets(self.params.modulus().as_ref())
    }

    fn power_of_two(&self, by: Arithmetic, exponent: &U512) -> Zeroizing<Vec<u8>> {
        match by.0 {
            Path::Portable => {
                let modulus = self.limbs();
                let table = self.limb_powers_of_two.get_or_init(|| self.table(modulus));
                table.power(modulus, exponent)
            }
            #[cfg(target_arch = "x86_64")]
            Path::Ifma(ifma) => {
                let modulus = self.vectors(ifma);
                let table = self.vector_powers_of_two.get_or_init(|| self.table(modulus));
                table.power(modulus, exponent)
            }
        }
    }

    fn power(&self, by: Arithmetic, base: &[u8], exponent: &U512, bits: u32) -> Zeroizing<Vec<u8>> {
        match by.0 {
            Path::Portable => power(self.limbs(), base, exponent, bits),
            #[cfg(target_arch = "x86_64")]
            Path::Ifma(ifma) => power(self.vectors(ifma), base, exponent, bits),
        }
    }

    fn is_public_value(&self, value: &[u8]) -> bool {
        if value.len() != Uint::<LIMBS>::BYTES {
            return false;
        }
        let value = Uint::<LIMBS>::from_be_slice(value);
        let last = self.params.modulus().as_ref().wrapping_sub(&Uint::ONE);
        value.cmp_vartime(&Uint::ONE).is_gt() && value.cmp_vartime(&last).is_lt()
    }
}

#[cfg(test)]
mod tests;
