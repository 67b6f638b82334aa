//! A laboratory of network namespaces that cleans up after itself.
//!
//! Nothing here touches the host's own network, and nothing leaves the namespaces.

use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use crate::connection::Connection;
use crate::ping::{Echoes, ping};
use crate::process::{output, run, until};

/// Where `ip netns` has its namespaces.
const SPACES: &str = "/run/netns";

const LIMIT: Duration = Duration::from_secs(15);

/// Some namespaces, the links between them, and a folder for files; all removed on drop, also in a panic.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    dir: PathBuf,
    spaces: Vec<Namespace>,
}

/// One network namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Namespace {
    name: String,
}

impl Lab {
    /// An empty laboratory. What tests that were killed have left is removed first.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        remove_orphans();
        let prefix = format!("hf-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Short, since it holds Unix sockets (108 octets at most).
        let dir = std::env::temp_dir().join(&prefix);
        fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        Self {
            prefix,
            dir,
            spaces: Vec::new(),
        }
    }

    /// Two hosts on one wire: 10.77.0.1 and 10.77.0.2, fd77::1 and fd77::2; behind them 10.78.1.1 and 10.78.2.1,
    /// fd78:1::1 and fd78:2::1.
    pub fn pair() -> (Self, Namespace, Namespace) {
        let mut lab = Self::new();
        let (a, b) = (lab.namespace("a"), lab.namespace("b"));
        lab.wire(&a, &["10.77.0.1/24", "fd77::1/64"], &b, &["10.77.0.2/24", "fd77::2/64"]);
        for (host, n) in [(&a, 1), (&b, 2)] {
            host.own(&format!("10.78.{n}.1/32"));
            host.own(&format!("fd78:{n}::1/128"));
        }
        (lab, a, b)
    }

    /// Gives two hosts on one wire the addresses of a further tunnel, from `a` to `b`.
    pub fn add(&self, a: &Namespace, b: &Namespace, tunnel: &Connection) {
        for (space, other, end) in [(a, b, &tunnel.local), (b, a, &tunnel.remote)] {
            let prefix_len = if end.address.contains(':') { 64 } else { 24 };
            space.address(&format!("{}/{prefix_len}", end.address), &wire_name(other));
            let prefix_len = if end.host.contains(':') { 128 } else { 32 };
            space.own(&format!("{}/{prefix_len}", end.host));
        }
    }

    /// Like [`pair`](Self::pair), but a router stands between and masquerades: the first host, 10.76.0.1, appears to
    /// the second, 10.77.0.2, as 10.77.0.254.
    pub fn behind_nat() -> (Self, Namespace, Namespace) {
        let mut lab = Self::new();
        let (a, r, b) = (lab.namespace("a"), lab.namespace("r"), lab.namespace("b"));
        lab.wire(&a, &["10.76.0.1/24"], &r, &["10.76.0.254/24"]);
        lab.wire(&r, &["10.77.0.254/24"], &b, &["10.77.0.2/24"]);
        a.own("10.78.1.1/32");
        b.own("10.78.2.1/32");
        a.ip(&["route", "add", "10.77.0.0/24", "via", "10.76.0.254"]);
        r.run("sysctl", &["-q", "-w", "net.ipv4.ip_forward=1"]);
        let rules = format!(
            "add table ip nat; add chain ip nat post {{ type nat hook postrouting priority 100; }}; \
             add rule ip nat post oifname {} masquerade",
            wire_name(&b)
        );
        r.run("nft", &[&rules]);
        (lab, a, b)
    }

    /// Gives the router of [`behind_nat`](Self::behind_nat) another mapping: it forgets those it has, and new ones get
    /// UDP ports from `first_port` on.
    pub fn remap(&self, first_port: u16) {
        let space = |name: &str| {
            let found = self.spaces.iter().find(|s| s.name.ends_with(name));
            found.unwrap_or_else(|| panic!("no namespace {name}"))
        };
        let (r, b) = (space("-r"), space("-b"));
        let wire = wire_name(b);
        let rules = format!(
            "flush chain ip nat post; add rule ip nat post oifname {wire} ip protocol udp masquerade to :{first_port}-{}",
            first_port + 99
        );
        r.run("nft", &[&rules]);
        // A masquerading device that goes down takes its mappings along.
        r.ip(&["link", "set", &wire, "down"]);
        r.ip(&["link", "set", &wire, "up"]);
    }

    /// Makes a namespace, its loopback device up.
    pub fn namespace(&mut self, name: &str) -> Namespace {
        let space = Namespace {
            name: format!("{}-{name}", self.prefix),
        };
        run(Command::new("ip").args(["netns", "add", &space.name]));
        self.spaces.push(space.clone());
        space.ip(&["link", "set", "lo", "up"]);
        space
    }

    /// Joins two namespaces; each end gets the addresses ("10.77.0.1/24") named after it.
    pub fn wire(&self, a: &Namespace, a_addresses: &[&str], b: &Namespace, b_addresses: &[&str]) {
        let (a_end, b_end) = (wire_name(b), wire_name(a));
        run(Command::new("ip")
            .args(["link", "add", &a_end, "netns", &a.name, "type", "veth", "peer"])
            .args(["name", &b_end, "netns", &b.name]));
        for (space, end) in [(a, &a_end), (b, &b_end)] {
            // Captures are to see datagrams, not what the device would cut into datagrams.
            space.ip(&["link", "set", end, "gso_max_segs", "1"]);
            space.ip(&["link", "set", end, "up"]);
        }
        // The end that was up first drops what it is given until the kernel has seen to it that the other end is up, too.
        for (space, end) in [(a, &a_end), (b, &b_end)] {
            until("the wire carries", LIMIT, || {
                space.ip(&["-o", "link", "show", "dev", end]).contains("state UP")
            });
        }
        for (space, end, addresses) in [(a, a_end, a_addresses), (b, b_end, b_addresses)] {
            for address in addresses {
                space.address(address, &end);
            }
        }
    }

