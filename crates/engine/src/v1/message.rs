//! Messages: a reader that has each payload at hand, and what is built to send.

use std::net::IpAddr;

use bytes::Bytes;
use handfast_crypto::provider::CryptoError;
use handfast_wire::describe::describe_v1;
use handfast_wire::header::{ExchangeType, Flags, Header, PayloadType, Spi, Version};
use handfast_wire::numbers::CertEncoding;
use handfast_wire::numbers::v1::{NotifyType, Protocol};
use handfast_wire::selector::TrafficSelector;
use handfast_wire::v1::nat::encode_nat_oa;
use handfast_wire::v1::notify::cookies;
use handfast_wire::v1::raw::check_reserved;
use handfast_wire::v1::{
    self, Cert, CertReq, Delete, Gss, Message, Notify, Payload, PayloadChain, Plaintext, RawPayload, Sa as SaPayload,
};

use crate::refusal::Cause;
use crate::v1::isakmp::{Isakmp, Iv};
use crate::v1::state::Sa;
use crate::v1::vendor::NatTraversal;

/// More payloads than any sane message has; past it a message is malformed.
const MAX_PAYLOADS: usize = 50;
/// As many most messages have at most.
const USUAL_PAYLOADS: usize = 12;

/// An identity with the octets that hashes cover.
#[derive(Clone, Copy)]
pub(crate) struct IdPayload<'a> {
    pub kind: u8,
    pub data: &'a [u8],
    pub body: &'a [u8],
}

/// The payloads of one message, decrypted if it was encrypted.
pub(crate) struct Parsed<'a> {
    first: PayloadType,
    chain: &'a [u8],
    items: Vec<(RawPayload<'a>, Payload<'a>)>,
}

impl<'a> Parsed<'a> {
    /// Of a message in the clear.
    pub fn clear(message: &Message<'a>) -> Result<Self, Cause> {
        Self::read(message.header.next_payload, message.body())
    }

    /// Of a message that was decrypted. Octets decrypted with a wrong key fail here most of the time.
    pub fn inner(header: Header, plain: &'a [u8]) -> Result<Self, Cause> {
        let split = Plaintext::split(header.next_payload, plain).map_err(|e| Cause::Syntax(e.to_string()))?;
        Self::read(split.first, split.chain)
    }

    fn read(first: PayloadType, chain: &'a [u8]) -> Result<Self, Cause> {
        // RFC 2408 section 5.3: reserved octets must be zero.
        check_reserved(first, chain).map_err(|e| Cause::Syntax(e.to_string()))?;
        let mut items = Vec::with_capacity(USUAL_PAYLOADS);
        for raw in v1::payloads(first, chain) {
            if items.len() == MAX_PAYLOADS {
                return Err(Cause::Syntax(format!("more than {MAX_PAYLOADS} payloads")));
            }
            let raw = raw.map_err(|e| Cause::Syntax(e.to_string()))?;
            let payload = raw.parse().map_err(|e| Cause::Syntax(e.to_string()))?;
            items.push((raw, payload));
        }
        Ok(Self { first, chain, items })
    }

    /// For people. `header` is that of the message.
    pub fn summary(&self, header: Header) -> String {
        describe_v1(&header, None, self.first, self.chain)
    }

    /// The one payload of its kind: none or several are an error.
    fn one<T>(&self, name: &str, pick: impl Fn(&RawPayload<'a>, &Payload<'a>) -> Option<T>) -> Result<T, Cause> {
        let mut found = self.items.iter().filter_map(|(raw, payload)| pick(raw, payload));
        match (found.next(), found.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Err(Cause::Syntax(format!("no {name} payload"))),
            (Some(_), Some(_)) => Err(Cause::Syntax(format!("more than one {name} payload"))),
        }
    }

