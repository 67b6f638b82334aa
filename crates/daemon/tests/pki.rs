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
