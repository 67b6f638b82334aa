//! The cryptographic operations that no handshake can do without, at their real sizes and through the same provider.
//!
//! Each end, with a preshared key and one child SA, without fresh key exchange for it:
//!
//! | operation | for |
//! |---|---|
//! | key pair, agreement | g^ir |
//! | 2 SHA-1 made, 2 compared | NAT detection (RFC 7296 section 2.23) |
//! | prf(Ni \| Nr, g^ir) | SKEYSEED |
//! | prf+(SKEYSEED, Ni \| Nr \| SPIi \| SPIr) | SK_d, SK_ei, SK_er, SK_pi, SK_pr |
//! | two ciphers keyed | both directions of the IKE SA |
//! | prf(SK_p, ID), prf(secret, pad), prf(.., octets) | our AUTH |
//! | the same | the peer's AUTH |
//! | one message sealed, one opened | IKE_AUTH |
//! | prf+(SK_d, Ni \| Nr) | the child's keys |
//!
//! With certificates the last two prf of each AUTH make way for signatures, which are in
//! [`unavoidable_signatures`](crate::unavoidable_signatures).
//!
//! Random octets for nonces and SPIs, and the keying of the ESP SAs, which is the plane's, are counted on neither side.

use std::hint::black_box;
use std::sync::Arc;

use handfast_crypto::default_provider;
use handfast_crypto::hash::sha1;
use handfast_crypto::proposal::{EspProposal, IkeProposal};
use handfast_crypto::provider::{KeyAgreement, PrfAlgorithm, Protect, ProtectAlgorithm};
use handfast_crypto::schedule::v2::{child_keys, ike_keys, skeyseed};
use handfast_crypto::secret::Secret;
use handfast_engine::policy::Policy;

use crate::Random;
use crate::ends::{ESP, Ends, IKE, policies};

const NONCE_LEN: usize = 32;
/// The IKE header and the generic header of SK, which an AEAD authenticates only.
const HEADERS_LEN: usize = 32;

/// The operations, ready to be done again and again.
pub struct Unavoidable {
    group: &'static dyn KeyAgreement,
    prf: &'static dyn PrfAlgorithm,
    ike: &'static dyn ProtectAlgorithm,
    esp: &'static dyn ProtectAlgorithm,
    /// The messages of a true handshake: IKE_SA_INIT of both ends, IKE_AUTH of both ends.
    messages: [Vec<u8>; 4],
    /// The body of an ID payload.
    id: [u8; 4 + "a.test".len()],
    /// The preshared key, if there is one.
    secret: Option<Secret>,
}

impl Unavoidable {
    /// Learns sizes from a handshake with a preshared key.
    pub fn of_a_handshake() -> Self {
        Self::of(&policies())
    }

    /// Learns sizes from a handshake of such ends.
    pub fn of(policies: &[Arc<Policy>; 2]) -> Self {
        let provider = default_provider();
        let proposal: IkeProposal = handfast_sim::policies::parsed(IKE);
        let child: EspProposal = handfast_sim::policies::parsed(ESP);
        let mut ends = Ends::new(policies);
        ends.sent = Some(Vec::new());
        ends.handshake();
        let sent: Vec<Vec<u8>> = ends.sent.into_iter().flatten().map(|(_, t)| t.bytes.into()).collect();
        let secret = policies[0].connections[0].auth.psk.clone();
        let missing = || -> ! { panic!("{IKE} and {ESP} are not implemented, or the handshake failed") };
        let Ok(messages) = sent.try_into() else { missing() };
        Self {
            group: provider.group(proposal.groups[0]).unwrap_or_else(|| missing()),
            prf: provider.prf(proposal.prf[0]).unwrap_or_else(|| missing()),
            ike: provider.protect(proposal.encr[0], None).unwrap_or_else(|| missing()),
            esp: provider.protect(child.encr[0], None).unwrap_or_else(|| missing()),
            messages,
            id: [2; 10],
            secret: (!secret.is_empty()).then_some(secret),
        }
    }

    /// Those of both ends.
    pub fn both_ends(&self) {
        let generate = || self.group.generate(&mut Random).unwrap_or_else(|e| panic!("{e}"));
        let (a, b) = (generate(), generate());
        let (public_a, public_b) = (a.public().to_vec(), b.public().to_vec());
        let [a, b] = [(a, public_b), (b, public_a)].map(|(key, peer)| {
            let shared = key.agree(&peer).unwrap_or_else(|e| panic!("{e}"));
            self.one_end(&shared)
        });
        let [_, _, auth_i, auth_r] = &self.messages;
        carry(&*a.of_i, &*b.of_i, auth_i);
        carry(&*b.of_r, &*a.of_r, auth_r);
    }

    fn one_end(&self, shared: &Secret) -> Channel {
        let (ni, nr, spi) = ([1; NONCE_LEN], [2; NONCE_LEN], [3; 8]);
        for _ in 0..4 {
            black_box(sha1(&[&spi, &spi, &[192, 0, 2, 1], &[1, 244]]));
        }
        let seed = skeyseed(self.prf, &ni, &nr, shared);
        let keys = ike_keys(self.prf, self.ike, &seed, &ni, &nr, &spi, &spi).unwrap_or_else(|e| panic!("{e}"));
        let key = |sk: &Secret| self.ike.key(sk.as_bytes(), &[]).unwrap_or_else(|e| panic!("{e}"));
        let (of_i, of_r) = (key(&keys.sk_ei), key(&keys.sk_er));
        let [init_i, init_r, ..] = &self.messages;
        black_box(self.auth(&keys.sk_pi, init_i, &nr));
        black_box(self.auth(&keys.sk_pr, init_r, &ni));
        black_box(child_keys(self.prf, self.esp, &keys.sk_d, None, &ni, &nr)).unwrap_or_else(|e| panic!("{e}"));
        Channel { of_i, of_r }
    }

    /// RFC 7296 section 2.15.
    fn auth(&self, sk_p: &Secret, message: &[u8], nonce: &[u8]) -> Secret {
        let id = self.prf.compute(sk_p.as_bytes(), &[&self.id]);
        let Some(secret) = &self.secret else { return id };
        let key = self.prf.compute(secret.as_bytes(), &[b"Key Pad for IKEv2"]);
        self.prf.compute(key.as_bytes(), &[message, nonce, id.as_bytes()])
    }
}

/// The keyed ciphers of one end.
struct Channel {
    of_i: Box<dyn Protect>,
    of_r: Box<dyn Protect>,
}

/// One end seals a message of this size, the other opens it.
fn carry(sender: &dyn Protect, receiver: &dyn Protect, like: &[u8]) {
    let mut message = like.to_vec();
    sender
        .seal(&mut message, HEADERS_LEN, 1, None)
        .unwrap_or_else(|e| panic!("{e}"));
    let opened = receiver.open(&mut message, HEADERS_LEN, None);
    black_box(opened.unwrap_or_else(|e| panic!("{e}")));
}
