//! Child SAs: selectors, keys, and the pair of ESP SAs.

pub(crate) mod sa;
pub(crate) mod selectors;
