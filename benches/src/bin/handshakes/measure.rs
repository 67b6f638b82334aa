//! One turn: a responder that has just begun, and some setups.

use std::time::Duration;

use handfast_tests::netns::Lab;

use crate::generator::Generator;
use crate::pki::Pki;
use crate::responder::{Kind, Responder};
use crate::suite::{BEHIND, Suite};
use crate::usage::Used;

/// Processors of the responder and of the generator.
pub const CPUS: (usize, usize) = (1, 0);
/// Setups before the first that counts: whatever happens once has happened.
const WARM_UP: usize = 50;
/// Before each setup whose latency is measured: so long that what was used is prepared again.
const PAUSE: Duration = Duration::from_millis(3);
/// Setups under way at any time.
const WINDOW: usize = 32;

/// What some setups took.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Who answered.
    pub kind: Kind,
    /// The suite's name.
    pub suite: &'static str,
    /// Setups counted, and how many SAs there were before.
    pub setups: usize,
    pub before: usize,
    /// From the first to the last.
    pub took: Duration,
    /// Of the responder.
    pub cpu: Duration,
    /// Of that in the kernel.
    pub system: f64,
    /// Growth of the responder's resident memory in octets.
    pub grown: u64,
    /// Requests that were sent again.
    pub retransmitted: usize,
    /// The machine's load before.
    pub load: f64,
}

impl Turn {
    /// Responder's processor time of a setup in microseconds.
    pub fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.setups as f64
    }

    pub fn user_us(&self) -> f64 {
        self.cpu_us() * (1.0 - self.system)
    }

    pub fn system_us(&self) -> f64 {
        self.cpu_us() * self.system
    }

    pub fn per_second(&self) -> f64 {
        self.setups as f64 / self.took.as_secs_f64()
    }

    /// Share of its processor that the responder used.
    pub fn busy(&self) -> f64 {
        self.cpu.as_secs_f64() / self.took.as_secs_f64()
    }

    /// Octets of resident memory for each SA (with its child).
    pub fn octets_per_sa(&self) -> f64 {
        self.grown as f64 / self.setups as f64
    }
}

/// Starts a responder and sets up each of `steps` SAs in turn, one figure for each.
pub fn measure(kind: Kind, suite: &'static Suite, steps: &[usize]) -> Result<Vec<Turn>, String> {
    let (lab, initiator, gateway) = Lab::pair();
    gateway.own(BEHIND.1);
    let pki = suite.certificates.map(|kind| Pki::new(kind, &lab.dir().join("pki")));
    let total = WARM_UP + steps.iter().sum::<usize>();
    let mut generator = Generator::new(&initiator, suite.initiators(total, pki.as_ref()));
    let load = load();
    let responder = Responder::start(kind, suite, pki.as_ref(), (&lab, &gateway), CPUS.0);
    let mut run = |from: usize, to: usize| {
        let done = generator
            .run(from, to, WINDOW)
            .map(|took| (took, generator.retransmitted));
        done.map_err(|why| format!("{} {}: {why}\n{}", kind.name(), suite.name, responder.log()))
    };
    run(0, WARM_UP)?;
    let (mut turns, mut from) = (Vec::new(), WARM_UP);
    let mut before = Used::when_idle(responder.pid());
    for &setups in steps {
        let (took, retransmitted) = run(from, from + setups)?;
        let after = Used::when_idle(responder.pid());
        turns.push(Turn {
            kind,
            suite: suite.name,
            setups,
            before: from,
            took,
            cpu: after.cpu - before.cpu,
            system: after.system_share(&before),
            grown: after.resident.saturating_sub(before.resident),
            retransmitted,
            load,
        });
        (from, before) = (from + setups, after);
    }
    Ok(turns)
}

/// How long each of so many setups, one by one, waits for the answer to its first message.
pub fn latency(kind: Kind, suite: &'static Suite, setups: usize) -> Result<Vec<Duration>, String> {
    let (lab, initiator, gateway) = Lab::pair();
    gateway.own(BEHIND.1);
    let pki = suite.certificates.map(|kind| Pki::new(kind, &lab.dir().join("pki")));
    let mut generator = Generator::new(&initiator, suite.initiators(WARM_UP + setups, pki.as_ref()));
    let responder = Responder::start(kind, suite, pki.as_ref(), (&lab, &gateway), CPUS.0);
    generator
        .one_by_one(0, WARM_UP, PAUSE)
        .and_then(|_| generator.one_by_one(WARM_UP, WARM_UP + setups, PAUSE))
        .map_err(|why| format!("{} {}: {why}\n{}", kind.name(), suite.name, responder.log()))
}

/// The load average of the last minute.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .next()
        .and_then(|load| load.parse().ok())
        .unwrap_or(0.0)
}
