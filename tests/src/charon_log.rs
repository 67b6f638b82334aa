//! The keys in charon's log, at level 4 of `ike` and `chd`.
//!
//! Each thread logs with its number in front (`16[IKE] SKEYSEED => 32 bytes @ ..`, then lines of `16[IKE]    0: 22 83 ..`);
//! one SA is derived by one thread at a stretch, so what is unfinished is kept per thread. The SPIs of an IKE SA stand
//! only in the NAT detection chunks of IKE_SA_INIT; a responder derives the keys one message later, in another thread.
//! So SPIs and suite are those told last, which is right as long as handshakes do not overlap.
//!
//! In IKEv1 the chunks come before the keys in main mode and after them in aggressive mode.

use std::collections::HashMap;

use crate::keys::{EspRow, IkeRow, IsakmpRow, KeyLog};

/// What charon calls them.
const SKEYIDS: [&str; 4] = ["SKEYID", "SKEYID_d", "SKEYID_a", "SKEYID_e"];

/// What one thread has said that is not a whole row yet.
#[derive(Default)]
struct Thread {
    /// Name and octets of the dump that its next lines may continue.
    dump: Option<(String, String)>,
    /// SK_* of the SA that is being derived.
    ike: HashMap<String, String>,
    /// Whether we asked for the child that is being derived.
    initiator: bool,
    /// The ESP algorithms: encryption, integrity.
    child_algorithms: (String, String),
    child: HashMap<String, String>,
    inbound: bool,
}

/// What the log has said last, whichever thread.
#[derive(Default)]
struct Latest {
    /// The SPIs of a NAT detection chunk that had both, until an SA takes them.
    spis: Option<(String, String)>,
    /// "AES_GCM_16_128/PRF_HMAC_SHA2_256/CURVE_25519"
    ike_proposal: String,
    /// Ka, and SKEYID with its daughters, of an ISAKMP SA whose cookies are not known yet.
    ka: Option<(String, [String; 4])>,
    keys: KeyLog,
}

impl Latest {
    fn cookies(&mut self, spi_i: &str, spi_r: &str) {
        // The same SA's second chunk, after its keys.
        if self.keys.isakmp.last().is_some_and(|row| row.cookie == spi_i) {
            return;
        }
        match self.ka.take() {
            Some((key, skeyid)) => self.isakmp(spi_i.to_owned(), key, skeyid),
            None => self.spis = Some((spi_i.to_owned(), spi_r.to_owned())),
        }
    }

    fn ka(&mut self, key: String, skeyid: [String; 4]) {
        match self.spis.take() {
            Some((cookie, _)) => self.isakmp(cookie, key, skeyid),
            None => self.ka = Some((key, skeyid)),
        }
    }

    fn isakmp(&mut self, cookie: String, key: String, skeyid: [String; 4]) {
        self.keys.isakmp.push(IsakmpRow { cookie, key, skeyid });
    }
}

/// Every key in the log, in the order of the derivations.
pub fn parse(log: &str) -> KeyLog {
    let mut latest = Latest::default();
    let mut threads: HashMap<&str, Thread> = HashMap::new();
    for line in log.lines() {
        // "16[IKE] text"; lines in another form are not of interest.
        let Some((number, rest)) = line.split_once('[') else {
            continue;
        };
        let Some((_, text)) = rest.split_once(']') else {
            continue;
        };
        let thread = threads.entry(number).or_default();
        let text = text.strip_prefix(' ').unwrap_or(text);
        if let Some(octets) = dump_line(text) {
            if let Some((_, bytes)) = &mut thread.dump {
                bytes.push_str(&octets);
            }
            continue;
        }
        thread.end_dump(&mut latest);
        thread.line(text, &mut latest);
    }
    for thread in threads.values_mut() {
        thread.end_dump(&mut latest);
    }
    latest.keys
}

