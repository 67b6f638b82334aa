//! The foreign programs that the tests hold Handfast against: finding them, and installing them where that is ours to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One foreign program and the Debian packages that bring it.
struct Peer {
    name: &'static str,
    packages: &'static [&'static str],
    /// Every one of these must be there, in one of the usual folders.
    files: &'static [&'static str],
    /// Prints the version in its first line.
    version: &'static [&'static str],
}

const PEERS: &[Peer] = &[
    Peer {
        name: "strongSwan",
        packages: &[
            "strongswan-charon",
            "strongswan-swanctl",
            "libstrongswan-standard-plugins",
            "libstrongswan-extra-plugins",
            "libcharon-extra-plugins",
            "libcharon-extauth-plugins",
        ],
        files: &[
            "/usr/lib/ipsec/charon",
            "swanctl",
            "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so",
            "/usr/lib/ipsec/plugins/libstrongswan-gcm.so",
            "/usr/lib/ipsec/plugins/libstrongswan-chapoly.so",
        ],
        version: &["/usr/lib/ipsec/charon", "--version"],
    },
    Peer {
        name: "tshark",
        packages: &["tshark"],
        files: &["tshark"],
        version: &["tshark", "--version"],
    },
    Peer {
        name: "tcpdump",
        packages: &["tcpdump"],
        files: &["tcpdump"],
        version: &["tcpdump", "--version"],
    },
    Peer {
        name: "iproute2",
        packages: &["iproute2"],
        files: &["ip"],
        version: &["ip", "-V"],
    },
    Peer {
        name: "ping",
        packages: &["iputils-ping"],
        files: &["ping"],
        version: &["ping", "-V"],
    },
    Peer {
        name: "iperf3",
        packages: &["iperf3"],
        files: &["iperf3"],
        version: &["iperf3", "--version"],
    },
    Peer {
        name: "ethtool",
        packages: &["ethtool"],
        files: &["ethtool"],
        version: &["ethtool", "--version"],
    },
    Peer {
        name: "nft",
        packages: &["nftables"],
        files: &["nft"],
        version: &["nft", "--version"],
    },
    Peer {
        name: "ike-scan",
        packages: &["ike-scan"],
        files: &["ike-scan", "psk-crack"],
        version: &["ike-scan", "--version"],
    },
    Peer {
        name: "openssl",
        packages: &["openssl"],
        files: &["openssl"],
        version: &["openssl", "version"],
    },
    Peer {
        name: "UML",
        packages: &["user-mode-linux", "kmod"],
        files: &["linux.uml", "/bin/kmod", "/usr/lib/uml/modules"],
        version: &["linux.uml", "--version"],
    },
    Peer {
        name: "MIT KDC",
        packages: &["krb5-kdc", "krb5-admin-server", "krb5-user"],
        files: &["krb5kdc", "kadmin.local", "kdb5_util", "kinit"],
        version: &["klist", "-V"],
    },
    Peer {
        name: "faketime",
        packages: &["faketime"],
        files: &["faketime"],
        version: &["faketime", "--version"],
    },
    Peer {
        name: "Heimdal",
        packages: &["libgssapi3-heimdal"],
        files: &["/usr/lib/x86_64-linux-gnu/libgssapi.so.3"],
        version: &["dpkg-query", "-W", "libgssapi3-heimdal"],
    },
];

/// What was found of one peer.
pub struct Found {
    peer: &'static Peer,
    /// The first line that the program says of its version; `None` if something of it is missing.
    version: Option<String>,
}

impl Found {
    /// Whether all of it is there.
    pub fn here(&self) -> bool {
        self.version.is_some()
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.peer.name
    }
}

/// Looks for every peer.
pub fn find() -> Vec<Found> {
    PEERS
        .iter()
        .map(|peer| {
            let complete = peer.files.iter().all(|file| which(file).is_some());
            Found {
                peer,
                version: complete.then(|| version(peer.version)),
            }
        })
        .collect()
}

/// Prints one line per peer.
pub fn report(found: &[Found]) {
    println!("peers:");
    for f in found {
        let version = f.version.as_deref().unwrap_or("missing");
        println!("    {:<12}{version}", f.name());
    }
}

/// The command that a person would type to have what is missing.
pub fn install_command(found: &[Found]) -> String {
    format!(
        "sudo apt-get install --no-install-recommends {}",
        missing_packages(found).join(" ")
    )
}

/// Installs what is missing, if this is Debian and we are root. Returns whether everything is there now.
pub fn install_missing() -> bool {
    let found = find();
    if found.iter().all(Found::here) {
        report(&found);
        return true;
    }
    if !can_install() {
        report(&found);
        println!("to install the missing ones: {}", install_command(&found));
        return false;
    }
    let packages = missing_packages(&found);
    println!(
        "root on Debian: installing {} (starting no service)",
        packages.join(" ")
    );
    if let Err(why) = apt_get_install(&packages) {
        eprintln!("xtask: {why}");
    }
    let found = find();
    report(&found);
    found.iter().all(Found::here)
}

