//! The cipher of an SA. Keyed it is many times as large as its keys, and quickly made; most SAs of a gateway are idle. So it
//! is keyed for the first packet, and may be left to rest when no more have come for a while.

use handfast_crypto::provider::{CryptoError, Protect, ProtectAlgorithm};
use handfast_crypto::secret::Secret;

use crate::layout::Layout;

/// See the module.
pub struct Cipher {
    keyed: Option<Box<dyn Protect>>,
    /// Absent where the caller has keyed it: then it never rests.
    keys: Option<Keys>,
    layout: Layout,
    /// Whether it was used since [`rest`](Self::rest) was last called.
    used: bool,
}

/// What it is keyed by.
struct Keys {
    algorithm: &'static dyn ProtectAlgorithm,
    /// The encryption key, then the integrity key.
    octets: Secret,
}

impl Cipher {
    /// With these keys, which are tried.
    pub fn new(algorithm: &'static dyn ProtectAlgorithm, encr: &[u8], integ: &[u8]) -> Result<Self, CryptoError> {
        let layout = Layout::of(&*algorithm.key(encr, integ)?);
        let mut octets = Vec::with_capacity(encr.len() + integ.len());
        octets.extend_from_slice(encr);
        octets.extend_from_slice(integ);
        Ok(Self {
            keyed: None,
            keys: Some(Keys {
                algorithm,
                octets: Secret::new(octets),
            }),
            layout,
            used: false,
        })
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// The keyed cipher, for a packet.
    pub(crate) fn keyed(&mut self) -> Result<&dyn Protect, CryptoError> {
        self.used = true;
        if self.keyed.is_none() {
            self.wake()?;
        }
        self.keyed.as_deref().ok_or(CryptoError::Unsupported)
    }

    #[cold]
    fn wake(&mut self) -> Result<(), CryptoError> {
        if let Some(Keys { algorithm, octets }) = &self.keys {
            let (encr, integ) = octets
                .as_bytes()
                .split_at_checked(algorithm.encr_key_len())
                .ok_or(CryptoError::Length)?;
            self.keyed = Some(algorithm.key(encr, integ)?);
        }
        Ok(())
    }

    pub(crate) fn is_resting(&self) -> bool {
        self.keyed.is_none()
    }

    /// Lets it rest if it was not used since this was last called. Returns whether it rests.
    pub(crate) fn rest(&mut self) -> bool {
        if !core::mem::take(&mut self.used) && self.keys.is_some() {
            self.keyed = None;
        }
        self.is_resting()
    }
}

impl From<Box<dyn Protect>> for Cipher {
    fn from(keyed: Box<dyn Protect>) -> Self {
        Self {
            layout: Layout::of(&*keyed),
            keyed: Some(keyed),
            keys: None,
            used: false,
        }
    }
}

impl core::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Cipher")
            .field("layout", &self.layout)
            .field("resting", &self.is_resting())
            .finish_non_exhaustive()
    }
}
