//! The notation of identities.
//!
//! | text | identity |
//! |---|---|
//! | `192.0.2.1`, `2001:db8::1` | the address |
//! | `gw.example.net`, `@gw.example.net`, `fqdn:gw.example.net` | a domain name |
//! | `carol@example.net`, `email:carol@example.net` | an e-mail address |
//! | `keyid:branch-7`, `keyid:0x00ff10` | a key ID, as text or as octets in hexadecimal |
//! | `dn:C=XX,O=Example,CN=gw`, `C=XX, O=Example, CN=gw` | a distinguished name |
//! | `dn:0x3000` | a distinguished name, DER in hexadecimal |
//! | `ipv4:192.0.2.1`, `ipv6:2001:db8::1` | the address |
//! | `other:13:0x` | any other ID type with its number and data |
//!
//! After a prefix (but for hexadecimal) and after `@`, `\x25` stands for the octet 25. What is shown escapes every octet
//! but letters, digits and `. _ + = ~ / : , @ -`: no identity from the network reaches a log, a terminal or a shell with
//! a control character, a `%n`, a quote or a `$` in it. What is shown reads back as the same identity (a distinguished
//! name perhaps with other string types), unless it was longer than [`SHOWN`] octets and was cut.

use std::fmt::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use handfast_wire::numbers::IdType;

use super::Identity;
use crate::certificate::{Name, NameError};

/// How many octets of an identity are shown; a stranger's may have 65,000.
pub const SHOWN: usize = 512;

/// Why a text is not an identity; its `Display` tells what to write instead.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{}` is not an identity: {why}", .text.escape_default())]
pub struct IdentityError {
    text: String,
    why: String,
}

impl IdentityError {
    pub(super) fn new(text: &str, why: impl Into<String>) -> Self {
        Self {
            text: text.to_owned(),
            why: why.into(),
        }
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        parse(text).map_err(|why| IdentityError::new(text, why))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(address) => write!(f, "{address}"),
            Self::Ipv6(address) => write!(f, "{address}"),
            Self::Fqdn(name) if name.len() <= SHOWN && parse(name).as_ref() == Ok(self) => f.write_str(name),
            Self::Fqdn(name) => write_text(f, "fqdn:", name.as_bytes()),
            Self::Email(name) if name.len() <= SHOWN && parse(name).as_ref() == Ok(self) => f.write_str(name),
            Self::Email(name) => write_text(f, "email:", name.as_bytes()),
            Self::KeyId(data) if !data.starts_with(b"0x") && data.iter().copied().all(is_plain) => {
                write_text(f, "keyid:", data)
            }
            Self::KeyId(data) => write_hex(f, "keyid:", data),
            Self::Dn(data) => match plain_name(data) {
                Some(name) => write!(f, "dn:{name}"),
                None => write_hex(f, "dn:", data),
            },
            Self::Other { kind, data } => write_hex(f, &format!("other:{kind}:"), data),
        }
    }
}

fn parse(text: &str) -> Result<Identity, String> {
    if let Some(name) = text.strip_prefix('@') {
        if name.starts_with('#') {
            return Err("a key ID is written \"keyid:0x\" and its octets in hexadecimal".into());
        }
        return fqdn(name);
    }
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(Identity::Ipv6(address));
    }
    match text.split_once(':') {
        None => bare(text),
        Some((kind, _)) if kind.contains('=') => bare(text),
        Some(("fqdn", name)) => fqdn(name),
        Some(("email", name)) => email(&unescape(name)?),
        Some(("ipv4", address)) => address
            .parse::<Ipv4Addr>()
            .map(Identity::Ipv4)
            .map_err(|e| e.to_string()),
        Some(("ipv6", address)) => address
            .parse::<Ipv6Addr>()
            .map(Identity::Ipv6)
            .map_err(|e| e.to_string()),
        Some(("keyid", id)) => {
            let data = if id.starts_with("0x") { hex(id)? } else { unescape(id)? };
            typed(IdType::KEY_ID, &data, "a key ID is not empty")
        }
        Some(("dn", name)) if name.contains('=') => distinguished(name),
        Some(("dn", der)) => typed(
            IdType::DER_ASN1_DN,
            &hex(der)?,
            "the octets after \"dn:\" are not the DER of a distinguished name",
        ),
        Some(("other", rest)) => other(rest),
        Some((prefix, _)) => Err(format!(
            "\"{}:\" is not a known prefix; there are fqdn:, email:, ipv4:, ipv6:, keyid:, dn: and other:",
            prefix.escape_default()
        )),
    }
}

