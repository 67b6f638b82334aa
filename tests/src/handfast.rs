//! Our own daemon in a namespace, and its command line.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use serde_json::Value;

use crate::keys::KeyLog;
use crate::netns::{Lab, Namespace};
use crate::process::{Process, output};

const LIMIT: Duration = Duration::from_secs(15);

/// The binary: $HANDFAST_BINARY, or what cargo built last beside this test.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("HANDFAST_BINARY") {
        return path.into();
    }
    // target/debug/deps/interop_x-0123 -> target/debug/handfast
    let test = std::env::current_exe().unwrap_or_else(|e| panic!("where am I? {e}"));
    let path = test
        .ancestors()
        .nth(2)
        .map(|dir| dir.join("handfast"))
        .unwrap_or_default();
    assert!(
        path.exists(),
        "{}: build it first: cargo build --bin handfast",
        path.display()
    );
    path
}

/// A running daemon; killed on drop.
#[derive(Debug)]
pub struct Handfast {
    space: Namespace,
    dir: PathBuf,
    daemon: Process,
}

impl Handfast {
    /// Starts the daemon in `space` with this configuration; returns when it answers.
    #[track_caller]
    pub fn start(lab: &Lab, space: &Namespace, toml: &str) -> Self {
        Self::start_with(lab, space, toml, &[])
    }

    /// The same with these variables in its environment.
    #[track_caller]
    pub fn start_with(lab: &Lab, space: &Namespace, toml: &str, variables: &[(&str, &Path)]) -> Self {
        let dir = lab
            .dir()
            .join(format!("h-{}", space.name().rsplit('-').next().unwrap_or_default()));
        fs::create_dir_all(dir.join("keys")).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let config = dir.join("handfast.toml");
        write_config(&config, toml);
        let mut command = space.command(binary());
        command.arg("run").arg("--config").arg(&config);
        command
            .arg("--socket")
            .arg(dir.join("socket"))
            .arg("--keylog")
            .arg(dir.join("keys"));
        command.env(
            "RUST_LOG",
            std::env::var("HANDFAST_LOG").unwrap_or_else(|_| "debug".into()),
        );
        command.envs(variables.iter().copied());
        let mut this = Self {
            space: space.clone(),
            daemon: Process::start("handfast", &command, &dir.join("log")),
            dir: dir.clone(),
        };
        let socket = dir.join("socket");
        let mut client = space.command(binary());
        client.args(["status", "--json", "--socket"]).arg(&socket);
        this.daemon.until("it answers", LIMIT, |_| {
            socket.exists() && output(&mut client).status.success()
        });
        this
    }

    /// `handfast up NAME`. Panics with the daemon's log if that fails.
    #[track_caller]
    pub fn up(&self, name: &str) {
        let out = self.cli(&["up", name]);
        assert!(
            out.status.success(),
            "up {name}: {}\nthe daemon's log:\n{}",
            text(&out),
            self.log()
        );
    }

    /// `handfast up NAME`, whatever comes of it.
    pub fn try_up(&self, name: &str) -> Output {
        self.cli(&["up", name])
    }

    /// `handfast down NAME`. Panics with the daemon's log if that fails.
    #[track_caller]
    pub fn down(&self, name: &str) {
        let out = self.cli(&["down", name]);
        assert!(
            out.status.success(),
            "down {name}: {}\nthe daemon's log:\n{}",
            text(&out),
            self.log()
        );
    }

    /// Changes its configuration file. It reads it when asked to.
    #[track_caller]
    pub fn configure(&self, toml: &str) {
        write_config(&self.dir.join("handfast.toml"), toml);
    }

    /// `handfast reload` with these options: status, output, mistakes.
    pub fn reload(&self, options: &[&str]) -> (Option<i32>, String, String) {
        let out = self.cli(&[&["reload"], options].concat());
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        (out.status.code(), text(&out.stdout), text(&out.stderr))
    }

    /// SIGHUP.
    #[track_caller]
    pub fn hang_up(&self) {
        self.daemon.signal("HUP");
    }

