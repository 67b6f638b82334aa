//! Transforms (RFC 2408 section 3.6).

use bytes::BufMut;
use nom::number::complete::{be_u8, be_u16};

use super::TransformDef;
use crate::ParseError;
use crate::read::{length16, octets, run};
use crate::v1::attribute::{Attribute, Attributes, attributes};

/// Octets of a transform before its attributes.
const TRANSFORM_HEADER_LEN: usize = 8;

/// One protection suite: in IKEv1 a transform holds everything, in its attributes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transform<'a> {
    /// Next payload: 3 if another transform follows, 0 if not.
    pub more: u8,
    /// Reserved, the octet after `more`; as it came.
    pub reserved: u8,
    /// Transform number.
    pub number: u8,
    /// Transform identifier: an `IsakmpTransform`, `EspTransform`, `AhTransform` or `IpcompTransform`.
    pub id: u8,
    /// Reserved, the octets after `id`; as they came.
    pub reserved2: [u8; 2],
    /// The attributes, one after the other.
    pub attribute_bytes: &'a [u8],
}

impl<'a> Transform<'a> {
    /// The attributes, in order. Ends after the first error. Their reading as a phase 1 suite is `oakley`, as a phase 2
    /// suite `ipsec`.
    pub fn attributes(&self) -> Attributes<'a> {
        attributes(self.attribute_bytes)
    }

    /// The transform, owned: attributes keep their order and format. Fails if an attribute cannot be read.
    pub fn to_def(&self) -> Result<TransformDef, ParseError> {
        let attributes = self.attributes().map(|attribute| attribute.map(|a| a.to_def()));
        Ok(TransformDef {
            number: self.number,
            id: self.id,
            attributes: attributes.collect::<Result<_, _>>()?,
        })
    }

    /// Appends the transform.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.more);
        out.put_u8(self.reserved);
        out.put_u16(length16(TRANSFORM_HEADER_LEN + self.attribute_bytes.len()));
        out.put_u8(self.number);
        out.put_u8(self.id);
        out.put_slice(&self.reserved2);
        let mut walk = self.attributes();
        while let Some(Ok(attribute)) = walk.next() {
            attribute.encode(out);
        }
        out.put_slice(walk.rest());
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
    pub(super) const fn new(bytes: &'a [u8], count: u8) -> Self {
        Self {
            whole: bytes,
            rest: bytes,
            left: count,
            more: count != 0,
            failed: false,
        }
    }

    /// What has not been walked.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn step(&mut self) -> Result<Transform<'a>, ParseError> {
        if self.left == 0 || !self.more {
            return Err(ParseError::new(0, "octets after the last transform"));
        }
        let header = (be_u8, be_u8, be_u16, be_u8, be_u8, octets);
        let (after, (more, reserved, length, number, id, reserved2)) = run(self.rest, "transform truncated", header)?;
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
            number,
            id,
            reserved2,
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

/// Takes a basic attribute; the same value again is no conflict (RFC 2407 section 4.5.2).
pub(super) fn set<T: From<u16> + PartialEq + Copy>(
    field: &mut Option<T>,
    attribute: &Attribute<'_>,
) -> Result<(), ParseError> {
    let Some(value) = attribute.value.as_short() else {
        return Err(ParseError::new(0, "basic attribute in variable format"));
    };
    let value = T::from(value);
    if field.replace(value).is_some_and(|before| before != value) {
        return Err(ParseError::new(0, "attribute given twice with different values"));
    }
    Ok(())
}
