//! IKEv1: phase 1 in both modes with a first child, and a further phase 2 under it, both ends in one thread, against the
//! cryptographic operations that they cannot avoid (`handfast_benches::unavoidable_v1` lists them); and what ISAKMP is for,
//! the cost of a further phase 2 against a whole new phase 1 and 2.
#![allow(missing_docs)]

use criterion::{BatchSize, Criterion, criterion_group};
use handfast_benches::ends::{Ends, policies_v1};
use handfast_benches::ratio::{measure, time, wanted};
use handfast_benches::unavoidable_v1::Unavoidable;
use handfast_engine::{Command, Rekey};

const MODES: [(&str, bool); 2] = [("main", false), ("aggressive", true)];

fn further() -> Command {
    Command::Rekey {
        connection: "office".into(),
        what: Rekey::Children,
    }
}

fn ikev1(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ikev1/ecp256-psk");
    for (mode, aggressive) in MODES {
        let policies = policies_v1(aggressive);
        group.bench_function(mode, |b| {
            b.iter_batched_ref(|| Ends::new(&policies), Ends::handshake, BatchSize::SmallInput);
        });
    }
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
    for (mode, aggressive) in MODES {
        let (policies, unavoidable) = (policies_v1(aggressive), Unavoidable::of(aggressive));
        let whole = || {
            let mut ends = Ends::new(&policies);
            let took = time(|| ends.handshake());
            assert_eq!(ends.up, 2, "{mode} mode failed");
            took
        };
        let part = || time(|| unavoidable.phase_two(&unavoidable.phase_one()));
        measure(3000, whole, part).print(&format!("ikev1/{mode}"), 1);
    }
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
    println!("a whole new phase 1 and 2 against a further phase 2 (in place of unavoidable):");
    measure(3000, both_phases, further_time).print("ikev1/new_against_further", 1);
}

criterion_group!(benches, ikev1);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    if wanted("ikev1") {
        ratios();
    }
}
