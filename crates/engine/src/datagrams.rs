//! A message as it leaves.

/// A message of ours as it leaves: whole, or in fragments. It is sent again octet by octet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Datagrams(Vec<Vec<u8>>);

impl Datagrams {
    pub fn fragments(list: Vec<Vec<u8>>) -> Self {
        Self(list)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.0.iter()
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Octets of all.
    pub fn octets(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

impl From<Vec<u8>> for Datagrams {
    fn from(whole: Vec<u8>) -> Self {
        Self(vec![whole])
    }
}
