//! A payload that has been read.

use super::{Auth, Cert, CertReq, Config, Delete, Eap, Encrypted, Fragment, Id, Ke, Nonce, Notify, Sa, Ts, VendorId};
use crate::header::PayloadType;

/// The payloads of RFC 7296 and the fragment of RFC 7383.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payload<'a> {
    /// Security Association (3.3).
    Sa(Sa<'a>),
    /// Key Exchange (3.4).
    Ke(Ke<'a>),
    /// Identification of the initiator (3.5).
    IdI(Id<'a>),
    /// Identification of the responder (3.5).
    IdR(Id<'a>),
    /// Certificate (3.6).
    Cert(Cert<'a>),
    /// Certificate Request (3.7).
    CertReq(CertReq<'a>),
    /// Authentication (3.8).
    Auth(Auth<'a>),
    /// Nonce (3.9).
    Nonce(Nonce<'a>),
    /// Notify (3.10).
    Notify(Notify<'a>),
    /// Delete (3.11).
    Delete(Delete<'a>),
    /// Vendor ID (3.12).
    VendorId(VendorId<'a>),
    /// Traffic Selectors of the initiator (3.13).
    TsI(Ts<'a>),
    /// Traffic Selectors of the responder (3.13).
    TsR(Ts<'a>),
    /// Encrypted and Authenticated (3.14).
    Sk(Encrypted<'a>),
    /// Encrypted and Authenticated Fragment (RFC 7383 section 2.5).
    Skf(Fragment<'a>),
    /// Configuration (3.15).
    Cp(Config<'a>),
    /// Extensible Authentication Protocol (3.16).
    Eap(Eap<'a>),
    /// Any other type, with its body.
    Unknown(PayloadType, &'a [u8]),
}

impl Payload<'_> {
    /// Its number.
    pub fn kind(&self) -> PayloadType {
        match self {
            Self::Sa(_) => PayloadType::SA,
            Self::Ke(_) => PayloadType::KE,
            Self::IdI(_) => PayloadType::IDI,
            Self::IdR(_) => PayloadType::IDR,
            Self::Cert(_) => PayloadType::CERT,
            Self::CertReq(_) => PayloadType::CERTREQ,
            Self::Auth(_) => PayloadType::AUTH,
            Self::Nonce(_) => PayloadType::NONCE,
            Self::Notify(_) => PayloadType::NOTIFY,
            Self::Delete(_) => PayloadType::DELETE,
            Self::VendorId(_) => PayloadType::VENDOR_ID,
            Self::TsI(_) => PayloadType::TSI,
            Self::TsR(_) => PayloadType::TSR,
            Self::Sk(_) => PayloadType::SK,
            Self::Skf(_) => PayloadType::SKF,
            Self::Cp(_) => PayloadType::CP,
            Self::Eap(_) => PayloadType::EAP,
            Self::Unknown(kind, _) => *kind,
        }
    }

    /// Appends the body: everything after the generic header.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sa(sa) => sa.encode_body(out),
            Self::Ke(ke) => ke.encode_body(out),
            Self::IdI(id) | Self::IdR(id) => id.encode_body(out),
            Self::Cert(cert) => cert.encode_body(out),
            Self::CertReq(request) => request.encode_body(out),
            Self::Auth(auth) => auth.encode_body(out),
            Self::Nonce(nonce) => nonce.encode_body(out),
            Self::Notify(notify) => notify.encode_body(out),
            Self::Delete(delete) => delete.encode_body(out),
            Self::VendorId(vendor_id) => vendor_id.encode_body(out),
            Self::TsI(ts) | Self::TsR(ts) => ts.encode_body(out),
            Self::Sk(encrypted) => encrypted.encode_body(out),
            Self::Skf(fragment) => fragment.encode_body(out),
            Self::Cp(config) => config.encode_body(out),
            Self::Eap(eap) => eap.encode_body(out),
            Self::Unknown(_, body) => out.extend_from_slice(body),
        }
    }
}
