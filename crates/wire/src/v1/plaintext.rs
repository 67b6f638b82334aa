//! The octets of a message once they are decrypted: payloads, then padding (RFC 2409 appendix B).

use super::raw::{Payloads, RawPayload, padded_payloads, payloads};
use crate::ParseError;
use crate::header::PayloadType;

/// Decrypted payloads without their padding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plaintext<'a> {
    /// The type of the first payload, from the message's header.
    pub first: PayloadType,
    /// The payloads.
    pub chain: &'a [u8],
    /// What follows the last payload. It should be zeros; some senders pad otherwise, and nothing authenticates it.
    pub padding: &'a [u8],
}

impl<'a> Plaintext<'a> {
    /// Finds the end of the chain. An error if the chain cannot be walked to its last payload, or if there is none.
    pub fn split(first: PayloadType, plaintext: &'a [u8]) -> Result<Self, ParseError> {
        let mut end = 0;
        for raw in padded_payloads(first, plaintext) {
            end = raw?.end();
        }
        match plaintext.split_at_checked(end) {
            Some((chain, padding)) if end > 0 => Ok(Self { first, chain, padding }),
            _ => Err(ParseError::new(0, "no payload inside")),
        }
    }

    /// Whether the padding is zeros, as RFC 2409 appendix B has it.
    pub fn is_zero_padded(&self) -> bool {
        self.padding.iter().all(|octet| *octet == 0)
    }

    /// The payloads.
    pub fn payloads(&self) -> Payloads<'a> {
        payloads(self.first, self.chain)
    }

    /// The payloads that follow `payload`, exactly as they came and without the padding: what HASH(1), HASH(2) and the
    /// hash of an informational exchange cover after the message id (RFC 2409 sections 5.5 and 5.7).
    pub fn after(&self, payload: &RawPayload<'_>) -> &'a [u8] {
        self.chain.get(payload.end()..).unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::v1::PayloadChain;

    fn chain() -> PayloadChain {
        let mut chain = PayloadChain::new();
        chain.push_raw(PayloadType::V1_HASH, &[1; 20]);
        chain.push_raw(PayloadType::V1_NONCE, &[2; 9]);
        chain
    }

    #[test]
    fn padding_is_told_from_payloads() {
        let chain = chain();
        let padded = chain.padded(16);
        assert_eq!((chain.bytes().len(), padded.len()), (37, 48));
        let plaintext = Plaintext::split(PayloadType::V1_HASH, &padded).unwrap();
        assert_eq!((plaintext.chain, plaintext.padding), (chain.bytes(), &[0; 11][..]));
        assert!(plaintext.is_zero_padded());
        let hash = plaintext.payloads().next().unwrap().unwrap();
        assert_eq!(plaintext.after(&hash), &chain.bytes()[24..]);
        let last = plaintext.payloads().last().unwrap().unwrap();
        assert_eq!(plaintext.after(&last), &[] as &[u8]);
    }

    #[test]
    fn whole_blocks_need_no_padding_and_any_padding_is_kept() {
        let mut chain = PayloadChain::new();
        chain.push_raw(PayloadType::V1_HASH, &[1; 12]);
        assert_eq!(chain.padded(8), chain.bytes());
        assert_eq!(chain.padded(0), chain.bytes());
        let mut odd = chain.bytes().to_vec();
        odd.extend([9, 9, 3]);
        let plaintext = Plaintext::split(PayloadType::V1_HASH, &odd).unwrap();
        assert_eq!(plaintext.padding, [9, 9, 3]);
        assert!(!plaintext.is_zero_padded());
    }

    #[test]
    fn what_a_wrong_key_gives_is_refused() {
        let padded = chain().padded(16);
        assert!(Plaintext::split(PayloadType::NONE, &padded).is_err());
        assert!(Plaintext::split(PayloadType::V1_HASH, &[]).is_err());
        for len in 0..37 {
            assert!(Plaintext::split(PayloadType::V1_HASH, &padded[..len]).is_err(), "{len}");
        }
        assert!(Plaintext::split(PayloadType::V1_HASH, &[0xa5; 48]).is_err());
    }
}
