//! Making certificates: a small CA for a first try, and for tests.

use super::algorithm::Scheme;
use super::der::{DerError, element, tag, unsigned_integer};
use super::extensions::KeyUsage;
use super::general_name::{GeneralName, TAG_DIRECTORY, TAG_DNS, TAG_EMAIL, TAG_IP, TAG_URI};
use super::name::Name;
use super::public_key::{Curve, PublicKey};
use super::sign::{Form, SignError, Signer};
use super::time::Time;
use super::x509::Certificate;
use handfast_crypto::hash::Hash;

/// What a certificate is to say.
#[derive(Clone, Debug)]
pub struct Template {
    /// Octets of the serial number; RFC 5280 wants 20 at most, and chance in them.
    pub serial: Vec<u8>,
    /// From when it is valid.
    pub not_before: Time,
    /// Until when it is valid.
    pub not_after: Time,
    /// Whom it is about.
    pub subject: Name,
    /// subjectAltName.
    pub names: Vec<GeneralName>,
    /// A CA, with the number of intermediate CAs that may follow.
    pub ca: Option<Option<u32>>,
    /// keyUsage; none if 0.
    pub key_usage: KeyUsage,
    /// extKeyUsage; none if empty. Object identifiers without tag and length.
    pub extended_key_usage: Vec<Vec<u8>>,
    /// Other extensions: object identifier, critical, value.
    pub others: Vec<(Vec<u8>, bool, Vec<u8>)>,
}

/// Why no certificate was made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The CA's key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// What was made does not read.
    #[error("the certificate would not be valid ({0})")]
    Invalid(#[from] DerError),
}

impl Template {
    /// A CA's certificate.
    pub fn ca(subject: Name, serial: Vec<u8>, not_before: Time, not_after: Time) -> Self {
        Self {
            serial,
            not_before,
            not_after,
            subject,
            names: Vec::new(),
            ca: Some(None),
            key_usage: KeyUsage(KeyUsage::CERT_SIGN.0 | KeyUsage::CRL_SIGN.0),
            extended_key_usage: Vec::new(),
            others: Vec::new(),
        }
    }

    /// A peer's certificate, as RFC 4945 wants it: no extended key usage, the names in the subjectAltName.
    pub fn peer(subject: Name, names: Vec<GeneralName>, serial: Vec<u8>, not_before: Time, not_after: Time) -> Self {
        Self {
            serial,
            not_before,
            not_after,
            subject,
            names,
            ca: None,
            key_usage: KeyUsage::DIGITAL_SIGNATURE,
            extended_key_usage: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Has `signer`, whose name is `issuer`, certify `key`.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue(&self, key: &PublicKey, issuer: &Name, signer: &dyn Signer) -> Result<Certificate, IssueError> {
        let scheme = usual_scheme(signer.public_key());
        let spki = key.to_spki();
        let parts = [
            element(tag::constructed(0), &[&unsigned_integer(&[2])]),
            unsigned_integer(&self.serial),
            scheme.to_der(),
            issuer.as_der().to_vec(),
            element(tag::SEQUENCE, &[&self.not_before.to_der(), &self.not_after.to_der()]),
            self.subject.as_der().to_vec(),
            spki.clone(),
            element(
                tag::constructed(3),
                &[&element(
                    tag::SEQUENCE,
                    &[&self.extensions(&spki, &signer.public_key().to_spki())],
                )],
            ),
        ];
        let tbs = element(tag::SEQUENCE, &[&parts.concat()]);
        let signature = signer.sign(Form::Scheme(scheme), &tbs)?;
        let bits = element(tag::BIT_STRING, &[&[0], &signature]);
        let der = element(tag::SEQUENCE, &[&tbs, &scheme.to_der(), &bits]);
        Ok(Certificate::from_der(&der)?)
    }

    fn extensions(&self, spki: &[u8], issuer_spki: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut put = |oid: &[u8], critical: bool, value: &[u8]| out.extend(extension(oid, critical, value));
        if let Some(path_len) = self.ca {
            let length = path_len
                .map(|length| unsigned_integer(&length.to_be_bytes()))
                .unwrap_or_default();
            let value = element(tag::SEQUENCE, &[&[tag::BOOLEAN, 1, 0xff], &length]);
            put(&[0x55, 0x1d, 19], true, &value);
        }
        if self.key_usage.0 != 0 {
            let unused = (self.key_usage.0 >> 8).trailing_zeros().min(7) as u8;
            let bits = [unused, (self.key_usage.0 >> 8) as u8];
            put(&[0x55, 0x1d, 15], true, &element(tag::BIT_STRING, &[&bits]));
        }
        if !self.extended_key_usage.is_empty() {
            let usages: Vec<Vec<u8>> = self
                .extended_key_usage
                .iter()
                .map(|oid| element(tag::OID, &[oid]))
                .collect();
            put(&[0x55, 0x1d, 37], false, &element(tag::SEQUENCE, &[&usages.concat()]));
        }
        if !self.names.is_empty() {
            let names: Vec<Vec<u8>> = self.names.iter().map(general_name).collect();
            // Critical where there is no subject (RFC 5280 section 4.2.1.6).
            let value = element(tag::SEQUENCE, &[&names.concat()]);
            put(&[0x55, 0x1d, 17], self.subject.is_empty(), &value);
        }
        let id = Hash::Sha1.digest(&[spki]);
        put(&[0x55, 0x1d, 14], false, &element(tag::OCTET_STRING, &[&id]));
        let id = Hash::Sha1.digest(&[issuer_spki]);
        let value = element(tag::SEQUENCE, &[&element(tag::context(0), &[&id])]);
        put(&[0x55, 0x1d, 35], false, &value);
        for (oid, critical, value) in &self.others {
            put(oid, *critical, value);
        }
        out
    }
}

fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[tag::BOOLEAN, 1, 0xff] } else { &[] };
    let value = element(tag::OCTET_STRING, &[value]);
    element(tag::SEQUENCE, &[&element(tag::OID, &[oid]), critical, &value])
}

fn general_name(name: &GeneralName) -> Vec<u8> {
    match name {
        GeneralName::Email(text) => element(TAG_EMAIL, &[text.as_bytes()]),
        GeneralName::Dns(text) => element(TAG_DNS, &[text.as_bytes()]),
        GeneralName::Directory(name) => element(TAG_DIRECTORY, &[name.as_der()]),
        GeneralName::Uri(text) => element(TAG_URI, &[text.as_bytes()]),
        GeneralName::Ip(std::net::IpAddr::V4(address)) => element(TAG_IP, &[&address.octets()]),
        GeneralName::Ip(std::net::IpAddr::V6(address)) => element(TAG_IP, &[&address.octets()]),
        GeneralName::Other(_) => Vec::new(),
    }
}

/// How a key signs certificates and, if it may choose, everything else.
pub(crate) fn usual_scheme(key: &PublicKey) -> Scheme {
    match key {
        PublicKey::Rsa(_) => Scheme::RsaPkcs1(Hash::Sha256),
        PublicKey::Ec(Curve::P256, _) => Scheme::Ecdsa(Hash::Sha256),
        PublicKey::Ec(Curve::P384, _) => Scheme::Ecdsa(Hash::Sha384),
        PublicKey::Ec(Curve::P521, _) => Scheme::Ecdsa(Hash::Sha512),
        PublicKey::Ed25519(_) => Scheme::Ed25519,
    }
}
