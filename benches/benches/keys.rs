//! PRFs, and the key schedules of both versions, for every PRF there is. A PRF against ring's HMAC where it has the hash,
//! and with the feature `openssl` against OpenSSL's; a key schedule against the calls of its PRF that it cannot avoid.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group};
use handfast_benches::ratio::{measure, time, wanted};
use handfast_crypto::provider::{PrfAlgorithm, ProtectAlgorithm};
use handfast_crypto::schedule::{v1, v2};
use handfast_crypto::secret::Secret;
use handfast_crypto::transform::{Encr, Integ, Prf};
use handfast_crypto::{default_provider, legacy_provider};
use ring::hmac;

/// The data of a PRF: a nonce, a shared secret of modp2048, a message of IKE_SA_INIT.
const SIZES: [usize; 3] = [32, 256, 512];
const NONCE: [u8; 32] = [7; 32];
const SPI: [u8; 8] = [9; 8];
/// Calls of one turn.
const BATCH: u32 = 64;
const TURNS: usize = 1000;

fn prfs(criterion: &mut Criterion) {
    for &prf in legacy_provider().prfs {
        let key = vec![1; prf.key_len()];
        let mut group = criterion.benchmark_group(format!("prf/{}", prf.id()));
        for size in SIZES {
            let data = vec![2; size];
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(size.to_string(), |b| {
                b.iter(|| prf.compute(black_box(&key), &[black_box(&data)]))
            });
        }
        group.finish();
    }
}

/// An AEAD, and a cipher with its own integrity algorithm, whose keys are longer.
fn ciphers() -> [&'static dyn ProtectAlgorithm; 2] {
    let provider = default_provider();
    let cbc = provider.protect(Encr::aes_cbc(256), Some(Integ::HMAC_SHA2_256_128));
    [provider.protect(Encr::aes_gcm16(128), None).unwrap(), cbc.unwrap()]
}

fn schedules(criterion: &mut Criterion) {
    let shared = Secret::from(&[3; 256][..]);
    for &prf in legacy_provider().prfs {
        let mut group = criterion.benchmark_group(format!("schedule/{}", prf.id()));
        for protect in ciphers() {
            let encr = protect.encr();
            group.bench_function(format!("v2/ike/{encr}"), |b| b.iter(|| ike(prf, protect, &shared)));
            let sk_d = Secret::from(&vec![4; prf.key_len()][..]);
            group.bench_function(format!("v2/child/{encr}"), |b| {
                b.iter(|| v2::child_keys(prf, protect, &sk_d, None, &NONCE, &NONCE).unwrap());
            });
            group.bench_function(format!("v1/phase1/{encr}"), |b| {
                b.iter(|| phase_one(prf, protect, &shared))
            });
            group.bench_function(format!("v1/phase2/{encr}"), |b| {
                b.iter(|| phase_two(prf, protect, &sk_d))
            });
        }
        group.finish();
    }
}

/// SKEYSEED and all keys of an IKE SA.
fn ike(prf: &dyn PrfAlgorithm, protect: &dyn ProtectAlgorithm, shared: &Secret) -> v2::IkeKeys {
    let seed = v2::skeyseed(prf, &NONCE, &NONCE, black_box(shared));
    v2::ike_keys(prf, protect, &seed, &NONCE, &NONCE, &SPI, &SPI).unwrap()
}

/// SKEYID with a preshared key, its daughters, and the cipher's key.
fn phase_one(prf: &dyn PrfAlgorithm, protect: &dyn ProtectAlgorithm, shared: &Secret) -> Secret {
    let skeyid = v1::skeyid_preshared(prf, &Secret::from(&b"preshared"[..]), &NONCE, &NONCE);
    let keys = v1::phase_one_keys(prf, skeyid, black_box(shared), &SPI, &SPI);
    v1::cipher_key(prf, &keys.skeyid_e, protect.encr_key_len()).unwrap()
}

/// The keys of both SAs of a quick mode without a fresh exchange.
fn phase_two(prf: &dyn PrfAlgorithm, protect: &dyn ProtectAlgorithm, skeyid_d: &Secret) -> [Secret; 2] {
    let quick = v1::QuickMode {
        shared: None,
        protocol: 3,
        ni_b: &NONCE,
        nr_b: &NONCE,
    };
    let len = protect.encr_key_len() + protect.integ_key_len();
    [1, 2].map(|spi| v1::keymat(prf, black_box(skeyid_d), &quick, spi, len).unwrap())
}

/// The same key and data, set up each time as IKE does, in turns.
fn beside(prf: &dyn PrfAlgorithm, other: &str, mut compute: impl FnMut(&[u8], &[u8])) {
    let key = vec![1; prf.key_len()];
    for size in SIZES {
        let name = format!("prf/{}/{}/{size}", other.to_lowercase(), prf.id());
        if !wanted(&name) {
            continue;
        }
        let data = vec![2; size];
        let ours = || {
            time(|| {
                for _ in 0..BATCH {
                    black_box(prf.compute(black_box(&key), &[black_box(&data)]));
                }
            })
        };
        let others = || {
            time(|| {
                for _ in 0..BATCH {
                    compute(black_box(&key), black_box(&data));
                }
            })
        };
        measure(TURNS, ours, others).print_beside(&name, other, BATCH);
    }
}

