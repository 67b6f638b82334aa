//! The keys `certificate`, `key`, `key_passphrase_file`, `ocsp_response` and `rsa_pss`: what we prove ourselves by.

use std::sync::Arc;

use handfast_auth::Identity;
use handfast_auth::certificate::bundle::chain;
use handfast_auth::certificate::ikev2::Preference;
use handfast_auth::certificate::ocsp;
use handfast_auth::certificate::{Bundle, Certificate, LocalCertificate, LocalSigner, PrivateKey, PublicKey, Signer};
use handfast_crypto::system_random;

use crate::files::Purpose;
use crate::section::{Reader, Section};

pub(crate) const PATH: &str = "a path";
const PATHS: &str = "a path, or a list of them";
const FITS: &str = "a certificate, and the private key that was made for it";
/// How long before the end of a certificate people are told, in days.
pub const EXPIRES_SOON: u32 = 14;

/// Our certificates and raw keys.
#[derive(Default)]
pub(crate) struct Own {
    /// Best first.
    pub certificates: Vec<Arc<LocalCertificate>>,
    /// Certificates of CAs that came with them, which may help to find a peer's path.
    pub intermediates: Vec<Certificate>,
    /// The path of an OCSP response about one of them, and where it is written.
    staple: Option<(String, usize)>,
}

/// A signer, where its key is written, and whether a certificate of it was found.
struct Key {
    signer: Arc<dyn Signer>,
    at: usize,
    path: String,
}

/// Reads them for the connection `name`.
pub(crate) fn read(s: &mut Section<'_, '_>, reader: &mut Reader<'_>, name: &str, sha1: bool) -> Own {
    let preference = Preference {
        pss: s.flag(reader, "rsa_pss").unwrap_or(true),
        sha1,
    };
    let before = reader.errors();
    let passphrase = s.text(reader, "key_passphrase_file", PATH).and_then(|(path, at)| {
        let path_there = reader.beside(&path);
        reader.watch(path_there);
        reader.secret_file(at, &path)
    });
    // Without its passphrase every key would be wrong too.
    let known = reader.errors() == before;
    let (mut certificates, mut keys) = (vec![], vec![]);
    for key in ["certificate", "key"] {
        for (path, at) in s.texts(reader, key, PATHS) {
            if !known {
                continue;
            }
            let Some((shown, bundle)) = reader.bundle(at, key, &path, passphrase.as_ref(), Purpose::Own) else {
                continue;
            };
            let empty = match key {
                "certificate" => bundle.certificates.is_empty(),
                _ => bundle.keys.is_empty(),
            };
            if empty {
                let what = if key == "certificate" {
                    "certificate"
                } else {
                    "private key"
                };
                reader.error(
                    at,
                    format!("{shown} holds no {what}"),
                    &format!("a {what}, PEM, DER or PKCS#12"),
                    "",
                );
            }
            let Bundle {
                certificates: found,
                keys: own,
                ..
            } = bundle;
            certificates.extend(found.into_iter().map(|certificate| (certificate, at, shown.clone())));
            keys.extend(own.into_iter().map(|key| signer(key, at, &shown)));
        }
    }
    let staple = s.text(reader, "ocsp_response", PATH);
    if reader.errors() > before {
        return Own::default();
    }
    Own {
        staple,
        ..pair(s, reader, name, preference, &certificates, &keys)
    }
}

fn signer(key: PrivateKey, at: usize, path: &str) -> Key {
    Key {
        signer: Arc::new(LocalSigner::new(key, system_random())),
        at,
        path: path.into(),
    }
}

/// Each certificate with its key and chain.
fn pair(
    s: &Section<'_, '_>,
    reader: &mut Reader<'_>,
    name: &str,
    preference: Preference,
    certificates: &[(Certificate, usize, String)],
    keys: &[Key],
) -> Own {
    let known: Vec<Certificate> = certificates.iter().map(|(c, ..)| c.clone()).collect();
    let local = |chain, key: &Key| {
        Arc::new(LocalCertificate {
            chain,
            signer: key.signer.clone(),
            preference,
            staple: None,
        })
    };
    let key_of = |c: &Certificate| keys.iter().find(|key| c.key() == Ok(key.signer.public_key()));
    let mut own: Vec<(Arc<LocalCertificate>, usize)> = vec![];
    for (certificate, at, _) in certificates {
        let again = own.iter().any(|(other, _)| other.chain.first() == Some(certificate));
        if let (Some(key), false) = (key_of(certificate), again) {
            own.push((local(chain(certificate.clone(), &known), key), *at));
        }
    }
    if certificates.is_empty() {
        // RFC 7670: a key by itself.
        own.extend(keys.iter().map(|key| (local(vec![], key), key.at)));
    } else {
        unpaired(s, reader, name, certificates, keys, own.is_empty());
    }
    for (one, at) in &own {
        if let Some(certificate) = one.chain.first() {
            dates(reader, *at, certificate, "our certificate");
        }
    }
    let now = reader.now();
    // One that was renewed may stand beside the new one: an expired one is nobody's first choice.
    own.sort_by_key(|(one, _)| one.chain.first().is_some_and(|c| c.not_after() < now));
    Own {
        certificates: own.into_iter().map(|(one, _)| one).collect(),
        intermediates: known.into_iter().filter(Certificate::is_ca).collect(),
        staple: None,
    }
}

