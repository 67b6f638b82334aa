//! Transforms and attributes (RFC 7296 sections 3.3.2 and 3.3.5).

use bytes::BufMut;
use nom::number::complete::{be_u8, be_u16};

use crate::ParseError;
use crate::numbers::{AttributeType, TransformType};
use crate::read::{length16, run};

/// Octets of a transform before its attributes.
const TRANSFORM_HEADER_LEN: usize = 8;

/// The AF bit: the value is in the attribute's second half word.
const SHORT_FORMAT: u16 = 0x8000;

/// One algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transform<'a> {
    /// Last Substruc: 3 if another transform follows, 0 if not.
    pub more: u8,
    /// Reserved, the octet after `more`; as it came.
    pub reserved: u8,
    /// What the algorithm is for.
    pub kind: TransformType,
    /// Reserved, the octet after `kind`; as it came.
    pub reserved2: u8,
    /// The algorithm's number within its kind.
    pub id: u16,
    /// The attributes, one after the other.
    pub attribute_bytes: &'a [u8],
}

impl<'a> Transform<'a> {
    /// The attributes, in order. Ends after the first error.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes {
            whole: self.attribute_bytes,
            rest: self.attribute_bytes,
            failed: false,
        }
    }

    /// Appends the transform.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.more);
        out.put_u8(self.reserved);
        out.put_u16(length16(TRANSFORM_HEADER_LEN + self.attribute_bytes.len()));
        out.put_u8(self.kind.0);
        out.put_u8(self.reserved2);
        out.put_u16(self.id);
        let mut attributes = self.attributes();
        while let Some(Ok(attribute)) = attributes.next() {
            attribute.encode(out);
        }
        out.put_slice(attributes.rest);
    }
}

/// Iterator over [`Transform`]s.
#[derive(Clone, Debug)]
pub struct Transforms<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
    left: u8,
    more: bool,
    failed: bool,
}

impl<'a> Transforms<'a> {
    pub(super) fn new(bytes: &'a [u8], count: u8) -> Self {
        Self {
            whole: bytes,
            rest: bytes,
            left: count,
            more: count != 0,
            failed: false,
        }
    }

    /// What has not been walked.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn step(&mut self) -> Result<Transform<'a>, ParseError> {
        if self.left == 0 || !self.more {
            return Err(ParseError::new(0, "octets after the last transform"));
        }
        let header = (be_u8, be_u8, be_u16, be_u8, be_u8, be_u16);
        let (after, (more, reserved, length, kind, reserved2, id)) = run(self.rest, "transform truncated", header)?;
        if !matches!(more, 0 | 3) {
            return Err(ParseError::new(0, "transform neither last nor followed by one"));
        }
        let Some(body_len) = usize::from(length).checked_sub(TRANSFORM_HEADER_LEN) else {
            return Err(ParseError::new(2, "transform length below 8"));
        };
        let Some((attribute_bytes, rest)) = after.split_at_checked(body_len) else {
            return Err(ParseError::new(2, "transform longer than the proposal"));
        };
        self.rest = rest;
        self.left -= 1;
        self.more = more == 3;
        Ok(Transform {
            more,
            reserved,
            kind: TransformType(kind),
            reserved2,
            id,
            attribute_bytes,
        })
    }
}

impl<'a> Iterator for Transforms<'a> {
    type Item = Result<Transform<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let offset = self.whole.len() - self.rest.len();
        let item = if !self.rest.is_empty() {
            self.step()
        } else if self.left != 0 || self.more {
            Err(ParseError::new(0, "fewer transforms than announced"))
        } else {
            return None;
        };
        self.failed = item.is_err();
        Some(item.map_err(|error| error.shifted(offset)))
    }
}

impl std::iter::FusedIterator for Transforms<'_> {}

/// A property of a transform. The only one that is registered is the key length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute<'a> {
    /// Which property; 15 bits.
    pub kind: AttributeType,
    /// Its value, in one of two formats.
    pub value: AttributeValue<'a>,
}

/// The value of an attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttributeValue<'a> {
    /// Type/value format: 16 bits.
    Short(u16),
    /// Type/length/value format.
    Long(&'a [u8]),
}

