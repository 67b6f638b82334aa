//! Whole handshakes of every method and version, both ends in one thread, against the cryptographic operations that they
//! cannot avoid; `handfast_benches::unavoidable` and its siblings list them. Kerberos, which needs a KDC, is in the bench
//! `kerberos`.
#![allow(missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group};
use handfast_auth::certificate::Curve;
use handfast_auth::certificate::generate::KeyKind;
use handfast_benches::ends::{Ends, policies, policies_v1};
use handfast_benches::ratio::{cpu_time as time, measure, wanted};
use handfast_benches::unavoidable::Unavoidable;
use handfast_benches::unavoidable_signatures::by_certificate;
use handfast_benches::unavoidable_v1::Unavoidable as UnavoidableV1;
use handfast_engine::policy::Policy;

const KINDS: [(&str, KeyKind); 4] = [
    ("ecdsa256", KeyKind::Ec(Curve::P256)),
    ("ed25519", KeyKind::Ed25519),
    ("rsa2048", KeyKind::Rsa(2048)),
    ("rsa3072", KeyKind::Rsa(3072)),
];

/// A method in a mode.
struct Method {
    name: String,
    policies: [Arc<Policy>; 2],
    /// What cannot be avoided.
    part: Box<dyn Fn()>,
    turns: usize,
}

impl Method {
    fn new(
        mode: &str,
        method: &str,
        turns: usize,
        policies: [Arc<Policy>; 2],
        signatures: impl Fn() + 'static,
    ) -> Self {
        let rest: Box<dyn Fn()> = if mode == "ikev2" {
            let rest = Unavoidable::of(&policies);
            Box::new(move || rest.both_ends())
        } else {
            let rest = UnavoidableV1::of_ends(&policies);
            Box::new(move || rest.phase_two(&rest.phase_one()))
        };
        Self {
            name: format!("handshake/{mode}/{method}"),
            policies,
            part: Box::new(move || {
                rest();
                signatures();
            }),
            turns,
        }
    }

    fn whole(&self) -> Duration {
        let mut ends = Ends::new(&self.policies);
        let took = time(|| ends.handshake());
        assert_eq!(ends.up, 2, "{}: the handshake failed", self.name);
        took
    }
}

/// Those that the command line asks for, as keys take long to make.
fn methods() -> Vec<Method> {
    let modes: [(&str, [Arc<Policy>; 2]); 3] = [
        ("ikev2", policies()),
        ("main", policies_v1(false)),
        ("aggressive", policies_v1(true)),
    ];
    let mut all = Vec::new();
    for (mode, base) in modes {
        if wanted(&format!("handshake/{mode}/psk")) {
            all.push(Method::new(mode, "psk", 3000, base.clone(), || {}));
        }
        for (name, kind) in KINDS {
            // It has no method in IKEv1.
            let exists = mode == "ikev2" || kind != KeyKind::Ed25519;
            if exists && wanted(&format!("handshake/{mode}/{name}")) {
                let turns = if matches!(kind, KeyKind::Rsa(_)) { 100 } else { 500 };
                let (ends, signatures) = by_certificate(&base, kind);
                all.push(Method::new(mode, name, turns, ends, move || signatures.both_ends()));
            }
        }
    }
    all
}

fn handshakes(criterion: &mut Criterion) {
    for method in methods() {
        measure(method.turns, || method.whole(), || time(&method.part)).print(&method.name, 1);
        if method.name.ends_with("psk") {
            let mut group = criterion.benchmark_group(&method.name);
            group.bench_function("both_ends", |b| {
                b.iter_batched_ref(|| Ends::new(&method.policies), Ends::handshake, BatchSize::SmallInput);
            });
            group.bench_function("unavoidable", |b| b.iter(&method.part));
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = handfast_benches::criterion();
    targets = handshakes
}

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
