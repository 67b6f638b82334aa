//! DER as it is needed here: definite lengths in their shortest form, tags of one octet, nothing nested deeper than the
//! grammar that asks. A reader never allocates and never recurses, so no encoding makes it slow or deep.

use std::fmt;

/// Universal and context tags.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const TELETEX_STRING: u8 = 0x14;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const UNIVERSAL_STRING: u8 = 0x1c;
    pub(crate) const BMP_STRING: u8 = 0x1e;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// `[number]`, primitive.
    pub(crate) const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// `[number]`, constructed.
    pub(crate) const fn constructed(number: u8) -> u8 {
        0xa0 | number
    }
}

/// What is wrong with an encoding, and in which field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DerError {
    /// The field ("validity").
    pub field: &'static str,
    /// What is wrong with it ("truncated").
    pub what: &'static str,
}

impl fmt::Display for DerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.what)
    }
}

impl std::error::Error for DerError {}

pub(crate) type Result<T> = std::result::Result<T, DerError>;

/// One element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tlv<'a> {
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
    /// With tag and length.
    pub(crate) raw: &'a [u8],
}

/// Elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Der<'a> {
    rest: &'a [u8],
}

impl<'a> Der<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next tag.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whatever it is.
    pub(crate) fn any(&mut self, field: &'static str) -> Result<Tlv<'a>> {
        let fail = |what| DerError { field, what };
        let whole = self.rest;
        let (&tag, after) = whole.split_first().ok_or(fail("missing"))?;
        if tag & 0x1f == 0x1f {
            return Err(fail("a tag of several octets"));
        }
        let (&first, after) = after.split_first().ok_or(fail("truncated"))?;
        let (length, after) = match first {
            0..=0x7f => (usize::from(first), after),
            0x80 => return Err(fail("an indefinite length, which DER forbids")),
            // 2^32 octets and more are nothing that anyone sends.
            0x81..=0x84 => {
                let (octets, after) = after
                    .split_at_checked(usize::from(first & 0x7f))
                    .ok_or(fail("truncated"))?;
                let length = octets
                    .iter()
                    .fold(0, |length, &octet| (length << 8) | usize::from(octet));
                if length < 0x80 || octets.first() == Some(&0) {
                    return Err(fail("a length longer than it need be, which DER forbids"));
                }
                (length, after)
            }
            _ => return Err(fail("an absurd length")),
        };
        let (value, rest) = after.split_at_checked(length).ok_or(fail("truncated"))?;
        self.rest = rest;
        let raw = whole.get(..whole.len() - rest.len()).unwrap_or_default();
        Ok(Tlv { tag, value, raw })
    }

    /// The next element, which has this tag.
    pub(crate) fn tlv(&mut self, tag: u8, field: &'static str) -> Result<Tlv<'a>> {
        match self.peek() {
            Some(found) if found == tag => self.any(field),
            Some(_) => Err(DerError {
                field,
                what: "another type than expected",
            }),
            None => Err(DerError { field, what: "missing" }),
        }
    }

    /// The contents of the next element, which has this tag.
    pub(crate) fn value(&mut self, tag: u8, field: &'static str) -> Result<&'a [u8]> {
        self.tlv(tag, field).map(|tlv| tlv.value)
    }

    /// The contents of the next element if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8, field: &'static str) -> Result<Option<&'a [u8]>> {
        if self.peek() == Some(tag) {
            self.value(tag, field).map(Some)
        } else {
            Ok(None)
        }
    }

    pub(crate) fn sequence(&mut self, field: &'static str) -> Result<Der<'a>> {
        self.value(tag::SEQUENCE, field).map(Der::new)
    }

    /// That nothing follows.
    pub(crate) fn end(&self, field: &'static str) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DerError {
                field,
                what: "something after its end",
            })
        }
    }

    pub(crate) fn oid(&mut self, field: &'static str) -> Result<&'a [u8]> {
        let oid = self.value(tag::OID, field)?;
        let whole = oid.last().is_some_and(|last| last & 0x80 == 0);
        if whole {
            Ok(oid)
        } else {
            Err(DerError {
                field,
                what: "a broken object identifier",
            })
        }
    }

    /// An INTEGER that is not negative, without the leading zero octet; zero is empty.
    pub(crate) fn unsigned(&mut self, field: &'static str) -> Result<&'a [u8]> {
        let value = self.value(tag::INTEGER, field)?;
        let fail = |what| DerError { field, what };
        match value {
            [] => Err(fail("an integer of no octets")),
            [0] => Ok(&[]),
            [0, second, ..] if second & 0x80 == 0 => Err(fail("an integer longer than it need be")),
            [0, rest @ ..] => Ok(rest),
            [first, ..] if first & 0x80 != 0 => Err(fail("a negative integer")),
            all => Ok(all),
        }
    }

    /// A small INTEGER.
    pub(crate) fn small(&mut self, field: &'static str) -> Result<u32> {
        let octets = self.unsigned(field)?;
        if octets.len() > 3 {
            return Err(DerError {
                field,
                what: "a number far too large",
            });
        }
        Ok(octets.iter().fold(0, |number, &octet| (number << 8) | u32::from(octet)))
    }

    /// A BOOLEAN DEFAULT FALSE. An encoded FALSE is tolerated: it is wrong, common and harmless.
    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool> {
        match self.optional(tag::BOOLEAN, field)? {
            None | Some([0]) => Ok(false),
            Some([0xff]) => Ok(true),
            Some(_) => Err(DerError {
                field,
                what: "a boolean that is neither true nor false",
            }),
        }
    }

    /// A BIT STRING of whole octets.
    pub(crate) fn octet_bits(&mut self, field: &'static str) -> Result<&'a [u8]> {
        match self.value(tag::BIT_STRING, field)?.split_first() {
            Some((0, octets)) => Ok(octets),
            _ => Err(DerError {
                field,
                what: "a bit string that is not made of octets",
            }),
        }
    }
}

/// Appends an element.
pub(crate) fn put(out: &mut Vec<u8>, tag: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.push(tag);
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let octets = length.to_be_bytes();
        let skip = octets.iter().take_while(|octet| **octet == 0).count();
        out.push(0x80 | (octets.len() - skip) as u8);
        out.extend(octets.iter().skip(skip));
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// An element by itself.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, tag, parts);
    out
}

/// An INTEGER from big-endian octets.
pub(crate) fn unsigned_integer(octets: &[u8]) -> Vec<u8> {
    let skip = octets.iter().take_while(|octet| **octet == 0).count();
    let octets = octets.get(skip..).unwrap_or_default();
    let lead: &[u8] = if octets.first().is_none_or(|first| first & 0x80 != 0) {
        &[0]
    } else {
        &[]
    };
    element(tag::INTEGER, &[lead, octets])
}

/// An object identifier in dots, for people.
pub(crate) fn dotted(oid: &[u8]) -> String {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0u64;
    for &octet in oid.iter().take(64) {
        arc = (arc << 7) | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.extend([first, arc - first * 40]);
            } else {
                arcs.push(arc);
            }
            arc = 0;
        }
    }
    let text: Vec<String> = arcs.iter().map(u64::to_string).collect();
    text.join(".")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let value = vec![7; length];
            let raw = element(tag::OCTET_STRING, &[&value]);
            let mut der = Der::new(&raw);
            let tlv = der.any("x").unwrap();
            assert_eq!((tlv.tag, tlv.value, tlv.raw), (4, &value[..], &raw[..]));
            assert!(der.is_empty());
        }
        assert_eq!(unsigned_integer(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(unsigned_integer(&[0]), [2, 1, 0]);
        assert_eq!(unsigned_integer(&[0, 1]), [2, 1, 1]);
        assert_eq!(dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]), "1.2.840.113549");
        assert_eq!(dotted(&[0x55, 0x1d, 0x0f]), "2.5.29.15");
    }

    #[test]
    fn what_is_not_der_is_refused() {
        for bad in [
            &[0x30][..],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81, 0x7f],
            &[0x30, 0x82, 0, 0x80],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0x85, 0, 0, 0, 0, 1],
            &[0x1f, 0x81, 1, 0],
            &[0x30, 2, 0],
        ] {
            assert!(Der::new(bad).any("x").is_err(), "{bad:02x?}");
        }
        for bad in [&[2, 0][..], &[2, 2, 0, 1], &[2, 1, 0x80], &[3, 1, 0]] {
            assert!(Der::new(bad).unsigned("x").is_err(), "{bad:02x?}");
        }
    }
}