fn anchors() {
    let rings = [
        (Prf::HMAC_SHA1, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        (Prf::HMAC_SHA2_256, hmac::HMAC_SHA256),
        (Prf::HMAC_SHA2_384, hmac::HMAC_SHA384),
        (Prf::HMAC_SHA2_512, hmac::HMAC_SHA512),
    ];
    for (id, algorithm) in rings {
        beside(default_provider().prf(id).unwrap(), "ring", |key, data| {
            black_box(hmac::sign(&hmac::Key::new(algorithm, key), data));
        });
    }
    #[cfg(feature = "openssl")]
    openssl_anchors();
    #[cfg(not(feature = "openssl"))]
    println!("keys: PRFs are measured beside OpenSSL's with --features openssl");
}

#[cfg(feature = "openssl")]
fn openssl_anchors() {
    use handfast_benches::openssl::mac::{AesMac, Hmac};

    for (id, digest) in [
        (Prf::HMAC_MD5, "MD5"),
        (Prf::HMAC_SHA1, "SHA1"),
        (Prf::HMAC_SHA2_256, "SHA256"),
        (Prf::HMAC_SHA2_384, "SHA384"),
        (Prf::HMAC_SHA2_512, "SHA512"),
    ] {
        let mut mac = Hmac::new(digest);
        beside(legacy_provider().prf(id).unwrap(), "OpenSSL", |key, data| {
            mac.set_key(key);
            black_box(mac.compute(data, &mut [0; 64]));
        });
    }
    for (id, xcbc) in [(Prf::AES128_XCBC, true), (Prf::AES128_CMAC, false)] {
        let mut mac = AesMac::new(xcbc);
        beside(legacy_provider().prf(id).unwrap(), "OpenSSL", |key, data| {
            mac.set_key(key.try_into().unwrap());
            black_box(mac.compute(data));
        });
    }
}

/// A key schedule's bare calls: prf of so many octets with such keys, `count` times.
fn bare(prf: &dyn PrfAlgorithm, count: usize, len: usize) {
    let (key, data) = ([1; 64], [2; 512]);
    for _ in 0..count {
        black_box(prf.compute(black_box(&key[..prf.key_len()]), &[black_box(&data[..len])]));
    }
}

/// Each key schedule against its PRF alone, on as many octets.
fn schedules_beside_bare() {
    let shared = Secret::from(&[3; 256][..]);
    let spis = 2 * SPI.len();
    for &prf in legacy_provider().prfs {
        let out = prf.output_len();
        let sk_d = Secret::from(&vec![4; prf.key_len()][..]);
        let nonces = 2 * NONCE.len();
        for protect in ciphers() {
            let (encr, keys) = (protect.encr(), protect.encr_key_len() + protect.integ_key_len());
            let turns = |what: &str, whole: &dyn Fn(), part: &dyn Fn()| {
                let name = format!("schedule/bare/{}/{what}/{encr}", prf.id());
                if wanted(&name) {
                    let batch = |work: &dyn Fn()| time(|| (0..BATCH / 4).for_each(|_| work()));
                    measure(TURNS / 2, || batch(whole), || batch(part)).print(&name, BATCH / 4);
                }
            };
            let all = (3 * prf.key_len() + 2 * keys).div_ceil(out);
            turns("v2/ike", &|| drop(black_box(ike(prf, protect, &shared))), &|| {
                bare(prf, 1, shared.as_bytes().len());
                bare(prf, 1, nonces + spis + 1);
                bare(prf, all - 1, out + nonces + spis + 1);
            });
            let child = || {
                drop(black_box(
                    v2::child_keys(prf, protect, &sk_d, None, &NONCE, &NONCE).unwrap(),
                ))
            };
            turns("v2/child", &child, &|| {
                bare(prf, 1, nonces + 1);
                bare(prf, (2 * keys).div_ceil(out) - 1, out + nonces + 1);
            });
            let cipher_key = protect.encr_key_len();
            turns(
                "v1/phase1",
                &|| drop(black_box(phase_one(prf, protect, &shared))),
                &|| {
                    let gxy = shared.as_bytes().len();
                    bare(prf, 1, nonces);
                    bare(prf, 1, gxy + spis + 1);
                    bare(prf, 2, out + gxy + spis + 1);
                    if cipher_key > out {
                        bare(prf, 1, 1);
                        bare(prf, cipher_key.div_ceil(out) - 1, out);
                    }
                },
            );
            turns(
                "v1/phase2",
                &|| drop(black_box(phase_two(prf, protect, &sk_d))),
                &|| {
                    for _ in 0..2 {
                        bare(prf, 1, 5 + nonces);
                        bare(prf, keys.div_ceil(out) - 1, out + 5 + nonces);
                    }
                },
            );
        }
    }
}

criterion_group! {
    name = benches;
    config = handfast_benches::criterion();
    targets = prfs, schedules
}

fn main() {
    anchors();
    schedules_beside_bare();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