impl Attribute<'_> {
    /// Appends the attribute.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self.value {
            AttributeValue::Short(value) => {
                out.put_u16(self.kind.0 | SHORT_FORMAT);
                out.put_u16(value);
            }
            AttributeValue::Long(value) => {
                out.put_u16(self.kind.0 & !SHORT_FORMAT);
                out.put_u16(length16(value.len()));
                out.put_slice(value);
            }
        }
    }
}

/// Iterator over [`Attribute`]s.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
    failed: bool,
}

impl<'a> Attributes<'a> {
    fn step(&mut self) -> Result<Attribute<'a>, ParseError> {
        let (after, (format_and_kind, second)) = run(self.rest, "attribute truncated", (be_u16, be_u16))?;
        let kind = AttributeType(format_and_kind & !SHORT_FORMAT);
        if format_and_kind & SHORT_FORMAT != 0 {
            self.rest = after;
            return Ok(Attribute {
                kind,
                value: AttributeValue::Short(second),
            });
        }
        let Some((value, rest)) = after.split_at_checked(usize::from(second)) else {
            return Err(ParseError::new(2, "attribute longer than the transform"));
        };
        self.rest = rest;
        Ok(Attribute {
            kind,
            value: AttributeValue::Long(value),
        })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.rest.is_empty() {
            return None;
        }
        let offset = self.whole.len() - self.rest.len();
        let item = self.step().map_err(|error| error.shifted(offset));
        self.failed = item.is_err();
        Some(item)
    }
}

impl std::iter::FusedIterator for Attributes<'_> {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TWO: &[u8] = &[3, 0, 0, 8, 2, 0, 0, 5, 0, 0, 0, 8, 4, 0, 0, 31];

    fn errors(bytes: &[u8], count: u8) -> Option<&'static str> {
        Transforms::new(bytes, count)
            .find_map(Result::err)
            .map(|error| error.reason)
    }

    #[test]
    fn count_and_markers_must_agree_with_the_octets() {
        assert_eq!(errors(TWO, 2), None);
        assert_eq!(errors(TWO, 1), Some("octets after the last transform"));
        assert_eq!(errors(TWO, 3), Some("fewer transforms than announced"));
        assert_eq!(errors(&TWO[..8], 1), Some("fewer transforms than announced"));
        assert_eq!(errors(TWO, 0), Some("octets after the last transform"));
        assert_eq!(errors(&[], 0), None);
        assert_eq!(errors(&[], 1), Some("fewer transforms than announced"));
        assert_eq!(errors(&TWO[8..], 1), None);
    }

    #[test]
    fn lengths_are_bounded() {
        assert_eq!(errors(&[0, 0, 0, 7, 2, 0, 0, 5], 1), Some("transform length below 8"));
        assert_eq!(
            errors(&[0, 0, 0, 9, 2, 0, 0, 5], 1),
            Some("transform longer than the proposal")
        );
        assert_eq!(errors(&[0, 0, 0, 8, 2, 0, 0], 1), Some("transform truncated"));
        assert_eq!(
            errors(&[2, 0, 0, 8, 2, 0, 0, 5], 1),
            Some("transform neither last nor followed by one")
        );
    }

    #[test]
    fn both_attribute_formats_are_read_and_written() {
        let bytes = [0, 0, 0, 21, 1, 0, 0, 12, 0x80, 14, 1, 0, 0, 99, 0, 5, 1, 2, 3, 4, 5];
        let transform = Transforms::new(&bytes, 1).next().unwrap().unwrap();
        let attributes: Vec<_> = transform.attributes().map(Result::unwrap).collect();
        assert_eq!(attributes[0].value, AttributeValue::Short(256));
        assert_eq!(attributes[1].kind, AttributeType(99));
        assert_eq!(attributes[1].value, AttributeValue::Long(&[1, 2, 3, 4, 5]));
        let mut out = Vec::new();
        transform.encode(&mut out);
        assert_eq!(out, bytes);
    }

    #[test]
    fn a_long_attribute_cannot_leave_its_transform() {
        let bytes = [0, 0, 0, 14, 1, 0, 0, 12, 0, 99, 0xff, 0xff, 1, 2];
        let transform = Transforms::new(&bytes, 1).next().unwrap().unwrap();
        let mut attributes = transform.attributes();
        assert_eq!(
            attributes.next().unwrap().unwrap_err().reason,
            "attribute longer than the transform"
        );
        assert!(attributes.next().is_none());
        let mut out = Vec::new();
        transform.encode(&mut out);
        assert_eq!(out, bytes);
    }
}
