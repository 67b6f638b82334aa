//! A private KDC for `demo --auth kerberos`, as long as the demo lasts.
//!
//! The library finds its KDC by an environment variable that it reads when it is loaded, and this program sets none of its
//! own. So the demo runs once more, as a child with that variable, and the realm is its parent's.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use handfast_auth::kerberos::library::System;
use handfast_auth::kerberos::{Credentials, Flags, LocalKerberos, PeerPrincipals, Principal, Target};
use handfast_engine::policy::{Authentication, Kerberos};
use handfast_wire::v1::gss::IdentityEncoding;

use super::policy::NAMES;

/// Says where the realm's files are; its parent made them.
const DIR: &str = "HANDFAST_DEMO_REALM";
const REALM: &str = "DEMO.EXAMPLE";
const INSTALL: &str = "install MIT's (Debian: apt install krb5-kdc krb5-admin-server libgssapi-krb5-2)";

/// Where the realm is, if it is there already.
pub fn dir() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

/// Makes the realm and runs the demo in it.
pub fn run() -> Result<ExitCode, String> {
    let realm = Realm::start()?;
    let this = std::env::current_exe().map_err(|e| format!("this program cannot be run again: {e}"))?;
    let mut demo = Command::new(this)
        .args(std::env::args_os().skip(1))
        .env(DIR, &realm.dir)
        .env("KRB5_CONFIG", realm.dir.join("krb5.conf"))
        .spawn()
        .map_err(|e| format!("this program cannot be run again: {e}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let status = runtime.block_on(async {
        loop {
            if let Some(status) = demo.try_wait().map_err(|e| e.to_string())? {
                return Ok::<_, String>(status);
            }
            tokio::select! {
                // The child has it too, and ends.
                _ = tokio::signal::ctrl_c() => {}
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
        }
    })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What A and B prove themselves with in the realm whose files are here.
pub fn authentication(dir: &Path) -> Result<[Authentication; 2], String> {
    let of = |me: usize| {
        let principal = |who: usize| {
            let text = format!("host/{}@{REALM}", NAMES[who]);
            text.parse::<Principal>().map_err(|e| e.to_string())
        };
        let (own, peer) = (principal(me)?, principal(1 - me)?);
        let local = LocalKerberos {
            mechanism: Arc::new(System),
            credentials: Credentials {
                keytab: Some(keytab(dir, me).display().to_string()),
                rcache: Some(format!("file2:{}", dir.join("rcache").display())),
                principal: Some(own.clone()),
                ..Credentials::default()
            },
            peers: PeerPrincipals::only(&peer),
            target: Some(Target::Principal(peer)),
            flags: Flags::WANTED,
        };
        Ok(Authentication::kerberos(Arc::new(Kerberos {
            local: Arc::new(local),
            identity: own.to_string(),
            encoding: IdentityEncoding::Utf16Le,
            framing: None,
            hashed: None,
            fallback: false,
        })))
    };
    let both: Result<[_; 2], String> = [of(0), of(1)]
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .and_then(|list| list.try_into().map_err(|_| "two ends make two".to_string()));
    both
}

fn keytab(dir: &Path, who: usize) -> PathBuf {
    dir.join(format!("{}.keytab", NAMES[who]))
}

/// The KDC and its files; both are gone when this is dropped.
struct Realm {
    dir: PathBuf,
    kdc: Option<Child>,
}

impl Realm {
    fn start() -> Result<Self, String> {
        let programs = ["kdb5_util", "kadmin.local", "krb5kdc"].map(find);
        let [Some(kdb5_util), Some(kadmin), Some(krb5kdc)] = programs else {
            return Err(format!(
                "the demo of Kerberos brings up a KDC of its own, and there is none here: {INSTALL}"
            ));
        };
        let dir = std::env::temp_dir().join(format!("handfast-demo-{}", std::process::id()));
        let made = fs::DirBuilder::new().mode(0o700).create(&dir);
        made.map_err(|e| format!("{}: {e}", dir.display()))?;
        let mut this = Self { dir, kdc: None };
        let at = free_port()?;
        this.write("krb5.conf", &krb5_conf(at))?;
        this.write("kdc.conf", &this.kdc_conf(at))?;
        this.tool(&kdb5_util, &["create", "-s", "-r", REALM, "-P", "demo"])?;
        for (who, name) in NAMES.iter().enumerate() {
            this.tool(&kadmin, &["-q", &format!("addprinc -randkey host/{name}")])?;
            let keytab = keytab(&this.dir, who);
            this.tool(&kadmin, &["-q", &format!("ktadd -k {} host/{name}", keytab.display())])?;
        }
        let kdc = this.command(&krb5kdc).arg("-n").spawn();
        this.kdc = Some(kdc.map_err(|e| format!("{}: {e}", krb5kdc.display()))?);
        for _ in 0..100 {
            if TcpStream::connect(at).is_ok() {
                return Ok(this);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("the KDC does not come up".into())
    }

    fn kdc_conf(&self, at: SocketAddr) -> String {
        let dir = self.dir.display();
        format!(
            "[kdcdefaults]\n kdc_listen = {at}\n kdc_tcp_listen = {at}\n[realms]\n {REALM} = {{\n\
             database_name = {dir}/principal\n key_stash_file = {dir}/stash\n acl_file = {dir}/kadm5.acl\n max_life = 1h\n }}\n\
             [logging]\n kdc = FILE:{dir}/kdc.log\n admin_server = FILE:{dir}/kadmin.log\n default = FILE:{dir}/krb5.log\n"
        )
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.dir.join(name);
        fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("KRB5_CONFIG", self.dir.join("krb5.conf"))
            .env("KRB5_KDC_PROFILE", self.dir.join("kdc.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn tool(&self, program: &Path, args: &[&str]) -> Result<(), String> {
        let output = self.command(program).args(args).stderr(Stdio::piped()).output();
        let output = output.map_err(|e| format!("{}: {e}", program.display()))?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        Err(format!("{}: {}", program.display(), words.trim()))
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        if let Some(kdc) = &mut self.kdc {
            // It may have ended by itself.
            kdc.kill().ok();
            kdc.wait().ok();
        }
        fs::remove_dir_all(&self.dir).ok();
    }
}

fn krb5_conf(at: SocketAddr) -> String {
    format!(
        "[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n\
         dns_canonicalize_hostname = false\n rdns = false\n[realms]\n {REALM} = {{\n kdc = {at}\n }}\n"
    )
}

/// A port of loopback that is free now.
fn free_port() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let at = listener.and_then(|listener| listener.local_addr());
    at.map_err(|e| format!("no port on loopback: {e}"))
}

/// Where administrators' programs are, whoever runs this.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let mut places = std::env::split_paths(&path).chain(usual);
    places.find_map(|place| Some(place.join(program)).filter(|path| path.is_file()))
}
