//! What is asked of each certificate of a path.

use handfast_crypto::hash::Hash;

use super::super::extensions::KeyUsage;
use super::super::x509::Certificate;
use super::refusal::Reason;
use super::{PathPolicy, Usage};

/// id-kp, of which the last octet is the purpose.
const PURPOSES: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03];
const SERVER_AUTH: u8 = 1;
const CLIENT_AUTH: u8 = 2;
const IPSEC_IKE: u8 = 17;
const ANY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];

/// The peer's own certificate.
pub(super) fn peer(certificate: &Certificate, policy: &PathPolicy) -> Result<(), Reason> {
    every(certificate, policy)?;
    let extensions = certificate.extensions();
    // RFC 4945 section 5.1.3.2.
    let signs = KeyUsage(KeyUsage::DIGITAL_SIGNATURE.0 | KeyUsage::NON_REPUDIATION.0);
    if extensions.key_usage.is_some_and(|usage| !usage.has(signs)) {
        return Err(Reason::NoSignatureUsage);
    }
    usage(extensions.extended_key_usage.as_deref(), policy.usage)
}

/// RFC 4945 section 5.1.3.12: none, or ipsecIKE or any among them; else reject.
fn usage(usages: Option<&[Vec<u8>]>, policy: Usage) -> Result<(), Reason> {
    let Some(usages) = usages else {
        return Ok(());
    };
    let for_ike = |usage: &Vec<u8>| match usage.as_slice() {
        ANY_USAGE => true,
        [prefix @ .., purpose] if prefix == PURPOSES => match policy {
            Usage::Ike => *purpose == IPSEC_IKE,
            Usage::IkeOrTls | Usage::Any => matches!(*purpose, IPSEC_IKE | SERVER_AUTH | CLIENT_AUTH),
        },
        _ => false,
    };
    if policy == Usage::Any || usages.iter().any(for_ike) {
        Ok(())
    } else {
        Err(Reason::ExtendedKeyUsage(
            usages.iter().map(|usage| usage_name(usage)).collect(),
        ))
    }
}

fn usage_name(usage: &[u8]) -> String {
    match usage {
        [prefix @ .., purpose] if prefix == PURPOSES => match *purpose {
            SERVER_AUTH => "serverAuth".into(),
            CLIENT_AUTH => "clientAuth".into(),
            3 => "codeSigning".into(),
            4 => "emailProtection".into(),
            5 => "ipsecEndSystem".into(),
            6 => "ipsecTunnel".into(),
            7 => "ipsecUser".into(),
            8 => "timeStamping".into(),
            9 => "OCSPSigning".into(),
            _ => super::super::der::dotted(usage),
        },
        _ => super::super::der::dotted(usage),
    }
}

/// Whether `issuer` may issue the last of `path` (RFC 5280 section 6.1.4). If not, why, and at which certificate.
pub(super) fn issuer(
    issuer: &Certificate,
    trusted: bool,
    path: &[Certificate],
    policy: &PathPolicy,
) -> Result<(), (Certificate, Reason)> {
    let fail = |reason| Err((issuer.clone(), reason));
    if let Err(reason) = every(issuer, policy) {
        return fail(reason);
    }
    let extensions = issuer.extensions();
    // Old roots have no extensions at all; to trust one is its owner's word that it is a CA (section 6.1.4 (k)).
    let old_root = trusted && issuer.version() < 3 && issuer.is_self_issued();
    if !issuer.is_ca() && !old_root {
        return fail(Reason::NotCa);
    }
    if extensions
        .key_usage
        .is_some_and(|usage| !usage.has(KeyUsage::CERT_SIGN))
    {
        return fail(Reason::NoCertSign);
    }
    // Self-issued certificates do not count, and the peer's is no intermediate.
    let intermediates = path.iter().skip(1).filter(|below| !below.is_self_issued()).count();
    let allowed = extensions
        .basic_constraints
        .and_then(|constraints| constraints.path_len);
    if let Some(allowed) = allowed.filter(|allowed| intermediates > *allowed as usize) {
        return fail(Reason::PathLength(allowed));
    }
    Ok(())
}

/// Whether every name in a path is one that the CAs above it may certify (RFC 5280 section 6.1.3 (b) and (c)). Only for a
/// path that is trusted to its end: many names against many constraints are work that no stranger may cause.
pub(super) fn constraints(path: &[Certificate]) -> Result<(), (Certificate, Reason)> {
    for (depth, issuer) in path.iter().enumerate() {
        let Some(constraints) = &issuer.extensions().name_constraints else {
            continue;
        };
        for (index, below) in path.iter().take(depth).enumerate() {
            // They do not bind self-issued certificates, but for the peer's.
            if index > 0 && below.is_self_issued() {
                continue;
            }
            if let Some(reason) = constraints.refuse(below) {
                return Err((below.clone(), Reason::NameConstraints(reason, issuer.to_string())));
            }
        }
    }
    Ok(())
}

/// What is asked of each, the trusted one too.
fn every(certificate: &Certificate, policy: &PathPolicy) -> Result<(), Reason> {
    if let Some(extension) = certificate.extensions().unknown_critical.first() {
        return Err(Reason::Critical(extension.clone()));
    }
    if policy.now < certificate.not_before() {
        return Err(Reason::NotYetValid(certificate.not_before()));
    }
    if policy.now > certificate.not_after() {
        return Err(Reason::Expired(certificate.not_after()));
    }
    certificate.key().map_err(|error| Reason::Key(error.clone()))?;
    Ok(())
}

/// Whether `child` is signed by `issuer`'s key.
pub(super) fn signature(child: &Certificate, issuer: &Certificate, policy: &PathPolicy) -> Result<(), Reason> {
    let scheme = child.scheme().map_err(|error| Reason::Algorithm(error.clone()))?;
    if scheme.hash() == Some(Hash::Sha1) && !policy.sha1 {
        return Err(Reason::Sha1);
    }
    let key = issuer.key().map_err(|error| Reason::Key(error.clone()))?;
    key.verify(scheme, child.tbs(), child.signature())
        .map_err(|_| match child.is_self_issued() {
            true => Reason::SelfSigned,
            false => Reason::Signature(issuer.to_string()),
        })
}
