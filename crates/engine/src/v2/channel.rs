//! The protected channel of an IKE SA: sealing and opening SK payloads (RFC 7296 section 3.14, RFC 5282), and SKF where
//! both sides can (RFC 7383).

use handfast_crypto::proposal::IkeSuite;
use handfast_crypto::provider::{CryptoError, PrfAlgorithm, Protect, ProtectAlgorithm, Provider};
use handfast_crypto::schedule::v2::{IkeKeys, ike_keys, skeyseed, skeyseed_rekey};
use handfast_crypto::secret::Secret;
use handfast_wire::header::{HEADER_LEN, PayloadType, Spi};
use handfast_wire::v2::raw::GENERIC_HEADER_LEN;
use handfast_wire::v2::{self, Fragment, Message, PayloadChain, RawPayload};

use crate::datagrams::Datagrams;
use crate::event::KeyLog;
use crate::refusal::Cause;
use crate::v2::fragments::{Collector, Position};
use crate::v2::message::Envelope;

/// Keys of an IKE SA, and its two directions.
///
/// A keyed cipher is several times as large as its key and quickly made, and most SAs are idle: there is one only while a
/// message is at hand.
pub(crate) struct Channel {
    pub suite: IkeSuite,
    pub prf: &'static dyn PrfAlgorithm,
    pub keys: IkeKeys,
    cipher: &'static dyn ProtectAlgorithm,
    /// We send with the original initiator's keys.
    initiator: bool,
    /// Makes each outbound IV unique for the key.
    counter: u64,
    fragmentation: Option<Fragmentation>,
}

/// Both sides can put messages together. Requests and responses are collected apart: each side may be busy with one.
struct Fragmentation {
    /// The largest message that leaves whole.
    largest: usize,
    requests: Collector,
    responses: Collector,
}

/// A message's inner payloads.
pub(crate) struct Opened {
    pub first: PayloadType,
    pub bytes: Vec<u8>,
    /// Octets of its datagrams.
    pub size: usize,
    /// Its datagram, of fragments the first: if that comes again, so has the message.
    pub datagram: Vec<u8>,
}

/// What came of a protected datagram.
pub(crate) enum Arrived {
    /// A message, whole.
    Message(Opened),
    /// An authentic fragment; others are missing yet.
    Part,
    /// Nothing, and why.
    Nothing(&'static str),
}

/// Octets with padding and pad length.
fn padded(inner: usize, block: usize) -> usize {
    (inner + 1).next_multiple_of(block)
}

fn pad(inner: &[u8], block: usize) -> Result<Vec<u8>, CryptoError> {
    let length = padded(inner.len(), block);
    let padding = length - inner.len() - 1;
    let mut plain = Vec::with_capacity(length);
    plain.extend_from_slice(inner);
    plain.resize(inner.len() + padding, 0);
    plain.push(u8::try_from(padding).map_err(|_| CryptoError::Length)?);
    Ok(plain)
}

/// The largest message that one datagram holds, with its marker, in IPv4 or IPv6.
const MAX_DATAGRAM: usize = 65_535 - 20 - 8 - 4;
/// Octets of Fragment Number and Total Fragments.
const SKF_NUMBERS: usize = 4;

impl Channel {
    /// From what IKE_SA_INIT agreed (RFC 7296 section 2.14).
    pub fn new(
        provider: &'static Provider,
        suite: IkeSuite,
        initiator: bool,
        (spi_i, spi_r): (Spi, Spi),
        (ni, nr): (&[u8], &[u8]),
        shared: &Secret,
    ) -> Result<Self, CryptoError> {
        let prf = provider.prf(suite.prf).ok_or(CryptoError::Unsupported)?;
        let seed = skeyseed(prf, ni, nr, shared);
        Self::from_seed(provider, suite, initiator, (spi_i, spi_r), (ni, nr), &seed)
    }

    /// Of the SA that replaces this one; `shared` is the fresh exchange's (RFC 7296 section 2.18).
    pub fn successor(
        &self,
        provider: &'static Provider,
        suite: IkeSuite,
        initiator: bool,
        spis: (Spi, Spi),
        (ni, nr): (&[u8], &[u8]),
        shared: &Secret,
    ) -> Result<Self, CryptoError> {
        let seed = skeyseed_rekey(self.prf, &self.keys.sk_d, shared, ni, nr);
        let mut next = Self::from_seed(provider, suite, initiator, spis, (ni, nr), &seed)?;
        // Negotiated in IKE_SA_INIT for all that follows (RFC 7383 section 2.3).
        if let Some(fragmentation) = &self.fragmentation {
            next.allow_fragments(fragmentation.largest);
        }
        Ok(next)
    }

