//! Whether a path is revoked, by CRL and OCSP. What there is to fetch is fetched elsewhere, and only for a path that was
//! found good before: [`sources`] says what.

use std::fmt;

use super::crl::{Crl, Revoked};
use super::ocsp;
use super::path::Path;
use super::time::Time;
use super::x509::Certificate;

/// How much an answer is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Wanted {
    /// Nobody asks.
    #[default]
    Off,
    /// "Revoked" counts, no answer is no obstacle.
    Try,
    /// Without an answer the peer is refused.
    Require,
}

impl std::str::FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "try" => Ok(Self::Try),
            "require" => Ok(Self::Require),
            _ => Err("it is off, try or require".into()),
        }
    }
}

/// What is wanted of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct RevocationPolicy {
    /// Of CRLs.
    pub crl: Wanted,
    /// Of OCSP.
    pub ocsp: Wanted,
}

/// What is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// CRLs of any CA.
    pub crls: &'a [Crl],
    /// OCSP answers (whole OCSPResponses) with the nonce that was sent, if one was; fetched, or stapled (RFC 4806).
    pub ocsp: &'a [(Vec<u8>, Option<Vec<u8>>)],
}

/// Where answers about one certificate of a path can be fetched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The certificate.
    pub certificate: Certificate,
    /// Its issuer.
    pub issuer: Certificate,
    /// Addresses of CRLs.
    pub crls: Vec<String>,
    /// Addresses of OCSP responders, to be asked with [`ocsp::request`].
    pub responders: Vec<String>,
}

impl Source {
    /// Leaves out what nobody asks for, and what is answered already.
    pub fn leave_out(&mut self, policy: RevocationPolicy, known: &[Evidence<'_>], now: Time) {
        let (certificate, issuer) = (&self.certificate, &self.issuer);
        let mut crls = known.iter().flat_map(|evidence| evidence.crls);
        if policy.crl == Wanted::Off || crls.any(|crl| crl.status(certificate, issuer, now).is_ok()) {
            self.crls.clear();
        }
        let mut answers = known.iter().flat_map(|evidence| evidence.ocsp);
        let answered = |(response, nonce): &(Vec<u8>, Option<Vec<u8>>)| {
            ocsp::status(response, certificate, issuer, nonce.as_deref(), now).is_ok()
        };
        if policy.ocsp == Wanted::Off || answers.any(answered) {
            self.responders.clear();
        }
    }
}

/// What there is to fetch for a path, the peer's certificate first.
pub fn sources(path: &Path) -> Vec<Source> {
    let source = |(certificate, issuer): (&Certificate, &Certificate)| Source {
        certificate: certificate.clone(),
        issuer: issuer.clone(),
        crls: certificate.extensions().crl_urls.clone(),
        responders: certificate.extensions().ocsp_urls.clone(),
    };
    path.links().map(source).collect()
}

/// Why a path is refused for revocation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevocationRefusal {
    /// The certificate, as people know it.
    pub certificate: String,
    /// Why.
    pub why: Why,
}

/// Why a certificate is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Why {
    /// It is revoked.
    Revoked(Revoked),
    /// An answer is required, and there is none; with what is wrong with each that came.
    NoAnswer {
        /// "CRL" or "OCSP".
        kind: &'static str,
        /// What is wrong with those that came.
        reasons: Vec<String>,
    },
}

impl fmt::Display for RevocationRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate {}: ", self.certificate)?;
        match &self.why {
            Why::Revoked(revoked) => write!(f, "it is {revoked}"),
            Why::NoAnswer { kind, reasons } if reasons.is_empty() => {
                write!(f, "no {kind} says whether it is revoked, and one is required")
            }
            Why::NoAnswer { kind, reasons } => write!(
                f,
                "no {kind} says whether it is revoked, and one is required ({})",
                reasons.join("; ")
            ),
        }
    }
}

impl std::error::Error for RevocationRefusal {}

/// Looks at every certificate of the path but the trusted one.
///
/// # Errors
/// For the first that is revoked, or about which nothing is known that must be.
pub fn check(
    path: &Path,
    evidence: &Evidence<'_>,
    policy: RevocationPolicy,
    now: Time,
) -> Result<(), RevocationRefusal> {
    check_all(path, &[*evidence], policy, now)
}

/// The same with evidence from several places.
///
/// # Errors
/// As [`check`].
pub fn check_all(
    path: &Path,
    evidence: &[Evidence<'_>],
    policy: RevocationPolicy,
    now: Time,
) -> Result<(), RevocationRefusal> {
    // CAs first: what a revoked CA says about others is worth nothing.
    let links: Vec<_> = path.links().collect();
    for (certificate, issuer) in links.into_iter().rev() {
        let crls = || {
            let all = evidence.iter().flat_map(|evidence| evidence.crls);
            all.map(|crl| crl.status(certificate, issuer, now).map_err(|e| e.to_string()))
        };
        let answers = || {
            let all = evidence.iter().flat_map(|evidence| evidence.ocsp);
            all.map(|(response, nonce)| {
                ocsp::status(response, certificate, issuer, nonce.as_deref(), now).map_err(|e| e.to_string())
            })
        };
        one(certificate, "CRL", policy.crl, crls)?;
        one(certificate, "OCSP", policy.ocsp, answers)?;
    }
    Ok(())
}

impl RevocationRefusal {
    pub(super) fn no_path() -> Self {
        Self {
            certificate: String::new(),
            why: Why::NoAnswer {
                kind: "path",
                reasons: Vec::new(),
            },
        }
    }
}

fn one<I>(
    certificate: &Certificate,
    kind: &'static str,
    wanted: Wanted,
    statuses: impl Fn() -> I,
) -> Result<(), RevocationRefusal>
where
    I: Iterator<Item = Result<Option<Revoked>, String>>,
{
    if wanted == Wanted::Off {
        return Ok(());
    }
    let refuse = |why| {
        Err(RevocationRefusal {
            certificate: certificate.to_string(),
            why,
        })
    };
    let (mut good, mut reasons) = (false, Vec::new());
    for status in statuses() {
        match status {
            Ok(Some(revoked)) => return refuse(Why::Revoked(revoked)),
            Ok(None) => good = true,
            Err(reason) => reasons.push(reason),
        }
    }
    if good || wanted == Wanted::Try {
        Ok(())
    } else {
        reasons.truncate(4);
        refuse(Why::NoAnswer { kind, reasons })
    }
}
