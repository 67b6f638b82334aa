//! A CA, the gateway's certificate as files, and one certificate for each client (all clients share a key, since a new
//! RSA key for each would take minutes).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use handfast_auth::Identity;
use handfast_auth::certificate::generate::{KeyKind, generate};
use handfast_auth::certificate::ikev2::Preference;
use handfast_auth::certificate::issue::Template;
use handfast_auth::certificate::{
    Certificate, GeneralName, LocalCertificate, LocalSigner, Name, PrivateKey, Signer, Time, pem,
};
use handfast_crypto::system_random;

/// See the module.
pub struct Pki {
    dir: PathBuf,
    ca: Certificate,
    ca_key: LocalSigner,
    client_key: Arc<LocalSigner>,
}

/// The time of day.
pub fn today() -> Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}

fn yesterday() -> Time {
    Time(today().0 - 86_400)
}

impl Pki {
    /// With keys of this kind everywhere; the files are in `dir`.
    pub fn new(kind: KeyKind, dir: &Path) -> Self {
        fs::create_dir_all(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let (ca_key, _) = key(kind);
        let subject = name("bench CA");
        let template = Template::ca(subject.clone(), vec![1], yesterday(), today().plus_days(30));
        let ca = template.issue(ca_key.public_key(), &subject, &ca_key);
        let ca = ca.unwrap_or_else(|e| panic!("no CA: {e}"));
        let (gateway_key, gateway_der) = key(kind);
        let (client_key, _) = key(kind);
        let this = Self {
            dir: dir.to_owned(),
            ca,
            ca_key,
            client_key: Arc::new(client_key),
        };
        let gateway = this.certificate(crate::suite::GATEWAY, 2, &gateway_key);
        this.write("ca.crt", &pem::encode("CERTIFICATE", this.ca.as_der()));
        this.write("gateway.crt", &pem::encode("CERTIFICATE", gateway.as_der()));
        this.write("gateway.key", &pem::encode("PRIVATE KEY", &gateway_der));
        this
    }

    /// Where a file is: ca.crt, gateway.crt, gateway.key.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The CA's certificate.
    pub fn ca(&self) -> &Certificate {
        &self.ca
    }

    /// The certificate of a client.
    pub fn client(&self, n: usize, identity: &Identity) -> Arc<LocalCertificate> {
        Arc::new(LocalCertificate {
            chain: vec![self.certificate(&identity.to_string(), n + 3, &self.client_key)],
            signer: self.client_key.clone(),
            preference: Preference::default(),
            staple: None,
        })
    }

    fn certificate(&self, host: &str, serial: usize, key: &LocalSigner) -> Certificate {
        let serial = u32::try_from(serial).unwrap_or(u32::MAX) | 1 << 30;
        let names = vec![GeneralName::Dns(host.into())];
        let (from, to) = (yesterday(), today().plus_days(30));
        Template::peer(name(host), names, serial.to_be_bytes().to_vec(), from, to)
            .issue(key.public_key(), self.ca.subject(), &self.ca_key)
            .unwrap_or_else(|e| panic!("no certificate: {e}"))
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.file(name);
        fs::write(&file, text)
            .and_then(|()| fs::set_permissions(&file, fs::Permissions::from_mode(0o600)))
            .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }
}

fn name(text: &str) -> Name {
    format!("CN={text}").parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn key(kind: KeyKind) -> (LocalSigner, Vec<u8>) {
    let random = system_random();
    let der = generate(kind, &*random).unwrap_or_else(|e| panic!("no key: {e}"));
    let key = PrivateKey::from_der(der.as_bytes()).unwrap_or_else(|e| panic!("the new key does not read: {e}"));
    (LocalSigner::new(key, random), der.as_bytes().to_vec())
}
