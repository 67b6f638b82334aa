//! What authentication by certificate costs: each signature made and checked, and a path of three certificates.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use handfast_auth::certificate::generate::{KeyKind, generate};
use handfast_auth::certificate::issue::Template;
use handfast_auth::certificate::path::find;
use handfast_auth::certificate::{
    Certificate, Curve, Form, GeneralName, LocalSigner, PathPolicy, PrivateKey, Scheme, Signer, Time, Trust,
};
use handfast_crypto::hash::Hash;
use ring::rand::SystemRandom;

fn signer(kind: KeyKind) -> LocalSigner {
    let random = Arc::new(SystemRandom::new());
    let pkcs8 = generate(kind, &*random).expect("the system has randomness");
    let key = PrivateKey::from_der(pkcs8.as_bytes()).expect("a new key is valid");
    LocalSigner::new(key, random)
}

fn signatures(criterion: &mut Criterion) {
    let sha256 = Hash::Sha256;
    for (name, kind, scheme) in [
        ("rsa2048-pkcs1", KeyKind::Rsa(2048), Scheme::RsaPkcs1(sha256)),
        ("rsa2048-pss", KeyKind::Rsa(2048), Scheme::pss(sha256)),
        ("rsa3072-pss", KeyKind::Rsa(3072), Scheme::pss(sha256)),
        ("ecdsa256", KeyKind::Ec(Curve::P256), Scheme::Ecdsa(sha256)),
        ("ecdsa384", KeyKind::Ec(Curve::P384), Scheme::Ecdsa(Hash::Sha384)),
        ("ecdsa521", KeyKind::Ec(Curve::P521), Scheme::Ecdsa(Hash::Sha512)),
        ("ed25519", KeyKind::Ed25519, Scheme::Ed25519),
    ] {
        let (signer, message) = (signer(kind), [0x5a; 600]);
        let sign = || {
            signer
                .sign(Form::Scheme(scheme), black_box(&message))
                .expect("it can sign")
        };
        let signature = sign();
        let mut bench = criterion.benchmark_group(format!("signature/{name}"));
        bench.sample_size(20);
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

fn path_of_three(criterion: &mut Criterion) {
    let (begin, now) = (Time(1_795_000_000), Time(1_795_521_600));
    let end = now.plus_days(100);
    let [root, middle, peer] = [(); 3].map(|()| signer(KeyKind::Ec(Curve::P256)));
    let name = |text: &str| text.parse().expect("a name");
    let template = Template::ca(name("CN=Root"), vec![1], begin, end);
    let root_certificate = template
        .issue(root.public_key(), &template.subject, &root)
        .expect("it signs");
    let template = Template::ca(name("CN=Middle"), vec![2], begin, end);
    let middle_certificate = template
        .issue(middle.public_key(), &name("CN=Root"), &root)
        .expect("it signs");
    let names = vec![GeneralName::Dns("gw.example".into())];
    let template = Template::peer(name("CN=gw"), names, vec![3], begin, end);
    let peer_certificate = template
        .issue(peer.public_key(), &name("CN=Middle"), &middle)
        .expect("it signs");
    let trust = Trust {
        anchors: vec![root_certificate],
        intermediates: vec![],
    };
    let sent = [middle_certificate];
    criterion.bench_function("path/read a certificate", |b| {
        b.iter(|| Certificate::from_der(black_box(peer_certificate.as_der())).expect("it reads"));
    });
    criterion.bench_function("path/three of ecdsa256", |b| {
        b.iter(|| find(black_box(&peer_certificate), &sent, &trust, &PathPolicy::at(now)).expect("a path"));
    });
}

criterion_group!(benches, signatures, path_of_three);
criterion_main!(benches);
