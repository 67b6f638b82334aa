//! Loose reverse path filtering on the outer devices that need it, and back.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::net::tun::is_device_name;

/// A directory of device settings; another one in tests.
const CONF: &str = "/proc/sys/net/ipv4/conf";

/// The devices whose setting was changed.
pub(super) struct Loosened {
    conf: PathBuf,
    /// Device and what its setting was.
    was: BTreeMap<String, String>,
    state_file: Option<PathBuf>,
}

impl Loosened {
    pub(super) fn new(state_file: Option<PathBuf>) -> Self {
        Loosened {
            conf: CONF.into(),
            was: BTreeMap::new(),
            state_file,
        }
    }

    /// Makes exactly these devices filter loosely, of those that filter strictly. Trouble is logged, not fatal: it may be
    /// a read-only /proc, and the filter may not matter.
    pub(super) fn set(&mut self, devices: &[String]) {
        let gone: Vec<String> = self
            .was
            .keys()
            .filter(|device| !devices.contains(device))
            .cloned()
            .collect();
        for device in gone {
            self.restore(&device);
        }
        for device in devices {
            if !self.was.contains_key(device)
                && let Err(error) = self.loosen(device)
            {
                tracing::warn!(
                    %error, device,
                    "cannot set rp_filter to 2 (loose): packets of a peer inside a tunnelled subnet may be dropped"
                );
            }
        }
    }

    /// Puts every setting back.
    pub(super) fn restore_all(&mut self) {
        self.set(&[]);
    }

    /// Puts back what an earlier run noted; returns how many settings.
    pub(super) fn restore_leftovers(state_file: Option<PathBuf>) -> usize {
        Self::new(state_file).restore_noted()
    }

    fn restore_noted(mut self) -> usize {
        let text = self
            .state_file
            .as_ref()
            .and_then(|file| fs::read_to_string(file).ok())
            .unwrap_or_default();
        self.was = parse_state(&text);
        let count = self.was.len();
        self.restore_all();
        count
    }

    fn loosen(&mut self, device: &str) -> io::Result<()> {
        let strict = |name: &str| Ok::<_, io::Error>(fs::read_to_string(self.file(name))?.trim().to_owned());
        // The kernel takes the greater of the two; 2 is loose already, 0 and 0 is no filter at all.
        let (all, own) = (strict("all")?, strict(device)?);
        if all.as_str().max(own.as_str()) != "1" {
            return Ok(());
        }
        self.was.insert(device.to_owned(), own);
        self.note();
        if let Err(error) = fs::write(self.file(device), "2") {
            self.was.remove(device);
            self.note();
            return Err(error);
        }
        tracing::info!(device, "rp_filter set to 2 (loose) until the tunnel ends");
        Ok(())
    }

    fn restore(&mut self, device: &str) {
        let Some(was) = self.was.remove(device) else { return };
        let file = self.file(device);
        // Someone else's change since then stays.
        let ours = fs::read_to_string(&file).is_ok_and(|now| now.trim() == "2");
        if ours && let Err(error) = fs::write(&file, &was) {
            tracing::warn!(%error, device, was, "cannot put rp_filter back");
        }
        self.note();
    }

    fn file(&self, device: &str) -> PathBuf {
        self.conf.join(device).join("rp_filter")
    }

    /// Writes what is changed where the next start finds it.
    fn note(&self) {
        let Some(file) = &self.state_file else { return };
        if let Err(error) = write_state(file, &self.was) {
            tracing::warn!(%error, file = %file.display(), "cannot note changed rp_filter settings");
        }
    }
}

fn write_state(file: &Path, was: &BTreeMap<String, String>) -> io::Result<()> {
    if was.is_empty() {
        return match fs::remove_file(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        };
    }
    let text: String = was
        .iter()
        .map(|(device, value)| format!("rp_filter {device} {value}\n"))
        .collect();
    fs::write(file, text)
}

/// Lines that are not ours, or name what cannot be a device, are left out: they would become paths below /proc/sys.
fn parse_state(text: &str) -> BTreeMap<String, String> {
    let line = |line: &str| match line.split(' ').collect::<Vec<_>>()[..] {
        ["rp_filter", device, value @ ("0" | "1")] if is_device_name(device) => {
            Some((device.to_owned(), value.to_owned()))
        }
        _ => None,
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Fixture(tempfile::TempDir);

    impl Fixture {
        fn new(settings: &[(&str, &str)]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            for (device, value) in settings {
                fs::create_dir(dir.path().join(device)).unwrap();
                fs::write(dir.path().join(device).join("rp_filter"), format!("{value}\n")).unwrap();
            }
            Fixture(dir)
        }

        fn loosened(&self) -> Loosened {
            let state_file = Some(self.0.path().join("state"));
            Loosened {
                conf: self.0.path().to_owned(),
                was: BTreeMap::new(),
                state_file,
            }
        }

        fn value(&self, device: &str) -> String {
            fs::read_to_string(self.0.path().join(device).join("rp_filter"))
                .unwrap()
                .trim()
                .to_owned()
        }
    }

    #[test]
    fn strict_becomes_loose_and_strict_again() {
        let fixture = Fixture::new(&[("all", "0"), ("eth0", "1"), ("eth1", "0")]);
        let mut loosened = fixture.loosened();
        loosened.set(&["eth0".to_owned(), "eth1".to_owned()]);
        assert_eq!(
            (fixture.value("eth0"), fixture.value("eth1")),
            ("2".to_owned(), "0".to_owned())
        );
        loosened.set(&["eth1".to_owned()]);
        assert_eq!(fixture.value("eth0"), "1");
        assert!(!fixture.0.path().join("state").exists());
    }

    #[test]
    fn strict_for_all_counts_and_loose_for_all_suffices() {
        let fixture = Fixture::new(&[("all", "1"), ("eth0", "0")]);
        let mut loosened = fixture.loosened();
        loosened.set(&["eth0".to_owned()]);
        assert_eq!(fixture.value("eth0"), "2");
        loosened.restore_all();
        assert_eq!(fixture.value("eth0"), "0");
        let fixture = Fixture::new(&[("all", "2"), ("eth0", "1")]);
        fixture.loosened().set(&["eth0".to_owned()]);
        assert_eq!(fixture.value("eth0"), "1");
    }

    #[test]
    fn a_run_that_could_not_end_is_put_right_by_the_next() {
        let fixture = Fixture::new(&[("all", "0"), ("eth0", "1"), ("eth1", "1")]);
        fixture.loosened().set(&["eth0".to_owned(), "eth1".to_owned()]);
        // An administrator's later change is not undone.
        fs::write(fixture.0.path().join("eth1/rp_filter"), "0").unwrap();
        assert_eq!(fixture.loosened().restore_noted(), 2);
        assert_eq!(
            (fixture.value("eth0"), fixture.value("eth1")),
            ("1".to_owned(), "0".to_owned())
        );
        assert_eq!(fixture.loosened().restore_noted(), 0);
    }

    #[test]
    fn only_own_lines_are_believed() {
        let text = "rp_filter eth0 1\nrp_filter ../../kernel 1\nrp_filter eth1 7\nother eth2 1\nrp_filter eth3 0 1\n\n";
        assert_eq!(parse_state(text), BTreeMap::from([("eth0".to_owned(), "1".to_owned())]));
    }
}
