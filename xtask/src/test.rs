//! `cargo xtask test`: the layers, in order, and one summary.

mod layers;
mod outcome;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::{peers, root, tidy};
use layers::{Layer, parse};
use outcome::{Outcome, from_bool, summarise};

const HELP: &str = "\
Run the tests, all layers or those named, and end with a line for each.

    cargo xtask test                      everything
    cargo xtask test unit golden          two layers
    cargo xtask test interop -- wrong     the tests of one layer whose name contains `wrong`

Layers, in the order they run:

    tidy      the rules of the tree that no compiler knows (`cargo xtask tidy`)
    lint      rustfmt, clippy and rustdoc, warnings denied
    unit      the tests inside each crate
    doc       the examples in the documentation
    golden    recorded exchanges, published vectors, the demo
    aws-lc    the suite of providers, published vectors and signatures with the feature `aws-lc`
    sim       whole endpoints in virtual time on a lossy network
    bench     one turn of each bench, to see that they run
    interop   real daemons in network namespaces: strongSwan, and Handfast itself; tshark judges

`interop` needs root, /dev/net/tun and the peers that are listed first. As root on Debian missing peers are
installed, without starting a service; elsewhere the command to install them is printed, and what needs them is
skipped and named in the summary. With CI=true a missing peer is a failure.

`cargo nextest` runs the tests if it is installed, otherwise `cargo test`.
";

/// What all layers need to know.
struct Run<'a> {
    filter: Option<&'a str>,
    nextest: bool,
    /// A missing peer is a failure.
    strict: bool,
    /// Where tests name what they skipped, one line each.
    skips: PathBuf,
}

/// Runs the layers that `args` name. Returns whether all went well.
pub fn main(args: &[&str]) -> bool {
    if args.iter().any(|arg| matches!(*arg, "-h" | "--help" | "help")) {
        print!("{HELP}");
        return true;
    }
    let (layers, filter) = match parse(args) {
        Ok(parsed) => parsed,
        Err(why) => {
            eprint!("xtask: {why}\n\n{HELP}");
            return false;
        }
    };
    let strict = std::env::var("CI").is_ok_and(|ci| ci == "true");
    // The unit tests of the daemon's sockets and routes use `ip`.
    let uses_peers = |layer| matches!(layer, Layer::Unit | Layer::Golden | Layer::AwsLc | Layer::Interop);
    let need_peers = layers.iter().any(|(layer, _)| uses_peers(*layer));
    let all_here = !need_peers || peers_ready(strict);
    let run = Run {
        filter,
        nextest: has_nextest(),
        strict,
        skips: skip_file(),
    };

    let mut results: Vec<(&str, Outcome, Duration)> = Vec::new();
    if !all_here && strict {
        results.push((
            "peers",
            Outcome::Failed("CI=true, and a peer is missing".into()),
            Duration::ZERO,
        ));
    }
    for (layer, name) in layers {
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = run.layer(layer);
        results.push((name, outcome, start.elapsed()));
    }
    let skips = fs::read_to_string(&run.skips).unwrap_or_default();
    let _ = fs::remove_file(&run.skips);
    summarise(&results, &skips)
}

/// Finds the peers, installs what is missing where that is ours to do. Returns whether all are there.
fn peers_ready(strict: bool) -> bool {
    let found = peers::find();
    if found.iter().all(peers::Found::here) {
        peers::report(&found);
        return true;
    }
    if peers::can_install() {
        return peers::install_missing();
    }
    peers::report(&found);
    let missing: Vec<_> = found.iter().filter(|f| !f.here()).map(peers::Found::name).collect();
    println!(
        "{} the tests against {}. To install what is missing:\n    {}",
        if strict { "cannot run" } else { "skipping" },
        missing.join(", "),
        peers::install_command(&found)
    );
    false
}

fn has_nextest() -> bool {
    let probe = Command::new(cargo())
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    probe.is_ok_and(|status| status.success())
}

/// The cargo that runs us.
fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

