//! Messages to send.
//!
//! Lengths that exceed their field (65,535 for a payload) hold the field's largest value: such a message fits in no
//! datagram, and no parser takes it for a whole one.

use bytes::BufMut;

use super::Payload;
use super::raw::GENERIC_HEADER_LEN;
use crate::header::{HEADER_LEN, Header, PayloadType};
use crate::read::length16;

/// Octets that a chain has room for from its first payload on: a message is rarely longer, and chains do not live long.
const ROOM: usize = 512;

/// Payloads one after the other, each with the type of the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PayloadChain {
    first: PayloadType,
    bytes: Vec<u8>,
    /// Where the type of the payload after the last one goes.
    last: Option<usize>,
}

impl Default for PayloadChain {
    fn default() -> Self {
        Self::new()
    }
}

impl PayloadChain {
    /// No payloads yet.
    pub const fn new() -> Self {
        Self {
            first: PayloadType::NONE,
            bytes: Vec::new(),
            last: None,
        }
    }

    /// Appends a payload, not critical (RFC 7296 section 2.5: types of that RFC never are).
    pub fn push(&mut self, payload: &Payload<'_>) {
        let start = self.open(payload.kind(), 0);
        payload.encode_body(&mut self.bytes);
        self.close(start);
    }

    /// Appends a payload whose body is made.
    pub fn push_raw(&mut self, kind: PayloadType, critical: bool, body: &[u8]) {
        self.push_bits(kind, if critical { 0x80 } else { 0 }, body);
    }

    /// Appends a payload with the whole octet that holds the critical bit, reserved bits included.
    pub fn push_bits(&mut self, kind: PayloadType, octet: u8, body: &[u8]) {
        let start = self.open(kind, octet);
        self.bytes.put_slice(body);
        self.close(start);
    }

    /// Sets what the last payload says of the next: for SK and SKF, the first payload inside.
    pub fn set_next(&mut self, next: PayloadType) {
        match self.last.and_then(|at| self.bytes.get_mut(at)) {
            Some(octet) => *octet = next.0,
            None => self.first = next,
        }
    }

    /// The type of the first payload.
    pub const fn first(&self) -> PayloadType {
        self.first
    }

    /// The payloads.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The payloads, owned.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn open(&mut self, kind: PayloadType, octet: u8) -> usize {
        self.set_next(kind);
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(ROOM);
        }
        let start = self.bytes.len();
        self.last = Some(start);
        self.bytes.put_slice(&[PayloadType::NONE.0, octet, 0, 0]);
        start
    }

    fn close(&mut self, start: usize) {
        let length = length16(self.bytes.len() - start).to_be_bytes();
        if let Some(field) = self.bytes.get_mut(start + 2..start + 4) {
            field.copy_from_slice(&length);
        }
    }
}

/// A whole message in the clear: `header` with its next payload and length set, then the payloads.
pub fn message(mut header: Header, chain: &PayloadChain) -> Vec<u8> {
    header.next_payload = chain.first;
    header.length = length32(HEADER_LEN + chain.bytes.len());
    let mut out = Vec::with_capacity(HEADER_LEN + chain.bytes.len());
    header.encode(&mut out);
    out.put_slice(&chain.bytes);
    out
}

/// A message of one SK payload, laid out for sealing in place (RFC 7296 section 3.14): header, generic header, room
/// for the IV, `plaintext`, room for the ICV. `plaintext` is the inner payloads, the padding and the pad length.
///
/// Also gives the octets before the IV: what is authenticated and not encrypted.
pub fn sk_frame(
    header: Header,
    inner_first: PayloadType,
    iv_len: usize,
    plaintext: &[u8],
    icv_len: usize,
) -> (Vec<u8>, usize) {
    frame(header, PayloadType::SK, inner_first, &[], iv_len, plaintext, icv_len)
}

