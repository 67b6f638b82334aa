//! Foreign processes that end with the test that started them, and waiting without guessing how long.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(20);

/// Waits until `condition` holds. Panics with `what` if it does not within `limit`.
#[track_caller]
pub fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "waited {limit:?} in vain: {what}");
        sleep(POLL);
    }
}

/// Runs a command to its end and returns its standard output. Panics if it fails.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let out = output(command);
    assert!(
        out.status.success(),
        "{command:?} failed: {}\n{}{}",
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Runs a command to its end, whatever that is.
#[track_caller]
pub fn output(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"))
}

/// A process in the background. It is killed when this is dropped, and by the kernel if the test itself is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` (which must not fork: it is known by its pid), both outputs going to the file `log`.
    #[track_caller]
    pub fn start(name: &str, command: &Command, log: &Path) -> Self {
        let out = File::create(log).unwrap_or_else(|e| panic!("{}: {e}", log.display()));
        let err = out.try_clone().unwrap_or_else(|e| panic!("{}: {e}", log.display()));
        // A process that outlives its test would keep a namespace alive; `setpriv` execs, so the pid stays.
        let mut whole = Command::new("setpriv");
        whole
            .args(["--pdeathsig", "KILL"])
            .arg(command.get_program())
            .args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => whole.env(key, value),
                None => whole.env_remove(key),
            };
        }
        whole.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = whole.spawn().unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
        Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has printed.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// Waits until `condition` holds; panics with what the process printed if it does not, or if the process ends.
    #[track_caller]
    pub fn until(&mut self, what: &str, limit: Duration, mut condition: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            if let Some(status) = self.exited() {
                panic!("{} ended ({status}) before {what}:\n{}", self.name, self.log());
            }
            assert!(
                start.elapsed() < limit,
                "{}: waited {limit:?} in vain: {what}\n{}",
                self.name,
                self.log()
            );
            sleep(POLL);
        }
    }

    /// Sends a signal ("HUP") and goes on.
    #[track_caller]
    pub fn signal(&self, signal: &str) {
        run(Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.pid().to_string()));
    }

    /// Sends a signal ("INT", "TERM") and waits for the end.
    #[track_caller]
    pub fn stop(&mut self, signal: &str, limit: Duration) -> ExitStatus {
        self.signal(signal);
        let start = Instant::now();
        loop {
            if let Some(status) = self.exited() {
                return status;
            }
            assert!(
                start.elapsed() < limit,
                "{} did not end within {limit:?} of SIG{signal}:\n{}",
                self.name,
                self.log()
            );
            sleep(POLL);
        }
    }

    /// Kills it at once, with no chance to say goodbye.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