fn skip_file() -> PathBuf {
    let path = std::env::temp_dir().join(format!("handfast-skipped-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

impl Run<'_> {
    fn layer(&self, layer: Layer) -> Outcome {
        match layer {
            Layer::Tidy => from_bool(tidy::main(), "see above"),
            Layer::Lint => lint(),
            Layer::Unit => self.tests("not package(handfast-tests) and not package(handfast-sim)", || {
                vec![
                    "--workspace",
                    "--exclude",
                    "handfast-tests",
                    "--exclude",
                    "handfast-sim",
                    "--lib",
                    "--bins",
                    "--tests",
                ]
                .into_iter()
                .map(str::to_owned)
                .collect()
            }),
            Layer::Doc => cargo_run(&["test", "--workspace", "--quiet", "--doc"], &[]),
            Layer::Sim => self.tests("package(handfast-sim)", || vec!["-p".into(), "handfast-sim".into()]),
            Layer::Golden => match build_daemon() {
                Outcome::Passed => self.tests("package(handfast-tests) and not binary(/^interop_/)", || {
                    test_targets(|name| !name.starts_with("interop_"), true)
                }),
                failed => failed,
            },
            Layer::AwsLc => self.aws_lc(),
            Layer::Bench => cargo_run(&["test", "--package", "handfast-benches", "--quiet", "--benches"], &[]),
            Layer::Interop => self.interop(),
        }
    }

    /// What holds for every provider, for AWS-LC's too. The other layers have the features that a build has by itself.
    fn aws_lc(&self) -> Outcome {
        let mut args = vec!["--features", "handfast-crypto/aws-lc,handfast-tests/aws-lc"];
        args.extend(["-p", "handfast-crypto", "-p", "handfast-tests", "--lib"]);
        let mut args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        let mut names = test_names("crates/crypto/tests");
        names.extend(["vectors", "certificates_openssl"].map(str::to_owned));
        args.extend(names.into_iter().flat_map(|name| ["--test".to_owned(), name]));
        let which = "package(handfast-crypto) or binary(vectors) or binary(certificates_openssl)";
        self.run_tests(&args, which)
    }

    fn interop(&self) -> Outcome {
        if let Some(why) = no_namespaces() {
            let why = format!("{why}; run `sudo -E cargo xtask test interop`");
            return if self.strict {
                Outcome::Failed(why)
            } else {
                Outcome::Skipped(why)
            };
        }
        match build_daemon() {
            Outcome::Passed => self.tests("package(handfast-tests) and binary(/^interop_/)", || {
                test_targets(|name| name.starts_with("interop_"), false)
            }),
            failed => failed,
        }
    }

    /// Runs the tests that the nextest expression `which` selects, or `selection` for `cargo test`.
    ///
    /// Nextest always gets the whole workspace, so that every layer has the same build of each crate.
    fn tests(&self, which: &str, selection: impl Fn() -> Vec<String>) -> Outcome {
        if self.nextest {
            self.run_tests(&["--workspace".to_owned()], which)
        } else {
            self.run_tests(&selection(), which)
        }
    }

    /// Builds the tests that the arguments `selection` name, and of these runs those that `which` selects, or all without
    /// nextest.
    fn run_tests(&self, selection: &[String], which: &str) -> Outcome {
        let mut args: Vec<String> = Vec::new();
        if self.nextest {
            args.extend(["nextest", "run", "--no-fail-fast", "-E", which].map(str::to_owned));
            args.extend(selection.iter().cloned());
            args.extend(self.filter.map(str::to_owned));
        } else {
            args.extend(["test", "--no-fail-fast"].map(str::to_owned));
            args.extend(selection.iter().cloned());
            args.push("--".into());
            args.extend(self.filter.map(str::to_owned));
            if which.ends_with("and binary(/^interop_/)") {
                args.push("--test-threads=1".into()); // as .config/nextest.toml says
            }
        }
        let skips = self.skips.to_string_lossy();
        let strict = if self.strict { "true" } else { "false" };
        let env = [("HANDFAST_SKIPS", skips.as_ref()), ("HANDFAST_PEERS_REQUIRED", strict)];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        match status(&args, &env) {
            Ok(status) if status.success() => Outcome::Passed,
            // Nextest's own code for "no tests to run". A layer without tests is a mistake, a name without is not.
            Ok(status) if self.nextest && status.code() == Some(4) => match self.filter {
                Some(_) => Outcome::NoneMatched,
                None => Outcome::Failed("the layer has no test".into()),
            },
            Ok(status) => Outcome::Failed(status.to_string()),
            Err(why) => Outcome::Failed(why),
        }
    }
}

fn lint() -> Outcome {
    let mut failed = Vec::new();
    let mut step = |name, args: &[&str], env: &[(&str, &str)]| {
        println!("--- {name}");
        if cargo_run(args, env) != Outcome::Passed {
            failed.push(name);
        }
    };
    step("rustfmt", &["fmt", "--all", "--check"], &[]);
    step(
        "clippy",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ],
        &[],
    );
    let features = "handfast/aws-lc";
    let packages = ["-p", "handfast", "-p", "handfast-auth", "-p", "handfast-crypto"];
    let mut args = vec!["clippy", "--features", features];
    args.extend(packages);
    args.extend(["--all-targets", "--quiet", "--", "-D", "warnings"]);
    step("clippy with aws-lc", &args, &[]);
    step(
        "rustdoc",
        &["doc", "--workspace", "--no-deps", "--quiet"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    );
    from_bool(failed.is_empty(), &failed.join(", "))
}

/// The end-to-end tests start the daemon's own binary; with the whole workspace so that it shares their build.
fn build_daemon() -> Outcome {
    cargo_run(&["build", "--workspace", "--bin", "handfast", "--quiet"], &[])
}

/// Why network namespaces cannot be made here.
fn no_namespaces() -> Option<String> {
    if !peers::is_root() {
        return Some("it needs root".into());
    }
    if !std::path::Path::new("/dev/net/tun").exists() {
        return Some("there is no /dev/net/tun".into());
    }
    let ip = peers::which("ip")?;
    let name = format!("hf-probe-{}", std::process::id());
    let netns = |verb| {
        Command::new(&ip)
            .args(["netns", verb, &name])
            .stdin(Stdio::null())
            .output()
    };
    let made = netns("add").is_ok_and(|out| out.status.success());
    let _ = netns("del");
    (!made).then(|| "`ip netns add` does not work here (a container without privileges?)".into())
}

/// `cargo test` arguments for the targets of the package `tests` whose names `wanted` likes.
fn test_targets(wanted: impl Fn(&str) -> bool, lib: bool) -> Vec<String> {
    let mut args = vec!["-p".to_owned(), "handfast-tests".to_owned()];
    if lib {
        args.push("--lib".into());
    }
    let names = test_names("tests/tests").into_iter().filter(|name| wanted(name));
    args.extend(names.flat_map(|name| ["--test".to_owned(), name]));
    args
}

/// The test targets in a folder.
fn test_names(folder: &str) -> Vec<String> {
    let Ok(files) = fs::read_dir(root().join(folder)) else {
        return Vec::new();
    };
    let mut names: Vec<String> = files
        .filter_map(|file| {
            file.ok()?
                .file_name()
                .into_string()
                .ok()?
                .strip_suffix(".rs")
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

fn cargo_run(args: &[&str], env: &[(&str, &str)]) -> Outcome {
    match status(args, env) {
        Ok(status) => from_bool(status.success(), &status.to_string()),
        Err(why) => Outcome::Failed(why),
    }
}

fn status(args: &[&str], env: &[(&str, &str)]) -> Result<ExitStatus, String> {
    Command::new(cargo())
        .args(args)
        .current_dir(root())
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .status()
        .map_err(|e| format!("cannot run cargo: {e}"))
}
