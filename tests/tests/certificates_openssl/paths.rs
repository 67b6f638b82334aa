//! Chains that OpenSSL issued, judged by both; and certificates issued here, judged by OpenSSL.

use std::sync::Arc;

use handfast_auth::Identity;
use handfast_auth::certificate::issue::Template;
use handfast_auth::certificate::path::find;
use handfast_auth::certificate::{Bundle, Certificate, GeneralName, LocalSigner, PathPolicy, Signer, Time, Trust};
use handfast_tests::need;
use handfast_tests::openssl::OpenSsl;

/// The time of a test: certificates that OpenSSL makes now are valid now.
pub fn now() -> Time {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Time(since.as_secs() as i64 + 1)
}

pub fn certificate(openssl: &OpenSsl, file: &str) -> Certificate {
    Bundle::read(&openssl.read(file), None).unwrap().certificates.remove(0)
}

/// A root of this key.
pub fn root(openssl: &OpenSsl, name: &str, key: &str, extensions: &str) {
    openssl.run(&format!("genpkey {key} -out {name}.key"));
    openssl.write(
        &format!("{name}.cnf"),
        format!("[req]\ndistinguished_name=dn\n[dn]\n[x]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n{extensions}\n"),
    );
    openssl.run(&format!(
        "req -x509 -new -key {name}.key -config {name}.cnf -extensions x -subj /C=XX/O=Example/CN={name} -days 30 -out {name}.crt"
    ));
}

/// A certificate by `issuer`, with these lines of extensions.
pub fn issue(openssl: &OpenSsl, issuer: &str, name: &str, key: &str, extensions: &str) {
    openssl.run(&format!("genpkey {key} -out {name}.key"));
    openssl.write(
        &format!("{name}.cnf"),
        format!("[x]\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n{extensions}\n"),
    );
    openssl.write("req.cnf", "[req]\ndistinguished_name=dn\n[dn]\n");
    openssl.run(&format!(
        "req -new -key {name}.key -config req.cnf -subj /C=XX/O=Example/CN={name} -out {name}.csr"
    ));
    openssl.run(&format!(
        "x509 -req -in {name}.csr -CA {issuer}.crt -CAkey {issuer}.key -CAcreateserial -days 20 -extfile {name}.cnf -extensions x -out {name}.crt"
    ));
}

pub const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const CA: &str = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign";

#[test]
fn chains_are_judged_as_openssl_judges_them() {
    need!(OpenSsl);
    let openssl = OpenSsl::new("chains");
    root(&openssl, "root", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "");
    root(&openssl, "other", P256, "");
    root(
        &openssl,
        "narrow",
        P256,
        "nameConstraints=critical,permitted;DNS:example.com,permitted;email:.example.com,permitted;IP:10.0.0.0/255.0.0.0,permitted;dirName:top,excluded;DNS:no.example.com\n[top]\nC=XX\nO=Example",
    );
    issue(
        &openssl,
        "root",
        "middle",
        "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
        CA,
    );
    issue(
        &openssl,
        "root",
        "short",
        "-algorithm ED25519",
        &CA.replace("CA:true", "CA:true,pathlen:0"),
    );
    issue(&openssl, "short", "below-short", P256, CA);
    issue(
        &openssl,
        "narrow",
        "narrow-ca",
        "-algorithm EC -pkeyopt ec_paramgen_curve:P-521",
        CA,
    );
    issue(&openssl, "root", "no-ca", P256, "basicConstraints=critical,CA:false");
    let dns = |name: &str| format!("subjectAltName=DNS:{name}");
    // Issuer, CAs between, trusted CA, extensions, accepted.
    let cases: [(&str, &[&str], &str, String, bool); 22] = [
        ("root", &[], "root", dns("gw.example.com"), true),
        ("root", &[], "other", dns("gw.example.com"), false),
        ("middle", &["middle"], "root", dns("gw.example.com"), true),
        ("middle", &[], "root", dns("gw.example.com"), false),
        ("short", &["short"], "root", dns("gw.example.com"), true),
        (
            "below-short",
            &["short", "below-short"],
            "root",
            dns("gw.example.com"),
            false,
        ),
        ("no-ca", &["no-ca"], "root", dns("gw.example.com"), false),
        ("narrow", &[], "narrow", dns("example.com"), true),
        ("narrow-ca", &["narrow-ca"], "narrow", dns("a.b.example.com"), true),
        ("narrow-ca", &["narrow-ca"], "narrow", dns("no.example.com"), false),
        ("narrow-ca", &["narrow-ca"], "narrow", dns("example.org"), false),
        ("narrow", &[], "narrow", dns("badexample.com"), false),
        ("narrow", &[], "narrow", "subjectAltName=IP:10.1.2.3".into(), true),
        ("narrow", &[], "narrow", "subjectAltName=IP:11.1.2.3".into(), false),
        (
            "narrow",
            &[],
            "narrow",
            "subjectAltName=email:a@b.example.com".into(),
            true,
        ),
        (
            "narrow",
            &[],
            "narrow",
            "subjectAltName=email:a@example.com".into(),
            false,
        ),
        ("root", &[], "root", "certificatePolicies=critical,1.2.3.4".into(), true),
        ("root", &[], "root", "1.2.3.4=critical,DER:0500".into(), false),
        ("root", &[], "root", "1.2.3.4=DER:0500".into(), true),
        ("root", &[], "root", "keyUsage=critical,digitalSignature".into(), true),
        // What OpenSSL does not ask without a purpose: RFC 4945 sections 5.1.3.2 and 5.1.3.12.
        (
            "root",
            &[],
            "root",
            "keyUsage=critical,keyAgreement #ours".into(),
            false,
        ),
        ("root", &[], "root", "extendedKeyUsage=serverAuth #ours".into(), false),
    ];
    for (issuer, between, trusted, extensions, accepted) in cases {
        let ours_only = extensions.ends_with("#ours");
        issue(&openssl, issuer, "peer", P256, extensions.trim_end_matches(" #ours"));
        let untrusted: String = between.iter().map(|name| format!(" -untrusted {name}.crt")).collect();
        let theirs = openssl.try_run(&format!("verify -CAfile {trusted}.crt{untrusted} peer.crt"));
        assert_eq!(
            theirs.is_ok(),
            accepted || ours_only,
            "OpenSSL: {extensions} {theirs:?}"
        );
        let trust = Trust {
            anchors: vec![certificate(&openssl, &format!("{trusted}.crt"))],
            intermediates: vec![],
        };
        let sent: Vec<Certificate> = between
            .iter()
            .map(|name| certificate(&openssl, &format!("{name}.crt")))
            .collect();
        let ours = find(
            &certificate(&openssl, "peer.crt"),
            &sent,
            &trust,
            &PathPolicy::at(now()),
        );
        assert_eq!(ours.is_ok(), accepted, "{issuer} {trusted} {extensions}: {ours:?}");
        if let Ok(paths) = ours {
            assert_eq!(paths[0].certificates().len(), between.len() + 2);
        }
    }
}

