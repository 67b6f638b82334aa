#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use handfast_auth::certificate::Time;
use handfast_config::{FileReader, load};

use super::*;

struct Files;

impl FileReader for Files {
    fn read(&self, _: &Path) -> Result<Vec<u8>, String> {
        Err("none".into())
    }

    fn mode(&self, _: &Path) -> Result<u32, String> {
        Ok(0o600)
    }

    fn list(&self, _: &Path) -> Result<Option<Vec<PathBuf>>, String> {
        Ok(None)
    }

    fn now(&self) -> Time {
        Time(1_800_000_000)
    }
}

const BEFORE: &str = r#"
[daemon]
log_level = "info"

[connection.office]
local = "192.0.2.1"
remote = "192.0.2.2"
secret = "the old secret of office"
local_subnet = "10.1.0.0/16"
remote_subnet = "10.2.0.0/16"

[connection.lab]
local = "192.0.2.1"
remote = "192.0.2.3"
secret = "the secret of the lab"
"#;

fn loaded(text: &str) -> Loaded {
    load("t.toml", text, &Files).unwrap_or_else(|e| panic!("{e}"))
}

fn changes(before: &str, after: &str) -> Changes {
    let (before, after) = (loaded(before), loaded(after));
    Changes::between(
        (&before.config.daemon, &before.policy),
        (&after.config.daemon, &after.policy),
    )
}

/// BEFORE with texts replaced.
fn with(pairs: &[(&str, &str)]) -> String {
    let mut text = BEFORE.to_string();
    for (old, new) in pairs {
        assert!(text.contains(old), "{old}");
        text = text.replacen(old, new, 1);
    }
    text
}

#[test]
fn the_same_file_written_otherwise_differs_in_nothing() {
    let other = format!(
        "# a comment\n\n{}",
        with(&[(
            "local = \"192.0.2.1\"",
            "local = [\"192.0.2.1\"]\nstart = \"wait\"\nliveness = \"30s\""
        )])
    );
    let changes = changes(BEFORE, &other);
    assert_eq!(changes, Changes::default());
    assert_eq!(text(&changes, false), "Nothing differs from what the daemon runs with.");
}

#[test]
fn everything_that_differs_is_told_with_what_it_means_and_no_secret() {
    let after = with(&[
        ("log_level = \"info\"", "log_level = \"debug\"\nmtu = 1400"),
        ("the old secret of office", "the new secret of office"),
        (
            "remote_subnet = \"10.2.0.0/16\"",
            "remote_subnet = [\"10.2.0.0/16\", \"10.3.0.0/16\"]\nliveness = \"1m\"",
        ),
        ("[connection.lab]", "[connection.new]"),
    ]);
    let found = changes(BEFORE, &after);
    let told = text(&found, false);
    assert_eq!(
        told,
        "\
office: changed, reconnects
    secret         secret changed                           reconnects
    remote_subnet  10.2.0.0/16 -> 10.2.0.0/16, 10.3.0.0/16  reconnects
    liveness       30s -> 1m                                SAs go on
new: added
lab: removed, its SAs are deleted
[daemon]
    log_level  info -> debug      needs a restart
    mtu        what fits -> 1400  SAs go on
Nothing was done yet: `handfast reload` does it."
    );
    let json = serde_json::to_string(&found).unwrap();
    for secret in ["the old secret", "the new secret", "secret of the lab"] {
        assert!(!told.contains(secret) && !json.contains(secret));
    }
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["connections"][0]["keys"][0],
        json!({"key": "secret", "before": null, "after": null, "effect": "reconnect"})
    );
    assert_eq!(
        json["connections"][1],
        json!({"name": "new", "change": "added", "effect": null, "keys": []})
    );
    assert_eq!(json["daemon"][0]["effect"], "restart");
    // It reads back.
    assert_eq!(serde_json::from_value::<Changes>(json).unwrap(), found);
}

