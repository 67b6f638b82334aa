//! One round with one system.

use std::time::Duration;

use handfast_tests::process::{Process, output, run};
use serde_json::Value;

use crate::cpu::{Used, load};
use crate::system::{Kind, System};

/// Octets of the IP packets of the UDP measurements.
pub const SIZES: [usize; 3] = [64, 512, 1400];
/// IPv4 and UDP header.
const HEADERS: usize = 28;
const PINGS: &str = "400";

/// What was measured.
#[derive(Clone, Debug)]
pub struct Round {
    /// Of which system.
    pub kind: Kind,
    /// The machine's load before.
    pub load: f64,
    /// One TCP connection.
    pub tcp: Tcp,
    /// UDP, more than the system carries, for each of [`SIZES`].
    pub udp: [Udp; 3],
    /// Round trip in microseconds of an echo, nothing else under way: mean and deviation.
    pub latency: [f64; 2],
}

/// TCP goodput and its price.
#[derive(Clone, Copy, Debug)]
pub struct Tcp {
    /// Octets that the receiving application got.
    pub octets: f64,
    /// In so many seconds.
    pub seconds: f64,
    /// Processor time meanwhile.
    pub used: Used,
    /// Processor time of the sending and the receiving traffic tool.
    pub tools: [f64; 2],
}

/// UDP packets.
#[derive(Clone, Copy, Debug)]
pub struct Udp {
    /// Sent in a second.
    pub offered: f64,
    /// Received in a second.
    pub received: f64,
}

impl Tcp {
    /// Gbit/s.
    pub fn goodput(&self) -> f64 {
        self.octets * 8.0 / self.seconds / 1e9
    }

    /// Seconds for a gigabyte.
    pub fn per_gigabyte(&self, seconds: f64) -> f64 {
        seconds / (self.octets / 1e9)
    }
}

impl Round {
    /// Measures.
    pub fn measure(system: &System, seconds: u32, nice: i32) -> Self {
        let load = load();
        let latency = ping(system, nice);
        let tcp = tcp(system, seconds, nice);
        let udp = SIZES.map(|size| udp(system, size, seconds, nice));
        Self {
            kind: system.kind,
            load,
            tcp,
            udp,
            latency,
        }
    }
}

fn tcp(system: &System, seconds: u32, nice: i32) -> Tcp {
    let (report, used) = iperf3(system, seconds, nice, &["-l", "128K"]).unwrap_or_else(|why| panic!("{why}"));
    let end = &report["end"];
    let received = &end["sum_received"];
    let cpu = &end["cpu_utilization_percent"];
    let seconds = figure(&received["seconds"]);
    let tool = |side: &str| figure(&cpu[side]) / 100.0 * seconds;
    Tcp {
        octets: figure(&received["bytes"]),
        seconds,
        used,
        tools: [tool("host_total"), tool("remote_total")],
    }
}

fn udp(system: &System, size: usize, seconds: u32, nice: i32) -> Udp {
    let length = (size - HEADERS).to_string();
    let tried = iperf3(system, seconds, nice, &["-u", "-b", "0", "-l", &length]);
    // A flood can take the tool's own connection with it: then there is no figure.
    let (report, _) = tried.inspect_err(|why| eprintln!("{why}")).unwrap_or_default();
    let sum = &report["end"]["sum"];
    let (packets, lost) = (figure(&sum["packets"]), figure(&sum["lost_packets"]));
    let seconds = figure(&sum["seconds"]);
    Udp {
        offered: packets / seconds,
        received: (packets - lost) / seconds,
    }
}

/// Runs iperf3 from the first side to the second; its report, and the processor time used meanwhile.
fn iperf3(system: &System, seconds: u32, nice: i32, options: &[&str]) -> Result<(Value, Used), String> {
    let [from, to] = &system.sides;
    let log = std::env::temp_dir().join(format!("handfast-iperf3-{}", std::process::id()));
    let mut server = to.command(1, nice, "iperf3");
    server.args(["-s", "-1", "-B", &to.host, "--forceflush"]);
    let mut server = Process::start("iperf3", &server, &log);
    server.until("it listens", Duration::from_secs(5), |server| {
        server.log().contains("listening")
    });
    let mut client = from.command(0, nice, "timeout");
    client.args([
        &(seconds + 12).to_string(),
        "iperf3",
        "-J",
        "-c",
        &to.host,
        "-B",
        &from.host,
        "-t",
        &seconds.to_string(),
    ]);
    client.args(options);
    let pids = [from.pid, to.pid];
    let before = Used::now(pids[0], pids[1]);
    let out = output(&mut client);
    let used = Used::now(pids[0], pids[1]).since(&before);
    server.kill();
    let report = String::from_utf8_lossy(&out.stdout);
    let _ = std::fs::remove_file(log);
    let name = system.kind.name();
    let value: Value = serde_json::from_str(&report).map_err(|e| format!("iperf3 over {name}: {e}: {report}"))?;
    match &value["error"] {
        Value::Null => Ok((value, used)),
        error => Err(format!("iperf3 over {name}: {error}")),
    }
}

fn figure(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn ping(system: &System, nice: i32) -> [f64; 2] {
    let [from, to] = &system.sides;
    let mut command = from.command(0, nice, "ping");
    command.args(["-n", "-q", "-i", "0.002", "-c", PINGS, "-I", &from.host, &to.host]);
    // "rtt min/avg/max/mdev = 0.031/0.045/0.301/0.020 ms"
    let text = run(&mut command);
    let line = text.lines().find(|line| line.starts_with("rtt")).unwrap_or_default();
    // ", pipe 2" may follow.
    let figures = line
        .split(" = ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_default();
    let milliseconds: Vec<f64> = figures.split('/').filter_map(|figure| figure.parse().ok()).collect();
    let microseconds = |n: usize| milliseconds.get(n).map_or(f64::NAN, |ms| ms * 1000.0);
    [microseconds(1), microseconds(3)]
}