    pub fn sa(&self) -> Result<SaPayload<'a>, Cause> {
        self.one("SA", |_, p| if let Payload::Sa(sa) = p { Some(*sa) } else { None })
    }

    /// Body of the SA payload, as hashes cover it.
    pub fn sa_body(&self) -> &'a [u8] {
        let sa = self.items.iter().find(|(raw, _)| raw.kind == PayloadType::V1_SA);
        sa.map_or(&[], |(raw, _)| raw.body)
    }

    pub fn ke(&self) -> Result<&'a [u8], Cause> {
        self.one("KE", |_, p| if let Payload::Ke(ke) = p { Some(ke.data) } else { None })
    }

    /// 8 to 256 octets (RFC 2409 section 5).
    pub fn nonce(&self) -> Result<&'a [u8], Cause> {
        let nonce = self.one(
            "nonce",
            |_, p| {
                if let Payload::Nonce(n) = p { Some(n.data) } else { None }
            },
        )?;
        if (8..=256).contains(&nonce.len()) {
            return Ok(nonce);
        }
        let text = format!("nonce of {} octets, must be 8 to 256", nonce.len());
        Err(Cause::Syntax(text))
    }

    /// The identity of phase 1.
    pub fn id(&self) -> Result<IdPayload<'a>, Cause> {
        let (id, body) = self.one("ID", |raw, p| {
            if let Payload::Id(id) = p {
                Some((*id, raw.body))
            } else {
                None
            }
        })?;
        id.check_phase_1().map_err(|e| Cause::Syntax(e.to_string()))?;
        Ok(IdPayload {
            kind: id.id_type.0,
            data: id.data,
            body,
        })
    }

    /// The HASH payload. In phase 2 it must come first (RFC 2409 section 5.5).
    pub fn hash(&self) -> Result<&'a [u8], Cause> {
        self.one(
            "HASH",
            |_, p| if let Payload::Hash(h) = p { Some(h.data) } else { None },
        )
    }

    /// The SIG payload.
    pub fn signature(&self) -> Result<&'a [u8], Cause> {
        self.one("SIG", |_, p| if let Payload::Sig(s) = p { Some(s.data) } else { None })
    }

    /// The GSS payload.
    pub fn gss(&self) -> Result<Gss<'a>, Cause> {
        self.one("GSS", |_, p| if let Payload::Gss(g) = p { Some(*g) } else { None })
    }

    /// CERT payloads, in order.
    pub fn certificates(&self) -> impl Iterator<Item = &Cert<'a>> {
        self.items
            .iter()
            .filter_map(|(_, p)| if let Payload::Cert(c) = p { Some(c) } else { None })
    }

    /// CERTREQ payloads.
    pub fn certificate_requests(&self) -> impl Iterator<Item = &CertReq<'a>> {
        self.items
            .iter()
            .filter_map(|(_, p)| if let Payload::CertReq(c) = p { Some(c) } else { None })
    }

    /// What follows a HASH payload that comes first, exactly as it came.
    pub fn rest(&self) -> &'a [u8] {
        match self.items.first() {
            Some((raw, Payload::Hash(_))) => self.chain.get(raw.end()..).unwrap_or_default(),
            // Nothing that a hash was made of.
            _ => &[],
        }
    }

    pub fn is_hash_first(&self) -> bool {
        self.first == PayloadType::V1_HASH
    }

    /// Whether its sender says that it knows Kerberos, so that method 65001 is not XAUTH's.
    pub fn knows_kerberos(&self) -> bool {
        self.vendor_ids().any(v1::vendor::is_gssapi)
    }

    pub fn vendor_ids(&self) -> impl Iterator<Item = &'a [u8]> {
        self.items.iter().filter_map(|(_, p)| {
            if let Payload::VendorId(v) = p {
                Some(v.data)
            } else {
                None
            }
        })
    }

    pub fn nat_d(&self) -> impl Iterator<Item = &'a [u8]> {
        let hashes = self
            .items
            .iter()
            .filter_map(|(_, p)| if let Payload::NatD(n) = p { Some(n.hash) } else { None });
        hashes.take(16)
    }

    pub fn notifies(&self) -> impl Iterator<Item = &Notify<'a>> {
        self.items
            .iter()
            .filter_map(|(_, p)| if let Payload::Notify(n) = p { Some(n) } else { None })
    }

    /// The first error notify.
    pub fn error(&self) -> Option<NotifyType> {
        self.notifies().map(|n| n.notify).find(|n| n.is_error())
    }

    pub fn initial_contact(&self) -> bool {
        self.notifies().any(|n| n.notify == NotifyType::INITIAL_CONTACT)
    }

    pub fn deletes(&self) -> impl Iterator<Item = &Delete<'a>> {
        self.items
            .iter()
            .filter_map(|(_, p)| if let Payload::Delete(d) = p { Some(d) } else { None })
    }

    /// The clients of quick mode, initiator's and responder's; `None` if they are the peers themselves.
    pub fn client_ids(&self) -> Result<Option<(TrafficSelector, TrafficSelector)>, Cause> {
        let ids: Vec<_> = self
            .items
            .iter()
            .filter_map(|(_, p)| if let Payload::Id(id) = p { Some(*id) } else { None })
            .collect();
        match ids.as_slice() {
            [] => Ok(None),
            [initiator, responder] => {
                let syntax = |e: handfast_wire::ParseError| Cause::Syntax(e.to_string());
                let pair = (
                    initiator.selector().map_err(syntax)?,
                    responder.selector().map_err(syntax)?,
                );
                Ok(Some(pair))
            }
            _ => Err(Cause::Syntax("quick mode has two ID payloads or none".into())),
        }
    }

    /// Bodies of the clients' ID payloads.
    pub fn client_id_bodies(&self) -> Vec<Vec<u8>> {
        let ids = self.items.iter().filter(|(raw, _)| raw.kind == PayloadType::V1_ID);
        ids.map(|(raw, _)| raw.body.to_vec()).collect()
    }
}

