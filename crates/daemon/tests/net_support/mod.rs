//! Network namespaces that vanish with the test.
#![allow(dead_code)] // each test binary uses a part of it

use std::future::Future;
use std::process::Command;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};

/// Runs a test in a network namespace of its own, where only loopback is up. Needs root: without, the test is skipped
/// and says so, and with CI=true it fails.
pub fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "this test needs root");
        eprintln!("SKIPPED: needs root (network namespaces); run it as root");
        return;
    }
    let run = move || {
        enter_new_namespace();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { tokio::time::timeout(std::time::Duration::from_secs(20), test()).await })
    };
    // A namespace belongs to the thread. A panic's message was printed there; only the outcome matters here.
    match std::thread::spawn(run).join() {
        Ok(Ok(())) => {}
        Ok(Err(_)) => panic!("the test took too long"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Runs `ip` with arguments separated by blanks, in the namespace of the calling thread; returns what it printed.
pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Gives a device an address without duplicate address detection; returns when it can be used.
pub fn add_address(address: &str, device: &str) {
    let nodad = if address.contains(':') { " nodad" } else { "" };
    ip(&format!("addr add {address} dev {device}{nodad}"));
    // Even so the kernel makes it the host's own a moment later, on a busy machine a tenth of a second, and until then
    // what is sent to it is lost.
    let ip = address.split('/').next().unwrap_or_default();
    let mut route = Command::new("ip");
    route.args(["route", "get", ip]);
    let start = Instant::now();
    while !route.output().unwrap().stdout.starts_with(b"local ") {
        assert!(start.elapsed() < Duration::from_secs(10), "{address} cannot be used");
    }
}

/// A second namespace: a thread that runs what it is given.
pub struct Namespace {
    tid: nix::unistd::Pid,
    jobs: Option<mpsc::Sender<Box<dyn FnOnce() + Send>>>,
    thread: Option<JoinHandle<()>>,
}

impl Namespace {
    pub fn new() -> Self {
        let (jobs, received) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let (tell_tid, tid) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            enter_new_namespace();
            tell_tid.send(nix::unistd::gettid()).unwrap();
            received.iter().for_each(|job| job());
        });
        Namespace {
            tid: tid.recv().unwrap(),
            jobs: Some(jobs),
            thread: Some(thread),
        }
    }

    /// Runs a closure there, and waits for it.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, result) = mpsc::channel();
        let jobs = self.jobs.as_ref().unwrap();
        jobs.send(Box::new(move || tell.send(job()).unwrap())).unwrap();
        result.recv().unwrap()
    }

    /// A cable from `here` in the calling thread's namespace to `there` in this one, both up and without IPv6 duplicate
    /// address detection.
    pub fn connect(&self, here: &str, there: &str) {
        ip(&format!(
            "link add {here} type veth peer name {there} netns {}",
            self.tid
        ));
        let up = |name: &str| {
            std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/accept_dad"), "0").unwrap();
            ip(&format!("link set {name} up"));
        };
        // The end that was up first drops what it is given until the kernel has seen to it that the other end is up, too.
        let carries = |name: &str| {
            let start = Instant::now();
            while !ip(&format!("-o link show dev {name}")).contains("state UP") {
                assert!(start.elapsed() < Duration::from_secs(10), "{name} carries nothing");
            }
        };
        up(here);
        let there = there.to_owned();
        self.run(move || {
            up(&there);
            carries(&there);
        });
        carries(here);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn enter_new_namespace() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    ip("link set lo up");
}
