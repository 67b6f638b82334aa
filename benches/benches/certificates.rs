//! What authentication by certificate costs: each signature made and checked, with the feature `openssl` beside OpenSSL's; a
//! path of three certificates with and without CRLs. Whole handshakes are in the bench `handshake`.
#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group};
use handfast_auth::certificate::generate::{KeyKind, generate};
use handfast_auth::certificate::path::find;
use handfast_auth::certificate::revocation::{Evidence, RevocationPolicy, Wanted, check_all};
use handfast_auth::certificate::{Certificate, Crl, Curve, Form, LocalSigner, PathPolicy, PrivateKey, Scheme, Signer};
use handfast_crypto::hash::Hash;
use handfast_sim::pki::{Ca, NOW};
use ring::rand::SystemRandom;

fn signer(kind: KeyKind) -> LocalSigner {
    let random = Arc::new(SystemRandom::new());
    let pkcs8 = generate(kind, &*random).expect("the system has randomness");
    let key = PrivateKey::from_der(pkcs8.as_bytes()).expect("a new key is valid");
    LocalSigner::new(key, random)
}

fn schemes() -> [(&'static str, KeyKind, Scheme); 7] {
    [
        ("rsa2048-pkcs1", KeyKind::Rsa(2048), Scheme::RsaPkcs1(Hash::Sha256)),
        ("rsa2048-pss", KeyKind::Rsa(2048), Scheme::pss(Hash::Sha256)),
        ("rsa3072-pss", KeyKind::Rsa(3072), Scheme::pss(Hash::Sha256)),
        ("ecdsa256", KeyKind::Ec(Curve::P256), Scheme::Ecdsa(Hash::Sha256)),
        ("ecdsa384", KeyKind::Ec(Curve::P384), Scheme::Ecdsa(Hash::Sha384)),
        ("ecdsa521", KeyKind::Ec(Curve::P521), Scheme::Ecdsa(Hash::Sha512)),
        ("ed25519", KeyKind::Ed25519, Scheme::Ed25519),
    ]
}

fn signatures(criterion: &mut Criterion) {
    for (name, kind, scheme) in schemes() {
        let (signer, message) = (signer(kind), [0x5a; 600]);
        let sign = || {
            signer
                .sign(Form::Scheme(scheme), black_box(&message))
                .expect("it can sign")
        };
        let signature = sign();
        let mut bench = criterion.benchmark_group(format!("signature/{name}"));
        bench.bench_function("sign", |b| b.iter(sign));
        bench.bench_function("verify", |b| {
            b.iter(|| {
                signer
                    .public_key()
                    .verify(scheme, black_box(&message), &signature)
                    .expect("it fits")
            });
        });
        bench.finish();
    }
}

/// Both with a key of their own, in turns.
#[cfg(feature = "openssl")]
fn beside_openssl() {
    use handfast_benches::openssl::signature::Key;
    use handfast_benches::ratio::{cpu_time as time, measure, wanted};

    for (name, kind, scheme) in schemes() {
        let asked = ["sign", "verify"].map(|what| format!("signature/openssl/{name}/{what}"));
        if !asked.iter().any(|name| wanted(name)) {
            continue;
        }
        let (ours, message) = (signer(kind), [0x5a; 600]);
        let theirs = match kind {
            KeyKind::Rsa(bits) => Key::rsa(bits as u32, name.ends_with("pss")),
            KeyKind::Ec(Curve::P256) => Key::ecdsa(256),
            KeyKind::Ec(Curve::P384) => Key::ecdsa(384),
            KeyKind::Ec(Curve::P521) => Key::ecdsa(521),
            KeyKind::Ed25519 => Key::ed25519(),
        };
        let sign = || {
            ours.sign(Form::Scheme(scheme), black_box(&message))
                .expect("it can sign")
        };
        let signatures = (sign(), theirs.sign(&message));
        let turns = 300;
        if wanted(&asked[0]) {
            let whole = || time(|| drop(black_box(sign())));
            let part = || time(|| drop(black_box(theirs.sign(black_box(&message)))));
            measure(turns, whole, part).print_beside(&asked[0], "OpenSSL", 1);
        }
        if wanted(&asked[1]) {
            let key = ours.public_key();
            let whole = || time(|| key.verify(scheme, black_box(&message), &signatures.0).expect("it fits"));
            let part = || time(|| assert!(theirs.verify(black_box(&message), &signatures.1)));
            measure(turns, whole, part).print_beside(&asked[1], "OpenSSL", 1);
        }
    }
}

fn path_of_three(criterion: &mut Criterion) {
    let kind = KeyKind::Ec(Curve::P256);
    let root = Ca::root("CN=Root", kind);
    let middle = root.intermediate("CN=Middle", kind);
    let own = middle.peer(&"gw.example".parse().expect("a name"), kind);
    let (peer, sent) = (&own.chain[0], &own.chain[1..]);
    let trust = &root.trusted().trust;
    // The serial numbers of these two are others.
    let revoked: Vec<u8> = (10..110).collect();
    let lists = [&root, &middle].map(|ca| ca.crl(&revoked));
    let policy = RevocationPolicy {
        crl: Wanted::Require,
        ocsp: Wanted::Off,
    };
    criterion.bench_function("path/read a certificate", |b| {
        b.iter(|| Certificate::from_der(black_box(peer.as_der())).expect("it reads"));
    });
    let path = || find(black_box(peer), sent, trust, &PathPolicy::at(NOW)).expect("a path");
    criterion.bench_function("path/three of ecdsa256", |b| b.iter(path));
    criterion.bench_function("path/three of ecdsa256 with two CRLs of 100 entries", |b| {
        b.iter(|| {
            let crls: Vec<Crl> = lists.iter().map(|der| Crl::from_der(der).expect("it reads")).collect();
            let evidence = Evidence { crls: &crls, ocsp: &[] };
            check_all(&path()[0], &[evidence], policy, NOW).expect("not revoked");
        });
    });
}

criterion_group! {
    name = benches;
    config = handfast_benches::criterion();
    targets = signatures, path_of_three
}

fn main() {
    #[cfg(feature = "openssl")]
    beside_openssl();
    #[cfg(not(feature = "openssl"))]
    println!("certificates: signatures are measured beside OpenSSL's with --features openssl");
    benches();
    Criterion::default().configure_from_args().final_summary();
}
