//! OCSP (RFC 6960): the question about one certificate, and what an answer says.

use handfast_crypto::hash::Hash;

use super::algorithm::{AlgorithmError, Scheme, hash_identifier, parse_hash};
use super::crl::{Revoked, SKEW};
use super::der::{Der, DerError, element, tag};
use super::name::Name;
use super::time::Time;
use super::x509::Certificate;

/// Why an answer says nothing about a certificate.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OcspError {
    /// It cannot be read.
    #[error("the OCSP answer cannot be read ({0})")]
    Malformed(#[from] DerError),
    /// The responder did not answer the question.
    #[error("the OCSP responder answers \"{0}\"")]
    NotSuccessful(&'static str),
    /// It is no basic response.
    #[error("the OCSP answer is of a kind that is not known")]
    Kind,
    /// Its algorithm.
    #[error("the OCSP answer: {0}")]
    Algorithm(#[from] AlgorithmError),
    /// It is about other certificates.
    #[error("the OCSP answer is about other certificates")]
    OtherCertificate,
    /// Its signer is nobody whom the issuer named.
    #[error("the OCSP answer is signed neither by the issuer nor by whom the issuer made its responder")]
    Signer,
    /// Its signature does not fit.
    #[error("the OCSP answer's signature does not fit")]
    Signature,
    /// It, or the certificate of its signer, is signed with SHA-1.
    #[error("the OCSP answer is signed with SHA-1, which is broken")]
    Sha1,
    /// It answers another question.
    #[error("the OCSP answer is to another question (its nonce differs)")]
    Nonce,
    /// It is not valid yet.
    #[error("the OCSP answer is not valid before {0}")]
    NotYetValid(Time),
    /// It is outdated.
    #[error("the OCSP answer is outdated since {0}")]
    Outdated(Time),
    /// The responder does not know the certificate.
    #[error("the OCSP responder does not know the certificate")]
    Unknown,
}

const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
const NONCE: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02];
const OCSP_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09];
/// An answer without an end is taken for as long as this after it was made.
const WITHOUT_END: i64 = 86_400;
const MOST_ANSWERS: usize = 64;
const MOST_CERTIFICATES: usize = 8;

/// The question whether `certificate`, which `issuer` issued, is revoked. SHA-1 names the issuer, as every responder
/// knows it (RFC 5019 section 2.1.1); nothing depends on its strength.
pub fn request(certificate: &Certificate, issuer: &Certificate, nonce: Option<&[u8]>) -> Vec<u8> {
    let id = element(
        tag::SEQUENCE,
        &[
            &hash_identifier(Hash::Sha1),
            &element(tag::OCTET_STRING, &[&Hash::Sha1.digest(&[issuer.subject().as_der()])]),
            &element(tag::OCTET_STRING, &[&issuer.key_hash(Hash::Sha1)]),
            &element(tag::INTEGER, &[certificate.serial()]),
        ],
    );
    let list = element(tag::SEQUENCE, &[&element(tag::SEQUENCE, &[&id])]);
    let extensions = nonce.map(|nonce| {
        let value = element(tag::OCTET_STRING, &[&element(tag::OCTET_STRING, &[nonce])]);
        let extension = element(tag::SEQUENCE, &[&element(tag::OID, &[NONCE]), &value]);
        element(tag::constructed(2), &[&element(tag::SEQUENCE, &[&extension])])
    });
    let tbs = element(tag::SEQUENCE, &[&list, &extensions.unwrap_or_default()]);
    element(tag::SEQUENCE, &[&tbs])
}

/// Whether an answer says that `certificate`, which `issuer` issued, is revoked. A `nonce` that was sent must come back,
/// if any does: many responders answer from a store and send none.
///
/// # Errors
/// If it says nothing about it: [`OcspError`].
pub fn status(
    response: &[u8],
    certificate: &Certificate,
    issuer: &Certificate,
    nonce: Option<&[u8]>,
    now: Time,
) -> Result<Option<Revoked>, OcspError> {
    let basic = Basic::parse(basic_of(response)?)?;
    if let (Some(sent), Some(came)) = (nonce, basic.nonce)
        && sent != came
    {
        return Err(OcspError::Nonce);
    }
    // The cheap question first: is it about this certificate at all?
    let answer = basic.answer(certificate, issuer)?.ok_or(OcspError::OtherCertificate)?;
    basic.check_signature(issuer, now)?;
    if now.0 + SKEW < answer.this_update.0 {
        return Err(OcspError::NotYetValid(answer.this_update));
    }
    let end = answer.next_update.unwrap_or(Time(answer.this_update.0 + WITHOUT_END));
    if now.0 - SKEW > end.0 {
        return Err(OcspError::Outdated(end));
    }
    match answer.status {
        Status::Good => Ok(None),
        Status::Revoked(revoked) => Ok(Some(revoked)),
        Status::Unknown => Err(OcspError::Unknown),
    }
}

