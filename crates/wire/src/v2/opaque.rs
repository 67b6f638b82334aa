//! Payloads whose body has no structure here: Nonce, Vendor ID, EAP (RFC 7296 sections 3.9, 3.12, 3.16).

/// Random data, 16 to 256 octets (checked by who uses it).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonce<'a> {
    /// The nonce.
    pub data: &'a [u8],
}

impl Nonce<'_> {
    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.data);
    }
}

/// A mark that an implementation leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VendorId<'a> {
    /// The mark, often a hash.
    pub data: &'a [u8],
}

impl VendorId<'_> {
    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.data);
    }
}

/// An EAP message (RFC 3748), whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Eap<'a> {
    /// Code, identifier, length, data.
    pub data: &'a [u8],
}

impl Eap<'_> {
    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.data);
    }
}
