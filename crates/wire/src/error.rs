//! The one error of this crate: octets that cannot be read.

/// Octets that cannot be read as what they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason} at octet {offset}")]
pub struct ParseError {
    /// Where in the slice handed to the parser. For a payload of a chain it counts from the start of the chain,
    /// for proposals, transforms, attributes and selectors from the start of what the iterator walks.
    pub offset: usize,
    /// What is wrong, in a few words.
    pub reason: &'static str,
}

impl ParseError {
    /// An error at `offset`.
    pub const fn new(offset: usize, reason: &'static str) -> Self {
        Self { offset, reason }
    }

    /// The same error seen from an enclosing slice in which the inner one starts at `by`.
    pub(crate) const fn shifted(self, by: usize) -> Self {
        Self {
            offset: self.offset.saturating_add(by),
            reason: self.reason,
        }
    }
}
