//! The attributes of a phase 1 transform, read (RFC 2409 appendix A).

use super::Transform;
use super::transform::set;
use crate::ParseError;
use crate::numbers::v1::{AuthMethod, EncryptionAlgorithm, Group, GroupType, HashAlgorithm, OakleyAttribute};
use crate::v1::attribute::{Attribute, AttributeValue};
use crate::v1::lifetime::{Lifetimes, Reader};

/// What a phase 1 transform offers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct OakleyTransform<'a> {
    /// Encryption algorithm.
    pub encryption: Option<EncryptionAlgorithm>,
    /// Its key length in bits, where it varies.
    pub key_length: Option<u16>,
    /// Hash algorithm; its HMAC is the PRF.
    pub hash: Option<HashAlgorithm>,
    /// Authentication method.
    pub auth: Option<AuthMethod>,
    /// Group by its number.
    pub group: Option<Group>,
    /// Kind of a group that is given by its parameters.
    pub group_type: Option<GroupType>,
    /// Whether parameters of a group are given, in place of or beside a number.
    pub explicit_group: bool,
    /// A PRF other than the HMAC; none is registered.
    pub prf: Option<u16>,
    /// Lifetimes of the ISAKMP SA.
    pub lifetimes: Lifetimes,
    /// The sender's name for Kerberos; with it, method 65001 is Kerberos and not XAUTH.
    pub gss_identity: Option<&'a [u8]>,
    /// The first class that is not known here, if any.
    pub unknown: Option<u16>,
}

impl<'a> Transform<'a> {
    /// Reads the attributes of a phase 1 transform: basic ones in basic format only ("MUST NOT be encoded as
    /// variable", RFC 2409 appendix A), no class twice with different values, each life duration after its type.
    pub fn oakley(&self) -> Result<OakleyTransform<'a>, ParseError> {
        let mut read = OakleyTransform::default();
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

impl<'a> OakleyTransform<'a> {
    fn take(&mut self, attribute: &Attribute<'a>, lifetimes: &mut Reader) -> Result<(), ParseError> {
        match OakleyAttribute(attribute.class) {
            OakleyAttribute::ENCRYPTION_ALGORITHM => set(&mut self.encryption, attribute),
            OakleyAttribute::HASH_ALGORITHM => set(&mut self.hash, attribute),
            OakleyAttribute::AUTHENTICATION_METHOD => set(&mut self.auth, attribute),
            OakleyAttribute::GROUP_DESCRIPTION => set(&mut self.group, attribute),
            OakleyAttribute::PRF => set(&mut self.prf, attribute),
            OakleyAttribute::KEY_LENGTH => set(&mut self.key_length, attribute),
            OakleyAttribute::LIFE_TYPE => lifetimes.life_type(attribute),
            OakleyAttribute::LIFE_DURATION => lifetimes.duration(attribute),
            OakleyAttribute::GROUP_TYPE => {
                self.explicit_group = true;
                set(&mut self.group_type, attribute)
            }
            OakleyAttribute::GROUP_PRIME
            | OakleyAttribute::GROUP_GENERATOR_ONE
            | OakleyAttribute::GROUP_GENERATOR_TWO
            | OakleyAttribute::GROUP_CURVE_A
            | OakleyAttribute::GROUP_CURVE_B
            | OakleyAttribute::FIELD_SIZE
            | OakleyAttribute::GROUP_ORDER => {
                self.explicit_group = true;
                Ok(())
            }
            OakleyAttribute::GSS_IDENTITY_NAME | OakleyAttribute::GSS_IDENTITY_NAME_W2K => match attribute.value {
                AttributeValue::Long(name) if self.gss_identity.is_none_or(|before| before == name) => {
                    self.gss_identity = Some(name);
                    Ok(())
                }
                AttributeValue::Long(_) => Err(ParseError::new(0, "attribute given twice with different values")),
                AttributeValue::Short(_) => Err(ParseError::new(0, "variable attribute in basic format")),
            },
            OakleyAttribute(class) => {
                self.unknown = self.unknown.or(Some(class));
                Ok(())
            }
        }
    }
}
