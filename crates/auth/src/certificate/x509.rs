//! One X.509 certificate (RFC 5280 section 4.1).

use std::fmt;
use std::sync::Arc;

use handfast_crypto::hash::Hash;

use super::algorithm::{AlgorithmError, Scheme};
use super::der::{Der, DerError, tag};
use super::extensions::Extensions;
use super::name::Name;
use super::public_key::{KeyError, PublicKey};
use super::time::Time;

/// A certificate, read but not judged. Cheap to clone.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    /// How much of `der` is TBSCertificate, and from where.
    tbs: std::ops::Range<usize>,
    version: u32,
    serial: Vec<u8>,
    scheme: Result<Scheme, AlgorithmError>,
    signature: Vec<u8>,
    issuer: Name,
    subject: Name,
    not_before: Time,
    not_after: Time,
    spki: Vec<u8>,
    key: Result<PublicKey, KeyError>,
    extensions: Extensions,
}

/// No certificate is longer.
pub const LONGEST: usize = 65_536;

impl Certificate {
    /// Reads one certificate with nothing after it. An unknown algorithm or key is no error here; who needs it refuses.
    ///
    /// # Errors
    /// If it is not DER, not an X.509 certificate, or longer than [`LONGEST`].
    pub fn from_der(octets: &[u8]) -> Result<Self, DerError> {
        let fail = |what| DerError {
            field: "certificate",
            what,
        };
        if octets.len() > LONGEST {
            return Err(fail("longer than 65536 octets"));
        }
        let mut outer = Der::new(octets);
        let mut fields = outer.sequence("certificate")?;
        outer.end("certificate")?;
        let tbs = fields.tlv(tag::SEQUENCE, "tbsCertificate")?;
        let algorithm = fields.tlv(tag::SEQUENCE, "signatureAlgorithm")?;
        let signature = fields.octet_bits("signature")?;
        fields.end("certificate")?;

        let mut inner = Der::new(tbs.value);
        let version = match inner.optional(tag::constructed(0), "version")? {
            Some(version) => Der::new(version).small("version")? + 1,
            None => 1,
        };
        // A negative or zero serial number is wrong and exists.
        let serial = inner.value(tag::INTEGER, "serialNumber")?;
        let inner_algorithm = inner.tlv(tag::SEQUENCE, "signature algorithm")?;
        let issuer = Name::parse(&mut inner, "issuer")?;
        let mut validity = inner.sequence("validity")?;
        let not_before = Time::parse(&mut validity, "notBefore")?;
        let not_after = Time::parse(&mut validity, "notAfter")?;
        validity.end("validity")?;
        let subject = Name::parse(&mut inner, "subject")?;
        let spki = inner.tlv(tag::SEQUENCE, "subjectPublicKeyInfo")?;
        inner.optional(tag::context(1), "issuerUniqueID")?;
        inner.optional(tag::context(2), "subjectUniqueID")?;
        let extensions = match inner.optional(tag::constructed(3), "extensions")? {
            Some(value) => {
                let mut value = Der::new(value);
                let extensions = Extensions::parse(&mut value)?;
                value.end("extensions")?;
                extensions
            }
            None => Extensions::default(),
        };
        inner.end("tbsCertificate")?;
        if version > 3 || serial.is_empty() {
            return Err(fail("a version or serial number that does not exist"));
        }
        // RFC 5280 section 4.1.1.2.
        if inner_algorithm.raw != algorithm.raw {
            return Err(fail("two signature algorithms that differ"));
        }
        let start = tbs.raw.as_ptr() as usize - octets.as_ptr() as usize;
        Ok(Self(Arc::new(Inner {
            der: octets.to_vec(),
            tbs: start..start + tbs.raw.len(),
            version,
            serial: serial.to_vec(),
            scheme: Scheme::from_der(algorithm.raw),
            signature: signature.to_vec(),
            issuer,
            subject,
            not_before,
            not_after,
            spki: spki.raw.to_vec(),
            key: PublicKey::from_spki(spki.raw),
            extensions,
        })))
    }

    /// The whole certificate.
    pub fn as_der(&self) -> &[u8] {
        &self.0.der
    }

    /// 1 to 3.
    pub fn version(&self) -> u32 {
        self.0.version
    }

    /// Octets of the serial number, as they came.
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// Who signed it.
    pub fn issuer(&self) -> &Name {
        &self.0.issuer
    }

    /// Whom it is about.
    pub fn subject(&self) -> &Name {
        &self.0.subject
    }

    /// From when it is valid.
    pub fn not_before(&self) -> Time {
        self.0.not_before
    }

    /// Until when it is valid.
    pub fn not_after(&self) -> Time {
        self.0.not_after
    }

    /// SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.0.spki
    }

    /// SHA-1 of SubjectPublicKeyInfo, by which a CERTREQ of IKEv2 names a CA (RFC 7296 section 3.7).
    pub fn spki_sha1(&self) -> Vec<u8> {
        Hash::Sha1.digest(&[self.spki()])
    }

    /// A hash of the bits of the key, by which OCSP names it (RFC 6960 section 4.1.1).
    pub(crate) fn key_hash(&self, hash: Hash) -> Vec<u8> {
        let bits = || {
            let mut spki = Der::new(self.spki()).sequence("subjectPublicKeyInfo")?;
            spki.any("algorithm")?;
            spki.octet_bits("subjectPublicKey")
        };
        hash.digest(&[bits().unwrap_or_default()])
    }

    /// The public key.
    ///
    /// # Errors
    /// Why it is of no use here.
    pub fn key(&self) -> Result<&PublicKey, &KeyError> {
        self.0.key.as_ref()
    }

    /// How it is signed.
    ///
    /// # Errors
    /// Why that cannot be checked here.
    pub fn scheme(&self) -> Result<Scheme, &AlgorithmError> {
        self.0.scheme.as_ref().copied()
    }

    /// Its extensions.
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// Whether subject and issuer are the same.
    pub fn is_self_issued(&self) -> bool {
        self.0.subject == self.0.issuer
    }

    /// Whether it may issue certificates: version 3 with basicConstraints.
    pub fn is_ca(&self) -> bool {
        self.0
            .extensions
            .basic_constraints
            .is_some_and(|constraints| constraints.ca)
    }

    pub(crate) fn tbs(&self) -> &[u8] {
        self.0.der.get(self.0.tbs.clone()).unwrap_or_default()
    }

    pub(crate) fn signature(&self) -> &[u8] {
        &self.0.signature
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl fmt::Display for Certificate {
    /// The subject, or the first other name, in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.extensions.subject_alt_names.first() {
            Some(name) if self.0.subject.is_empty() => write!(f, "\"{name}\""),
            _ => write!(f, "\"{}\"", self.0.subject),
        }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({self})")
    }
}
