//! A strongSwan in a namespace: charon with ESP in userspace, and swanctl to steer it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::charon_log;
use crate::connection::Connection;
use crate::keys::KeyLog;
use crate::netns::{Lab, Namespace};
use crate::process::{Process, output, until};
use crate::swanctl;

/// kernel-libipsec, which is ESP on a TUN device, must come before kernel-netlink, which would be the kernel's ESP.
const PLUGINS: &str = "random nonce aes des sha1 sha2 md5 hmac kdf gcm ccm ctr xcbc cmac chapoly curve25519 gmp openssl \
                       mgf1 pem pkcs1 pkcs8 pubkey x509 revocation constraints curl kernel-libipsec kernel-netlink \
                       socket-default vici updown";

const LIMIT: Duration = Duration::from_secs(15);

/// A running strongSwan; killed on drop.
#[derive(Debug)]
pub struct StrongSwan {
    dir: PathBuf,
    charon: Process,
}

impl StrongSwan {
    /// Starts charon in `space` with one connection loaded and none up.
    pub fn start(lab: &Lab, space: &Namespace, connection: &Connection) -> Self {
        Self::start_with(lab, space, connection, &[])
    }

    /// Starts charon in `space` with several connections loaded and none up.
    pub fn start_all(lab: &Lab, space: &Namespace, connections: &[Connection]) -> Self {
        Self::start_conf(lab, space, connections, &[], PLUGINS)
    }

    /// The same with further lines in the section `charon` of strongswan.conf.
    pub fn start_all_with(lab: &Lab, space: &Namespace, connections: &[Connection], charon: &[&str]) -> Self {
        Self::start_conf(lab, space, connections, charon, PLUGINS)
    }

    /// The same with further lines in the section `charon` of strongswan.conf.
    pub fn start_with(lab: &Lab, space: &Namespace, connection: &Connection, charon: &[&str]) -> Self {
        Self::start_conf(lab, space, std::slice::from_ref(connection), charon, PLUGINS)
    }

    /// With the ESP of the kernel, which must have it.
    pub fn start_with_kernel_esp(lab: &Lab, space: &Namespace, connection: &Connection) -> Self {
        Self::start_conf(
            lab,
            space,
            std::slice::from_ref(connection),
            &[],
            &PLUGINS.replace("kernel-libipsec ", ""),
        )
    }

