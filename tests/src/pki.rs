//! Certificates as others make them: OpenSSL's command runs CAs, with what can be wrong in a certificate.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::netns::Lab;
use crate::openssl::OpenSsl;
use crate::process::run;
use crate::proof::{Credential, Proof};

/// CAs and what they issued, as files named after the stem each was given.
pub struct Pki {
    openssl: OpenSsl,
}

/// What a certificate says, where it is not as usual.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// "DNS:a.test,IP:10.77.0.1"; empty for none.
    pub names: &'a str,
    /// "/C=XX/O=Example/CN=a"; made of the stem if empty.
    pub subject: &'a str,
    /// Further lines of extensions.
    pub extensions: &'a str,
    /// Its first and its last day, from today on.
    pub days: (i32, i32),
}

impl Default for Wish<'_> {
    fn default() -> Self {
        Self {
            names: "",
            subject: "",
            extensions: "keyUsage=critical,digitalSignature",
            days: (-1, 20),
        }
    }
}

impl Pki {
    /// Without any CA.
    pub fn new(lab: &Lab) -> Self {
        Self {
            openssl: OpenSsl::at(&lab.dir().join("pki")),
        }
    }

    /// OpenSSL in the folder of the files.
    pub fn openssl(&self) -> &OpenSsl {
        &self.openssl
    }

    /// A root. Kinds are rsa2048 (or another size), p256, p384, p521 and ed25519.
    pub fn root(&self, stem: &str, kind: &str) {
        self.root_named(stem, kind, "");
    }

    /// A root that calls itself so.
    pub fn root_named(&self, stem: &str, kind: &str, name: &str) {
        self.key(stem, kind);
        self.openssl.write(
            &format!("{stem}.cnf"),
            "[req]\ndistinguished_name=dn\n[dn]\n[x]\nbasicConstraints=critical,CA:true\n\
             keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n",
        );
        let subject = subject(stem, name);
        self.openssl.run(&format!(
            "req -x509 -new -key {stem}.key -config {stem}.cnf -extensions x -subj {subject} -days 30 -out {stem}.crt"
        ));
        self.office(stem);
    }

    /// A CA below another.
    pub fn intermediate(&self, stem: &str, kind: &str, issuer: &str) {
        let wish = Wish {
            extensions: "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign",
            ..Wish::default()
        };
        self.issue(stem, kind, issuer, &wish);
        self.office(stem);
    }

    /// A certificate for a host that is called so (a domain name, or what an extension says: "IP:10.77.0.1").
    pub fn host(&self, stem: &str, kind: &str, issuer: &str, name: &str) -> Proof {
        let names = if name.contains(':') {
            name.into()
        } else {
            format!("DNS:{name}")
        };
        let wish = Wish {
            names: &names,
            ..Wish::default()
        };
        self.issue(stem, kind, issuer, &wish);
        self.proof(&[stem])
    }

    /// A certificate that says what is wished, and its key.
    pub fn issue(&self, stem: &str, kind: &str, issuer: &str, wish: &Wish<'_>) {
        self.key(stem, kind);
        self.certify(stem, issuer, wish);
    }

    /// A certificate for a key that is there.
    pub fn certify(&self, stem: &str, issuer: &str, wish: &Wish<'_>) {
        let names = match wish.names {
            "" => String::new(),
            names => format!("subjectAltName={names}\n"),
        };
        self.openssl.write(
            &format!("{stem}.cnf"),
            format!(
                "[req]\ndistinguished_name=dn\n[dn]\n[x]\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n{names}{}\n",
                wish.extensions
            ),
        );
        let subject = subject(stem, wish.subject);
        let (begin, end) = (date(wish.days.0), date(wish.days.1));
        self.openssl.run(&format!(
            "req -new -key {stem}.key -config {stem}.cnf -subj {subject} -out {stem}.csr"
        ));
        self.openssl.run(&format!(
            "ca -batch -notext -preserveDN -config {issuer}.ca -in {stem}.csr -out {stem}.crt -startdate {begin} \
             -enddate {end} -extfile {stem}.cnf -extensions x"
        ));
    }

