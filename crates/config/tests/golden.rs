//! Every file of `tests/mistakes`: `NAME.toml` is told as `NAME.txt`, and drawn as `NAME.drawn` where there is one.
//!
//! `BLESS=1 cargo test -p handfast-config --test golden` writes what is told now; read the difference before a commit.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use handfast_auth::certificate::Time;
use handfast_config::{FileReader, load};

/// Those of `tests/pki`, and others with a secret, but for "empty" and "absent"; all of one owner, but for "open".
struct Files {
    pki: bool,
}

impl FileReader for Files {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let pki = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pki").join(path);
        match path.to_str().unwrap() {
            _ if self.pki && pki.is_file() => Ok(std::fs::read(pki).unwrap()),
            "absent" => Err("no such file".into()),
            "garbage" => Ok(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec()),
            "empty" => Ok(b"\n".to_vec()),
            "nothex" => Ok(b"0x12345".to_vec()),
            _ => Ok(b"a secret in a file\n".to_vec()),
        }
    }

    fn mode(&self, path: &Path) -> Result<u32, String> {
        Ok(if path.to_str().unwrap().starts_with("open") {
            0o644
        } else {
            0o600
        })
    }

    fn list(&self, _: &Path) -> Result<Option<Vec<PathBuf>>, String> {
        Ok(None)
    }

    fn now(&self) -> Time {
        Time(1_800_000_000)
    }
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let mut list: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    list.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    list.sort();
    list
}

fn compare(path: &Path, told: &str) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, told).unwrap();
    }
    let wanted = std::fs::read_to_string(path).unwrap_or_default();
    let name = path.display();
    assert!(wanted == told, "{name} differs\n--- wanted\n{wanted}\n--- told\n{told}");
}

#[test]
fn every_mistake_is_told_as_recorded() {
    let cases = cases();
    assert!(cases.len() >= 12, "{}", cases.len());
    for path in cases {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let (told, drawn) = match load(name, &text, &Files { pki: true }) {
            Ok(loaded) => {
                assert!(!loaded.warnings.is_empty(), "{name} has no mistake");
                let told: String = loaded.warnings.iter().map(|w| format!("{w}\n")).collect();
                (told, String::new())
            }
            Err(mistakes) => (mistakes.to_string(), mistakes.render(false)),
        };
        // Each of these files has its secrets spelt so.
        assert!(
            !told.contains("hush") && !drawn.contains("hush"),
            "{name} gives a secret away: {told}{drawn}"
        );
        compare(&path.with_extension("txt"), &told);
        let picture = path.with_extension("drawn");
        if picture.exists() {
            compare(&picture, &drawn);
        }
    }
}

/// Whatever a file holds, there is an answer, and its places are inside the file.
#[test]
fn cut_and_garbled_files_never_panic() {
    // To open an encrypted key takes long by design.
    let files = Files { pki: false };
    for path in cases() {
        let text = std::fs::read_to_string(&path).unwrap();
        for (at, _) in text.char_indices() {
            let cut = &text[..at];
            let garbled = format!("{cut}\"é=[{}", &text[at..]);
            for text in [cut, &garbled] {
                if let Err(mistakes) = load("t.toml", text, &files) {
                    assert!(!mistakes.0.is_empty());
                    let lines = text.lines().count() + 1;
                    assert!(mistakes.0.iter().all(|m| (1..=lines).contains(&m.line)), "{mistakes}");
                    if at % 16 == 0 {
                        let drawn = mistakes.render(at % 32 == 0);
                        assert!(!drawn.is_empty());
                        // A key torn in two may be no secret any more.
                        assert!(text != cut || !drawn.contains("hush"), "{drawn}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_documentation_shows_what_is_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = std::fs::read_to_string(root.join("tests/mistakes/handfast.txt")).unwrap();
    let documentation = std::fs::read_to_string(root.join("../../docs/configuration.md")).unwrap();
    assert!(
        documentation.contains(&format!("```text\n{told}```")),
        "docs/configuration.md differs from\n{told}"
    );
}
