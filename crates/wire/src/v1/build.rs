//! Messages to send.
//!
//! Lengths that exceed their field (65,535 for a payload) hold the field's largest value: such a message fits in no
//! datagram, and no parser takes it for a whole one.

use bytes::BufMut;

use super::Payload;
use super::raw::GENERIC_HEADER_LEN;
use crate::header::{Flags, HEADER_LEN, Header, PayloadType};
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

    /// Appends a payload.
    pub fn push(&mut self, payload: &Payload<'_>) {
        let start = self.open(payload.kind(), 0);
        payload.encode_body(&mut self.bytes);
        self.close(start);
    }

    /// Appends a payload whose body is made.
    pub fn push_raw(&mut self, kind: PayloadType, body: &[u8]) {
        self.push_bits(kind, 0, body);
    }

    /// Appends a payload with what its reserved octet held.
    pub fn push_bits(&mut self, kind: PayloadType, reserved: u8, body: &[u8]) {
        let start = self.open(kind, reserved);
        self.bytes.put_slice(body);
        self.close(start);
    }

    /// Appends all payloads of another chain.
    pub fn append(&mut self, other: &Self) {
        if other.first == PayloadType::NONE {
            return;
        }
        self.set_next(other.first);
        self.last = other.last.map(|at| self.bytes.len() + at);
        self.bytes.put_slice(&other.bytes);
    }

    /// The type of the first payload.
    pub const fn first(&self) -> PayloadType {
        self.first
    }

    /// The payloads: what follows HASH in HASH(1), if this is the chain after it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The payloads, owned.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The payloads, padded with zeros to whole blocks (RFC 2409 appendix B): what is encrypted.
    pub fn padded(&self, block_len: usize) -> Vec<u8> {
        let mut out = self.bytes.clone();
        out.resize(out.len().next_multiple_of(block_len.max(1)), 0);
        out
    }

    fn set_next(&mut self, next: PayloadType) {
        match self.last.and_then(|at| self.bytes.get_mut(at)) {
            Some(octet) => *octet = next.0,
            None => self.first = next,
        }
    }

    fn open(&mut self, kind: PayloadType, reserved: u8) -> usize {
        self.set_next(kind);
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(ROOM);
        }
        let start = self.bytes.len();
        self.last = Some(start);
        self.bytes.put_slice(&[PayloadType::NONE.0, reserved, 0, 0]);
        start
    }

    fn close(&mut self, start: usize) {
        let length = length16(self.bytes.len() - start).to_be_bytes();
        if let Some(field) = self.bytes.get_mut(start + 2..start + GENERIC_HEADER_LEN) {
            field.copy_from_slice(&length);
        }
    }
}

/// A whole message in the clear: `header` with its next payload and length set, then the payloads.
pub fn message(header: Header, chain: &PayloadChain) -> Vec<u8> {
    whole(header, chain.first, &chain.bytes)
}

/// A whole encrypted message: `header` with next payload, Encryption flag and length set, then `ciphertext`.
pub fn encrypted_message(mut header: Header, first: PayloadType, ciphertext: &[u8]) -> Vec<u8> {
    header.flags = header.flags | Flags::V1_ENCRYPTION;
    whole(header, first, ciphertext)
}

fn whole(mut header: Header, first: PayloadType, body: &[u8]) -> Vec<u8> {
    header.next_payload = first;
    header.length = u32::try_from(HEADER_LEN + body.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(HEADER_LEN + body.len());
    header.encode(&mut out);
    out.put_slice(body);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::header::ExchangeType;
    use crate::v1::{Message, Nonce, VendorId};

    #[test]
    fn a_chain_links_its_payloads() {
        let mut rest = PayloadChain::new();
        rest.push(&Payload::Nonce(Nonce { data: &[5; 16] }));
        rest.push(&Payload::VendorId(VendorId { data: &[] }));
        let mut chain = PayloadChain::new();
        chain.push_raw(PayloadType::V1_HASH, &[1]);
        chain.append(&rest);
        chain.append(&PayloadChain::new());
        chain.push_raw(PayloadType(200), &[]);
        assert_eq!(&chain.bytes()[5..5 + 20], &rest.bytes()[..20]);
        let bytes = message(crate::v1::tests::header(ExchangeType::V1_MAIN), &chain);
        let kinds: Vec<_> = Message::parse(&bytes)
            .unwrap()
            .payloads()
            .map(|raw| raw.unwrap().kind.0)
            .collect();
        assert_eq!(kinds, [8, 10, 13, 200]);
    }

    #[test]
    fn what_exceeds_a_length_field_is_not_taken_for_whole() {
        let mut chain = PayloadChain::new();
        chain.push_raw(PayloadType::V1_NONCE, &[0; 70_000]);
        let bytes = message(crate::v1::tests::header(ExchangeType::V1_MAIN), &chain);
        assert!(Message::parse(&bytes).unwrap().payloads().any(|raw| raw.is_err()));
    }
}
