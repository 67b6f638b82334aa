//! HASH_I and HASH_R of IKEv1 with Kerberos (draft-ietf-ipsec-isakmp-gss-auth-07 sections 3.1 and 3.2). The HASH payload
//! holds them wrapped by GSS_Wrap; SKEYID is that of signatures ([`schedule::v1::skeyid_signature`]).
//!
//! [`schedule::v1::skeyid_signature`]: handfast_crypto::schedule::v1::skeyid_signature

use handfast_crypto::provider::PrfAlgorithm;
use handfast_crypto::schedule::v1::{self, Covered};
use handfast_crypto::secret::Secret;
use handfast_wire::numbers::v1::AuthMethod;
use handfast_wire::v1::gss::IdentityEncoding;
use handfast_wire::v1::vendor;

/// What one side's hash covers beside what both sides' do: all of it is of the side that proves itself.
#[derive(Clone, Copy, Debug)]
pub struct Proving<'a> {
    /// IDii_b or IDir_b.
    pub id_b: &'a [u8],
    /// GIi or GIr as it is hashed: see [`HashedIdentity`]. `None` if either side sent none.
    pub gi: Option<&'a [u8]>,
    /// Its tokens in order, without the vendor encoding octet.
    pub tokens: &'a [&'a [u8]],
}

impl Proving<'_> {
    /// IDii_b [| GIi] | GSSi [| GSSi(n)].
    fn octets(&self) -> Vec<u8> {
        [&[self.id_b, self.gi.unwrap_or_default()], self.tokens]
            .concat()
            .concat()
    }
}

/// HASH_I = prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b [| GIi] | GSSi [| GSSi(n)]).
pub fn hash_i(prf: &dyn PrfAlgorithm, skeyid: &Secret, covered: &Covered<'_>, proving: &Proving<'_>) -> Secret {
    v1::hash_i(prf, skeyid, covered, &proving.octets())
}

/// HASH_R = prf(SKEYID, g^xr | g^xi | CKY-R | CKY-I | SAi_b | IDir_b [| GIr] | GSSr [| GSSr(n)]).
pub fn hash_r(prf: &dyn PrfAlgorithm, skeyid: &Secret, covered: &Covered<'_>, proving: &Proving<'_>) -> Secret {
    v1::hash_r(prf, skeyid, covered, &proving.octets())
}

/// Which octets of a GI are hashed: the draft says the blob, which is what was sent; racoon hashes its own form of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HashedIdentity {
    /// As it was sent.
    AsSent,
    /// In ISO 8859-1, whatever was sent.
    Latin1,
}

impl HashedIdentity {
    /// What a peer expects that sent these vendor ids. racoon announces nothing, or its own hash of the draft's text.
    pub fn for_peer<'a>(mut vendor_ids: impl Iterator<Item = &'a [u8]>) -> Self {
        if vendor_ids.any(|id| vendor::is_gssapi(id) && id != vendor::GSSAPI_LONG) {
            Self::AsSent
        } else {
            Self::Latin1
        }
    }

    /// The octets to hash. A name that cannot be written in ISO 8859-1 is hashed as it was sent.
    pub fn octets(self, sent: &[u8]) -> Vec<u8> {
        let latin1 = || {
            let name = IdentityEncoding::of(sent).decode(sent).ok()?;
            IdentityEncoding::Latin1.encode(&name)
        };
        match self {
            Self::AsSent => sent.to_vec(),
            Self::Latin1 => latin1().unwrap_or_else(|| sent.to_vec()),
        }
    }

    /// All readings of a peer's GI: both bind the same name, so that either is accepted. Without a GI of either side,
    /// the one without.
    pub fn accepted(peers: Option<&[u8]>, ours: Option<&[u8]>) -> Vec<Option<Vec<u8>>> {
        let (Some(sent), Some(_)) = (peers, ours) else {
            return vec![None];
        };
        let mut all = vec![Some(Self::AsSent.octets(sent)), Some(Self::Latin1.octets(sent))];
        all.dedup();
        all
    }
}

