//! Which instructions multiply.

use core::fmt;

#[cfg(target_arch = "x86_64")]
use crate::ifma::Ifma;

/// A way to multiply. All give the same results; keys take the fastest unless told otherwise, as tests and benches do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Arithmetic(pub(crate) Path);

/// A path that this processor has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// 64-bit limbs.
    Portable,
    /// AVX-512 IFMA.
    #[cfg(target_arch = "x86_64")]
    Ifma(Ifma),
}

impl Arithmetic {
    /// For every processor.
    pub const PORTABLE: Self = Self(Path::Portable);

    /// All that this processor can do, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let ifma = Ifma::detect().map(|ifma| Self(Path::Ifma(ifma)));
        #[cfg(not(target_arch = "x86_64"))]
        let ifma = None;
        ifma.into_iter().chain([Self::PORTABLE])
    }

    /// The fastest that this processor can do.
    pub fn fastest() -> Self {
        Self::available().next().unwrap_or(Self::PORTABLE)
    }

    /// Its name ("portable", "avx512ifma").
    pub fn name(self) -> &'static str {
        match self.0 {
            Path::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Path::Ifma(_) => "avx512ifma",
        }
    }
}

impl fmt::Debug for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
