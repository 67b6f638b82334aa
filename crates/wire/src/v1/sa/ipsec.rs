//! The attributes of a phase 2 transform, read (RFC 2407 section 4.5).

use super::Transform;
use super::transform::set;
use crate::ParseError;
use crate::numbers::v1::{AuthAlgorithm, EncapsulationMode, Group, IpsecAttribute};
use crate::v1::attribute::Attribute;
use crate::v1::lifetime::{Lifetimes, Reader};

/// What a phase 2 transform offers beside its identifier.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct IpsecTransform {
    /// Lifetimes of the IPsec SA.
    pub lifetimes: Lifetimes,
    /// The group of perfect forward secrecy.
    pub group: Option<Group>,
    /// Encapsulation mode.
    pub mode: Option<EncapsulationMode>,
    /// Authentication algorithm.
    pub auth: Option<AuthAlgorithm>,
    /// Key length of the cipher in bits, where it varies.
    pub key_length: Option<u16>,
    /// Rounds of the cipher, where they vary.
    pub key_rounds: Option<u16>,
    /// Whether sequence numbers have 64 bits (RFC 4304 section 2.2): 1 if they have.
    pub extended_sequence: Option<u16>,
    /// The first class that is not known here, if any.
    pub unknown: Option<u16>,
}

impl Transform<'_> {
    /// Reads the attributes of a phase 2 transform, by the rules of [`Transform::oakley`].
    pub fn ipsec(&self) -> Result<IpsecTransform, ParseError> {
        let mut read = IpsecTransform::default();
        let mut lifetimes = Reader::default();
        let mut walk = self.attributes();
        loop {
            let offset = walk.offset();
            let Some(attribute) = walk.next() else {
                read.lifetimes = lifetimes.finish().map_err(|error| error.shifted(offset))?;
                return Ok(read);
            };
            read.take(&attribute?, &mut lifetimes)
                .map_err(|error| error.shifted(offset))?;
        }
    }
}

impl IpsecTransform {
    fn take(&mut self, attribute: &Attribute<'_>, lifetimes: &mut Reader) -> Result<(), ParseError> {
        match IpsecAttribute(attribute.class) {
            IpsecAttribute::LIFE_TYPE => lifetimes.life_type(attribute),
            IpsecAttribute::LIFE_DURATION => lifetimes.duration(attribute),
            IpsecAttribute::GROUP_DESCRIPTION => set(&mut self.group, attribute),
            IpsecAttribute::ENCAPSULATION_MODE => set(&mut self.mode, attribute),
            IpsecAttribute::AUTH_ALGORITHM => set(&mut self.auth, attribute),
            IpsecAttribute::KEY_LENGTH => set(&mut self.key_length, attribute),
            IpsecAttribute::KEY_ROUNDS => set(&mut self.key_rounds, attribute),
            IpsecAttribute::EXTENDED_SEQUENCE_NUMBER => set(&mut self.extended_sequence, attribute),
            IpsecAttribute(class) => {
                self.unknown = self.unknown.or(Some(class));
                Ok(())
            }
        }
    }
}
