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

/// A GSS-API token (draft-ietf-ipsec-isakmp-gss-auth-07 section 3.3.3), with or without the vendor encoding octet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gss<'a> {
    /// The body as it came.
    pub data: &'a [u8],
}

impl<'a> Gss<'a> {
    /// The token of Kerberos, and whether the draft's vendor encoding octet stood before it. Some senders leave the
    /// octet out; an initial token always begins with 0x60 (RFC 2743 section 3.1), which tells them apart.
    pub fn initial_token(&self) -> (bool, &'a [u8]) {
        match self.data {
            [0x60, ..] => (false, self.data),
            [_, token @ ..] if token.first() == Some(&0x60) => (true, token),
            _ => (false, self.data),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_have_8_to_256_octets() {
        let sound = |len: usize| Nonce { data: &vec![1; len] }.is_sound();
        assert!(!sound(7) && sound(8) && sound(256) && !sound(257));
    }

    #[test]
    fn a_token_is_found_with_or_without_the_vendor_octet() {
        assert_eq!(Gss { data: &[0x60, 1] }.initial_token(), (false, &[0x60, 1][..]));
        assert_eq!(Gss { data: &[0, 0x60, 1] }.initial_token(), (true, &[0x60, 1][..]));
        assert_eq!(Gss { data: &[5, 6] }.initial_token(), (false, &[5, 6][..]));
        assert_eq!(Gss { data: &[] }.initial_token(), (false, &[][..]));
    }
}
