//! Octets that must not be seen: erased when dropped, never printed.

use zeroize::{Zeroize, Zeroizing};

/// Secret octets. Erased on drop; `Debug` shows the length only; compare with `ct_eq`.
#[derive(Clone)]
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Takes ownership of `octets`.
    pub fn new(mut octets: Vec<u8>) -> Self {
        if octets.len() == octets.capacity() {
            return Self(Zeroizing::new(octets.into_boxed_slice()));
        }
        // Room that is not needed cannot be given back without a copy, of which the allocator knows nothing to erase.
        let exact = Self(Zeroizing::new(octets.as_slice().into()));
        octets.zeroize();
        exact
    }

    /// The octets themselves.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Number of octets.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Comparison in time that depends on the lengths only.
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        use subtle::ConstantTimeEq;
        self.0.ct_eq(other).into()
    }
}

impl From<&[u8]> for Secret {
    fn from(octets: &[u8]) -> Self {
        Self::new(octets.to_vec())
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Secret({} octets)", self.len())
    }
}
