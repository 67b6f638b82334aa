//! The key schedule of IKEv1 (RFC 2409 sections 5 and appendix B). The PRF is always the HMAC of the negotiated hash.
//!
//! `_b` in a name means the body of a payload, without its generic header, as RFC 2409 section 3.2 has it.

use crate::hash::Hash;
use crate::provider::{CryptoError, PrfAlgorithm};
use crate::secret::Secret;

/// SKEYID and what is made of it (RFC 2409 section 5).
#[derive(Clone, Debug)]
pub struct PhaseOneKeys {
    /// Keys HASH_I and HASH_R.
    pub skeyid: Secret,
    /// Keys what phase 2 agrees.
    pub skeyid_d: Secret,
    /// Authenticates messages of phase 2.
    pub skeyid_a: Secret,
    /// Encrypts messages, after expansion.
    pub skeyid_e: Secret,
}

/// SKEYID with a preshared key: prf(pre-shared-key, Ni_b | Nr_b).
pub fn skeyid_preshared(prf: &dyn PrfAlgorithm, key: &Secret, ni_b: &[u8], nr_b: &[u8]) -> Secret {
    prf.compute(key.as_bytes(), &[ni_b, nr_b])
}

/// SKEYID with signatures, and with Kerberos: prf(Ni_b | Nr_b, g^xy).
pub fn skeyid_signature(prf: &dyn PrfAlgorithm, ni_b: &[u8], nr_b: &[u8], shared: &Secret) -> Secret {
    prf.compute(&[ni_b, nr_b].concat(), &[shared.as_bytes()])
}

/// SKEYID_d, SKEYID_a and SKEYID_e.
pub fn phase_one_keys(
    prf: &dyn PrfAlgorithm,
    skeyid: Secret,
    shared: &Secret,
    cky_i: &[u8; 8],
    cky_r: &[u8; 8],
) -> PhaseOneKeys {
    let next = |before: &[u8], number: u8| {
        let data = [before, shared.as_bytes(), cky_i, cky_r, &[number]];
        prf.compute(skeyid.as_bytes(), &data)
    };
    let skeyid_d = next(&[], 0);
    let skeyid_a = next(skeyid_d.as_bytes(), 1);
    let skeyid_e = next(skeyid_a.as_bytes(), 2);
    PhaseOneKeys {
        skeyid,
        skeyid_d,
        skeyid_a,
        skeyid_e,
    }
}

/// The cipher's key Ka: the beginning of SKEYID_e, or, where that is too short, of K1 | K2 | ... with
/// K1 = prf(SKEYID_e, 0) and Kn = prf(SKEYID_e, Kn-1) (appendix B).
pub fn cipher_key(prf: &dyn PrfAlgorithm, skeyid_e: &Secret, len: usize) -> Result<Secret, CryptoError> {
    if let Some(key) = skeyid_e.as_bytes().get(..len) {
        return Ok(Secret::from(key));
    }
    let first = prf.compute(skeyid_e.as_bytes(), &[&[0]]);
    stretch(prf, skeyid_e, first, &[], len)
}

/// The first IV of phase 1: the beginning of hash(g^xi | g^xr) (appendix B).
pub fn phase_one_iv(hash: Hash, gxi: &[u8], gxr: &[u8], block_len: usize) -> Vec<u8> {
    cut(hash.digest(&[gxi, gxr]), block_len)
}

/// The first IV of an exchange in phase 2: the beginning of hash(last block of phase 1's ciphertext | message ID).
pub fn phase_two_iv(hash: Hash, last_block: &[u8], message_id: u32, block_len: usize) -> Vec<u8> {
    cut(hash.digest(&[last_block, &message_id.to_be_bytes()]), block_len)
}

fn cut(mut octets: Vec<u8>, len: usize) -> Vec<u8> {
    octets.truncate(len);
    octets
}