impl Thread {
    fn line(&mut self, text: &str, latest: &mut Latest) {
        if let Some((name, _)) = text.split_once(" => ").filter(|(_, rest)| rest.contains(" bytes @")) {
            self.dump = Some((name.to_owned(), String::new()));
        } else if let Some(proposal) = text.strip_prefix("selected proposal: IKE:") {
            latest.ike_proposal = proposal.to_owned();
        } else if text.starts_with("generating ") && is_child_request(text) {
            self.initiator = true;
        } else if text.starts_with("parsed ") && is_child_request(text) {
            self.initiator = false;
        } else if text.starts_with("parsed ") && text.contains(" response ") {
            self.initiator = true; // we are at work on the answer to our own request
        } else if let Some(encr) = text
            .strip_prefix("  using ")
            .and_then(|t| t.strip_suffix(" for encryption"))
        {
            self.child_algorithms = (encr.to_owned(), String::new());
            self.child.clear();
        } else if let Some(integ) = text
            .strip_prefix("  using ")
            .and_then(|t| t.strip_suffix(" for integrity"))
        {
            self.child_algorithms.1 = integ.to_owned();
        } else if text == "adding inbound ESP SA" {
            self.inbound = true;
        } else if text == "adding outbound ESP SA" {
            self.inbound = false;
        } else if let Some(sa) = text.strip_prefix("  SPI 0x") {
            latest.keys.esp.extend(self.esp_row(sa));
        }
    }

    fn end_dump(&mut self, latest: &mut Latest) {
        let Some((name, octets)) = self.dump.take() else { return };
        if name == "natd_chunk" {
            // SPIi, SPIr, address, port (RFC 7296 section 2.23)
            let (Some(spi_i), Some(spi_r)) = (octets.get(..16), octets.get(16..32)) else {
                return;
            };
            if spi_r != "0000000000000000" {
                latest.cookies(spi_i, spi_r);
            }
        } else if name == "encryption key Ka" {
            let skeyid = SKEYIDS.map(|name| self.ike.remove(name).unwrap_or_default());
            latest.ka(octets, skeyid);
        } else if SKEYIDS.contains(&name.as_str()) {
            self.ike.insert(name, octets);
        } else if name == "SKEYSEED" {
            self.ike.clear();
        } else if name.starts_with("Sk_") && name.ends_with(" secret") {
            self.ike.insert(name, octets);
        } else if name.ends_with("initiator key") || name.ends_with("responder key") {
            self.child.insert(name, octets);
        }
        if self.ike.contains_key("Sk_pr secret") {
            if let Some((spi_i, spi_r)) = latest.spis.take() {
                latest.keys.ike.extend(self.ike_row(spi_i, spi_r, &latest.ike_proposal));
            }
            self.ike.clear();
        }
    }

    fn ike_row(&self, spi_i: String, spi_r: String, proposal: &str) -> Option<IkeRow> {
        let key = |name: &str| self.ike.get(&format!("Sk_{name} secret")).cloned();
        let (encr, integ) = wireshark_ike(proposal);
        Some(IkeRow {
            spi_i,
            spi_r,
            sk_ei: key("ei")?,
            sk_er: key("er")?,
            encr,
            sk_ai: key("ai").unwrap_or_default(),
            sk_ar: key("ar").unwrap_or_default(),
            integ,
        })
    }

    /// From "33edf535, src 10.77.0.2 dst 10.77.0.1".
    fn esp_row(&self, sa: &str) -> Option<EspRow> {
        let (spi, ends) = sa.split_once(", src ")?;
        let (src, dst) = ends.split_once(" dst ")?;
        // The initiator's key is for what the initiator sends.
        let side = if self.inbound == self.initiator {
            "responder"
        } else {
            "initiator"
        };
        let key = self.child.get(&format!("encryption {side} key"))?;
        let auth_key = self
            .child
            .get(&format!("integrity {side} key"))
            .cloned()
            .unwrap_or_default();
        let (encr, auth) = wireshark_esp(&self.child_algorithms);
        Some(EspRow {
            family: if src.contains(':') { "IPv6" } else { "IPv4" }.into(),
            src: src.into(),
            dst: dst.into(),
            spi: format!("{spi:0>8}"),
            encr: encr.into(),
            key: key.clone(),
            auth: auth.into(),
            auth_key,
        })
    }
}

