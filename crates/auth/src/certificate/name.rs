//! Distinguished names: read, compared by RFC 5280 section 7.1, shown, and written from text.

mod text;

use std::fmt;
use std::hash::{Hash, Hasher};

use super::der::{Der, DerError, dotted, tag};

pub use text::{NameError, NamePattern};

/// A distinguished name. `==` compares as RFC 5280 section 7.1 does: string types and case do not matter, nor does
/// white space in excess; the order of the relative names does.
#[derive(Clone)]
pub struct Name {
    raw: Vec<u8>,
    rdns: Vec<Vec<Attribute>>,
}

/// One attribute of a name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Attribute {
    oid: Vec<u8>,
    /// The text by which it is compared; for what is no text, tag and octets.
    compared: Compared,
    /// As it is written.
    text: Option<String>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Compared {
    Text(String),
    Octets(u8, Vec<u8>),
}

/// More attributes have only names that are made to cost time.
const MOST_ATTRIBUTES: usize = 64;

pub(super) const EMAIL_ADDRESS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01];

/// Short names, first the one that is shown.
const TYPES: &[(&str, &[u8])] = &[
    ("CN", &[0x55, 4, 3]),
    ("SN", &[0x55, 4, 4]),
    ("serialNumber", &[0x55, 4, 5]),
    ("C", &[0x55, 4, 6]),
    ("L", &[0x55, 4, 7]),
    ("ST", &[0x55, 4, 8]),
    ("S", &[0x55, 4, 8]),
    ("street", &[0x55, 4, 9]),
    ("O", &[0x55, 4, 10]),
    ("OU", &[0x55, 4, 11]),
    ("T", &[0x55, 4, 12]),
    ("G", &[0x55, 4, 42]),
    ("GN", &[0x55, 4, 42]),
    ("I", &[0x55, 4, 43]),
    ("dnQualifier", &[0x55, 4, 46]),
    ("E", EMAIL_ADDRESS),
    ("email", EMAIL_ADDRESS),
    ("emailAddress", EMAIL_ADDRESS),
    ("UID", &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01]),
    ("DC", &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19]),
];

impl Name {
    /// Reads a Name with nothing after it.
    ///
    /// # Errors
    /// If it is malformed or absurdly long.
    pub fn from_der(octets: &[u8]) -> Result<Self, DerError> {
        let mut outer = Der::new(octets);
        let name = Self::parse(&mut outer, "name")?;
        outer.end("name")?;
        Ok(name)
    }

    pub(crate) fn parse(der: &mut Der<'_>, field: &'static str) -> Result<Self, DerError> {
        let sequence = der.tlv(tag::SEQUENCE, field)?;
        let mut names = Der::new(sequence.value);
        let (mut rdns, mut count) = (Vec::new(), 0);
        while !names.is_empty() {
            let mut set = Der::new(names.value(tag::SET, field)?);
            let mut rdn = Vec::new();
            while !set.is_empty() {
                count += 1;
                if count > MOST_ATTRIBUTES {
                    return Err(DerError {
                        field,
                        what: "more than 64 attributes",
                    });
                }
                rdn.push(Attribute::parse(set.sequence(field)?, field)?);
            }
            if rdn.is_empty() {
                return Err(DerError {
                    field,
                    what: "an empty relative name",
                });
            }
            rdn.sort();
            rdns.push(rdn);
        }
        Ok(Self {
            raw: sequence.raw.to_vec(),
            rdns,
        })
    }

    /// Its DER, as it came.
    pub fn as_der(&self) -> &[u8] {
        &self.raw
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.rdns.is_empty()
    }

    /// Whether it begins with `base`: what a directoryName constraint allows (RFC 5280 section 4.2.1.10).
    pub(crate) fn is_below(&self, base: &Self) -> bool {
        self.rdns.len() >= base.rdns.len()
            && self
                .rdns
                .iter()
                .zip(&base.rdns)
                .all(|(own, other)| same_rdn(own, other))
    }

    /// Values of emailAddress, which older certificates have in place of a subjectAltName.
    pub(crate) fn email_addresses(&self) -> impl Iterator<Item = &str> {
        let attributes = self
            .rdns
            .iter()
            .flatten()
            .filter(|attribute| attribute.oid == EMAIL_ADDRESS);
        attributes.map(|attribute| attribute.text.as_deref().unwrap_or_default())
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.rdns.len() == other.rdns.len() && self.is_below(other)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for attribute in self.rdns.iter().flatten() {
            (&attribute.oid, &attribute.compared).hash(state);
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

impl fmt::Display for Name {
    /// In the order of its encoding, "C=XX, O=Example, CN=a.example".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("(empty name)");
        }
        for (index, rdn) in self.rdns.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            for (index, attribute) in rdn.iter().enumerate() {
                if index > 0 {
                    f.write_str("+")?;
                }
                attribute.fmt(f)?;
            }
        }
        Ok(())
    }
}

impl Attribute {
    fn parse(mut fields: Der<'_>, field: &'static str) -> Result<Self, DerError> {
        let oid = fields.oid(field)?.to_vec();
        let value = fields.any(field)?;
        fields.end(field)?;
        let text = decode(value.tag, value.value);
        let compared = match &text {
            Some(text) => Compared::Text(folded(text)),
            None => Compared::Octets(value.tag, value.value.to_vec()),
        };
        Ok(Self { oid, compared, text })
    }

    fn same(&self, other: &Self) -> bool {
        self.oid == other.oid && self.compared == other.compared
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write_type(f, &self.oid)?;
        match (&self.text, &self.compared) {
            (Some(text), _) => text::write_value(f, text),
            (None, Compared::Octets(tag, octets)) => {
                write!(f, "#{tag:02x}")?;
                octets.iter().take(32).try_for_each(|octet| write!(f, "{octet:02x}"))
            }
            (None, Compared::Text(text)) => f.write_str(text),
        }
    }
}

fn same_rdn(a: &[Attribute], b: &[Attribute]) -> bool {
    // Both are sorted, so that one that stands twice never passes for two.
    a.len() == b.len() && a.iter().zip(b).all(|(own, other)| own.same(other))
}

/// The text of a string type.
fn decode(tag: u8, octets: &[u8]) -> Option<String> {
    match tag {
        tag::UTF8_STRING => String::from_utf8(octets.to_vec()).ok(),
        tag::PRINTABLE_STRING | tag::IA5_STRING => {
            let ascii = octets.is_ascii().then(|| octets.to_vec());
            ascii.and_then(|octets| String::from_utf8(octets).ok())
        }
        // T.61 as everybody has it: Latin-1.
        tag::TELETEX_STRING => Some(octets.iter().copied().map(char::from).collect()),
        tag::BMP_STRING if octets.len().is_multiple_of(2) => {
            let units = octets
                .chunks_exact(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        tag::UNIVERSAL_STRING if octets.len().is_multiple_of(4) => {
            let units = octets
                .chunks_exact(4)
                .map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
            units.map(char::from_u32).collect()
        }
        _ => None,
    }
}

/// Lower case, white space at the ends removed and inside made one space. A NUL stays what it is, so it never ends a
/// name early.
fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    words.join(" ").to_lowercase()
}
