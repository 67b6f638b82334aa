//! One ESP packet: seal and open, for each suite, at 64, 512 and 1,400 octets; and through the whole userspace plane.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use handfast_crypto::default_provider;
use handfast_crypto::proposal::EspSuite;
use handfast_crypto::provider::{Protect, ProtectAlgorithm};
use handfast_crypto::secret::Secret;
use handfast_crypto::transform::{Encr, Integ};
use handfast_esp::{InboundSa, OutboundSa};
use handfast_plane::op::{ChildId, Encapsulation, Mode, OuterPath, PlaneOp, PlaneReply, SaInstall, SaKeys};
use handfast_plane::{Outbound, Plane, UserspacePlane};
use handfast_wire::selector::TrafficSelector;

const SIZES: [usize; 3] = [64, 512, 1400];
const SPI: u32 = 0x1234_5678;
/// Packets opened in one batch; each is new to the replay window.
const BATCH: usize = 256;

fn name(algorithm: &dyn ProtectAlgorithm) -> String {
    match algorithm.integ() {
        Some(integ) => format!("{}-{integ}", algorithm.encr()),
        None => algorithm.encr().to_string(),
    }
}

fn keyed(algorithm: &dyn ProtectAlgorithm) -> Box<dyn Protect> {
    let (encr, integ) = (vec![1; algorithm.encr_key_len()], vec![2; algorithm.integ_key_len()]);
    algorithm.key(&encr, &integ).unwrap()
}

/// An IPv4 UDP packet from 10.1.0.1 to 10.2.0.1.
fn packet(len: usize) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&(len as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 1, 0x40, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1, 0x30, 0x39, 0, 53]);
    packet.resize(len, 0x5a);
    packet
}

fn suites(c: &mut Criterion) {
    // Every integrity algorithm with one cipher, every cipher with one of them.
    let telling = |algorithm: &&dyn ProtectAlgorithm| {
        let integ = algorithm.integ();
        integ.is_none_or(|integ| integ == Integ::HMAC_SHA2_256_128 || algorithm.encr() == Encr::aes_cbc(128))
    };
    for algorithm in default_provider().protects.iter().copied().filter(telling) {
        for size in SIZES {
            let mut group = c.benchmark_group(format!("esp/{}/{size}", name(algorithm)));
            group.throughput(Throughput::Bytes(size as u64));
            seal(&mut group, algorithm, size);
            open(&mut group, algorithm, size);
            group.finish();
        }
    }
}

fn seal(group: &mut BenchmarkGroup<'_, WallTime>, algorithm: &dyn ProtectAlgorithm, size: usize) {
    let mut sa = OutboundSa::new(SPI, keyed(algorithm), true);
    let (inner, mut out) = (packet(size), Vec::new());
    group.bench_function("seal", |b| {
        b.iter(|| {
            out.clear();
            sa.seal(black_box(&inner), 4, &mut out).unwrap();
        });
    });
}

fn open(group: &mut BenchmarkGroup<'_, WallTime>, algorithm: &dyn ProtectAlgorithm, size: usize) {
    let mut sender = OutboundSa::new(SPI, keyed(algorithm), true);
    let mut receiver = InboundSa::new(SPI, keyed(algorithm), true);
    let inner = packet(size);
    group.throughput(Throughput::Bytes((size * BATCH) as u64));
    group.bench_function(format!("open x {BATCH}"), |b| {
        b.iter_batched_ref(
            || {
                let mut sealed = || {
                    let mut out = Vec::new();
                    sender.seal(&inner, 4, &mut out).unwrap();
                    out
                };
                (0..BATCH).map(|_| sealed()).collect::<Vec<_>>()
            },
            |packets| {
                for packet in packets {
                    black_box(receiver.open(packet).unwrap());
                }
            },
            BatchSize::PerIteration,
        );
    });
}

/// With policy lookup, MTU, MSS and counters around the seal.
fn plane(c: &mut Criterion) {
    for children in [1, 100, 1000] {
        let mut plane = UserspacePlane::new(default_provider());
        for child in 0..children {
            assert_eq!(plane.apply(PlaneOp::InstallOutbound(install(child))), PlaneReply::Done);
        }
        for size in SIZES {
            let (inner, mut out) = (packet(size), Vec::new());
            let mut group = c.benchmark_group(format!("plane/{children} children/{size}"));
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function("outbound", |b| {
                b.iter(|| {
                    out.clear();
                    let sent = plane.outbound(black_box(&inner), &mut out);
                    assert!(matches!(sent, Outbound::Send { .. }));
                });
            });
            group.finish();
        }
    }
}

/// Child 0 has 10.2.0.0/16, each other a network of its own which is looked at before.
fn install(child: u64) -> SaInstall {
    let net = |address: [u8; 4], prefix_len| TrafficSelector::from_subnet(Ipv4Addr::from(address).into(), prefix_len);
    let remote = match child {
        0 => net([10, 2, 0, 0], 16),
        _ => net([172, 16 + (child >> 8) as u8, child as u8, 0], 24),
    };
    SaInstall {
        child: ChildId(child),
        name: "bench".into(),
        spi: 0x1000 + child as u32,
        path: OuterPath {
            local: IpAddr::from([192, 0, 2, 1]),
            remote: IpAddr::from([203, 0, 113, 1]),
            encapsulation: Encapsulation::Udp {
                local_port: 4500,
                remote_port: 4500,
            },
        },
        mode: Mode::Tunnel,
        suite: EspSuite {
            encr: Encr::aes_gcm16(128),
            integ: None,
            group: None,
            esn: true,
        },
        keys: SaKeys {
            encr: Secret::new(vec![1; 20]),
            integ: Secret::new(Vec::new()),
        },
        local_ts: vec![net([10, 1, 0, 0], 16)],
        remote_ts: vec![remote],
        limits: handfast_plane::op::Limits::NONE,
    }
}

criterion_group! {
    name = benches;
    config = handfast_benches::criterion();
    targets = suites, plane
}
criterion_main!(benches);
