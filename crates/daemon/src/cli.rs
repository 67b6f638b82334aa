//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::control::Request;
use crate::logging::LogFormat;
use crate::{commands, console};

/// The exit status of a usage or configuration mistake.
pub const USAGE: u8 = 2;
const DEFAULT_SOCKET: &str = "/run/handfast.sock";

#[derive(Parser)]
#[command(name = "handfast", version, long_version = LONG_VERSION, about = "Internet Key Exchange: negotiates keys between hosts and carries their traffic in ESP", after_help = HELP)]
struct Cli {
    #[command(subcommand)]
    command: Cmd,
}

/// The version, and whose algorithms this build uses.
const LONG_VERSION: &str = if cfg!(feature = "aws-lc") {
    concat!(env!("CARGO_PKG_VERSION"), "\nprovider: aws-lc")
} else {
    concat!(env!("CARGO_PKG_VERSION"), "\nprovider: ring")
};

const HELP: &str = "Examples:
  handfast demo                                 two endpoints on loopback; no root needed
  handfast check /etc/handfast.toml             is this file right?
  handfast run --config /etc/handfast.toml      the daemon (root: it opens a TUN device and sets routes)
  handfast up office; handfast status; handfast down office
  handfast reload --dry-run                     what would the changed file change?

Exit status: 0 done, 1 failed, 2 wrong usage or configuration.";

#[derive(Subcommand)]
enum Cmd {
    /// Run the daemon in the foreground until SIGTERM or SIGINT; SIGHUP makes it read its configuration again
    #[command(after_help = "Example:
  handfast run --config /etc/handfast.toml --log json")]
    Run(RunOptions),
    /// Bring a connection up and wait until it is, or why it is not
    #[command(after_help = "Example:
  handfast up office --timeout 10")]
    Up(NameOptions),
    /// Delete a connection's SAs with the peer and keep it down
    #[command(after_help = "Example:
  handfast down office")]
    Down(NameOptions),
    /// Replace a connection's SAs by fresh ones while traffic flows: its child SAs, or its IKE SA
    #[command(after_help = "Example:
  handfast rekey office           fresh keys for the traffic
  handfast rekey office --ike     fresh keys for IKE; the child SAs move to the new SA")]
    Rekey(RekeyOptions),
    /// Read the configuration again: what did not change goes on
    #[command(after_help = "Example:
  handfast reload --dry-run       what would change, and which connections would be begun anew
  handfast reload

Exit status: 0 done, 1 no daemon, 2 the file has mistakes and nothing was changed.")]
    Reload(ReloadOptions),
    /// Show connections, their SAs and traffic
    #[command(after_help = "Example:
  handfast status --json | jq '.ike_sas[] | {connection, state, reason}'")]
    Status(StatusOptions),
    /// Check a configuration file without running it
    #[command(after_help = "Example:
  handfast check /etc/handfast.toml")]
    Check {
        /// The TOML file
        file: PathBuf,
    },
    /// Show IKE and ESP at work between two endpoints on loopback, without root
    #[command(after_help = "Example:
  handfast demo --capture out && WIRESHARK_CONFIG_DIR=out wireshark -r out/demo.pcapng
  handfast demo --break psk       what a wrong secret looks like on both sides
  handfast demo --auth certificate --break expired
  handfast demo --ike 1           phase 1 in main mode, phase 2 in quick mode, and how long each takes")]
    Demo(DemoOptions),
    /// Make a small CA and certificates, and see why a certificate is or is not accepted
    Pki {
        #[command(subcommand)]
        command: crate::pki::PkiCommand,
    },
    /// See whether this host can use Kerberos, and if not, why
    Kerberos {
        #[command(subcommand)]
        command: crate::kerberos::KerberosCommand,
    },
    /// Print the man page
    #[command(hide = true)]
    Man,
    /// Print completions for a shell
    #[command(after_help = "Example:
  handfast completions bash > /etc/bash_completion.d/handfast")]
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

/// Options of `up` and `down`.
#[derive(Args)]
pub struct NameOptions {
    /// Name of the connection
    pub name: String,
    /// The daemon's control socket
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Seconds to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub timeout: u64,
}

/// Options of `rekey`.
#[derive(Args)]
pub struct RekeyOptions {
    /// Which, and how long.
    #[command(flatten)]
    pub name: NameOptions,
    /// The IKE SA instead of its child SAs
    #[arg(long)]
    pub ike: bool,
}

/// Options of `reload`.
#[derive(Args)]
pub struct ReloadOptions {
    /// The daemon's control socket
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The answer of docs/control.md
    #[arg(long)]
    pub json: bool,
}

/// Options of `status`.
#[derive(Args)]
pub struct StatusOptions {
    /// The daemon's control socket
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// The status document of docs/status.md
    #[arg(long)]
    pub json: bool,
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
    /// The version of IKE [default: 2, with Kerberos 1]
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub ike: Option<u8>,
    /// How phase 1 of IKEv1 goes [default: main]
    #[arg(long, value_name = "MODE")]
    pub mode: Option<PhaseOneMode>,
    /// How both ends prove themselves; the certificates are by a CA made for the demo
    #[arg(long, value_name = "METHOD", default_value = "psk")]
    pub auth: AuthMethod,
    /// Algorithms of the IKE SA [default: aes128gcm16-prfsha256-x25519, in IKEv1 aes128-sha256-ecp256]
    #[arg(long, value_name = "ALGORITHMS")]
    pub suite: Option<String>,
    /// Algorithms of ESP [default: aes128gcm16]
    #[arg(long, value_name = "ALGORITHMS")]
    pub esp: Option<String>,
    /// Make the configurations not fit and show how both sides explain it; exits with 1
    #[arg(long = "break", value_name = "WHAT")]
    pub broken: Option<Break>,
    /// IP packets each way
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub packets: u32,
}

impl DemoOptions {
    /// The version of IKE.
    pub fn version(&self) -> u8 {
        self.ike
            .unwrap_or(if self.auth == AuthMethod::Kerberos { 1 } else { 2 })
    }
}

/// The exchanges of phase 1.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum PhaseOneMode {
    /// Six messages; identities are encrypted
    Main,
    /// Three messages, which let a listener try out secrets
    Aggressive,
}

