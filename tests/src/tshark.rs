//! tshark as judge: does a capture decrypt with these keys, is every integrity value right, is nothing malformed?
//!
//! A frame that decrypts proves little by itself, so everything is counted: what was encrypted, what of it was decrypted
//! and found authentic, and every complaint.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use crate::keys::KeyLog;
use crate::process::run;

/// What tshark found in one capture.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Frames with an IKE message in the clear or encrypted.
    pub ike: usize,
    /// Frames with an encrypted IKE message.
    pub ike_encrypted: usize,
    /// Of these, how many decrypted, with the right checksum.
    pub ike_good: usize,
    /// Frames with an ESP packet.
    pub esp: usize,
    /// Of these, how many decrypted, with the right ICV.
    pub esp_good: usize,
    /// What tshark complained of: "incorrect", a malformed packet, an expert error.
    pub complaints: Vec<String>,
}

/// Whether tshark 4.0 can decrypt a suite: it has no ChaCha20-Poly1305.
pub fn can_decrypt(suite: &str) -> bool {
    !suite.contains("chacha20")
}

impl Verdict {
    /// Panics unless everything encrypted was decrypted and authentic, there was some of IKE and some of ESP, and nothing
    /// was complained of.
    #[track_caller]
    pub fn assert_good(&self) {
        self.assert_ike_good();
        self.assert_esp_good();
        self.assert_no_complaint();
    }

    /// The part of IKE.
    #[track_caller]
    pub fn assert_ike_good(&self) {
        assert!(self.ike_encrypted > 0, "no encrypted IKE message: {self:?}");
        assert_eq!(
            self.ike_good, self.ike_encrypted,
            "IKE messages that did not decrypt: {self:?}"
        );
    }

    /// The part of ESP.
    #[track_caller]
    pub fn assert_esp_good(&self) {
        assert!(self.esp > 0, "no ESP packet: {self:?}");
        assert_eq!(self.esp_good, self.esp, "ESP packets that did not decrypt: {self:?}");
    }

    /// Nothing malformed, nothing incorrect; holds for suites too that tshark cannot decrypt.
    #[track_caller]
    pub fn assert_no_complaint(&self) {
        assert!(self.complaints.is_empty(), "tshark complains: {:#?}", self.complaints);
    }
}

/// Has tshark look at a capture with these keys. `dir` is for its configuration.
#[track_caller]
pub fn judge(capture: &Path, keys: &KeyLog, dir: &Path) -> Verdict {
    keys.write(dir);
    judge_dir(capture, dir)
}

/// The same with the tables that a folder has.
#[track_caller]
pub fn judge_dir(capture: &Path, tables: &Path) -> Verdict {
    judge_part(capture, tables, "frame")
}

/// The same of the frames that a display filter lets through.
#[track_caller]
pub fn judge_part(capture: &Path, tables: &Path, filter: &str) -> Verdict {
    let tshark = |args: &[&str]| {
        run(Command::new("tshark")
            .args(["-n", "-r"])
            .arg(capture)
            .args([
                "-o",
                "esp.enable_encryption_decode:TRUE",
                "-o",
                "esp.enable_authentication_check:TRUE",
            ])
            .args(args)
            .env("WIRESHARK_CONFIG_DIR", tables))
    };
    let mut verdict = read_details(&tshark(&["-V", "-O", "isakmp,esp", "-Y", filter]));
    // Complaints about the packets inside count too: what was decrypted must be sound.
    let bad = format!("({filter}) && (_ws.malformed || _ws.expert.severity == error)");
    let bad = tshark(&["-Y", &bad]);
    verdict
        .complaints
        .extend(bad.lines().map(|line| format!("malformed or erroneous: {line}")));
    verdict
}

/// The same without what was sent again. That is for IKEv1, where each message's IV is the end of the one before it
/// (RFC 2409 appendix B): tshark takes a repetition for a further one.
#[track_caller]
pub fn judge_first_times(capture: &Path, tables: &Path) -> Verdict {
    let tshark = |args: &[&str]| {
        let mut command = Command::new("tshark");
        command.args(["-n", "-r"]).arg(capture).args(args);
        command.env("WIRESHARK_CONFIG_DIR", tables);
        command
    };
    let fields = ["frame.number", "ip.src", "ipv6.src", "udp.payload"].map(|field| ["-e", field]);
    let text = run(tshark(&["-Y", "isakmp", "-T", "fields"]).args(fields.concat()));
    let mut seen = HashSet::new();
    let frames = text.lines().filter_map(|line| line.split_once('\t'));
    let again: Vec<&str> = frames
        .filter(|(_, datagram)| !seen.insert(*datagram))
        .map(|(number, _)| number)
        .collect();
    if again.is_empty() {
        return judge_dir(capture, tables);
    }
    let first_times = capture.with_extension("first-times.pcap");
    let filter = format!("!(frame.number in {{{}}})", again.join(", "));
    run(tshark(&["-Y", &filter, "-w"]).arg(&first_times));
    judge_dir(&first_times, tables)
}

