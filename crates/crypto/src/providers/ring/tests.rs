//! Known answers. ring's own source of fixed "randomness" for tests injects the private values.
#![allow(clippy::unwrap_used, deprecated)]

use ring::test::rand::FixedSliceRandom;

use super::*;
use crate::providers::answers;

#[test]
fn known_answers() {
    for curve in [&X25519, &ECP256, &ECP384] {
        answers::check(curve, &|private| {
            curve.generate_with(&FixedSliceRandom { bytes: private }).unwrap()
        });
    }
}
