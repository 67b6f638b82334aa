//! The cryptographic operations that IKEv1 cannot do without, at their real sizes and through the same provider.
//!
//! Each end, with a preshared key:
//!
//! | operation | for |
//! |---|---|
//! | key pair, agreement | g^xy |
//! | 4 hashes | NAT-D, two made and two compared (RFC 3947 section 3.2) |
//! | prf(secret, Ni \| Nr), 3 prf | SKEYID, SKEYID_d, SKEYID_a, SKEYID_e |
//! | hash(g^xi \| g^xr), cipher keyed | the first IV, Ka |
//! | 2 prf | HASH_I and HASH_R |
//! | CBC over the encrypted messages | two of main mode, one of aggressive mode |
//! | 3 prf, hash, CBC over three messages | HASH(1), HASH(2), HASH(3) and the IV of quick mode |
//! | 2 stretched prf | KEYMAT of both SAs |

use std::hint::black_box;
use std::sync::Arc;

use handfast_crypto::default_provider;
use handfast_crypto::hash::Hash;
use handfast_crypto::proposal::{EspProposal, IkeProposal};
use handfast_crypto::provider::{Cbc, CbcAlgorithm, KeyAgreement, PrfAlgorithm};
use handfast_crypto::schedule::v1::{self, Covered, PhaseOneKeys, QuickMode};
use handfast_crypto::secret::Secret;
use handfast_engine::policy::Policy;

use crate::Random;
use crate::ends::{ESP, Ends, IKE_V1, policies_v1};

const NONCE: [u8; 32] = [1; 32];
const COOKIE: [u8; 8] = [3; 8];
const HASH: Hash = Hash::Sha256;
/// Octets of the ISAKMP header.
const HEADER_LEN: usize = 28;
/// Octets of an ID payload's body.
const ID: [u8; 10] = [2; 10];

/// The operations, ready to be done again and again.
pub struct Unavoidable {
    group: &'static dyn KeyAgreement,
    prf: &'static dyn PrfAlgorithm,
    cipher: &'static dyn CbcAlgorithm,
    /// Octets of the encrypted messages of phase 1, and of quick mode.
    phase_one: Vec<usize>,
    quick: Vec<usize>,
    sa_body: Vec<u8>,
    esp_len: usize,
    secret: Secret,
}

/// Both ends' keys after phase 1.
pub struct PhaseOne {
    keys: PhaseOneKeys,
    cipher: Box<dyn Cbc>,
}

impl Unavoidable {
    /// Learns sizes from a true exchange with a preshared key in this mode.
    pub fn of(aggressive: bool) -> Self {
        Self::of_ends(&policies_v1(aggressive))
    }

    /// Learns sizes from a true exchange of such ends. What signatures cost is in
    /// [`unavoidable_signatures`](crate::unavoidable_signatures).
    pub fn of_ends(policies: &[Arc<Policy>; 2]) -> Self {
        let provider = default_provider();
        let proposal: IkeProposal = handfast_sim::policies::parsed(IKE_V1);
        let child: EspProposal = handfast_sim::policies::parsed(ESP);
        let mut ends = Ends::new(policies);
        ends.sent = Some(Vec::new());
        ends.handshake();
        let sent: Vec<Vec<u8>> = ends.sent.into_iter().flatten().map(|(_, t)| t.bytes.into()).collect();
        let is_quick = |m: &&Vec<u8>| m[18] == 32;
        let encrypted = |m: &&Vec<u8>| m[19] & 1 != 0;
        let len = |m: &Vec<u8>| m.len() - HEADER_LEN;
        let missing = || -> ! { panic!("{IKE_V1} and {ESP} are not implemented") };
        let esp = provider.protect(child.encr[0], None).unwrap_or_else(|| missing());
        Self {
            group: provider.group(proposal.groups[0]).unwrap_or_else(|| missing()),
            prf: provider.prf(HASH.prf()).unwrap_or_else(|| missing()),
            cipher: provider.cbc(proposal.encr[0]).unwrap_or_else(|| missing()),
            phase_one: sent
                .iter()
                .filter(encrypted)
                .filter(|m| !is_quick(m))
                .map(len)
                .collect(),
            quick: sent.iter().filter(is_quick).map(len).collect(),
            sa_body: vec![7; 60],
            esp_len: esp.encr_key_len(),
            secret: policies[0].connections[0].auth.psk.clone(),
        }
    }