/// Whether installing packages is ours to do: root, on Debian or a system like it.
pub fn can_install() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    is_root() && is_debian(&release) && which("apt-get").is_some()
}

/// Whether we run as root.
pub fn is_root() -> bool {
    // The real, effective, saved and file system ids.
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|s| s.lines().find_map(|l| l.strip_prefix("Uid:").map(str::to_owned)))
        .is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"))
}

fn is_debian(os_release: &str) -> bool {
    os_release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
        .flat_map(|ids| ids.trim_matches('"').split_whitespace())
        .any(|id| id == "debian")
}

fn missing_packages(found: &[Found]) -> Vec<&'static str> {
    found
        .iter()
        .filter(|f| !f.here())
        .flat_map(|f| f.peer.packages)
        .copied()
        .collect()
}

fn apt_get_install(packages: &[&str]) -> Result<(), String> {
    let _no_services = PolicyRcD::forbid()?;
    apt_get(&["update", "-q"])?;
    let mut args = vec!["install", "-q", "-y", "--no-install-recommends"];
    args.extend(packages);
    apt_get(&args)
}

fn apt_get(args: &[&str]) -> Result<(), String> {
    let status = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .map_err(|e| format!("cannot run apt-get: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("apt-get {} failed: {status}", args.join(" ")))
    }
}

const NO_SERVICES: &str =
    "#!/bin/sh\n# Handfast's tests wrote this while they installed packages; it may go.\nexit 101\n";

/// While this lives no package can start a service: strongSwan's would otherwise take ports 500 and 4500.
/// (Debian's invoke-rc.d asks `policy-rc.d`, and takes status 101 for "forbidden".)
struct PolicyRcD {
    path: PathBuf,
    /// Where the file that was there before waits. A run that is killed leaves it, and the next one finds it.
    saved: PathBuf,
}

impl PolicyRcD {
    fn forbid() -> Result<Self, String> {
        Self::forbid_at(Path::new("/usr/sbin/policy-rc.d"))
    }

    fn forbid_at(path: &Path) -> Result<Self, String> {
        let guard = Self {
            path: path.to_owned(),
            saved: path.with_extension("d.before-handfast"),
        };
        let told = |e: std::io::Error| format!("cannot write {}: {e}", path.display());
        let ours = fs::read_to_string(path).is_ok_and(|text| text == NO_SERVICES);
        if path.exists() && !ours && !guard.saved.exists() {
            fs::rename(path, &guard.saved).map_err(told)?;
        }
        fs::write(path, NO_SERVICES).map_err(told)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(told)?;
        Ok(guard)
    }
}

impl Drop for PolicyRcD {
    fn drop(&mut self) {
        let restored = if self.saved.exists() {
            fs::rename(&self.saved, &self.path)
        } else {
            fs::remove_file(&self.path)
        };
        if let Err(e) = restored {
            eprintln!("xtask: cannot restore {}: {e}", self.path.display());
        }
    }
}

/// Where a program is. An absolute path stands for itself. Daemons' folders count even where PATH lacks them.
pub fn which(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.is_absolute() {
        return path.exists().then(|| path.to_owned());
    }
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = std::env::split_paths(&dirs).collect();
    dirs.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
    dirs.iter().map(|dir| dir.join(name)).find(|file| file.is_file())
}

fn version(command: &[&str]) -> String {
    let [program, args @ ..] = command else {
        return String::new();
    };
    let Some(program) = which(program) else {
        return String::new();
    };
    let Ok(out) = Command::new(program).args(args).stdin(Stdio::null()).output() else {
        return "does not run".into();
    };
    let text = [out.stdout, out.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .find(|line| line.chars().any(|c| c.is_ascii_digit()) && !line.starts_with("Running as"))
        .unwrap_or("of unknown version")
        .trim()
        .to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_its_kin_are_recognised() {
        assert!(is_debian("PRETTY_NAME=\"Debian\"\nID=debian\n"));
        assert!(is_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(is_debian("ID=pop\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian("ID=fedora\nID_LIKE=\"rhel\"\nHOME=debian\n"));
    }

    #[test]
    fn the_policy_file_that_was_there_comes_back() {
        let dir = std::env::temp_dir().join(format!("handfast-policy-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("policy-rc.d");

        drop(PolicyRcD::forbid_at(&path).unwrap());
        assert!(!path.exists());
        std::mem::forget(PolicyRcD::forbid_at(&path).unwrap()); // killed
        drop(PolicyRcD::forbid_at(&path).unwrap());
        assert!(!path.exists());

        fs::write(&path, "mine").unwrap();
        let guard = PolicyRcD::forbid_at(&path).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("exit 101"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o111, 0o111);
        std::mem::forget(guard); // killed
        drop(PolicyRcD::forbid_at(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_is_missing_is_named_by_its_package() {
        let found = vec![
            Found {
                peer: &PEERS[1],
                version: Some("4.0".into()),
            },
            Found {
                peer: &PEERS[4],
                version: None,
            },
        ];
        assert_eq!(
            install_command(&found),
            "sudo apt-get install --no-install-recommends iputils-ping"
        );
    }
}
