//! Why a peer's certificate leads to nobody who is trusted.

use std::fmt;

use super::super::algorithm::AlgorithmError;
use super::super::public_key::KeyError;
use super::super::time::Time;
use super::super::x509::Certificate;

/// What failed, and at which certificate. For our log; the peer hears AUTHENTICATION_FAILED.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathRefusal {
    /// The certificate, as people know it.
    pub certificate: String,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a certificate.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It is not valid any more.
    #[error("it expired on {0}")]
    Expired(Time),
    /// It is not valid yet.
    #[error("it is not valid before {0}")]
    NotYetValid(Time),
    /// Its key is of no use.
    #[error("it has {0}")]
    Key(KeyError),
    /// Its signature is of a kind that cannot be checked.
    #[error("{0}")]
    Algorithm(AlgorithmError),
    /// Its signature is made with SHA-1.
    #[error("it is signed with SHA-1, which is broken")]
    Sha1,
    /// Its signature does not fit the issuer's key.
    #[error("its signature is not of {0}")]
    Signature(String),
    /// Nobody known has issued it.
    #[error("no trusted CA and no certificate that was sent is its issuer \"{0}\"")]
    NoIssuer(String),
    /// It signed itself.
    #[error("it is signed by itself and not among the trusted certificates")]
    SelfSigned,
    /// It issued a certificate, but is no CA.
    #[error("it issued a certificate and is no CA")]
    NotCa,
    /// It issued a certificate, but may not.
    #[error("it issued a certificate, for which its key usage lacks keyCertSign")]
    NoCertSign,
    /// There are more CAs below it than it allows.
    #[error("more than {0} intermediate CAs are below it, which its path length forbids")]
    PathLength(u32),
    /// A name is not one that a CA above may certify.
    #[error("{0} of {1}")]
    NameConstraints(String, String),
    /// A critical extension is not known.
    #[error("its critical extension {0} is not supported")]
    Critical(String),
    /// The key is not for signatures.
    #[error("its key usage has neither digitalSignature nor nonRepudiation")]
    NoSignatureUsage,
    /// It is for other purposes.
    #[error(
        "it is made for {} and not for IKE (its extended key usage has neither ipsecIKE nor any)", .0.join(", ")
    )]
    ExtendedKeyUsage(Vec<String>),
    /// The path is too long.
    #[error("no trusted CA within {0} certificates")]
    TooDeep(usize),
    /// Too many certificates were sent.
    #[error("{sent} certificates came with it, {most} at most are looked at")]
    TooMany {
        /// How many came.
        sent: usize,
        /// How many may.
        most: usize,
    },
    /// There are too many ways.
    #[error("no trusted CA was found with {0} signatures checked")]
    TooMuchWork(usize),
}

impl Reason {
    pub(super) fn no_issuer(certificate: &Certificate) -> Self {
        if certificate.is_self_issued() {
            Self::SelfSigned
        } else {
            Self::NoIssuer(certificate.issuer().to_string())
        }
    }
}

impl PathRefusal {
    pub(super) fn at(certificate: &Certificate, reason: Reason) -> Self {
        Self {
            certificate: certificate.to_string(),
            reason,
        }
    }
}

impl fmt::Display for PathRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate {}: {}", self.certificate, self.reason)
    }
}

impl std::error::Error for PathRefusal {}
