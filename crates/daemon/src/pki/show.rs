//! `pki show`.

use std::fmt::Write;

use handfast_auth::certificate::{Certificate, Crl};

use super::{Problem, ShowOptions, files};
use crate::net::clock::certificate_time;

/// Shows what is in files.
pub(super) fn show(options: &ShowOptions) -> Result<String, Problem> {
    let passphrase = match &options.passphrase_file {
        Some(path) => Some(files::passphrase(path)?),
        None => None,
    };
    let mut text = String::new();
    for path in &options.files {
        let bundle = files::read(path, passphrase.as_ref())?;
        let _ = writeln!(text, "{}:", path.display());
        for certificate in &bundle.certificates {
            certificate_lines(&mut text, certificate);
        }
        for key in &bundle.keys {
            let of = bundle
                .certificates
                .iter()
                .find(|certificate| certificate.key() == Ok(key.public()));
            let of = of.map_or(String::new(), |certificate| {
                format!(", of the certificate {certificate}")
            });
            let _ = writeln!(text, "  private key: {}{of}", key.public());
        }
        for der in &bundle.crls {
            match Crl::from_der(der) {
                Ok(crl) => {
                    let end = crl
                        .next_update()
                        .map_or("without an end".into(), |end| format!("until {end}"));
                    let _ = writeln!(text, "  CRL of \"{}\", {end}", crl.issuer());
                }
                Err(error) => {
                    let _ = writeln!(text, "  a CRL that cannot be read ({error})");
                }
            }
        }
    }
    Ok(text)
}

fn certificate_lines(text: &mut String, certificate: &Certificate) {
    let extensions = certificate.extensions();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "    {name:<10} {value}");
        }
    };
    let serial: String = certificate
        .serial()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let names: Vec<String> = extensions.subject_alt_names.iter().map(ToString::to_string).collect();
    line("subject", certificate.subject().to_string());
    line("names", names.join(", "));
    line("issuer", certificate.issuer().to_string());
    line("serial", serial);
    let now = certificate_time();
    let state = if now < certificate.not_before() {
        " (not yet)"
    } else if now > certificate.not_after() {
        " (expired)"
    } else {
        ""
    };
    line(
        "valid",
        format!("{} to {}{state}", certificate.not_before(), certificate.not_after()),
    );
    let key = certificate.key().map_or_else(ToString::to_string, ToString::to_string);
    line("key", key);
    let scheme = certificate.scheme();
    line(
        "signature",
        scheme.map_or_else(ToString::to_string, |scheme| scheme.to_string()),
    );
    let path_len = extensions
        .basic_constraints
        .and_then(|constraints| constraints.path_len);
    if certificate.is_ca() {
        let length = path_len.map_or(String::new(), |length| format!(", {length} more below it"));
        line("CA", format!("yes{length}"));
    }
    line("CRL", extensions.crl_urls.join(", "));
    line("OCSP", extensions.ocsp_urls.join(", "));
    line("unknown", extensions.unknown_critical.join(", "));
    text.push('\n');
}
