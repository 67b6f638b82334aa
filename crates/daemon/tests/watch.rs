//! Certificate files that change while a daemon runs.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use handfast::config_file::{OsFiles, read};
use handfast::credentials::Renewal;
use handfast::credentials::watch::Looker;
use handfast_config::Loaded;
use handfast_engine::policy::Connection;

struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    /// A CA, and a certificate of a.test by it.
    fn new() -> Self {
        let host = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        host.pki("ca --subject CN=First");
        host.issue("a.test 192.0.2.1", "a");
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn pki(&self, words: &str) {
        let out = Command::new(env!("CARGO_BIN_EXE_handfast"))
            .arg("pki")
            .args(words.split_whitespace())
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{words}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
    }

    /// A certificate of these names in `to.crt` and `to.key`, which are replaced as one file each.
    fn issue(&self, names: &str, to: &str) {
        let first = names.split(' ').next().unwrap();
        std::fs::create_dir_all(self.path("new")).unwrap();
        for file in ["ca.crt", "ca.key"] {
            std::fs::copy(self.path(file), self.path("new").join(file)).unwrap();
        }
        self.pki(&format!("issue --dir new {names}"));
        for end in ["crt", "key"] {
            let made = self.path("new").join(format!("{first}.{end}"));
            std::fs::rename(made, self.path(&format!("{to}.{end}"))).unwrap();
        }
    }

    fn load(&self, more: &str) -> (Loaded, Looker) {
        let text = format!(
            "[connection.c]\nremote = \"192.0.2.2\"\ncertificate = \"a.crt\"\nkey = \"a.key\"\nca = \"ca.crt\"\n{more}"
        );
        let file = self.path("handfast.toml");
        std::fs::write(&file, text).unwrap();
        let loaded = read(&file).unwrap_or_else(|why| panic!("{:?}", why.lines()));
        let looker = Looker::new(&file, loaded.text.clone(), &loaded.policy, &loaded.files);
        (loaded, looker)
    }

    fn octets(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }
}

/// What is found once the files rest.
fn settled(looker: &mut Looker) -> Vec<Renewal> {
    let mut found = looker.look(&OsFiles);
    assert!(found.is_empty(), "read while it changes: {found:?}");
    found = looker.look(&OsFiles);
    assert!(looker.look(&OsFiles).is_empty());
    found
}

fn subject_of(c: &Connection) -> Vec<u8> {
    c.auth.certificates[0].chain[0].as_der().to_vec()
}

#[test]
fn a_renewed_certificate_is_used_and_nothing_else_of_the_file() {
    let host = Host::new();
    let (loaded, mut looker) = host.load("");
    let before = &loaded.policy.connections[0];
    assert_eq!(before.local_id.to_string(), "a.test");
    assert!(looker.look(&OsFiles).is_empty() && looker.look(&OsFiles).is_empty());

    // An edit of the configuration that nobody asked to be read.
    let file = host.path("handfast.toml");
    let edited = std::fs::read_to_string(&file).unwrap() + "liveness = \"7s\"\n";
    std::fs::write(&file, edited).unwrap();
    host.issue("a.test 192.0.2.1", "a");
    let found = settled(&mut looker);
    assert_eq!(found.len(), 1);
    let after = found[0].applied(before);
    assert_ne!(subject_of(before), subject_of(&after));
    assert_eq!(after.liveness, before.liveness);
    assert_eq!(
        after.auth.certificates[0].chain[0].key(),
        Ok(after.auth.certificates[0].signer.public_key())
    );
}

#[test]
fn a_key_that_comes_later_is_waited_for() {
    let host = Host::new();
    let (_, mut looker) = host.load("");
    assert!(looker.look(&OsFiles).is_empty());
    let old_key = host.octets("a.key");
    host.issue("a.test", "a");
    let new_key = host.octets("a.key");
    std::fs::write(host.path("a.key"), old_key).unwrap();
    assert!(settled(&mut looker).is_empty(), "a certificate with the key of another");
    std::fs::write(host.path("a.key"), new_key).unwrap();
    assert_eq!(settled(&mut looker).len(), 1);
}

