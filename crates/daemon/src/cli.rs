//! The command line.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};
use handfast_config::{FileReader, Loaded, load};
use serde_json::Value;

use crate::console;
use crate::control::client::call;
use crate::control::{ControlError, Request};
use crate::logging::LogFormat;
use crate::table;

/// The exit status of a usage or configuration mistake.
pub const USAGE: u8 = 2;
const DEFAULT_SOCKET: &str = "/run/handfast.sock";

#[derive(Parser)]
#[command(name = "handfast", version, about = "Internet Key Exchange: negotiates keys between hosts and carries their traffic in ESP", after_help = HELP)]
struct Cli {
    #[command(subcommand)]
    command: Cmd,
}

const HELP: &str = "Examples:
  handfast demo                                 two endpoints on loopback; no root needed
  handfast check /etc/handfast.toml             is this file right?
  handfast run --config /etc/handfast.toml      the daemon (root: it opens a TUN device and sets routes)
  handfast up office; handfast status; handfast down office

Exit status: 0 done, 1 failed, 2 wrong usage or configuration.";

#[derive(Subcommand)]
enum Cmd {
    /// Run the daemon in the foreground until SIGTERM or SIGINT
    Run(RunOptions),
    /// Bring a connection up and wait until it is, or why it is not
    Up(NameOptions),
    /// Delete a connection's SAs with the peer and keep it down
    Down(NameOptions),
    /// Show connections, their SAs and traffic
    Status(StatusOptions),
    /// Check a configuration file without running it
    Check {
        /// The TOML file
        file: PathBuf,
    },
    /// Show IKE and ESP at work between two endpoints on loopback, without root
    Demo(DemoOptions),
    /// Print the man page
    #[command(hide = true)]
    Man,
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Options of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunOptions {
    /// The configuration: docs/configuration.md lists every key
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The control socket [default: the configuration's, or /run/handfast.sock]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Write keys for Wireshark into this directory. Whoever reads them can read the traffic
    #[arg(long, value_name = "DIR")]
    pub keylog: Option<PathBuf>,
    /// Form of the log on standard error
    #[arg(long, value_name = "FORM")]
    pub log: Option<LogFormat>,
    /// error, warn, info, debug or trace [default: $RUST_LOG, or the configuration's, or info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

#[derive(Args)]
struct NameOptions {
    /// Name of the connection
    name: String,
    /// The daemon's control socket
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Seconds to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
}

#[derive(Args)]
struct StatusOptions {
    /// The daemon's control socket
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// The status document of docs/status.md
    #[arg(long)]
    json: bool,
}

/// Options of `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoOptions {
    /// Write demo.pcapng and Wireshark's key tables into this directory
    #[arg(long, value_name = "DIR")]
    pub capture: Option<PathBuf>,
    /// JSON lines, the last one the result
    #[arg(long)]
    pub json: bool,
    /// Algorithms of the IKE SA [default: aes128gcm16-prfsha256-x25519]
    #[arg(long, value_name = "ALGORITHMS")]
    pub suite: Option<String>,
    /// Algorithms of ESP [default: aes128gcm16]
    #[arg(long, value_name = "ALGORITHMS")]
    pub esp: Option<String>,
    /// IP packets each way
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub packets: u32,
}

/// The whole program.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Cmd::Run(options) => crate::run::run(options),
        Cmd::Demo(options) => crate::demo::run(options),
        Cmd::Up(options) => {
            let connection = options.name.clone();
            command(&options, &Request::Up { connection }, "is up")
        }
        Cmd::Down(options) => {
            let connection = options.name.clone();
            command(&options, &Request::Down { connection }, "is down")
        }
        Cmd::Status(options) => status(&options),
        Cmd::Check { file } => check(&file),
        Cmd::Man => print(|out| crate::man::render(Cli::command(), out)),
        Cmd::Completions { shell } => print(|out| {
            clap_complete::generate(shell, &mut Cli::command(), "handfast", out);
            Ok(())
        }),
    }
}

fn print(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> ExitCode {
    let mut text = vec![];
    if let Err(error) = write(&mut text) {
        return failed(&error);
    }
    console::text(String::from_utf8_lossy(&text));
    ExitCode::SUCCESS
}

fn failed(reason: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("handfast: {reason}");
    ExitCode::FAILURE
}

/// The files of the system, for the configuration.
pub struct OsFiles;

impl FileReader for OsFiles {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|e| e.to_string())
    }

    fn mode(&self, path: &Path) -> Result<u32, String> {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path)
            .map(|m| m.permissions().mode() & 0o777)
            .map_err(|e| e.to_string())
    }
}

