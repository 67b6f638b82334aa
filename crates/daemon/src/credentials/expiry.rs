//! When certificates expire: for the status, and for the log some days before.

use std::collections::HashMap;
use std::sync::Arc;

use handfast_auth::certificate::{Certificate, Time};
use handfast_config::EXPIRES_SOON;
use handfast_engine::policy::Connection;
use handfast_store::status::{CertificateStatus, IkeSaStatus};

/// People are told once for each of these, in days before the end.
const DAYS: [u32; 5] = [EXPIRES_SOON, 7, 3, 1, 0];
/// A system's directory of CAs is nobody's to renew.
const MOST_CAS: usize = 16;

/// Whose a certificate is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Own,
    Ca,
    Peer,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Ca => "ca",
            Self::Peer => "peer",
        }
    }
}

/// Certificates of a connection's configuration: ours with their chains, and those it trusts.
fn certificates(connection: &Connection) -> Vec<(Kind, &Certificate)> {
    let auth = &connection.auth;
    let chain = |chain| std::iter::zip([Kind::Own].into_iter().chain(std::iter::repeat(Kind::Ca)), chain);
    let mut all: Vec<_> = auth.certificates.iter().flat_map(|one| chain(&one.chain)).collect();
    let anchors = &auth.peers.trust.anchors;
    let kind = |c: &Certificate| {
        if c.is_ca() || c.is_self_issued() {
            Kind::Ca
        } else {
            Kind::Peer
        }
    };
    if anchors.len() <= MOST_CAS {
        all.extend(anchors.iter().map(|anchor| (kind(anchor), anchor)));
    }
    all
}

/// What people were told.
pub struct Told(HashMap<Vec<u8>, u32>);

impl Told {
    /// What is near its end now was told when the configuration was read.
    pub fn new<'a>(connections: impl Iterator<Item = &'a Arc<Connection>>, now: Time) -> Self {
        let mut told = Self(HashMap::new());
        drop(told.look(connections, now));
        told
    }

    /// Warnings that are due and were not given yet.
    pub fn look<'a>(&mut self, connections: impl Iterator<Item = &'a Arc<Connection>>, now: Time) -> Vec<String> {
        let (mut warnings, mut known) = (vec![], HashMap::new());
        for connection in connections {
            for (kind, certificate) in certificates(connection) {
                let key = certificate.as_der();
                let Some(days) = nearest(certificate.not_after(), now) else {
                    continue;
                };
                if known.contains_key(key) {
                    continue;
                }
                if self.0.get(key).is_none_or(|told| days < *told) {
                    warnings.push(warning(&connection.name, kind, certificate, now));
                }
                known.insert(key.to_vec(), days);
            }
            for crl in &connection.auth.peers.crls {
                let Some(due) = crl.next_update().filter(|due| *due < now) else {
                    continue;
                };
                let key = [crl.issuer().as_der(), &due.0.to_be_bytes()].concat();
                if !self.0.contains_key(&key) && !known.contains_key(&key) {
                    warnings.push(format!(
                        "{}: the CRL of \"{}\" is outdated since {due}",
                        connection.name,
                        crl.issuer()
                    ));
                }
                known.insert(key, 0);
            }
        }
        // What is not in use any more is forgotten.
        self.0 = known;
        warnings
    }
}

/// The last of [`DAYS`] that has come.
fn nearest(end: Time, now: Time) -> Option<u32> {
    DAYS.into_iter().rev().find(|days| now.plus_days(*days) > end)
}

fn warning(connection: &str, kind: Kind, certificate: &Certificate, now: Time) -> String {
    let what = match kind {
        Kind::Own => "our certificate",
        Kind::Ca => "the CA",
        Kind::Peer => "the peer's certificate",
    };
    let end = certificate.not_after();
    let expires = if now > end { "expired" } else { "expires" };
    format!("{connection}: {what} {certificate} {expires} on {end}: renew it")
}

/// For the status: what expires when, the first first.
pub fn status(connections: &[Arc<Connection>], sas: &[IkeSaStatus], now: Time) -> Vec<CertificateStatus> {
    let mut list: Vec<(Option<&[u8]>, CertificateStatus)> = vec![];
    for connection in connections {
        for (kind, certificate) in certificates(connection) {
            let der = certificate.as_der();
            let same = |(other, status): &&mut (Option<&[u8]>, CertificateStatus)| {
                *other == Some(der) && status.kind == kind.word()
            };
            match list.iter_mut().find(same) {
                Some((_, known)) => known.used_by(&connection.name),
                None => {
                    let status = CertificateStatus {
                        kind: kind.word().into(),
                        subject: name(certificate),
                        issuer: Some(certificate.issuer().to_string()),
                        not_after: Some(certificate.not_after().0),
                        expires_in_s: Some(certificate.not_after().0.saturating_sub(now.0)),
                        connections: vec![connection.name.clone()],
                    };
                    list.push((Some(der), status));
                }
            }
        }
    }
    for sa in sas {
        let (Some(facts), Some(connection)) = (&sa.auth.peer_certificate, &sa.connection) else {
            continue;
        };
        let same = |(der, other): &&mut (Option<&[u8]>, CertificateStatus)| {
            der.is_none() && (&other.subject, other.not_after) == (&facts.subject, facts.not_after)
        };
        match list.iter_mut().find(same) {
            Some((_, known)) => known.used_by(connection),
            None => {
                let status = CertificateStatus {
                    kind: Kind::Peer.word().into(),
                    subject: facts.subject.clone(),
                    issuer: facts.anchor.clone(),
                    not_after: facts.not_after,
                    expires_in_s: facts.not_after.map(|end| end.saturating_sub(now.0)),
                    connections: vec![connection.clone()],
                };
                list.push((None, status));
            }
        }
    }
    let mut list: Vec<CertificateStatus> = list.into_iter().map(|(_, status)| status).collect();
    list.sort_by_key(|one| one.not_after.unwrap_or(i64::MAX));
    list
}

/// The subject, or another name where there is none.
fn name(certificate: &Certificate) -> String {
    let names = &certificate.extensions().subject_alt_names;
    match names.first() {
        Some(name) if certificate.subject().is_empty() => name.to_string(),
        _ => certificate.subject().to_string(),
    }
}
