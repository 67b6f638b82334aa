//! Certificate revocation lists (RFC 5280 section 5). The entries of a list are looked through where they stand: a list
//! of megabytes costs its octets and no more.

use std::fmt;
use std::sync::Arc;

use handfast_crypto::hash::Hash;

use super::algorithm::{AlgorithmError, Scheme};
use super::der::{Der, DerError, tag};
use super::extensions::KeyUsage;
use super::name::Name;
use super::time::Time;
use super::x509::Certificate;

/// A CRL, read but not judged.
#[derive(Clone)]
pub struct Crl {
    /// Shared: what is fetched once is used by many judgements.
    der: Arc<[u8]>,
    tbs: std::ops::Range<usize>,
    /// The entries, from where to where in `der`.
    revoked: std::ops::Range<usize>,
    issuer: Name,
    this_update: Time,
    next_update: Option<Time>,
    scheme: Result<Scheme, AlgorithmError>,
    signature: Vec<u8>,
    scope: Scope,
    unknown_critical: bool,
}

impl PartialEq for Crl {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Crl {}

/// What a list covers (issuingDistributionPoint).
#[derive(Clone, Copy, Default)]
struct Scope {
    only_users: bool,
    only_cas: bool,
    /// Only some reasons, only attributes, an indirect list or a delta: nothing that answers our question.
    partial: bool,
}

/// Why a CRL says nothing about a certificate.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrlError {
    /// It cannot be read.
    #[error("the CRL cannot be read ({0})")]
    Malformed(#[from] DerError),
    /// It is of another CA.
    #[error("the CRL is of \"{0}\"")]
    OtherIssuer(String),
    /// The CA may not sign CRLs.
    #[error("the CRL's issuer may not sign CRLs (its key usage lacks cRLSign)")]
    NoCrlSign,
    /// Its signature does not fit, or cannot be checked.
    #[error("the CRL's signature does not fit its issuer's key")]
    Signature,
    /// It is signed with SHA-1.
    #[error("the CRL is signed with SHA-1, which is broken")]
    Sha1,
    /// It is not valid yet.
    #[error("the CRL is not valid before {0}")]
    NotYetValid(Time),
    /// It is outdated.
    #[error("the CRL is outdated since {0}")]
    Outdated(Time),
    /// It covers something else.
    #[error("the CRL covers a part of the certificates only, and not this one")]
    Scope,
}

/// That a certificate is revoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Revoked {
    /// Since when.
    pub since: Time,
    /// CRLReason; 0 if none was given.
    pub reason: u8,
}

/// How far clocks may be apart.
pub(super) const SKEW: i64 = 300;

impl Crl {
    /// Reads a CRL with nothing after it.
    ///
    /// # Errors
    /// If it is not DER or no CRL.
    pub fn from_der(octets: &[u8]) -> Result<Self, DerError> {
        let mut outer = Der::new(octets);
        let mut fields = outer.sequence("CRL")?;
        outer.end("CRL")?;
        let tbs = fields.tlv(tag::SEQUENCE, "tbsCertList")?;
        let algorithm = fields.tlv(tag::SEQUENCE, "signatureAlgorithm")?;
        let signature = fields.octet_bits("signature")?;
        fields.end("CRL")?;
        let mut inner = Der::new(tbs.value);
        inner.optional(tag::INTEGER, "version")?;
        let inner_algorithm = inner.tlv(tag::SEQUENCE, "signature algorithm")?;
        let issuer = Name::parse(&mut inner, "issuer")?;
        let this_update = Time::parse(&mut inner, "thisUpdate")?;
        let next_update = match inner.peek() {
            Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => Some(Time::parse(&mut inner, "nextUpdate")?),
            _ => None,
        };
        let revoked = inner
            .optional(tag::SEQUENCE, "revokedCertificates")?
            .unwrap_or_default();
        let mut scope = Scope::default();
        let mut unknown_critical = false;
        if let Some(extensions) = inner.optional(tag::constructed(0), "crlExtensions")? {
            let mut list = Der::new(extensions).sequence("crlExtensions")?;
            while !list.is_empty() {
                let mut extension = list.sequence("crlExtension")?;
                let oid = extension.oid("crlExtension")?;
                let critical = extension.flag("crlExtension")?;
                let value = extension.value(tag::OCTET_STRING, "crlExtension")?;
                match oid {
                    [0x55, 0x1d, 28] => scope = Scope::parse(Der::new(value))?,
                    [0x55, 0x1d, 27] => scope.partial = true,
                    // cRLNumber and authorityKeyIdentifier.
                    [0x55, 0x1d, 20 | 35] => {}
                    _ => unknown_critical |= critical,
                }
            }
        }
        inner.end("tbsCertList")?;
        if inner_algorithm.raw != algorithm.raw {
            return Err(DerError {
                field: "CRL",
                what: "two signature algorithms that differ",
            });
        }
        let within = |part: &[u8]| {
            let start = (part.as_ptr() as usize).saturating_sub(octets.as_ptr() as usize);
            if part.is_empty() {
                0..0
            } else {
                start..start + part.len()
            }
        };
        Ok(Self {
            der: octets.into(),
            tbs: within(tbs.raw),
            revoked: within(revoked),
            issuer,
            this_update,
            next_update,
            scheme: Scheme::from_der(algorithm.raw),
            signature: signature.to_vec(),
            scope,
            unknown_critical,
        })
    }

