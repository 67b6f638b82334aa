//! `handfast pki`: a CA, certificates by it, and the reason why one is or is not accepted.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Runs `handfast pki` with these words in `dir`: exit status, standard output, standard error.
fn pki(dir: &Path, words: &str) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_handfast"))
        .arg("pki")
        .args(words.split_whitespace())
        .current_dir(dir)
        .output()
        .unwrap();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
}

fn good(dir: &Path, words: &str) -> String {
    let (code, out, err) = pki(dir, words);
    assert_eq!((code, err.as_str()), (0, ""), "{words}: {out}");
    out
}

fn bad(dir: &Path, words: &str, code: i32) -> String {
    let (found, out, err) = pki(dir, words);
    assert_eq!((found, out.as_str()), (code, ""), "{words}: {err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    err
}

#[test]
fn a_ca_issues_and_its_certificates_are_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for key in ["ecdsa256", "ed25519", "rsa2048"] {
        let at = dir.join(key);
        good(dir, &format!("ca --dir {key} --key {key}"));
        let said = good(
            dir,
            &format!("issue --dir {key} --key {key} gw.example.net carol@example.net 192.0.2.1 2001:db8::1"),
        );
        assert!(said.contains("is the certificate of CN=gw.example.net"), "{said}");
        for (file, mode) in [("ca.key", 0o600), ("gw.example.net.key", 0o600), ("ca.crt", 0o644)] {
            assert_eq!(
                at.join(file).metadata().unwrap().permissions().mode() & 0o777,
                mode,
                "{file}"
            );
        }
        for identity in [
            "gw.example.net",
            "carol@example.net",
            "192.0.2.1",
            "2001:db8::1",
            "CN=gw.example.net",
        ] {
            let said = good(&at, &format!("verify --ca ca.crt --as {identity} gw.example.net.crt"));
            assert!(said.contains("\naccepted    until 20"), "{said}");
        }
        // A directory of CAs, which has keys and other certificates in it as well.
        good(&at, "verify --ca . gw.example.net.crt");
        let said = bad(&at, "verify --ca ca.crt --as other.example.net gw.example.net.crt", 1);
        assert!(
            said.contains("is not of domain name \"other.example.net\": it has DN:CN=gw.example.net, DNS:gw"),
            "{said}"
        );
        let said = bad(&at, "verify --ca ca.crt --revocation require gw.example.net.crt", 1);
        assert!(
            said.contains("no CRL says whether it is revoked, and one is required"),
            "{said}"
        );
        // What exists stays as it is.
        let key_before = std::fs::read(at.join("ca.key")).unwrap();
        assert!(bad(dir, &format!("ca --dir {key}"), 1).contains("ca.key cannot be written: File exists"));
        assert!(bad(&at, "issue gw.example.net", 1).contains("gw.example.net.key cannot be written"));
        assert_eq!(std::fs::read(at.join("ca.key")).unwrap(), key_before);
    }
    let said = bad(dir, "verify --ca ed25519/ca.crt ecdsa256/gw.example.net.crt", 1);
    assert!(
        said.contains("certificate \"CN=gw.example.net\": its signature is not of \"CN=Handfast CA\""),
        "{said}"
    );
    let shown = good(
        dir,
        "show rsa2048/gw.example.net.crt rsa2048/gw.example.net.key ecdsa256/ca.crt",
    );
    for part in [
        "names      DNS:gw.example.net, email:carol@example.net, IP:192.0.2.1, IP:2001:db8::1\n",
        "issuer     CN=Handfast CA\n",
        "key        RSA of 2048 bits\n",
        "signature  RSA and SHA2-256\n",
        "private key: RSA of 2048 bits\n",
        "key        ECDSA P-256\n",
        "CA         yes\n",
    ] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
}

#[test]
fn mistakes_are_told_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("text"), "nothing\n").unwrap();
    for (words, code, part) in [
        ("show none", 2, "none cannot be read: No such file"),
        ("show text", 2, "text: this is neither PEM nor the DER of a certificate"),
        ("issue gw.example.net", 2, "ca.key cannot be read"),
        ("verify --ca text text", 2, "text: this is neither PEM"),
    ] {
        let said = bad(dir, words, code);
        assert!(said.contains(part), "{words}: {said}");
    }
    good(dir, "ca");
    for (words, part) in [
        ("issue keyid:7", "key ID is no name of a certificate"),
        ("issue two=words", "is not an identity"),
        ("issue ca", "files cannot be named after \"ca\""),
        ("verify --ca ca.key ca.crt", "no certificate is in what --ca names"),
        ("verify --ca ca.crt --as two=words ca.crt", "is not an identity"),
        ("verify --ca ca.crt ca.key", "ca.key holds no certificate"),
    ] {
        let said = bad(dir, words, 2);
        assert!(said.contains(part), "{words}: {said}");
    }
    let (code, _, said) = pki(dir, "ca --key dsa");
    assert!(code == 2 && said.contains("keys are rsa2048, rsa3072"), "{said}");
    let (code, _, said) = pki(dir, "ca --subject XY=1");
    assert!(code == 2 && said.contains("is none of CN"), "{said}");
}

