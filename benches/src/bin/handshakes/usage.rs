//! What a process has used, as the kernel accounts for it.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

/// So little in one look says that the process has nothing left to do.
const IDLE: Duration = Duration::from_millis(1);
const LOOK: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_secs(20);

/// Processor time and memory of a process.
#[derive(Clone, Copy, Default, Debug)]
pub struct Used {
    /// All threads, those that have ended included.
    pub cpu: Duration,
    /// Ticks in user mode and in the kernel: of these only the proportion counts.
    ticks: [u64; 2],
    /// Resident memory in octets.
    pub resident: u64,
}

impl Used {
    /// As soon as the process is idle.
    pub fn when_idle(pid: u32) -> Self {
        let start = Instant::now();
        let mut before = cpu(pid);
        loop {
            sleep(LOOK);
            let now = cpu(pid);
            if now - before < IDLE || start.elapsed() > LIMIT {
                break;
            }
            before = now;
        }
        Self::now(pid)
    }

    /// Now.
    pub fn now(pid: u32) -> Self {
        Self {
            cpu: cpu(pid),
            ticks: ticks(pid).unwrap_or_default(),
            resident: resident(pid).unwrap_or_default(),
        }
    }

    /// The share of the time since `before` that was spent in the kernel.
    pub fn system_share(&self, before: &Self) -> f64 {
        let [user, system] = [0, 1].map(|n: usize| self.ticks[n].saturating_sub(before.ticks[n]) as f64);
        if user + system == 0.0 {
            0.0
        } else {
            system / (user + system)
        }
    }
}

fn cpu(pid: u32) -> Duration {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap_or_default());
    let clock = clock_getcpuclockid(pid).and_then(ClockId::now);
    clock.map_or(Duration::ZERO, Duration::from)
}

/// User and system time (proc(5), /proc/PID/stat, fields 14 and 15).
fn ticks(pid: u32) -> Option<[u64; 2]> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    Some([fields.next()?.parse().ok()?, fields.next()?.parse().ok()?])
}

fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}
