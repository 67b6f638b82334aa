//! How the ends of a tunnel prove themselves, in our configuration.

use std::path::PathBuf;

/// How an end proves itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Proof {
    /// By the preshared key of the connection.
    #[default]
    Psk,
    /// By one of these.
    Certificates(Vec<Credential>),
    /// By a key without a certificate (RFC 7670).
    RawKey {
        /// Its public half.
        public: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credential {
    /// The certificate, then what goes along.
    pub certificates: Vec<PathBuf>,
    /// Its key.
    pub key: PathBuf,
}

impl Proof {
    /// The method, as our configuration calls it.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Psk => "psk",
            Self::Certificates(_) | Self::RawKey { .. } => "certificate",
        }
    }

    /// Our lines where this is how we prove ourselves.
    pub fn own_lines(&self) -> Vec<String> {
        match self {
            Self::Psk => Vec::new(),
            Self::Certificates(own) => {
                let files = own.iter().flat_map(|own| &own.certificates);
                let keys = own.iter().map(|own| &own.key);
                vec![
                    format!("certificate = {}", list(files)),
                    format!("key = {}", list(keys)),
                ]
            }
            Self::RawKey { key, .. } => vec![format!("key = {}", list([key]))],
        }
    }

    /// Our lines where this is how the peer proves itself.
    pub fn peer_lines(&self) -> Vec<String> {
        match self {
            Self::RawKey { public, .. } => vec![format!("remote_key = {}", list([public]))],
            Self::Psk | Self::Certificates(_) => Vec::new(),
        }
    }
}

/// Files as TOML: one, or a list.
pub fn list<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let files: Vec<String> = files
        .into_iter()
        .map(|file| format!("\"{}\"", file.display()))
        .collect();
    match &files[..] {
        [file] => file.clone(),
        files => format!("[{}]", files.join(", ")),
    }
}