    /// Does something while the daemon stands still (SIGSTOP). What comes for it meanwhile waits in its sockets.
    #[track_caller]
    pub fn paused<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Continue<'a>(&'a Process);
        impl Drop for Continue<'_> {
            fn drop(&mut self) {
                self.0.signal("CONT");
            }
        }
        self.daemon.signal("STOP");
        let _continue = Continue(&self.daemon);
        work()
    }

    /// `handfast rekey NAME`, of its IKE SA or its children, whatever comes of it.
    pub fn try_rekey(&self, name: &str, ike: bool) -> Output {
        let options: &[&str] = if ike { &["--ike"] } else { &[] };
        self.cli(&[&["rekey", name], options].concat())
    }

    /// The same. Panics with the daemon's log if it fails.
    #[track_caller]
    pub fn rekey(&self, name: &str, ike: bool) {
        let out = self.try_rekey(name, ike);
        assert!(
            out.status.success(),
            "rekey {name}: {}\nthe daemon's log:\n{}",
            text(&out),
            self.log()
        );
    }

    /// `handfast status --json`.
    #[track_caller]
    pub fn status(&self) -> Value {
        let out = self.cli(&["status", "--json"]);
        assert!(
            out.status.success(),
            "status: {}\nthe daemon's log:\n{}",
            text(&out),
            self.log()
        );
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("status is not JSON: {e}\n{}", text(&out)))
    }

    /// `handfast status` for people.
    pub fn table(&self) -> Output {
        self.cli(&["status"])
    }

    /// The established IKE SAs of a connection that have a child.
    #[track_caller]
    pub fn sas(&self, name: &str) -> Vec<Value> {
        let status = self.status();
        let all = status["ike_sas"].as_array().cloned().unwrap_or_default();
        all.into_iter()
            .filter(|sa| sa["connection"] == name)
            .filter(|sa| {
                sa["state"]
                    .as_str()
                    .is_some_and(|state| state.eq_ignore_ascii_case("established"))
            })
            .filter(|sa| sa["children"].as_array().is_some_and(|children| !children.is_empty()))
            .collect()
    }

    /// Whether a connection is up, with a child.
    #[track_caller]
    pub fn is_up(&self, name: &str) -> bool {
        !self.sas(name).is_empty()
    }

    /// Waits until a connection is up.
    #[track_caller]
    pub fn wait_up(&self, name: &str, limit: Duration) {
        self.wait(&format!("{name} is up"), limit, |this| this.is_up(name));
    }

    /// Waits until a connection has no SA.
    #[track_caller]
    pub fn wait_down(&self, name: &str, limit: Duration) {
        self.wait(&format!("{name} is down"), limit, |this| !this.is_up(name));
    }

    /// Waits for something; panics with the daemon's log and state if it does not come.
    #[track_caller]
    pub fn wait(&self, what: &str, limit: Duration, mut condition: impl FnMut(&Self) -> bool) {
        let start = std::time::Instant::now();
        while !condition(self) {
            if start.elapsed() > limit {
                panic!(
                    "waited {limit:?} in vain: {what}\n{:#}\nthe daemon's log:\n{}",
                    self.status(),
                    self.log()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// All keys it has logged.
    pub fn keys(&self) -> KeyLog {
        KeyLog::read(&self.keylog_dir())
    }

    /// Where it logs keys.
    pub fn keylog_dir(&self) -> PathBuf {
        self.dir.join("keys")
    }

    /// What the daemon has printed.
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// The daemon's process.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Its namespace.
    pub fn space(&self) -> &Namespace {
        &self.space
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.daemon.stop("TERM", LIMIT)
    }

    /// Kills it at once.
    pub fn kill(mut self) {
        self.daemon.kill();
    }

    fn cli(&self, args: &[&str]) -> Output {
        // The control socket is a file; no namespace matters.
        output(
            Command::new(binary())
                .args(args)
                .arg("--socket")
                .arg(self.dir.join("socket")),
        )
    }
}

/// It holds a secret, and the daemon refuses one that others can read.
#[track_caller]
fn write_config(path: &Path, toml: &str) {
    fs::write(path, toml)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Both outputs of a command, for a message.
fn text(out: &Output) -> String {
    format!(
        "{} {}{}",
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    )
}

/// Runs the command line without a daemon.
pub fn cli(args: &[&str], dir: &Path) -> Output {
    output(Command::new(binary()).args(args).current_dir(dir))
}