/// Payloads to send.
#[derive(Clone, Default)]
pub(crate) struct Chain(PayloadChain);

impl Chain {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    pub fn sa(&mut self, body: &[u8]) {
        self.0.push_raw(PayloadType::V1_SA, body);
    }

    pub fn ke(&mut self, data: &[u8]) {
        self.0.push_raw(PayloadType::V1_KE, data);
    }

    pub fn nonce(&mut self, data: &[u8]) {
        self.0.push_raw(PayloadType::V1_NONCE, data);
    }

    pub fn id(&mut self, body: &[u8]) {
        self.0.push_raw(PayloadType::V1_ID, body);
    }

    pub fn hash(&mut self, data: &[u8]) {
        self.0.push_raw(PayloadType::V1_HASH, data);
    }

    pub fn signature(&mut self, data: &[u8]) {
        self.0.push_raw(PayloadType::V1_SIG, data);
    }

    /// A token of GSS-API, framed.
    pub fn gss(&mut self, body: &[u8]) {
        self.0.push_raw(PayloadType::V1_GSS, body);
    }

    /// An X.509 certificate.
    pub fn certificate(&mut self, der: &[u8]) {
        self.0.push(&Payload::Cert(Cert {
            encoding: CertEncoding::X509_SIGNATURE,
            data: der,
        }));
    }

    /// A wish for an X.509 certificate below the CA of this name in DER.
    pub fn certificate_request(&mut self, authority: &[u8]) {
        self.0.push(&Payload::CertReq(CertReq {
            encoding: CertEncoding::X509_SIGNATURE,
            authority,
        }));
    }

    pub fn vendor_id(&mut self, id: &[u8]) {
        self.0.push_raw(PayloadType::V1_VENDOR_ID, id);
    }

    pub fn nat_d(&mut self, way: NatTraversal, hash: &[u8]) {
        let kind = match way {
            NatTraversal::Draft => PayloadType::V1_NAT_D_DRAFT,
            NatTraversal::Rfc | NatTraversal::None => PayloadType::V1_NAT_D,
        };
        self.0.push_raw(kind, hash);
    }

