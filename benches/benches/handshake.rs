//! One whole handshake (IKE_SA_INIT, IKE_AUTH, one child) between two engines, all cryptography included, against the
//! key agreement alone that no handshake can avoid.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use handfast_benches::Random;
use handfast_crypto::transform::Group;
use handfast_engine::Command;
use handfast_sim::policies::{address, connection, policy};
use handfast_sim::{Host, World};
use std::time::Duration;

fn world() -> World {
    let host = |i: usize| Host::new(i as u8 + 1, vec![address(i)], policy(connection(i)));
    World::new(1, vec![host(0), host(1)])
}

fn run(mut world: World) -> World {
    world.command(
        0,
        Command::Up {
            connection: "office".into(),
        },
    );
    let up = |w: &World| w.hosts.iter().all(|h| h.outbound.len() == 1);
    assert!(
        world.run_until(Duration::from_secs(10), up),
        "the handshake did not end"
    );
    world
}

fn handshake(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake/x25519-psk");
    group.bench_function("both_ends", |b| b.iter_batched(world, run, BatchSize::SmallInput));
    group.bench_function("its_key_agreement_alone", |b| {
        let x25519 = handfast_sim::seeded::provider()
            .group(Group(31))
            .expect("the seeded provider has X25519");
        b.iter(|| {
            let one = x25519.generate(&mut Random).expect("the system has randomness");
            let two = x25519.generate(&mut Random).expect("the system has randomness");
            let (public_one, public_two) = (one.public().to_vec(), two.public().to_vec());
            (one.agree(&public_two), two.agree(&public_one))
        });
    });
    group.finish();
}

criterion_group!(benches, handshake);
criterion_main!(benches);