/// "generating IKE_AUTH request 1 [ .. ]" and its like: a request that can bring a child into being.
fn is_child_request(text: &str) -> bool {
    text.contains("IKE_AUTH request") || text.contains("CREATE_CHILD_SA request") || text.contains("QUICK_MODE request")
}

/// The octets of "   16: 33 34 DB  34." as "3334db".
fn dump_line(text: &str) -> Option<String> {
    let (offset, rest) = text.split_once(": ")?;
    let offset = offset.trim_start();
    if offset.is_empty() || !offset.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Sixteen octets take 47 columns; the text after them is for people.
    let octets: String = rest.chars().take(47).filter(|c| !c.is_whitespace()).collect();
    octets
        .bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then(|| octets.to_ascii_lowercase())
}

/// Wireshark's names for the encryption and integrity of "AES_CBC_128/HMAC_SHA2_256_128/PRF_..".
fn wireshark_ike(proposal: &str) -> (String, String) {
    let mut encr = String::new();
    let mut integ = "NONE [RFC4306]".to_owned();
    for part in proposal.split('/') {
        if let Some(bits) = part.strip_prefix("AES_CBC_") {
            encr = format!("AES-CBC-{bits} [RFC3602]");
        } else if let Some(bits) = part.strip_prefix("AES_GCM_16_") {
            encr = format!("AES-GCM-{bits} with 16 octet ICV [RFC5282]");
        } else if part == "3DES_CBC" {
            encr = "3DES [RFC2451]".into();
        } else if part.starts_with("HMAC_") {
            integ = integrity(part).into();
        } else if encr.is_empty() {
            encr = part.into(); // one that tshark cannot do
        }
    }
    (encr, integ)
}

fn integrity(charon: &str) -> &str {
    match charon {
        "HMAC_MD5_96" => "HMAC_MD5_96 [RFC2403]",
        "HMAC_SHA1_96" => "HMAC_SHA1_96 [RFC2404]",
        "HMAC_SHA2_256_128" => "HMAC_SHA2_256_128 [RFC4868]",
        "HMAC_SHA2_384_192" => "HMAC_SHA2_384_192 [RFC4868]",
        "HMAC_SHA2_512_256" => "HMAC_SHA2_512_256 [RFC4868]",
        other => other,
    }
}