/// Until when an answer about `certificate` holds; for whoever keeps it.
pub fn good_until(response: &[u8], certificate: &Certificate, issuer: &Certificate) -> Option<Time> {
    let basic = Basic::parse(basic_of(response).ok()?).ok()?;
    basic.answer(certificate, issuer).ok()??.next_update
}

fn basic_of(response: &[u8]) -> Result<&[u8], OcspError> {
    let mut outer = Der::new(response);
    let mut fields = outer.sequence("OCSPResponse")?;
    outer.end("OCSPResponse")?;
    match fields.value(0x0a, "responseStatus")? {
        [0] => {}
        [1] => return Err(OcspError::NotSuccessful("malformed request")),
        [2] => return Err(OcspError::NotSuccessful("internal error")),
        [3] => return Err(OcspError::NotSuccessful("try later")),
        [5] => return Err(OcspError::NotSuccessful("a signature is required")),
        [6] => return Err(OcspError::NotSuccessful("unauthorized")),
        _ => return Err(OcspError::NotSuccessful("an unknown status")),
    }
    let bytes = fields.value(tag::constructed(0), "responseBytes")?;
    let mut bytes = Der::new(bytes).sequence("responseBytes")?;
    if bytes.oid("responseType")? != BASIC {
        return Err(OcspError::Kind);
    }
    Ok(bytes.value(tag::OCTET_STRING, "response")?)
}

/// BasicOCSPResponse.
struct Basic<'a> {
    tbs: &'a [u8],
    scheme: Scheme,
    signature: &'a [u8],
    responder: Responder<'a>,
    answers: Der<'a>,
    nonce: Option<&'a [u8]>,
    certificates: Vec<Certificate>,
}

enum Responder<'a> {
    Name(Name),
    KeyHash(&'a [u8]),
}

struct Answer {
    status: Status,
    this_update: Time,
    next_update: Option<Time>,
}

enum Status {
    Good,
    Revoked(Revoked),
    Unknown,
}

impl<'a> Basic<'a> {
    fn parse(octets: &'a [u8]) -> Result<Self, OcspError> {
        let mut fields = Der::new(octets).sequence("BasicOCSPResponse")?;
        let tbs = fields.tlv(tag::SEQUENCE, "tbsResponseData")?;
        let scheme = Scheme::parse(&mut fields)?;
        let signature = fields.octet_bits("signature")?;
        let mut certificates = Vec::new();
        if let Some(list) = fields.optional(tag::constructed(0), "certs")? {
            let mut list = Der::new(list).sequence("certs")?;
            while !list.is_empty() && certificates.len() < MOST_CERTIFICATES {
                certificates.push(Certificate::from_der(list.any("certs")?.raw)?);
            }
        }
        let mut data = Der::new(tbs.value);
        data.optional(tag::constructed(0), "version")?;
        let responder = match data.any("responderID")? {
            id if id.tag == tag::constructed(1) => Responder::Name(Name::from_der(id.value)?),
            id if id.tag == tag::constructed(2) => {
                Responder::KeyHash(Der::new(id.value).value(tag::OCTET_STRING, "responderID")?)
            }
            _ => {
                return Err(OcspError::Malformed(DerError {
                    field: "responderID",
                    what: "neither a name nor a key",
                }));
            }
        };
        Time::parse(&mut data, "producedAt")?;
        let answers = data.sequence("responses")?;
        let nonce = match data.optional(tag::constructed(1), "responseExtensions")? {
            Some(extensions) => nonce(Der::new(extensions))?,
            None => None,
        };
        Ok(Self {
            tbs: tbs.raw,
            scheme,
            signature,
            responder,
            answers,
            nonce,
            certificates,
        })
    }

