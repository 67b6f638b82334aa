//! `pki verify`: what the daemon would do with a peer's certificate, step by step.

use std::fmt::Write;
use std::sync::Arc;

use handfast_auth::certificate::path::find;
use handfast_auth::certificate::revocation::{Evidence, RevocationPolicy, Wanted, check};
use handfast_auth::certificate::{Certificate, Crl, Name, Path, PathPolicy, PeerPolicy, Trust, Usage};
use handfast_auth::{Identity, IdentityPattern};
use handfast_engine::policy::{Connection, Method};

use super::{Problem, VerifyOptions, fetch, files};
use crate::config_file::{self, Unusable};
use crate::net::clock::certificate_time;
use crate::revocation::Step;
use crate::revocation::judge::explained;

/// Says whether the certificate is accepted; if not, the step that failed.
pub(super) fn verify(options: &VerifyOptions) -> Result<String, Problem> {
    let peer = files::read(&options.certificate, None)?;
    let (own, sent) = peer
        .certificates
        .split_first()
        .ok_or_else(|| Problem::Usage(format!("{} holds no certificate", options.certificate.display())))?;
    let mut text = String::new();
    let given = options.identity.as_deref().map(identity_of).transpose()?;
    let (peers, identity) = match connection(options)? {
        Some(connection) => {
            let identity = identity_for(&connection, own, given)?;
            let _ = writeln!(text, "connection  {} of {}", connection.name, connection.place);
            (connection.auth.peers.clone(), Some(identity))
        }
        None => (Arc::new(policy(options)?), given),
    };
    if let Some(identity) = identity {
        own.is_of(&identity)
            .map_err(|refusal| Problem::Failed(refusal.to_string()))?;
        let _ = writeln!(text, "name        it is of {} \"{identity}\"", identity.kind_name());
    }
    let now = certificate_time();
    let limits = PathPolicy {
        now,
        usage: peers.usage,
        sha1: peers.sha1,
        limits: peers.limits,
    };
    let paths = find(own, sent, &peers.trust, &limits).map_err(|refusal| Problem::Failed(refusal.to_string()))?;
    let (path, steps) = unrevoked(options, &peers, &paths)?;
    for (index, certificate) in path.certificates().iter().enumerate() {
        let what = if index + 1 == path.certificates().len() {
            "trusted"
        } else {
            "issued by"
        };
        let what = if index == 0 { "certificate" } else { what };
        let _ = writeln!(text, "{what:<11} {certificate}, until {}", certificate.not_after());
    }
    for step in &steps {
        let _ = writeln!(text, "{}", fetch::line(step));
    }
    let _ = writeln!(text, "accepted    until {}", path.not_after());
    Ok(text)
}

/// The connection that is to judge, if one is named.
fn connection(options: &VerifyOptions) -> Result<Option<Arc<Connection>>, Problem> {
    let (Some(name), Some(file)) = (&options.connection, &options.config) else {
        return Ok(None);
    };
    let loaded = config_file::read(file).map_err(|unusable| match unusable {
        Unusable::File(why) => Problem::Usage(why),
        mistakes => Problem::Usage(mistakes.lines().join("\n")),
    })?;
    let all = loaded.policy.connections;
    let Some(connection) = all.iter().find(|c| c.name == *name) else {
        let known: Vec<&str> = all.iter().map(|c| c.name.as_str()).collect();
        let known = known.join(", ");
        return Err(Problem::Usage(format!(
            "{} has no connection {name}; it has {known}",
            file.display()
        )));
    };
    if !connection.auth.accepts(Method::Certificate) {
        let accepted: Vec<&str> = connection.auth.remote.iter().map(|m| m.name()).collect();
        return Err(Problem::Failed(format!(
            "{name} accepts of its peer {} only ({}, remote_auth)",
            accepted.join(" or "),
            connection.place
        )));
    }
    Ok(Some(connection.clone()))
}

