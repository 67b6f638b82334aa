//! A private MIT KDC on loopback, and processes that are one side of a context each (`gss-peer`).

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::netns::{Lab, Namespace};
use crate::process::{Process, run};

const LIMIT: Duration = Duration::from_secs(10);

/// The realm of every KDC here.
pub const REALM: &str = "IKE.TEST";

/// A KDC with its own files; it and they are gone when this is dropped, also in a panic.
#[derive(Debug)]
pub struct Kdc {
    dir: PathBuf,
    at: String,
    /// Where it listens; without one, on the host's loopback device.
    space: Option<Namespace>,
    kdc: Option<Process>,
}

impl Kdc {
    /// Makes the database and starts the KDC, with a host for each name: its principal `host/NAME` and its keytab.
    #[track_caller]
    pub fn start(hosts: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("hf-kdc-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap_or_else(|e| panic!("no port on loopback: {e}"))
            .port();
        Self::make(dir, format!("127.0.0.1:{port}"), None, hosts)
    }

    /// The same in a laboratory's namespace, at this address of it.
    #[track_caller]
    pub fn start_in(lab: &Lab, space: &Namespace, address: &str, hosts: &[&str]) -> Self {
        let dir = lab.dir().join("kdc");
        fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        Self::make(dir, format!("{address}:88"), Some(space.clone()), hosts)
    }

    fn make(dir: PathBuf, at: String, space: Option<Namespace>, hosts: &[&str]) -> Self {
        let mut this = Self {
            at,
            dir,
            space,
            kdc: None,
        };
        this.write("krb5.conf", &this.krb5_conf(""));
        let (at, dir) = (&this.at, this.dir.display());
        let kdc_conf = format!(
            "[kdcdefaults]\n kdc_listen = {at}\n kdc_tcp_listen = {at}\n[realms]\n {REALM} = {{\n\
             database_name = {dir}/principal\n key_stash_file = {dir}/stash\n acl_file = {dir}/kadm5.acl\n\
             max_life = 10h\n supported_enctypes = aes256-cts-hmac-sha1-96:normal aes256-cts-hmac-sha384-192:normal\n\
             }}\n[logging]\n kdc = FILE:{dir}/kdc.log\n"
        );
        this.write("kdc.conf", &kdc_conf);
        run(this.command("kdb5_util").args(["create", "-s", "-r", REALM, "-P", "x"]));
        for host in hosts {
            this.add_host(host);
        }
        this.resume();
        this
    }

    /// A `krb5.conf` that leads here, with further lines for `[libdefaults]`.
    pub fn krb5_conf(&self, libdefaults: &str) -> String {
        format!(
            "[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n\
             dns_canonicalize_hostname = false\n rdns = false\n qualify_shortname = \"\"\n udp_preference_limit = 1\n\
             {libdefaults}\n[realms]\n {REALM} = {{\n kdc = {}\n }}\n[domain_realm]\n .ike.test = {REALM}\n",
            self.at
        )
    }

    /// A principal for a host, with a random key, and its keytab.
    #[track_caller]
    pub fn add_host(&self, host: &str) {
        self.admin(&format!("addprinc -randkey host/{host}"));
        self.new_key(host, &self.keytab(host));
    }

    /// Gives a host a new key, and writes it to this keytab beside those that are in it.
    #[track_caller]
    pub fn new_key(&self, host: &str, keytab: &Path) {
        self.admin(&format!("ktadd -k {} host/{host}", keytab.display()));
    }

    /// Asks the database's administrator.
    #[track_caller]
    pub fn admin(&self, query: &str) -> String {
        run(self.command("kadmin.local").args(["-q", query]))
    }

    /// Where a host's keytab is.
    pub fn keytab(&self, host: &str) -> PathBuf {
        self.dir.join(format!("{}.keytab", host.get(..40).unwrap_or(host)))
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file into its folder, and says where that is.
    #[track_caller]
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }

    /// A command that has this realm in its environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        self.environment(&mut command);
        command
    }

