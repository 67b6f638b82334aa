//! The protected channel of an IKE SA: sealing and opening SK payloads (RFC 7296 section 3.14, RFC 5282).

use handfast_crypto::proposal::IkeSuite;
use handfast_crypto::provider::{CryptoError, PrfAlgorithm, Protect, Provider};
use handfast_crypto::schedule::v2::{IkeKeys, ike_keys, skeyseed, skeyseed_rekey};
use handfast_crypto::secret::Secret;
use handfast_wire::header::{PayloadType, Spi};
use handfast_wire::v2::{self, Message, PayloadChain};

use crate::event::KeyLog;
use crate::v2::message::Envelope;

/// Keys of an IKE SA, and its two directions.
pub(crate) struct Channel {
    pub suite: IkeSuite,
    pub prf: &'static dyn PrfAlgorithm,
    pub keys: IkeKeys,
    outbound: Box<dyn Protect>,
    inbound: Box<dyn Protect>,
    /// Makes each outbound IV unique for the key.
    counter: u64,
}

/// A message's inner payloads.
pub(crate) struct Opened {
    pub first: PayloadType,
    pub bytes: Vec<u8>,
}

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
        Self::from_seed(provider, suite, initiator, spis, (ni, nr), &seed)
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
        let protect = provider
            .protect(suite.encr, suite.integ)
            .ok_or(CryptoError::Unsupported)?;
        let keys = ike_keys(prf, protect, seed, ni, nr, &spi_i.0, &spi_r.0)?;
        let of_i = protect.key(keys.sk_ei.as_bytes(), keys.sk_ai.as_bytes())?;
        let of_r = protect.key(keys.sk_er.as_bytes(), keys.sk_ar.as_bytes())?;
        let (outbound, inbound) = if initiator { (of_i, of_r) } else { (of_r, of_i) };
        Ok(Self {
            suite,
            prf,
            keys,
            outbound,
            inbound,
            counter: 0,
        })
    }

    /// A whole message with these payloads in its SK payload.
    pub fn seal(&mut self, envelope: &Envelope, chain: &PayloadChain) -> Result<Vec<u8>, CryptoError> {
        let block = self.outbound.block_len().max(1);
        let inner = chain.bytes();
        let padding = (block - (inner.len() + 1) % block) % block;
        let mut plain = Vec::with_capacity(inner.len() + padding + 1);
        plain.extend_from_slice(inner);
        plain.resize(inner.len() + padding, 0);
        plain.push(u8::try_from(padding).map_err(|_| CryptoError::Length)?);
        let (iv, icv) = (self.outbound.iv_len(), self.outbound.icv_len());
        let (mut packet, header_len) = v2::sk_frame(envelope.header(), chain.first(), iv, &plain, icv);
        self.counter = self.counter.checked_add(1).ok_or(CryptoError::Exhausted)?;
        self.outbound.seal(&mut packet, header_len, self.counter, None)?;
        Ok(packet)
    }

    /// Verifies and decrypts. One outcome for every fault, so that nothing tells padding from integrity.
    pub fn open(&self, message: &Message<'_>) -> Option<Opened> {
        let sk = message
            .payloads()
            .filter_map(Result::ok)
            .find(|p| p.kind == PayloadType::SK)?;
        // SK is the last payload, so everything before its body is authenticated as it came.
        let header_len = message.bytes.len().checked_sub(sk.body.len())?;
        let mut packet = message.bytes.to_vec();
        let plain = self.inbound.open(&mut packet, header_len, None).ok()?;
        let (padding, rest) = plain.split_last()?;
        let inner = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
        Some(Opened {
            first: sk.next,
            bytes: inner.to_vec(),
        })
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
