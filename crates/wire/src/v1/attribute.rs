//! Data attributes (RFC 2408 section 3.3): of transforms, of lifetimes, of the configuration payload.

use bytes::BufMut;
use nom::number::complete::be_u16;

use crate::ParseError;
use crate::read::{length16, run};

/// The AF bit: the value is in the attribute's second half word.
const SHORT_FORMAT: u16 = 0x8000;

/// One attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute<'a> {
    /// Its class, 15 bits: an `OakleyAttribute`, an `IpsecAttribute` or a `CfgAttribute`.
    pub class: u16,
    /// Its value, in one of two formats.
    pub value: AttributeValue<'a>,
}

/// The value of an attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttributeValue<'a> {
    /// Type/value format: 16 bits, "basic".
    Short(u16),
    /// Type/length/value format, "variable".
    Long(&'a [u8]),
}

impl<'a> AttributeValue<'a> {
    /// The value as a number, in either format. `None` if it has no octets or exceeds 64 bits.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Short(value) => Some(u64::from(*value)),
            Self::Long([]) => None,
            Self::Long(octets) => octets.iter().try_fold(0u64, |number, octet| {
                (number >> 56 == 0).then(|| number << 8 | u64::from(*octet))
            }),
        }
    }

    /// The value in basic format; `None` if it came as variable.
    pub const fn as_short(&self) -> Option<u16> {
        match self {
            Self::Short(value) => Some(*value),
            Self::Long(_) => None,
        }
    }

    /// The octets in variable format; `None` if it came as basic.
    pub const fn as_bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Short(_) => None,
            Self::Long(octets) => Some(octets),
        }
    }
}

impl<'a> Attribute<'a> {
    /// An attribute in basic format.
    pub const fn short(class: u16, value: u16) -> Self {
        Self {
            class,
            value: AttributeValue::Short(value),
        }
    }

    /// An attribute in variable format.
    pub const fn long(class: u16, value: &'a [u8]) -> Self {
        Self {
            class,
            value: AttributeValue::Long(value),
        }
    }

    /// The value as a number: [`AttributeValue::as_u64`].
    pub fn as_u64(&self) -> Option<u64> {
        self.value.as_u64()
    }

    /// The attribute, owned.
    pub fn to_def(&self) -> AttributeDef {
        let value = match self.value {
            AttributeValue::Short(value) => AttributeValueDef::Short(value),
            AttributeValue::Long(octets) => AttributeValueDef::Long(octets.to_vec()),
        };
        let class = self.class;
        AttributeDef { class, value }
    }

    /// Appends the attribute.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self.value {
            AttributeValue::Short(value) => {
                out.put_u16(self.class | SHORT_FORMAT);
                out.put_u16(value);
            }
            AttributeValue::Long(value) => {
                out.put_u16(self.class & !SHORT_FORMAT);
                out.put_u16(length16(value.len()));
                out.put_slice(value);
            }
        }
    }
}

/// An attribute to send.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AttributeDef {
    /// Its class, 15 bits.
    pub class: u16,
    /// Its value.
    pub value: AttributeValueDef,
}

/// The value of an attribute to send.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum AttributeValueDef {
    /// Basic format.
    Short(u16),
    /// Variable format.
    Long(Vec<u8>),
}

impl AttributeDef {
    /// An attribute in basic format.
    pub const fn short(class: u16, value: u16) -> Self {
        Self {
            class,
            value: AttributeValueDef::Short(value),
        }
    }

    /// An attribute in variable format.
    pub fn long(class: u16, value: impl Into<Vec<u8>>) -> Self {
        Self {
            class,
            value: AttributeValueDef::Long(value.into()),
        }
    }

    /// A number of a class that is variable, such as a life duration: four octets, or eight if it needs them.
    pub fn number(class: u16, value: u64) -> Self {
        match u32::try_from(value) {
            Ok(value) => Self::long(class, value.to_be_bytes()),
            Err(_) => Self::long(class, value.to_be_bytes()),
        }
    }

    /// The attribute, borrowed.
    pub fn as_ref(&self) -> Attribute<'_> {
        match &self.value {
            AttributeValueDef::Short(value) => Attribute::short(self.class, *value),
            AttributeValueDef::Long(octets) => Attribute::long(self.class, octets),
        }
    }
}

/// The octets of a list of attributes: the data of a RESPONDER-LIFETIME notify, for example.
pub fn encode(attributes: &[AttributeDef]) -> Vec<u8> {
    let mut out = Vec::new();
    for attribute in attributes {
        attribute.as_ref().encode(&mut out);
    }
    out
}

/// The attributes in `bytes`, in order. Ends after the first error.
pub const fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes {
        whole: bytes,
        rest: bytes,
        failed: false,
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
    /// What has not been walked.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Where the walk is.
    pub(super) const fn offset(&self) -> usize {
        self.whole.len().saturating_sub(self.rest.len())
    }

    fn step(&mut self) -> Result<Attribute<'a>, ParseError> {
        let (after, (class, half)) = run(self.rest, "attribute truncated", (be_u16, be_u16))?;
        if class & SHORT_FORMAT != 0 {
            self.rest = after;
            return Ok(Attribute::short(class & !SHORT_FORMAT, half));
        }
        let Some((value, rest)) = after.split_at_checked(usize::from(half)) else {
            return Err(ParseError::new(2, "attribute longer than what holds it"));
        };
        self.rest = rest;
        Ok(Attribute::long(class, value))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.rest.is_empty() {
            return None;
        }
        let offset = self.offset();
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

    #[test]
    fn both_formats_are_read_and_written() {
        let bytes = [0x80, 11, 0, 1, 0, 12, 0, 4, 0, 1, 0x51, 0x80, 0x40, 0, 0, 0];
        let all: Vec<_> = attributes(&bytes).map(Result::unwrap).collect();
        assert_eq!(all[0], Attribute::short(11, 1));
        assert_eq!((all[1].class, all[1].as_u64()), (12, Some(86400)));
        assert_eq!((all[2].class, all[2].as_u64()), (16384, None));
        let defs: Vec<_> = all.iter().map(Attribute::to_def).collect();
        assert_eq!(encode(&defs), bytes);
        assert_eq!(defs[1], AttributeDef::number(12, 86400));
    }

    #[test]
    fn numbers_have_up_to_64_bits() {
        for (octets, number) in [
            (&[0x12][..], Some(0x12)),
            (&[0, 0, 0, 0, 0, 0, 0, 0, 0, 7], Some(7)),
            (&[0xff; 8], Some(u64::MAX)),
            (&[1, 0, 0, 0, 0, 0, 0, 0, 0], None),
            (&[], None),
        ] {
            assert_eq!(AttributeValue::Long(octets).as_u64(), number, "{octets:?}");
        }
        let big = AttributeDef::number(2, 1 << 40);
        assert_eq!(big.as_ref().as_u64(), Some(1 << 40));
    }

    #[test]
    fn an_attribute_cannot_leave_what_holds_it() {
        for (bytes, reason) in [
            (&[0, 12, 0, 4, 1, 2, 3][..], "attribute longer than what holds it"),
            (&[0, 12, 0xff, 0xff], "attribute longer than what holds it"),
            (&[0x80, 1, 0], "attribute truncated"),
        ] {
            let mut walk = attributes(bytes);
            assert_eq!(walk.next().unwrap().unwrap_err().reason, reason);
            assert!(walk.next().is_none());
        }
    }
}
