//! PEM (RFC 7468): blocks of base64 between BEGIN and END lines, with anything between the blocks.

use base64ct::{Base64, Encoding};
use handfast_crypto::secret::Secret;
use zeroize::Zeroizing;

/// One block.
pub(crate) struct Block {
    /// "CERTIFICATE".
    pub(crate) label: String,
    /// What was encoded; it may be a private key.
    pub(crate) data: Secret,
    /// The line of its BEGIN, from 1.
    pub(crate) line: usize,
    /// Whether it has the headers of OpenSSL's old encryption ("Proc-Type: 4,ENCRYPTED").
    pub(crate) old_encryption: bool,
}

/// What is wrong with PEM.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// No END.
    #[error("line {0}: this block has no end")]
    Open(usize),
    /// Not base64.
    #[error("line {0}: this block is not base64")]
    Base64(usize),
}

/// Whether it looks like PEM at all.
pub(crate) fn is_pem(octets: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN ";
    octets.windows(BEGIN.len()).any(|window| window == BEGIN)
}

/// All blocks, in order.
pub(crate) fn blocks(octets: &[u8]) -> Result<Vec<Block>, PemError> {
    let mut blocks = Vec::new();
    let mut lines = octets.split(|octet| *octet == b'\n').enumerate();
    while let Some((index, line)) = lines.next() {
        let line_number = index + 1;
        let Some(label) = delimiter(line, "-----BEGIN ") else {
            continue;
        };
        let mut base64 = Zeroizing::new(Vec::with_capacity(2048));
        let mut old_encryption = false;
        loop {
            let (_, line) = lines.next().ok_or(PemError::Open(line_number))?;
            if delimiter(line, "-----END ").is_some_and(|end| end == label) {
                break;
            }
            if line.contains(&b':') {
                old_encryption |= line.starts_with(b"Proc-Type:") || line.starts_with(b"DEK-Info:");
                continue;
            }
            base64.extend(line.iter().copied().filter(|octet| !octet.is_ascii_whitespace()));
        }
        let text = std::str::from_utf8(&base64).map_err(|_| PemError::Base64(line_number))?;
        let data = Base64::decode_vec(text).map_err(|_| PemError::Base64(line_number))?;
        blocks.push(Block {
            label: label.to_owned(),
            data: Secret::new(data),
            line: line_number,
            old_encryption,
        });
    }
    Ok(blocks)
}

/// A block as text.
pub fn encode(label: &str, der: &[u8]) -> String {
    let base64 = Base64::encode_string(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn delimiter<'a>(line: &'a [u8], start: &str) -> Option<&'a str> {
    let line = std::str::from_utf8(line).ok()?.trim();
    line.strip_prefix(start)?.strip_suffix("-----")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn blocks_stand_anywhere_in_text() {
        let text = format!(
            "Bag Attributes\n  x: y\n{}subject=CN = a\n\n{}",
            encode("CERTIFICATE", &[7; 100]),
            encode("PRIVATE KEY", &[]).replace('\n', "\r\n")
        );
        let found = blocks(text.as_bytes()).unwrap();
        let shown: Vec<_> = found
            .iter()
            .map(|b| (&b.label[..], b.data.as_bytes(), b.line))
            .collect();
        assert_eq!(shown, [("CERTIFICATE", &[7; 100][..], 3), ("PRIVATE KEY", &[][..], 10)]);
        assert!(is_pem(text.as_bytes()));
    }

    #[test]
    fn what_is_broken_is_told_with_its_line() {
        assert_eq!(blocks(b"\n-----BEGIN X-----\nAAAA\n").err(), Some(PemError::Open(2)));
        let bad = b"-----BEGIN X-----\nA*AA\n-----END X-----\n";
        assert_eq!(blocks(bad).err(), Some(PemError::Base64(1)));
        let other_end = b"-----BEGIN X-----\nAAAA\n-----END Y-----\n";
        assert!(blocks(other_end).is_err());
    }
}
