//! `cargo xtask bench`: the list of measurements, and those that need more than one process.

use std::path::PathBuf;
use std::process::Command;

use crate::{peers, root};

const HELP: &str = "\
Every measurement, its question and its command. Those of several processes need root and two processors, build the
daemon in release mode first, and have options (--help, --json):

    cargo xtask bench handshakes    what does a setup cost a gateway, in processor time and memory, strongSwan and us?
    cargo xtask bench plane         how much does the userspace plane carry, at what cost, beside kernel-libipsec?

Those of one process need nothing but Rust, and OpenSSL's headers where it is the anchor:

    cargo bench -p handfast-benches [--features openssl] [--bench NAME] [-- FILTER] [-- --quick]

";

/// What runs in one process: the bench, its question, its anchor in the same run.
pub const BENCHES: [(&str, &str, &str); 12] = [
    (
        "dh",
        "what does a key pair and an agreement cost in each group?",
        "OpenSSL",
    ),
    (
        "timing",
        "do the times of key exchange tell secrets?",
        "a control that does",
    ),
    (
        "keys",
        "what do PRFs and key schedules cost?",
        "ring, OpenSSL, the PRF alone",
    ),
    ("ciphers", "what does each cipher cost?", "ring, OpenSSL"),
    (
        "messages",
        "what does it cost to parse and encode a message?",
        "ipsec-parser, copying",
    ),
    (
        "esp",
        "what does a packet of each suite cost, and one in a plane with many children?",
        "-",
    ),
    ("esp_aead", "what does ESP add to its cipher?", "ring"),
    ("certificates", "what do signatures, paths and CRLs cost?", "OpenSSL"),
    (
        "handshake",
        "what does IKE add to its cryptography, by each method and version?",
        "the operations alone",
    ),
    (
        "ikev1",
        "what is a further quick mode worth against a new phase 1?",
        "the operations alone",
    ),
    (
        "kerberos",
        "what does Kerberos cost? (a KDC must be installed)",
        "its library's own time",
    ),
    (
        "endpoint",
        "do costs grow with the number of SAs, up to 100,000? (2 GB)",
        "1,000 SAs",
    ),
];

fn help() -> String {
    let lines = BENCHES.map(|(name, question, anchor)| {
        let anchor = if anchor == "-" {
            String::new()
        } else {
            format!(" [beside {anchor}]")
        };
        format!("    {name:13} {question}{anchor}\n")
    });
    format!("{HELP}{}", lines.concat())
}

/// Runs the bench that `args` name. Returns whether all went well.
pub fn main(args: &[&str]) -> bool {
    match args {
        [name @ ("plane" | "handshakes"), rest @ ..] => program(name, rest),
        [] | ["-h" | "--help" | "help"] => {
            print!("{}", help());
            true
        }
        [other, ..] => {
            eprint!("xtask: there is no bench `{other}` here\n\n{}", help());
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
    let build = ["build", "--quiet", "--release", "--package", "handfast"];
    // A daemon with AWS-LC is put aside, as what cargo builds next takes its place.
    if !help && args.windows(2).any(|pair| pair == ["--provider", "aws-lc"]) {
        let with_feature = [&build[..], &["--features", "aws-lc"]].concat();
        if !cargo(&with_feature) || !put_aside() {
            return false;
        }
    }
    if !help && !cargo(&build) {
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

fn put_aside() -> bool {
    let (from, to) = (release("handfast"), release("handfast-aws-lc"));
    // Not over the old one, which may still run.
    let _ = std::fs::remove_file(&to);
    std::fs::copy(&from, &to)
        .inspect_err(|e| eprintln!("xtask: {}: {e}", from.display()))
        .is_ok()
}

/// A program that cargo built in release mode.
fn release(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    target.join("release").join(name)
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
    command.env("HANDFAST_BINARY", release("handfast"));
    command.env("HANDFAST_BINARY_AWS_LC", release("handfast-aws-lc"));
    command.env("HANDFAST_LOG", "warn");
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bench_is_listed() {
        let manifest = include_str!("../../benches/Cargo.toml");
        let after = manifest.split("[[bench]]").skip(1);
        let mut there: Vec<&str> = after.filter_map(|bench| bench.split('"').nth(1)).collect();
        let mut listed: Vec<&str> = BENCHES.iter().map(|(name, ..)| *name).collect();
        there.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, there);
    }
}