/// What HASH_I and HASH_R cover, as both sides see it.
#[derive(Clone, Copy, Debug)]
pub struct Covered<'a> {
    /// The initiator's public value.
    pub gxi: &'a [u8],
    /// The responder's public value.
    pub gxr: &'a [u8],
    /// The initiator's cookie.
    pub cky_i: &'a [u8; 8],
    /// The responder's cookie.
    pub cky_r: &'a [u8; 8],
    /// The whole SA payload body that the initiator offered.
    pub sai_b: &'a [u8],
}

/// HASH_I = prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b).
pub fn hash_i(prf: &dyn PrfAlgorithm, skeyid: &Secret, covered: &Covered<'_>, idii_b: &[u8]) -> Secret {
    let c = covered;
    prf.compute(skeyid.as_bytes(), &[c.gxi, c.gxr, c.cky_i, c.cky_r, c.sai_b, idii_b])
}

/// HASH_R = prf(SKEYID, g^xr | g^xi | CKY-R | CKY-I | SAi_b | IDir_b).
pub fn hash_r(prf: &dyn PrfAlgorithm, skeyid: &Secret, covered: &Covered<'_>, idir_b: &[u8]) -> Secret {
    let c = covered;
    prf.compute(skeyid.as_bytes(), &[c.gxr, c.gxi, c.cky_r, c.cky_i, c.sai_b, idir_b])
}

/// HASH(1) of quick mode, and the HASH of an informational exchange (sections 5.5 and 5.7): prf(SKEYID_a, M-ID | what
/// follows the HASH payload, generic headers included).
pub fn hash_1(prf: &dyn PrfAlgorithm, skeyid_a: &Secret, message_id: u32, rest: &[u8]) -> Secret {
    prf.compute(skeyid_a.as_bytes(), &[&message_id.to_be_bytes(), rest])
}

/// HASH(2): the same with Ni_b after M-ID.
pub fn hash_2(prf: &dyn PrfAlgorithm, skeyid_a: &Secret, message_id: u32, ni_b: &[u8], rest: &[u8]) -> Secret {
    prf.compute(skeyid_a.as_bytes(), &[&message_id.to_be_bytes(), ni_b, rest])
}

/// HASH(3) = prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b).
pub fn hash_3(prf: &dyn PrfAlgorithm, skeyid_a: &Secret, message_id: u32, ni_b: &[u8], nr_b: &[u8]) -> Secret {
    prf.compute(skeyid_a.as_bytes(), &[&[0], &message_id.to_be_bytes(), ni_b, nr_b])
}

/// What the keys of an SA of phase 2 are made of.
#[derive(Clone, Copy, Debug)]
pub struct QuickMode<'a> {
    /// g(qm)^xy, where there was a fresh exchange.
    pub shared: Option<&'a Secret>,
    /// 3 for ESP, 2 for AH (RFC 2407 section 4.4.1).
    pub protocol: u8,
    /// The initiator's nonce.
    pub ni_b: &'a [u8],
    /// The responder's nonce.
    pub nr_b: &'a [u8],
}

/// KEYMAT of one SA, named by the SPI that its receiver chose (section 5.5): prf(SKEYID_d, [g(qm)^xy |] protocol | SPI |
/// Ni_b | Nr_b), stretched by feeding each block back.
pub fn keymat(
    prf: &dyn PrfAlgorithm,
    skeyid_d: &Secret,
    quick: &QuickMode<'_>,
    spi: u32,
    len: usize,
) -> Result<Secret, CryptoError> {
    let shared = quick.shared.map_or(&[][..], Secret::as_bytes);
    let (protocol, spi) = ([quick.protocol], spi.to_be_bytes());
    let seed = [shared, &protocol, &spi, quick.ni_b, quick.nr_b];
    let first = prf.compute(skeyid_d.as_bytes(), &seed);
    stretch(prf, skeyid_d, first, &seed, len)
}

