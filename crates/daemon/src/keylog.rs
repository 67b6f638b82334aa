//! Wireshark's key tables: `ikev1_decryption_table`, `ikev2_decryption_table` and `esp_sa`. Beside them `ikev1_skeyid`, to
//! compare with what an IKEv1 peer logs: both cookies, SKEYID, SKEYID_d, SKEYID_a, SKEYID_e.
//!
//! Whoever reads them can read the traffic; they are their owner's alone.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use handfast_crypto::secret::Secret;
use handfast_crypto::transform::{Encr, Integ};
use handfast_engine::event::KeyLog;

/// Writes the tables of one directory.
pub struct KeyLogWriter {
    isakmp: File,
    skeyid: File,
    ike: File,
    esp: File,
}

impl KeyLogWriter {
    /// Opens the tables in `dir`, which is made if need be, to add to what they hold.
    pub fn append(dir: &Path) -> io::Result<Self> {
        Self::open(dir, OpenOptions::new().append(true))
    }

    /// Opens the tables in `dir`, which is made if need be, and empties them.
    pub fn replace(dir: &Path) -> io::Result<Self> {
        Self::open(dir, OpenOptions::new().write(true).truncate(true))
    }

    fn open(dir: &Path, options: &mut OpenOptions) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        // A link that another user laid would put keys where they can be read.
        options.create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let table = |name: &str| {
            let file = options.open(dir.join(name))?;
            // One that was there already may be open to others.
            file.set_permissions(Permissions::from_mode(0o600))?;
            Ok::<_, io::Error>(file)
        };
        Ok(Self {
            isakmp: table("ikev1_decryption_table")?,
            skeyid: table("ikev1_skeyid")?,
            ike: table("ikev2_decryption_table")?,
            esp: table("esp_sa")?,
        })
    }

    /// Appends one SA's keys.
    pub fn write(&mut self, entry: &KeyLog) -> io::Result<()> {
        if let KeyLog::Isakmp { cky_i, cky_r, keys, .. } = entry {
            let made = [&keys.skeyid, &keys.skeyid_d, &keys.skeyid_a, &keys.skeyid_e].map(hex);
            writeln!(self.skeyid, "{cky_i},{cky_r},{}", made.join(","))?;
        }
        let line = line(entry);
        let file = match entry {
            KeyLog::Isakmp { .. } => &mut self.isakmp,
            KeyLog::Ike { .. } => &mut self.ike,
            KeyLog::Esp { .. } => &mut self.esp,
        };
        file.write_all(line.as_bytes())
    }
}

/// One line of its table, as Wireshark 4.0 reads it.
fn line(entry: &KeyLog) -> String {
    match entry {
        KeyLog::Isakmp { cky_i, key, .. } => format!("{cky_i},{}\n", hex(key)),
        KeyLog::Ike {
            spi_i,
            spi_r,
            suite,
            sk_ei,
            sk_er,
            sk_ai,
            sk_ar,
        } => format!(
            "{spi_i},{spi_r},{},{},\"{}\",{},{},\"{}\"\n",
            hex(sk_ei),
            hex(sk_er),
            ike_encr(suite.encr),
            hex(sk_ai),
            hex(sk_ar),
            suite.integ.map_or("NONE [RFC4306]".into(), ike_integ),
        ),
        KeyLog::Esp {
            source,
            destination,
            spi,
            suite,
            encr,
            integ,
        } => {
            let family = if source.is_ipv4() { "IPv4" } else { "IPv6" };
            let key = |k: &Secret| {
                if k.is_empty() {
                    String::new()
                } else {
                    format!("0x{}", hex(k))
                }
            };
            format!(
                "\"{family}\",\"{}\",\"{}\",\"0x{spi:08x}\",\"{}\",\"{}\",\"{}\",\"{}\"\n",
                address(*source),
                address(*destination),
                esp_encr(suite.encr),
                key(encr),
                suite.integ.map_or("NULL".into(), esp_integ),
                key(integ),
            )
        }
    }
}

/// Wireshark compares addresses as text; this is the form it makes itself.
fn address(address: IpAddr) -> String {
    address.to_string()
}

fn hex(secret: &Secret) -> String {
    secret.as_bytes().iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A name in Wireshark's list of IKEv2 ciphers.
fn ike_encr(encr: Encr) -> String {
    let bits = encr.key_bits.unwrap_or_default();
    match encr.id {
        3 => "3DES [RFC2451]".into(),
        12 => format!("AES-CBC-{bits} [RFC3602]"),
        13 => format!("AES-CTR-{bits} [RFC5930]"),
        14 => format!("AES-CCM-{bits} with 8 octet ICV [RFC5282]"),
        15 => format!("AES-CCM-{bits} with 12 octet ICV [RFC5282]"),
        16 => format!("AES-CCM-{bits} with 16 octet ICV [RFC5282]"),
        18 => format!("AES-GCM-{bits} with 8 octet ICV [RFC5282]"),
        19 => format!("AES-GCM-{bits} with 12 octet ICV [RFC5282]"),
        20 => format!("AES-GCM-{bits} with 16 octet ICV [RFC5282]"),
        // Wireshark 4.0 has no such entry and leaves the SA sealed.
        28 => "ChaCha20-Poly1305 [RFC7634]".into(),
        _ => encr.to_string(),
    }
}

/// A name in Wireshark's list of IKEv2 integrity algorithms.
fn ike_integ(integ: Integ) -> String {
    match integ.0 {
        1 => "HMAC_MD5_96 [RFC2403]".into(),
        2 => "HMAC_SHA1_96 [RFC2404]".into(),
        // Wireshark 4.0 computes neither AES-XCBC nor AES-CMAC.
        5 | 8 => "ANY 96-bits of Authentication [No Checking]".into(),
        12 => "HMAC_SHA2_256_128 [RFC4868]".into(),
        13 => "HMAC_SHA2_384_192 [RFC4868]".into(),
        14 => "HMAC_SHA2_512_256 [RFC4868]".into(),
        _ => integ.to_string(),
    }
}

/// A name in Wireshark's list of ESP ciphers.
fn esp_encr(encr: Encr) -> String {
    match encr.id {
        3 => "TripleDES-CBC [RFC2451]".into(),
        12 => "AES-CBC [RFC3602]".into(),
        13 => "AES-CTR [RFC3686]".into(),
        18 => "AES-GCM with 8 octet ICV [RFC4106]".into(),
        19 => "AES-GCM with 12 octet ICV [RFC4106]".into(),
        20 => "AES-GCM with 16 octet ICV [RFC4106]".into(),
        28 => "ChaCha20 with Poly1305 [RFC7634]".into(),
        _ => encr.to_string(),
    }
}

/// A name in Wireshark's list of ESP integrity algorithms.
fn esp_integ(integ: Integ) -> String {
    match integ.0 {
        1 => "HMAC-MD5-96 [RFC2403]".into(),
        2 => "HMAC-SHA-1-96 [RFC2404]".into(),
        5 | 8 => "ANY 96 bit authentication [no checking]".into(),
        12 => "HMAC-SHA-256-128 [RFC4868]".into(),
        13 => "HMAC-SHA-384-192 [RFC4868]".into(),
        14 => "HMAC-SHA-512-256 [RFC4868]".into(),
        _ => integ.to_string(),
    }
}

#[cfg(test)]
mod tests;
