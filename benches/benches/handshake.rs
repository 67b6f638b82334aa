//! One whole handshake (IKE_SA_INIT, IKE_AUTH, one child), both ends in one thread, against the cryptographic operations
//! that it cannot avoid; `handfast_benches::unavoidable` lists them.
#![allow(missing_docs)]

use criterion::{BatchSize, Criterion, criterion_group};
use handfast_benches::ends::{Ends, policies};
use handfast_benches::ratio::{measure, time, wanted};
use handfast_benches::unavoidable::Unavoidable;

fn handshake(criterion: &mut Criterion) {
    let (policies, unavoidable) = (policies(), Unavoidable::of_a_handshake());
    let mut group = criterion.benchmark_group("handshake/x25519-psk");
    group.bench_function("both_ends", |b| {
        b.iter_batched_ref(|| Ends::new(&policies), Ends::handshake, BatchSize::SmallInput);
    });
    group.bench_function("unavoidable", |b| b.iter(|| unavoidable.both_ends()));
    group.finish();
}

fn ratio() {
    let (policies, unavoidable) = (policies(), Unavoidable::of_a_handshake());
    let whole = || {
        let mut ends = Ends::new(&policies);
        let took = time(|| ends.handshake());
        assert_eq!(ends.up, 2, "the handshake failed");
        took
    };
    measure(5000, whole, || time(|| unavoidable.both_ends())).print("handshake/x25519-psk", 1);
}

criterion_group!(benches, handshake);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    if wanted("handshake/x25519-psk") {
        ratio();
    }
}
