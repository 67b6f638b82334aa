//! OpenSSL's command as an independent judge of keys, signatures and certificates.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of files that commands of OpenSSL work on, removed in the end.
pub struct OpenSsl {
    dir: PathBuf,
}

impl OpenSsl {
    /// An empty folder for the test of this name.
    pub fn new(test: &str) -> Self {
        Self::at(&std::env::temp_dir().join(format!("handfast-{test}-{}", std::process::id())))
    }

    /// The same at this place.
    pub fn at(dir: &Path) -> Self {
        let _ = std::fs::remove_dir_all(dir);
        std::fs::create_dir_all(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        Self { dir: dir.to_owned() }
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs `openssl` with these words, and gives what it wrote to standard output if it was content.
    pub fn try_run(&self, words: &str) -> Result<String, String> {
        let output = Command::new("openssl")
            .args(words.split_whitespace())
            .current_dir(&self.dir)
            .output()
            .unwrap_or_else(|e| panic!("openssl: {e}"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr)))
        }
    }

    /// The same where it must be content.
    #[track_caller]
    pub fn run(&self, words: &str) -> String {
        match self.try_run(words) {
            Ok(text) => text,
            Err(text) => panic!("openssl {words}: {text}"),
        }
    }

    /// A file's octets.
    #[track_caller]
    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.dir.join(name);
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Writes a file.
    #[track_caller]
    pub fn write(&self, name: &str, octets: impl AsRef<[u8]>) {
        let path = self.dir.join(name);
        std::fs::write(&path, octets).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        if std::env::var_os("HANDFAST_KEEP").is_none() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// ECDSA-Sig-Value of r and s one after the other.
pub fn ecdsa_sig_value(r_s: &[u8]) -> Vec<u8> {
    let integer = |octets: &[u8]| {
        let skip = octets.iter().take_while(|octet| **octet == 0).count();
        let mut value = octets[skip..].to_vec();
        if value[0] & 0x80 != 0 {
            value.insert(0, 0);
        }
        [&[2, value.len() as u8], &value[..]].concat()
    };
    let (r, s) = r_s.split_at(r_s.len() / 2);
    let both = [integer(r), integer(s)].concat();
    [&[0x30, both.len() as u8], &both[..]].concat()
}