/// A message of one SKF payload, fragment `number` of `total`, laid out as by [`sk_frame`]; the fragment's numbers are
/// part of what is authenticated (RFC 7383 section 2.5). `inner_first` is [`PayloadType::NONE`] in all but the first.
pub fn skf_frame(
    header: Header,
    inner_first: PayloadType,
    number: u16,
    total: u16,
    iv_len: usize,
    plaintext: &[u8],
    icv_len: usize,
) -> (Vec<u8>, usize) {
    let [a, b] = number.to_be_bytes();
    let [c, d] = total.to_be_bytes();
    frame(
        header,
        PayloadType::SKF,
        inner_first,
        &[a, b, c, d],
        iv_len,
        plaintext,
        icv_len,
    )
}

fn frame(
    mut header: Header,
    kind: PayloadType,
    inner_first: PayloadType,
    prefix: &[u8],
    iv_len: usize,
    plaintext: &[u8],
    icv_len: usize,
) -> (Vec<u8>, usize) {
    let payload_len = GENERIC_HEADER_LEN + prefix.len() + iv_len + plaintext.len() + icv_len;
    header.next_payload = kind;
    header.length = length32(HEADER_LEN + payload_len);
    let mut out = Vec::with_capacity(HEADER_LEN + payload_len);
    header.encode(&mut out);
    out.put_u8(inner_first.0);
    out.put_u8(0);
    out.put_u16(length16(payload_len));
    out.put_slice(prefix);
    let header_len = out.len();
    out.put_bytes(0, iv_len);
    out.put_slice(plaintext);
    out.put_bytes(0, icv_len);
    (out, header_len)
}

fn length32(octets: usize) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::header::{ExchangeType, Flags, Spi, Version};
    use crate::v2::{Message, Nonce, VendorId};

    fn header() -> Header {
        Header {
            spi_i: Spi([1; 8]),
            spi_r: Spi([2; 8]),
            next_payload: PayloadType::NONE,
            version: Version::V2,
            exchange: ExchangeType::IKE_AUTH,
            flags: Flags::INITIATOR,
            message_id: 1,
            length: 0,
        }
    }

    #[test]
    fn a_chain_links_its_payloads() {
        let mut chain = PayloadChain::new();
        assert_eq!(chain.first(), PayloadType::NONE);
        chain.push(&Payload::Nonce(Nonce { data: &[5; 16] }));
        chain.push_raw(PayloadType(200), true, &[1]);
        chain.push(&Payload::VendorId(VendorId { data: &[] }));
        let bytes = message(header(), &chain);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.header.next_payload, PayloadType::NONCE);
        let kinds: Vec<_> = message
            .payloads()
            .map(|raw| raw.unwrap())
            .map(|raw| (raw.kind, raw.critical))
            .collect();
        assert_eq!(
            kinds,
            [
                (PayloadType::NONCE, false),
                (PayloadType(200), true),
                (PayloadType::VENDOR_ID, false)
            ]
        );
    }

    #[test]
    fn sk_has_room_for_iv_and_icv() {
        let (packet, header_len) = sk_frame(header(), PayloadType::IDI, 8, &[7, 7, 7], 16);
        assert_eq!((packet.len(), header_len), (32 + 8 + 3 + 16, 32));
        let message = Message::parse(&packet).unwrap();
        let sk = message.payloads().next().unwrap().unwrap();
        assert_eq!(
            (sk.kind, sk.next, sk.body.len()),
            (PayloadType::SK, PayloadType::IDI, 27)
        );
        assert_eq!(&sk.body[8..11], [7, 7, 7]);
    }

    #[test]
    fn skf_has_its_numbers_before_the_iv() {
        let (packet, header_len) = skf_frame(header(), PayloadType::NONE, 2, 3, 16, &[7; 16], 12);
        assert_eq!((packet.len(), header_len), (36 + 16 + 16 + 12, 36));
        let raw = Message::parse(&packet).unwrap().payloads().next().unwrap().unwrap();
        let Payload::Skf(fragment) = raw.parse().unwrap() else {
            panic!("SKF")
        };
        assert_eq!((fragment.number, fragment.total, fragment.body.len()), (2, 3, 44));
    }

    #[test]
    fn what_exceeds_a_length_field_is_not_taken_for_whole() {
        let mut chain = PayloadChain::new();
        chain.push_raw(PayloadType::NONCE, false, &[0; 70_000]);
        let bytes = message(header(), &chain);
        assert!(Message::parse(&bytes).unwrap().payloads().any(|raw| raw.is_err()));
    }
}