/// How the ends of the demo prove themselves.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthMethod {
    /// By a preshared key
    Psk,
    /// By signatures, with certificates
    Certificate,
    /// By Kerberos, which IKEv1 has, with a KDC that lives as long as the demo
    Kerberos,
}

/// What does not fit.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Break {
    /// B has another secret
    Psk,
    /// No algorithms in common
    Proposal,
    /// Subnets that do not meet
    Selectors,
    /// A's certificate is expired
    Expired,
    /// B trusts another CA
    Untrusted,
    /// A's certificate is of another name
    Name,
}

/// The whole program.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Cmd::Run(options) => crate::run::run(options),
        Cmd::Demo(options) => crate::demo::run(options),
        Cmd::Up(options) => {
            let connection = options.name.clone();
            commands::named(&options, &Request::Up { connection }, "is up")
        }
        Cmd::Down(options) => {
            let connection = options.name.clone();
            commands::named(&options, &Request::Down { connection }, "is down")
        }
        Cmd::Rekey(options) => commands::rekey(&options),
        Cmd::Reload(options) => commands::reload(&options),
        Cmd::Status(options) => commands::status(&options),
        Cmd::Check { file } => crate::check::check(&file),
        Cmd::Pki { command } => crate::pki::run(command),
        Cmd::Kerberos { command } => crate::kerberos::run(command),
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
        return commands::failed(&error);
    }
    console::text(String::from_utf8_lossy(&text));
    ExitCode::SUCCESS
}
