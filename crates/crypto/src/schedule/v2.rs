//! The key schedule of IKEv2 (RFC 7296 sections 2.13, 2.14, 2.17 and 2.18).

use crate::provider::{CryptoError, PrfAlgorithm, ProtectAlgorithm};
use crate::secret::Secret;

/// Keys of an IKE SA (RFC 7296 section 2.14), in the order in which prf+ yields them.
#[derive(Clone, Debug)]
pub struct IkeKeys {
    /// Keys the child SAs' keys and the next SKEYSEED.
    pub sk_d: Secret,
    /// Integrity of what the initiator sends; empty with AEAD.
    pub sk_ai: Secret,
    /// Integrity of what the responder sends; empty with AEAD.
    pub sk_ar: Secret,
    /// Encryption of what the initiator sends, salt included.
    pub sk_ei: Secret,
    /// Encryption of what the responder sends, salt included.
    pub sk_er: Secret,
    /// Keys the initiator's AUTH payload.
    pub sk_pi: Secret,
    /// Keys the responder's AUTH payload.
    pub sk_pr: Secret,
}

/// Keys of a pair of ESP SAs (RFC 7296 section 2.17). "Initiator" is whoever started the exchange that made them.
#[derive(Clone, Debug)]
pub struct ChildKeys {
    /// Encryption of what the initiator sends, salt included.
    pub encr_i: Secret,
    /// Integrity of what the initiator sends; empty with AEAD.
    pub integ_i: Secret,
    /// Encryption of what the responder sends, salt included.
    pub encr_r: Secret,
    /// Integrity of what the responder sends; empty with AEAD.
    pub integ_r: Secret,
}

/// In as many parts a seed may be.
const MOST_PARTS: usize = 4;

/// prf+(key, concatenation of `seed`) (RFC 7296 section 2.13). Fails when `out` needs more than 255 blocks, or
/// `seed` has more than four parts.
pub fn prf_plus(prf: &dyn PrfAlgorithm, key: &[u8], seed: &[&[u8]], out: &mut [u8]) -> Result<(), CryptoError> {
    let block_len = prf.output_len();
    if block_len == 0 || out.len() > block_len * 255 {
        return Err(CryptoError::Length);
    }
    let mut previous = Secret::new(Vec::new());
    for (counter, chunk) in (1..=u8::MAX).zip(out.chunks_mut(block_len)) {
        let counter = [counter];
        // On the stack, for there are as many of them as blocks.
        let mut data = [&[][..]; MOST_PARTS + 2];
        let (first, rest) = data.split_first_mut().ok_or(CryptoError::Length)?;
        *first = previous.as_bytes();
        let (parts, last) = rest.split_at_mut_checked(seed.len()).ok_or(CryptoError::Length)?;
        parts.copy_from_slice(seed);
        *last.first_mut().ok_or(CryptoError::Length)? = &counter;
        // What is left is empty.
        let block = prf.compute(key, &data);
        let part = block.as_bytes().get(..chunk.len()).ok_or(CryptoError::Length)?;
        chunk.copy_from_slice(part);
        previous = block;
    }
    Ok(())
}

/// SKEYSEED = prf(Ni | Nr, g^ir) (RFC 7296 section 2.14).
pub fn skeyseed(prf: &dyn PrfAlgorithm, ni: &[u8], nr: &[u8], shared: &Secret) -> Secret {
    // "Only the first 64 bits of Ni and the first 64 bits of Nr are used" by the PRFs of fixed key size.
    let of = |nonce: &'_ [u8]| match prf.nonce_key_len() {
        Some(len) => nonce.get(..len).unwrap_or(nonce).to_vec(),
        None => nonce.to_vec(),
    };
    prf.compute(&[of(ni), of(nr)].concat(), &[shared.as_bytes()])
}

/// SKEYSEED of an IKE SA that replaces another: prf(SK_d (old), g^ir (new) | Ni | Nr) (RFC 7296 section 2.18). The PRF is
/// the old SA's.
pub fn skeyseed_rekey(old_prf: &dyn PrfAlgorithm, sk_d: &Secret, shared_new: &Secret, ni: &[u8], nr: &[u8]) -> Secret {
    old_prf.compute(sk_d.as_bytes(), &[shared_new.as_bytes(), ni, nr])
}

/// All keys of an IKE SA: prf+(SKEYSEED, Ni | Nr | SPIi | SPIr) (RFC 7296 section 2.14).
pub fn ike_keys(
    prf: &dyn PrfAlgorithm,
    protect: &dyn ProtectAlgorithm,
    skeyseed: &Secret,
    ni: &[u8],
    nr: &[u8],
    spi_i: &[u8; 8],
    spi_r: &[u8; 8],
) -> Result<IkeKeys, CryptoError> {
    let (prf_len, integ, encr) = (prf.key_len(), protect.integ_key_len(), protect.encr_key_len());
    let lengths = [prf_len, integ, integ, encr, encr, prf_len, prf_len];
    let [sk_d, sk_ai, sk_ar, sk_ei, sk_er, sk_pi, sk_pr] = expand(prf, skeyseed, &[ni, nr, spi_i, spi_r], lengths)?;
    Ok(IkeKeys {
        sk_d,
        sk_ai,
        sk_ar,
        sk_ei,
        sk_er,
        sk_pi,
        sk_pr,
    })
}

/// KEYMAT = prf+(SK_d, [g^ir (new) |] Ni | Nr) (RFC 7296 section 2.17).
///
/// `shared` is there when the exchange carried KE payloads. In IKE_AUTH the nonces are those of IKE_SA_INIT.
pub fn child_keys(
    prf: &dyn PrfAlgorithm,
    protect: &dyn ProtectAlgorithm,
    sk_d: &Secret,
    shared: Option<&Secret>,
    ni: &[u8],
    nr: &[u8],
) -> Result<ChildKeys, CryptoError> {
    let (encr, integ) = (protect.encr_key_len(), protect.integ_key_len());
    let fresh = shared.map_or(&[][..], Secret::as_bytes);
    let [encr_i, integ_i, encr_r, integ_r] = expand(prf, sk_d, &[fresh, ni, nr], [encr, integ, encr, integ])?;
    Ok(ChildKeys {
        encr_i,
        integ_i,
        encr_r,
        integ_r,
    })
}

/// One run of prf+, cut into keys of these lengths.
fn expand<const N: usize>(
    prf: &dyn PrfAlgorithm,
    key: &Secret,
    seed: &[&[u8]],
    lengths: [usize; N],
) -> Result<[Secret; N], CryptoError> {
    let mut material = zeroize::Zeroizing::new(vec![0; lengths.iter().sum()]);
    prf_plus(prf, key.as_bytes(), seed, &mut material)?;
    let mut rest = material.as_slice();
    Ok(lengths.map(|len| {
        let (key, tail) = rest.split_at(len);
        rest = tail;
        Secret::from(key)
    }))
}

#[cfg(test)]
mod tests;
