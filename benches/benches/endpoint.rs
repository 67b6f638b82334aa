//! Endpoints with 1,000, 10,000 and 100,000 SAs: what one more handshake costs, one liveness check, and a timer that has
//! nothing to do. Both ends in one thread, without network and plane; each size also as a ratio to the smallest, turn by
//! turn.
#![allow(missing_docs)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::BenchmarkId;
use handfast_auth::{Identity, IdentityPattern};
use handfast_benches::ends::{answer, seed};
use handfast_benches::ratio::{measure, time, trial, wanted};
use handfast_crypto::default_provider;
use handfast_engine::policy::{Connection, Policy, Remote, Selector};
use handfast_engine::{Command, Engine, EngineConfig, Event, Input, Instant, Output, Transmit};
use handfast_sim::pki::NOW;
use handfast_sim::policies::{connection, parsed, policy};

const SIZES: [usize; 3] = [1000, 10_000, 100_000];
/// Between two SAs' beginnings, and so between their liveness checks.
const STEP: Duration = Duration::from_millis(1);

/// Two ends with many SAs between them, and one connection that is not up.
struct Pair {
    engines: [Engine; 2],
    now: Instant,
    up: usize,
    spare: String,
}

impl Pair {
    fn new(size: usize) -> Self {
        // No check is due before the last SA is there.
        let liveness = Duration::from_secs(30) + STEP * u32::try_from(2 * size).unwrap_or(u32::MAX);
        let one = |n| Arc::new(initiator(n, liveness));
        let initiators = Policy {
            connections: (0..=size).map(one).collect(),
            ..policy(connection(0))
        };
        let engine = |policy: Policy| {
            let config = EngineConfig {
                seed: seed(),
                key_log: false,
                provider: default_provider(),
            };
            Engine::new(config, Arc::new(policy))
        };
        let mut this = Self {
            engines: [engine(initiators), engine(policy(responder()))],
            now: Instant::default(),
            up: 0,
            spare: format!("c{size}"),
        };
        for n in 0..size {
            this.now = this.now + STEP;
            this.command(Command::Up {
                connection: format!("c{n}"),
            });
        }
        assert_eq!(this.up, 2 * size, "not all came up");
        this
    }

    fn command(&mut self, command: Command) {
        self.run(Input::Command(command));
    }

    /// How long one more handshake takes. It is undone afterwards.
    fn handshake(&mut self) -> Duration {
        let (before, connection) = (self.up, self.spare.clone());
        let took = time(|| {
            self.command(Command::Up {
                connection: connection.clone(),
            });
        });
        assert_eq!(self.up, before + 2, "the handshake failed");
        self.command(Command::Down { connection });
        took
    }

    /// How long the next liveness check of one SA takes, its INFORMATIONAL exchange included.
    fn liveness(&mut self) -> Duration {
        let next = self.engines[0].deadline().map(|(at, _)| at);
        self.now = self.now.max(next.unwrap_or(self.now));
        let sent = std::cell::Cell::new(0);
        let took = time(|| sent.set(self.run(Input::Timer)));
        assert_eq!(sent.get(), 2, "a request and its answer");
        took
    }

    /// One of many, as the clock is too coarse for one.
    fn tick(&mut self) -> Duration {
        const MANY: u32 = 256;
        let took = time(|| {
            for _ in 0..MANY {
                black_box(self.run(Input::Timer));
            }
        });
        took / MANY
    }

    /// Until neither end has anything to send; how many datagrams there were.
    fn run(&mut self, input: Input<'_>) -> usize {
        let mut on_the_way = VecDeque::new();
        self.feed(0, input, &mut on_the_way);
        let mut count = 0;
        while let Some((sender, transmit)) = on_the_way.pop_front() {
            count += 1;
            let input = Input::Datagram {
                local: transmit.remote,
                remote: transmit.local,
                bytes: &transmit.bytes,
            };
            self.feed(1 - sender, input, &mut on_the_way);
        }
        count
    }

    fn feed(&mut self, end: usize, input: Input<'_>, on_the_way: &mut VecDeque<(usize, Transmit)>) {
        let engine = &mut self.engines[end];
        engine.handle(self.now, input);
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Transmit(transmit) => on_the_way.push_back((end, transmit)),
                Output::Ask(ticket, question) => {
                    engine.handle(self.now, Input::Answer(ticket, answer(question, NOW)));
                }
                Output::Event(Event::ChildEstablished { .. }) => self.up += 1,
                Output::Event(_) | Output::Record(_) | Output::KeyLog(_) => {}
            }
        }
    }
}

fn initiator(n: usize, liveness: Duration) -> Connection {
    let base = connection(0);
    let mut child = (*base.children[0]).clone();
    let address = format!("10.{}.{}.{}", 64 + (n >> 16 & 63), n >> 8 & 255, n & 255);
    child.local_ts = vec![parsed::<Selector>(&address)];
    Connection {
        name: format!("c{n}"),
        local_id: Identity::Fqdn(format!("c{n}.test")),
        children: vec![Arc::new(child)],
        liveness,
        ..base
    }
}

fn responder() -> Connection {
    let base = connection(1);
    let mut child = (*base.children[0]).clone();
    child.remote_ts = vec![parsed::<Selector>("10.64.0.0/10")];
    Connection {
        remote: Remote::Any,
        remote_id: parsed::<IdentityPattern>("*.test"),
        children: vec![Arc::new(child)],
        liveness: Duration::ZERO,
        lifetime: Duration::ZERO,
        ..base
    }
}

/// Says what its memory is, where the system tells.
fn measured(size: usize, trial: bool) -> Pair {
    let before = resident();
    let pair = Pair::new(size);
    if let (Some(before), Some(after), false) = (before, resident(), trial) {
        let each = after.saturating_sub(before) as f64 / size as f64;
        println!("endpoint/memory/{size:<24} {each:>8.1} KiB resident for each SA, both ends and their policies");
    }
    pair
}

/// KiB of this process.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

type Work = (&'static str, fn(&mut Pair) -> Duration);

const WORKS: [Work; 3] = [
    ("handshake", Pair::handshake),
    ("liveness", Pair::liveness),
    ("tick", Pair::tick),
];

fn main() {
    let mut criterion = handfast_benches::criterion().configure_from_args();
    // Where cargo only wants to know that it runs, the large ones are left out.
    let trial = trial();
    let sizes: Vec<usize> = SIZES.into_iter().filter(|size| !trial || *size == SIZES[0]).collect();
    let named = |size: &usize| wanted(&format!("endpoint/{size}")) || trial;
    let any = sizes.iter().any(named) || WORKS.iter().any(|(work, _)| wanted(&format!("endpoint/{work}")));
    if !any {
        return;
    }
    let pairs: Vec<RefCell<Pair>> = sizes.iter().map(|size| RefCell::new(measured(*size, trial))).collect();
    for (name, work) in WORKS {
        let mut group = criterion.benchmark_group(format!("endpoint/{name}"));
        for (size, pair) in sizes.iter().zip(&pairs) {
            group.bench_function(BenchmarkId::from_parameter(size), |b| {
                b.iter_custom(|turns| (0..turns).map(|_| work(&mut pair.borrow_mut())).sum());
            });
        }
        group.finish();
        for (size, pair) in sizes.iter().zip(&pairs).skip(1) {
            if wanted(&format!("endpoint/{name}")) {
                let (large, small) = (|| work(&mut pair.borrow_mut()), || work(&mut pairs[0].borrow_mut()));
                measure(500, large, small).print_beside(&format!("endpoint/{name}/{size}"), "1,000 SAs", 1);
            }
        }
    }
    criterion.final_summary();
}
