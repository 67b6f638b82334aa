//! A message's payloads, read once and checked against their rule.

use handfast_wire::header::{ExchangeType, Flags, Header, PayloadType, Spi, Version};
use handfast_wire::numbers::NotifyType;
use handfast_wire::selector::TrafficSelector;
use handfast_wire::v2::{
    self, Auth, Cert, CertReq, Delete, Id, Ke, Notify, Payload, PayloadChain, RawPayload, Sa, Ts, TsEntry,
};

use crate::refusal::Cause;
use crate::v2::rules::Rule;

/// More payloads than any sane message has; past it a message is malformed.
const MAX_PAYLOADS: usize = 100;
/// As many most messages have at most.
const USUAL_PAYLOADS: usize = 12;
/// More selectors than any sane policy has.
const MAX_SELECTORS: usize = 256;

/// The payloads of one message (or of its SK payload).
pub(crate) struct Parsed<'a> {
    items: Vec<(RawPayload<'a>, Payload<'a>)>,
}

impl<'a> Parsed<'a> {
    /// Reads all payloads of a chain. An unknown payload with its critical bit set is refused (RFC 7296 section 2.5).
    pub fn read(first: PayloadType, bytes: &'a [u8]) -> Result<Self, Cause> {
        let mut items = Vec::with_capacity(USUAL_PAYLOADS);
        for raw in v2::payloads(first, bytes) {
            if items.len() == MAX_PAYLOADS {
                return Err(Cause::Syntax(format!("more than {MAX_PAYLOADS} payloads")));
            }
            let raw = raw.map_err(|e| Cause::Syntax(e.to_string()))?;
            let payload = raw.parse().map_err(|e| Cause::Syntax(e.to_string()))?;
            if raw.critical && matches!(payload, Payload::Unknown(..)) {
                return Err(Cause::CriticalPayload(raw.kind.0));
            }
            items.push((raw, payload));
        }
        Ok(Self { items })
    }

    pub fn check(&self, rule: &Rule) -> Result<(), Cause> {
        let kinds: Vec<_> = self.items.iter().map(|(raw, _)| raw.kind).collect();
        rule.violation(&kinds).map_or(Ok(()), |text| Err(Cause::Syntax(text)))
    }

    pub fn sa(&self) -> Result<Sa<'a>, Cause> {
        self.first("SA", |p| if let Payload::Sa(x) = p { Some(*x) } else { None })
    }

    pub fn ke(&self) -> Result<Ke<'a>, Cause> {
        self.first("KE", |p| if let Payload::Ke(x) = p { Some(*x) } else { None })
    }

    /// The nonce, 16 to 256 octets (RFC 7296 section 3.9).
    pub fn nonce(&self) -> Result<&'a [u8], Cause> {
        let nonce = self.first("nonce", |p| if let Payload::Nonce(x) = p { Some(x.data) } else { None })?;
        if (16..=256).contains(&nonce.len()) {
            return Ok(nonce);
        }
        Err(Cause::Syntax(format!(
            "nonce of {} octets, must be 16 to 256",
            nonce.len()
        )))
    }

    pub fn auth(&self) -> Result<Auth<'a>, Cause> {
        self.first("AUTH", |p| if let Payload::Auth(x) = p { Some(*x) } else { None })
    }

    /// IDi with the octets that AUTH covers.
    pub fn id_i(&self) -> Result<(Id<'a>, &'a [u8]), Cause> {
        self.id(PayloadType::IDI)
            .ok_or_else(|| Cause::Syntax("no IDi payload".into()))
    }

    /// IDr with the octets that AUTH covers.
    pub fn id_r(&self) -> Option<(Id<'a>, &'a [u8])> {
        self.id(PayloadType::IDR)
    }

    fn id(&self, kind: PayloadType) -> Option<(Id<'a>, &'a [u8])> {
        self.items.iter().find_map(|(raw, payload)| match payload {
            Payload::IdI(id) | Payload::IdR(id) if raw.kind == kind => Some((*id, raw.body)),
            _ => None,
        })
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

    pub fn ts_i(&self) -> Result<Vec<TrafficSelector>, Cause> {
        selectors(&self.first("TSi", |p| if let Payload::TsI(x) = p { Some(*x) } else { None })?)
    }

    pub fn ts_r(&self) -> Result<Vec<TrafficSelector>, Cause> {
        selectors(&self.first("TSr", |p| if let Payload::TsR(x) = p { Some(*x) } else { None })?)
    }

    pub fn notifies(&self) -> impl Iterator<Item = &Notify<'a>> {
        self.items
            .iter()
            .filter_map(|(_, p)| if let Payload::Notify(n) = p { Some(n) } else { None })
    }

    pub fn notify(&self, kind: NotifyType) -> Option<&Notify<'a>> {
        self.notifies().find(|n| n.notify == kind)
    }

    /// The first error notify.
    pub fn error(&self) -> Option<&Notify<'a>> {
        self.notifies().find(|n| n.notify.is_error())
    }

    pub fn deletes(&self) -> impl Iterator<Item = &Delete<'a>> {
        self.items
            .iter()
            .filter_map(|(_, p)| if let Payload::Delete(d) = p { Some(d) } else { None })
    }

    /// Data of the NAT detection notifies: sources and destination.
    pub fn nat_detection(&self) -> (Vec<&'a [u8]>, Option<&'a [u8]>) {
        let of = |kind| self.notifies().filter(move |n| n.notify == kind).map(|n| n.data);
        let sources = of(NotifyType::NAT_DETECTION_SOURCE_IP).take(16).collect();
        (sources, of(NotifyType::NAT_DETECTION_DESTINATION_IP).next())
    }

    fn first<T>(&self, name: &str, pick: impl Fn(&Payload<'a>) -> Option<T>) -> Result<T, Cause> {
        self.items
            .iter()
            .find_map(|(_, p)| pick(p))
            .ok_or_else(|| Cause::Syntax(format!("no {name} payload")))
    }
}

/// Selectors of types we do not know are left out: they can never be met.
fn selectors(ts: &Ts<'_>) -> Result<Vec<TrafficSelector>, Cause> {
    let mut list = vec![];
    for entry in ts.selectors().take(MAX_SELECTORS) {
        if let TsEntry::Range(selector) = entry.map_err(|e| Cause::Syntax(e.to_string()))? {
            list.push(selector);
        }
    }
    Ok(list)
}

/// Everything of a header that varies.
pub(crate) struct Envelope {
    pub spi_i: Spi,
    pub spi_r: Spi,
    pub exchange: ExchangeType,
    /// We are the original initiator.
    pub initiator: bool,
    pub response: bool,
    pub message_id: u32,
}

impl Envelope {
    pub fn header(&self) -> Header {
        let mut flags = 0;
        if self.initiator {
            flags |= Flags::INITIATOR.0;
        }
        if self.response {
            flags |= Flags::RESPONSE.0;
        }
        Header {
            spi_i: self.spi_i,
            spi_r: self.spi_r,
            next_payload: PayloadType(0),
            version: Version { major: 2, minor: 0 },
            exchange: self.exchange,
            flags: Flags(flags),
            message_id: self.message_id,
            length: 0,
        }
    }
}

/// Appends a notify without SPI.
pub(crate) fn push_notify(chain: &mut PayloadChain, notify: NotifyType, data: &[u8]) {
    chain.push(&Payload::Notify(Notify {
        protocol: handfast_wire::numbers::Protocol(0),
        spi: &[],
        notify,
        data,
    }));
}
