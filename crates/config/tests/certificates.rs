//! Connections that prove themselves by certificate: what is made of their keys.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use handfast_auth::certificate::revocation::Wanted;
use handfast_auth::certificate::{Time, Usage};
use handfast_config::{FileReader, Loaded, credentials, load};
use handfast_crypto::secret::Secret;
use handfast_engine::policy::{Connection, Method};

/// Those of `tests/pki`, and "all", a directory of some.
struct Files;

fn pki(path: &Path) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pki").join(path)
}

impl FileReader for Files {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        std::fs::read(pki(path)).map_err(|e| e.to_string())
    }

    fn mode(&self, _: &Path) -> Result<u32, String> {
        Ok(0o600)
    }

    fn list(&self, path: &Path) -> Result<Option<Vec<PathBuf>>, String> {
        let all = ["a.ocsp", "b.pub", "ca.crl", "ca.crt", "make.sh", "old.crt"];
        Ok((path == Path::new("all")).then(|| all.map(PathBuf::from).to_vec()))
    }

    fn now(&self) -> Time {
        Time(1_800_000_000)
    }
}

fn good(lines: &str) -> Loaded {
    let text = format!("[connection.c]\nremote = \"192.0.2.2\"\n{lines}");
    load("t.toml", &text, &Files).unwrap_or_else(|e| panic!("{e}"))
}

fn connection(lines: &str) -> Connection {
    (*good(lines).policy.connections[0]).clone()
}

const OWN: &str = "certificate = \"a.example.net.crt\"\nkey = \"a.example.net.key\"\nca = \"ca.crt\"\n";

fn subjects(c: &Connection) -> Vec<String> {
    let leaves = c.auth.certificates.iter().filter_map(|one| one.chain.first());
    leaves.map(|leaf| leaf.subject().to_string()).collect()
}

#[test]
fn a_certificate_its_key_and_a_ca_are_enough() {
    let c = connection(OWN);
    assert_eq!(
        (&c.auth.local, &c.auth.remote),
        (&vec![Method::Certificate], &vec![Method::Certificate])
    );
    assert_eq!(c.local_id.to_string(), "a.example.net");
    assert_eq!(subjects(&c), ["C=CH, O=Example, CN=a"]);
    let peers = &c.auth.peers;
    assert_eq!(peers.trust.anchors.len(), 1);
    assert_eq!(
        (peers.revocation.crl, peers.revocation.ocsp),
        (Wanted::Try, Wanted::Try)
    );
    assert_eq!((peers.usage, peers.sha1), (Usage::Ike, false));
    assert!(c.auth.certificates[0].preference.pss && !c.auth.certificates[0].preference.sha1);
}

#[test]
fn every_key_reaches_the_policy() {
    let c = connection(&format!(
        "{OWN}crl = \"require\"\nocsp = \"off\"\ncrl_file = \"ca.crl\"\ncertificate_usage = \"any\"\nsha1 = true\n\
         rsa_pss = false\nremote_key = \"b.pub\"\nocsp_response = \"a.ocsp\"\n"
    ));
    let (own, peers) = (&c.auth.certificates[0], &c.auth.peers);
    assert_eq!(
        (peers.revocation.crl, peers.revocation.ocsp),
        (Wanted::Require, Wanted::Off)
    );
    assert_eq!(
        (peers.usage, peers.sha1, peers.crls.len(), peers.raw_keys.len()),
        (Usage::Any, true, 1, 1)
    );
    assert!(!own.preference.pss && own.preference.sha1);
    assert_eq!(
        own.staple.as_deref(),
        Some(&*std::fs::read(pki(Path::new("a.ocsp"))).unwrap())
    );
}

#[test]
fn keys_come_in_every_form() {
    let plain = connection(OWN);
    for lines in [
        "certificate = \"a.example.net.crt\"\nkey = \"sealed.key\"\n",
        "certificate = \"a.p12\"\n",
    ] {
        let c = connection(&format!(
            "{lines}key_passphrase_file = \"right.pass\"\nca = \"ca.crt\"\n"
        ));
        assert_eq!(c.auth.certificates, plain.auth.certificates, "{lines}");
    }
}

#[test]
fn several_identities_in_one_file_stay_in_its_order() {
    let c = connection("certificate = \"two.pem\"\nca = \"ca.crt\"\nlocal_id = \"keyid:x\"\n");
    assert_eq!(subjects(&c), ["C=CH, O=Example, CN=a", "C=CH, O=Example, CN=b"]);
}

#[test]
fn a_certificate_that_is_over_is_the_last_choice() {
    let lines = "certificate = [\"old.crt\", \"a.example.net.crt\"]\nkey = [\"old.key\", \"a.example.net.key\"]\nca = \"ca.crt\"\n";
    let loaded = good(lines);
    assert_eq!(
        subjects(&loaded.policy.connections[0]),
        ["C=CH, O=Example, CN=a", "CN=old"]
    );
    assert!(
        loaded.warnings.iter().any(|w| w.message.contains("expired")),
        "{:?}",
        loaded.warnings
    );
}

