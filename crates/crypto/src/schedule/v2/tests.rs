#![allow(clippy::unwrap_used)]
use super::*;
use crate::default_provider;
use crate::transform::{Encr, Integ, Prf};

/// A PRF that shows what it was given: `key|data`.
struct Transparent {
    nonce_key_len: Option<usize>,
}

impl PrfAlgorithm for Transparent {
    fn id(&self) -> Prf {
        Prf(0xff00)
    }

    fn output_len(&self) -> usize {
        8
    }

    fn key_len(&self) -> usize {
        3
    }

    fn compute(&self, key: &[u8], data: &[&[u8]]) -> Secret {
        Secret::new([key, b"|", &data.concat()].concat())
    }

    fn nonce_key_len(&self) -> Option<usize> {
        self.nonce_key_len
    }
}

fn sha256() -> &'static dyn PrfAlgorithm {
    default_provider().prf(Prf::HMAC_SHA2_256).unwrap()
}

#[test]
fn prf_plus_chains_its_blocks() {
    let mut out = [0; 80];
    prf_plus(sha256(), b"key", &[b"se", b"ed"], &mut out).unwrap();
    let t1 = sha256().compute(b"key", &[b"seed\x01"]);
    let t2 = sha256().compute(b"key", &[t1.as_bytes(), b"seed\x02"]);
    let t3 = sha256().compute(b"key", &[t2.as_bytes(), b"seed\x03"]);
    let whole = [t1.as_bytes(), t2.as_bytes(), t3.as_bytes()].concat();
    assert_eq!(out, whole[..80]);
}

#[test]
fn prf_plus_ends_after_255_blocks() {
    let mut out = vec![0; 255 * 32];
    assert_eq!(prf_plus(sha256(), b"key", &[b"seed"], &mut out), Ok(()));
    let last = out[254 * 32..].to_vec();
    let before = out[253 * 32..254 * 32].to_vec();
    assert!(sha256().compute(b"key", &[&before, b"seed\xff"]).ct_eq(&last));
    out.push(0);
    assert_eq!(
        prf_plus(sha256(), b"key", &[b"seed"], &mut out),
        Err(CryptoError::Length)
    );
    assert_eq!(prf_plus(sha256(), b"key", &[], &mut []), Ok(()));
}

/// RFC 7296 section 2.14: "only the first 64 bits of Ni and the first 64 bits of Nr".
#[test]
fn nonces_are_cut_for_fixed_keys() {
    let shared = Secret::from(&b"shared"[..]);
    let of = |nonce_key_len, ni: &[u8], nr: &[u8]| {
        skeyseed(&Transparent { nonce_key_len }, ni, nr, &shared)
            .as_bytes()
            .to_vec()
    };
    assert_eq!(of(None, b"0123456789", b"abcdefghij"), b"0123456789abcdefghij|shared");
    assert_eq!(of(Some(8), b"0123456789", b"abcdefghij"), b"01234567abcdefgh|shared");
    assert_eq!(of(Some(8), b"01", b"abcdefghij"), b"01abcdefgh|shared");
}

#[test]
fn a_rekeyed_seed_comes_from_the_old_keys() {
    let prf = Transparent { nonce_key_len: Some(8) };
    let (sk_d, shared) = (Secret::from(&b"sk_d"[..]), Secret::from(&b"new"[..]));
    let seed = skeyseed_rekey(&prf, &sk_d, &shared, b"0123456789", b"abcdefghij");
    assert_eq!(seed.as_bytes(), b"sk_d|new0123456789abcdefghij");
}

#[test]
fn keys_are_cut_in_the_order_of_the_rfc() {
    let protect = default_provider()
        .protect(Encr::aes_cbc(256), Some(Integ::HMAC_SHA1_96))
        .unwrap();
    let seed = Secret::from(&b"seed"[..]);
    let keys = ike_keys(sha256(), protect, &seed, b"ni", b"nr", b"initiato", b"responde").unwrap();
    let mut all = vec![0; 3 * 32 + 2 * 20 + 2 * 32];
    prf_plus(sha256(), b"seed", &[b"ninrinitiatoresponde"], &mut all).unwrap();
    let parts = [
        keys.sk_d, keys.sk_ai, keys.sk_ar, keys.sk_ei, keys.sk_er, keys.sk_pi, keys.sk_pr,
    ];
    assert_eq!(parts.each_ref().map(Secret::len), [32, 20, 20, 32, 32, 32, 32]);
    let parts: Vec<u8> = parts.iter().flat_map(|key| key.as_bytes().to_vec()).collect();
    assert_eq!(parts, all);

    let keys = child_keys(sha256(), protect, &seed, Some(&Secret::from(&b"dh"[..])), b"ni", b"nr").unwrap();
    let mut all = vec![0; 2 * (32 + 20)];
    prf_plus(sha256(), b"seed", &[b"dhninr"], &mut all).unwrap();
    let parts = [keys.encr_i, keys.integ_i, keys.encr_r, keys.integ_r];
    assert_eq!(parts.each_ref().map(Secret::len), [32, 20, 32, 20]);
    let parts: Vec<u8> = parts.iter().flat_map(|key| key.as_bytes().to_vec()).collect();
    assert_eq!(parts, all);
}

#[test]
fn aead_has_no_integrity_keys() {
    let protect = default_provider().protect(Encr::CHACHA20_POLY1305, None).unwrap();
    let keys = child_keys(sha256(), protect, &Secret::from(&b"d"[..]), None, b"ni", b"nr").unwrap();
    assert_eq!((keys.encr_i.len(), keys.encr_r.len()), (36, 36));
    assert!(keys.integ_i.is_empty() && keys.integ_r.is_empty());
}
