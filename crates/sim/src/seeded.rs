//! A provider whose key pairs come from the random source that it is given, so that a run can be repeated: X25519 of
//! another library than the engine's usual one, everything else as usual.

use std::sync::LazyLock;

use handfast_crypto::default_provider;
use handfast_crypto::provider::{CryptoError, EphemeralKey, KeyAgreement, Provider, RandomSource};
use handfast_crypto::secret::Secret;
use handfast_crypto::transform::Group;
use x25519_dalek::{PublicKey, StaticSecret};

/// Curve25519's number (RFC 8031).
const X25519: Group = Group(31);

struct SeededX25519;

struct Key {
    secret: StaticSecret,
    public: PublicKey,
}

impl KeyAgreement for SeededX25519 {
    fn id(&self) -> Group {
        X25519
    }

    fn public_len(&self) -> usize {
        32
    }

    fn shared_len(&self) -> usize {
        32
    }

    fn generate(&self, random: &mut dyn RandomSource) -> Result<Box<dyn EphemeralKey>, CryptoError> {
        let mut octets = [0; 32];
        random.fill(&mut octets)?;
        let secret = StaticSecret::from(octets);
        let public = PublicKey::from(&secret);
        Ok(Box::new(Key { secret, public }))
    }
}

impl EphemeralKey for Key {
    fn public(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        let peer = <[u8; 32]>::try_from(peer).map_err(|_| CryptoError::InvalidPublic)?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(peer));
        if !shared.was_contributory() {
            return Err(CryptoError::InvalidPublic);
        }
        Ok(Secret::new(shared.as_bytes().to_vec()))
    }
}

/// The seeded one, and the others as they are: a run that uses those cannot be repeated.
fn groups() -> &'static [&'static dyn KeyAgreement] {
    let others = default_provider().groups.iter().copied().filter(|g| g.id() != X25519);
    let all: Vec<_> = std::iter::once(&SeededX25519 as &dyn KeyAgreement)
        .chain(others)
        .collect();
    all.leak()
}

/// The provider.
pub fn provider() -> &'static Provider {
    static PROVIDER: LazyLock<Provider> = LazyLock::new(|| Provider {
        name: "seeded",
        prfs: default_provider().prfs,
        groups: groups(),
        protects: default_provider().protects,
        cbcs: default_provider().cbcs,
    });
    &PROVIDER
}