    /// Its CA revokes a certificate.
    pub fn revoke(&self, stem: &str, issuer: &str) {
        self.openssl.run(&format!(
            "ca -config {issuer}.ca -revoke {stem}.crt -crl_reason keyCompromise"
        ));
    }

    /// A CRL as it is now, in DER: `issuer`.crl.
    pub fn crl(&self, issuer: &str) -> PathBuf {
        self.openssl
            .run(&format!("ca -config {issuer}.ca -gencrl -out {issuer}.crl.pem"));
        self.openssl
            .run(&format!("crl -in {issuer}.crl.pem -outform DER -out {issuer}.crl"));
        self.file(&format!("{issuer}.crl"))
    }

    /// The first certificate with its key; the others go along with it.
    pub fn proof(&self, stems: &[&str]) -> Proof {
        Proof::Certificates(vec![self.credential(stems)])
    }

    /// The same as one of several.
    pub fn credential(&self, stems: &[&str]) -> Credential {
        Credential {
            certificates: stems.iter().map(|stem| self.crt(stem)).collect(),
            key: self.file(&format!("{}.key", stems.first().unwrap_or(&""))),
        }
    }

    /// Where a certificate is.
    pub fn crt(&self, stem: &str) -> PathBuf {
        self.file(&format!("{stem}.crt"))
    }

    /// Where a file is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.openssl.dir().join(name)
    }

    /// The key of another, and its public half.
    pub fn same_key(&self, stem: &str, of: &str) {
        for end in ["key", "pub"] {
            let (from, to) = (self.file(&format!("{of}.{end}")), self.file(&format!("{stem}.{end}")));
            std::fs::copy(&from, &to).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
        }
    }

    /// A new private key, and its public half; one that is there stays.
    pub fn key(&self, stem: &str, kind: &str) {
        if self.file(&format!("{stem}.key")).exists() {
            return;
        }
        let words = match kind {
            "p256" | "p384" | "p521" => format!("EC -pkeyopt ec_paramgen_curve:P-{}", &kind[1..]),
            "ed25519" => "ED25519".into(),
            rsa => format!("RSA -pkeyopt rsa_keygen_bits:{}", rsa.trim_start_matches("rsa")),
        };
        self.openssl.run(&format!("genpkey -algorithm {words} -out {stem}.key"));
        self.openssl
            .run(&format!("pkey -in {stem}.key -pubout -out {stem}.pub"));
        // As whoever makes keys should: our daemon refuses one that others can read.
        private(&self.file(&format!("{stem}.key")));
    }

    /// What a CA needs to keep books.
    fn office(&self, stem: &str) {
        self.openssl.write(&format!("{stem}.index"), "");
        self.openssl
            .write(&format!("{stem}.index.attr"), "unique_subject = no\n");
        self.openssl.write(&format!("{stem}.crlnumber"), "01\n");
        let attributes = [
            "countryName",
            "organizationName",
            "organizationalUnitName",
            "commonName",
            "emailAddress",
        ];
        let policy: String = attributes.map(|name| format!("{name}=optional\n")).concat();
        self.openssl.write(
            &format!("{stem}.ca"),
            format!(
                "[ca]\ndefault_ca=d\n[d]\ndatabase={stem}.index\nrand_serial=yes\ncrlnumber={stem}.crlnumber\n\
                 new_certs_dir=.\ncertificate={stem}.crt\nprivate_key={stem}.key\ndefault_md=default\n\
                 default_crl_days=1\npolicy=p\nunique_subject=no\n[p]\n{policy}"
            ),
        );
    }
}

fn subject(stem: &str, wish: &str) -> String {
    match wish {
        "" => format!("/C=XX/O=Example/CN={stem}"),
        wish => wish.into(),
    }
}

/// So many days from now, as OpenSSL takes it.
fn date(days: i32) -> String {
    let day = format!("{days} days");
    run(Command::new("date").args(["-u", "-d", &day, "+%Y%m%d%H%M%SZ"]))
        .trim()
        .into()
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
