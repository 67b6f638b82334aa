//! Whole configurations: what is accepted, and how every mistake is told.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use handfast_config::{FileReader, Loaded, load};
use handfast_engine::policy::{Remote, Start};

/// Files with these permission bits and this secret inside.
struct Files(u32);

impl FileReader for Files {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        if path.ends_with("missing") {
            Err("no such file".into())
        } else {
            Ok(b"a secret in a file\n".to_vec())
        }
    }

    fn mode(&self, _: &Path) -> Result<u32, String> {
        Ok(self.0)
    }
}

fn good(text: &str) -> Loaded {
    load("t.toml", text, &Files(0o600)).unwrap_or_else(|e| panic!("{e}"))
}

/// All mistakes, a line each.
fn bad(text: &str) -> String {
    load("t.toml", text, &Files(0o600)).map(|_| ()).unwrap_err().to_string()
}

const BASE: &str = "[connection.a]\nremote = \"192.0.2.2\"\nlocal_id = \"a.test\"\nsecret = \"0123456789\"\n";

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_example_is_right_and_the_smallest_is_short() {
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        good(&text);
        count += 1;
    }
    assert!(count >= 4, "{count} examples");
    let smallest = std::fs::read_to_string(root().join("examples/a.toml")).unwrap();
    assert!(smallest.lines().count() < 15);
}

#[test]
fn every_block_of_the_documentation_is_right() {
    let text = std::fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let blocks: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .map(|b| b.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() >= 2);
    blocks.into_iter().for_each(|block| drop(good(block)));
}

#[test]
fn the_smallest_file_has_sane_defaults() {
    let loaded = good(BASE);
    let c = &loaded.policy.connections[0];
    assert_eq!(c.remote, Remote::Address("192.0.2.2".parse().unwrap()));
    assert_eq!(c.start, Start::Wait);
    assert_eq!(c.place, "t.toml:1");
    assert_eq!(c.remote_id.to_string(), "192.0.2.2");
    assert!(c.ike[0].to_string().contains("gcm16"), "modern first: {}", c.ike[0]);
    assert!(!c.ike.iter().any(|p| p.to_string().contains("sha1")));
    assert!(loaded.warnings.is_empty());
}

#[test]
fn a_secret_comes_from_a_file_without_its_line_end() {
    let text = BASE.replace("secret = \"0123456789\"", "secret_file = \"x\"");
    assert_eq!(
        good(&text).policy.connections[0].auth.psk.as_bytes(),
        b"a secret in a file"
    );
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let with = |line: &str| bad(&format!("{BASE}{line}\n"));
    let cases = [
        (bad(""), "t.toml:1:1: no connection"),
        (bad("[connection.a\n"), "t.toml:1:14: not TOML"),
        (with("remot_id = \"x\""), "t.toml:5:1: unknown key remot_id"),
        (with("remot_id = \"x\""), "did you mean remote_id?"),
        (with("remotid = \"x\""), "did you mean remote_id?"),
        (
            with("start = \"later\""),
            "t.toml:5:9: start is \"later\"; expected \"now\" or \"wait\"",
        ),
        (with("start = true"), "t.toml:5:9: start is true or false"),
        (
            with("local = \"192.0.2\""),
            "t.toml:5:9: local: \"192.0.2\" is not an address",
        ),
        (with("local = \"2001:db8::1\""), "of different families"),
        (with("ike = \"aes128gcm17-prfsha256-x25519\""), "t.toml:5:7: ike:"),
        (with("ike = \"3des-sha1-modp1024\""), "weak or not available"),
        (with("esp = \"aes128\""), "t.toml:5:7: esp:"),
        (with("local_subnet = \"10.1.0.0/33\""), "t.toml:5:16: local_subnet:"),
        (
            with("local_subnet = [\"10.1.0.0/16\", 3]"),
            "t.toml:5:32: local_subnet is a number",
        ),
        (with("secret_file = \"x\""), "both secret and secret_file"),
        (
            with("liveness = \"30\""),
            "t.toml:5:12: liveness: \"30\" is not a duration",
        ),
        (with("remote_port = 0"), "a whole number from 1 to 65535"),
        (with("version = 1"), "IKEv1 is not available yet"),
        (with("mode = \"transport\""), "transport mode"),
        (
            bad("[connection.a]\nremote = \"192.0.2.2\"\nlocal_id = \"a\"\n"),
            "t.toml:1:13: a has no secret",
        ),
        (bad(&BASE.replace("0123456789", "")), "is empty"),
        (
            bad(&BASE
                .replace("192.0.2.2", "any")
                .replace("secret =", "start = \"now\"\nsecret =")),
            "cannot start now",
        ),
        (
            bad(&BASE.replace("192.0.2.2", "192.0.2.300")),
            "neither an address nor a name",
        ),
        (
            bad(&BASE.replace("local_id = \"a.test\"\n", "")),
            "does not say who we are",
        ),
    ];
    for (told, wanted) in cases {
        assert!(told.contains(wanted), "wanted {wanted:?} in: {told}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let told = bad(&format!("{BASE}start = 1\nliveness = 2\nnonsense = 3\n"));
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[test]
fn a_file_with_a_secret_is_its_owners_alone() {
    let refused = load("t.toml", BASE, &Files(0o640)).map(|_| ()).unwrap_err().to_string();
    assert!(
        refused.contains("mode 640") && refused.contains("chmod 600 t.toml"),
        "{refused}"
    );
    let text = BASE.replace("secret = \"0123456789\"", "secret_file = \"x\"");
    let refused = load("/etc/t.toml", &text, &Files(0o644))
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("chmod 600 /etc/x"), "{refused}");
    let missing = BASE.replace("secret = \"0123456789\"", "secret_file = \"missing\"");
    assert!(bad(&missing).contains("no such file"));
}

#[test]
fn the_same_subnets_towards_two_peers_are_refused() {
    let subnets = "local_subnet = \"10.1.0.0/16\"\nremote_subnet = \"10.2.0.0/16\"\n";
    let one = format!("{BASE}{subnets}");
    let two = one
        .replace("connection.a", "connection.b")
        .replace("192.0.2.2", "192.0.2.3");
    assert!(bad(&format!("{one}{two}")).contains("have the same subnets"));
    // Peers from anywhere are told apart when they come.
    good(&format!("{one}{}", two.replace("192.0.2.3", "any")));
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let short = good(&BASE.replace("0123456789", "abc"));
    assert!(short.warnings[0].to_string().contains("only 3 octets"));
    let anyone = good(&BASE.replace("192.0.2.2", "any"));
    assert!(anyone.warnings[0].to_string().contains("accepts any peer"));
}

#[test]
fn a_mistake_is_drawn_with_its_line() {
    let drawn = load("t.toml", &format!("{BASE}start = 1\n"), &Files(0o600))
        .map(|_| ())
        .unwrap_err()
        .render(false);
    assert!(drawn.contains("start = 1") && drawn.contains("t.toml:5:9"), "{drawn}");
}
