//! Known answers, private values being what the source of randomness gives.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::providers::answers;

/// Gives these octets once, and nothing else.
struct Fixed<'a>(Option<&'a [u8]>);

impl RandomSource for Fixed<'_> {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.copy_from_slice(self.0.take().ok_or(CryptoError::Random)?);
        Ok(())
    }
}

fn key(curve: &dyn KeyAgreement, private: &[u8]) -> Box<dyn EphemeralKey> {
    curve.generate(&mut Fixed(Some(private))).unwrap()
}

#[test]
fn known_answers() {
    let curves: [&dyn KeyAgreement; 3] = [&ECP521, &BRAINPOOL256, &BRAINPOOL384];
    for curve in curves {
        answers::check(curve, &|private| key(curve, private));
    }
}

#[test]
fn private_values_out_of_range_are_drawn_again() {
    struct Ones(usize);
    impl RandomSource for Ones {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
            let bad = [0xff, 0x00];
            out.fill(bad.get(self.0).copied().unwrap_or(1));
            self.0 += 1;
            Ok(())
        }
    }
    struct Broken;
    impl RandomSource for Broken {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
            out.fill(0);
            Ok(())
        }
    }
    let curves: [&dyn KeyAgreement; 3] = [&ECP521, &BRAINPOOL256, &BRAINPOOL384];
    for curve in curves {
        let mut random = Ones(0);
        let drawn = curve.generate(&mut random).unwrap();
        assert_eq!(random.0, 3, "{}", curve.id());
        assert_eq!(drawn.public(), key(curve, &vec![1; curve.shared_len()]).public());
        assert_eq!(curve.generate(&mut Broken).map(|_| ()), Err(CryptoError::Random));
    }
}