#[test]
fn without_other_names_the_subject_is_who_we_are() {
    let c = connection("certificate = \"subject.crt\"\nkey = \"subject.key\"\nca = \"ca.crt\"\n");
    let subject = r"dn:C=CH,O=Example,CN=only\x20a\x20subject";
    assert_eq!(c.local_id.to_string(), subject);
}

#[test]
fn a_key_alone_is_a_raw_public_key() {
    let c = connection("key = \"ed25519.key\"\nremote_key = \"b.pub\"\nlocal_id = \"a.test\"\n");
    assert_eq!(c.auth.local, [Method::Certificate]);
    assert!(c.auth.certificates[0].chain.is_empty());
    assert_eq!(c.auth.peers.raw_keys.len(), 1);
}

#[test]
fn the_sides_may_differ_and_lists_keep_their_order() {
    let secret = "secret = \"0123456789\"\n";
    let c = connection(&format!("{OWN}{secret}"));
    assert_eq!(c.auth.local, [Method::Certificate, Method::Psk]);
    let c = connection(&format!("{OWN}{secret}auth = [\"psk\", \"certificate\"]\n"));
    assert_eq!(c.auth.local, [Method::Psk, Method::Certificate]);
    assert_eq!(c.auth.remote, c.auth.local);
    let c = connection(&format!("{OWN}{secret}auth = \"certificate\"\nremote_auth = \"psk\"\n"));
    assert_eq!(
        (&c.auth.local[..], &c.auth.remote[..]),
        (&[Method::Certificate][..], &[Method::Psk][..])
    );
    // A client with a secret, whose gateway has a certificate.
    let c = connection(&format!(
        "{secret}local_id = \"a.test\"\nauth = \"psk\"\nremote_auth = \"certificate\"\nca = \"ca.crt\"\n"
    ));
    assert_eq!(
        (&c.auth.local[..], &c.auth.remote[..]),
        (&[Method::Psk][..], &[Method::Certificate][..])
    );
}

#[test]
fn a_directory_is_searched_and_watched_with_what_is_in_it() {
    let loaded = good(&OWN.replace("ca.crt", "all"));
    let c = &loaded.policy.connections[0];
    // ca.crt, and old.crt as the peer's own.
    assert_eq!(c.auth.peers.trust.anchors.len(), 2);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let files = &loaded.files[0];
    assert_eq!(files.connection, "c");
    for name in ["a.example.net.crt", "a.example.net.key", "all", "ca.crt", "make.sh"] {
        assert!(files.files.contains(&PathBuf::from(name)), "{name}: {files:?}");
    }
}

#[test]
fn credentials_are_read_again_for_one_connection() {
    let loaded = good(OWN);
    let c = &loaded.policy.connections[0];
    let (files, read) = credentials("t.toml", &loaded.text, c, &Files);
    assert_eq!(files, loaded.files[0].files);
    let read = read.unwrap();
    assert_eq!(read.auth.certificates, c.auth.certificates);
    assert_eq!(read.auth.peers, c.auth.peers);

    // Another certificate is in force under a name that the files do not have.
    let mut other = (**c).clone();
    other.local_id = "b.example.net".parse().unwrap();
    let why = credentials("t.toml", &loaded.text, &other, &Files)
        .1
        .unwrap_err()
        .to_string();
    assert!(why.contains("is not of domain name \"b.example.net\""), "{why}");
    // A text that has nothing of it.
    let nothing = Secret::from(&b"[daemon]"[..]);
    assert!(credentials("t.toml", &nothing, c, &Files).1.is_err());
}

/// What a reload tells of changed files and keys: all of it leaves SAs alone, but for how the sides prove themselves.
#[test]
fn what_changes_is_told_under_its_key() {
    use handfast_engine::reload::{Effect, differences};

    let base = format!("{OWN}secret = \"0123456789\"\nlocal_id = \"a.example.net\"\n");
    let before = connection(&base);
    let soon = base
        .replace("a.example.net.crt", "soon.crt")
        .replace("a.example.net.key", "soon.key");
    let line = |line: &str| format!("{base}{line}\n");
    let live = Effect::Live;
    for (lines, key, effect) in [
        (soon.clone(), "certificate", live),
        (soon, "key", live),
        (base.replace("\"ca.crt\"", "[\"ca.crt\", \"old.crt\"]"), "ca", live),
        (line("crl = \"require\""), "crl", live),
        (line("ocsp = \"off\""), "ocsp", live),
        (line("crl_file = \"ca.crl\""), "crl_file", live),
        (line("remote_key = \"b.pub\""), "remote_key", live),
        (line("certificate_usage = \"ike-or-tls\""), "certificate_usage", live),
        (line("sha1 = true"), "sha1", live),
        (line("rsa_pss = false"), "rsa_pss", live),
        (line("ocsp_response = \"a.ocsp\""), "ocsp_response", live),
        (
            line("auth = \"psk\"\nremote_auth = [\"certificate\", \"psk\"]"),
            "auth",
            Effect::Reconnect,
        ),
        (line("remote_auth = \"certificate\""), "remote_auth", Effect::Reconnect),
    ] {
        let found = differences(&before, &connection(&lines));
        let told = found.iter().find(|d| d.key == key);
        assert_eq!(told.map(|d| d.effect), Some(effect), "{key}: {found:?}");
    }
    assert!(differences(&before, &connection(&base)).is_empty());
}