    /// Who signed it.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// When the next one is due.
    pub fn next_update(&self) -> Option<Time> {
        self.next_update
    }

    /// Whether it says that `certificate`, which `issuer` issued, is revoked.
    ///
    /// # Errors
    /// If it says nothing about it: [`CrlError`].
    pub fn status(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        now: Time,
    ) -> Result<Option<Revoked>, CrlError> {
        if self.issuer != *issuer.subject() || self.issuer != *certificate.issuer() {
            return Err(CrlError::OtherIssuer(self.issuer.to_string()));
        }
        let wrong_kind = if certificate.is_ca() {
            self.scope.only_users
        } else {
            self.scope.only_cas
        };
        if self.scope.partial || self.unknown_critical || wrong_kind {
            return Err(CrlError::Scope);
        }
        if now.0 + SKEW < self.this_update.0 {
            return Err(CrlError::NotYetValid(self.this_update));
        }
        // Without an end it is of no use after a while either, but nobody can say after which (RFC 5280 requires one).
        if let Some(end) = self.next_update.filter(|end| now.0 - SKEW > end.0) {
            return Err(CrlError::Outdated(end));
        }
        if issuer
            .extensions()
            .key_usage
            .is_some_and(|usage| !usage.has(KeyUsage::CRL_SIGN))
        {
            return Err(CrlError::NoCrlSign);
        }
        let (Ok(scheme), Ok(key)) = (&self.scheme, issuer.key()) else {
            return Err(CrlError::Signature);
        };
        if scheme.hash() == Some(Hash::Sha1) {
            return Err(CrlError::Sha1);
        }
        let tbs = self.der.get(self.tbs.clone()).unwrap_or_default();
        key.verify(*scheme, tbs, &self.signature)
            .map_err(|_| CrlError::Signature)?;
        Ok(self.entry(certificate.serial())?)
    }

    fn entry(&self, serial: &[u8]) -> Result<Option<Revoked>, DerError> {
        let mut entries = Der::new(self.der.get(self.revoked.clone()).unwrap_or_default());
        while !entries.is_empty() {
            let mut entry = entries.sequence("revokedCertificate")?;
            if entry.value(tag::INTEGER, "userCertificate")? != serial {
                continue;
            }
            let since = Time::parse(&mut entry, "revocationDate")?;
            let mut reason = 0;
            if let Some(extensions) = entry.optional(tag::SEQUENCE, "crlEntryExtensions")? {
                let mut list = Der::new(extensions);
                while !list.is_empty() {
                    let mut extension = list.sequence("crlEntryExtension")?;
                    let oid = extension.oid("crlEntryExtension")?;
                    extension.flag("crlEntryExtension")?;
                    let value = extension.value(tag::OCTET_STRING, "crlEntryExtension")?;
                    if let ([0x55, 0x1d, 21], [0x0a, 1, number]) = (oid, value) {
                        reason = *number;
                    }
                }
            }
            return Ok(Some(Revoked { since, reason }));
        }
        Ok(None)
    }
}

impl Scope {
    fn parse(mut der: Der<'_>) -> Result<Self, DerError> {
        let mut fields = der.sequence("issuingDistributionPoint")?;
        fields.optional(tag::constructed(0), "distributionPoint")?;
        let mut flag = |number, field| {
            Ok(fields
                .optional(tag::context(number), field)?
                .is_some_and(|value| value != [0]))
        };
        Ok(Self {
            only_users: flag(1, "onlyContainsUserCerts")?,
            only_cas: flag(2, "onlyContainsCACerts")?,
            partial: flag(3, "onlySomeReasons")? | flag(4, "indirectCRL")? | flag(5, "onlyContainsAttributeCerts")?,
        })
    }
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            1 => " (key compromise)",
            2 => " (CA compromise)",
            3 => " (affiliation changed)",
            4 => " (superseded)",
            5 => " (cessation of operation)",
            6 => " (on hold)",
            9 => " (privilege withdrawn)",
            10 => " (attribute authority compromise)",
            _ => "",
        };
        write!(f, "revoked since {}{reason}", self.since)
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crl(\"{}\", {})", self.issuer, self.this_update)
    }
}
