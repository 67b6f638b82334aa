//! The keys `secret` and `secret_file`.

use handfast_crypto::secret::Secret;

use crate::section::{Reader, Section};
use crate::units;

/// A shorter secret is guessed in no time.
const SHORT: usize = 8;
const FORMS: &str = "text, 0x and hexadecimal, or 0s and base64";
const MAKE: &str = "`openssl rand -base64 32` makes a good one";

/// `None` without one, or with a wrong one, which was then said.
pub(crate) fn read(s: &mut Section<'_, '_>, reader: &mut Reader<'_>, name: &str) -> Option<Secret> {
    let (inline, file) = (s.has("secret"), s.has("secret_file"));
    // Erased however this ends.
    let written = s.text(reader, "secret", FORMS);
    let written = written.map(|(text, at)| (Secret::new(text.into_bytes()), at));
    let named = s.text(reader, "secret_file", "a path");
    if let Some((_, at)) = &written {
        reader.secret_at = Some(*at);
    }
    if inline && file {
        let message = format!("{name} has both secret and secret_file");
        reader.error(s.at_of("secret_file"), message, "one of them", "");
        return None;
    }
    let (written, at) = match (written, named) {
        (Some(written), _) => written,
        (None, Some((path, at))) => (reader.secret_file(at, &path)?, at),
        (None, None) => return None,
    };
    let secret = match units::secret(written) {
        Ok(secret) => secret,
        Err(why) => {
            let message = format!("the secret of {name} is {why}");
            reader.error(at, message, FORMS, "");
            return None;
        }
    };
    if secret.is_empty() {
        let message = format!("the secret of {name} is empty");
        reader.error(at, message, "at least 16 random octets", MAKE);
        return None;
    }
    if secret.len() < SHORT {
        let message = format!("the secret of {name} has only {} octets", secret.len());
        reader.warning(at, message, MAKE);
    }
    Some(secret)
}
