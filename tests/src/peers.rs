//! Which foreign programs this machine has, and what a test does without them.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What a test can need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// Root, network namespaces and a TUN device.
    Namespaces,
    /// charon with its kernel-libipsec plugin, and swanctl.
    StrongSwan,
    /// Wireshark without its windows.
    Tshark,
    /// The tool that captures.
    Tcpdump,
    /// nftables.
    Nft,
    /// Finds and fingerprints IKE hosts; psk-crack, which tries out secrets on what it heard, comes with it.
    IkeScan,
    /// OpenSSL's command.
    OpenSsl,
    /// A Linux kernel with ESP that runs as a process, and what loads its modules.
    UserModeLinux,
    /// The tool that measures throughput.
    Iperf3,
    /// The tool that turns offload off.
    Ethtool,
    /// MIT's KDC and its tools.
    Kdc,
    /// What gives a process a wrong clock.
    Faketime,
    /// Another implementation of GSS-API, which is refused.
    Heimdal,
}

impl Peer {
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Namespaces => &["/dev/net/tun", "ip", "ping", "unshare", "setpriv"],
            Self::StrongSwan => &[
                "/usr/lib/ipsec/charon",
                "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so",
                "swanctl",
            ],
            Self::Tshark => &["tshark"],
            Self::Tcpdump => &["tcpdump"],
            Self::Nft => &["nft"],
            Self::IkeScan => &["ike-scan", "psk-crack"],
            Self::OpenSsl => &["openssl"],
            Self::UserModeLinux => &["linux.uml", "/bin/kmod", "/usr/lib/uml/modules"],
            Self::Iperf3 => &["iperf3", "timeout"],
            Self::Ethtool => &["ethtool"],
            Self::Kdc => &["krb5kdc", "kadmin.local", "kdb5_util", "kinit"],
            Self::Faketime => &[crate::kerberos::FAKETIME],
            Self::Heimdal => &[crate::kerberos::HEIMDAL],
        }
    }

    fn here(self) -> bool {
        let root = self != Self::Namespaces || is_root();
        root && self.files().iter().all(|file| find(file).is_some())
    }
}

/// Whether all of `needs` are here. If not, the test returns; `cargo xtask test` names it in its summary, and where a
/// missing peer is a failure (CI) this panics.
#[track_caller]
pub fn have(test: &str, needs: &[Peer]) -> bool {
    let missing: Vec<Peer> = needs.iter().copied().filter(|peer| !peer.here()).collect();
    if missing.is_empty() {
        return true;
    }
    let line = format!("{test}: needs {missing:?}");
    assert!(
        std::env::var("HANDFAST_PEERS_REQUIRED").as_deref() != Ok("true"),
        "{line}"
    );
    eprintln!("skipped: {line} (`cargo xtask test` tells how to get them)");
    if let Some(path) = std::env::var_os("HANDFAST_SKIPS") {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| writeln!(file, "{line}"));
    }
    false
}

/// Returns from the test unless all the named [`Peer`](crate::peers::Peer)s are here.
#[macro_export]
macro_rules! need {
    ($($peer:ident),+ $(,)?) => {
        // Threads have the test's name only where tests run in parallel; a function's type always has.
        fn here() {}
        let test = std::any::type_name_of_val(&here).trim_end_matches("::here");
        if !$crate::peers::have(test, &[$($crate::peers::Peer::$peer),+]) {
            return;
        }
    };
}

fn find(name: &str) -> Option<PathBuf> {
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    // An absolute path replaces what it is joined to.
    let mut dirs: Vec<PathBuf> = std::env::split_paths(&dirs).collect();
    dirs.extend([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")]);
    dirs.iter()
        .map(|dir| dir.join(Path::new(name)))
        .find(|path| path.exists())
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .unwrap_or_default();
    ids.split_whitespace().nth(1) == Some("0")
}