#[test]
fn half_a_file_keeps_the_whole_one_from_before() {
    let host = Host::new();
    let (_, mut looker) = host.load("");
    assert!(looker.look(&OsFiles).is_empty());
    host.issue("a.test", "a");
    let whole = host.octets("a.crt");
    for half in [&whole[..whole.len() / 2], b"", b"-----BEGIN CERTIFICATE-----\n"] {
        std::fs::write(host.path("a.crt"), half).unwrap();
        assert!(settled(&mut looker).is_empty());
    }
    std::fs::remove_file(host.path("a.crt")).unwrap();
    assert!(settled(&mut looker).is_empty());
    std::fs::write(host.path("a.crt"), whole).unwrap();
    assert_eq!(settled(&mut looker).len(), 1);
}

#[test]
fn a_certificate_of_another_name_is_not_ours() {
    let host = Host::new();
    let (_, mut looker) = host.load("");
    assert!(looker.look(&OsFiles).is_empty());
    host.issue("elsewhere.test", "a");
    assert!(settled(&mut looker).is_empty());
    host.issue("elsewhere.test a.test", "a");
    assert_eq!(settled(&mut looker).len(), 1);
}

#[test]
fn symbolic_links_are_followed_as_acme_clients_set_them() {
    let host = Host::new();
    let link = |to: &str| {
        for end in ["crt", "key"] {
            let (new, live) = (host.path("link"), host.path(&format!("a.{end}")));
            std::os::unix::fs::symlink(format!("{to}.{end}"), &new).unwrap();
            std::fs::rename(new, live).unwrap();
        }
    };
    host.issue("a.test", "one");
    host.issue("a.test", "two");
    link("one");
    let (_, mut looker) = host.load("");
    assert!(looker.look(&OsFiles).is_empty());
    link("two");
    assert_eq!(settled(&mut looker).len(), 1);
}

#[test]
fn a_ca_that_is_added_to_a_directory_is_trusted_and_one_that_is_taken_away_is_not() {
    let host = Host::new();
    std::fs::create_dir(host.path("cas")).unwrap();
    std::fs::copy(host.path("ca.crt"), host.path("cas/first.pem")).unwrap();
    let other = Host::new();
    let (loaded, mut looker) = host.load("");
    drop(looker.look(&OsFiles));
    assert_eq!(loaded.policy.connections[0].auth.peers.trust.anchors.len(), 1);
    let text = std::fs::read_to_string(host.path("handfast.toml")).unwrap();
    std::fs::write(host.path("handfast.toml"), text.replace("ca.crt", "cas")).unwrap();
    let loaded = read(&host.path("handfast.toml")).unwrap_or_else(|why| panic!("{:?}", why.lines()));
    let mut looker = Looker::new(
        &host.path("handfast.toml"),
        loaded.text.clone(),
        &loaded.policy,
        &loaded.files,
    );
    drop(looker.look(&OsFiles));

    let trusted = |found: &[Renewal]| found.iter().map(|r| r.peers.trust.anchors.len()).collect::<Vec<_>>();
    std::fs::copy(other.path("ca.crt"), host.path("cas/other.pem")).unwrap();
    let mut found = vec![];
    (0..4).for_each(|_| found.extend(looker.look(&OsFiles)));
    assert_eq!(trusted(&found), [2]);
    std::fs::remove_file(host.path("cas/first.pem")).unwrap();
    let mut found = vec![];
    (0..4).for_each(|_| found.extend(looker.look(&OsFiles)));
    assert_eq!(trusted(&found), [1]);
}

#[test]
fn a_connection_without_certificates_has_nothing_to_watch() {
    let dir = tempfile::tempdir().unwrap();
    let file: &Path = &dir.path().join("t.toml");
    let text = "[connection.c]\nlocal = \"192.0.2.1\"\nremote = \"192.0.2.2\"\nsecret = \"0123456789\"\n";
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let loaded = read(file).unwrap_or_else(|why| panic!("{:?}", why.lines()));
    assert!(loaded.files.is_empty());
    let policy = Arc::new(loaded.policy);
    let mut looker = Looker::new(file, loaded.text, &policy, &loaded.files);
    assert!(looker.look(&OsFiles).is_empty());
}