/// How many frames a display filter lets through.
#[track_caller]
pub fn count(capture: &Path, tables: &Path, filter: &str) -> usize {
    run(Command::new("tshark")
        .args(["-n", "-r"])
        .arg(capture)
        .args(["-Y", filter])
        .env("WIRESHARK_CONFIG_DIR", tables))
    .lines()
    .count()
}

/// Reads `tshark -V -O isakmp,esp`.
fn read_details(text: &str) -> Verdict {
    let mut verdict = Verdict::default();
    let mut frame: Vec<&str> = Vec::new();
    for line in text.lines() {
        if line.starts_with("Frame ") {
            verdict.frame(&frame);
            frame.clear();
        }
        frame.push(line);
    }
    verdict.frame(&frame);
    verdict
}

impl Verdict {
    fn frame(&mut self, lines: &[&str]) {
        let has = |what: &str| lines.iter().any(|line| line.trim_start().starts_with(what));
        let checked = |what: &str| {
            let mut values = lines
                .iter()
                .filter(|line| line.trim_start().starts_with(what))
                .peekable();
            values.peek().is_some() && values.all(|line| line.ends_with("[correct]"))
        };
        if has("Internet Security Association and Key Management Protocol") {
            self.ike += 1;
            // In IKEv1 nothing tells a wrong key but what comes out: every encrypted message has a HASH payload, or where
            // signatures prove the sides, a SIG payload in its place.
            if has("Version: 1.0") && has("Encrypted Data (") {
                self.ike_encrypted += 1;
                self.ike_good += usize::from(has("Payload: Hash (8)") || has("Payload: Signature (9)"));
            }
            if has("Payload: Encrypted and Authenticated") {
                self.ike_encrypted += 1;
                // "Contained Data" is what decrypts last: after the padding was found to make sense.
                self.ike_good += usize::from(has("Decrypted Data") && checked("Integrity Checksum Data"));
            }
        }
        if has("Encapsulating Security Payload") {
            self.esp += 1;
            self.esp_good += usize::from(has("ESP Decrypted Data") && checked("ESP ICV"));
        }
        for line in lines
            .iter()
            .filter(|line| line.contains("incorrect") || line.contains("Malformed Packet"))
        {
            let number = lines.first().and_then(|l| l.split(':').next()).unwrap_or_default();
            self.complaints.push(format!("{number}: {}", line.trim()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
Frame 10: 366 bytes on wire
Internet Security Association and Key Management Protocol
    Payload: Encrypted and Authenticated (46)
        Decrypted Data (256 bytes)
        Integrity Checksum Data: b0 (16 bytes) <HMAC_SHA2_256_128 [RFC4868]>[correct]
Frame 13: 162 bytes on wire
Encapsulating Security Payload
    ESP ICV: aa (16 bytes) <AES-GCM [RFC4106]> [correct]
    ESP Decrypted Data: 45 (88 bytes)
";

    #[test]
    fn what_decrypts_and_is_correct_is_good() {
        let verdict = read_details(GOOD);
        assert_eq!((verdict.ike, verdict.ike_encrypted, verdict.ike_good), (1, 1, 1));
        assert_eq!((verdict.esp, verdict.esp_good), (1, 1));
        verdict.assert_good();
    }

    #[test]
    fn each_defect_is_seen() {
        for (from, to) in [
            ("    ESP Decrypted Data: 45 (88 bytes)\n", ""),
            ("        Decrypted Data (256 bytes)\n", ""),
            ("[RFC4868]>[correct]", "[RFC4868]>[incorrect, should be 00]"),
            ("[RFC4106]> [correct]", "[RFC4106]> [incorrect, should be 00]"),
            ("[RFC4106]> [correct]", "[RFC4106]>"),
            ("Frame 13", "[Malformed Packet: ISAKMP]\nFrame 13"),
            ("Payload: Encrypted and Authenticated (46)", "Payload: Notify"),
            ("Encapsulating Security Payload", "Data"),
        ] {
            let bad = GOOD.replace(from, to);
            assert_ne!(bad, GOOD);
            assert!(
                std::panic::catch_unwind(|| read_details(&bad).assert_good()).is_err(),
                "{to:?}"
            );
        }
    }
}