    fn from_seed(
        provider: &'static Provider,
        suite: IkeSuite,
        initiator: bool,
        (spi_i, spi_r): (Spi, Spi),
        (ni, nr): (&[u8], &[u8]),
        seed: &Secret,
    ) -> Result<Self, CryptoError> {
        let prf = provider.prf(suite.prf).ok_or(CryptoError::Unsupported)?;
        let cipher = provider
            .protect(suite.encr, suite.integ)
            .ok_or(CryptoError::Unsupported)?;
        let keys = ike_keys(prf, cipher, seed, ni, nr, &spi_i.0, &spi_r.0)?;
        Ok(Self {
            suite,
            prf,
            keys,
            cipher,
            initiator,
            counter: 0,
            fragmentation: None,
        })
    }

    /// The keyed cipher of one side's messages.
    fn keyed(&self, initiators: bool) -> Result<Box<dyn Protect>, CryptoError> {
        let keys = &self.keys;
        let (encr, integ) = if initiators {
            (&keys.sk_ei, &keys.sk_ai)
        } else {
            (&keys.sk_er, &keys.sk_ar)
        };
        self.cipher.key(encr.as_bytes(), integ.as_bytes())
    }

    /// Both sides support fragmentation: messages larger than this leave in fragments.
    pub fn allow_fragments(&mut self, largest: usize) {
        match &mut self.fragmentation {
            Some(fragmentation) => fragmentation.largest = largest,
            None => {
                self.fragmentation = Some(Fragmentation {
                    largest,
                    requests: Collector::default(),
                    responses: Collector::default(),
                });
            }
        }
    }

    /// The peer has proven itself, and may send more at once. What both have proven themselves with is not needed any more.
    pub fn trust(&mut self) {
        for key in [&mut self.keys.sk_pi, &mut self.keys.sk_pr] {
            *key = Secret::new(vec![]);
        }
        if let Some(fragmentation) = &mut self.fragmentation {
            fragmentation.requests.trust();
            fragmentation.responses.trust();
        }
    }

    /// Messages larger than this leave in fragments, if the peer supports it.
    pub fn set_largest(&mut self, largest: usize) {
        if let Some(fragmentation) = &mut self.fragmentation {
            fragmentation.largest = largest;
        }
    }

    /// A message with these payloads in its SK payload, or in SKF payloads if it is too large for one datagram.
    pub fn seal(&mut self, envelope: &Envelope, chain: &PayloadChain) -> Result<Datagrams, CryptoError> {
        let inner = chain.bytes();
        let outbound = &*self.keyed(self.initiator)?;
        let (iv, icv) = (outbound.iv_len(), outbound.icv_len());
        let block = outbound.block_len().max(1);
        let largest = self.fragmentation.as_ref().map_or(MAX_DATAGRAM, |f| f.largest);
        let whole = HEADER_LEN + GENERIC_HEADER_LEN + iv + padded(inner.len(), block) + icv;
        if whole <= largest {
            let plain = pad(inner, block)?;
            let (packet, header_len) = v2::sk_frame(envelope.header(), chain.first(), iv, &plain, icv);
            return self.protect(outbound, packet, header_len).map(Datagrams::from);
        }
        if self.fragmentation.is_none() {
            return Err(CryptoError::Length);
        }
        let room = largest.saturating_sub(HEADER_LEN + GENERIC_HEADER_LEN + SKF_NUMBERS + iv + icv);
        // The last octet of each is the pad length.
        let piece = (room - room % block).saturating_sub(1).max(1);
        let pieces: Vec<&[u8]> = inner.chunks(piece).collect();
        let total = u16::try_from(pieces.len()).map_err(|_| CryptoError::Length)?;
        let mut list = Vec::with_capacity(pieces.len());
        for (number, piece) in (1..=total).zip(pieces) {
            let first = if number == 1 { chain.first() } else { PayloadType::NONE };
            let plain = pad(piece, block)?;
            let (packet, header_len) = v2::skf_frame(envelope.header(), first, number, total, iv, &plain, icv);
            list.push(self.protect(outbound, packet, header_len)?);
        }
        Ok(Datagrams::fragments(list))
    }

    fn protect(
        &mut self,
        outbound: &dyn Protect,
        mut packet: Vec<u8>,
        header_len: usize,
    ) -> Result<Vec<u8>, CryptoError> {
        self.counter = self.counter.checked_add(1).ok_or(CryptoError::Exhausted)?;
        outbound.seal(&mut packet, header_len, self.counter, None)?;
        Ok(packet)
    }

