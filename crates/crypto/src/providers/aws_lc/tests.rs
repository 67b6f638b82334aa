//! Known answers.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::providers::answers;

#[test]
fn known_answers() {
    for curve in [&X25519, &ECP256, &ECP384, &ECP521] {
        let key = |private: &[u8]| curve.key(PrivateKey::from_private_key(curve.algorithm, private).unwrap());
        answers::check(curve, &|private| key(private).unwrap());
    }
}
