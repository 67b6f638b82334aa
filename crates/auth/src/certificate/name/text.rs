//! Names and patterns as people write them: `C=XX, O=Example, CN=gw.example`, and `CN=*` in a pattern.

use std::fmt::{self, Write};
use std::str::FromStr;

use super::super::der::{element, tag};
use super::{Attribute, EMAIL_ADDRESS, Name, TYPES, folded};

/// Why a text is no distinguished name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("\"{text}\" is no distinguished name: {why}")]
pub struct NameError {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

/// A distinguished name in which a value may be `*`: any value of that attribute. All relative names must be there, in
/// this order.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NamePattern(Vec<Vec<(Vec<u8>, Wanted)>>);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Wanted {
    Any,
    Text(String),
}

/// Relative names of attribute types (object identifiers) and values.
type Parsed = Vec<Vec<(Vec<u8>, String)>>;

impl NamePattern {
    /// Whether the name is one of these.
    pub fn matches(&self, name: &Name) -> bool {
        let wanted = |pattern: &(Vec<u8>, Wanted), attribute: &Attribute| {
            attribute.oid == pattern.0
                && match (&pattern.1, &attribute.text) {
                    (Wanted::Any, _) => true,
                    (Wanted::Text(text), Some(own)) => folded(own) == folded(text),
                    (Wanted::Text(_), None) => false,
                }
        };
        self.0.len() == name.rdns.len()
            && self.0.iter().zip(&name.rdns).all(|(patterns, rdn)| {
                patterns.len() == rdn.len()
                    && patterns
                        .iter()
                        .all(|pattern| rdn.iter().any(|attribute| wanted(pattern, attribute)))
            })
    }

    /// Whether it has a `*`.
    pub fn has_wildcard(&self) -> bool {
        self.0.iter().flatten().any(|(_, wanted)| *wanted == Wanted::Any)
    }
}

impl FromStr for NamePattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wanted = |value: String| if value == "*" { Wanted::Any } else { Wanted::Text(value) };
        let rdns = parse(text)?.into_iter();
        Ok(Self(
            rdns.map(|rdn| rdn.into_iter().map(|(oid, value)| (oid, wanted(value))).collect())
                .collect(),
        ))
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rdn) in self.0.iter().enumerate() {
            for (joined, (oid, wanted)) in rdn.iter().enumerate() {
                match (index, joined) {
                    (0, 0) => {}
                    (_, 0) => f.write_str(", ")?,
                    _ => f.write_char('+')?,
                }
                write_type(f, oid)?;
                match wanted {
                    Wanted::Any => f.write_char('*')?,
                    Wanted::Text(text) => write_value(f, text)?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamePattern({self})")
    }
}

impl FromStr for Name {
    type Err = NameError;

    /// E-mail addresses and domain components become IA5Strings, what can be a PrintableString becomes one, all else
    /// UTF8Strings (RFC 5280 section 4.1.2.4).
    fn from_str(text: &str) -> Result<Self, NameError> {
        let fail = |why: &str| NameError {
            text: text.to_owned(),
            why: why.to_owned(),
        };
        let mut rdns = Vec::new();
        for rdn in parse(text)? {
            let mut attributes: Vec<Vec<u8>> = rdn
                .iter()
                .map(|(oid, value)| {
                    let string = element(string_type(oid, value), &[value.as_bytes()]);
                    element(tag::SEQUENCE, &[&element(tag::OID, &[oid]), &string])
                })
                .collect();
            attributes.sort();
            let parts: Vec<&[u8]> = attributes.iter().map(Vec::as_slice).collect();
            rdns.push(element(tag::SET, &parts));
        }
        let parts: Vec<&[u8]> = rdns.iter().map(Vec::as_slice).collect();
        Self::from_der(&element(tag::SEQUENCE, &parts)).map_err(|error| fail(&error.to_string()))
    }
}

/// PrintableString where it can be one, as most peers write names that they were given as text.
fn string_type(oid: &[u8], value: &str) -> u8 {
    let printable = |octet: u8| octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&octet);
    match oid {
        [0x55, 4, 5 | 6 | 46] => tag::PRINTABLE_STRING,
        EMAIL_ADDRESS | [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => tag::IA5_STRING,
        _ if value.bytes().all(printable) => tag::PRINTABLE_STRING,
        _ => tag::UTF8_STRING,
    }
}

fn parse(text: &str) -> Result<Parsed, NameError> {
    let fail = |why: String| NameError {
        text: text.to_owned(),
        why,
    };
    let mut rdns: Parsed = Vec::new();
    let mut joined = false;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (kind, after) = rest
            .split_once('=')
            .ok_or_else(|| fail("each part is TYPE=VALUE, with commas between them".into()))?;
        let oid = attribute_type(kind.trim()).ok_or_else(|| {
            let known: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
            fail(format!("\"{}\" is none of {}", kind.trim(), known.join(", ")))
        })?;
        let (value, separator, after) = value(after).map_err(fail)?;
        if value.is_empty() {
            return Err(fail(format!("{} has no value", kind.trim())));
        }
        match rdns.last_mut().filter(|_| joined) {
            Some(rdn) => rdn.push((oid, value)),
            None => rdns.push(vec![(oid, value)]),
        }
        joined = separator == Some('+');
        rest = after.trim_start();
        if separator.is_some() && rest.is_empty() {
            return Err(fail("something is missing at its end".into()));
        }
    }
    if rdns.is_empty() {
        return Err(fail("it is empty".into()));
    }
    Ok(rdns)
}

