//! The keys `ca`, `remote_key`, `crl`, `crl_file`, `ocsp`, `sha1` and `certificate_usage`: whom we accept as a peer.

use std::collections::HashSet;

use handfast_auth::certificate::revocation::{RevocationPolicy, Wanted};
use handfast_auth::certificate::{Certificate, Crl, PeerPolicy, Trust, Usage};

use crate::certificates::{Own, dates};
use crate::files::{Authorities, Purpose};
use crate::section::{Reader, Section};

const PATHS: &str = "a path, or a list of them";
const CAS: &str = "a file or directory with certificates of CAs, or a list of them";
const WANTED: [(&str, Wanted); 3] = [("off", Wanted::Off), ("try", Wanted::Try), ("require", Wanted::Require)];

/// Whom we accept.
pub(crate) struct Trusted {
    pub policy: PeerPolicy,
}

/// Reads it for the connection `name`.
pub(crate) fn read(s: &mut Section<'_, '_>, reader: &mut Reader<'_>, name: &str, sha1: bool, own: &Own) -> Trusted {
    let anchors = anchors(s, reader);
    let mut raw_keys = vec![];
    for (path, at) in s.texts(reader, "remote_key", PATHS) {
        let Some((shown, bundle)) = reader.bundle(at, "remote_key", &path, None, Purpose::Peers) else {
            continue;
        };
        if bundle.public_keys.is_empty() {
            let hint = "`openssl pkey -in KEY -pubout` makes one; certificates belong in ca";
            reader.error(
                at,
                format!("{shown} holds no public key"),
                "a PEM file with PUBLIC KEY",
                hint,
            );
        }
        raw_keys.extend(bundle.public_keys);
    }
    let mut crls = vec![];
    for (path, at) in s.texts(reader, "crl_file", PATHS) {
        let Some((shown, bundle)) = reader.bundle(at, "crl_file", &path, None, Purpose::Peers) else {
            continue;
        };
        if bundle.crls.is_empty() {
            reader.error(at, format!("{shown} holds no CRL"), "a CRL, PEM or DER", "");
        }
        for der in &bundle.crls {
            match Crl::from_der(der) {
                Ok(crl) => {
                    outdated(reader, at, &shown, &crl);
                    crls.push(crl);
                }
                Err(why) => reader.error(
                    at,
                    format!("{shown}: a CRL cannot be read ({why})"),
                    "a CRL, PEM or DER",
                    "",
                ),
            }
        }
    }
    let crl = s.word(reader, "crl", &WANTED);
    if crl == Some(Wanted::Off) && s.has("crl_file") {
        let message = format!("{name} has crl_file and crl = \"off\"");
        reader.error(
            s.at_of("crl"),
            message,
            "crl = \"try\" or \"require\", or no crl_file",
            "",
        );
    }
    let usages = [
        ("ike", Usage::Ike),
        ("ike-or-tls", Usage::IkeOrTls),
        ("any", Usage::Any),
    ];
    let policy = PeerPolicy {
        trust: Trust {
            anchors,
            intermediates: own.intermediates.clone(),
        },
        usage: s.word(reader, "certificate_usage", &usages).unwrap_or_default(),
        raw_keys,
        sha1,
        revocation: RevocationPolicy {
            crl: crl.unwrap_or(Wanted::Try),
            ocsp: s.word(reader, "ocsp", &WANTED).unwrap_or(Wanted::Try),
        },
        crls,
        ..PeerPolicy::default()
    };
    Trusted { policy }
}

/// CAs, and peers' own certificates, each once.
fn anchors(s: &mut Section<'_, '_>, reader: &mut Reader<'_>) -> Vec<Certificate> {
    let (mut anchors, mut seen) = (vec![], HashSet::new());
    for (path, at) in s.texts(reader, "ca", CAS) {
        let Some(Authorities {
            shown,
            bundle,
            directory,
        }) = reader.authorities(at, "ca", &path)
        else {
            continue;
        };
        if bundle.certificates.is_empty() {
            let hint = if bundle.public_keys.is_empty() {
                ""
            } else {
                "public keys belong in remote_key"
            };
            reader.error(at, format!("ca: {shown} holds no certificate"), CAS, hint);
        }
        for certificate in bundle.certificates {
            if !seen.insert(certificate.as_der().to_vec()) {
                continue;
            }
            let what = if certificate.is_ca() || certificate.is_self_issued() {
                "the CA"
            } else {
                "the peer's certificate"
            };
            // The system's directory has old ones, of no concern.
            if !directory {
                dates(reader, at, &certificate, what);
            }
            anchors.push(certificate);
        }
    }
    anchors
}

/// Says of a CRL that a newer one is due.
fn outdated(reader: &mut Reader<'_>, at: usize, shown: &str, crl: &Crl) {
    if let Some(due) = crl.next_update().filter(|due| *due < reader.now()) {
        let message = format!("{shown}: the CRL of \"{}\" is outdated since {due}", crl.issuer());
        reader.warning(
            at,
            message,
            "with crl = \"require\" peers are refused until there is a newer one",
        );
    }
}
