//! Our lines against the tables recorded with strongSwan's own key log, which Wireshark 4.0 reads.
#![allow(clippy::unwrap_used)]

use handfast_crypto::proposal::{EspProposal, EspSuite, IkeProposal, IkeSuite};
use handfast_wire::header::Spi;

use super::*;

/// A recorded exchange, its IKE suite and, where its children have one suite only, that.
const RECORDED: &[(&str, &str, &str)] = &[
    (
        "v2-psk-aes256gcm16-prfsha384-ecp384",
        "aes256gcm16-prfsha384-ecp384",
        "chacha20poly1305",
    ),
    (
        "v2-psk-aes256cbc-sha256-modp2048-rekeys",
        "aes256-sha256-modp2048",
        "aes256gcm16",
    ),
    (
        "v2-rsa-pkcs1-sha256-modp2048",
        "aes128-sha256-modp2048",
        "aes128-sha256",
    ),
    ("v2-psk-3des-md5-modp1024", "3des-md5-modp1024", "3des-md5"),
    ("v2-ecdsa256-x25519", "aes128gcm16-prfsha256-x25519", "aes128gcm16"),
];

#[test]
fn recorded_tables_are_written_again() {
    for (name, ike, esp) in RECORDED {
        let rows = rows(name, "ikev2_decryption_table");
        assert!(!rows.is_empty(), "{name}");
        for (text, row) in rows {
            let entry = KeyLog::Ike {
                spi_i: spi(&row[0]),
                spi_r: spi(&row[1]),
                suite: ike_suite(ike),
                sk_ei: secret(&row[2]),
                sk_er: secret(&row[3]),
                sk_ai: secret(&row[5]),
                sk_ar: secret(&row[6]),
            };
            assert_eq!(line(&entry), text, "{name}");
        }
        let rows = self::rows(name, "esp_sa");
        assert!(!rows.is_empty(), "{name}");
        for (text, row) in rows {
            let entry = KeyLog::Esp {
                source: row[1].parse().unwrap(),
                destination: row[2].parse().unwrap(),
                spi: u32::from_str_radix(&row[3][2..], 16).unwrap(),
                suite: esp_suite(esp),
                encr: secret(&row[5]),
                integ: secret(&row[7]),
            };
            assert_eq!(line(&entry), text, "{name}");
        }
    }
}

#[test]
fn an_ipv6_sa_says_so() {
    let entry = KeyLog::Esp {
        source: "2001:db8::1".parse().unwrap(),
        destination: "2001:db8::2".parse().unwrap(),
        spi: 0x1f,
        suite: esp_suite("aes128gcm16"),
        encr: secret("00112233445566778899aabbccddeeff01020304"),
        integ: secret(""),
    };
    assert_eq!(
        line(&entry),
        "\"IPv6\",\"2001:db8::1\",\"2001:db8::2\",\"0x0000001f\",\"AES-GCM with 16 octet ICV [RFC4106]\",\
         \"0x00112233445566778899aabbccddeeff01020304\",\"NULL\",\"\"\n"
    );
}

#[test]
fn a_link_is_not_followed() {
    let dir = std::env::temp_dir().join(format!("handfast-keylog-link-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let elsewhere = dir.join("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, dir.join("esp_sa")).unwrap();
    assert!(KeyLogWriter::append(&dir).is_err());
    assert!(KeyLogWriter::replace(&dir).is_err());
    assert!(!elsewhere.exists());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn tables_are_their_owners_alone() {
    let dir = std::env::temp_dir().join(format!("handfast-keylog-{}", std::process::id()));
    KeyLogWriter::append(&dir).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for file in ["ikev1_decryption_table", "ikev2_decryption_table", "esp_sa"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
    // One that is there already is kept or emptied as wanted, and closed to others.
    let table = dir.join("esp_sa");
    std::fs::write(&table, "old\n").unwrap();
    std::fs::set_permissions(&table, Permissions::from_mode(0o644)).unwrap();
    KeyLogWriter::append(&dir).unwrap();
    assert_eq!(
        (mode(&table), std::fs::read(&table).unwrap()),
        (0o600, b"old\n".to_vec())
    );
    KeyLogWriter::replace(&dir).unwrap();
    assert_eq!(std::fs::read(&table).unwrap(), b"");
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Each line of a recorded table, and its fields.
fn rows(name: &str, table: &str) -> Vec<(String, Vec<String>)> {
    let path = format!(
        "{}/../../tests/data/golden/{name}/wireshark/{table}",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let fields = |line: &str| {
        line.split(',')
            .map(|field| field.trim_matches('"').to_owned())
            .collect()
    };
    text.lines().map(|line| (format!("{line}\n"), fields(line))).collect()
}

fn octets(hex: &str) -> Vec<u8> {
    let hex = hex.trim_start_matches("0x");
    (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
        .collect()
}

fn secret(hex: &str) -> Secret {
    Secret::new(octets(hex))
}

fn spi(hex: &str) -> Spi {
    Spi(octets(hex).try_into().unwrap())
}

fn ike_suite(notation: &str) -> IkeSuite {
    let proposal: IkeProposal = notation.parse().unwrap();
    IkeSuite {
        encr: proposal.encr[0],
        prf: proposal.prf[0],
        integ: proposal.integ.first().copied(),
        group: proposal.groups[0],
    }
}

fn esp_suite(notation: &str) -> EspSuite {
    let proposal: EspProposal = notation.parse().unwrap();
    EspSuite {
        encr: proposal.encr[0],
        integ: proposal.integ.first().copied(),
        group: None,
        esn: false,
    }
}
