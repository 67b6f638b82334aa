//! A peer that holds the true keys of an ISAKMP SA and says what no true peer says.

use std::collections::BTreeMap;

use handfast_crypto::hash::Hash;
use handfast_crypto::provider::{Cbc, PrfAlgorithm};
use handfast_crypto::schedule::v1::{self, Covered, PhaseOneKeys};
use handfast_engine::event::KeyLog;
use handfast_wire::header::{ExchangeType, Flags, Header, PayloadType, Spi, Version};
use handfast_wire::v1::{Message, PayloadChain, Plaintext, encrypted_message, payloads};

use crate::Host;

/// The payloads (type, body) of a message.
pub type Payloads = Vec<(PayloadType, Vec<u8>)>;

/// Seals with an ISAKMP SA's keys as either of its ends, and opens what either end sent. It follows the chain of IVs of
/// every exchange by the messages that it is shown.
pub struct ForgerV1 {
    /// Both cookies.
    pub cookies: (Spi, Spi),
    /// SKEYID and its daughters.
    pub keys: PhaseOneKeys,
    prf: &'static dyn PrfAlgorithm,
    hash: Hash,
    cipher: Box<dyn Cbc>,
    block_len: usize,
    sai_b: Vec<u8>,
    publics: [Vec<u8>; 2],
    /// The last block of ciphertext of phase 1.
    phase_one: Vec<u8>,
    /// The last block of every exchange of phase 2 by its message ID.
    chains: BTreeMap<u32, Vec<u8>>,
}