/// An identity without a prefix: an IPv4 address, an e-mail address or a domain name of the usual characters.
fn bare(text: &str) -> Result<Identity, String> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if text == "any" || text.starts_with(['%', '*']) {
        return Err("only the peer's identity can be a pattern, and \"any\" is then written \"%any\"".into());
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Identity::Ipv4(address));
    }
    if text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.') {
        return Err(
            "it looks like an IPv4 address and is none; a domain name of digits takes the prefix \"fqdn:\"".into(),
        );
    }
    if text.contains('=') && !text.contains('@') {
        return distinguished(text);
    }
    if let Some(octet) = text.chars().find(|c| !u8::try_from(*c).is_ok_and(is_plain)) {
        return Err(format!(
            "{octet:?} is not usual in a name; if it is meant, write \"fqdn:\", \"email:\" or \"keyid:\" before it"
        ));
    }
    if text.contains('@') {
        email(text.as_bytes())
    } else {
        fqdn(text)
    }
}

fn distinguished(name: &str) -> Result<Identity, String> {
    let name: Name = name.parse().map_err(|error: NameError| error.why)?;
    Ok(Identity::Dn(name.as_der().to_vec()))
}

/// A distinguished name as text, if it is short and has only usual characters.
fn plain_name(der: &[u8]) -> Option<String> {
    let name = Name::from_der(der).ok().filter(|name| !name.is_empty())?;
    name.to_plain().filter(|text| text.len() <= SHOWN)
}

fn fqdn(name: &str) -> Result<Identity, String> {
    typed(
        IdType::FQDN,
        &unescape(name)?,
        "a domain name is printable ASCII and not empty",
    )
}

fn email(address: &[u8]) -> Result<Identity, String> {
    typed(
        IdType::RFC822_ADDR,
        address,
        "an e-mail address is printable ASCII, a user, \"@\" and a domain",
    )
}

fn other(rest: &str) -> Result<Identity, String> {
    let (kind, data) = rest
        .split_once(':')
        .ok_or("\"other:\" takes an ID type, \":\" and hexadecimal octets")?;
    let kind = kind
        .parse()
        .map_err(|_| "the ID type after \"other:\" is a number from 0 to 255")?;
    Ok(Identity::from_wire(kind, &hex(data)?))
}

/// Reads octets as an ID payload of this type would be read, so that text and wire accept the same.
fn typed(id_type: IdType, data: &[u8], why: &str) -> Result<Identity, String> {
    match Identity::from_wire(id_type.0, data) {
        Identity::Other { .. } => Err(why.into()),
        identity => Ok(identity),
    }
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let octets = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? << 4) | digit(*low)?),
        _ => None,
    });
    octets
        .collect::<Option<_>>()
        .ok_or_else(|| "hexadecimal octets have two digits each and nothing between".into())
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (octet, after) = match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => ((high << 4) | low, after),
                _ => return Err("\"\\x\" takes two hexadecimal digits".into()),
            },
            (b'\\', _) => return Err("a backslash is written \"\\x5c\"".into()),
            _ => (first, after),
        };
        out.push(octet);
        rest = after;
    }
    Ok(out)
}

/// Shown as it is. Nothing here means anything to printf, a terminal or a shell.
fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"._+=~/:,@-".contains(&octet)
}

fn write_text(f: &mut fmt::Formatter<'_>, prefix: &str, data: &[u8]) -> fmt::Result {
    f.write_str(prefix)?;
    for &octet in data.iter().take(SHOWN) {
        if is_plain(octet) {
            f.write_char(octet.into())?
        } else {
            write!(f, "\\x{octet:02x}")?
        }
    }
    write_cut(f, data.len())
}

fn write_hex(f: &mut fmt::Formatter<'_>, prefix: &str, data: &[u8]) -> fmt::Result {
    write!(f, "{prefix}0x")?;
    for octet in data.iter().take(SHOWN) {
        write!(f, "{octet:02x}")?;
    }
    write_cut(f, data.len())
}

/// Says that it was cut, in a way that does not read back.
fn write_cut(f: &mut fmt::Formatter<'_>, len: usize) -> fmt::Result {
    if len > SHOWN {
        write!(f, "\\...({} more)", len - SHOWN)
    } else {
        Ok(())
    }
}