    fn answer(&self, certificate: &Certificate, issuer: &Certificate) -> Result<Option<Answer>, OcspError> {
        let mut answers = self.answers;
        for _ in 0..MOST_ANSWERS {
            if answers.is_empty() {
                break;
            }
            let mut fields = answers.sequence("SingleResponse")?;
            let mut id = fields.sequence("CertID")?;
            let hash = parse_hash(&mut id)?;
            let name_hash = id.value(tag::OCTET_STRING, "issuerNameHash")?;
            let key_hash = id.value(tag::OCTET_STRING, "issuerKeyHash")?;
            let same = id.value(tag::INTEGER, "serialNumber")? == certificate.serial()
                && name_hash == hash.digest(&[certificate.issuer().as_der()])
                && key_hash == issuer.key_hash(hash);
            if !same {
                continue;
            }
            let status = fields.any("certStatus")?;
            let status = match status.tag {
                0x80 => Status::Good,
                0xa1 => {
                    let mut info = Der::new(status.value);
                    let since = Time::parse(&mut info, "revocationTime")?;
                    let reason = info.optional(tag::constructed(0), "revocationReason")?;
                    let reason = match reason {
                        Some([0x0a, 1, number]) => *number,
                        _ => 0,
                    };
                    Status::Revoked(Revoked { since, reason })
                }
                _ => Status::Unknown,
            };
            let this_update = Time::parse(&mut fields, "thisUpdate")?;
            let next_update = match fields.optional(tag::constructed(0), "nextUpdate")? {
                Some(value) => Some(Time::parse(&mut Der::new(value), "nextUpdate")?),
                None => None,
            };
            return Ok(Some(Answer {
                status,
                this_update,
                next_update,
            }));
        }
        Ok(None)
    }

    /// RFC 6960 section 4.2.2.2: the issuer itself, or a certificate that the issuer issued directly, for OCSP.
    fn check_signature(&self, issuer: &Certificate, now: Time) -> Result<(), OcspError> {
        let signer = if self.is_responder(issuer) {
            issuer
        } else {
            let delegate = |candidate: &&Certificate| {
                self.is_responder(candidate)
                    && candidate.issuer() == issuer.subject()
                    && candidate.extensions().unknown_critical.is_empty()
                    && (candidate.not_before()..=candidate.not_after()).contains(&now)
                    && usages(candidate).iter().any(|usage| usage == OCSP_SIGNING)
            };
            let mut delegates = self.certificates.iter().filter(delegate);
            let delegate = delegates.next().ok_or(OcspError::Signer)?;
            let (Ok(scheme), Ok(key)) = (delegate.scheme(), issuer.key()) else {
                return Err(OcspError::Signer);
            };
            not_sha1(scheme)?;
            key.verify(scheme, delegate.tbs(), delegate.signature())
                .map_err(|_| OcspError::Signer)?;
            delegate
        };
        not_sha1(self.scheme)?;
        let key = signer.key().map_err(|_| OcspError::Signature)?;
        key.verify(self.scheme, self.tbs, self.signature)
            .map_err(|_| OcspError::Signature)
    }

    fn is_responder(&self, certificate: &Certificate) -> bool {
        match &self.responder {
            Responder::Name(name) => certificate.subject() == name,
            Responder::KeyHash(hash) => certificate.key_hash(Hash::Sha1) == *hash,
        }
    }
}

fn not_sha1(scheme: Scheme) -> Result<(), OcspError> {
    match scheme.hash() {
        Some(Hash::Sha1) => Err(OcspError::Sha1),
        _ => Ok(()),
    }
}

fn usages(certificate: &Certificate) -> &[Vec<u8>] {
    certificate
        .extensions()
        .extended_key_usage
        .as_deref()
        .unwrap_or_default()
}

fn nonce<'a>(mut extensions: Der<'a>) -> Result<Option<&'a [u8]>, DerError> {
    let mut list = extensions.sequence("responseExtensions")?;
    while !list.is_empty() {
        let mut extension = list.sequence("responseExtension")?;
        let oid = extension.oid("responseExtension")?;
        extension.flag("responseExtension")?;
        let value = extension.value(tag::OCTET_STRING, "responseExtension")?;
        if oid == NONCE {
            // Some send the bare octets (RFC 2560), others an OCTET STRING inside (RFC 8954).
            return Ok(Some(Der::new(value).value(tag::OCTET_STRING, "nonce").unwrap_or(value)));
        }
    }
    Ok(None)
}
