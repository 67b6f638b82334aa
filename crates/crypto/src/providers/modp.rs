//! The MODP groups of RFC 2409 and RFC 3526, of `handfast-modp`.

use handfast_modp::{ModpGroup, PrivateKey};

use crate::provider::{CryptoError, EphemeralKey, KeyAgreement, RandomSource};
use crate::secret::Secret;
use crate::transform::Group;

pub(super) static MODP1024: Modp = Modp {
    id: Group::MODP1024,
    len: 128,
};
pub(super) static MODP1536: Modp = Modp {
    id: Group::MODP1536,
    len: 192,
};
pub(super) static MODP2048: Modp = Modp {
    id: Group::MODP2048,
    len: 256,
};
pub(super) static MODP3072: Modp = Modp {
    id: Group::MODP3072,
    len: 384,
};
pub(super) static MODP4096: Modp = Modp {
    id: Group::MODP4096,
    len: 512,
};
pub(super) static MODP6144: Modp = Modp {
    id: Group::MODP6144,
    len: 768,
};
pub(super) static MODP8192: Modp = Modp {
    id: Group::MODP8192,
    len: 1024,
};

/// A group; public values and shared secrets have the length of its prime.
pub(super) struct Modp {
    id: Group,
    len: usize,
}

impl KeyAgreement for Modp {
    fn id(&self) -> Group {
        self.id
    }

    fn public_len(&self) -> usize {
        self.len
    }

    fn shared_len(&self) -> usize {
        self.len
    }

    fn generate(&self, random: &mut dyn RandomSource) -> Result<Box<dyn EphemeralKey>, CryptoError> {
        // Which groups there are is the provider's table to say; only the legacy one has 2 and 5.
        let group = ModpGroup::legacy(self.id.0).map_err(|_| CryptoError::Unsupported)?;
        let private = PrivateKey::generate(group, &mut |out: &mut [u8]| random.fill(out))?;
        let public = private.public();
        Ok(Box::new(ModpKey { private, public }))
    }
}

struct ModpKey {
    private: PrivateKey,
    public: Vec<u8>,
}

impl EphemeralKey for ModpKey {
    fn public(&self) -> &[u8] {
        &self.public
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        let shared = self.private.agree(peer).map_err(|_| CryptoError::InvalidPublic)?;
        Ok(Secret::from(shared.as_slice()))
    }
}
