//! The daemons that answer, each on the same processor, with nothing on that costs time and is not needed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use handfast_tests::netns::{Lab, Namespace};
use handfast_tests::process::{Process, output, run};

use crate::pki::Pki;
use crate::suite::Suite;

const LIMIT: Duration = Duration::from_secs(30);

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// strongSwan, its DH that of OpenSSL.
    StrongSwan,
    /// strongSwan with GMP for MODP groups and short exponents.
    Tuned,
    /// `handfast run`.
    Handfast,
    /// The same with `prepared_keys = 0`.
    Unprepared,
    /// The same as `Handfast`, built with the feature `aws-lc`.
    AwsLc,
}

impl Kind {
    /// As the tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::StrongSwan => "strongswan",
            Self::Tuned => "strongswan-tuned",
            Self::Handfast => "handfast",
            Self::Unprepared => "handfast, no key pairs prepared",
            Self::AwsLc => "handfast-aws-lc",
        }
    }

    /// Whether it is ours.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Handfast | Self::Unprepared | Self::AwsLc)
    }
}

/// A daemon at work; killed on drop.
pub struct Responder {
    process: Process,
}

impl Responder {
    /// Starts it on processor `cpu`; returns when it answers.
    pub fn start(kind: Kind, suite: &Suite, pki: Option<&Pki>, (lab, space): (&Lab, &Namespace), cpu: usize) -> Self {
        let dir = lab.dir().join(kind.name());
        fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let process = match kind {
            Kind::Handfast => handfast(&dir, space, &suite.handfast(pki), &handfast_tests::handfast::binary()),
            Kind::Unprepared => {
                let toml = suite
                    .handfast(pki)
                    .replace("[daemon]\n", "[daemon]\nprepared_keys = 0\n");
                handfast(&dir, space, &toml, &handfast_tests::handfast::binary())
            }
            Kind::AwsLc => handfast(&dir, space, &suite.handfast(pki), &with_aws_lc()),
            Kind::StrongSwan | Kind::Tuned => strongswan(&dir, space, suite, pki, kind == Kind::Tuned),
        };
        run(Command::new("taskset").args(["-acp", &cpu.to_string(), &process.pid().to_string()]));
        Self { process }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// The daemon that `cargo xtask bench handshakes --provider aws-lc` has built.
fn with_aws_lc() -> PathBuf {
    std::env::var_os("HANDFAST_BINARY_AWS_LC").map_or_else(|| PathBuf::from("handfast-aws-lc"), PathBuf::from)
}

fn handfast(dir: &Path, space: &Namespace, toml: &str, binary: &Path) -> Process {
    let (config, socket) = (dir.join("handfast.toml"), dir.join("socket"));
    write(&config, toml);
    let mut command = space.command(binary);
    command.arg("run").arg("--config").arg(&config);
    command.arg("--socket").arg(&socket).env("RUST_LOG", "error");
    let mut process = Process::start("handfast", &command, &dir.join("log"));
    let mut client = space.command(binary);
    client.args(["status", "--json", "--socket"]).arg(&socket);
    process.until("it answers", LIMIT, |_| {
        socket.exists() && output(&mut client).status.success()
    });
    process
}

/// OpenSSL first, which is fastest for all but MODP; no log, no limits for half-open SAs, a large table of SAs.
fn strongswan(dir: &Path, space: &Namespace, suite: &Suite, pki: Option<&Pki>, tuned: bool) -> Process {
    let run_dir = dir.join("run");
    for folder in ["run", "x509", "x509ca", "private"] {
        let folder = dir.join(folder);
        fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    }
    if let Some(pki) = pki {
        for (file, folder) in [
            ("gateway.crt", "x509"),
            ("ca.crt", "x509ca"),
            ("gateway.key", "private"),
        ] {
            fs::copy(pki.file(file), dir.join(folder).join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        }
    }
    let (dh, short) = if tuned {
        ("gmp openssl", "dh_exponent_ansi_x9_42 = no")
    } else {
        ("openssl gmp", "")
    };
    let conf = format!(
        "charon {{\n load = random nonce {dh} hmac kdf sha2 pem pkcs1 pkcs8 pubkey x509 constraints kernel-libipsec \
         kernel-netlink socket-default vici\n {short}\n dos_protection = no\n cookie_threshold = 0\n \
         block_threshold = 0\n init_limit_half_open = 0\n ikesa_table_size = 4096\n ikesa_table_segments = 16\n \
         syslog {{\n daemon {{\n default = -1\n }}\n auth {{\n default = -1\n }}\n }}\n}}\n"
    );
    write(&dir.join("strongswan.conf"), &conf);
    write(&dir.join("swanctl.conf"), &suite.swanctl());
    // It gets a /run of its own.
    let script = "mount --make-rprivate / && mount --bind \"$1\" /run && exec /usr/lib/ipsec/charon";
    let mut command = space.command("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(&run_dir);
    command.env("STRONGSWAN_CONF", dir.join("strongswan.conf"));
    let socket = run_dir.join("charon.vici");
    let mut process = Process::start("charon", &command, &dir.join("log"));
    process.until("its control socket is there", LIMIT, |_| socket.exists());
    let mut load = Command::new("swanctl");
    load.args(["--load-all", "--clear", "--uri"])
        .arg(format!("unix://{}", socket.display()));
    load.env("STRONGSWAN_CONF", dir.join("strongswan.conf"))
        .env("SWANCTL_DIR", dir);
    run(&mut load);
    process
}

fn write(path: &Path, text: &str) {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