/// Keys without a certificate, and no certificate with a key.
fn unpaired(
    s: &Section<'_, '_>,
    reader: &mut Reader<'_>,
    name: &str,
    certificates: &[(Certificate, usize, String)],
    keys: &[Key],
    none: bool,
) {
    let has = |key: &PublicKey| certificates.iter().any(|(c, ..)| c.key() == Ok(key));
    let leaf = certificates.iter().find(|(c, ..)| !c.is_ca()).or(certificates.first());
    let Some((leaf, leaf_at, leaf_path)) = leaf else { return };
    if keys.is_empty() {
        let message = format!("{name} has no private key for certificate {leaf}");
        let hint = "key = \"PATH\", or the key in the file of the certificate";
        reader.error(*leaf_at, message, FITS, hint);
        return;
    }
    if let (true, Err(why)) = (none, leaf.key()) {
        let message = format!("certificate {leaf} of {leaf_path} is of no use here: {why}");
        reader.error(*leaf_at, message, "a certificate with an RSA, ECDSA or Ed25519 key", "");
        return;
    }
    for key in keys.iter().filter(|key| !has(key.signer.public_key())) {
        let kind = key.signer.public_key();
        if none {
            let its = leaf.key().map_or_else(ToString::to_string, ToString::to_string);
            let message = format!(
                "the private key of {} ({kind}) was not made for certificate {leaf} ({its})",
                key.path
            );
            reader.error(key.at, message, FITS, "");
        } else {
            let message = format!("{name}: no certificate is of the private key of {} ({kind})", key.path);
            reader.warning(s.at_of("certificate"), message, "it is not used");
        }
    }
}

/// Says of a certificate that it is not valid now, or not for long.
pub(crate) fn dates(reader: &mut Reader<'_>, at: usize, certificate: &Certificate, what: &str) {
    let (now, end) = (reader.now(), certificate.not_after());
    if now > end {
        let message = format!("{what} {certificate} expired on {end}");
        reader.warning(at, message, "a peer refuses it; renew it");
    } else if now < certificate.not_before() {
        let message = format!("{what} {certificate} is not valid before {}", certificate.not_before());
        reader.warning(at, message, "is the clock of this host right?");
    } else if now.plus_days(EXPIRES_SOON) > end {
        reader.warning(at, format!("{what} {certificate} expires on {end}"), "renew it in time");
    }
}

impl Own {
    /// Who we are by our first certificate: a domain name, an e-mail address or an address of it, else its subject.
    pub fn identity(&self) -> Option<Identity> {
        let leaf = self.certificates.iter().find_map(|one| one.chain.first())?;
        let all = leaf.identities();
        let order: [fn(&Identity) -> bool; 4] = [
            |id| matches!(id, Identity::Fqdn(_)),
            |id| matches!(id, Identity::Email(_)),
            |id| matches!(id, Identity::Ipv4(_) | Identity::Ipv6(_)),
            |_| true,
        ];
        order
            .iter()
            .find_map(|wanted| all.iter().find(|id| wanted(id)).cloned())
    }

    /// Complains if a certificate of ours is not of who we say that we are.
    pub fn check_identity(&self, reader: &mut Reader<'_>, at: usize, identity: &Identity) {
        for leaf in self.certificates.iter().filter_map(|one| one.chain.first()) {
            let Err(refusal) = leaf.is_of(identity) else { continue };
            if matches!(identity, Identity::KeyId(_) | Identity::Other { .. }) {
                // No certificate has such a name, and some peers do not ask for it.
                reader.warning(at, format!("local_id: {refusal}"), "most peers refuse that");
            } else {
                let expected = "one of these, or no local_id";
                reader.error(at, format!("local_id: {refusal}"), expected, "peers refuse any other");
            }
        }
    }

    /// Gives the OCSP response to the certificate that it is about; `cas` may have issued it.
    pub fn staple(&mut self, reader: &mut Reader<'_>, cas: &[Certificate]) {
        let Some((path, at)) = self.staple.take() else { return };
        let Some((shown, response)) = reader.file(at, "ocsp_response", &path) else {
            return;
        };
        let mut why = "the CA of our certificate is neither in certificate nor in ca".to_string();
        for one in &mut self.certificates {
            let Some(leaf) = one.chain.first() else { continue };
            let known = one.chain.iter().skip(1).chain(&self.intermediates).chain(cas);
            for issuer in known.filter(|ca| ca.subject() == leaf.issuer()) {
                match ocsp::status(&response, leaf, issuer, None, reader.now()) {
                    Ok(None) => {
                        *one = Arc::new(LocalCertificate {
                            staple: Some(response),
                            ..(**one).clone()
                        });
                        return;
                    }
                    Ok(Some(revoked)) => why = format!("certificate {leaf} is {revoked}"),
                    Err(error) => why = error.to_string(),
                }
            }
        }
        // It ages, and a peer that asks for it decides what its absence means.
        let hint = "peers that ask for it get none; it is read again when the file changes";
        reader.warning(at, format!("ocsp_response: {shown}: {why}"), hint);
    }
}
