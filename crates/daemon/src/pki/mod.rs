//! `handfast pki`: a small CA for a first try, and what is in certificates and why they are accepted or not.

mod fetch;
mod files;
mod make;
mod show;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use handfast_auth::certificate::Name;
use handfast_auth::certificate::generate::KeyKind;
use handfast_auth::certificate::revocation::Wanted;

use crate::cli::USAGE;
use crate::console;

/// What `handfast pki` does.
#[derive(Subcommand, Clone, Debug)]
pub enum PkiCommand {
    /// Make a CA: ca.crt, which peers trust, and ca.key, which is kept secret
    Ca(CaOptions),
    /// Have the CA certify a new key for a host or person
    Issue(IssueOptions),
    /// Show what is in certificate, key and CRL files
    Show(ShowOptions),
    /// Would this certificate be accepted as that peer, and if not, why?
    Verify(VerifyOptions),
}

/// Options of `pki ca`.
#[derive(Args, Clone, Debug)]
pub struct CaOptions {
    /// The directory for ca.crt and ca.key
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Its distinguished name
    #[arg(long, value_name = "DN", default_value = "CN=Handfast CA")]
    pub subject: Name,
    /// rsa2048, rsa3072, rsa4096, ecdsa256, ecdsa384, ecdsa521 or ed25519
    #[arg(long, value_name = "KIND", default_value = "ecdsa256")]
    pub key: KeyKind,
    /// Days until it expires
    #[arg(long, value_name = "N", default_value_t = 3650)]
    pub days: u32,
}

/// Options of `pki issue`.
#[derive(Args, Clone, Debug)]
pub struct IssueOptions {
    /// Names: domain names, e-mail addresses, IP addresses. The first names the files
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// The directory with ca.crt and ca.key, and for the new files
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Distinguished name [default: CN= and the first name]
    #[arg(long, value_name = "DN")]
    pub subject: Option<Name>,
    /// rsa2048, rsa3072, rsa4096, ecdsa256, ecdsa384, ecdsa521 or ed25519
    #[arg(long, value_name = "KIND", default_value = "ecdsa256")]
    pub key: KeyKind,
    /// Days until it expires
    #[arg(long, value_name = "N", default_value_t = 365)]
    pub days: u32,
}

/// Options of `pki show`.
#[derive(Args, Clone, Debug)]
pub struct ShowOptions {
    /// PEM or DER
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A file with the passphrase of encrypted keys
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// Options of `pki verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyOptions {
    /// The peer's certificate, and what it sends with it
    #[arg(value_name = "FILE")]
    pub certificate: PathBuf,
    /// Files or directories with trusted CAs
    #[arg(long, required_unless_present = "connection", value_name = "PATH")]
    pub ca: Vec<PathBuf>,
    /// Judge as this connection of the configuration would, with what it trusts and wants
    #[arg(long, value_name = "NAME", requires = "config", conflicts_with_all = ["ca", "tls_usage", "sha1", "revocation"])]
    pub connection: Option<String>,
    /// The configuration
    #[arg(long, value_name = "FILE", requires = "connection")]
    pub config: Option<PathBuf>,
    /// Files or directories with other CAs' certificates, which help to find a trusted one
    #[arg(long, value_name = "PATH")]
    pub intermediate: Vec<PathBuf>,
    /// Whom the peer says it is; `fqdn:`, `email:` and other prefixes as in the configuration, or a DN
    #[arg(long = "as", value_name = "IDENTITY")]
    pub identity: Option<String>,
    /// Files with CRLs
    #[arg(long, value_name = "FILE")]
    pub crl: Vec<PathBuf>,
    /// Files with OCSP answers
    #[arg(long, value_name = "FILE")]
    pub ocsp: Vec<PathBuf>,
    /// Fetch CRLs and OCSP answers where the certificates say they are, as the daemon does
    #[arg(long)]
    pub fetch: bool,
    /// off, try or require a CRL or OCSP answer of each certificate [default: try where there are any]
    #[arg(long, value_name = "POLICY")]
    pub revocation: Option<Wanted>,
    /// Accept certificates made for TLS too
    #[arg(long)]
    pub tls_usage: bool,
    /// Accept certificates signed with SHA-1
    #[arg(long)]
    pub sha1: bool,
}

/// Why a command did not do what was asked.
pub(crate) enum Problem {
    /// Wrong files or options.
    Usage(String),
    /// It tried, and failed; for `verify`, the certificate is not accepted.
    Failed(String),
}

/// The whole command.
pub fn run(command: PkiCommand) -> ExitCode {
    let done = match command {
        PkiCommand::Ca(options) => make::ca(&options),
        PkiCommand::Issue(options) => make::issue(&options),
        PkiCommand::Show(options) => show::show(&options),
        PkiCommand::Verify(options) => verify::verify(&options),
    };
    match done {
        Ok(text) => {
            console::text(text);
            ExitCode::SUCCESS
        }
        Err(Problem::Failed(reason)) => {
            eprintln!("handfast: {reason}");
            ExitCode::FAILURE
        }
        Err(Problem::Usage(reason)) => {
            eprintln!("handfast: {reason}");
            ExitCode::from(USAGE)
        }
    }
}