    pub fn nat_oa(&mut self, way: NatTraversal, address: IpAddr) {
        let kind = match way {
            NatTraversal::Draft => PayloadType::V1_NAT_OA_DRAFT,
            NatTraversal::Rfc | NatTraversal::None => PayloadType::V1_NAT_OA,
        };
        self.0.push_raw(kind, &encode_nat_oa(address));
    }

    /// A notify without SPI.
    pub fn notify(&mut self, notify: NotifyType, data: &[u8]) {
        let notify = Notify::new(Protocol::ISAKMP, &[], notify, data);
        self.0.push(&Payload::Notify(notify));
    }

    /// A notify about the ISAKMP SA, named by both cookies.
    pub fn notify_isakmp(&mut self, sa: &Sa, notify: NotifyType, data: &[u8]) {
        let spi = cookies(sa.spi_i, sa.spi_r);
        let notify = Notify::new(Protocol::ISAKMP, &spi, notify, data);
        self.0.push(&Payload::Notify(notify));
    }

    /// A notify about the ESP SA that we receive on.
    pub fn notify_esp(&mut self, spi: u32, notify: NotifyType, data: &[u8]) {
        let spi = spi.to_be_bytes();
        let notify = Notify::new(Protocol::ESP, &spi, notify, data);
        self.0.push(&Payload::Notify(notify));
    }

    pub fn initial_contact(&mut self, sa: &Sa) {
        self.notify_isakmp(sa, NotifyType::INITIAL_CONTACT, &[]);
    }

    pub fn delete_isakmp(&mut self, sa: &Sa) {
        let spi = cookies(sa.spi_i, sa.spi_r);
        self.0.push(&Payload::Delete(Delete::one(Protocol::ISAKMP, &spi)));
    }

    pub fn delete_esp(&mut self, spi: u32) {
        let spi = spi.to_be_bytes();
        self.0.push(&Payload::Delete(Delete::one(Protocol::ESP, &spi)));
    }

    /// A HASH payload and then these.
    pub fn after_hash(self, hash: &[u8]) -> Self {
        let mut whole = Self::new();
        whole.hash(hash);
        whole.0.append(&self.0);
        whole
    }
}

fn header((spi_i, spi_r): (Spi, Spi), exchange: ExchangeType, message_id: u32) -> Header {
    Header {
        spi_i,
        spi_r,
        next_payload: PayloadType::NONE,
        version: Version::V1,
        exchange,
        flags: Flags::default(),
        message_id,
        length: 0,
    }
}

/// Messages in the clear, and how any message is described.
pub(crate) struct Plain;

impl Plain {
    pub fn message(sa: &Sa, exchange: ExchangeType, message_id: u32, chain: &Chain) -> Bytes {
        Self::with((sa.spi_i, sa.spi_r), exchange, message_id, chain).into()
    }

    pub fn with(cookies: (Spi, Spi), exchange: ExchangeType, message_id: u32, chain: &Chain) -> Vec<u8> {
        v1::message(header(cookies, exchange, message_id), &chain.0)
    }

    /// For people.
    pub fn describe(sa: &Sa, exchange: ExchangeType, message_id: u32, chain: &Chain) -> String {
        let header = header((sa.spi_i, sa.spi_r), exchange, message_id);
        describe_v1(&header, None, chain.0.first(), chain.0.bytes())
    }
}

/// A whole encrypted message; the IV becomes that of the next.
pub(crate) fn seal(
    isakmp: &Isakmp,
    iv: &mut Iv,
    sa: &Sa,
    exchange: ExchangeType,
    message_id: u32,
    chain: &Chain,
) -> Result<Bytes, CryptoError> {
    let ciphertext = isakmp.encrypt(iv, chain.bytes().to_vec())?;
    let header = header((sa.spi_i, sa.spi_r), exchange, message_id);
    Ok(v1::encrypted_message(header, chain.0.first(), &ciphertext).into())
}