    fn environment<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("KRB5_CONFIG", self.krb5_conf_path())
            .env("KRB5_KDC_PROFILE", self.dir.join("kdc.conf"))
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    }

    /// The `krb5.conf` that leads here.
    pub fn krb5_conf_path(&self) -> PathBuf {
        self.dir.join("krb5.conf")
    }

    /// Stops the KDC. The database stays.
    pub fn stop(&mut self) {
        self.kdc = None;
    }

    /// Starts it (again) and waits until it answers.
    #[track_caller]
    pub fn resume(&mut self) {
        // `-n`: it stays in the foreground.
        let mut command = match &self.space {
            Some(space) => space.command("krb5kdc"),
            None => Command::new("krb5kdc"),
        };
        self.environment(&mut command).arg("-n");
        let begun = |this: &Self| this.log().matches("commencing operation").count();
        let before = begun(self);
        let mut kdc = Process::start("krb5kdc", &command, &self.dir.join("krb5kdc.out"));
        kdc.until("it listens", LIMIT, |_| begun(self) > before);
        self.kdc = Some(kdc);
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("kdc.log")).unwrap_or_default()
    }

    /// One side of a context, in a process of its own.
    #[track_caller]
    pub fn peer(&self, gss_peer: &str) -> GssPeer {
        GssPeer::start(self.command(gss_peer))
    }

    /// The same with another `krb5.conf` of its folder.
    #[track_caller]
    pub fn peer_with(&self, gss_peer: &str, krb5_conf: &Path) -> GssPeer {
        let mut command = self.command(gss_peer);
        command.env("KRB5_CONFIG", krb5_conf);
        GssPeer::start(command)
    }

    /// The same in a process whose clock is wrong by this ("+1d", "-20m").
    #[track_caller]
    pub fn peer_at(&self, gss_peer: &str, offset: &str) -> GssPeer {
        let mut command = self.command(gss_peer);
        command.env("LD_PRELOAD", FAKETIME).env("FAKETIME", offset);
        GssPeer::start(command)
    }
}

/// What makes a clock wrong.
pub const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// Heimdal's library.
pub const HEIMDAL: &str = "/usr/lib/x86_64-linux-gnu/libgssapi.so.3";

impl Drop for Kdc {
    fn drop(&mut self) {
        self.stop();
        if std::env::var_os("HANDFAST_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.dir);
        } else {
            eprintln!("kept: {}", self.dir.display());
        }
    }
}

/// A `gss-peer` (tests/src/bin): one side of a context. It is asked and answers in lines of JSON.
#[derive(Debug)]
pub struct GssPeer {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl GssPeer {
    /// Starts one.
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (ask, answers) = pipes.unwrap_or_else(|| panic!("{command:?} has no pipes"));
        Self {
            child,
            ask,
            answers: BufReader::new(answers),
        }
    }

    /// Asks, and waits for the answer.
    #[track_caller]
    pub fn ask(&mut self, question: &Value) -> Value {
        let mut line = String::new();
        writeln!(self.ask, "{question}").unwrap_or_else(|e| panic!("gss-peer: {e}"));
        self.answers
            .read_line(&mut line)
            .unwrap_or_else(|e| panic!("gss-peer: {e}"));
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("gss-peer said {line:?}: {e}"))
    }

    /// Begins as initiator: `options` are those of `gss-peer`.
    #[track_caller]
    pub fn initiate(&mut self, options: Value) -> Value {
        self.ask(&json!({"do": "initiate", "with": options}))
    }

    /// Begins as responder with the initiator's token.
    #[track_caller]
    pub fn accept(&mut self, token: &str, options: Value) -> Value {
        self.ask(&json!({"do": "accept", "token": token, "with": options}))
    }

    /// Goes on with the peer's token.
    #[track_caller]
    pub fn step(&mut self, token: &str) -> Value {
        self.ask(&json!({"do": "step", "token": token}))
    }

    /// Wraps octets in hexadecimal.
    #[track_caller]
    pub fn wrap(&mut self, data: &str) -> Value {
        self.ask(&json!({"do": "wrap", "data": data}))
    }

    /// Unwraps what should be this many octets.
    #[track_caller]
    pub fn unwrap(&mut self, token: &str, expected: usize) -> Value {
        self.ask(&json!({"do": "unwrap", "token": token, "expected": expected}))
    }
}

impl Drop for GssPeer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
