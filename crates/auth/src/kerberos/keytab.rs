//! What a keytab file holds, without its keys (MIT's file format, version 0x0502: all numbers with the high octet first).

use super::principal::{MOST_OCTETS, Principal};

/// One key's entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Whose key it is, as text.
    pub principal: String,
    /// The number of the key, which grows each time the KDC makes a new one.
    pub kvno: u32,
    /// The encryption type (RFC 3961).
    pub enctype: u16,
    /// When it was written, in seconds since 1970.
    pub written: u32,
}

/// Why a file is no keytab.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeytabError {
    /// Another beginning.
    #[error("it is no keytab: it does not begin with the octets 05 02")]
    Version,
    /// It ends within an entry, or an entry ends within a field.
    #[error("it is damaged: its entry number {0} is cut short")]
    Short(usize),
}

/// More entries are not looked at.
const MOST_ENTRIES: usize = 4096;

/// Reads all entries. Keys are passed over.
///
/// # Errors
/// If it is no keytab.
pub fn read(octets: &[u8]) -> Result<Vec<Entry>, KeytabError> {
    let mut rest = octets.strip_prefix(&[5, 2]).ok_or(KeytabError::Version)?;
    let mut entries = Vec::new();
    for number in 1..=MOST_ENTRIES {
        let Some((size, after)) = rest.split_first_chunk::<4>() else {
            break;
        };
        let size = i32::from_be_bytes(*size);
        // The writer leaves zeros at the end.
        if size == 0 {
            break;
        }
        let len = usize::try_from(size.unsigned_abs()).unwrap_or(usize::MAX);
        let (entry, after) = after.split_at_checked(len).ok_or(KeytabError::Short(number))?;
        rest = after;
        // A negative size is a hole that an entry has left.
        if size > 0 {
            entries.push(Reader(entry).entry().ok_or(KeytabError::Short(number))?);
        }
    }
    Ok(entries)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let len = u16::from_be_bytes(self.take()?);
        let (taken, rest) = self.0.split_at_checked(len.into())?;
        self.0 = rest;
        Some(taken)
    }

    fn entry(mut self) -> Option<Entry> {
        let components = u16::from_be_bytes(self.take()?);
        let realm = self.counted()?;
        let mut parts = Vec::new();
        for _ in 0..components {
            parts.push(escape(self.counted()?));
        }
        let _name_type = self.take::<4>()?;
        let written = u32::from_be_bytes(self.take()?);
        let [kvno] = self.take()?;
        let enctype = u16::from_be_bytes(self.take()?);
        self.counted()?;
        // Newer writers repeat the number in four octets; zero means that they do not.
        let wide = self.take().map(u32::from_be_bytes).filter(|kvno| *kvno != 0);
        let mut principal = format!("{}@{}", parts.join("/"), escape(realm));
        if principal.len() > MOST_OCTETS {
            principal = "(a name that is too long)".to_owned();
        }
        Some(Entry {
            principal,
            kvno: wide.unwrap_or(kvno.into()),
            enctype,
            written,
        })
    }
}

fn escape(part: &[u8]) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(part).chars() {
        if matches!(c, '/' | '@' | '\\') {
            text.push('\\');
        }
        text.push(if c.is_control() { '\u{fffd}' } else { c });
    }
    text
}

/// The usual name of an encryption type.
pub fn enctype_name(number: u16) -> Option<&'static str> {
    Some(match number {
        1 => "des-cbc-crc",
        3 => "des-cbc-md5",
        16 => "des3-cbc-sha1",
        17 => "aes128-cts-hmac-sha1-96",
        18 => "aes256-cts-hmac-sha1-96",
        19 => "aes128-cts-hmac-sha256-128",
        20 => "aes256-cts-hmac-sha384-192",
        23 => "arcfour-hmac",
        25 => "camellia128-cts-cmac",
        26 => "camellia256-cts-cmac",
        _ => return None,
    })
}

/// The entries of one principal; one without a realm has it of any.
pub fn of<'a>(entries: &'a [Entry], principal: &Principal) -> Vec<&'a Entry> {
    let same = |entry: &&Entry| {
        let found = entry.principal.parse::<Principal>();
        found.is_ok_and(|found| {
            found.components() == principal.components()
                && principal.realm().is_none_or(|realm| found.realm() == Some(realm))
        })
    };
    entries.iter().filter(same).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn counted(octets: &[u8]) -> Vec<u8> {
        [&u16::try_from(octets.len()).unwrap().to_be_bytes()[..], octets].concat()
    }

    fn entry(name: &[&str], kvno: u8, wide: Option<u32>) -> Vec<u8> {
        let mut out = u16::try_from(name.len()).unwrap().to_be_bytes().to_vec();
        out.extend(counted(b"IKE.TEST"));
        for part in name {
            out.extend(counted(part.as_bytes()));
        }
        out.extend([0, 0, 0, 1]);
        out.extend(1_700_000_000_u32.to_be_bytes());
        out.push(kvno);
        out.extend(18_u16.to_be_bytes());
        out.extend(counted(&[7; 32]));
        if let Some(wide) = wide {
            out.extend(wide.to_be_bytes());
        }
        [&u32::try_from(out.len()).unwrap().to_be_bytes()[..], &out].concat()
    }

    fn keytab(parts: &[Vec<u8>]) -> Vec<u8> {
        [&[5, 2][..], &parts.concat()].concat()
    }

    #[test]
    fn entries_are_read_and_holes_passed_over() {
        let hole = [&(-5_i32).to_be_bytes()[..], &[0; 5]].concat();
        let file = keytab(&[
            entry(&["host", "a.b"], 3, None),
            hole,
            entry(&["P/C$"], 1, Some(257)),
            vec![0; 6],
        ]);
        let entries = read(&file).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(
            (entries[0].principal.as_str(), entries[0].kvno),
            ("host/a.b@IKE.TEST", 3)
        );
        assert_eq!(
            (entries[1].principal.as_str(), entries[1].kvno),
            (r"P\/C$@IKE.TEST", 257)
        );
        assert_eq!(enctype_name(entries[0].enctype), Some("aes256-cts-hmac-sha1-96"));
        let find = |name: &str| of(&entries, &name.parse().unwrap()).len();
        assert_eq!(
            (
                find("host/a.b"),
                find("host/a.b@IKE.TEST"),
                find("host/a.b@OTHER"),
                find("host/a")
            ),
            (1, 1, 0, 0)
        );
    }

    #[test]
    fn what_is_no_keytab_is_told() {
        assert_eq!(read(b"[libdefaults]"), Err(KeytabError::Version));
        assert_eq!(read(&[]), Err(KeytabError::Version));
        assert_eq!(read(&[5, 2]), Ok(vec![]));
        let whole = keytab(&[entry(&["host", "a"], 1, None)]);
        for len in 6..whole.len() {
            assert_eq!(read(&whole[..len]), Err(KeytabError::Short(1)), "{len}");
        }
        // The sizes agree, and the fields do not fit in.
        let mut lying = whole.clone();
        lying[7] = 200;
        assert_eq!(read(&lying), Err(KeytabError::Short(1)));
    }
}
