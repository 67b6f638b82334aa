//! Transforms by their IANA number ("Internet Key Exchange Version 2 (IKEv2) Parameters").
//!
//! A value of these types names an algorithm; whether a [`Provider`](crate::provider::Provider)
//! implements it is another question.

/// Encryption algorithm (transform type 1) with its key length where the algorithm has several.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Encr {
    /// Transform ID.
    pub id: u16,
    /// Key Length attribute in bits; `None` where the algorithm has one length only (ChaCha20, 3DES).
    pub key_bits: Option<u16>,
}

/// Pseudo-random function (transform type 2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Prf(pub u16);

/// Integrity algorithm (transform type 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Integ(pub u16);

/// Key exchange group (transform type 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Group(pub u16);