    /// Phase 1 of both ends.
    pub fn phase_one(&self) -> [PhaseOne; 2] {
        let generate = || self.group.generate(&mut Random).unwrap_or_else(|e| panic!("{e}"));
        let (a, b) = (generate(), generate());
        let (public_a, public_b) = (a.public().to_vec(), b.public().to_vec());
        let publics = (public_a.clone(), public_b.clone());
        [(a, public_b), (b, public_a)].map(|(key, peer)| {
            let shared = key.agree(&peer).unwrap_or_else(|e| panic!("{e}"));
            self.one_end(&shared, &publics)
        })
    }

    fn one_end(&self, shared: &Secret, (gxi, gxr): &(Vec<u8>, Vec<u8>)) -> PhaseOne {
        for _ in 0..4 {
            black_box(HASH.digest(&[&COOKIE, &COOKIE, &[192, 0, 2, 1], &[1, 244]]));
        }
        let skeyid = v1::skeyid_preshared(self.prf, &self.secret, &NONCE, &NONCE);
        let keys = v1::phase_one_keys(self.prf, skeyid, shared, &COOKIE, &COOKIE);
        let len = self.cipher.key_len();
        let ka = v1::cipher_key(self.prf, &keys.skeyid_e, len).unwrap_or_else(|e| panic!("{e}"));
        let cipher = self.cipher.key(ka.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
        let iv = v1::phase_one_iv(HASH, gxi, gxr, self.cipher.block_len());
        let covered = Covered {
            gxi,
            gxr,
            cky_i: &COOKIE,
            cky_r: &COOKIE,
            sai_b: &self.sa_body,
        };
        black_box(v1::hash_i(self.prf, &keys.skeyid, &covered, &ID));
        black_box(v1::hash_r(self.prf, &keys.skeyid, &covered, &ID));
        self.carry(&*cipher, &iv, &self.phase_one);
        PhaseOne { keys, cipher }
    }

    /// Quick mode of both ends.
    pub fn phase_two(&self, ends: &[PhaseOne; 2]) {
        for end in ends {
            let rest = vec![5; self.quick.first().map_or(0, |len| len.saturating_sub(36))];
            black_box(v1::hash_1(self.prf, &end.keys.skeyid_a, 9, &rest));
            black_box(v1::hash_2(self.prf, &end.keys.skeyid_a, 9, &NONCE, &rest));
            black_box(v1::hash_3(self.prf, &end.keys.skeyid_a, 9, &NONCE, &NONCE));
            let iv = v1::phase_two_iv(HASH, &[4; 16], 9, self.cipher.block_len());
            self.carry(&*end.cipher, &iv, &self.quick);
            let quick = QuickMode {
                shared: None,
                protocol: 3,
                ni_b: &NONCE,
                nr_b: &NONCE,
            };
            for spi in [1000, 2000] {
                let keys = v1::keymat(self.prf, &end.keys.skeyid_d, &quick, spi, self.esp_len);
                black_box(keys.unwrap_or_else(|e| panic!("{e}")));
            }
        }
    }

    /// Each end encrypts or decrypts every message; encrypting stands for both.
    fn carry(&self, cipher: &dyn Cbc, iv: &[u8], lengths: &[usize]) {
        for len in lengths {
            let mut data = vec![6; *len];
            cipher.encrypt(iv, &mut data).unwrap_or_else(|e| panic!("{e}"));
            black_box(data);
        }
    }
}
