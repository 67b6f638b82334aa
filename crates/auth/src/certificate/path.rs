//! Paths from a peer's certificate to a CA that is trusted (RFC 5280 section 6, RFC 4945 section 5).
//!
//! The search goes from the peer's certificate up, tries every issuer of the right name, and does what is cheap before
//! it checks a signature. Both its depth and the signatures it checks are bounded, so that neither a thousand
//! certificates nor CAs that sign each other in a circle cost more than [`Limits`] say.

mod check;
mod refusal;

use super::time::Time;
use super::x509::Certificate;

pub use refusal::{PathRefusal, Reason};

/// Whom we trust, and what we know of others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trust {
    /// Trusted certificates: CAs, also such that another CA signed; or a peer's very own certificate.
    pub anchors: Vec<Certificate>,
    /// Certificates that may help to build a path. Not trusted.
    pub intermediates: Vec<Certificate>,
}

/// How certificates are judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathPolicy {
    /// The time.
    pub now: Time,
    /// Which extended key usages a peer's certificate may have.
    pub usage: Usage,
    /// Whether a certificate may be signed with SHA-1.
    pub sha1: bool,
    /// Bounds of the search.
    pub limits: Limits,
}

/// Which extended key usages a peer's certificate may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Usage {
    /// None, or among them ipsecIKE or any (RFC 4945 section 5.1.3.12).
    #[default]
    Ike,
    /// Those, or serverAuth or clientAuth: certificates made for TLS.
    IkeOrTls,
    /// Whatever it has.
    Any,
}

/// Bounds of the search for a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Certificates in a path, both ends counted.
    pub depth: usize,
    /// Signatures that are checked.
    pub signatures: usize,
    /// Certificates that a peer may send.
    pub certificates: usize,
    /// Paths that are kept, if there are several.
    pub paths: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 8,
            signatures: 32,
            certificates: 24,
            paths: 4,
        }
    }
}

impl PathPolicy {
    /// The strict policy at this time.
    pub fn at(now: Time) -> Self {
        Self {
            now,
            usage: Usage::default(),
            sha1: false,
            limits: Limits::default(),
        }
    }
}

/// A path that was found good: the peer's certificate first, the trusted one last (the same, if that was trusted).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path(Vec<Certificate>);

impl Path {
    /// The certificates, the peer's first.
    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// Each certificate whose revocation is to be asked for, with its issuer. The trusted one is not among them.
    pub fn links(&self) -> impl Iterator<Item = (&Certificate, &Certificate)> {
        self.0.iter().zip(self.0.iter().skip(1))
    }

    /// Until when all of it is valid.
    pub fn not_after(&self) -> Time {
        let ends = self.0.iter().map(Certificate::not_after);
        ends.min().unwrap_or(Time(i64::MIN))
    }
}

/// Finds the paths from `peer` to trusted certificates, over `sent` (what came with it) and known intermediates. There
/// can be several where CAs sign each other; one may be revoked and another not.
///
/// # Errors
/// If there is none: why the most promising attempt failed, and at which certificate.
pub fn find(
    peer: &Certificate,
    sent: &[Certificate],
    trust: &Trust,
    policy: &PathPolicy,
) -> Result<Vec<Path>, PathRefusal> {
    if sent.len() > policy.limits.certificates {
        return Err(PathRefusal::at(
            peer,
            Reason::TooMany {
                sent: sent.len(),
                most: policy.limits.certificates,
            },
        ));
    }
    check::peer(peer, policy).map_err(|reason| PathRefusal::at(peer, reason))?;
    if trust.anchors.contains(peer) {
        return Ok(vec![Path(vec![peer.clone()])]);
    }
    let mut search = Search {
        sent,
        trust,
        policy,
        signatures: policy.limits.signatures,
        found: Vec::new(),
        refusal: None,
    };
    search.extend(&mut vec![peer.clone()]);
    if search.found.is_empty() {
        let (_, refusal) = search
            .refusal
            .unwrap_or((0, PathRefusal::at(peer, Reason::no_issuer(peer))));
        return Err(refusal);
    }
    Ok(search.found)
}

