//! Captures: tcpdump in a namespace.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::netns::{Lab, Namespace};
use crate::process::{Process, run};

const LIMIT: Duration = Duration::from_secs(15);

/// What belongs to IKE and ESP.
const IKE_AND_ESP: &str = "udp port 500 or udp port 4500 or esp";

/// A tcpdump at work: everything of IKE and ESP that passes one device, or what a filter says.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Process,
    path: PathBuf,
}

impl Capture {
    /// Starts to capture in `space` what goes to and comes from `peer`; returns when it does.
    pub fn start(lab: &Lab, space: &Namespace, peer: &Namespace) -> Self {
        Self::begin(lab, space, &space.wire_to(peer), IKE_AND_ESP)
    }

    /// The same of all IP packets.
    pub fn start_all(lab: &Lab, space: &Namespace, peer: &Namespace) -> Self {
        Self::begin(lab, space, &space.wire_to(peer), "ip or ip6")
    }

    /// Starts to capture all that passes a device of `space`; returns when it does.
    pub fn of(lab: &Lab, space: &Namespace, device: &str) -> Self {
        Self::begin(lab, space, device, "ip or ip6")
    }

    fn begin(lab: &Lab, space: &Namespace, device: &str, filter: &str) -> Self {
        let file = |end: &str| lab.dir().join(format!("{device}.{end}"));
        let path = file("pcap");
        let mut command = space.command("tcpdump");
        // -U, --immediate-mode: each packet at once; -Z root: the folder is root's.
        command
            .args([
                "-n",
                "-U",
                "--immediate-mode",
                "-B",
                "16384",
                "-Z",
                "root",
                "-i",
                device,
                "-w",
            ])
            .arg(&path)
            .arg(filter);
        let mut tcpdump = Process::start("tcpdump", &command, &file("log"));
        tcpdump.until("it listens", LIMIT, |tcpdump| tcpdump.log().contains("listening on"));
        Self { tcpdump, path }
    }

    /// Ends it and returns the file. Panics if packets were lost on the way into it.
    #[track_caller]
    pub fn stop(mut self) -> PathBuf {
        self.tcpdump.stop("INT", LIMIT);
        let log = self.tcpdump.log();
        assert!(
            log.contains("\n0 packets dropped by kernel"),
            "the capture is incomplete:\n{log}"
        );
        self.path.clone()
    }

    /// The file so far.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// ESP in UDP, by the four octets after the UDP header: in an IKE message on port 4500 they are zero (RFC 3948).
pub const ESP_IN_UDP: &str = "udp port 4500 and udp[8:4] != 0";

/// ESP in UDP over IPv6, where filters cannot look into UDP by name.
pub const ESP_IN_UDP6: &str = "ip6 and udp port 4500 and ip6[48:4] != 0";

/// How many packets of a capture match a filter of tcpdump's.
#[track_caller]
pub fn count(capture: &Path, filter: &str) -> usize {
    run(Command::new("tcpdump").args(["-n", "-r"]).arg(capture).arg(filter))
        .lines()
        .count()
}