fn wireshark_esp((encr, integ): &(String, String)) -> (&'static str, &'static str) {
    let encr = match encr.as_str() {
        "AES_CBC" => "AES-CBC [RFC3602]",
        "AES_GCM_16" => "AES-GCM with 16 octet ICV [RFC4106]",
        "3DES_CBC" => "TripleDES-CBC [RFC2451]",
        "CHACHA20_POLY1305" => "ChaCha20 with Poly1305 [RFC7634]",
        _ => "unknown",
    };
    let auth = match integ.as_str() {
        "" => "NULL",
        "HMAC_MD5_96" => "HMAC-MD5-96 [RFC2403]",
        "HMAC_SHA1_96" => "HMAC-SHA-1-96 [RFC2404]",
        "HMAC_SHA2_256_128" => "HMAC-SHA-256-128 [RFC4868]",
        "HMAC_SHA2_384_192" => "HMAC-SHA-384-192 [RFC4868]",
        "HMAC_SHA2_512_256" => "HMAC-SHA-512-256 [RFC4868]",
        _ => "unknown",
    };
    (encr, auth)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INITIATOR: &str = "\
16[CFG] selected proposal: IKE:AES_GCM_16_128/PRF_HMAC_SHA2_256/CURVE_25519
16[IKE] natd_chunk => 22 bytes @ 0x7fa2e40055b0
16[IKE]    0: 22 83 70 95 B4 9C 9E 72 90 5D 47 9B A7 B0 EC 7A  \".p....r.]G....z
16[IKE]   16: 0A 4D 00 01 01 F4                                .M....
16[IKE] SKEYSEED => 2 bytes @ 0x7fa2e400c1c0
16[IKE]    0: AA BB                                            ..
16[IKE] Sk_ei secret => 20 bytes @ 0x7fa2e400bd60
16[IKE]    0: 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F  ................
03[NET] error: 12 34
16[IKE]   16: 10 11 12 13                                      ....
16[IKE] Sk_er secret => 1 bytes @ 0x7fa2e400bd74
16[IKE]    0: FF                                               .
16[IKE] Sk_pr secret => 1 bytes @ 0x7fa2e4008970
16[IKE]    0: EE                                               .
16[ENC] generating IKE_AUTH request 1 [ IDi AUTH SA TSi TSr ]
01[ENC] parsed IKE_AUTH response 1 [ IDr AUTH SA TSi TSr ]
01[CHD]   using AES_CBC for encryption
01[CHD]   using HMAC_SHA2_256_128 for integrity
01[CHD] encryption initiator key => 1 bytes @ 0x560b5ec33670
01[CHD]    0: 01                                               .
01[CHD] encryption responder key => 1 bytes @ 0x560b5ec34b00
01[CHD]    0: 02                                               .
01[CHD] integrity initiator key => 1 bytes @ 0x560b5ec32780
01[CHD]    0: 03                                               .
01[CHD] integrity responder key => 1 bytes @ 0x560b5ec32610
01[CHD]    0: 04                                               .
01[CHD] adding inbound ESP SA
01[CHD]   SPI 0x33edf535, src 10.77.0.2 dst 10.77.0.1
01[CHD] adding outbound ESP SA
01[CHD]   SPI 0x76a6f003, src 10.77.0.1 dst 10.77.0.2
";

    #[test]
    fn an_initiator_receives_with_the_responders_keys() {
        let keys = parse(INITIATOR);
        let [ike] = keys.ike.as_slice() else { panic!("{keys:?}") };
        assert_eq!(
            (ike.spi_i.as_str(), ike.spi_r.as_str()),
            ("22837095b49c9e72", "905d479ba7b0ec7a")
        );
        assert_eq!(ike.sk_ei, "000102030405060708090a0b0c0d0e0f10111213");
        assert_eq!((ike.sk_er.as_str(), ike.sk_ai.as_str()), ("ff", ""));
        assert_eq!(ike.encr, "AES-GCM-128 with 16 octet ICV [RFC5282]");
        let [inbound, outbound] = keys.esp.as_slice() else {
            panic!("{keys:?}")
        };
        assert_eq!(
            (inbound.spi.as_str(), inbound.key.as_str(), inbound.auth_key.as_str()),
            ("33edf535", "02", "04")
        );
        assert_eq!(
            (outbound.spi.as_str(), outbound.key.as_str(), outbound.auth_key.as_str()),
            ("76a6f003", "01", "03")
        );
    }

    #[test]
    fn ka_belongs_to_the_cookies_told_before_or_after_it() {
        let chunk = |i: &str| {
            format!(
                "01[IKE] natd_chunk => 16 bytes @ 0x1\n01[IKE]    0: {i} 83 70 95 B4 9C 9E 72 90 5D 47 9B A7 B0 EC 7A  x\n"
            )
        };
        let ka = |key: &str| {
            format!(
                "01[IKE] encryption key Ka => 1 bytes @ 0x1\n01[IKE]    0: {key}                                               x\n"
            )
        };
        let main = [chunk("01"), chunk("01"), ka("AA"), chunk("01")].concat();
        let aggressive = [ka("BB"), chunk("02"), chunk("02")].concat();
        let keys = parse(&(main + &aggressive + "01[IKE] end\n"));
        let rows: Vec<(&str, &str)> = keys.isakmp.iter().map(|r| (&r.cookie[..2], r.key.as_str())).collect();
        assert_eq!(rows, [("01", "aa"), ("02", "bb")]);
    }

    #[test]
    fn a_responder_receives_with_the_initiators_keys() {
        let log = INITIATOR.replace("01[ENC] parsed IKE_AUTH response", "01[ENC] parsed IKE_AUTH request");
        let keys = parse(&log);
        assert_eq!((keys.esp[0].key.as_str(), keys.esp[1].key.as_str()), ("01", "02"));
    }
}
