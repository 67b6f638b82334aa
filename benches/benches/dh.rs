//! What a Diffie-Hellman exchange costs: key generation and agreement in every group, and by each arithmetic that
//! this processor has.
//!
//! With the feature `openssl`, each whole exchange also against OpenSSL's; with `aws-lc`, AWS-LC's exchanges against those of
//! the default provider (and with both against OpenSSL's). In turns, by the thread's processor time.

use criterion::{BatchSize, Criterion, criterion_group};
use handfast_benches::Random;
use handfast_crypto::default_provider;
use handfast_modp::{Arithmetic, ModpGroup, PrivateKey};

fn exchange(criterion: &mut Criterion) {
    for group in default_provider().groups {
        let mut bench = criterion.benchmark_group(format!("dh/{}", group.id()));
        let generate = || group.generate(&mut Random).expect("the system has randomness");
        bench.bench_function("keygen", |b| b.iter(generate));
        let peer = generate().public().to_vec();
        bench.bench_function("agree", |b| {
            b.iter_batched(
                generate,
                |key| key.agree(&peer).expect("a valid public value"),
                BatchSize::SmallInput,
            );
        });
        bench.finish();
    }
}

fn key(group: ModpGroup) -> PrivateKey {
    PrivateKey::generate(group, &mut |out: &mut [u8]| getrandom::fill(out)).expect("the system has randomness")
}

fn arithmetic(criterion: &mut Criterion) {
    for group in ModpGroup::all() {
        for by in Arithmetic::available() {
            let mut bench = criterion.benchmark_group(format!("modp/{}/{}", group.name(), by.name()));
            let (ours, peer) = (key(group), key(group).public());
            bench.bench_function("keygen", |b| b.iter(|| ours.public_by(by)));
            bench.bench_function("agree", |b| b.iter(|| ours.agree_by(by, &peer)));
            bench.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = handfast_benches::criterion();
    targets = exchange, arithmetic
}

fn main() {
    #[cfg(feature = "aws-lc")]
    aws_lc::print();
    #[cfg(feature = "openssl")]
    anchors::print();
    benches();
    Criterion::default().configure_from_args().final_summary();
}

/// The groups that AWS-LC has.
#[cfg(feature = "aws-lc")]
mod aws_lc {
    use std::hint::black_box;
    use std::time::Duration;

    use handfast_benches::Random;
    use handfast_benches::ratio::{cpu_time, measure, wanted};
    use handfast_crypto::provider::KeyAgreement;
    use handfast_crypto::transform::Group;
    use handfast_crypto::{aws_lc_provider, default_provider};

    pub const GROUPS: [Group; 4] = [Group::X25519, Group::ECP256, Group::ECP384, Group::ECP521];

    fn exchange(group: &dyn KeyAgreement) -> impl FnMut() -> Duration {
        let generate = || group.generate(&mut Random).expect("the system has randomness");
        let peer = generate().public().to_vec();
        move || cpu_time(|| drop(black_box(generate().agree(&peer).expect("a valid public value"))))
    }

    pub fn print() {
        for id in GROUPS {
            let name = format!("dh/aws-lc/{id}/exchange");
            let of = |provider: &'static handfast_crypto::provider::Provider| provider.group(id).map(exchange);
            if let (true, Some(ours), Some(other)) = (wanted(&name), of(aws_lc_provider()), of(default_provider())) {
                measure(400, ours, other).print_beside(&name, "default provider", 1);
            }
        }
    }
}

#[cfg(feature = "openssl")]
mod anchors {
    use std::hint::black_box;

    use handfast_benches::Random;
    use handfast_benches::openssl::{Curve, Modp};
    use handfast_benches::ratio::{cpu_time as time, measure, wanted};
    use handfast_crypto::{default_provider, provider::KeyAgreement};
    use handfast_modp::{Arithmetic, ModpGroup};

    use super::key;

    /// Turns for exchanges of about this many bits, so that none takes minutes.
    fn turns(bits: usize) -> usize {
        (400_000 / bits.max(1000)).max(21)
    }

    pub fn print() {
        for group in [2, 5]
            .into_iter()
            .filter_map(|number| ModpGroup::legacy(number).ok())
            .chain(ModpGroup::all())
        {
            for by in Arithmetic::available() {
                modp(group, by);
            }
        }
        for &group in default_provider().groups {
            if let Some(curve) = Curve::of(group.id()) {
                elliptic(&format!("dh/openssl/{}/exchange", group.id()), group, &curve);
            }
        }
        #[cfg(feature = "aws-lc")]
        for id in super::aws_lc::GROUPS {
            let group = handfast_crypto::aws_lc_provider().group(id);
            if let (Some(group), Some(curve)) = (group, Curve::of(id)) {
                elliptic(&format!("dh/openssl/{id}/aws-lc/exchange"), group, &curve);
            }
        }
    }

    fn modp(group: ModpGroup, by: Arithmetic) {
        let mut openssl = Modp::new(&group.prime(), group.private_len());
        let turns = turns(group.public_len() * 8);
        let name = |what| format!("dh/openssl/{}/{}/{what}", group.name(), by.name());
        let (ours, peer) = (key(group), key(group).public());
        let (theirs, _) = openssl.generate();
        if wanted(&name("keygen")) {
            let whole = || time(|| drop(black_box(key(group).public_by(by))));
            measure(turns, whole, || time(|| drop(black_box(openssl.generate())))).print_beside(
                &name("keygen"),
                "OpenSSL",
                1,
            );
        }
        if wanted(&name("agree")) {
            let whole = || time(|| drop(black_box(ours.agree_by(by, &peer))));
            let part = || time(|| drop(black_box(openssl.agree(&theirs, &peer))));
            measure(turns, whole, part).print_beside(&name("agree"), "OpenSSL", 1);
        }
        if wanted(&name("exchange")) {
            let whole = || {
                time(|| {
                    let ours = key(group);
                    black_box(ours.public_by(by));
                    drop(black_box(ours.agree_by(by, &peer)));
                })
            };
            let part = || {
                time(|| {
                    let (private, _) = openssl.generate();
                    drop(black_box(openssl.agree(&private, &peer)));
                })
            };
            measure(turns, whole, part).print_beside(&name("exchange"), "OpenSSL", 1);
        }
    }

    fn elliptic(name: &str, group: &dyn KeyAgreement, curve: &Curve) {
        if !wanted(name) {
            return;
        }
        let generate = || group.generate(&mut Random).expect("the system has randomness");
        let peer = generate().public().to_vec();
        let whole = || time(|| drop(black_box(generate().agree(&peer).expect("a valid public value"))));
        let theirs = curve.public(&curve.generate());
        let part = || time(|| drop(black_box(curve.agree(&curve.generate(), &theirs))));
        measure(400, whole, part).print_beside(name, "OpenSSL", 1);
    }
}