struct Search<'a> {
    sent: &'a [Certificate],
    trust: &'a Trust,
    policy: &'a PathPolicy,
    /// How many more may be checked.
    signatures: usize,
    found: Vec<Path>,
    /// The refusal of the attempt that came furthest, and how far that was.
    refusal: Option<(usize, PathRefusal)>,
}

impl Search<'_> {
    /// Looks for issuers of the last certificate of `path`.
    fn extend(&mut self, path: &mut Vec<Certificate>) {
        let Some(child) = path.last().cloned() else {
            return;
        };
        if path.len() >= self.policy.limits.depth {
            self.note(path.len(), &child, Reason::TooDeep(self.policy.limits.depth));
            return;
        }
        let mut known = false;
        for (candidate, trusted) in self.candidates(&child) {
            // RFC 5280 section 6.1: no certificate twice. Nor a key twice: that is a circle.
            if path
                .iter()
                .any(|own| own.subject() == candidate.subject() && own.spki() == candidate.spki())
            {
                continue;
            }
            known = true;
            if self.found.len() >= self.policy.limits.paths {
                return;
            }
            match self.issued(&candidate, trusted, path) {
                Err((at, reason)) => self.note(path.len(), &at, reason),
                Ok(()) => {
                    path.push(candidate);
                    if trusted {
                        match check::constraints(path) {
                            Ok(()) => self.found.push(Path(path.clone())),
                            Err((at, reason)) => self.note(path.len(), &at, reason),
                        }
                    } else {
                        self.extend(path);
                    }
                    path.pop();
                }
            }
        }
        if !known {
            self.note(path.len(), &child, Reason::no_issuer(&child));
        }
    }

    /// Certificates of the issuer's name, each once; trusted ones first, then those whose key identifier fits.
    fn candidates(&self, child: &Certificate) -> Vec<(Certificate, bool)> {
        let named = |list: &[Certificate], trusted: bool| -> Vec<(Certificate, bool)> {
            let of_name = list.iter().filter(|candidate| candidate.subject() == child.issuer());
            of_name.map(|candidate| (candidate.clone(), trusted)).collect()
        };
        let mut all = named(&self.trust.anchors, true);
        for other in [self.sent, &self.trust.intermediates] {
            for (candidate, _) in named(other, false) {
                if !all.iter().any(|(known, _)| *known == candidate) {
                    all.push((candidate, false));
                }
            }
        }
        let fits = |candidate: &Certificate| {
            let (wanted, own) = (
                &child.extensions().authority_key_id,
                &candidate.extensions().subject_key_id,
            );
            wanted.is_none() || own.is_none() || wanted == own
        };
        all.sort_by_key(|(candidate, trusted)| (!fits(candidate), !*trusted));
        all
    }

    /// Whether `issuer` may have issued, and did issue, the last certificate of `path`. If not, why, and at which
    /// certificate.
    fn issued(
        &mut self,
        issuer: &Certificate,
        trusted: bool,
        path: &[Certificate],
    ) -> Result<(), (Certificate, Reason)> {
        check::issuer(issuer, trusted, path, self.policy)?;
        let Some(child) = path.last() else {
            return Ok(());
        };
        self.signatures = self
            .signatures
            .checked_sub(1)
            .ok_or((child.clone(), Reason::TooMuchWork(self.policy.limits.signatures)))?;
        check::signature(child, issuer, self.policy).map_err(|reason| (child.clone(), reason))
    }

    fn note(&mut self, depth: usize, at: &Certificate, reason: Reason) {
        let further = self.refusal.as_ref().is_none_or(|(known, _)| depth > *known);
        if further {
            self.refusal = Some((depth, PathRefusal::at(at, reason)));
        }
    }
}

/// Checks that `child` is signed by `issuer`, and by nothing else that a path needs.
///
/// # Errors
/// Why not.
pub fn signed_by(child: &Certificate, issuer: &Certificate, policy: &PathPolicy) -> Result<(), Reason> {
    check::signature(child, issuer, policy)
}
