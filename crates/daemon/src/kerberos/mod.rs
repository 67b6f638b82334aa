//! `handfast kerberos`: whether this host can use Kerberos, step by step.

mod check;
mod report;
mod steps;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use handfast_auth::kerberos::{Principal, Target};

/// What `handfast kerberos` does.
#[derive(Subcommand, Clone, Debug)]
pub enum KerberosCommand {
    /// Test library, keytab, KDC, clock and tickets, one after the other
    #[command(after_help = CHECK_HELP)]
    Check(CheckOptions),
}

const CHECK_HELP: &str = "Examples:
  handfast kerberos check office --config /etc/handfast.toml
  handfast kerberos check --target host/gw.example.net@EXAMPLE.NET
  handfast kerberos check --principal host/me.example.net --target service:host@gw.example.net --json
  handfast kerberos check --keytab /etc/gw.keytab --as-responder

What it tests:
  library        MIT's GSS-API library can be loaded
  configuration  which krb5.conf counts: $KRB5_CONFIG, or the system's
  keytab         it can be read, and holds keys of the principal
  first ticket   the KDC answers and knows the principal, with this key
  own ticket     a ticket for the principal itself opens with the keytab: the key is the KDC's newest, and this
                 host's clock is right
  ticket         the KDC gives a ticket for --target

Exit status: 0 all is well, 1 a step failed, 2 wrong usage.";

/// Options of `kerberos check`.
#[derive(Args, Clone, Debug)]
pub struct CheckOptions {
    /// A connection of the configuration: its keytab, principal and target
    #[arg(value_name = "NAME", requires = "config", conflicts_with_all = ["keytab", "principal", "ccache", "target"])]
    pub connection: Option<String>,
    /// The configuration with that connection
    #[arg(long, value_name = "FILE", requires = "connection")]
    pub config: Option<PathBuf>,
    /// The keytab [default: /etc/krb5.keytab, unless --ccache is given]
    #[arg(long, value_name = "FILE")]
    pub keytab: Option<PathBuf>,
    /// Who this host is, as in host/gw.example.net@EXAMPLE.NET [default: the first in the keytab]
    #[arg(long, value_name = "PRINCIPAL")]
    pub principal: Option<Principal>,
    /// A credential cache with tickets, as in FILE:/run/tickets
    #[arg(long, value_name = "NAME")]
    pub ccache: Option<String>,
    /// The peer: a principal, or service:host@NAME for a host by its name
    #[arg(long, value_name = "TARGET", conflicts_with = "as_responder")]
    pub target: Option<Target>,
    /// Test what answers peers: the keytab must be right, and a KDC is no need
    #[arg(long)]
    pub as_responder: bool,
    /// Seconds for each step
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub timeout: u64,
    /// The GSS-API library to load
    #[arg(long, value_name = "FILE", default_value = handfast_auth::kerberos::library::LIBRARY)]
    pub library: String,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

/// The whole command.
pub fn run(command: KerberosCommand) -> ExitCode {
    match command {
        KerberosCommand::Check(options) => check::run(&options),
    }
}
