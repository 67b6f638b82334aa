//! Two ways to do something, measured in turns, so that whatever else the machine does meets both.

use std::time::{Duration, Instant};

/// What was found.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    /// Quartiles of the whole.
    pub whole: [Duration; 3],
    /// Quartiles of the part that cannot be avoided.
    pub part: [Duration; 3],
    /// Quartiles of whole / part, turn by turn.
    pub ratio: [f64; 3],
}

/// Measures `count` turns of both, or as many as the [command line has time for](turns). `whole` and `part` say how long
/// they took, which leaves preparations out.
pub fn measure(count: usize, mut whole: impl FnMut() -> Duration, mut part: impl FnMut() -> Duration) -> Ratio {
    let turns = turns(count);
    for _ in 0..turns / 10 {
        whole();
        part();
    }
    let mut rows: Vec<(Duration, Duration)> = (0..turns).map(|_| (whole(), part())).collect();
    let mut ratios: Vec<f64> = rows.iter().map(|(w, p)| w.as_secs_f64() / p.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    rows.sort();
    let wholes: Vec<Duration> = rows.iter().map(|(w, _)| *w).collect();
    rows.sort_by_key(|(_, p)| *p);
    let parts: Vec<Duration> = rows.iter().map(|(_, p)| *p).collect();
    Ratio {
        whole: quartiles(&wholes),
        part: quartiles(&parts),
        ratio: quartiles(&ratios),
    }
}

/// Whether the command line asks for this measurement: cargo hands filters to every bench.
pub fn wanted(name: &str) -> bool {
    let (mut filtered, mut found) = (false, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--list" => return false,
            option if SWITCHES.contains(&option) => {}
            // Criterion's others, each with a value.
            option if option.starts_with('-') => {
                if !option.contains('=') {
                    arguments.next();
                }
            }
            filter => {
                filtered = true;
                found |= name.contains(filter);
            }
        }
    }
    found || !filtered
}

/// Criterion's options without a value.
const SWITCHES: [&str; 12] = [
    "--bench",
    "--test",
    "--quick",
    "--noplot",
    "-n",
    "--verbose",
    "-v",
    "--quiet",
    "--exact",
    "--ignored",
    "--nocapture",
    "--discard-baseline",
];

fn given(option: &str) -> bool {
    std::env::args().skip(1).any(|argument| argument == option)
}

/// Whether cargo only wants to know that everything runs: `cargo bench -- --test`, and `cargo test --benches`, which does
/// not say `--bench`.
pub fn trial() -> bool {
    given("--test") || given("--list") || !given("--bench")
}

/// So many turns, or fewer where the command line is in a hurry (`--quick`, `--test`).
pub fn turns(whole: usize) -> usize {
    if trial() {
        1
    } else if given("--quick") {
        (whole / 10).max(10)
    } else {
        whole
    }
}

/// How long one call takes.
pub fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// How long one call of at least some ten microseconds keeps the processor: what is taken from it meanwhile does not count.
pub fn cpu_time(work: impl FnOnce()) -> Duration {
    let now = || {
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID);
        now.map_or(Duration::ZERO, Duration::from)
    };
    let start = now();
    work();
    now() - start
}

fn quartiles<T: Copy>(sorted: &[T]) -> [T; 3] {
    [1, 2, 3].map(|quarter| sorted[sorted.len() * quarter / 4])
}

impl Ratio {
    /// A line for people: medians, and in parentheses the quartiles.
    pub fn print(&self, name: &str, calls: u32) {
        self.line(name, calls, "of which unavoidable");
    }

    /// The same where the part is somebody else's whole, for each of so many calls.
    pub fn print_beside(&self, name: &str, other: &str, calls: u32) {
        self.line(name, calls, other);
    }

    fn line(&self, name: &str, calls: u32, part: &str) {
        if trial() {
            return println!("Testing {name}\nSuccess");
        }
        let nanos = |q: [Duration; 3]| q.map(|d| d.as_nanos() / u128::from(calls.max(1)));
        let ([w1, w2, w3], [p1, p2, p3]) = (nanos(self.whole), nanos(self.part));
        let [r1, r2, r3] = self.ratio;
        println!(
            "{name:40} {w2:>8} ns ({w1} - {w3})  {part} {p2:>8} ns ({p1} - {p3})  ratio {r2:.2} ({r1:.2} - {r3:.2})"
        );
    }
}