/// Loads a configuration, or prints what is wrong with it and says how to exit.
pub fn load_file(path: &Path) -> Result<(Loaded, String), ExitCode> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        eprintln!("handfast: {name} cannot be read: {error}");
        ExitCode::from(USAGE)
    })?;
    match load(&name, &text, &OsFiles) {
        Ok(loaded) => Ok((loaded, name)),
        Err(mistakes) => {
            let terminal = std::io::stderr().is_terminal();
            // On a terminal with the lines themselves; for tools one mistake a line.
            let text = if terminal {
                mistakes.render(true)
            } else {
                mistakes.to_string()
            };
            eprint!("{text}");
            Err(ExitCode::from(USAGE))
        }
    }
}

fn check(path: &Path) -> ExitCode {
    let (loaded, name) = match load_file(path) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    for warning in &loaded.warnings {
        eprintln!("{warning}");
    }
    console::line(format_args!("{name} is right."));
    for c in &loaded.policy.connections {
        let ike: Vec<String> = c.ike.iter().map(ToString::to_string).collect();
        console::line(format_args!(
            "  {}: as {} to {}, IKEv2 by preshared key",
            c.pair(),
            c.local_id,
            c.remote_id
        ));
        console::line(format_args!("    ike  {}", ike.join(", ")));
        for child in &c.children {
            let list = |ts: &[handfast_wire::selector::TrafficSelector], own: &str| match ts {
                [] => own.to_string(),
                ts => ts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            };
            let esp: Vec<String> = child.esp.iter().map(ToString::to_string).collect();
            console::line(format_args!("    esp  {}", esp.join(", ")));
            let (local, remote) = (
                list(&child.local_ts, "our address"),
                list(&child.remote_ts, "the peer's address"),
            );
            console::line(format_args!("    {local} <-> {remote}"));
        }
    }
    ExitCode::SUCCESS
}

fn command(options: &NameOptions, request: &Request, done: &str) -> ExitCode {
    let timeout = Duration::from_secs(options.timeout.max(1));
    match call(&options.socket, request, timeout) {
        Ok(answer) if answer["ok"] == true => {
            console::line(format_args!("{} {done}", options.name));
            ExitCode::SUCCESS
        }
        Ok(answer) => failed(&error_of(&answer)),
        Err(ControlError::Timeout(_)) => {
            let state = state_of(&options.socket, &options.name).unwrap_or_default();
            failed(&format!(
                "{} after {timeout:?}: not yet{state}; the daemon goes on",
                options.name
            ))
        }
        Err(error) => failed(&error),
    }
}

fn status(options: &StatusOptions) -> ExitCode {
    let answer = match ask(&options.socket, &Request::Status {}, Duration::from_secs(10)) {
        Ok(answer) => answer,
        Err(reason) => return failed(&reason),
    };
    if options.json {
        console::line(&answer["status"]);
        return ExitCode::SUCCESS;
    }
    match serde_json::from_value(answer["status"].clone()) {
        Ok(status) => {
            console::line(table::status_table(&status));
            ExitCode::SUCCESS
        }
        Err(error) => failed(&ControlError::Answer(error.to_string())),
    }
}

/// The daemon's answer, if it is a yes.
fn ask(socket: &Path, request: &Request, timeout: Duration) -> Result<Value, String> {
    let answer = call(socket, request, timeout).map_err(|e| e.to_string())?;
    if answer["ok"] == true {
        return Ok(answer);
    }
    Err(error_of(&answer))
}

fn error_of(answer: &Value) -> String {
    answer["error"]
        .as_str()
        .unwrap_or("the daemon gave no reason")
        .to_string()
}

/// Where a connection stands, as the end of a sentence.
fn state_of(socket: &Path, name: &str) -> Option<String> {
    let answer = ask(socket, &Request::Status {}, Duration::from_secs(1)).ok()?;
    let entries = answer["status"]["ike_sas"].as_array()?;
    let entry = entries.iter().find(|entry| entry["connection"] == name)?;
    let reason = entry["reason"].as_str().map(|reason| format!(", {reason}"));
    Some(format!(" ({}{})", entry["state"].as_str()?, reason.unwrap_or_default()))
}
