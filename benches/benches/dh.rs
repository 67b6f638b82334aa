//! What a Diffie-Hellman exchange costs: key generation and agreement in every group.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use handfast_benches::Random;
use handfast_crypto::default_provider;

fn exchange(criterion: &mut Criterion) {
    for group in default_provider().groups {
        let mut bench = criterion.benchmark_group(format!("dh/{}", group.id()));
        bench.sample_size(20);
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

criterion_group!(benches, exchange);
criterion_main!(benches);
