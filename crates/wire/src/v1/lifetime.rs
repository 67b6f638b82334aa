//! Lifetimes: pairs of a life type and a life duration (RFC 2409 appendix A, RFC 2407 sections 4.5 and 4.6.3.1).

use super::attribute::{Attribute, AttributeDef, attributes};
use crate::ParseError;
use crate::numbers::v1::{IpsecAttribute, LifeType, OakleyAttribute};

/// How long an SA may live. A value is 0 if the peer said 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Lifetimes {
    /// In seconds.
    pub seconds: Option<u64>,
    /// In kilobytes.
    pub kilobytes: Option<u64>,
}

/// Collects lifetimes while a list of attributes is read.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Reader {
    lifetimes: Lifetimes,
    /// The life type whose duration has not come yet; outside, a type that was told at all.
    open: Option<LifeType>,
}

impl Lifetimes {
    /// Reads the data of a RESPONDER-LIFETIME notify about the ISAKMP SA; other attributes are passed over.
    pub fn read_oakley(bytes: &[u8]) -> Result<Self, ParseError> {
        let (kind, duration) = (OakleyAttribute::LIFE_TYPE.0, OakleyAttribute::LIFE_DURATION.0);
        Self::read(bytes, kind, duration)
    }

    /// Reads the data of a RESPONDER-LIFETIME notify about an IPsec SA; other attributes are passed over.
    pub fn read_ipsec(bytes: &[u8]) -> Result<Self, ParseError> {
        let (kind, duration) = (IpsecAttribute::LIFE_TYPE.0, IpsecAttribute::LIFE_DURATION.0);
        Self::read(bytes, kind, duration)
    }

    /// The attributes of phase 1 that say it.
    pub fn oakley_attributes(&self) -> Vec<AttributeDef> {
        self.attributes(OakleyAttribute::LIFE_TYPE.0, OakleyAttribute::LIFE_DURATION.0)
    }

    /// The attributes of phase 2 that say it.
    pub fn ipsec_attributes(&self) -> Vec<AttributeDef> {
        self.attributes(IpsecAttribute::LIFE_TYPE.0, IpsecAttribute::LIFE_DURATION.0)
    }

    fn attributes(&self, kind: u16, duration: u16) -> Vec<AttributeDef> {
        let pair = |life_type: LifeType, value| {
            [
                AttributeDef::short(kind, life_type.0),
                AttributeDef::number(duration, value),
            ]
        };
        let seconds = self.seconds.map(|value| pair(LifeType::SECONDS, value));
        let kilobytes = self.kilobytes.map(|value| pair(LifeType::KILOBYTES, value));
        seconds.into_iter().chain(kilobytes).flatten().collect()
    }

    fn read(bytes: &[u8], kind: u16, duration: u16) -> Result<Self, ParseError> {
        let mut reader = Reader::default();
        let mut walk = attributes(bytes);
        loop {
            let offset = walk.offset();
            let Some(attribute) = walk.next() else {
                return reader.finish().map_err(|error| error.shifted(offset));
            };
            let attribute = attribute?;
            let read = match attribute.class {
                class if class == kind => reader.life_type(&attribute),
                class if class == duration => reader.duration(&attribute),
                _ => Ok(()),
            };
            read.map_err(|error| error.shifted(offset))?;
        }
    }
}

impl Reader {
    /// "An SA Life Duration attribute MUST always follow an SA Life Type" (RFC 2407 section 4.5).
    pub fn life_type(&mut self, attribute: &Attribute<'_>) -> Result<(), ParseError> {
        if self.open.is_some() {
            return Err(ParseError::new(0, "life type without life duration"));
        }
        let Some(life_type) = attribute.value.as_short() else {
            return Err(ParseError::new(0, "basic attribute in variable format"));
        };
        self.open = Some(LifeType(life_type));
        Ok(())
    }

    pub fn duration(&mut self, attribute: &Attribute<'_>) -> Result<(), ParseError> {
        let Some(life_type) = self.open.take() else {
            return Err(ParseError::new(0, "life duration without life type"));
        };
        let Some(value) = attribute.as_u64() else {
            return Err(ParseError::new(0, "life duration is no number of 64 bits"));
        };
        let field = match life_type {
            LifeType::SECONDS => &mut self.lifetimes.seconds,
            LifeType::KILOBYTES => &mut self.lifetimes.kilobytes,
            _ => return Err(ParseError::new(0, "unknown life type")),
        };
        // The same twice is no conflict (RFC 2407 section 4.5.2).
        if field.replace(value).is_some_and(|before| before != value) {
            return Err(ParseError::new(0, "two lifetimes of one type conflict"));
        }
        Ok(())
    }

    pub fn finish(self) -> Result<Lifetimes, ParseError> {
        match self.open {
            Some(_) => Err(ParseError::new(0, "life type without life duration")),
            None => Ok(self.lifetimes),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::v1::attribute::encode;

    #[test]
    fn the_example_of_rfc_2407_section_4_5_2() {
        let bytes = [
            0x80, 1, 0, 1, 0, 2, 0, 4, 0, 1, 0x51, 0x80, 0x80, 1, 0, 2, 0, 2, 0, 4, 0, 1, 0x86, 0xa0,
        ];
        let lifetimes = Lifetimes::read_ipsec(&bytes).unwrap();
        assert_eq!((lifetimes.seconds, lifetimes.kilobytes), (Some(86400), Some(100_000)));
        assert_eq!(encode(&lifetimes.ipsec_attributes()), bytes);
        let oakley = encode(&lifetimes.oakley_attributes());
        assert_eq!(Lifetimes::read_oakley(&oakley).unwrap(), lifetimes);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (bytes, reason) in [
            (&[0x80, 2, 0, 9][..], "life duration without life type"),
            (&[0x80, 1, 0, 1], "life type without life duration"),
            (&[0x80, 1, 0, 1, 0x80, 1, 0, 2], "life type without life duration"),
            (&[0x80, 1, 0, 3, 0x80, 2, 0, 9], "unknown life type"),
            (&[0x80, 1, 0, 1, 0, 2, 0, 0], "life duration is no number of 64 bits"),
            (&[0, 1, 0, 2, 0, 1], "basic attribute in variable format"),
            (
                &[0x80, 1, 0, 1, 0x80, 2, 0, 9, 0x80, 1, 0, 1, 0x80, 2, 0, 8],
                "two lifetimes of one type conflict",
            ),
        ] {
            assert_eq!(Lifetimes::read_ipsec(bytes).unwrap_err().reason, reason);
        }
        let twice = [0x80, 1, 0, 1, 0x80, 2, 0, 9, 0x80, 1, 0, 1, 0x80, 2, 0, 9];
        assert_eq!(Lifetimes::read_ipsec(&twice).unwrap().seconds, Some(9));
        assert_eq!(Lifetimes::read_ipsec(&[]).unwrap(), Lifetimes::default());
    }
}
