//! `cargo xtask bench handshakes`: what a setup costs a responder, strongSwan's and ours, on the same processor, in turn.

mod generator;
mod measure;
mod pki;
mod report;
mod responder;
mod suite;
mod usage;

use std::process::ExitCode;

use measure::{CPUS, Turn, measure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use report::Waits;
use responder::Kind;
use suite::{SUITES, Suite};

const HELP: &str = "\
Measure what setups cost a responder (root; two processors, taskset and strongSwan must be there). One processor is the
responder's, the other the initiator's, which is Handfast's engine with many SAs from one address.

    --suites A,B     of: x25519, ecp256, modp2048, modp3072, v1-modp2048, ecdsa, rsa (all)
    --setups N       setups in each turn, 1 to 1000 where strongSwan takes part (900)
    --rounds N       turns of each responder with each suite (5)
    --only NAME      handfast or strongswan (both)
    --provider NAME  aws-lc: Handfast built with that feature has its turns too
    --memory N       then each suite once with Handfast alone: resident memory of an SA with 1,000 and with N (10000; 0: not)
    --grow N         then up to N SAs with Handfast alone, to see whether cost and memory grow with their number (0: not)
    --latency        instead, with Handfast alone: how long the answer to a first message takes, one setup at a time, with and
                     without key pairs made ahead
    --json           print every figure of every turn instead of the tables
";

struct Options {
    suites: Vec<&'static Suite>,
    setups: usize,
    rounds: usize,
    kinds: Vec<Kind>,
    memory: usize,
    grow: usize,
    latency: bool,
    json: bool,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let options = match parse(&args) {
        Ok(options) => options,
        Err(why) => {
            eprint!("bench handshakes: {why}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if options.latency {
        return match latency(&options) {
            Ok(waits) => {
                report::print_latency(&waits);
                ExitCode::SUCCESS
            }
            Err(why) => {
                eprintln!("bench handshakes: {why}");
                ExitCode::FAILURE
            }
        };
    }
    match run(&options) {
        Ok(measured) if options.json => println!("{:#}", report::json(&measured)),
        Ok(Measured { turns, memory, growth }) => {
            if !turns.is_empty() {
                report::print(&options.suites, &turns);
            }
            if !memory.is_empty() {
                report::print_memory(&memory, &turns);
            }
            if !growth.is_empty() {
                println!("\n{}, handfast:\n", growth[0].suite);
                report::print_growth(&growth);
            }
        }
        Err(why) => {
            eprintln!("bench handshakes: {why}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// All that was measured.
struct Measured {
    turns: Vec<Turn>,
    /// Two turns for each suite: to 1,000 SAs and on.
    memory: Vec<Turn>,
    /// Of the first suite.
    growth: Vec<Turn>,
}

/// The waits of all rounds, for each suite and responder.
fn latency(options: &Options) -> Result<Vec<Waits>, String> {
    pin()?;
    let kinds = options.kinds.iter().copied().filter(|kind| kind.is_ours());
    let kinds: Vec<Kind> = std::iter::once(Kind::Unprepared).chain(kinds).collect();
    let mut waits = Vec::new();
    for suite in &options.suites {
        let mut rows: Vec<_> = kinds.iter().map(|kind| (suite.name, *kind, Vec::new())).collect();
        for _ in 0..options.rounds {
            for (_, kind, all) in &mut rows {
                all.extend(measure::latency(*kind, suite, options.setups)?);
            }
        }
        waits.extend(rows);
    }
    Ok(waits)
}

/// Ours is the initiator's processor.
fn pin() -> Result<(), String> {
    let mut cpus = CpuSet::new();
    cpus.set(CPUS.1)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &cpus))
        .map_err(|e| format!("processor {} is not there: {e}", CPUS.1))
}

/// Every responder has its turn in every round, so that whatever else the machine does meets all alike.
fn run(options: &Options) -> Result<Measured, String> {
    pin()?;
    let mut turns = Vec::new();
    for round in 1..=options.rounds {
        for suite in &options.suites {
            for kind in options
                .kinds
                .iter()
                .filter(|kind| **kind != Kind::Tuned || suite.tunable)
            {
                eprintln!("round {round} of {}: {} {}", options.rounds, suite.name, kind.name());
                turns.extend(measure(*kind, suite, &[options.setups])?);
            }
        }
    }
    let mut memory = Vec::new();
    let ours = options.kinds.iter().any(|kind| kind.is_ours());
    for suite in options.suites.iter().filter(|_| ours && options.memory > 0) {
        eprintln!("memory of {} SAs: {}", options.memory, suite.name);
        let first = options.memory.min(1000);
        let steps: &[usize] = &[first, options.memory - first];
        memory.extend(measure(
            Kind::Handfast,
            suite,
            steps.strip_suffix(&[0]).unwrap_or(steps),
        )?);
    }
    let mut growth = Vec::new();
    if let (Some(suite), 1..) = (options.suites.first(), options.grow) {
        eprintln!("up to {} SAs", options.grow);
        growth = measure(Kind::Handfast, suite, &steps(options.grow))?;
    }
    Ok(Measured { turns, memory, growth })
}

/// Thousands at each power of ten, and what is between.
fn steps(to: usize) -> Vec<usize> {
    let (mut steps, mut at) = (Vec::new(), 0);
    let mut mark = 1000;
    while at < to {
        let target = mark.min(to);
        if target - at > 2000 {
            steps.push(target - at - 1000);
            at = target - 1000;
        }
        steps.push(target - at);
        (at, mark) = (target, mark * 10);
    }
    steps
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options {
        suites: SUITES.iter().collect(),
        setups: 900,
        rounds: 5,
        kinds: vec![Kind::StrongSwan, Kind::Tuned, Kind::Handfast],
        memory: 10_000,
        grow: 0,
        latency: false,
        json: false,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--setups" => options.setups = number(value()?)?,
            "--rounds" => options.rounds = number(value()?)?,
            "--memory" => options.memory = number(value()?)?,
            "--grow" => options.grow = number(value()?)?,
            "--latency" => options.latency = true,
            "--json" => options.json = true,
            "--only" => match value()?.as_str() {
                "handfast" => options.kinds.retain(|kind| kind.is_ours()),
                "strongswan" => options.kinds.retain(|kind| !kind.is_ours()),
                other => return Err(format!("there is no responder `{other}`")),
            },
            "--provider" => match value()?.as_str() {
                "aws-lc" => options.kinds.push(Kind::AwsLc),
                other => return Err(format!("there is no provider `{other}` beside the default one")),
            },
            "--suites" => {
                let suites = value()?.split(',').map(|name| Suite::named(name).ok_or(name));
                options.suites = suites
                    .collect::<Result<_, _>>()
                    .map_err(|name| format!("there is no suite `{name}`"))?;
            }
            other => return Err(format!("there is no option `{other}`")),
        }
    }
    // kernel-libipsec looks through lists of all its SAs and policies: with more it would be measured at its worst.
    if options.setups == 0 || (options.setups > 1000 && options.kinds.iter().any(|kind| !kind.is_ours())) {
        return Err("--setups is 1 to 1000, more only with --only handfast".into());
    }
    Ok(options)
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lead_to_the_end() {
        assert_eq!(steps(1000), [1000]);
        assert_eq!(steps(10_000), [1000, 8000, 1000]);
        assert_eq!(steps(100_000), [1000, 8000, 1000, 89_000, 1000]);
        assert_eq!(steps(500), [500]);
    }
}
