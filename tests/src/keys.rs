//! Keys of IKE and ESP SAs in the form of Wireshark's tables, whoever wrote them.

use std::fs;
use std::path::Path;

/// All keys that one daemon has logged.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct KeyLog {
    /// One row per ISAKMP SA, which is what IKEv1 has.
    pub isakmp: Vec<IsakmpRow>,
    /// One row per IKE SA of IKEv2.
    pub ike: Vec<IkeRow>,
    /// One row per ESP SA, which is one direction of a child.
    pub esp: Vec<EspRow>,
}

/// A row of `ikev1_decryption_table`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct IsakmpRow {
    /// The initiator's cookie.
    pub cookie: String,
    /// Ka, the cipher's key (RFC 2409 appendix B), which comes from SKEYID_e and so from SKEYID_a and SKEYID_d.
    pub key: String,
    /// SKEYID, SKEYID_d, SKEYID_a, SKEYID_e. Wireshark's table has none of them; ours and charon's logs do.
    pub skeyid: [String; 4],
}

/// A row of `ikev2_decryption_table`. Octets are hexadecimal; for an AEAD the keys have their salt and `sk_a*` are empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs)]
pub struct IkeRow {
    pub spi_i: String,
    pub spi_r: String,
    pub sk_ei: String,
    pub sk_er: String,
    /// Wireshark's name.
    pub encr: String,
    pub sk_ai: String,
    pub sk_ar: String,
    /// Wireshark's name.
    pub integ: String,
}

/// A row of `esp_sa`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs)]
pub struct EspRow {
    /// "IPv4" or "IPv6".
    pub family: String,
    pub src: String,
    pub dst: String,
    /// Eight hexadecimal digits.
    pub spi: String,
    /// Wireshark's name.
    pub encr: String,
    /// With the salt.
    pub key: String,
    /// Wireshark's name.
    pub auth: String,
    pub auth_key: String,
}

impl KeyLog {
    /// Reads the tables of a folder; a table that is not there is empty.
    pub fn read(dir: &Path) -> Self {
        let rows = |file: &str| -> Vec<Vec<String>> {
            let text = fs::read_to_string(dir.join(file)).unwrap_or_default();
            text.lines()
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(fields)
                .collect()
        };
        // Beside Wireshark's tables, if we wrote them: both cookies before the keys.
        let skeyids: Vec<[String; 6]> = rows("ikev1_skeyid")
            .into_iter()
            .map(|row| <[String; 6]>::try_from(row).unwrap_or_else(|row| panic!("not a row of ikev1_skeyid: {row:?}")))
            .collect();
        let isakmp = rows("ikev1_decryption_table")
            .into_iter()
            .map(|row| match <[String; 2]>::try_from(row) {
                Ok(row) => {
                    let [cookie, key] = row.map(hex);
                    let made = skeyids.iter().find(|row| row[0] == cookie);
                    let skeyid = made.map_or_else(Default::default, |row| {
                        let [_, _, made @ ..] = row;
                        made.clone()
                    });
                    IsakmpRow { cookie, key, skeyid }
                }
                Err(row) => panic!("not a row of ikev1_decryption_table: {row:?}"),
            });
        let ike = rows("ikev2_decryption_table")
            .into_iter()
            .map(|row| match <[String; 8]>::try_from(row) {
                Ok([spi_i, spi_r, sk_ei, sk_er, encr, sk_ai, sk_ar, integ]) => {
                    let [spi_i, spi_r, sk_ei, sk_er, sk_ai, sk_ar] =
                        [spi_i, spi_r, sk_ei, sk_er, sk_ai, sk_ar].map(hex);
                    IkeRow {
                        spi_i,
                        spi_r,
                        sk_ei,
                        sk_er,
                        encr,
                        sk_ai,
                        sk_ar,
                        integ,
                    }
                }
                Err(row) => panic!("not a row of ikev2_decryption_table: {row:?}"),
            });
        let esp = rows("esp_sa")
            .into_iter()
            .map(|row| match <[String; 8]>::try_from(row) {
                Ok([family, src, dst, spi, encr, key, auth, auth_key]) => {
                    let [spi, key, auth_key] = [spi, key, auth_key].map(hex);
                    EspRow {
                        family,
                        src,
                        dst,
                        spi,
                        encr,
                        key,
                        auth,
                        auth_key,
                    }
                }
                Err(row) => panic!("not a row of esp_sa: {row:?}"),
            });
        Self {
            isakmp: isakmp.collect(),
            ike: ike.collect(),
            esp: esp.collect(),
        }
    }

