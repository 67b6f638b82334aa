//! The recorded exchanges of `tests/data`, as values: messages, ESP packets, and the secrets that the recording
//! daemon computed on the way.
//!
//! Everything here is trusted test data of this repository, so a defect in it panics with the file's name.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub mod pcap;
mod reencode;
mod reencode_v1;

pub use pcap::{CapturedEsp, CapturedMessage};
pub use reencode::reencode;
pub use reencode_v1::reencode_v1;

/// One recorded exchange: a folder of `tests/data/golden`.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The folder's name, for example "v2-psk-aes256gcm16-prfsha384-ecp384".
    pub name: String,
    /// Every IKE message on the wire, in order, without the non-ESP marker.
    pub messages: Vec<CapturedMessage>,
    /// Every ESP packet on the wire, in order.
    pub esp: Vec<CapturedEsp>,
    /// What the daemon at 192.168.0.1 computed, in order: strongSwan's name of the value, and its octets.
    pub keydumps: Vec<(String, Vec<u8>)>,
    /// One object for each IKE SA: the proposal, both SPIs and every secret, as hexadecimal strings.
    pub secrets: Vec<Map<String, Value>>,
}

impl Exchange {
    /// All values of one name in `keydumps`, in order.
    pub fn dumps<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.keydumps
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, bytes)| bytes.as_slice())
    }

    /// Whether the exchange is of IKE version 2.
    pub fn is_v2(&self) -> bool {
        self.name.starts_with("v2-")
    }

    /// Where the files of this exchange are.
    pub fn dir(&self) -> PathBuf {
        data_dir().join("golden").join(&self.name)
    }
}

/// The folder `tests/data`.
pub fn data_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

/// All recorded exchanges of both versions, sorted by name.
pub fn exchanges() -> Vec<Exchange> {
    let root = data_dir().join("golden");
    let mut names: Vec<String> = std::fs::read_dir(&root)
        .unwrap_or_else(|e| panic!("{}: {e}", root.display()))
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| root.join(name).join("cap.pcap").is_file())
        .collect();
    names.sort();
    names.into_iter().map(load).collect()
}

/// One recorded exchange by its name.
pub fn exchange(name: &str) -> Exchange {
    load(name.to_owned())
}

/// The octets of a capture of `tests/data/captures`, by file name.
pub fn capture(file: &str) -> Vec<u8> {
    read(&data_dir().join("captures").join(file))
}

/// Octets from a hexadecimal string.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok())
        .collect()
}

fn load(name: String) -> Exchange {
    let dir = data_dir().join("golden").join(&name);
    let traffic = pcap::traffic(&read(&dir.join("cap.pcap")));
    let keydumps = json(&dir.join("a.keydumps.json"))
        .into_iter()
        .map(|object| {
            let text = |key| {
                object
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_else(|| panic!("{name}: no {key}"))
            };
            (
                text("name").to_owned(),
                unhex(text("hex")).unwrap_or_else(|| panic!("{name}: not hexadecimal")),
            )
        })
        .collect();
    let secrets = json(&dir.join("ike_secrets.json"));
    Exchange {
        name,
        messages: traffic.messages,
        esp: traffic.esp,
        keydumps,
        secrets,
    }
}

fn json(path: &Path) -> Vec<Map<String, Value>> {
    serde_json::from_slice(&read(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exchange_is_found_and_whole() {
        let all = exchanges();
        assert_eq!(all.len(), 20);
        assert_eq!(all.iter().filter(|e| e.is_v2()).count(), 13);
        for exchange in &all {
            assert!(exchange.messages.len() >= 4, "{}", exchange.name);
            assert!(
                !exchange.keydumps.is_empty() && !exchange.secrets.is_empty(),
                "{}",
                exchange.name
            );
            for secrets in &exchange.secrets {
                assert!(
                    secrets.contains_key("prop") && secrets.contains_key("ispi"),
                    "{}",
                    exchange.name
                );
            }
        }
        let rekeys = exchange("v2-psk-aes256cbc-sha256-modp2048-rekeys");
        assert_eq!((rekeys.messages.len(), rekeys.esp.len()), (18, 8));
        assert_eq!(rekeys.dumps("SKEYSEED").count(), 2);
    }

    #[test]
    fn hexadecimal_is_read_strictly() {
        assert_eq!(unhex("00ff"), Some(vec![0, 255]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("0g"), None);
    }
}