/// Whom the connection takes the peer for: whom it is said to be, or whom the connection wants.
fn identity_for(
    connection: &Connection,
    certificate: &Certificate,
    given: Option<Identity>,
) -> Result<Identity, Problem> {
    let wanted = &connection.remote_id;
    let name = &connection.name;
    if let Some(given) = given {
        return if wanted.matches(&given) {
            Ok(given)
        } else {
            Err(Problem::Failed(format!(
                "{name} accepts no {} \"{given}\": its remote_id is {wanted} ({})",
                given.kind_name(),
                connection.place
            )))
        };
    }
    if let IdentityPattern::Exact(identity) = wanted {
        return Ok(identity.clone());
    }
    let all = certificate.identities();
    if let Some(fits) = all.iter().find(|identity| wanted.matches(identity)) {
        return Ok(fits.clone());
    }
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    Err(Problem::Failed(format!(
        "certificate {certificate} is of nobody that {name} accepts: its remote_id is {wanted} ({}), and the certificate \
         has {}",
        connection.place,
        all.join(", ")
    )))
}

/// The first path that is not revoked, and what was fetched to know that.
fn unrevoked<'a>(
    options: &VerifyOptions,
    peers: &PeerPolicy,
    paths: &'a [Path],
) -> Result<(&'a Path, Vec<Step>), Problem> {
    let mut crls = peers.crls.clone();
    crls.append(&mut crls_of(options)?);
    let mut ocsp = Vec::new();
    for path in &options.ocsp {
        ocsp.push((files::octets(path)?.to_vec(), None));
    }
    let (mut revocation, mut steps) = (peers.revocation, Vec::new());
    if options.fetch {
        let given = [!crls.is_empty(), !ocsp.is_empty()];
        let gathered = fetch::gather(options, revocation, paths, &crls, &ocsp)?;
        if options.connection.is_none() {
            revocation = fetch::policy(options, given, &gathered);
        }
        crls.extend(gathered.crls);
        ocsp.extend(gathered.ocsp);
        steps = gathered.steps;
    }
    let evidence = Evidence {
        crls: &crls,
        ocsp: &ocsp,
    };
    let mut refusal = None;
    for path in paths {
        match check(path, &evidence, revocation, certificate_time()) {
            Ok(()) => return Ok((path, steps)),
            Err(error) => refusal = refusal.or(Some(explained(error, &steps).to_string())),
        }
    }
    let mut refusal = refusal.unwrap_or_default();
    if options.connection.is_some() && !options.fetch {
        // The daemon would ask for what it is not given.
        refusal.push_str("; nothing is fetched here without --fetch: --crl and --ocsp name what there is");
    }
    Err(Problem::Failed(refusal))
}

fn crls_of(options: &VerifyOptions) -> Result<Vec<Crl>, Problem> {
    let mut crls = Vec::new();
    for path in &options.crl {
        for der in files::read(path, None)?.crls {
            let crl = Crl::from_der(&der).map_err(|error| Problem::Usage(format!("{}: {error}", path.display())))?;
            crls.push(crl);
        }
    }
    Ok(crls)
}

/// What the options alone say.
fn policy(options: &VerifyOptions) -> Result<PeerPolicy, Problem> {
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
    let wanted = |given: bool| match options.revocation {
        Some(wanted) if given => wanted,
        None if given => Wanted::Try,
        _ => Wanted::Off,
    };
    let (crl, ocsp) = (!crls_of(options)?.is_empty(), !options.ocsp.is_empty());
    Ok(PeerPolicy {
        trust,
        usage: if options.tls_usage { Usage::IkeOrTls } else { Usage::Ike },
        sha1: options.sha1,
        revocation: RevocationPolicy {
            // "require" without a file of either kind means a CRL.
            crl: wanted(crl || !ocsp && options.revocation.is_some()),
            ocsp: wanted(ocsp),
        },
        ..PeerPolicy::default()
    })
}

/// An identity, or a distinguished name as people write it.
fn identity_of(text: &str) -> Result<Identity, Problem> {
    match (text.parse::<Identity>(), text.parse::<Name>()) {
        (Ok(identity), _) => Ok(identity),
        (Err(_), Ok(name)) => Ok(Identity::Dn(name.as_der().to_vec())),
        (Err(error), Err(_)) => Err(Problem::Usage(error.to_string())),
    }
}
