//! A message as it leaves.

use bytes::Bytes;

/// A message of ours as it leaves: whole, or in fragments. It is sent again octet by octet, and a clone shares its octets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Datagrams(Few);

/// Nearly always one.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Few {
    One(Bytes),
    More(Box<[Bytes]>),
}

impl Datagrams {
    pub fn fragments(list: Vec<Vec<u8>>) -> Self {
        Self(Few::More(list.into_iter().map(Bytes::from).collect()))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.all().iter()
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.all().len()
    }

    /// Octets of all.
    pub fn octets(&self) -> usize {
        self.iter().map(Bytes::len).sum()
    }

    fn all(&self) -> &[Bytes] {
        match &self.0 {
            Few::One(one) => std::slice::from_ref(one),
            Few::More(more) => more,
        }
    }
}

impl From<Vec<u8>> for Datagrams {
    fn from(whole: Vec<u8>) -> Self {
        Bytes::from(whole).into()
    }
}

impl From<Bytes> for Datagrams {
    fn from(whole: Bytes) -> Self {
        Self(Few::One(whole))
    }
}