/// A value up to the next comma or plus sign, that sign, and the rest. A backslash quotes the next character, or two
/// hexadecimal digits of an octet after `\x`.
fn value(text: &str) -> Result<(String, Option<char>, &str), String> {
    let mut value = String::new();
    let mut kept = 0;
    let mut chars = text.char_indices();
    let mut end = (None, text.len());
    while let Some((at, c)) = chars.next() {
        match c {
            ',' | '+' => {
                end = (Some(c), at);
                break;
            }
            '\\' => match chars.next() {
                Some((_, 'x')) => {
                    let digit = |next: Option<(usize, char)>| next.and_then(|(_, c)| c.to_digit(16));
                    let (high, low) = (digit(chars.next()), digit(chars.next()));
                    let (Some(high), Some(low)) = (high, low) else {
                        return Err("\"\\x\" takes two hexadecimal digits".into());
                    };
                    value.push(char::from_u32(high * 16 + low).unwrap_or_default());
                    kept = value.len();
                }
                Some((_, quoted)) => {
                    value.push(quoted);
                    kept = value.len();
                }
                None => return Err("a backslash quotes nothing".into()),
            },
            c if value.is_empty() && c.is_whitespace() => {}
            c => {
                value.push(c);
                if !c.is_whitespace() {
                    kept = value.len();
                }
            }
        }
    }
    value.truncate(kept);
    let after = text.get(end.1 + end.0.map_or(0, char::len_utf8)..).unwrap_or_default();
    Ok((value, end.0, after))
}

/// A short name or an object identifier in dots.
fn attribute_type(text: &str) -> Option<Vec<u8>> {
    if let Some((_, oid)) = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Some(oid.to_vec());
    }
    let arcs: Vec<u32> = text.split('.').map(|arc| arc.parse().ok()).collect::<Option<_>>()?;
    let [first @ 0..=2, second @ 0..=39, rest @ ..] = arcs.as_slice() else {
        return None;
    };
    let mut oid = vec![u8::try_from(first * 40 + second).ok()?];
    for arc in rest {
        let groups = (32 - arc.leading_zeros()).div_ceil(7).max(1);
        oid.extend((0..groups).rev().map(|group| {
            let more = if group > 0 { 0x80 } else { 0 };
            ((arc >> (7 * group)) & 0x7f) as u8 | more
        }));
    }
    (!rest.is_empty()).then_some(oid)
}

/// `CN=`, or the object identifier in dots.
pub(super) fn write_type(f: &mut dyn Write, oid: &[u8]) -> fmt::Result {
    match TYPES.iter().find(|(_, known)| *known == oid) {
        Some((name, _)) => write!(f, "{name}="),
        None => write!(f, "{}=", super::dotted(oid)),
    }
}