    /// Writes the tables into a folder, for tshark.
    pub fn write(&self, dir: &Path) {
        fs::create_dir_all(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let isakmp = self.isakmp.iter().map(|r| format!("{},{}\n", r.cookie, r.key));
        let ike = self.ike.iter().map(|r| {
            format!(
                "{},{},{},{},\"{}\",{},{},\"{}\"\n",
                r.spi_i, r.spi_r, r.sk_ei, r.sk_er, r.encr, r.sk_ai, r.sk_ar, r.integ
            )
        });
        let esp = self.esp.iter().map(|r| {
            let key = |hex: &str| {
                if hex.is_empty() {
                    String::new()
                } else {
                    format!("0x{hex}")
                }
            };
            format!(
                "\"{}\",\"{}\",\"{}\",\"0x{}\",\"{}\",\"{}\",\"{}\",\"{}\"\n",
                r.family,
                r.src,
                r.dst,
                r.spi,
                r.encr,
                key(&r.key),
                r.auth,
                key(&r.auth_key)
            )
        });
        for (file, text) in [
            ("ikev1_decryption_table", isakmp.collect::<String>()),
            ("ikev2_decryption_table", ike.collect()),
            ("esp_sa", esp.collect()),
        ] {
            let path = dir.join(file);
            fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
    }

    /// Compares octet for octet with what the peer logged: the same ISAKMP SAs with the same Ka, SKEYID and its daughters, the same IKE SAs with the
    /// same SK_e* and SK_a*, and the same ESP SAs. Names of algorithms do not matter, and neither does the order. Panics at a difference, or if there is
    /// nothing to compare.
    #[track_caller]
    pub fn assert_same_keys(&self, other: &Self) {
        let isakmp = |log: &Self| {
            let mut rows = log.isakmp.clone();
            rows.sort();
            rows.dedup();
            rows
        };
        let ike = |log: &Self| {
            let mut rows: Vec<[String; 6]> = log
                .ike
                .iter()
                .cloned()
                .map(|r| [r.spi_i, r.spi_r, r.sk_ei, r.sk_er, r.sk_ai, r.sk_ar])
                .collect();
            rows.sort();
            rows.dedup();
            rows
        };
        let esp = |log: &Self| {
            let mut rows: Vec<[String; 5]> = log
                .esp
                .iter()
                .cloned()
                .map(|r| [r.spi, r.src, r.dst, r.key, r.auth_key])
                .collect();
            rows.sort();
            rows.dedup();
            rows
        };
        assert!(
            self.ike.len() + self.isakmp.len() > 0 && !self.esp.is_empty(),
            "no keys to compare: {self:?}"
        );
        assert_eq!(
            isakmp(self),
            isakmp(other),
            "ISAKMP SAs: cookie, Ka, SKEYID and its daughters"
        );
        assert_eq!(
            ike(self),
            ike(other),
            "IKE SAs: spi_i, spi_r, SK_ei, SK_er, SK_ai, SK_ar"
        );
        assert_eq!(
            esp(self),
            esp(other),
            "ESP SAs: spi, source, destination, key, integrity key"
        );
    }
}

/// The fields of a line of such a table: separated by commas, some in quotes.
fn fields(line: &str) -> Vec<String> {
    line.split(',')
        .map(|field| field.trim().trim_matches('"').to_owned())
        .collect()
}

/// Hexadecimal as all here write it.
fn hex(text: String) -> String {
    text.trim_start_matches("0x").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::data_dir;

    #[test]
    fn recorded_tables_survive_reading_and_writing() {
        let recorded = data_dir().join("golden/v2-psk-aes256cbc-sha256-modp2048-rekeys/wireshark");
        let log = KeyLog::read(&recorded);
        assert_eq!((log.ike.len(), log.esp.len()), (2, 6));
        assert_eq!(log.ike[0].spi_i, "a20b037d0609072a");
        assert_eq!(log.esp[0].spi, "08727449");
        let dir = std::env::temp_dir().join(format!("handfast-keys-{}", std::process::id()));
        log.write(&dir);
        let again = KeyLog::read(&dir);
        for file in ["ikev2_decryption_table", "esp_sa"] {
            assert_eq!(
                fs::read_to_string(dir.join(file)).ok(),
                fs::read_to_string(recorded.join(file)).ok(),
                "{file}"
            );
        }
        assert_eq!(again, log);
        let _ = fs::remove_dir_all(dir);
    }

    #[test]
    #[should_panic(expected = "ESP SAs")]
    fn one_altered_octet_is_seen() {
        let log = KeyLog::read(&data_dir().join("golden/v2-cookie/wireshark"));
        let mut other = log.clone();
        other.assert_same_keys(&log);
        other.esp[0].key.replace_range(0..2, "zz");
        log.assert_same_keys(&other);
    }
}
