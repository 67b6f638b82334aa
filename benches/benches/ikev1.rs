//! IKEv1: a further phase 2 under an ISAKMP SA, both ends in one thread, against the cryptographic operations that it cannot
//! avoid (`handfast_benches::unavoidable_v1` lists them); and what ISAKMP is for, the cost of a whole new phase 1 and 2
//! against a further phase 2. Whole handshakes are in the bench `handshake`.
#![allow(missing_docs)]

use criterion::{BatchSize, Criterion, criterion_group};
use handfast_benches::ends::{Ends, policies_v1};
use handfast_benches::ratio::{measure, time, wanted};
use handfast_benches::unavoidable_v1::Unavoidable;
use handfast_engine::{Command, Rekey};

fn further() -> Command {
    Command::Rekey {
        connection: "office".into(),
        what: Rekey::Children,
    }
}

fn ikev1(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ikev1/ecp256-psk");
    let policies = policies_v1(false);
    let established = || {
        let mut ends = Ends::new(&policies);
        ends.handshake();
        ends
    };
    group.bench_function("further_quick_mode", |b| {
        b.iter_batched_ref(established, |ends| ends.command(further()), BatchSize::SmallInput);
    });
    group.finish();
}

fn ratios() {
    let (policies, unavoidable) = (policies_v1(false), Unavoidable::of(false));
    let phase_one = unavoidable.phase_one();
    let further_time = || {
        let mut ends = Ends::new(&policies);
        ends.handshake();
        let took = time(|| ends.command(further()));
        assert_eq!(ends.up, 4, "the further quick mode failed");
        took
    };
    measure(3000, further_time, || time(|| unavoidable.phase_two(&phase_one))).print("ikev1/further_quick_mode", 1);
    let both_phases = || {
        let mut ends = Ends::new(&policies);
        time(|| ends.handshake())
    };
    measure(3000, both_phases, further_time).print_beside("ikev1/new_against_further", "a further phase 2", 1);
}

criterion_group! {
    name = benches;
    config = handfast_benches::criterion();
    targets = ikev1
}

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    if wanted("ikev1") {
        ratios();
    }
}
