//! `cargo xtask bench plane`: what the userspace plane carries between two namespaces, beside strongSwan's
//! kernel-libipsec and the bare wire. Each round measures every system once, so that what else the machine does hits all
//! of them alike; medians and the whole spread are shown.

mod cpu;
mod measure;
mod report;
mod system;

use std::process::ExitCode;

use measure::Round;
use system::{KINDS, Kind, System};

const HELP: &str = "\
Measure the data path between two network namespaces (root; iperf3, ping, taskset and strongSwan must be there).

    --rounds N       how often each system is measured (5)
    --seconds N      how long each measurement lasts (3)
    --systems A,B    of: handfast, handfast-single, handfast-50, libipsec, veth (all)
    --json           print every figure of every round instead of the tables
    --nice N         priority of the daemons and the traffic tools (0)
";

/// What to measure.
struct Options {
    rounds: usize,
    seconds: u32,
    kinds: Vec<Kind>,
    json: bool,
    nice: i32,
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
            eprint!("bench plane: {why}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let systems: Vec<System> = options
        .kinds
        .iter()
        .map(|kind| System::start(*kind, options.nice))
        .collect();
    let mut rounds = Vec::new();
    for number in 1..=options.rounds {
        for system in &systems {
            eprintln!("round {number} of {}: {}", options.rounds, system.kind.name());
            rounds.push(Round::measure(system, options.seconds, options.nice));
        }
    }
    drop(systems);
    if options.json {
        println!("{:#}", report::json(&rounds));
    } else {
        report::print(&options.kinds, &rounds);
    }
    ExitCode::SUCCESS
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options {
        rounds: 5,
        seconds: 3,
        kinds: KINDS.to_vec(),
        json: false,
        nice: 0,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--rounds" => options.rounds = number(value()?)?,
            "--seconds" => options.seconds = number(value()?)?,
            "--nice" => options.nice = number(value()?)?,
            "--json" => options.json = true,
            "--systems" => {
                let kinds = value()?.split(',').map(|name| Kind::named(name).ok_or(name));
                options.kinds = kinds
                    .collect::<Result<_, _>>()
                    .map_err(|name| format!("there is no system `{name}`"))?;
            }
            other => return Err(format!("there is no option `{other}`")),
        }
    }
    Ok(options)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}
