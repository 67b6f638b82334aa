//! The project's own chores. `cargo xtask --help` lists them.

mod bench;
mod peers;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
The project's own chores.

    cargo xtask test [LAYER]... [-- FILTER]   run the tests; every layer if none is named
    cargo xtask peers [--install]             say which foreign programs the tests can use, or install them
    cargo xtask bench plane [OPTION]...       measure the userspace plane beside another and the bare wire
    cargo xtask bench handshakes [OPTION]...  measure what setups cost a responder, strongSwan's and ours
    cargo xtask tidy                          check the rules of the tree that no compiler knows

`cargo xtask test --help` explains the layers.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let ok = match args.as_slice() {
        ["test", rest @ ..] => test::main(rest),
        ["bench", rest @ ..] => bench::main(rest),
        ["peers"] => {
            peers::report(&peers::find());
            true
        }
        ["peers", "--install"] => peers::install_missing(),
        ["tidy"] => tidy::main(),
        [] | ["help" | "-h" | "--help"] => {
            print!("{HELP}");
            true
        }
        [other, ..] => {
            eprint!("xtask: there is no chore `{other}`\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The root of the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
