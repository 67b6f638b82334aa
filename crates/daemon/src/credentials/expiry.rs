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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use handfast_config::load;
    use handfast_store::delta::CertificateFacts;
    use handfast_store::status::{AuthStatus, EndStatus, NatStatus};

    use super::*;

    /// The files of `crates/config/tests/pki`, at a time in 2027.
    struct Files;

    impl handfast_config::FileReader for Files {
        fn read(&self, path: &std::path::Path) -> Result<Vec<u8>, String> {
            let pki = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tests/pki");
            std::fs::read(pki.join(path)).map_err(|e| e.to_string())
        }

        fn mode(&self, _: &std::path::Path) -> Result<u32, String> {
            Ok(0o600)
        }

        fn list(&self, _: &std::path::Path) -> Result<Option<Vec<std::path::PathBuf>>, String> {
            Ok(None)
        }

        fn now(&self) -> Time {
            END.plus_days(0)
        }
    }

    /// soon.crt ends: 2027-01-20.
    const END: Time = Time(1_800_403_200);
    const DAY: i64 = 86_400;

    fn connections() -> Vec<Arc<Connection>> {
        let table = |name: &str, n: u8| {
            format!(
                "[connection.{name}]\nremote = \"192.0.2.{n}\"\nremote_subnet = \"10.{n}.0.0/16\"\n\
                 certificate = \"soon.crt\"\nkey = \"soon.key\"\nca = [\"ca.crt\", \"old.crt\"]\ncrl_file = \"old.crl\"\n"
            )
        };
        let text = table("one", 2) + &table("two", 3);
        load("t.toml", &text, &Files)
            .unwrap_or_else(|e| panic!("{e}"))
            .policy
            .connections
    }

    #[test]
    fn each_threshold_is_told_once() {
        let connections = connections();
        let at = |days: i64| Time(END.0 - days * DAY - DAY / 2);
        let mut told = Told::new(connections.iter(), at(30));
        let mut look = |time| told.look(connections.iter(), time);
        assert!(look(at(20)).is_empty());
        for (days, what) in [
            (13, "expires"),
            (6, "expires"),
            (2, "expires"),
            (0, "expires"),
            (-1, "expired"),
        ] {
            let warnings = look(at(days));
            assert_eq!(warnings.len(), 1, "{days}: {warnings:?}");
            assert!(
                warnings[0].contains("one: our certificate \"CN=soon\"") && warnings[0].contains(what),
                "{warnings:?}"
            );
            assert!(look(at(days)).is_empty(), "{days}");
        }
        assert!(look(at(-100)).is_empty());
    }

    #[test]
    fn what_ends_soon_at_the_start_was_told_there() {
        let connections = connections();
        let at = |days: i64| Time(END.0 - days * DAY - DAY / 2);
        let mut told = Told::new(connections.iter(), at(5));
        assert!(told.look(connections.iter(), at(5)).is_empty());
        assert_eq!(told.look(connections.iter(), at(2)).len(), 1);
        // Renewed: nothing is due, and it is told again should the old one come back.
        assert!(told.look([].into_iter(), at(2)).is_empty());
        assert!(!told.look(connections.iter(), at(2)).is_empty());
    }

    #[test]
    fn a_crl_that_is_outdated_is_told_once() {
        let connections = connections();
        // 2026-11-25, with the time of day when it was made.
        let (before, after) = (Time(1_795_600_000 - 10 * DAY), Time(1_795_600_000 + 10 * DAY));
        let mut told = Told::new(connections.iter(), before);
        let warnings = told.look(connections.iter(), after);
        assert!(warnings.len() == 1 && warnings[0].contains("CRL"), "{warnings:?}");
        assert!(told.look(connections.iter(), after).is_empty());
    }

    #[test]
    fn the_status_has_each_certificate_once_and_the_first_to_end_first() {
        let connections = connections();
        let peer = IkeSaStatus {
            connection: Some("two".into()),
            ike_version: Some(2),
            state: "established".into(),
            reason: None,
            retry_in_s: None,
            initiator: None,
            local: EndStatus::default(),
            remote: EndStatus::default(),
            spi_i: None,
            spi_r: None,
            proposal: None,
            auth: AuthStatus {
                peer_certificate: Some(CertificateFacts {
                    subject: "CN=peer".into(),
                    anchor: Some("CN=root".into()),
                    not_after: Some(END.0 + DAY),
                }),
                ..AuthStatus::default()
            },
            nat: NatStatus::default(),
            established_s: None,
            took_us: None,
            rekey_in_s: None,
            messages: 0,
            children: vec![],
        };
        let list = status(&connections, &[peer.clone(), peer], Time(END.0 - DAY));
        let shown: Vec<(&str, &str, usize, Option<i64>)> = list
            .iter()
            .map(|c| (c.kind.as_str(), c.subject.as_str(), c.connections.len(), c.expires_in_s))
            .collect();
        assert_eq!(shown.len(), 4, "{shown:?}");
        assert_eq!((shown[0].0, shown[0].1, shown[0].2), ("peer", "CN=old", 2));
        assert!(shown[0].3 < Some(0));
        assert_eq!(shown[1], ("own", "CN=soon", 2, Some(DAY)));
        assert_eq!(shown[2], ("peer", "CN=peer", 1, Some(2 * DAY)));
        assert_eq!((shown[3].0, shown[3].2), ("ca", 2));
        assert_eq!(list[2].issuer.as_deref(), Some("CN=root"));
    }
}
