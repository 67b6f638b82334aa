//! What people keep in files: certificates, chains, keys and CRLs in PEM, several in one file, or one of them in DER, or
//! a PKCS#12 bundle.

use handfast_crypto::secret::Secret;

use super::der::DerError;
use super::pem::{self, PemError};
use super::pkcs12::{self, Pkcs12Error};
use super::private_key::{PrivateKey, PrivateKeyError};
use super::public_key::{KeyError, PublicKey};
use super::x509::Certificate;

/// The contents of one file, or of several.
#[derive(Debug, Default)]
pub struct Bundle {
    /// Certificates in order.
    pub certificates: Vec<Certificate>,
    /// Private keys in order.
    pub keys: Vec<PrivateKey>,
    /// CRLs in order, not read yet.
    pub crls: Vec<Vec<u8>>,
    /// Public keys in order, that are in no certificate.
    pub public_keys: Vec<PublicKey>,
}

/// Why a file cannot be used. The file's name is the caller's to add.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The PEM around it is broken.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A certificate cannot be read.
    #[error("line {line}: the certificate cannot be read ({error})")]
    Certificate {
        /// Where it begins.
        line: usize,
        /// Why.
        error: DerError,
    },
    /// A private key cannot be read.
    #[error("line {line}: {error}")]
    Key {
        /// Where it begins.
        line: usize,
        /// Why.
        error: PrivateKeyError,
    },
    /// A public key cannot be used.
    #[error("line {line}: the public key cannot be used ({error})")]
    PublicKey {
        /// Where it begins.
        line: usize,
        /// Why.
        error: KeyError,
    },
    /// A PKCS#12 file cannot be used.
    #[error(transparent)]
    Pkcs12(#[from] Pkcs12Error),
    /// Neither PEM nor any DER that is known.
    #[error("this is neither PEM nor the DER of a certificate, CRL, key or PKCS#12 bundle")]
    Unknown,
}

/// More in one file is no configuration.
const MOST_BLOCKS: usize = 4096;

impl Bundle {
    /// Reads a file. `passphrase` opens its encrypted keys.
    ///
    /// # Errors
    /// [`BundleError`]. Blocks of other kinds (parameters) are skipped.
    pub fn read(octets: &[u8], passphrase: Option<&Secret>) -> Result<Self, BundleError> {
        let mut bundle = Self::default();
        if !pem::is_pem(octets) {
            bundle.der(octets, passphrase)?;
            return Ok(bundle);
        }
        for block in pem::blocks(octets)?.into_iter().take(MOST_BLOCKS) {
            let (line, data) = (block.line, block.data.as_bytes());
            let key = match block.label.as_str() {
                "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
                    let certificate = Certificate::from_der(data);
                    let certificate = certificate.map_err(|error| BundleError::Certificate { line, error })?;
                    bundle.certificates.push(certificate);
                    continue;
                }
                "X509 CRL" => {
                    bundle.crls.push(data.to_vec());
                    continue;
                }
                "PUBLIC KEY" => {
                    let key = PublicKey::from_spki(data);
                    let key = key.map_err(|error| BundleError::PublicKey { line, error })?;
                    bundle.public_keys.push(key);
                    continue;
                }
                // OpenSSL's old encryption stretches the passphrase once, with MD5.
                _ if block.old_encryption => Err(PrivateKeyError::Encryption),
                "ENCRYPTED PRIVATE KEY" => PrivateKey::from_encrypted(data, passphrase),
                "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => PrivateKey::from_der(data),
                _ => continue,
            };
            bundle.keys.push(key.map_err(|error| BundleError::Key { line, error })?);
        }
        Ok(bundle)
    }

    fn der(&mut self, octets: &[u8], passphrase: Option<&Secret>) -> Result<(), BundleError> {
        if pkcs12::is_pkcs12(octets) {
            self.append(pkcs12::read(octets, passphrase)?);
        } else if let Ok(certificate) = Certificate::from_der(octets) {
            self.certificates.push(certificate);
        } else if let Ok(key) = PrivateKey::from_der(octets) {
            self.keys.push(key);
        } else if let Ok(key) = PublicKey::from_spki(octets) {
            self.public_keys.push(key);
        } else if is_sequence_of_three(octets) {
            self.crls.push(octets.to_vec());
        } else {
            let key = PrivateKey::from_encrypted(octets, passphrase).map_err(|_| BundleError::Unknown)?;
            self.keys.push(key);
        }
        Ok(())
    }

    /// Adds the contents of another file.
    pub fn append(&mut self, mut other: Self) {
        self.certificates.append(&mut other.certificates);
        self.keys.append(&mut other.keys);
        self.crls.append(&mut other.crls);
        self.public_keys.append(&mut other.public_keys);
    }

    /// The first key that has a certificate, and its chain: that certificate, then each one's issuer as far as the
    /// bundle has it, the root left out (a peer that trusts it has it).
    pub fn into_identity(mut self) -> Option<(PrivateKey, Vec<Certificate>)> {
        let of_key = |key: &PrivateKey| {
            let mut all = self.certificates.iter();
            all.find(|certificate| certificate.key() == Ok(key.public())).cloned()
        };
        let (index, own) = self
            .keys
            .iter()
            .enumerate()
            .find_map(|(index, key)| of_key(key).map(|certificate| (index, certificate)))?;
        let chain = chain(own, &self.certificates);
        Some((self.keys.swap_remove(index), chain))
    }
}

/// A certificate and its issuers as far as they are known, without a root.
pub fn chain(own: Certificate, known: &[Certificate]) -> Vec<Certificate> {
    let mut chain = vec![own];
    while let Some(last) = chain.last().filter(|last| !last.is_self_issued()) {
        let issuer = known.iter().find(|candidate| {
            candidate.subject() == last.issuer()
                && candidate.is_ca()
                && !candidate.is_self_issued()
                && !chain.contains(candidate)
                && is_signed_by(last, candidate)
        });
        let Some(issuer) = issuer.filter(|_| chain.len() < 8) else {
            break;
        };
        chain.push(issuer.clone());
    }
    chain
}

fn is_signed_by(child: &Certificate, issuer: &Certificate) -> bool {
    match (child.scheme(), issuer.key()) {
        (Ok(scheme), Ok(key)) => key.verify(scheme, child.tbs(), child.signature()).is_ok(),
        _ => false,
    }
}

/// As CRLs are: a signed thing.
fn is_sequence_of_three(octets: &[u8]) -> bool {
    use super::der::{Der, tag};
    let Ok(mut fields) = Der::new(octets).sequence("CRL") else {
        return false;
    };
    fields.value(tag::SEQUENCE, "CRL").is_ok()
        && fields.value(tag::SEQUENCE, "CRL").is_ok()
        && fields.octet_bits("CRL").is_ok()
        && fields.is_empty()
}
