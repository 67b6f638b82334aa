//! GSS-API in IKEv1 (draft-ietf-ipsec-isakmp-gss-auth-07): the token payload, and the identity attribute.

use super::vendor;
use crate::ParseError;

/// A GSS-API token (draft section 3.3.3), with or without the vendor encoding octet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gss<'a> {
    /// The body as it came.
    pub data: &'a [u8],
}

/// Whether the draft's vendor encoding octet stands before a token. Its text and Windows have it, racoon has not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Framing {
    /// The token alone.
    Bare,
    /// One octet, then the token.
    VendorOctet,
}

impl<'a> Gss<'a> {
    /// The token and how it stands there, if that can be seen: the first token of either side begins with 0x60
    /// (RFC 2743 section 3.1), unless the mechanism leaves its frame out.
    pub fn recognised(&self) -> Option<(Framing, &'a [u8])> {
        match self.data {
            [0x60, ..] => Some((Framing::Bare, self.data)),
            [_, token @ ..] if token.first() == Some(&0x60) => Some((Framing::VendorOctet, token)),
            _ => None,
        }
    }

    /// The token: as it is recognised, or else as this peer is known to write it.
    pub fn token(&self, known: Framing) -> Result<&'a [u8], ParseError> {
        let token = match (self.recognised(), known) {
            (Some((_, token)), _) => token,
            (None, Framing::Bare) => self.data,
            (None, Framing::VendorOctet) => self.data.get(1..).unwrap_or_default(),
        };
        if token.is_empty() {
            return Err(ParseError::new(0, "GSS payload without a token"));
        }
        Ok(token)
    }
}

impl Framing {
    /// How to write to a peer that sent these vendor ids: with the octet to Windows.
    pub fn for_peer<'a>(mut vendor_ids: impl Iterator<Item = &'a [u8]>) -> Self {
        if vendor_ids.any(vendor::is_windows) {
            Self::VendorOctet
        } else {
            Self::Bare
        }
    }

    /// The body of the payload.
    pub fn body(self, token: &[u8]) -> Vec<u8> {
        match self {
            Self::Bare => token.to_vec(),
            Self::VendorOctet => [&[0], token].concat(),
        }
    }
}

/// How the name in the identity attribute (class 16384) is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IdentityEncoding {
    /// UTF-16 with the low octet first, no mark and no NUL, as Windows has it.
    Utf16Le,
    /// ISO 8859-1, racoon's other form.
    Latin1,
}

/// A longer attribute is not read.
pub const MOST_IDENTITY_OCTETS: usize = 8192;

impl IdentityEncoding {
    /// Writes a name. `None` if it is empty, too long, or has characters that ISO 8859-1 lacks.
    pub fn encode(self, name: &str) -> Option<Vec<u8>> {
        let octets: Vec<u8> = match self {
            Self::Utf16Le => name.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Latin1 => name
                .chars()
                .map(|c| u8::try_from(u32::from(c)).ok())
                .collect::<Option<_>>()?,
        };
        Some(octets).filter(|octets| (1..=MOST_IDENTITY_OCTETS).contains(&octets.len()))
    }

