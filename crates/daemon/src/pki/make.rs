//! `pki ca` and `pki issue`.

use std::fs;
use std::sync::Arc;

use handfast_auth::Identity;
use handfast_auth::certificate::generate::{KeyKind, generate};
use handfast_auth::certificate::issue::Template;
use handfast_auth::certificate::{GeneralName, LocalSigner, Name, PrivateKey, Signer, Time, pem};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::{CaOptions, IssueOptions, Problem, files};
use crate::net::clock::certificate_time;

/// Clocks differ: certificates are valid since an hour ago.
const BACKDATED: i64 = 3600;

/// Makes a CA.
pub(super) fn ca(options: &CaOptions) -> Result<String, Problem> {
    fs::create_dir_all(&options.dir)
        .map_err(|error| Problem::Failed(format!("{} cannot be made: {error}", options.dir.display())))?;
    let (crt, key) = (options.dir.join("ca.crt"), options.dir.join("ca.key"));
    let (signer, pkcs8) = new_key(options.key)?;
    let (begin, end) = period(options.days);
    let template = Template::ca(options.subject.clone(), serial()?, begin, end);
    let certificate = template
        .issue(signer.public_key(), &options.subject, &signer)
        .map_err(failed)?;
    files::create(&key, &pkcs8, 0o600)?;
    files::create(&crt, &pem::encode("CERTIFICATE", certificate.as_der()), 0o644)?;
    Ok(format!(
        "{} is a CA for {} until {}. Peers trust this file.\n{} is its key. Keep it secret.\n",
        crt.display(),
        options.subject,
        end,
        key.display()
    ))
}

/// Certifies a new key.
pub(super) fn issue(options: &IssueOptions) -> Result<String, Problem> {
    let ca_key = files::read(&options.dir.join("ca.key"), None)?;
    let mut ca = files::read(&options.dir.join("ca.crt"), None)?;
    ca.append(ca_key);
    let no_ca = || {
        let dir = options.dir.display();
        Problem::Usage(format!(
            "ca.crt and ca.key in {dir} do not belong together; `handfast pki ca` makes them"
        ))
    };
    let (ca_key, chain) = ca.into_identity().ok_or_else(no_ca)?;
    let ca_certificate = chain.first().ok_or_else(no_ca)?;
    let ca_signer = LocalSigner::new(ca_key, Arc::new(SystemRandom::new()));

    let names: Vec<GeneralName> = options
        .names
        .iter()
        .map(|name| general_name(name))
        .collect::<Result<_, _>>()?;
    let first = options.names.first().map(String::as_str).unwrap_or_default();
    let stem: String = first
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-@".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    if stem.starts_with('.') || matches!(stem.as_str(), "ca" | "") {
        return Err(Problem::Usage(format!("files cannot be named after \"{first}\"")));
    }
    let subject = match &options.subject {
        Some(subject) => subject.clone(),
        None => common_name(first)?,
    };
    let (signer, pkcs8) = new_key(options.key)?;
    let (begin, end) = period(options.days);
    // Nothing outlives its CA.
    let end = end.min(ca_certificate.not_after());
    let template = Template::peer(subject.clone(), names, serial()?, begin, end);
    let certificate = template
        .issue(signer.public_key(), ca_certificate.subject(), &ca_signer)
        .map_err(failed)?;
    let file = |extension: &str| options.dir.join(format!("{stem}.{extension}"));
    files::create(&file("key"), &pkcs8, 0o600)?;
    files::create(&file("crt"), &pem::encode("CERTIFICATE", certificate.as_der()), 0o644)?;
    Ok(format!(
        "{} is the certificate of {subject} for {} until {end}.\n{} is its key. Keep it secret.\n",
        file("crt").display(),
        options.names.join(", "),
        file("key").display()
    ))
}

fn failed(error: impl std::fmt::Display) -> Problem {
    Problem::Failed(error.to_string())
}

fn period(days: u32) -> (Time, Time) {
    let now = certificate_time();
    (Time(now.0 - BACKDATED), now.plus_days(days))
}

/// A key, and the text of its file.
fn new_key(kind: KeyKind) -> Result<(LocalSigner, Zeroizing<String>), Problem> {
    let random = Arc::new(SystemRandom::new());
    let pkcs8 = generate(kind, &*random).map_err(Problem::Failed)?;
    let key = PrivateKey::from_der(pkcs8.as_bytes()).map_err(failed)?;
    let text = Zeroizing::new(pem::encode("PRIVATE KEY", pkcs8.as_bytes()));
    Ok((LocalSigner::new(key, random), text))
}

/// 16 octets of chance, positive (RFC 5280 section 4.1.2.2).
fn serial() -> Result<Vec<u8>, Problem> {
    let mut serial = vec![0; 16];
    SystemRandom::new()
        .fill(&mut serial)
        .map_err(|_| Problem::Failed("the system has no randomness".into()))?;
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    Ok(serial)
}

fn general_name(text: &str) -> Result<GeneralName, Problem> {
    let identity: Identity = text.parse().map_err(|error| Problem::Usage(format!("{error}")))?;
    Ok(match identity {
        Identity::Fqdn(name) => GeneralName::Dns(name),
        Identity::Email(address) => GeneralName::Email(address),
        Identity::Ipv4(address) => GeneralName::Ip(address.into()),
        Identity::Ipv6(address) => GeneralName::Ip(address.into()),
        other => {
            let what = format!(
                "{} is no name of a certificate; a DN goes into --subject",
                other.kind_name()
            );
            return Err(Problem::Usage(what));
        }
    })
}

/// `CN=` and this text, whatever is in it.
fn common_name(text: &str) -> Result<Name, Problem> {
    let quoted: String = text
        .chars()
        .flat_map(|c| matches!(c, ',' | '+' | '\\').then_some('\\').into_iter().chain([c]))
        .collect();
    format!("CN={quoted}")
        .parse()
        .map_err(|error| Problem::Usage(format!("{error}")))
}
