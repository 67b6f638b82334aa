//! Durations and secrets as people write them.

use std::str::FromStr;
use std::time::Duration;

use handfast_crypto::secret::Secret;

/// "500ms", "30s", "5m", "1h" or "1d".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span(pub Duration);

pub(crate) const SPAN: &str = "a duration such as \"500ms\", \"30s\", \"5m\" or \"1h\"";

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| format!("{text:?} is not a duration"))?;
        let per = match unit {
            "ms" => return Ok(Self(Duration::from_millis(number))),
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err(format!("{text:?} is not a duration")),
        };
        number
            .checked_mul(per)
            .map(|s| Self(Duration::from_secs(s)))
            .ok_or_else(|| format!("{text:?} is too long"))
    }
}

/// "500MB", "1GiB": octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Size(pub u64);

pub(crate) const SIZE: &str = "an amount such as \"500MB\" or \"1GiB\", or \"off\"";

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let wrong = || format!("{text:?} is not an amount");
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let per: u64 = match unit {
            "B" => 1,
            "kB" => 1000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return Err(wrong()),
        };
        // The largest number means "no limit" elsewhere.
        let octets = number.checked_mul(per).filter(|n| *n < u64::MAX);
        octets.map(Self).ok_or_else(|| format!("{text:?} is too much"))
    }
}

/// A secret as written: text, "0x" and hexadecimal, or "0s" and base64, as other daemons have it. Other octets are
/// themselves.
pub(crate) fn secret(written: Secret) -> Result<Secret, &'static str> {
    let text = std::str::from_utf8(written.as_bytes()).unwrap_or_default();
    if let Some(hex) = text.strip_prefix("0x") {
        return from_hex(hex).ok_or("not hexadecimal after 0x");
    }
    if let Some(base64) = text.strip_prefix("0s") {
        return from_base64(base64).ok_or("not base64 after 0s");
    }
    Ok(written)
}

// Both look at all before they decode, into room that need not grow: no piece of a secret is left behind.

fn from_hex(text: &str) -> Option<Secret> {
    let digit = |c: u8| char::from(c).to_digit(16).unwrap_or_default() as u8;
    let valid = text.len().is_multiple_of(2) && text.bytes().all(|c| c.is_ascii_hexdigit());
    valid.then(|| {
        let mut out = Vec::with_capacity(text.len() / 2);
        let pairs = text.as_bytes().chunks(2);
        out.extend(pairs.map(|pair| pair.iter().fold(0, |value, c| value << 4 | digit(*c))));
        Secret::new(out)
    })
}

fn from_base64(text: &str) -> Option<Secret> {
    let body = text.trim_end_matches('=');
    if body.len() % 4 == 1 || body.bytes().any(|c| sextet(c).is_none()) {
        return None;
    }
    let mut out = Vec::with_capacity(body.len());
    let (mut bits, mut held) = (0u32, 0);
    for value in body.bytes().filter_map(sextet) {
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    Some(Secret::new(out))
}

/// A digit of base64 (RFC 4648 section 4).
fn sextet(c: u8) -> Option<u8> {
    match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!("500ms".parse::<Span>().unwrap().0, Duration::from_millis(500));
        assert_eq!("2h".parse::<Span>().unwrap().0, Duration::from_secs(7200));
        for bad in ["", "5", "off", "s", "5 s", "-1s", "1w", "99999999999999999999s"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts() {
        assert_eq!("1GiB".parse::<Size>().unwrap().0, 1 << 30);
        assert_eq!("500MB".parse::<Size>().unwrap().0, 500_000_000);
        for bad in ["", "5", "off", "GiB", "1 GiB", "1gib", "-1MB", "1.5GB", "99999999TiB"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets() {
        let secret = |written: &[u8]| secret(Secret::from(written)).map(|s| s.as_bytes().to_vec());
        assert_eq!(secret(b"0x00ff").unwrap(), [0, 255]);
        assert_eq!(secret(b"0sAP8=").unwrap(), [0, 255]);
        assert_eq!(secret(b"0sTWFu").unwrap(), b"Man");
        assert_eq!(secret(b"plain").unwrap(), b"plain");
        assert_eq!(secret(b"\xff0x").unwrap(), b"\xff0x");
        for bad in ["0x0", "0xzz", "0x+1", "0xé", "0s*", "0sA", "0sAA=A"] {
            assert!(secret(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
