//! The figures, for people and for programs.

use std::time::Duration;

use handfast_benches::figures::{median, spread};
use serde_json::{Value, json};

use crate::Measured;
use crate::measure::Turn;
use crate::responder::Kind;
use crate::suite::Suite;

const KINDS: [Kind; 4] = [Kind::StrongSwan, Kind::Tuned, Kind::Handfast, Kind::AwsLc];

/// What is set against what.
const PAIRS: [(Kind, Kind); 5] = [
    (Kind::Handfast, Kind::StrongSwan),
    (Kind::Handfast, Kind::Tuned),
    (Kind::AwsLc, Kind::StrongSwan),
    (Kind::AwsLc, Kind::Tuned),
    (Kind::AwsLc, Kind::Handfast),
];

/// A column: its head, digits, and the figure of a turn.
type Column = (&'static str, usize, fn(&Turn) -> f64);

const COLUMNS: [Column; 6] = [
    ("CPU of a setup, us", 0, Turn::cpu_us),
    ("user", 0, Turn::user_us),
    ("system", 0, Turn::system_us),
    ("setups/s", 0, Turn::per_second),
    ("busy", 2, Turn::busy),
    ("KiB per SA", 2, |turn| turn.octets_per_sa() / 1024.0),
];

/// Medians over the rounds, each with the smallest and the largest figure, and the ratios round by round.
pub fn print(suites: &[&'static Suite], turns: &[Turn]) {
    println!("| suite | responder | {} |", COLUMNS.map(|(head, ..)| head).join(" | "));
    println!("|---|---|{}", "---|".repeat(COLUMNS.len()));
    for suite in suites {
        for kind in KINDS {
            let of: Vec<&Turn> = turns
                .iter()
                .filter(|t| (t.kind, t.suite) == (kind, suite.name))
                .collect();
            if of.is_empty() {
                continue;
            }
            let cell = |(_, digits, figure): Column| {
                let all: Vec<f64> = of.iter().map(|turn| figure(turn)).collect();
                spread(&all, digits)
            };
            println!(
                "| {} | {} | {} |",
                suite.name,
                kind.name(),
                COLUMNS.map(cell).join(" | ")
            );
        }
    }
    println!();
    for suite in suites {
        for (ours, other) in PAIRS {
            let [cpu, memory] = ratios(suite.name, (ours, other), turns);
            if !cpu.is_empty() {
                println!(
                    "{}: {} / {}: CPU {}, memory {}",
                    suite.name,
                    ours.name(),
                    other.name(),
                    spread(&cpu, 3),
                    spread(&memory, 2)
                );
            }
        }
    }
    let again: usize = turns.iter().map(|turn| turn.retransmitted).sum();
    let loads: Vec<f64> = turns.iter().map(|turn| turn.load).collect();
    println!(
        "\nRequests sent again: {again}. Load average before each turn: {}.",
        spread(&loads, 1)
    );
}

/// Our figure as a part of another's, in each round: of processor time and of memory.
fn ratios(suite: &str, (ours, other): (Kind, Kind), turns: &[Turn]) -> [Vec<f64>; 2] {
    let of = |kind| turns.iter().filter(move |t: &&Turn| (t.kind, t.suite) == (kind, suite));
    let pairs = || of(ours).zip(of(other));
    [
        pairs().map(|(ours, theirs)| ours.cpu_us() / theirs.cpu_us()).collect(),
        pairs()
            .map(|(ours, theirs)| ours.octets_per_sa() / theirs.octets_per_sa())
            .collect(),
    ]
}

/// Resident memory of one of our SAs by how many there are, and strongSwan's where it had its turns.
pub fn print_memory(memory: &[Turn], turns: &[Turn]) {
    println!("\n| suite | SAs | KiB per SA | strongSwan | ratio |\n|---|---|---|---|---|");
    let (mut grown, mut setups) = (0, 0);
    for (index, turn) in memory.iter().enumerate() {
        if index == 0 || memory[index - 1].suite != turn.suite {
            (grown, setups) = (0, 0);
        }
        (grown, setups) = (grown + turn.grown, setups + turn.setups);
        let ours = grown as f64 / setups as f64 / 1024.0;
        let of = |t: &&Turn| (t.kind, t.suite) == (Kind::StrongSwan, turn.suite);
        let theirs: Vec<f64> = turns.iter().filter(of).map(|t| t.octets_per_sa() / 1024.0).collect();
        let (theirs, ratio) = if theirs.is_empty() {
            ("-".into(), "-".into())
        } else {
            (spread(&theirs, 1), format!("{:.2}", ours / median(&theirs)))
        };
        println!("| {} | {setups} | {ours:.2} | {theirs} | {ratio} |", turn.suite);
    }
}

/// A suite, who answered, and how long each answer took.
pub type Waits = (&'static str, Kind, Vec<Duration>);

/// Quartiles of how long the answer to the first message took, over all rounds.
pub fn print_latency(waits: &[Waits]) {
    println!("| suite | responder | answer to the first message, us |");
    println!("|---|---|---|");
    for (suite, kind, all) in waits {
        let mut micros: Vec<f64> = all.iter().map(|wait| wait.as_secs_f64() * 1e6).collect();
        micros.sort_by(f64::total_cmp);
        let [low, middle, high] =
            [1, 2, 3].map(|n: usize| micros.get(micros.len() * n / 4).copied().unwrap_or(f64::NAN));
        println!("| {suite} | {} | {middle:.0} ({low:.0} - {high:.0}) |", kind.name());
    }
}

/// How cost grows with the number of SAs that are there.
pub fn print_growth(steps: &[Turn]) {
    println!("| SAs there | CPU of a setup, us | user | system | KiB per further SA |");
    println!("|---|---|---|---|---|");
    for turn in steps {
        println!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.2} |",
            turn.before,
            turn.cpu_us(),
            turn.user_us(),
            turn.system_us(),
            turn.octets_per_sa() / 1024.0
        );
    }
    if let [first, .., last] = steps {
        println!("\nLast step against the first: {:.2}", last.cpu_us() / first.cpu_us());
    }
}

/// Every figure of every turn.
pub fn json(measured: &Measured) -> Value {
    let Measured { turns, memory, growth } = measured;
    let one = |turn: &Turn| {
        json!({
            "responder": turn.kind.name(),
            "suite": turn.suite,
            "setups": turn.setups,
            "sas_before": turn.before,
            "cpu_us": turn.cpu_us(),
            "user_us": turn.user_us(),
            "system_us": turn.system_us(),
            "setups_per_second": turn.per_second(),
            "busy": turn.busy(),
            "octets_per_sa": turn.octets_per_sa(),
            "retransmitted": turn.retransmitted,
            "load": turn.load,
        })
    };
    let mut ratio = Vec::new();
    for suite in crate::suite::SUITES.iter().map(|suite| suite.name) {
        for (ours, other) in PAIRS {
            let [cpu, memory] = ratios(suite, (ours, other), turns);
            if !cpu.is_empty() {
                ratio.push(json!({
                    "suite": suite, "responder": ours.name(), "to": other.name(),
                    "cpu": cpu, "cpu_median": median(&cpu),
                    "memory": memory, "memory_median": median(&memory),
                }));
            }
        }
    }
    json!({
        "turns": turns.iter().map(one).collect::<Vec<_>>(),
        "memory": memory.iter().map(one).collect::<Vec<_>>(),
        "growth": growth.iter().map(one).collect::<Vec<_>>(),
        "ratios": ratio,
    })
}
