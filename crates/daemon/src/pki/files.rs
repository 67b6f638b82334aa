//! Certificates, keys and CRLs from files and directories, and new files that only their owner can read.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use handfast_auth::certificate::Bundle;
use handfast_crypto::secret::Secret;
use zeroize::Zeroizing;

use super::Problem;

/// A file of a configuration is not larger.
const LARGEST: u64 = 64 << 20;

/// Reads a file, or every file of a directory that holds anything known.
pub(crate) fn read(path: &Path, passphrase: Option<&Secret>) -> Result<Bundle, Problem> {
    let unreadable = |error| Problem::Usage(format!("{} cannot be read: {error}", path.display()));
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Bundle::read(&octets(path)?, passphrase)
            .map_err(|error| Problem::Usage(format!("{}: {error}", path.display())));
    }
    let mut entries: Vec<_> = fs::read_dir(path)
        .map_err(unreadable)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|entry| entry.is_file())
        .collect();
    entries.sort();
    let mut bundle = Bundle::default();
    for entry in entries {
        // A directory of CAs has other things in it as well.
        if let Ok(other) = Bundle::read(&octets(&entry)?, passphrase) {
            bundle.append(other);
        }
    }
    Ok(bundle)
}

/// The octets of a file of a reasonable size; it may hold a private key.
pub(crate) fn octets(path: &Path) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let fail = |error: &dyn std::fmt::Display| Problem::Usage(format!("{} cannot be read: {error}", path.display()));
    let length = fs::metadata(path).map_err(|error| fail(&error))?.len();
    if length > LARGEST {
        return Err(fail(&"it has more than 64 MiB"));
    }
    fs::read(path).map(Zeroizing::new).map_err(|error| fail(&error))
}

/// A passphrase: the file's first line.
pub(crate) fn passphrase(path: &Path) -> Result<Secret, Problem> {
    let octets = octets(path)?;
    let line = octets.split(|octet| matches!(octet, b'\n' | b'\r')).next();
    Ok(Secret::from(line.unwrap_or_default()))
}

/// Writes a new file. One that exists is left as it is: it may be the only copy of a key.
pub(crate) fn create(path: &Path, text: &str, mode: u32) -> Result<(), Problem> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Problem::Failed(format!("{} cannot be written: {error}", path.display())))
}