#[test]
fn certificates_issued_here_satisfy_openssl() {
    need!(OpenSsl);
    let openssl = OpenSsl::new("issued");
    let random = Arc::new(ring::rand::SystemRandom::new());
    let signer = |file: &str| {
        let key = Bundle::read(&openssl.read(file), None).unwrap().keys.remove(0);
        LocalSigner::new(key, random.clone())
    };
    for key in [
        "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
        P256,
        "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
        "-algorithm EC -pkeyopt ec_paramgen_curve:P-521",
        "-algorithm ED25519",
    ] {
        openssl.run(&format!("genpkey {key} -out ca.key"));
        openssl.run(&format!("genpkey {P256} -out peer.key"));
        let (ca, peer) = (signer("ca.key"), signer("peer.key"));
        let (begin, end) = (Time(now().0 - 60), now().plus_days(10));
        let template = Template::ca("C=XX, O=Example, CN=Grün".parse().unwrap(), vec![0x80, 1], begin, end);
        let root = template.issue(ca.public_key(), &template.subject, &ca).unwrap();
        let names = vec![
            GeneralName::Dns("gw.example.com".into()),
            GeneralName::Email("a@example.com".into()),
            GeneralName::Ip("192.0.2.1".parse().unwrap()),
            GeneralName::Ip("2001:db8::1".parse().unwrap()),
        ];
        let template = Template::peer("CN=gw".parse().unwrap(), names, vec![2], begin, end);
        let issued = template.issue(peer.public_key(), root.subject(), &ca).unwrap();
        for (file, certificate) in [("root.der", &root), ("peer.der", &issued)] {
            openssl.write(file, certificate.as_der());
            openssl.run(&format!(
                "x509 -inform DER -in {file} -out {}",
                file.replace("der", "crt")
            ));
        }
        let strict = "verify -x509_strict -check_ss_sig -CAfile root.crt";
        openssl.run(&format!("{strict} root.crt"));
        for name in [
            "-verify_hostname gw.example.com",
            "-verify_ip 2001:db8::1",
            "-verify_email a@example.com",
        ] {
            openssl.run(&format!("{strict} {name} peer.crt"));
        }
        assert!(
            openssl
                .try_run(&format!("{strict} -verify_hostname other.example.com peer.crt"))
                .is_err()
        );
        let text = openssl.run("x509 -in peer.crt -noout -text -nameopt utf8");
        assert!(
            text.replace(" = ", "=").contains("Issuer: C=XX, O=Example, CN=Grün"),
            "{text}"
        );
        let trust = Trust {
            anchors: vec![root],
            intermediates: vec![],
        };
        find(&issued, &[], &trust, &PathPolicy::at(now())).unwrap();
        issued.is_of(&"gw.example.com".parse::<Identity>().unwrap()).unwrap();
    }
}
