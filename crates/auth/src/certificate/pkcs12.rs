//! PKCS#12 bundles (RFC 7292) as they are made today: PBES2 around the contents, a MAC with PKCS#12's own key
//! derivation. What older programs make (RC2, 3DES with that derivation, indefinite lengths) is refused with the command
//! that converts it.

use handfast_crypto::default_provider;
use handfast_crypto::hash::Hash;
use handfast_crypto::secret::Secret;
use pkcs8::der::Decode;
use pkcs8::pkcs5::EncryptionScheme;
use zeroize::Zeroizing;

use super::algorithm::{AlgorithmError, hash_len, parse_hash};
use super::bundle::Bundle;
use super::der::{Der, DerError, tag};
use super::private_key::{MOST_ITERATIONS, PrivateKey, PrivateKeyError};
use super::x509::Certificate;

/// Why a PKCS#12 file cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs12Error {
    /// It cannot be read.
    #[error("the PKCS#12 file cannot be read ({0})")]
    Malformed(#[from] DerError),
    /// No passphrase.
    #[error("this is a PKCS#12 file and no passphrase is given")]
    NoPassphrase,
    /// Another passphrase, or changed contents.
    #[error("the passphrase does not open the PKCS#12 file")]
    Passphrase,
    /// Nothing protects it from changes.
    #[error("the PKCS#12 file has no MAC")]
    NoMac,
    /// It is encrypted or protected in an outdated way.
    #[error(
        "the PKCS#12 file is encrypted in an outdated way; `openssl pkcs12 -legacy -in OLD -nodes | openssl pkcs12 -export \
         -out NEW` converts it"
    )]
    Outdated,
    /// A key in it.
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
}

const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const ENCRYPTED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x06];
/// Bags, of which the last octet is the kind.
const BAGS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01];
const MOST_BAGS: usize = 256;

/// Whether it begins as a PKCS#12 file does: version 3, then the contents.
pub(super) fn is_pkcs12(octets: &[u8]) -> bool {
    let Ok(mut fields) = Der::new(octets).sequence("PFX") else {
        return false;
    };
    fields.small("version") == Ok(3) && fields.peek() == Some(tag::SEQUENCE)
}

/// Reads all keys and certificates.
pub(super) fn read(octets: &[u8], passphrase: Option<&Secret>) -> Result<Bundle, Pkcs12Error> {
    let passphrase = passphrase.ok_or(Pkcs12Error::NoPassphrase)?;
    let mut outer = Der::new(octets);
    let mut fields = outer.sequence("PFX")?;
    outer.end("PFX")?;
    fields.small("version")?;
    let mut info = fields.sequence("authSafe")?;
    if info.oid("authSafe")? != DATA {
        return Err(Pkcs12Error::Outdated);
    }
    let safe = content(&mut info)?;
    if fields.is_empty() {
        return Err(Pkcs12Error::NoMac);
    }
    check_mac(&mut fields, safe, passphrase)?;

    let mut bundle = Bundle::default();
    let mut contents = Der::new(safe).sequence("AuthenticatedSafe")?;
    while !contents.is_empty() {
        let mut info = contents.sequence("ContentInfo")?;
        match info.oid("contentType")? {
            DATA => bags(content(&mut info)?, passphrase, &mut bundle)?,
            ENCRYPTED_DATA => bags(&open(&mut info, passphrase)?, passphrase, &mut bundle)?,
            _ => return Err(Pkcs12Error::Outdated),
        }
    }
    Ok(bundle)
}

fn content<'a>(info: &mut Der<'a>) -> Result<&'a [u8], DerError> {
    let value = info.value(tag::constructed(0), "content")?;
    Der::new(value).value(tag::OCTET_STRING, "content")
}

