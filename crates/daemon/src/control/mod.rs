//! The control socket: JSON lines over a Unix socket that only its owner can use. docs/control.md has the protocol.

pub mod client;
mod server;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use server::{Call, Reply, Server};

/// The longest request; whoever sends a longer one is hung up on.
pub const MAX_REQUEST: u64 = 64 << 10;
/// The longest answer that the command line takes: the status of very many SAs.
pub const MAX_ANSWER: u64 = 256 << 20;

/// A request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The status document.
    Status {},
    /// Bring a connection up; answered when it is, or cannot be.
    Up {
        /// Its name.
        connection: String,
    },
    /// Take a connection down; answered when it is.
    Down {
        /// Its name.
        connection: String,
    },
    /// Replace a connection's child SAs, or its IKE SA; answered when that is done.
    Rekey {
        /// Its name.
        connection: String,
        /// The IKE SA instead of its children.
        #[serde(default)]
        ike: bool,
    },
    /// Read the configuration again.
    Reload {
        /// Only say what would change.
        #[serde(default)]
        dry_run: bool,
    },
}

/// Why control does not work, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// A daemon answers on the socket already.
    #[error("another handfast runs and listens on {0}: stop it, or give this one another --socket")]
    Taken(PathBuf),
    /// The socket cannot be made.
    #[error("the control socket {0} cannot be made: {1}; --socket names another place")]
    Bind(PathBuf, std::io::Error),
    /// Nobody listens.
    #[error("no daemon listens on {0}: start one with `handfast run --config FILE`, or name its --socket")]
    NotRunning(PathBuf),
    /// Not ours.
    #[error("no permission to use {0}: run as the daemon's user, usually root")]
    Permission(PathBuf),
    /// The daemon was silent for too long.
    #[error("the daemon did not answer within {0:?}; `handfast status` shows where it stands")]
    Timeout(std::time::Duration),
    /// The daemon hung up.
    #[error("the daemon ended before it answered; its log says why")]
    Ended,
    /// Something else.
    #[error("the daemon cannot be spoken to: {0}")]
    Io(std::io::Error),
    /// No JSON, or not of the expected shape.
    #[error("the daemon's answer is not understood: {0}")]
    Answer(String),
}
