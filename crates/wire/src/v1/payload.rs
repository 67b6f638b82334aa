//! A payload that has been read.

use super::{
    Cert, CertReq, Config, Delete, Fragment, Gss, Hash, Id, Ke, NatD, NatOa, Nonce, Notify, Sa, Sig, VendorId,
};
use crate::header::PayloadType;

/// The payloads of RFC 2408, of RFC 3947 and its drafts, of the configuration method, of GSS-API and of fragmentation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payload<'a> {
    /// Security Association (RFC 2408 section 3.4, RFC 2407 section 4.6.1).
    Sa(Sa<'a>),
    /// Key Exchange (3.7).
    Ke(Ke<'a>),
    /// Identification (3.8, RFC 2407 section 4.6.2).
    Id(Id<'a>),
    /// Certificate (3.9).
    Cert(Cert<'a>),
    /// Certificate Request (3.10).
    CertReq(CertReq<'a>),
    /// Hash (3.11).
    Hash(Hash<'a>),
    /// Signature (3.12).
    Sig(Sig<'a>),
    /// Nonce (3.13).
    Nonce(Nonce<'a>),
    /// Notification (3.14).
    Notify(Notify<'a>),
    /// Delete (3.15).
    Delete(Delete<'a>),
    /// Vendor ID (3.16).
    VendorId(VendorId<'a>),
    /// Attributes of the configuration method (draft-dukes-ike-mode-cfg-02 section 3.2).
    Config(Config<'a>),
    /// NAT discovery (RFC 3947 section 3.2).
    NatD(NatD<'a>),
    /// NAT original address (RFC 3947 section 5.2).
    NatOa(NatOa<'a>),
    /// A GSS-API token (draft-ietf-ipsec-isakmp-gss-auth-07 section 3.3.3).
    Gss(Gss<'a>),
    /// A fragment of a message.
    Fragment(Fragment<'a>),
    /// Any other type, with its body.
    Unknown(PayloadType, &'a [u8]),
}

impl Payload<'_> {
    /// Its number.
    pub fn kind(&self) -> PayloadType {
        match self {
            Self::Sa(_) => PayloadType::V1_SA,
            Self::Ke(_) => PayloadType::V1_KE,
            Self::Id(_) => PayloadType::V1_ID,
            Self::Cert(_) => PayloadType::V1_CERT,
            Self::CertReq(_) => PayloadType::V1_CERTREQ,
            Self::Hash(_) => PayloadType::V1_HASH,
            Self::Sig(_) => PayloadType::V1_SIG,
            Self::Nonce(_) => PayloadType::V1_NONCE,
            Self::Notify(_) => PayloadType::V1_NOTIFY,
            Self::Delete(_) => PayloadType::V1_DELETE,
            Self::VendorId(_) => PayloadType::V1_VENDOR_ID,
            Self::Config(_) => PayloadType::V1_ATTRIBUTES,
            Self::NatD(NatD { draft: false, .. }) => PayloadType::V1_NAT_D,
            Self::NatD(NatD { draft: true, .. }) => PayloadType::V1_NAT_D_DRAFT,
            Self::NatOa(NatOa { draft: false, .. }) => PayloadType::V1_NAT_OA,
            Self::NatOa(NatOa { draft: true, .. }) => PayloadType::V1_NAT_OA_DRAFT,
            Self::Gss(_) => PayloadType::V1_GSS,
            Self::Fragment(_) => PayloadType::V1_FRAGMENT,
            Self::Unknown(kind, _) => *kind,
        }
    }

    /// Appends the body: everything after the generic header.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sa(sa) => sa.encode_body(out),
            Self::Id(id) => id.encode_body(out),
            Self::Cert(cert) => cert.encode_body(out),
            Self::CertReq(request) => request.encode_body(out),
            Self::Notify(notify) => notify.encode_body(out),
            Self::Delete(delete) => delete.encode_body(out),
            Self::Config(config) => config.encode_body(out),
            Self::NatOa(address) => address.encode_body(out),
            Self::Fragment(fragment) => fragment.encode_body(out),
            Self::Ke(Ke { data })
            | Self::Hash(Hash { data })
            | Self::Sig(Sig { data })
            | Self::Nonce(Nonce { data })
            | Self::VendorId(VendorId { data })
            | Self::NatD(NatD { hash: data, .. })
            | Self::Gss(Gss { data })
            | Self::Unknown(_, data) => out.extend_from_slice(data),
        }
    }
}
