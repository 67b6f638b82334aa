//! A peer that holds the true keys of an IKE SA and says what no true peer says.

use handfast_crypto::provider::Protect;
use handfast_engine::event::KeyLog;
use handfast_wire::header::{ExchangeType, Flags, Header, PayloadType, Spi, Version};
use handfast_wire::v2::{self, Message, PayloadChain};

use crate::Host;

/// Seals with an IKE SA's keys as one of its ends, and opens what either end sent.
pub struct Forger {
    spis: (Spi, Spi),
    of_i: Box<dyn Protect>,
    of_r: Box<dyn Protect>,
    initiator: bool,
    counter: u64,
}

impl Forger {
    /// Plays the original initiator or responder of the IKE SA whose keys `host` logged last.
    pub fn new(host: &Host, initiator: bool) -> Self {
        Self::find(host, initiator, |_| true).unwrap_or_else(|| panic!("no IKE SA has keys yet"))
    }

    /// Plays the sender of this message, if `host` has logged the keys of its SA.
    pub fn sender_of(host: &Host, message: &[u8]) -> Option<Self> {
        let header = Header::parse(message).ok()?;
        let initiator = header.flags.contains(Flags::INITIATOR);
        Self::find(host, initiator, |spis| spis == (header.spi_i, header.spi_r))
    }

    fn find(host: &Host, initiator: bool, wanted: impl Fn((Spi, Spi)) -> bool) -> Option<Self> {
        let newest = host.keys.iter().rev().find_map(|k| match k {
            KeyLog::Ike {
                spi_i,
                spi_r,
                suite,
                sk_ei,
                sk_er,
                sk_ai,
                sk_ar,
            } if wanted((*spi_i, *spi_r)) => Some((*spi_i, *spi_r, suite, [sk_ei, sk_ai], [sk_er, sk_ar])),
            _ => None,
        });
        let (spi_i, spi_r, suite, of_i, of_r) = newest?;
        let algorithm = crate::seeded::provider()
            .protect(suite.encr, suite.integ)
            .unwrap_or_else(|| panic!("{suite} is in use"));
        let keyed = |[encr, integ]: [&handfast_crypto::secret::Secret; 2]| {
            algorithm
                .key(encr.as_bytes(), integ.as_bytes())
                .unwrap_or_else(|e| panic!("{suite}: {e}"))
        };
        Some(Self {
            spis: (spi_i, spi_r),
            of_i: keyed(of_i),
            of_r: keyed(of_r),
            initiator,
            // Far from the true peer's, so that no IV repeats.
            counter: 1 << 40,
        })
    }

    /// A request with these payloads.
    pub fn request(&mut self, exchange: ExchangeType, id: u32, chain: &PayloadChain) -> Vec<u8> {
        self.seal(exchange, false, id, chain.first(), chain.bytes())
    }

    /// A response with these payloads.
    pub fn response(&mut self, exchange: ExchangeType, id: u32, chain: &PayloadChain) -> Vec<u8> {
        self.seal(exchange, true, id, chain.first(), chain.bytes())
    }

    /// Any octets in an SK payload that opens.
    pub fn seal(
        &mut self,
        exchange: ExchangeType,
        response: bool,
        id: u32,
        first: PayloadType,
        inner: &[u8],
    ) -> Vec<u8> {
        let bit = |on: bool, flag: Flags| if on { flag.0 } else { 0 };
        let header = Header {
            spi_i: self.spis.0,
            spi_r: self.spis.1,
            next_payload: PayloadType::NONE,
            version: Version::V2,
            exchange,
            flags: Flags(bit(self.initiator, Flags::INITIATOR) | bit(response, Flags::RESPONSE)),
            message_id: id,
            length: 0,
        };
        let ours = if self.initiator { &self.of_i } else { &self.of_r };
        let block = ours.block_len().max(1);
        let padding = (block - (inner.len() + 1) % block) % block;
        let mut plain = inner.to_vec();
        plain.resize(inner.len() + padding, 0);
        plain.push(padding as u8);
        let (mut packet, header_len) = v2::sk_frame(header, first, ours.iv_len(), &plain, ours.icv_len());
        self.counter += 1;
        ours.seal(&mut packet, header_len, self.counter, None)
            .unwrap_or_else(|e| panic!("sealing: {e}"));
        packet
    }

    /// A message that it sent, sealed anew with its first payload's type and its inner octets changed.
    pub fn rewrite(&mut self, bytes: &[u8], change: impl FnOnce(&mut PayloadType, &mut Vec<u8>)) -> Option<Vec<u8>> {
        let header = Header::parse(bytes).ok()?;
        let (mut first, mut inner) = self.plain(bytes)?;
        change(&mut first, &mut inner);
        let response = header.flags.is_response();
        Some(self.seal(header.exchange, response, header.message_id, first, &inner))
    }

    /// The payloads (type, body) of a protected message of either end; `None` if it does not open or is malformed.
    pub fn open(&self, bytes: &[u8]) -> Option<Vec<(PayloadType, Vec<u8>)>> {
        let (first, inner) = self.plain(bytes)?;
        v2::payloads(first, &inner)
            .map(|p| p.ok().map(|p| (p.kind, p.body.to_vec())))
            .collect()
    }

    fn plain(&self, bytes: &[u8]) -> Option<(PayloadType, Vec<u8>)> {
        let message = Message::parse(bytes).ok()?;
        let from_i = message.header.flags.contains(Flags::INITIATOR);
        let sender = if from_i { &self.of_i } else { &self.of_r };
        let sk = message
            .payloads()
            .filter_map(Result::ok)
            .find(|p| p.kind == PayloadType::SK)?;
        let mut packet = bytes.to_vec();
        let plain = sender.open(&mut packet, bytes.len() - sk.body.len(), None).ok()?;
        let (padding, rest) = plain.split_last()?;
        let inner = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
        Some((sk.next, inner.to_vec()))
    }
}

/// A chain of these payloads.
pub fn chain(payloads: &[(PayloadType, Vec<u8>)]) -> PayloadChain {
    let mut chain = PayloadChain::new();
    for (kind, body) in payloads {
        chain.push_raw(*kind, false, body);
    }
    chain
}

/// The body of a notify.
pub fn notify(protocol: u8, spi: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let mut body = vec![protocol, spi.len() as u8];
    body.extend(kind.to_be_bytes());
    body.extend(spi);
    body.extend(data);
    body
}