    /// Reads a name. It must be text without control characters.
    pub fn decode(self, octets: &[u8]) -> Result<String, ParseError> {
        if octets.is_empty() || octets.len() > MOST_IDENTITY_OCTETS {
            return Err(ParseError::new(0, "GSS identity name is empty or too long"));
        }
        let name = match self {
            Self::Utf16Le => {
                let (units, rest) = octets.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err(ParseError::new(0, "GSS identity name of an odd number of octets"));
                }
                let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
                let name: Result<String, _> = char::decode_utf16(units).collect();
                name.map_err(|_| ParseError::new(0, "GSS identity name is not UTF-16"))?
            }
            Self::Latin1 => octets.iter().copied().map(char::from).collect(),
        };
        if name.chars().any(char::is_control) {
            return Err(ParseError::new(0, "GSS identity name has a control character"));
        }
        Ok(name)
    }

    /// Which it is: no name has a NUL, and in UTF-16 every `/`, `@` or Latin letter brings one.
    pub fn of(octets: &[u8]) -> Self {
        if octets.contains(&0) {
            Self::Utf16Le
        } else {
            Self::Latin1
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_with_or_without_the_vendor_octet() {
        let gss = |data: &'static [u8]| Gss { data };
        assert_eq!(gss(&[0x60, 1]).recognised(), Some((Framing::Bare, &[0x60, 1][..])));
        assert_eq!(
            gss(&[0, 0x60, 1]).recognised(),
            Some((Framing::VendorOctet, &[0x60, 1][..]))
        );
        assert_eq!(
            gss(&[0x60, 0x60]).recognised(),
            Some((Framing::Bare, &[0x60, 0x60][..]))
        );
        assert_eq!((gss(&[5, 6]).recognised(), gss(&[]).recognised()), (None, None));
        // What it looks like decides; what is known of the peer, only where it looks like nothing.
        assert_eq!(gss(&[0x60, 1]).token(Framing::VendorOctet), Ok(&[0x60, 1][..]));
        assert_eq!(gss(&[0, 0x6f]).token(Framing::VendorOctet), Ok(&[0x6f][..]));
        assert_eq!(gss(&[0, 0x6f]).token(Framing::Bare), Ok(&[0, 0x6f][..]));
        assert!(gss(&[]).token(Framing::Bare).is_err() && gss(&[0]).token(Framing::VendorOctet).is_err());
    }

    #[test]
    fn the_octet_is_for_windows() {
        let windows = [&vendor::MS_NT5[..], &[0, 0, 0, 9]].concat();
        let to = |ids: &[&[u8]]| Framing::for_peer(ids.iter().copied());
        assert_eq!(to(&[&vendor::GSSAPI, &windows]), Framing::VendorOctet);
        assert_eq!(to(&[&vendor::GSSAPI, &vendor::DPD]), Framing::Bare);
        assert_eq!(Framing::VendorOctet.body(&[0x60]), [0, 0x60]);
        assert_eq!(Framing::Bare.body(&[0x60]), [0x60]);
    }

    /// The octets at the beginning are those that racoon sent.
    #[test]
    fn a_name_is_written_in_two_ways() {
        let name = "host/a.ike.test";
        let utf16 = IdentityEncoding::Utf16Le.encode(name).unwrap();
        assert_eq!(utf16.len(), 30);
        assert!(utf16.starts_with(&[0x68, 0, 0x6f, 0, 0x73, 0, 0x74, 0, 0x2f, 0, 0x61, 0]));
        let latin1 = IdentityEncoding::Latin1.encode(name).unwrap();
        assert_eq!(latin1, name.as_bytes());
        for octets in [utf16, latin1] {
            assert_eq!(IdentityEncoding::of(&octets).decode(&octets).unwrap(), name);
        }
        let name = "host/gäw\u{1f512}@R";
        let utf16 = IdentityEncoding::Utf16Le.encode(name).unwrap();
        assert_eq!(IdentityEncoding::Utf16Le.decode(&utf16).unwrap(), name);
        assert_eq!(IdentityEncoding::Latin1.encode(name), None);
        assert_eq!(IdentityEncoding::Latin1.encode("gäw"), Some(vec![b'g', 0xe4, b'w']));
        assert_eq!(IdentityEncoding::Latin1.decode(&[b'g', 0xe4, b'w']).unwrap(), "gäw");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let (utf16, latin1) = (IdentityEncoding::Utf16Le, IdentityEncoding::Latin1);
        for (encoding, octets) in [
            (utf16, &[][..]),
            (utf16, &[0x68]),
            (utf16, &[0x68, 0, 0x6f]),
            (utf16, &[0x68, 0, 0, 0]),
            (utf16, &[0x00, 0xd8]),
            (latin1, &[]),
            (latin1, b"host\n"),
            (latin1, &[0x61; MOST_IDENTITY_OCTETS + 1]),
        ] {
            assert!(encoding.decode(octets).is_err(), "{octets:?}");
        }
        assert_eq!(utf16.encode(""), None);
        assert_eq!(utf16.encode(&"a".repeat(MOST_IDENTITY_OCTETS / 2 + 1)), None);
    }
}
