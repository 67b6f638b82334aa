//! How a protected packet is laid out: `header | IV | body | ICV`.

use crate::provider::CryptoError;

/// A packet taken apart.
pub(super) struct Parts<'p, const IV: usize> {
    pub header: &'p [u8],
    pub iv: &'p mut [u8; IV],
    pub body: &'p mut [u8],
    pub icv: &'p mut [u8],
}

/// Takes a packet apart; `None` when it is too short for that.
pub(super) fn split<const IV: usize>(packet: &mut [u8], header_len: usize, icv_len: usize) -> Option<Parts<'_, IV>> {
    let (header, rest) = packet.split_at_mut_checked(header_len)?;
    let (iv, rest) = rest.split_first_chunk_mut::<IV>()?;
    let (body, icv) = rest.split_at_mut_checked(rest.len().checked_sub(icv_len)?)?;
    Some(Parts { header, iv, body, icv })
}

/// Additional authenticated data of an AEAD: the header, or with extended sequence numbers SPI and all 64 bits of the
/// sequence number (RFC 4106 and RFC 4309 section 5, RFC 7634 section 2.1).
pub(super) enum Aad<'p> {
    Header(&'p [u8]),
    Extended([u8; 12]),
}

impl<'p> Aad<'p> {
    pub fn new(header: &'p [u8], esn_high: Option<u32>) -> Result<Self, CryptoError> {
        let Some(high) = esn_high else {
            return Ok(Self::Header(header));
        };
        let [s0, s1, s2, s3, l0, l1, l2, l3] = *header else {
            return Err(CryptoError::Length);
        };
        let [h0, h1, h2, h3] = high.to_be_bytes();
        Ok(Self::Extended([s0, s1, s2, s3, h0, h1, h2, h3, l0, l1, l2, l3]))
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Header(header) => header,
            Self::Extended(bytes) => bytes,
        }
    }
}
