//! Payloads whose body has no structure here.

/// A public value (RFC 2408 section 3.7); its length is checked by who knows the group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ke<'a> {
    /// g^xi or g^xr.
    pub data: &'a [u8],
}

/// The outcome of a hash (RFC 2408 section 3.11): HASH_I, HASH_R, HASH(1) and so on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hash<'a> {
    /// The hash.
    pub data: &'a [u8],
}

/// A signature (RFC 2408 section 3.12): SIG_I or SIG_R.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sig<'a> {
    /// The signature.
    pub data: &'a [u8],
}

/// Random data (RFC 2408 section 3.13), 8 to 256 octets ([`Nonce::is_sound`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonce<'a> {
    /// The nonce.
    pub data: &'a [u8],
}

impl Nonce<'_> {
    /// Whether its length is allowed: "between 8 and 256 bytes inclusive" (RFC 2409 section 5).
    pub fn is_sound(&self) -> bool {
        (8..=256).contains(&self.data.len())
    }
}

/// A mark that an implementation leaves (RFC 2408 section 3.16); see [`super::vendor`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VendorId<'a> {
    /// The mark, often a hash.
    pub data: &'a [u8],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_have_8_to_256_octets() {
        let sound = |len: usize| Nonce { data: &vec![1; len] }.is_sound();
        assert!(!sound(7) && sound(8) && sound(256) && !sound(257));
    }
}
