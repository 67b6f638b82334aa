//! The pieces of each path for each prime.

use super::*;
use crate::montgomery::tests::{products, selection};
use crate::primes;

macro_rules! each_prime {
    ($($name:ident: $hex:ident, $limbs:literal, $vectors:literal;)*) => {$(
        #[test]
        fn $name() {
            let prime = Prime::<$limbs, $vectors>::new(|| params(primes::$hex), 256);
            let octets = prime.prime();
            products(prime.limbs(), &octets);
            selection(prime.limbs(), &octets);
            #[cfg(target_arch = "x86_64")]
            if let Some(ifma) = Ifma::detect() {
                products(prime.vectors(ifma), &octets);
                selection(prime.vectors(ifma), &octets);
            }
        }
    )*};
}

each_prime! {
    products_of_1024_bits: P1024, 16, 3;
    products_of_1536_bits: P1536, 24, 4;
    products_of_2048_bits: P2048, 32, 5;
    products_of_3072_bits: P3072, 48, 8;
    products_of_4096_bits: P4096, 64, 10;
    products_of_6144_bits: P6144, 96, 15;
    products_of_8192_bits: P8192, 128, 20;
}