impl ForgerV1 {
    /// Of the ISAKMP SA whose keys `host` logged last; `wire` is every message so far.
    pub fn new<'a>(host: &Host, wire: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        Self::of(host, None, wire)
    }

    /// The same for the SA of this message.
    pub fn of<'a>(host: &Host, message: Option<&[u8]>, wire: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let wanted = message.and_then(|bytes| bytes.first_chunk::<8>());
        let newest = host.keys.iter().rev().find_map(|k| match k {
            KeyLog::Isakmp { cky_i, .. } if wanted.is_some_and(|wanted| *wanted != cky_i.0) => None,
            KeyLog::Isakmp {
                cky_i,
                cky_r,
                suite,
                keys,
                key,
            } => Some(((*cky_i, *cky_r), suite, keys, key)),
            _ => None,
        });
        let (cookies, suite, keys, key) = newest?;
        let provider = crate::seeded::provider();
        let cipher = provider.cbc(suite.encr)?;
        let mut forger = Self {
            cookies,
            keys: keys.clone(),
            prf: provider.prf(suite.prf)?,
            hash: Hash::of_prf(suite.prf)?,
            cipher: cipher.key(key.as_bytes()).ok()?,
            block_len: cipher.block_len(),
            sai_b: vec![],
            publics: [vec![], vec![]],
            phase_one: vec![],
            chains: BTreeMap::new(),
        };
        wire.into_iter().for_each(|bytes| forger.observe(bytes));
        Some(forger)
    }

    /// A message that both ends take for good.
    pub fn observe(&mut self, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else { return };
        let header = message.header;
        if header.spi_i != self.cookies.0 || (header.spi_r != self.cookies.1 && !header.spi_r.is_zero()) {
            return;
        }
        if let Some(ciphertext) = message.ciphertext() {
            let last = ciphertext[ciphertext.len() - self.block_len..].to_vec();
            match header.message_id {
                0 => self.phase_one = last,
                id => drop(self.chains.insert(id, last)),
            }
            return;
        }
        for payload in payloads(header.next_payload, message.body()).filter_map(Result::ok) {
            match payload.kind {
                // The initiator's comes first.
                PayloadType::V1_SA if self.sai_b.is_empty() => self.sai_b = payload.body.to_vec(),
                PayloadType::V1_KE if self.publics[0].is_empty() => self.publics[0] = payload.body.to_vec(),
                PayloadType::V1_KE if self.publics[1].is_empty() && payload.body != self.publics[0] => {
                    self.publics[1] = payload.body.to_vec();
                    self.phase_one = v1::phase_one_iv(self.hash, &self.publics[0], &self.publics[1], self.block_len);
                }
                _ => {}
            }
        }
    }

    /// The message IDs of phase 2 that it has seen.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.chains.keys().copied()
    }

    /// The IV of the next message with this ID.
    fn iv(&self, id: u32) -> Vec<u8> {
        match (id, self.chains.get(&id)) {
            (0, _) => self.phase_one.clone(),
            (_, Some(last)) => last.clone(),
            (id, None) => v1::phase_two_iv(self.hash, &self.phase_one, id, self.block_len),
        }
    }

    /// A header of this SA.
    pub fn header(&self, exchange: ExchangeType, message_id: u32) -> Header {
        Header {
            spi_i: self.cookies.0,
            spi_r: self.cookies.1,
            next_payload: PayloadType::NONE,
            version: Version::V1,
            exchange,
            flags: Flags::default(),
            message_id,
            length: 0,
        }
    }

    /// Any octets, padded and encrypted as the next message with this ID.
    pub fn seal_raw(&self, exchange: ExchangeType, id: u32, first: PayloadType, inner: &[u8]) -> Vec<u8> {
        let mut plain = inner.to_vec();
        plain.resize(inner.len().next_multiple_of(self.block_len), 0);
        self.cipher
            .encrypt(&self.iv(id), &mut plain)
            .unwrap_or_else(|e| panic!("sealing: {e}"));
        encrypted_message(self.header(exchange, id), first, &plain)
    }

    /// These payloads.
    pub fn seal(&self, exchange: ExchangeType, id: u32, payloads: &[(PayloadType, Vec<u8>)]) -> Vec<u8> {
        let chain = chain(payloads);
        self.seal_raw(exchange, id, chain.first(), chain.bytes())
    }

    /// These payloads after a HASH(1), as in a first message of phase 2 and an informational exchange.
    pub fn hashed(&self, exchange: ExchangeType, id: u32, payloads: &[(PayloadType, Vec<u8>)]) -> Vec<u8> {
        let hash = v1::hash_1(self.prf, &self.keys.skeyid_a, id, chain(payloads).bytes());
        self.after(exchange, id, hash.as_bytes(), payloads)
    }

    /// These payloads after a HASH(2), as in message 2 of a quick mode.
    pub fn hashed_2(&self, id: u32, ni: &[u8], payloads: &[(PayloadType, Vec<u8>)]) -> Vec<u8> {
        let hash = v1::hash_2(self.prf, &self.keys.skeyid_a, id, ni, chain(payloads).bytes());
        self.after(ExchangeType::V1_QUICK, id, hash.as_bytes(), payloads)
    }

    /// HASH(3) alone.
    pub fn hashed_3(&self, id: u32, ni: &[u8], nr: &[u8]) -> Vec<u8> {
        let hash = v1::hash_3(self.prf, &self.keys.skeyid_a, id, ni, nr);
        self.after(ExchangeType::V1_QUICK, id, hash.as_bytes(), &[])
    }

    /// These payloads after this HASH payload.
    pub fn after(&self, exchange: ExchangeType, id: u32, hash: &[u8], rest: &[(PayloadType, Vec<u8>)]) -> Vec<u8> {
        let mut all = vec![(PayloadType::V1_HASH, hash.to_vec())];
        all.extend(rest.iter().cloned());
        self.seal(exchange, id, &all)
    }

    fn covered(&self) -> Covered<'_> {
        Covered {
            gxi: &self.publics[0],
            gxr: &self.publics[1],
            cky_i: &self.cookies.0.0,
            cky_r: &self.cookies.1.0,
            sai_b: &self.sai_b,
        }
    }

    /// HASH_I for this identity.
    pub fn hash_i(&self, id_body: &[u8]) -> Vec<u8> {
        let hash = v1::hash_i(self.prf, &self.keys.skeyid, &self.covered(), id_body);
        hash.as_bytes().to_vec()
    }

    /// HASH_R for this identity.
    pub fn hash_r(&self, id_body: &[u8]) -> Vec<u8> {
        let hash = v1::hash_r(self.prf, &self.keys.skeyid, &self.covered(), id_body);
        hash.as_bytes().to_vec()
    }

    /// The payloads of the next message of its exchange; `None` if it does not open.
    pub fn open(&self, bytes: &[u8]) -> Option<Payloads> {
        let message = Message::parse(bytes).ok()?;
        let mut plain = message.ciphertext()?.to_vec();
        self.cipher
            .decrypt(&self.iv(message.header.message_id), &mut plain)
            .ok()?;
        let split = Plaintext::split(message.header.next_payload, &plain).ok()?;
        let all = split.payloads().map(|p| p.ok().map(|p| (p.kind, p.body.to_vec())));
        all.collect()
    }

    /// The payloads of an informational message, if its HASH is right.
    pub fn open_hashed(&self, bytes: &[u8]) -> Option<Payloads> {
        let id = Message::parse(bytes).ok()?.header.message_id;
        let mut all = self.open(bytes)?;
        let (kind, hash) = (!all.is_empty()).then(|| all.remove(0))?;
        let expected = v1::hash_1(self.prf, &self.keys.skeyid_a, id, chain(&all).bytes());
        (kind == PayloadType::V1_HASH && expected.ct_eq(&hash)).then_some(all)
    }
}

/// A chain of these payloads.
pub fn chain(payloads: &[(PayloadType, Vec<u8>)]) -> PayloadChain {
    let mut chain = PayloadChain::new();
    for (kind, body) in payloads {
        chain.push_raw(*kind, body);
    }
    chain
}