impl Name {
    /// In characters that mean nothing to a shell, a terminal or a log, `O=Example,CN=a\x20b`, if it reads back as the
    /// same name so.
    pub(crate) fn to_plain(&self) -> Option<String> {
        let mut text = String::new();
        for (index, rdn) in self.rdns.iter().enumerate() {
            for (joined, attribute) in rdn.iter().enumerate() {
                text.push_str(match (index, joined) {
                    (0, 0) => "",
                    (_, 0) => ",",
                    _ => "+",
                });
                write_type(&mut text, &attribute.oid).ok()?;
                for c in attribute.text.as_ref()?.chars() {
                    match c {
                        ',' | '+' => text.extend(['\\', c]),
                        c if c.is_ascii_alphanumeric() || "._=~/:@-".contains(c) => text.push(c),
                        c if u32::from(c) < 0x100 => write!(text, "\\x{:02x}", u32::from(c)).ok()?,
                        _ => return None,
                    }
                }
            }
        }
        let same = text.parse::<Self>().is_ok_and(|name| name == *self);
        same.then_some(text)
    }
}

/// Quoted so that it reads back, and so that a terminal or log sees no control characters.
pub(super) fn write_value(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars().take(200) {
        match c {
            ',' | '+' | '\\' => write!(f, "\\{c}")?,
            c if u32::from(c) < 0x20 || (0x7f..0xa0).contains(&u32::from(c)) => write!(f, "\\x{:02x}", u32::from(c))?,
            // Marks that change the direction of writing make one name look like another.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                write!(f, "\\{{{:x}}}", u32::from(c))?
            }
            c => f.write_char(c)?,
        }
    }
    if text.chars().nth(200).is_some() {
        f.write_str("...")?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_written_read_and_shown() {
        for text in [
            "C=XX, O=Oracle, CN=a.oracle.test",
            "DC=example, DC=net, CN=Grüße\\, Welt",
            "CN=b+O=A",
            "CN=x\\x00y",
            "1.2.840.113549.1.9.2=z",
            "E=a@b.example",
        ] {
            assert_eq!(name(text).to_string(), text);
        }
        assert_eq!(name("C=XX,  CN = a  b "), name("c=xx, cn=A b"));
        assert_ne!(name("C=XX, CN=a"), name("CN=a, C=XX"));
        assert_ne!(name("C=XX, CN=a"), name("C=XX"));
        assert_ne!(name("CN=a\\x00b"), name("CN=a"));
        assert_eq!(name("O=A+CN=b"), name("CN=B+O=a"));
        assert_ne!(name("O=A+CN=b"), name("O=A, CN=b"));
        assert_ne!(name("CN=b+CN=b"), name("O=A+CN=b"));
        assert_ne!(name("O=A+CN=b"), name("CN=b+CN=b"));
    }

    #[test]
    fn a_pattern_has_any_values_but_no_other_names() {
        let pattern: NamePattern = "C=XX, O=Oracle, CN=*".parse().unwrap();
        assert!(pattern.has_wildcard());
        assert!(pattern.matches(&name("C=xx, O=ORACLE, CN=whoever")));
        for other in [
            "C=XX, O=Oracle",
            "C=XX, O=Other, CN=a",
            "C=XX, O=Oracle, OU=*",
            "C=XX, O=Oracle, OU=a, CN=b",
        ] {
            assert!(!pattern.matches(&name(other)), "{other}");
        }
        assert_eq!(pattern.to_string(), "C=XX, O=Oracle, CN=*");
    }

    #[test]
    fn mistakes_are_told() {
        for (text, why) in [
            ("", "it is empty"),
            ("CN", "TYPE=VALUE"),
            ("CN=", "has no value"),
            ("CN=a,", "missing at its end"),
            ("XY=a", "is none of"),
            ("CN=a\\", "quotes nothing"),
            ("CN=\\xg0", "two hexadecimal digits"),
        ] {
            let error = text.parse::<Name>().unwrap_err();
            assert!(error.why.contains(why), "{error}");
        }
    }
}