/// K1 | K2 | ... cut to `len`, each block the PRF of the one before and `seed`.
fn stretch(
    prf: &dyn PrfAlgorithm,
    key: &Secret,
    first: Secret,
    seed: &[&[u8]],
    len: usize,
) -> Result<Secret, CryptoError> {
    let mut material = zeroize::Zeroizing::new(Vec::with_capacity(len + prf.output_len()));
    let mut block = first;
    loop {
        material.extend_from_slice(block.as_bytes());
        // A PRF without output would never come to an end.
        if material.len() >= len || block.as_bytes().is_empty() {
            break;
        }
        let data = [&[block.as_bytes()], seed].concat();
        let next = prf.compute(key.as_bytes(), &data);
        block = next;
    }
    material.get(..len).map(Secret::from).ok_or(CryptoError::Length)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::legacy_provider;
    use crate::transform::Prf;

    fn octets(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    /// Recorded between two strongSwans (exchange v1-main-psk-aes256-sha256-modp2048).
    #[test]
    fn daughters_of_skeyid_are_those_that_strongswan_computes() {
        let prf = legacy_provider().prf(Prf::HMAC_SHA2_256).unwrap();
        let skeyid =
            Secret::from(octets("3456c7381e534b5407d90eeb9d372aa9ade1586faa9fc5c194f0c6fac59aba6b").as_slice());
        let shared = Secret::from(
            octets(concat!(
                "8817d43abf514c3085cb9ea7c53aa386996cc79e97fe2919ef9e50b68e4035b7747a090a617aff6ae9e975016dd38b40",
                "25e7cf14f960bf0443964428d852dbfee68ec789309786abed907a3b7753e65fb6a25dedd78535e039fadb26b2e4d9ec",
                "1958848619e7bd1ae7614d5417c004f4641d39da4b48226ed9b6a335297d3b540bd011616b801330f2e965fbbdb0e839",
                "11a6dff08df1df87c50c2e85daee2d0b4f83245c043a5b84cba7d9c16728cac32bc783bf9b8e270ffdb33adada03fb66",
                "acaf2ccd9bec8e822d907f0bf05a73cad756ab98e5e15157282540d2314087b8af9096b4fba187de3400b37632184c6c",
                "01f8da84d3203477247c03b73a2cdf2a",
            ))
            .as_slice(),
        );
        let (cky_i, cky_r) = (octets("8756d76a2367efa6"), octets("73cdaf87c12728d7"));
        let (cky_i, cky_r) = (cky_i.try_into().unwrap(), cky_r.try_into().unwrap());
        let keys = phase_one_keys(prf, skeyid, &shared, &cky_i, &cky_r);
        let expected = [
            "bababe27288d8edb38dd1fa7192ac6b37e04b93e0cb94c5d5caf5adbfbf3ea5f",
            "970c25a5250a4126323e2e1d4c77014fa6058a94fb212f7de46b7e64f2974723",
            "1e42e1955a72b9d94ea66de349cac47e458be5d321072f608174876c66eeb1ac",
        ];
        let computed = [&keys.skeyid_d, &keys.skeyid_a, &keys.skeyid_e];
        for (computed, expected) in computed.into_iter().zip(expected) {
            assert_eq!(computed.as_bytes(), octets(expected));
        }
        let key = cipher_key(prf, &keys.skeyid_e, 32).unwrap();
        assert_eq!(key.as_bytes(), keys.skeyid_e.as_bytes());
    }

    #[test]
    fn a_short_skeyid_e_is_stretched_and_a_key_without_end_refused() {
        let prf = legacy_provider().prf(Prf::HMAC_MD5).unwrap();
        let skeyid_e = prf.compute(b"key", &[b"data"]);
        let long = cipher_key(prf, &skeyid_e, 24).unwrap();
        let k1 = prf.compute(skeyid_e.as_bytes(), &[&[0]]);
        let k2 = prf.compute(skeyid_e.as_bytes(), &[k1.as_bytes()]);
        assert_eq!(long.as_bytes(), &[k1.as_bytes(), k2.as_bytes()].concat()[..24]);
    }
}