    /// A folder for files, gone when the laboratory is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for space in &self.spaces {
            remove(&space.name);
        }
        // HANDFAST_KEEP=1 keeps logs, configurations and captures to look at.
        if std::env::var_os("HANDFAST_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.dir);
        } else {
            eprintln!("kept: {}", self.dir.display());
        }
    }
}

impl Namespace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run inside. `ip netns exec` execs, so the process keeps its pid.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs a program inside, to its end. Panics if it fails.
    #[track_caller]
    pub fn run(&self, program: &str, args: &[&str]) -> String {
        run(self.command(program).args(args))
    }

    /// Runs `ip` on it. Panics if it fails.
    #[track_caller]
    pub fn ip(&self, args: &[&str]) -> String {
        run(Command::new("ip").args(["-n", &self.name]).args(args))
    }

    /// Gives it an address that no wire leads to: a host of the network behind it.
    pub fn own(&self, address: &str) {
        self.address(address, "lo");
    }

    /// The device at this end of the wire to `other`.
    pub fn wire_to(&self, other: &Namespace) -> String {
        wire_name(other)
    }

    /// Sends `count` echo requests, one every `interval` seconds, and says how many were answered. If some were not, a
    /// report of where they vanished goes to the test's output.
    #[track_caller]
    pub fn ping(&self, from: &str, to: &str, count: u32, interval: &str) -> u32 {
        self.ping_of(56, from, to, count, interval)
    }

    /// The same with this many octets of data in each.
    #[track_caller]
    pub fn ping_of(&self, octets: usize, from: &str, to: &str, count: u32, interval: &str) -> u32 {
        let address = |text: &str| text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        let seconds = interval.parse().unwrap_or_else(|e| panic!("{interval}: {e}"));
        let pinged = ping(
            self,
            Echoes {
                from: address(from),
                to: address(to),
                count: count.try_into().expect("sequence numbers have 16 bits"),
                interval: Duration::from_secs_f64(seconds),
                octets,
                tos: 0,
            },
        );
        if pinged.received() < count {
            eprintln!("{pinged}");
        }
        pinged.received()
    }

    /// Does something inside, in a thread of its own: its sockets and what it reads of itself in /proc are of there.
    #[track_caller]
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            setns(
                File::open(Path::new(SPACES).join(&self.name))?,
                CloneFlags::CLONE_NEWNET,
            )
            .map_err(Into::into)
        };
        let inside = move || {
            enter().unwrap_or_else(|e: io::Error| panic!("cannot enter {}: {e}", self.name));
            work()
        };
        let done = std::thread::scope(|scope| scope.spawn(inside).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// All namespaces of its laboratory, itself too.
    pub fn laboratory(&self) -> Vec<Self> {
        let prefix = self.name.rsplit_once('-').map_or("", |(prefix, _)| prefix);
        let names = spaces().filter(|name| name.rsplit_once('-').is_some_and(|(other, _)| other == prefix));
        let mut all: Vec<Self> = names.map(|name| Self { name }).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn address(&self, address: &str, device: &str) {
        let v6 = address
            .split('/')
            .next()
            .and_then(|a| a.parse().ok())
            .is_some_and(|a: IpAddr| a.is_ipv6());
        let mut args = vec!["addr", "add", address, "dev", device];
        if v6 {
            args.push("nodad");
        }
        self.ip(&args);
        if v6 {
            // Even so the kernel makes it the host's own a moment later, on a busy machine a tenth of a second, and until
            // then what is sent to it is lost.
            let ip = address.split('/').next().unwrap_or_default();
            let mut route = Command::new("ip");
            route.args(["-n", &self.name, "-6", "route", "get", ip]);
            until("the address is the host's own", LIMIT, || {
                output(&mut route).stdout.starts_with(b"local ")
            });
        }
    }
}

/// Wires are named after where they lead.
fn wire_name(to: &Namespace) -> String {
    format!("to-{}", to.name.rsplit('-').next().unwrap_or("x"))
}

fn remove(namespace: &str) {
    let pids = Command::new("ip").args(["netns", "pids", namespace]).output();
    let pids = pids
        .map(|out| String::from_utf8_lossy(&out.stdout).into_owned())
        .unwrap_or_default();
    for pid in pids.split_whitespace() {
        let _ = Command::new("kill").args(["-KILL", pid]).output();
    }
    let _ = Command::new("ip").args(["netns", "del", namespace]).output();
}

/// Removes the namespaces of test processes that are no more.
fn remove_orphans() {
    for name in spaces() {
        let owner = name
            .strip_prefix("hf-")
            .and_then(|rest| rest.split('-').next())
            .and_then(|pid| pid.parse().ok());
        if owner.is_some_and(|pid: u32| !Path::new(&format!("/proc/{pid}")).exists()) {
            remove(&name);
        }
    }
}

/// The names of all namespaces.
fn spaces() -> impl Iterator<Item = String> {
    let entries = fs::read_dir(SPACES).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}
