//! The configuration file on this system.

use std::path::{Path, PathBuf};

use handfast_auth::certificate::Time;
use handfast_config::{Diagnostics, FileReader, Loaded, load};

use crate::net::clock::certificate_time;

/// A file of a configuration is not larger.
const LARGEST: u64 = 64 << 20;

/// The files of the system, for the configuration.
pub struct OsFiles;

impl FileReader for OsFiles {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let length = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
        if length > LARGEST {
            return Err("it has more than 64 MiB".into());
        }
        std::fs::read(path).map_err(|e| e.to_string())
    }

    fn mode(&self, path: &Path) -> Result<u32, String> {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path)
            .map(|m| m.permissions().mode() & 0o777)
            .map_err(|e| e.to_string())
    }

    fn list(&self, path: &Path) -> Result<Option<Vec<PathBuf>>, String> {
        let error = |e: std::io::Error| e.to_string();
        if !std::fs::metadata(path).map_err(error)?.is_dir() {
            return Ok(None);
        }
        let entries = std::fs::read_dir(path).map_err(error)?;
        let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        Ok(Some(files.filter(|path| path.is_file()).collect()))
    }

    fn now(&self) -> Time {
        certificate_time()
    }
}

/// Why a configuration cannot be used.
pub enum Unusable {
    /// It cannot be read.
    File(String),
    /// It has mistakes.
    Mistakes(Diagnostics),
}

impl Unusable {
    /// A line for each thing that is wrong.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::File(why) => vec![why.clone()],
            // Warnings stand among the mistakes, in the order of the file.
            Self::Mistakes(found) => found.0.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Reads and checks a configuration.
pub fn read(path: &Path) -> Result<Loaded, Unusable> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| Unusable::File(format!("{name} cannot be read: {error}")))?;
    load(&name, &text, &OsFiles).map_err(Unusable::Mistakes)
}
