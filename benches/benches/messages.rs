//! Parsing and encoding recorded messages of each kind: parsing beside `ipsec-parser`, another parser of IKEv2, and both
//! beside copying the octets.
//!
//! `ipsec-parser` reads payload by payload here: its function for whole messages refuses NAT detection's notifies.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use handfast_benches::ratio::{measure, time, wanted};
use handfast_benches::recorded::{Recorded, messages};
use handfast_wire::header::{HEADER_LEN, Header};
use handfast_wire::{v1, v2};
use ipsec_parser::{
    IkePayloadType, IkeV2PayloadContent, parse_ikev2_header, parse_ikev2_payload_generic, parse_ikev2_payload_with_type,
};

/// Calls of one turn.
const BATCH: u32 = 64;
const TURNS: usize = 1000;

fn is_v2(bytes: &[u8]) -> bool {
    Header::parse(bytes).unwrap().version.major == 2
}

/// Every payload to its last attribute; the sum of some numbers on the way.
fn parse(bytes: &[u8]) -> usize {
    if is_v2(bytes) { parse_v2(bytes) } else { parse_v1(bytes) }
}

fn parse_v2(bytes: &[u8]) -> usize {
    let message = v2::Message::parse(bytes).unwrap();
    let mut sum = 0;
    for raw in message.payloads() {
        let payload = raw.unwrap().parse().unwrap();
        sum += usize::from(payload.kind().0);
        match payload {
            v2::Payload::Sa(sa) => {
                for proposal in sa.proposals() {
                    for transform in proposal.unwrap().transforms() {
                        sum += transform.unwrap().attributes().map(Result::unwrap).count();
                    }
                }
            }
            v2::Payload::TsI(ts) | v2::Payload::TsR(ts) => sum += ts.selectors().map(Result::unwrap).count(),
            v2::Payload::Cp(config) => sum += config.iter().map(Result::unwrap).count(),
            _ => {}
        }
    }
    sum
}

fn parse_v1(bytes: &[u8]) -> usize {
    let message = v1::Message::parse(bytes).unwrap();
    let mut sum = 0;
    for raw in message.payloads() {
        let payload = raw.unwrap().parse().unwrap();
        sum += usize::from(payload.kind().0);
        if let v1::Payload::Sa(sa) = payload {
            for proposal in sa.proposals() {
                for transform in proposal.unwrap().transforms() {
                    sum += transform.unwrap().attributes().map(Result::unwrap).count();
                }
            }
        }
    }
    sum
}

/// The same by `ipsec-parser`: as many payloads, in its own types.
fn parse_beside(bytes: &[u8]) -> usize {
    let (mut rest, header) = parse_ikev2_header(bytes).unwrap();
    let (mut next, mut sum) = (header.next_payload, 0);
    while next != IkePayloadType::NoNextPayload {
        let (after, raw) = parse_ikev2_payload_generic(rest).unwrap();
        let length = raw.hdr.payload_length - 4;
        let (_, content) = parse_ikev2_payload_with_type(raw.payload, length, next).unwrap();
        sum += usize::from(next.0);
        match black_box(&content) {
            IkeV2PayloadContent::SA(proposals) => sum += proposals.iter().map(|p| p.transforms.len()).sum::<usize>(),
            IkeV2PayloadContent::TSi(ts) | IkeV2PayloadContent::TSr(ts) => sum += ts.ts.len(),
            _ => {}
        }
        (rest, next) = (after, raw.hdr.next_payload_type);
    }
    sum
}

/// Read and written again, payload by payload.
fn encode(bytes: &[u8]) -> Vec<u8> {
    let header = Header::parse(bytes).unwrap();
    let body = &bytes[HEADER_LEN..];
    if header.version.major == 2 {
        let mut chain = v2::PayloadChain::new();
        for raw in v2::payloads(header.next_payload, body) {
            chain.push(&raw.unwrap().parse().unwrap());
        }
        v2::message(header, &chain)
    } else {
        let mut chain = v1::PayloadChain::new();
        for raw in v1::payloads(header.next_payload, body) {
            chain.push(&raw.unwrap().parse().unwrap());
        }
        v1::message(header, &chain)
    }
}

fn criterion_of(criterion: &mut Criterion) {
    for Recorded { name, bytes } in messages() {
        let mut group = criterion.benchmark_group(format!("message/{}", name.replace('/', "-")));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("parse", |b| b.iter(|| parse(black_box(&bytes))));
        group.bench_function("parse_and_encode", |b| {
            b.iter_batched(|| bytes.clone(), |bytes| encode(&bytes), BatchSize::SmallInput);
        });
        group.finish();
    }
}

fn anchors() {
    for Recorded { name, bytes } in messages() {
        assert_eq!(encode(&bytes), bytes, "{name} is written as it was read");
        let many = |work: &dyn Fn(&[u8])| time(|| (0..BATCH).for_each(|_| work(black_box(&bytes))));
        let parsing = || many(&|bytes| _ = black_box(parse(bytes)));
        let copying = || many(&|bytes| drop(black_box(bytes.to_vec())));
        let coding = || many(&|bytes| drop(black_box(encode(bytes))));
        let octets = bytes.len();
        let named = |what: &str| format!("message/{what}/{name} ({octets} octets)");
        if wanted(&named("parse")) && is_v2(&bytes) {
            assert!(parse_beside(&bytes) > 0);
            let other = || many(&|bytes| _ = black_box(parse_beside(bytes)));
            measure(TURNS, parsing, other).print_beside(&named("parse"), "ipsec-parser", BATCH);
        }
        if wanted(&named("parse_copy")) {
            measure(TURNS, parsing, copying).print_beside(&named("parse_copy"), "copying", BATCH);
        }
        if wanted(&named("encode")) {
            measure(TURNS, coding, copying).print_beside(&named("encode"), "copying", BATCH);
        }
    }
}

criterion_group! {
    name = benches;
    config = handfast_benches::criterion();
    targets = criterion_of
}

fn main() {
    anchors();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
