//! Takes secrets out of a text that is to be shown. It must work on files that are not even TOML, so it goes by lines.

use crate::nearest::distance;

/// The text with what follows "secret =", or something spelt like it, as asterisks. Offsets and lines stay the same.
pub(crate) fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(name) = name_len(rest) {
        let (before, after) = rest.split_at(name);
        let line = before.rsplit('\n').next().unwrap_or(before);
        out.push_str(before);
        rest = after;
        let word = last_word(line);
        let (value, after) = rest.split_at(value_len(rest));
        if is_secret(word) && !(is_path(word) && !value.contains("-----") && !value.contains('\n')) {
            // An asterisk for each octet, not each character.
            out.extend(value.bytes().map(|b| match b {
                b'\n' | b'\r' | b' ' | b'\t' => char::from(b),
                _ => '*',
            }));
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// To after the next "="; in a line that has none, to after its first word.
fn name_len(rest: &str) -> Option<usize> {
    let line = rest.find('\n').map_or(rest, |end| &rest[..=end]);
    if let Some(equals) = line.find('=') {
        return Some(equals + 1);
    }
    let start = line.len() - line.trim_start().len();
    let word = line[start..].find(|c: char| !is_word(c));
    match word {
        Some(len) if len > 0 && is_secret(&line[start..start + len]) => Some(start + len),
        _ => Some(line.len()).filter(|len| *len > 0),
    }
}

fn last_word(before: &str) -> &str {
    let quoted = |c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\'');
    let name = before.trim_end_matches(quoted);
    &name[name.trim_end_matches(is_word).len()..]
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    let like = ["secret", "psk", "pass", "key"].iter().any(|word| key.contains(word));
    // "start" is three edits away.
    let misspelt = key.len() < 12 && distance(&key, "secret") <= 2;
    !["secret_file", "keepalive", "rekey", "ike_rekey"].contains(&key.as_str()) && (like || misspelt)
}

/// Keys whose value is a path; somebody may have put the key itself there, over several lines.
fn is_path(key: &str) -> bool {
    ["key", "remote_key", "key_passphrase_file", "secret_file"].contains(&key)
}

/// To the end of the line; of a text of several lines, to its end.
fn value_len(rest: &str) -> usize {
    let start = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    for delimiter in ["\"\"\"", "'''"] {
        if let Some(body) = rest[start..].strip_prefix(delimiter) {
            return body.find(delimiter).map_or(rest.len(), |end| start + end + 6);
        }
    }
    rest.find('\n').unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_secret_is_left() {
        for text in [
            "secret = \"hush\"\nlocal = \"1\"",
            "secret=hush",
            "'secret' = 'hush'",
            "a = { secret = \"hush\", x = 1 }",
            "connection.a.secret = \"hush=\"",
            "secrt = \"hush\"",
            "psk=\"hush\"",
            "secret = \"\"\"\nhu\nhush\"\"\"\n",
            "secret = '''\nhush",
            "secret = = \"hush\"",
            "secret = \"é hush",
            "secret \"hush\"",
            "a = 1\n  secret: hush\n[b]",
            "key = \"-----BEGIN PRIVATE KEY-----\\nhush\"",
            "key = \"\"\"\n-----BEGIN\nhush\"\"\"\n",
        ] {
            let masked = mask(text);
            assert!(!masked.contains("hush") && !masked.contains('é'), "{masked}");
            assert_eq!(masked.len(), text.len());
            assert_eq!(masked.lines().count(), text.lines().count());
        }
    }

    #[test]
    fn all_else_stays() {
        let text = "[connection.a]\nsecret_file = \"a\"\nremote = \"b\" # = c\nike = \"d\"\nkeepalive = \"1s\"\nrekey = \"8h\"\nstart = \"now\"\nkey = \"a.key\"\nremote_key = \"b.pub\"\nkey_passphrase_file = \"c\"\n";
        assert_eq!(mask(text), text);
    }
}
