//! Processor time, as the kernel accounts for it.

use std::fs;

/// Of the clock that /proc counts in (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds that were used so far.
#[derive(Clone, Copy, Default, Debug)]
pub struct Used {
    /// The sending daemon, in user mode and in the kernel.
    pub sender: [f64; 2],
    /// The receiving daemon.
    pub receiver: [f64; 2],
    /// The kernel's threads for network work that was put off (ksoftirqd), of all processors.
    pub ksoftirqd: f64,
    /// All processors together.
    pub machine: f64,
}

impl Used {
    /// Now.
    pub fn now(sender: Option<u32>, receiver: Option<u32>) -> Self {
        let daemon = |pid: Option<u32>| pid.and_then(process).unwrap_or_default();
        Self {
            sender: daemon(sender),
            receiver: daemon(receiver),
            ksoftirqd: ksoftirqd(),
            machine: machine(),
        }
    }

    /// Since then.
    pub fn since(&self, before: &Self) -> Self {
        let pair = |now: [f64; 2], then: [f64; 2]| [now[0] - then[0], now[1] - then[1]];
        Self {
            sender: pair(self.sender, before.sender),
            receiver: pair(self.receiver, before.receiver),
            ksoftirqd: self.ksoftirqd - before.ksoftirqd,
            machine: self.machine - before.machine,
        }
    }
}

/// User and system time of a process with all its threads (proc(5), /proc/PID/stat, fields 14 and 15).
fn process(pid: u32) -> Option<[f64; 2]> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut seconds = || Some(fields.next()?.parse::<f64>().ok()? / TICKS_PER_SECOND);
    Some([seconds()?, seconds()?])
}

fn ksoftirqd() -> f64 {
    let Ok(processes) = fs::read_dir("/proc") else {
        return 0.0;
    };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_one =
        |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("ksoftirqd/"));
    pids.filter(is_one).filter_map(process).map(|[_, system]| system).sum()
}

/// All but idle and waiting (proc(5), /proc/stat).
fn machine() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let ticks = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .map(|field| field.parse().unwrap_or(0.0));
    let busy: f64 = ticks
        .enumerate()
        .filter(|(n, _)| !matches!(n, 3 | 4))
        .map(|(_, ticks): (_, f64)| ticks)
        .sum();
    busy / TICKS_PER_SECOND
}

/// The load average of the last minute.
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .next()
        .and_then(|load| load.parse().ok())
        .unwrap_or(0.0)
}
