//! Private values and what is made of them.

use core::fmt;

use crypto_bigint::U512;
use zeroize::Zeroizing;

use crate::field::Exponent;
use crate::{Arithmetic, Error, ModpGroup};

/// Octets of the longest private value.
const LONGEST: usize = 64;

/// A private value x of a group. Erased on drop.
pub struct PrivateKey {
    group: ModpGroup,
    exponent: Exponent,
}

impl PrivateKey {
    /// Draws a private value of the group's length from `random`. Its top bit is always set, so that it is never so small
    /// that the public value would show it.
    pub fn generate<E>(group: ModpGroup, random: &mut dyn FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut octets = Zeroizing::new([0; LONGEST]);
        let (_, private) = octets.split_at_mut(LONGEST - group.private_len());
        random(private)?;
        if let Some(first) = private.first_mut() {
            *first |= 0x80;
        }
        Ok(Self {
            group,
            exponent: Zeroizing::new(U512::from_be_slice(&*octets)),
        })
    }

    /// Takes a private value of [`private_len`](ModpGroup::private_len) octets, big-endian.
    pub fn from_octets(group: ModpGroup, private: &[u8]) -> Result<Self, Error> {
        if private.len() != group.private_len() {
            return Err(Error::PrivateValue);
        }
        let mut octets = Zeroizing::new([0; LONGEST]);
        let (_, place) = octets.split_at_mut(LONGEST - private.len());
        place.copy_from_slice(private);
        let exponent = Zeroizing::new(U512::from_be_slice(&*octets));
        // One bit about a value that is refused.
        if exponent.cmp_vartime(&U512::ONE).is_le() {
            return Err(Error::PrivateValue);
        }
        Ok(Self { group, exponent })
    }

    /// The group.
    pub fn group(&self) -> ModpGroup {
        self.group
    }

    /// The public value 2^x mod p, big-endian, with leading zeros to the length of p (RFC 7296 section 3.4).
    pub fn public(&self) -> Vec<u8> {
        self.public_by(Arithmetic::fastest())
    }

    /// [`public`](Self::public) by this arithmetic.
    pub fn public_by(&self, arithmetic: Arithmetic) -> Vec<u8> {
        self.group.field().power_of_two(arithmetic, &self.exponent).to_vec()
    }

    /// The shared secret y^x mod p, with leading zeros to the length of p (RFC 7296 section 2.14).
    ///
    /// `peer` is y as it came. It must have the length of p and be in 1 < y < p - 1 (RFC 6989 section 2.1); for a safe
    /// prime that is all there is to check.
    pub fn agree(&self, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.agree_by(Arithmetic::fastest(), peer)
    }

    /// [`agree`](Self::agree) by this arithmetic.
    pub fn agree_by(&self, arithmetic: Arithmetic, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let group = self.group;
        let field = group.field();
        if !field.is_public_value(peer) {
            return Err(Error::PublicValue);
        }
        Ok(field.power(arithmetic, peer, &self.exponent, group.exponent_bits()))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({:?})", self.group)
    }
}
