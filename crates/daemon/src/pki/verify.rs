//! `pki verify`: what the daemon would do with a peer's certificate, step by step.

use std::fmt::Write;

use handfast_auth::Identity;
use handfast_auth::certificate::path::find;
use handfast_auth::certificate::revocation::{Evidence, RevocationPolicy, Wanted, check};
use handfast_auth::certificate::{Certificate, Crl, Name, Path, PathPolicy, Trust, Usage};

use super::{Problem, VerifyOptions, files};
use crate::net::clock::certificate_time;

/// Says whether the certificate is accepted; if not, the step that failed.
pub(super) fn verify(options: &VerifyOptions) -> Result<String, Problem> {
    let peer = files::read(&options.certificate, None)?;
    let (own, sent) = peer
        .certificates
        .split_first()
        .ok_or_else(|| Problem::Usage(format!("{} holds no certificate", options.certificate.display())))?;
    let trust = trust(options)?;
    let now = certificate_time();
    let policy = PathPolicy {
        usage: if options.tls_usage { Usage::IkeOrTls } else { Usage::Ike },
        sha1: options.sha1,
        ..PathPolicy::at(now)
    };
    let mut text = String::new();
    if let Some(identity) = &options.identity {
        let identity = identity_of(identity)?;
        own.is_of(&identity)
            .map_err(|refusal| Problem::Failed(refusal.to_string()))?;
        let _ = writeln!(text, "name        it is of {} \"{identity}\"", identity.kind_name());
    }
    let paths = find(own, sent, &trust, &policy).map_err(|refusal| Problem::Failed(refusal.to_string()))?;
    let path = unrevoked(options, &paths)?;
    for (index, certificate) in path.certificates().iter().enumerate() {
        let what = if index + 1 == path.certificates().len() {
            "trusted"
        } else {
            "issued by"
        };
        let what = if index == 0 { "certificate" } else { what };
        let _ = writeln!(text, "{what:<11} {certificate}, until {}", certificate.not_after());
    }
    let _ = writeln!(text, "accepted    until {}", path.not_after());
    Ok(text)
}

/// The first path that is not revoked.
fn unrevoked<'a>(options: &VerifyOptions, paths: &'a [Path]) -> Result<&'a Path, Problem> {
    let mut crls = Vec::new();
    for path in &options.crl {
        for der in files::read(path, None)?.crls {
            let crl = Crl::from_der(&der).map_err(|error| Problem::Usage(format!("{}: {error}", path.display())))?;
            crls.push(crl);
        }
    }
    let mut ocsp = Vec::new();
    for path in &options.ocsp {
        ocsp.push((files::octets(path)?.to_vec(), None));
    }
    let wanted = |given: bool| match options.revocation {
        Some(wanted) if given => wanted,
        None if given => Wanted::Try,
        _ => Wanted::Off,
    };
    let policy = RevocationPolicy {
        // "require" without a file of either kind means a CRL.
        crl: wanted(!crls.is_empty() || ocsp.is_empty() && options.revocation.is_some()),
        ocsp: wanted(!ocsp.is_empty()),
    };
    let evidence = Evidence {
        crls: &crls,
        ocsp: &ocsp,
    };
    let mut refusal = None;
    for path in paths {
        match check(path, &evidence, policy, certificate_time()) {
            Ok(()) => return Ok(path),
            Err(error) => refusal = refusal.or(Some(error.to_string())),
        }
    }
    Err(Problem::Failed(refusal.unwrap_or_default()))
}

fn trust(options: &VerifyOptions) -> Result<Trust, Problem> {
    let all = |paths: &[std::path::PathBuf]| -> Result<Vec<Certificate>, Problem> {
        let mut certificates = Vec::new();
        for path in paths {
            certificates.append(&mut files::read(path, None)?.certificates);
        }
        Ok(certificates)
    };
    let trust = Trust {
        anchors: all(&options.ca)?,
        intermediates: all(&options.intermediate)?,
    };
    if trust.anchors.is_empty() {
        return Err(Problem::Usage("no certificate is in what --ca names".into()));
    }
    Ok(trust)
}

/// An identity, or a distinguished name as people write it.
fn identity_of(text: &str) -> Result<Identity, Problem> {
    match (text.parse::<Identity>(), text.parse::<Name>()) {
        (Ok(identity), _) => Ok(identity),
        (Err(_), Ok(name)) => Ok(Identity::Dn(name.as_der().to_vec())),
        (Err(error), Err(_)) => Err(Problem::Usage(error.to_string())),
    }
}
