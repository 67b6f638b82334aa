//! A CA made by openssl for one test, with its CRLs, and a web server on loopback that serves as well or badly as asked.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use handfast_auth::certificate::Certificate;
use tempfile::TempDir;

/// What is answered to a request for a path.
#[derive(Clone)]
pub enum Reply {
    /// These octets, of this type.
    Octets(&'static str, Vec<u8>),
    /// The same, after a while.
    Slow(Duration, Vec<u8>),
    /// The head, and then nothing.
    Stuck,
    /// Octets without an end.
    Endless,
    /// Exactly this.
    Raw(String),
    /// What openssl's OCSP responder answers for the CA in this directory.
    Responder(PathBuf),
}

#[derive(Default)]
struct Shelf {
    replies: HashMap<String, Reply>,
    asked: Vec<String>,
}

/// The server. Its threads end with the test's process.
pub struct Server {
    pub port: u16,
    shelf: Arc<Mutex<Shelf>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shelf: Arc<Mutex<Shelf>> = Arc::default();
        let shared = Arc::clone(&shelf);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shelf = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &shelf).ok());
            }
        });
        Self { port, shelf }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// From now on this is at `path`; gives its URL.
    pub fn put(&self, path: &str, reply: Reply) -> String {
        self.shelf.lock().unwrap().replies.insert(path.into(), reply);
        self.url(path)
    }

    /// There is no longer anything at `path`.
    pub fn remove(&self, path: &str) {
        self.shelf.lock().unwrap().replies.remove(path);
    }

    /// Paths that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.shelf.lock().unwrap().asked.clone()
    }
}

fn serve(mut stream: TcpStream, shelf: &Mutex<Shelf>) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut octet = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut octet)? == 1 {
        request.push(octet[0]);
    }
    let head = String::from_utf8_lossy(&request).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body)?;
    let reply = {
        let mut shelf = shelf.lock().unwrap();
        shelf.asked.push(path.clone());
        shelf.replies.get(&path).cloned()
    };
    let whole = |stream: &mut TcpStream, kind: &str, octets: &[u8]| {
        let length = octets.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        )?;
        stream.write_all(octets)
    };
    match reply {
        None => stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n"),
        Some(Reply::Octets(kind, octets)) => whole(&mut stream, kind, &octets),
        Some(Reply::Slow(time, octets)) => {
            thread::sleep(time);
            whole(&mut stream, "application/pkix-crl", &octets)
        }
        Some(Reply::Stuck) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")?;
            stream.read(&mut octet).map(drop)
        }
        Some(Reply::Endless) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                stream.write_all(&[0x30; 4096])?;
            }
        }
        Some(Reply::Responder(ca)) => {
            fs::write(ca.join("asked"), &body)?;
            let words = "ocsp -index index -CA ca.crt -rsigner ca.crt -rkey ca.key -reqin asked -respout said -nmin 5";
            openssl(&ca, words);
            whole(&mut stream, "application/ocsp-response", &fs::read(ca.join("said"))?)
        }
        Some(Reply::Raw(text)) => stream.write_all(text.as_bytes()),
    }
}

const CONFIG: &str = "
[ca]
default_ca = it
[it]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = dn
[dn]
[peer]
subjectAltName = DNS:gw.example
keyUsage = digitalSignature
URLS
";

/// The CA, and gw.example's certificate, which names these addresses.
pub struct Pki {
    dir: TempDir,
}

impl Pki {
    pub fn new(crl: &str, ocsp: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let this = Self { dir };
        let urls = format!("crlDistributionPoints = URI:{crl}\nauthorityInfoAccess = OCSP;URI:{ocsp}\n");
        fs::write(this.path("ca.cnf"), CONFIG.replace("URLS", &urls)).unwrap();
        fs::write(this.path("index"), "").unwrap();
        fs::write(this.path("serial"), "1000").unwrap();
        for key in ["ca", "gw", "other", "responder"] {
            this.openssl(&format!(
                "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {key}.key"
            ));
        }
        let ca =
            "-config ca.cnf -days 3650 -addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign,cRLSign";
        this.openssl(&format!("req -x509 {ca} -key ca.key -subj /CN=CA -out ca.crt"));
        this.openssl(&format!("req -x509 {ca} -key other.key -subj /CN=CA -out other.crt"));
        for name in ["gw", "responder"] {
            this.openssl(&format!(
                "req -new -config ca.cnf -key {name}.key -subj /CN={name} -out {name}.csr"
            ));
        }
        this.ca("-in gw.csr -days 90 -extensions peer -notext -out gw.crt");
        this
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    #[track_caller]
    fn openssl(&self, words: &str) {
        openssl(self.dir.path(), words);
    }

    #[track_caller]
    fn ca(&self, words: &str) {
        self.openssl(&format!(
            "ca -batch -config ca.cnf -cert ca.crt -keyfile ca.key {words}"
        ));
    }

    pub fn revoke(&self) {
        self.ca("-revoke gw.crt -crl_reason keyCompromise");
    }

    /// A CRL of now, DER.
    pub fn crl(&self) -> Vec<u8> {
        self.crl_with("-crldays 30")
    }

    pub fn old_crl(&self) -> Vec<u8> {
        self.crl_with("-crl_lastupdate 20240101000000Z -crl_nextupdate 20240102000000Z")
    }

    /// By a CA of the same name and another key.
    pub fn forged_crl(&self) -> Vec<u8> {
        self.openssl("ca -batch -config ca.cnf -cert other.crt -keyfile other.key -gencrl -crldays 30 -out crl.pem");
        self.der_crl()
    }

    fn crl_with(&self, words: &str) -> Vec<u8> {
        self.ca(&format!("-gencrl {words} -out crl.pem"));
        self.der_crl()
    }

    pub fn pem_crl(&self) -> Vec<u8> {
        self.crl();
        fs::read(self.path("crl.pem")).unwrap()
    }

    fn der_crl(&self) -> Vec<u8> {
        self.openssl("crl -in crl.pem -outform DER -out crl.der");
        fs::read(self.path("crl.der")).unwrap()
    }

    /// What the CA's responder says, without a nonce.
    pub fn ocsp_answer(&self) -> Vec<u8> {
        self.openssl("ocsp -issuer ca.crt -cert gw.crt -reqout request -no_nonce");
        self.openssl(
            "ocsp -index index -CA ca.crt -rsigner ca.crt -rkey ca.key -reqin request -respout answer -ndays 3",
        );
        fs::read(self.path("answer")).unwrap()
    }

    /// The responder itself.
    pub fn responder(&self) -> Reply {
        Reply::Responder(self.dir.path().to_owned())
    }

    pub fn certificate(&self, name: &str) -> Certificate {
        let bundle = handfast_auth::certificate::Bundle::read(&fs::read(self.path(name)).unwrap(), None).unwrap();
        bundle.certificates.into_iter().next().unwrap()
    }
}

#[track_caller]
fn openssl(dir: &Path, words: &str) {
    let mut command = Command::new("openssl");
    let out = command
        .args(words.split_whitespace())
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "openssl {words}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// A port on which nobody listens now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
