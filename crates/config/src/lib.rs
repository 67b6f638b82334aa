//! The configuration of Handfast: read from TOML, checked whole, lowered to the engine's policy.
//!
//! [`load`] reports every mistake, not only the first, each with file, line, column and what was expected. This crate
//! touches no file; secrets and certificates come through a [`FileReader`].
#![forbid(unsafe_code)]

mod algorithms;
mod auth;
mod certificates;
mod children;
mod connection;
mod daemon;
mod diagnostic;
mod ends;
mod files;
mod kerberos;
mod lifetime;
mod mask;
mod nearest;
mod overlap;
mod psk;
mod section;
mod subnets;
mod trust;
mod units;
mod weak;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use handfast_auth::certificate::Time;
use handfast_crypto::secret::Secret;
use handfast_engine::policy::{Authentication, Connection, Cookies, Policy, Ports};
use toml::de::DeTable;

pub use certificates::EXPIRES_SOON;
pub use diagnostic::{Diagnostic, Diagnostics};

use section::{Reader, Section};

/// Access to the files that a configuration names, to the configuration's own permissions, and to the time.
pub trait FileReader {
    /// The octets of a file, or why not.
    fn read(&self, path: &Path) -> Result<Vec<u8>, String>;
    /// The permission bits of a file (`st_mode & 0o777`), or why not.
    fn mode(&self, path: &Path) -> Result<u32, String>;
    /// The files in a directory; `None` if this is none.
    fn list(&self, path: &Path) -> Result<Option<Vec<PathBuf>>, String>;
    /// The time of day, for the dates of certificates.
    fn now(&self) -> Time;
}

/// How logs are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The `[daemon]` table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DaemonConfig {
    /// UDP port of plain IKE.
    pub ike_port: u16,
    /// UDP port of NAT traversal.
    pub natt_port: u16,
    /// The control socket.
    pub socket: PathBuf,
    /// Log format.
    pub log: LogFormat,
    /// Log level or filter ("info", "debug", "handfast=trace").
    pub log_level: String,
    /// How many half-open SAs strangers may hold.
    pub half_open_limit: usize,
    /// How many of them one source may hold.
    pub half_open_per_address: usize,
    /// When strangers are asked for a cookie.
    pub cookies: Cookies,
    /// Name of the TUN device.
    pub tun: String,
    /// Its MTU; `None` for what fits.
    pub mtu: Option<u16>,
    /// Whether it exchanges frames that stand for several packets with the host.
    pub offload: bool,
    /// How many ephemeral key pairs of each group are made ahead at most.
    pub prepared_keys: usize,
}

/// The whole configuration but for what became [`Policy`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The `[daemon]` table.
    pub daemon: DaemonConfig,
}

/// A configuration without mistakes.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the daemon needs.
    pub config: Config,
    /// What the engine needs.
    pub policy: Policy,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// The text that it was read from, which may hold secrets.
    pub text: Arc<Secret>,
    /// Connections that use certificates or keys, and the files and directories where these are.
    pub files: Vec<CredentialFiles>,
}

/// Where a connection's certificates and keys are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CredentialFiles {
    /// The connection's name.
    pub connection: String,
    /// Files and directories, those in a directory too.
    pub files: Vec<PathBuf>,
}

/// A connection's credentials, read again from their files.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// What they are now.
    pub auth: Authentication,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a configuration. `name` is its path, for messages, its permissions and the secret files beside it.
pub fn load(name: &str, text: &str, files: &dyn FileReader) -> Result<Loaded, Diagnostics> {
    let mut reader = Reader::new(name, text, files);
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What follows from half a table would be guesses.
        reader.not_toml(&errors);
        return Err(reader.into_diagnostics());
    }
    let mut root = Section::new(root.get_ref(), 0);
    let daemon = daemon::read(root.table(&mut reader, "daemon"), &mut reader);
    let (mut connections, mut files_of) = (vec![], vec![]);
    let mut none = !root.has("connection");
    if let Some(table) = root.table(&mut reader, "connection") {
        none = table.is_empty();
        for (name, at, section) in table.tables(&mut reader, "[connection.NAME]") {
            connections.extend(connection::read(&name, at, section, &mut reader));
            let paths = std::mem::take(&mut reader.watched);
            if !paths.is_empty() {
                files_of.push(CredentialFiles {
                    connection: name,
                    files: paths,
                });
            }
        }
    }
    root.finish(&mut reader);
    if none {
        let expected = "at least one [connection.NAME] table";
        let what = if text.trim().is_empty() {
            "the file is empty"
        } else {
            "no connection"
        };
        reader.error(0, what.into(), expected, "docs/configuration.md has an example");
    }
    overlap::check(&connections, &mut reader);
    reader.check_mode();
    if reader.has_errors() {
        return Err(reader.into_diagnostics());
    }
    let policy = Policy {
        ports: Ports {
            ike: daemon.ike_port,
            natt: daemon.natt_port,
        },
        half_open_limit: daemon.half_open_limit,
        half_open_per_address: daemon.half_open_per_address,
        cookies: daemon.cookies,
        connections: connections.into_iter().map(|c| c.connection.into()).collect(),
    };
    Ok(Loaded {
        config: Config { daemon },
        policy,
        text: Arc::new(Secret::from(text.as_bytes())),
        files: files_of,
        warnings: reader.into_diagnostics().0,
    })
}

/// Reads the certificates and keys of one connection of a configuration again, and nothing else. `text` is the
/// configuration that is in force, and `connection` what it was read as. Returns also where the credentials are.
///
/// # Errors
/// What is wrong with the files; certificates that are not of the connection's `local_id` are.
pub fn credentials(
    name: &str,
    text: &Secret,
    connection: &Connection,
    files: &dyn FileReader,
) -> (Vec<PathBuf>, Result<Credentials, Diagnostics>) {
    // It was text when it was read.
    let text = std::str::from_utf8(text.as_bytes()).unwrap_or_default();
    let mut reader = Reader::new(name, text, files);
    let (root, _) = DeTable::parse_recoverable(text);
    let mut root = Section::new(root.get_ref(), 0);
    let tables = root.table(&mut reader, "connection");
    let tables = tables.map(|table| table.tables(&mut reader, "[connection.NAME]"));
    let mut all = tables.into_iter().flatten();
    let mut auth = None;
    if let Some((name, at, mut section)) = all.find(|(name, ..)| *name == connection.name) {
        auth = connection::credentials(&name, at, &mut section, &mut reader, &connection.local_id);
    }
    let paths = std::mem::take(&mut reader.watched);
    let wrong = reader.has_errors();
    let found = reader.into_diagnostics();
    match auth.filter(|_| !wrong) {
        Some(auth) => {
            let warnings = found.0;
            (paths, Ok(Credentials { auth, warnings }))
        }
        None => (paths, Err(found)),
    }
}

/// The example of README.md, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