    fn start_conf(lab: &Lab, space: &Namespace, connections: &[Connection], charon: &[&str], plugins: &str) -> Self {
        let dir = lab
            .dir()
            .join(format!("s-{}", space.name().rsplit('-').next().unwrap_or_default()));
        let run = dir.join("run");
        // A second start in the same place must not find the first one's socket and pid file.
        let _ = fs::remove_dir_all(&run);
        fs::create_dir_all(&run).unwrap_or_else(|e| panic!("{}: {e}", run.display()));
        write(&dir.join("strongswan.conf"), &strongswan_conf(&dir, charon, plugins));

        // Several charons on one host: each gets a /run of its own.
        let script = "mount --make-rprivate / && mount --bind \"$1\" /run && exec /usr/lib/ipsec/charon";
        let mut command = space.command("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]).arg(&run);
        command.env("STRONGSWAN_CONF", dir.join("strongswan.conf"));
        let socket = run.join("charon.vici");
        let mut charon = Process::start("charon", &command, &dir.join("stdout"));
        charon.until("its control socket is there", LIMIT, |_| socket.exists());
        let this = Self { dir, charon };
        this.load(connections);
        this
    }

    /// Loads these connections, their certificates and keys, instead of what it had.
    #[track_caller]
    pub fn load(&self, connections: &[Connection]) {
        swanctl::write(&self.dir, connections);
        self.swanctl(&["--load-all", "--clear"]);
    }

    /// Brings a connection up from this side. Panics with charon's log if that fails.
    #[track_caller]
    pub fn initiate(&self, name: &str) {
        self.swanctl(&["--initiate", "--timeout", "15", "--child", name]);
    }

    /// Tries to bring a connection up; returns whether it came up.
    pub fn try_initiate(&self, name: &str, seconds: u32) -> bool {
        self.swanctl_output(&["--initiate", "--timeout", &seconds.to_string(), "--child", name])
            .status
            .success()
    }

    /// Takes a connection down from this side.
    #[track_caller]
    pub fn terminate(&self, name: &str) {
        self.swanctl(&["--terminate", "--ike", name]);
    }

    /// Replaces an IKE SA from this side.
    #[track_caller]
    pub fn rekey_ike(&self, name: &str) {
        self.swanctl(&["--rekey", "--ike", name]);
    }

    /// Replaces a child SA from this side.
    #[track_caller]
    pub fn rekey_child(&self, name: &str) {
        self.swanctl(&["--rekey", "--child", name]);
    }

    /// Replaces the newest IKE SA of a connection. In IKEv1 naming the connection would take the old ones too.
    #[track_caller]
    pub fn rekey_ike_only(&self, name: &str) {
        self.swanctl(&["--rekey", "--ike-id", &self.newest(name, "ESTABLISHED").to_string()]);
    }

    /// Replaces the newest child SA of a connection.
    #[track_caller]
    pub fn rekey_child_only(&self, name: &str) {
        self.swanctl(&[
            "--rekey",
            "--child-id",
            &self.newest(&format!("  {name}"), "INSTALLED").to_string(),
        ]);
    }

    /// Number of the newest SA in that state, of a line like "t3: #1, ESTABLISHED, IKEv1, ..".
    #[track_caller]
    fn newest(&self, name: &str, state: &str) -> u32 {
        let sas = self.list_sas();
        let lines = sas.lines().filter_map(|line| line.strip_prefix(&format!("{name}: #")));
        let there = lines.filter(|line| line.contains(state));
        let number = there.filter_map(|line| line.split(',').next()?.parse().ok()).max();
        number.unwrap_or_else(|| panic!("no {state} SA of {name}:\n{sas}"))
    }

    /// What `swanctl --list-sas` prints.
    #[track_caller]
    pub fn list_sas(&self) -> String {
        self.swanctl(&["--list-sas"])
    }

    /// Whether there is an IKE SA of that connection with a child that carries traffic.
    pub fn is_up(&self, name: &str) -> bool {
        let sas = self.list_sas();
        let established = sas
            .lines()
            .any(|line| line.starts_with(&format!("{name}: ")) && line.contains("ESTABLISHED"));
        let child = sas
            .lines()
            .any(|line| line.starts_with(&format!("  {name}: ")) && line.contains("INSTALLED"));
        established && child
    }

    /// Waits until it is so. It may begin to be so a moment after we have its last answer, or it our last message: in
    /// IKEv1 it installs an SA when it gets the third message of quick mode, and we may use it when that was sent.
    #[track_caller]
    pub fn wait_up(&self, name: &str) {
        until("the peer has it, too", LIMIT, || self.is_up(name));
    }

    /// Waits until it is not so.
    #[track_caller]
    pub fn wait_down(&self, name: &str) {
        until("the peer has no SA", LIMIT, || !self.is_up(name));
    }

    /// Waits until so many children are installed, those that were rekeyed apart.
    #[track_caller]
    pub fn wait_children(&self, count: usize) {
        let installed = || {
            self.list_sas()
                .lines()
                .filter(|line| line.contains(", INSTALLED,"))
                .count()
        };
        until("the peer has these children", LIMIT, || installed() == count);
    }

    /// Charon's log so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join("charon.log")).unwrap_or_default()).into_owned()
    }

    /// Every key that charon has logged so far.
    pub fn keys(&self) -> KeyLog {
        charon_log::parse(&self.log())
    }

    /// The process of charon.
    pub fn pid(&self) -> u32 {
        self.charon.pid()
    }

    /// Kills it at once: the peer hears nothing.
    pub fn kill(mut self) {
        self.charon.kill();
    }

    #[track_caller]
    fn swanctl(&self, args: &[&str]) -> String {
        let out = self.swanctl_output(args);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let err = String::from_utf8_lossy(&out.stderr);
        assert!(
            out.status.success(),
            "swanctl {args:?}: {text}{err}\ncharon's log:\n{}",
            self.log()
        );
        text
    }

    fn swanctl_output(&self, args: &[&str]) -> Output {
        output(
            Command::new("swanctl")
                .args(args)
                .arg("--uri")
                .arg(format!("unix://{}", self.dir.join("run/charon.vici").display()))
                .env("STRONGSWAN_CONF", self.dir.join("strongswan.conf"))
                .env("SWANCTL_DIR", &self.dir),
        )
    }
}

/// Levels: at 4 of `ike` and `chd` charon logs every key. It goes silent towards an address after some half-open SAs
/// unless told otherwise, which would spoil tests of failure.
fn strongswan_conf(dir: &Path, more: &[&str], plugins: &str) -> String {
    let more = more.join("\n  ");
    format!(
        "charon {{
  load = {plugins}
  cookie_threshold = 0
  block_threshold = 0
  {more}
  filelog {{
    log {{
      path = {}/charon.log
      flush_line = yes
      append = yes
      default = 1
      cfg = 2
      ike = 4
      chd = 4
    }}
  }}
}}
",
        dir.display()
    )
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