    /// Verifies and decrypts; fragments are collected. One outcome for every fault, so that nothing tells padding from
    /// integrity.
    pub fn open(&mut self, message: &Message<'_>) -> Arrived {
        let Some(last) = last_payload(message) else {
            return Arrived::Nothing("message that does not open");
        };
        if last.kind == PayloadType::SKF {
            return self.open_fragment(message, &last);
        }
        let Some(inner) = self.decrypt(message, last.body.len()) else {
            return Arrived::Nothing("message that does not open");
        };
        if let Some(fragmentation) = &mut self.fragmentation {
            fragmentation.collector(message).clear();
        }
        Arrived::Message(Opened {
            first: last.next,
            bytes: inner,
            size: message.bytes.len(),
            datagram: message.bytes.to_vec(),
        })
    }

    /// The order of checks is that of RFC 7383 section 2.6.
    fn open_fragment(&mut self, message: &Message<'_>, skf: &RawPayload<'_>) -> Arrived {
        let Some(fragmentation) = &mut self.fragmentation else {
            return Arrived::Nothing("fragment, and fragmentation was not agreed");
        };
        let Ok(fragment) = Fragment::parse(skf.body) else {
            return Arrived::Nothing("message that does not open");
        };
        let at = Position {
            message_id: message.header.message_id,
            number: fragment.number,
            total: fragment.total,
        };
        if let Err(reason) = fragmentation.collector(message).wants(at) {
            return Arrived::Nothing(reason);
        }
        let Some(piece) = self.decrypt(message, fragment.body.len()) else {
            return Arrived::Nothing("message that does not open");
        };
        let Some(fragmentation) = &mut self.fragmentation else {
            return Arrived::Part;
        };
        match fragmentation.collector(message).add(at, skf.next, piece, message.bytes) {
            Ok(None) => Arrived::Part,
            Ok(Some(whole)) => Arrived::Message(Opened {
                first: whole.first,
                bytes: whole.inner,
                size: whole.size,
                datagram: whole.first_datagram,
            }),
            Err(reason) => Arrived::Nothing(reason),
        }
    }

    /// Whether this is an authentic request that was answered before: any whole message, of fragments only the first,
    /// so that the answer leaves once (RFC 7383 section 2.6.1).
    pub fn is_repetition(&self, message: &Message<'_>) -> bool {
        let Some(last) = last_payload(message) else {
            return false;
        };
        let sealed = match last.kind {
            PayloadType::SKF => Fragment::parse(last.body)
                .ok()
                .filter(|f| f.number == 1 && self.fragmentation.is_some())
                .map(|f| f.body.len()),
            _ => Some(last.body.len()),
        };
        sealed.is_some_and(|sealed| self.decrypt(message, sealed).is_some())
    }

    /// `sealed`: octets of IV, ciphertext and ICV, which end the message; all before them is authenticated as it came.
    fn decrypt(&self, message: &Message<'_>, sealed: usize) -> Option<Vec<u8>> {
        let header_len = message.bytes.len().checked_sub(sealed)?;
        let mut packet = message.bytes.to_vec();
        let inbound = self.keyed(!self.initiator).ok()?;
        let plain = inbound.open(&mut packet, header_len, None).ok()?;
        let (padding, rest) = plain.split_last()?;
        let inner = rest.len().checked_sub(usize::from(*padding))?;
        // In the place of what was before: header and IV.
        let from = packet.len().checked_sub(sealed)? + inbound.iv_len();
        let to = from.checked_add(inner).filter(|to| *to <= packet.len())?;
        packet.copy_within(from..to, 0);
        packet.truncate(inner);
        Some(packet)
    }

    /// Octets of messages that are not whole yet.
    pub fn fragment_octets(&self) -> usize {
        let all = self.fragmentation.iter().flat_map(|f| [&f.requests, &f.responses]);
        all.map(Collector::octets).sum()
    }

    pub fn key_log(&self, spi_i: Spi, spi_r: Spi) -> KeyLog {
        KeyLog::Ike {
            spi_i,
            spi_r,
            suite: self.suite,
            sk_ei: self.keys.sk_ei.clone(),
            sk_er: self.keys.sk_er.clone(),
            sk_ai: self.keys.sk_ai.clone(),
            sk_ar: self.keys.sk_ar.clone(),
        }
    }
}

/// Why a message of ours cannot leave.
pub(crate) fn unsealed(error: CryptoError) -> Cause {
    Cause::Local(match error {
        CryptoError::Length => "our message fits into no datagram, and fragments were not agreed on".into(),
        other => other.to_string(),
    })
}

impl Fragmentation {
    fn collector(&mut self, message: &Message<'_>) -> &mut Collector {
        if message.header.flags.is_response() {
            &mut self.responses
        } else {
            &mut self.requests
        }
    }
}

/// The payload that the others are in: it must come last (RFC 7296 section 3.14, RFC 7383 section 2.5).
fn last_payload<'a>(message: &Message<'a>) -> Option<RawPayload<'a>> {
    message
        .payloads()
        .filter_map(Result::ok)
        .find(|p| p.kind == PayloadType::SK || p.kind == PayloadType::SKF)
}