/// A configuration in `dir`, its owner's alone.
fn configure(dir: &Path, text: &str) {
    let path = dir.join("t.toml");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_connection_judges_as_the_daemon_would() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    good(dir, "ca");
    good(dir, "issue a.test");
    good(dir, "issue b.branch.test carol@branch.test");
    good(dir, "ca --dir other");
    good(dir, "issue --dir other b.branch.test");
    let own = "certificate = \"a.test.crt\"\nkey = \"a.test.key\"\nca = \"ca.crt\"\n";
    let secret = "secret = \"0123456789\"\n";
    configure(
        dir,
        &format!(
            "[connection.branch]\nremote = \"192.0.2.2\"\nremote_id = \"*.branch.test\"\n{own}\
             [connection.strict]\nremote = \"192.0.2.3\"\nremote_id = \"*.branch.test\"\ncrl = \"require\"\n{own}\
             [connection.secret]\nlocal = \"192.0.2.1\"\nremote = \"192.0.2.4\"\n{secret}"
        ),
    );
    let judge = |name: &str, rest: &str| format!("verify --config t.toml --connection {name} {rest}");
    let said = good(dir, &judge("branch", "b.branch.test.crt"));
    assert!(said.contains("connection  branch of t.toml:1\n"), "{said}");
    assert!(
        said.contains("it is of domain name \"b.branch.test\"") && said.contains("\naccepted "),
        "{said}"
    );
    for (name, rest, why) in [
        (
            "branch",
            "a.test.crt",
            "is of nobody that branch accepts: its remote_id is *.branch.test (t.toml:1)",
        ),
        (
            "branch",
            "--as carol@branch.test b.branch.test.crt",
            "branch accepts no e-mail address",
        ),
        ("branch", "other/b.branch.test.crt", "CN=Handfast CA"),
        (
            "strict",
            "b.branch.test.crt",
            "no CRL says whether it is revoked, and one is required; nothing is fetched here",
        ),
        ("secret", "b.branch.test.crt", "accepts of its peer psk only (t.toml:"),
    ] {
        let err = bad(dir, &judge(name, rest), 1);
        assert!(err.contains(why), "no {why:?} in {err}");
    }
    assert!(bad(dir, &judge("absent", "a.test.crt"), 2).contains("it has branch, strict, secret"));
}

#[test]
fn check_shows_certificates_and_what_the_methods_mean() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    good(dir, "ca");
    good(dir, "issue a.test --days 5");
    good(dir, "issue --key ed25519 e.test");
    let own = |name: &str| format!("certificate = \"{name}.crt\"\nkey = \"{name}.key\"\nca = \"ca.crt\"\n");
    let to = |n: u8| format!("remote = \"192.0.2.{n}\"\nremote_subnet = \"10.{n}.0.0/16\"\nsecret = \"0123456789\"\n");
    configure(
        dir,
        &format!(
            "[connection.both]\nversion = \"any\"\n{}{}\
             [connection.mixed]\n{}auth = \"certificate\"\nremote_auth = \"psk\"\n{}\
             [connection.ed]\nversion = \"any\"\n{}{}",
            to(2),
            own("a.test"),
            to(3),
            own("a.test").replace("ca = \"ca.crt\"\n", ""),
            to(4),
            own("e.test"),
        ),
    );
    let out = Command::new(env!("CARGO_BIN_EXE_handfast"))
        .args(["check", "t.toml"])
        .current_dir(dir)
        .output()
        .unwrap();
    let (told, warned) = (
        String::from_utf8(out.stdout).unwrap(),
        String::from_utf8(out.stderr).unwrap(),
    );
    assert!(out.status.success(), "{warned}");
    assert!(
        warned.contains("t.toml:6:15: warning: our certificate \"CN=a.test\" expires on"),
        "{warned}"
    );
    for line in [
        "both (any from 192.0.2.2): as a.test to 192.0.2.2",
        "    IKEv2: we by certificate, else by preshared key, the peer by certificate or preshared key",
        "    IKEv1: both sides by the same of these, offered in this order: certificate, preshared key",
        "    ours \"CN=a.test\" (ECDSA P-256) by \"CN=Handfast CA\", until 20",
        "         names DNS:a.test",
        "    trusts \"CN=Handfast CA\", until 20",
        "    IKEv2: we by certificate, the peer by preshared key",
        // Ed25519 is not for IKEv1.
        "    IKEv1: both sides by preshared key",
    ] {
        assert!(told.contains(line), "no {line:?} in {told}");
    }
    assert!(told.contains("(4 days)") || told.contains("(5 days)"), "{told}");
    assert!(!told.contains("0123456789"), "{told}");
}
