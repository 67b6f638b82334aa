//! `cargo xtask bench`: measurements that need more than one process.

use std::process::Command;

use crate::{peers, root};

const HELP: &str = "\
Measure what takes more than one process.

    cargo xtask bench plane [OPTION]...     goodput, CPU, packets per second and latency of the userspace plane between
                                            two namespaces, beside strongSwan's kernel-libipsec and the bare wire
    cargo xtask bench plane --help          its options
    cargo xtask bench handshakes [OPTION].. processor time and memory of a setup at a responder: strongSwan's and ours
    cargo xtask bench handshakes --help     its options

It builds the daemon in release mode first. What runs in one process is measured by `cargo bench`.
";

/// Runs the bench that `args` name. Returns whether all went well.
pub fn main(args: &[&str]) -> bool {
    match args {
        [name @ ("plane" | "handshakes"), rest @ ..] => program(name, rest),
        [] | ["-h" | "--help" | "help"] => {
            print!("{HELP}");
            true
        }
        [other, ..] => {
            eprint!("xtask: there is no bench `{other}`\n\n{HELP}");
            false
        }
    }
}

/// Runs one of the programs of the benches.
fn program(name: &str, args: &[&str]) -> bool {
    let help = args.iter().any(|arg| matches!(*arg, "-h" | "--help"));
    if !help && !ready() {
        return false;
    }
    if !help && !cargo(&["build", "--quiet", "--release", "--package", "handfast"]) {
        return false;
    }
    let mut all = vec![
        "run",
        "--quiet",
        "--release",
        "--package",
        "handfast-benches",
        "--bin",
        name,
        "--",
    ];
    all.extend(args);
    cargo(&all)
}

/// Whether we are root and every peer is here, installed if that is ours to do.
fn ready() -> bool {
    if !peers::is_root() {
        eprintln!("xtask: namespaces and TUN devices need root");
        return false;
    }
    peers::find().iter().all(peers::Found::here) || peers::install_missing()
}

fn cargo(args: &[&str]) -> bool {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    // As the tests do: what cargo built last in release mode, and a daemon that is not talkative.
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    command.env("HANDFAST_BINARY", target.join("release/handfast"));
    command.env("HANDFAST_LOG", "warn");
    command.status().is_ok_and(|status| status.success())
}