/// EncryptedData (RFC 5652 section 8).
fn open(info: &mut Der<'_>, passphrase: &Secret) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let mut data = Der::new(info.value(tag::constructed(0), "content")?).sequence("EncryptedData")?;
    data.small("version")?;
    let mut sealed = data.sequence("EncryptedContentInfo")?;
    sealed.oid("contentType")?;
    let algorithm = sealed.tlv(tag::SEQUENCE, "contentEncryptionAlgorithm")?;
    let octets = sealed.value(tag::context(0), "encryptedContent")?;
    let scheme = EncryptionScheme::from_der(algorithm.raw).map_err(|_| Pkcs12Error::Outdated)?;
    let iterations = scheme.pbes2().and_then(|parameters| parameters.kdf.pbkdf2());
    if scheme.pbes2().is_none() || iterations.is_some_and(|kdf| kdf.iteration_count > MOST_ITERATIONS) {
        return Err(Pkcs12Error::Outdated);
    }
    let opened = scheme.decrypt(passphrase.as_bytes(), octets);
    opened.map(Zeroizing::new).map_err(|_| Pkcs12Error::Passphrase)
}

/// SafeContents.
fn bags(octets: &[u8], passphrase: &Secret, bundle: &mut Bundle) -> Result<(), Pkcs12Error> {
    let mut list = Der::new(octets).sequence("SafeContents")?;
    for _ in 0..MOST_BAGS {
        if list.is_empty() {
            return Ok(());
        }
        let mut bag = list.sequence("SafeBag")?;
        let kind = bag.oid("bagId")?;
        let value = bag.value(tag::constructed(0), "bagValue")?;
        match kind {
            [prefix @ .., 1] if prefix == BAGS => bundle.keys.push(PrivateKey::from_der(value)?),
            [prefix @ .., 2] if prefix == BAGS => {
                bundle.keys.push(PrivateKey::from_encrypted(value, Some(passphrase))?);
            }
            [prefix @ .., number @ (3 | 4)] if prefix == BAGS => {
                let mut fields = Der::new(value).sequence("CertBag")?;
                fields.oid("certId")?;
                let octets = content(&mut fields)?;
                if *number == 3 {
                    bundle.certificates.push(Certificate::from_der(octets)?);
                } else {
                    bundle.crls.push(octets.to_vec());
                }
            }
            // Secrets and nested bags are nothing that IKE uses.
            _ => {}
        }
    }
    Ok(list.end("SafeContents")?)
}

/// MacData (RFC 7292 section 4).
fn check_mac(fields: &mut Der<'_>, safe: &[u8], passphrase: &Secret) -> Result<(), Pkcs12Error> {
    let mut mac = fields.sequence("MacData")?;
    let mut digest_info = mac.sequence("DigestInfo")?;
    let hash = parse_hash(&mut digest_info).map_err(|error| match error {
        AlgorithmError::Malformed(error) => Pkcs12Error::Malformed(error),
        _ => Pkcs12Error::Outdated,
    })?;
    let expected = digest_info.value(tag::OCTET_STRING, "digest")?;
    let salt = mac.value(tag::OCTET_STRING, "macSalt")?;
    let iterations = if mac.is_empty() { 1 } else { mac.small("iterations")? };
    if iterations == 0 || iterations > MOST_ITERATIONS {
        return Err(Pkcs12Error::Outdated);
    }
    let key = mac_key(hash, passphrase, salt, iterations).ok_or(Pkcs12Error::Passphrase)?;
    let prf = default_provider().prf(hash.prf()).ok_or(Pkcs12Error::Outdated)?;
    if prf.compute(&key, &[safe]).ct_eq(expected) {
        Ok(())
    } else {
        Err(Pkcs12Error::Passphrase)
    }
}

/// RFC 7292 appendix B.2 with ID 3, for a key as long as the hash: one round of it.
fn mac_key(hash: Hash, passphrase: &Secret, salt: &[u8], iterations: u32) -> Option<Zeroizing<Vec<u8>>> {
    let block = if hash_len(hash) > 32 { 128 } else { 64 };
    let text = std::str::from_utf8(passphrase.as_bytes()).ok()?;
    let units = text.encode_utf16().chain([0]);
    let password = Zeroizing::new(units.flat_map(u16::to_be_bytes).collect::<Vec<u8>>());
    // Repeated to whole blocks.
    let filled = |octets: &[u8]| -> Zeroizing<Vec<u8>> {
        let length = octets.len().div_ceil(block) * block;
        Zeroizing::new(octets.iter().copied().cycle().take(length).collect())
    };
    let mut key = Zeroizing::new(hash.digest(&[&vec![3; block], &filled(salt), &filled(&password)]));
    for _ in 1..iterations {
        key = Zeroizing::new(hash.digest(&[&key]));
    }
    Some(key)
}
