//! The systems that are measured, each in two namespaces of its own.

use std::process::Command;
use std::time::Duration;

use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::netns::{Lab, Namespace};
use handfast_tests::process::run;
use handfast_tests::strongswan::StrongSwan;

/// AES-128-GCM everywhere: what is compared is how packets move, not ciphers.
const IKE: &str = "aes128gcm16-prfsha256-x25519";
const ESP: &str = "aes128gcm16";
/// OpenSSL's ciphers, which use what the processor has; strongSwan's own, which the tests load too, are table lookups.
const LOAD: &str = "load = random nonce openssl kdf hmac sha2 pem pkcs1 pubkey x509 kernel-libipsec kernel-netlink \
                    socket-default vici updown";

/// Which system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Handfast on both sides, ESP in UDP.
    Handfast,
    /// The same with `offload = false`: the TUN device takes one packet at a time.
    HandfastSingle,
    /// Handfast on both sides, ESP as IP protocol 50, for which the kernel has no segmentation offload.
    Handfast50,
    /// strongSwan with kernel-libipsec on both sides.
    LibIpsec,
    /// The wire without a tunnel.
    Veth,
}

/// All of them.
pub const KINDS: [Kind; 5] = [
    Kind::Handfast,
    Kind::HandfastSingle,
    Kind::Handfast50,
    Kind::LibIpsec,
    Kind::Veth,
];

impl Kind {
    /// As the command line names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Handfast => "handfast",
            Self::HandfastSingle => "handfast-single",
            Self::Handfast50 => "handfast-50",
            Self::LibIpsec => "libipsec",
            Self::Veth => "veth",
        }
    }

    /// The system of this name.
    pub fn named(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.name() == name)
    }
}

/// A running system.
pub struct System {
    /// Which.
    pub kind: Kind,
    /// The side that sends, and the one that receives.
    pub sides: [Side; 2],
    _daemons: Daemons,
    _lab: Lab,
}

/// One end.
pub struct Side {
    /// Where it is.
    pub space: Namespace,
    /// The address that traffic goes between.
    pub host: String,
    /// The daemon, if there is one.
    pub pid: Option<u32>,
}

enum Daemons {
    None,
    Handfast { _both: [Handfast; 2] },
    StrongSwan { _both: [StrongSwan; 2] },
}

impl System {
    /// Brings it up. Panics, with the daemons' logs, if it does not come up.
    pub fn start(kind: Kind, nice: i32) -> Self {
        let (lab, a, b) = Lab::pair();
        // The laboratories' wires cut every frame, for captures; these carry what the device would.
        for (space, other) in [(&a, &b), (&b, &a)] {
            space.ip(&["link", "set", &space.wire_to(other), "gso_max_segs", "65535"]);
        }
        let mut tunnel = Connection::new(IKE, ESP);
        if matches!(kind, Kind::Handfast | Kind::HandfastSingle) {
            tunnel = tunnel.with("udp_encapsulation = \"always\"");
        }
        let hosts = match kind {
            Kind::Veth => [tunnel.local.address.clone(), tunnel.remote.address.clone()],
            _ => [tunnel.local.host.clone(), tunnel.remote.host.clone()],
        };
        let ends = [(&a, tunnel.clone()), (&b, tunnel.flipped())];
        let (daemons, pids) = match kind {
            Kind::Veth => (Daemons::None, [None, None]),
            Kind::LibIpsec => {
                let both = ends.map(|(space, tunnel)| StrongSwan::start_with(&lab, space, &tunnel, &[LOAD]));
                both[0].initiate(&tunnel.name);
                let pids = [Some(both[0].pid()), Some(both[1].pid())];
                (Daemons::StrongSwan { _both: both }, pids)
            }
            Kind::Handfast | Kind::HandfastSingle | Kind::Handfast50 => {
                let offload = kind != Kind::HandfastSingle;
                // The MTU that kernel-libipsec has.
                let config =
                    |tunnel: &Connection| format!("[daemon]\nmtu = 1400\noffload = {offload}\n{}", tunnel.toml());
                let both = ends.map(|(space, tunnel)| Handfast::start(&lab, space, &config(&tunnel)));
                both[0].up(&tunnel.name);
                both[1].wait_up(&tunnel.name, Duration::from_secs(5));
                let pids = [Some(both[0].pid()), Some(both[1].pid())];
                (Daemons::Handfast { _both: both }, pids)
            }
        };
        for (cpu, pid) in pids.iter().enumerate() {
            if let Some(pid) = pid {
                run(Command::new("taskset").args(["-acp", &cpu.to_string(), &pid.to_string()]));
                run(Command::new("renice").args(["-n", &nice.to_string(), "-p", &pid.to_string()]));
            }
        }
        let [host_a, host_b] = hosts;
        let side = |space: Namespace, host, pid| Side { space, host, pid };
        Self {
            kind,
            sides: [side(a, host_a, pids[0]), side(b, host_b, pids[1])],
            _daemons: daemons,
            _lab: lab,
        }
    }
}

impl Side {
    /// A command that runs on this side's processor.
    pub fn command(&self, cpu: usize, nice: i32, program: &str) -> Command {
        let mut command = self.space.command("taskset");
        command.args(["-c", &cpu.to_string(), "nice", "-n", &nice.to_string(), program]);
        command
    }
}