/// Whether a method number in a transform means Kerberos: 65001 is XAUTH's too. It does if the peer announced GSS-API or
/// Windows, or if the transform has an identity attribute; otherwise it is XAUTH.
pub fn is_kerberos(method: AuthMethod, announced: bool, has_identity: bool) -> bool {
    method == AuthMethod::GSS_KERBEROS && (announced || has_identity)
}

/// The vendor ids that announce Kerberos: what Windows knows, and the draft's.
pub const ANNOUNCED: [&[u8]; 2] = [&vendor::GSSAPI, &vendor::GSSAPI_DRAFT];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use handfast_crypto::legacy_provider;
    use handfast_crypto::transform::Prf;
    use hmac::{Hmac, KeyInit, Mac};

    use super::*;

    const COVERED: Covered<'static> = Covered {
        gxi: &[1; 32],
        gxr: &[2; 32],
        cky_i: &[3; 8],
        cky_r: &[4; 8],
        sai_b: b"SAi_b",
    };

    /// The sequence of the draft, written out, with another HMAC.
    #[test]
    fn the_hashes_cover_what_the_draft_says() {
        let prf = legacy_provider().prf(Prf::HMAC_SHA2_256).unwrap();
        let skeyid = Secret::from(&b"SKEYID"[..]);
        let mac = |parts: &[&[u8]]| {
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"SKEYID").unwrap();
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes().to_vec()
        };
        let proving = Proving {
            id_b: b"ID",
            gi: Some(b"GI"),
            tokens: &[b"GSS1", b"GSS2"],
        };
        let c = COVERED;
        assert_eq!(
            hash_i(prf, &skeyid, &c, &proving).as_bytes(),
            mac(&[c.gxi, c.gxr, c.cky_i, c.cky_r, b"SAi_b", b"ID", b"GI", b"GSS1", b"GSS2"])
        );
        let proving = Proving {
            gi: None,
            tokens: &[b"GSS1"],
            ..proving
        };
        assert_eq!(
            hash_r(prf, &skeyid, &c, &proving).as_bytes(),
            mac(&[c.gxr, c.gxi, c.cky_r, c.cky_i, b"SAi_b", b"ID", b"GSS1"])
        );
    }

    #[test]
    fn both_readings_of_the_identity_are_accepted_and_the_peers_own_is_sent() {
        let sent = IdentityEncoding::Utf16Le.encode("host/a").unwrap();
        assert_eq!(HashedIdentity::AsSent.octets(&sent), sent);
        assert_eq!(HashedIdentity::Latin1.octets(&sent), b"host/a");
        assert_eq!(
            HashedIdentity::accepted(Some(&sent), Some(b"host/b")),
            [Some(sent.clone()), Some(b"host/a".to_vec())]
        );
        assert_eq!(
            HashedIdentity::accepted(Some(b"host/a"), Some(b"host/b")),
            [Some(b"host/a".to_vec())]
        );
        assert_eq!(HashedIdentity::accepted(Some(&sent), None), [None]);
        assert_eq!(HashedIdentity::accepted(None, Some(&sent)), [None]);
        let wide = IdentityEncoding::Utf16Le.encode("host/\u{1f512}").unwrap();
        assert_eq!(HashedIdentity::Latin1.octets(&wide), wide);

        let to = |ids: &[&[u8]]| HashedIdentity::for_peer(ids.iter().copied());
        assert_eq!(to(&ANNOUNCED), HashedIdentity::AsSent);
        assert_eq!(
            to(&[&[&vendor::MS_NT5[..], &[0, 0, 0, 5]].concat()]),
            HashedIdentity::AsSent
        );
        assert_eq!(to(&[&vendor::GSSAPI_LONG, &vendor::DPD]), HashedIdentity::Latin1);
        assert_eq!(to(&[]), HashedIdentity::Latin1);
    }

    #[test]
    fn a_number_of_two_meanings() {
        assert!(is_kerberos(AuthMethod(65001), true, false) && is_kerberos(AuthMethod(65001), false, true));
        assert!(!is_kerberos(AuthMethod(65001), false, false) && !is_kerberos(AuthMethod(65005), true, true));
    }
}
