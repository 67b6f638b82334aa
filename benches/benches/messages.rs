//! Parsing and encoding: every message of one handshake.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use handfast_engine::Command;
use handfast_sim::policies::{address, connection, policy};
use handfast_sim::{Host, World};
use handfast_wire::header::HEADER_LEN;
use handfast_wire::v2::{Message, PayloadChain, message, payloads};
use std::hint::black_box;
use std::time::Duration;

/// The four messages of a handshake, as they go over the wire.
fn handshake() -> Vec<Vec<u8>> {
    let host = |i: usize| Host::new(i as u8 + 1, vec![address(i)], policy(connection(i)));
    let mut world = World::new(1, vec![host(0), host(1)]);
    world.command(
        0,
        Command::Up {
            connection: "office".into(),
        },
    );
    world.run(Duration::from_secs(2));
    world.network.sent.into_iter().map(|t| t.bytes).collect()
}

fn parse(bytes: &[u8]) -> usize {
    let parsed = Message::parse(bytes).expect("a valid message");
    parsed
        .payloads()
        .map(|p| p.and_then(|p| p.parse()).expect("a valid payload"))
        .map(|p| usize::from(p.kind().0))
        .sum()
}

fn encode(bytes: &[u8]) -> Vec<u8> {
    let parsed = Message::parse(bytes).expect("a valid message");
    let mut chain = PayloadChain::new();
    for payload in payloads(parsed.header.next_payload, &bytes[HEADER_LEN..]) {
        chain.push(&payload.and_then(|p| p.parse()).expect("a valid payload"));
    }
    message(parsed.header, &chain)
}

fn messages(criterion: &mut Criterion) {
    let names = ["sa_init_request", "sa_init_response", "auth_request", "auth_response"];
    for (name, bytes) in names.into_iter().zip(handshake()) {
        let mut group = criterion.benchmark_group(format!("message/{name}"));
        group.bench_function("parse", |b| b.iter(|| parse(black_box(&bytes))));
        group.bench_function("parse_and_encode", |b| {
            b.iter_batched(|| bytes.clone(), |bytes| encode(&bytes), BatchSize::SmallInput);
        });
        group.finish();
    }
}

criterion_group!(benches, messages);
criterion_main!(benches);
