//! Pseudo-random functions.

use std::collections::BTreeSet;

use handfast_crypto::provider::PrfAlgorithm;

pub fn check(prf: &dyn PrfAlgorithm) {
    let id = prf.id();
    assert!(!id.to_string().contains('#'), "{id} has no name");
    assert!(prf.key_len() > 0 && prf.output_len() > 0, "{id}");
    let key = vec![7; prf.key_len()];
    let of = |data: &[&[u8]]| prf.compute(&key, data).as_bytes().to_vec();

    // The parts are concatenated, however they are cut.
    let whole = of(&[b"abcdef"]);
    assert_eq!(whole.len(), prf.output_len(), "{id}");
    assert_eq!(of(&[b"ab", b"", b"cdef"]), whole, "{id}");
    assert_eq!(of(&[b"", b"abcdef", b""]), whole, "{id}");

    // Key and data of any length count, up to their last octet.
    let mut seen = BTreeSet::new();
    for len in [0, 1, 15, 16, 17, 20, 31, 32, 63, 64, 65, 127, 128, 129, 500] {
        let ones = vec![1; len];
        assert!(seen.insert(of(&[&ones])), "{id} data of {len}");
        if prf.nonce_key_len().is_none() {
            // HMAC takes 0 octets, and as many zeros, for the same key: so ones.
            assert!(
                seen.insert(prf.compute(&ones, &[b"x"]).as_bytes().to_vec()),
                "{id} key of {len}"
            );
        }
    }
    let mut other = key.clone();
    other.iter_mut().last().into_iter().for_each(|octet| *octet ^= 1);
    assert_ne!(prf.compute(&other, &[b"abcdef"]).as_bytes(), whole, "{id}");
}