#[test]
fn what_needs_a_restart_stays_as_it_is_and_is_told_each_time() {
    let dir = std::env::temp_dir().join(format!("handfast-reload-{}.toml", std::process::id()));
    let write = |text: &str| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(&dir, text).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write(BEFORE);
    let mut settings = Settings::new(dir.clone(), config_file::read(&dir).unwrap_or_else(|_| panic!()));
    write(&with(&[(
        "log_level = \"info\"",
        "ike_port = 1500\nhalf_open_limit = 5",
    )]));
    for live in [true, false] {
        let fresh = settings.read_again().unwrap_or_else(|_| panic!());
        let keys: Vec<&str> = fresh.changes.daemon.iter().map(|k| k.key.as_str()).collect();
        if live {
            assert_eq!(keys, ["ike_port", "half_open_limit"]);
        } else {
            assert_eq!(keys, ["ike_port"]);
        }
        settings.take(fresh);
        assert_eq!(
            (settings.policy().ports.ike, settings.policy().half_open_limit),
            (500, 5)
        );
    }
    // A file with mistakes says all of them and changes nothing.
    write(&with(&[
        ("192.0.2.2", "192.0.2.300"),
        ("local_subnet", "local_subnett"),
    ]));
    let read = settings.read_again();
    let answer = settings.answer(&read, false);
    assert_eq!(answer["ok"], false);
    assert_eq!(answer["mistakes"].as_array().unwrap().len(), 2, "{answer}");
    assert!(
        answer["error"].as_str().unwrap().contains("nothing was changed"),
        "{answer}"
    );
    std::fs::remove_file(&dir).unwrap();
    assert!(settings.read_again().is_err());
}

/// Every documented key of a connection: changing it is told under its own name, and as docs/configuration.md says.
#[test]
fn every_key_of_the_documentation_is_told_and_means_what_is_written_there() {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md")).unwrap();
    let base = "[connection.c]\nlocal = \"192.0.2.1\"\nremote = \"192.0.2.2\"\nsecret = \"0123456789\"\n";
    let values = [
        ("local_id", "\"c.test\""),
        ("remote_id", "\"c.test\""),
        ("local_subnet", "\"10.1.0.0/16\""),
        ("remote_subnet", "\"10.2.0.0/16\""),
        ("start", "\"now\""),
        ("ike", "\"aes128gcm16-prfsha256-x25519\""),
        ("esp", "\"aes128gcm16\""),
        ("udp_encapsulation", "\"always\""),
        ("liveness", "\"7s\""),
        ("rekey", "\"7m\""),
        ("lifetime", "\"7h\""),
        ("rekey_bytes", "\"7GiB\""),
        ("rekey_packets", "700000"),
        ("lifetime_bytes", "\"7GiB\""),
        ("lifetime_packets", "700000"),
        ("ike_rekey", "\"7m\""),
        ("ike_lifetime", "\"7h\""),
        ("keepalive", "\"7s\""),
        ("retransmit_timeout", "\"3s\""),
        ("retransmit_tries", "3"),
        ("remote_port", "1500"),
        ("remote_natt_port", "14500"),
        ("single_pair", "true"),
        ("max_children", "7"),
        ("fragment_size", "600"),
        ("version", "\"any\""),
        ("aggressive", "true\nversion = \"any\""),
        ("mode", "\"transport-or-tunnel\""),
    ];
    // Those that are in BASE, that are written elsewhere, or that have one value only so far.
    let elsewhere = ["local", "remote", "secret", "secret_file", "legacy", "child"];
    let part = |title: &str| docs.split(title).nth(1).unwrap().split("\n### ").next().unwrap();
    let (certificates, kerberos) = (part("### Certificates"), part("### Kerberos"));
    let section = docs.split("## `[connection.NAME]`").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    for row in section.lines().filter_map(|line| line.strip_prefix("| `")) {
        let key = row.split('`').next().unwrap();
        // Those of certificates and of Kerberos need files.
        let with_files = certificates.contains(row) || kerberos.contains(row);
        let tried = values.iter().any(|(k, _)| *k == key) || elsewhere.contains(&key) || with_files;
        assert!(tried, "{key} is not tried here");
    }
    for (key, value) in values {
        let found = changes(base, &format!("{base}{key} = {value}\n"));
        // The defaults of some follow from others, which change too.
        let keys = &found.connections[0].keys;
        let changed = keys.iter().find(|k| k.key == key);
        let changed = changed.unwrap_or_else(|| panic!("{key} is not told: {keys:?}"));
        let reconnects = changed.effect == Effect::Reconnect;
        let line = docs.lines().find(|l| l.starts_with("Begun anew")).unwrap();
        assert_eq!(line.contains(&format!("`{key}`")), reconnects, "{key} in: {line}");
    }
}
