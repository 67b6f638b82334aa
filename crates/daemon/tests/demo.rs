//! `handfast demo`, as a person runs it: no root, two endpoints, and tshark as judge of what it captured.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn demo(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_handfast"))
        .arg("demo")
        .args(args)
        .output()
        .unwrap()
}

/// The JSON lines of a run that went well.
#[track_caller]
fn lines(out: &Output) -> Vec<Value> {
    let (stdout, stderr) = (
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
    );
    assert!(out.status.success(), "{}\n{stdout}\n{stderr}", out.status);
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

fn messages(lines: &[Value]) -> Vec<(&str, &str)> {
    lines
        .iter()
        .filter(|line| line["event"] == "message")
        .map(|line| (line["from"].as_str().unwrap(), line["name"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_thousand_packets_each_way() {
    let out = demo(&["--json"]);
    let lines = lines(&out);
    assert_eq!(
        *lines.last().unwrap(),
        serde_json::json!({
            "event": "result", "ok": true, "packets_sent": 2000, "packets_received": 2000,
            "tampered_dropped": 1, "replayed_dropped": 1, "rekeys": 2, "lost": 0,
        })
    );
    let messages = messages(&lines);
    let begins: Vec<(&str, bool)> = ["IKE_SA_INIT", "IKE_SA_INIT", "IKE_AUTH", "IKE_AUTH"]
        .into_iter()
        .zip(&messages)
        .map(|(name, (from, summary))| (*from, summary.starts_with(name)))
        .collect();
    assert_eq!(
        begins,
        [("A", true), ("B", true), ("A", true), ("B", true)],
        "{messages:?}"
    );
    // The child SA, then the IKE SA, each replaced at A's wish; then the old ones are deleted.
    let rekeys = messages.iter().filter(|(_, name)| name.starts_with("CREATE_CHILD_SA"));
    let rekeys: Vec<(&str, bool)> = rekeys.map(|(from, name)| (*from, name.contains("REKEY_SA"))).collect();
    assert_eq!(
        rekeys,
        [("A", true), ("B", false), ("A", false), ("B", false)],
        "{messages:?}"
    );
    let replaced = lines.iter().filter(|line| line["event"] == "rekeyed");
    let what: Vec<&Value> = replaced.map(|line| &line["what"]).collect();
    assert_eq!(what, ["child", "ike"]);
    let deleting = messages.iter().any(|(_, name)| name.starts_with("INFORMATIONAL"));
    assert!(deleting, "nothing was deleted with the peer: {messages:?}");
}

#[test]
fn for_people_it_shows_messages_suite_and_selectors() {
    let out = demo(&["--packets", "10"]);
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    for part in [
        "IKE_SA_INIT request 0",
        "IKE_AUTH response 1",
        "aes128gcm16-prfsha256-x25519",
        "10.1.0.0/16",
        "10.2.0.0/16",
        "CREATE_CHILD_SA request",
        "The child SA is replaced",
        "The IKE SA is replaced",
        "20 IP packets",
        "0 lost in 2 rekeys",
        "tampered",
        "replayed",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

/// Main mode has six messages, aggressive mode three, quick mode three.
#[test]
fn both_phases_of_ikev1() {
    for (mode, first) in [("main", "MAIN"), ("aggressive", "AGGRESSIVE")] {
        let options = ["--ike", "1", "--mode", mode, "--packets", "30"];
        let out = demo(&[&options[..], &["--json"]].concat());
        let lines = lines(&out);
        let result = lines.last().unwrap();
        assert_eq!(
            (&result["ok"], &result["rekeys"]),
            (&true.into(), &2.into()),
            "{result}"
        );
        let begin = lines.iter().position(|line| line["event"] == "established").unwrap();
        let before = messages(&lines[..begin]);
        let kinds = |kind: &str| {
            before
                .iter()
                .filter(|(_, name)| name.to_uppercase().contains(kind))
                .count()
        };
        let phase_one = if mode == "main" { 6 } else { 3 };
        assert_eq!((kinds(first), kinds("QUICK")), (phase_one, 3), "{before:?}");
        let sa = &lines[begin]["ike_sa"];
        let (one, two) = (&sa["took_us"], &sa["children"][0]["took_us"]);
        // Which is the longer, on a machine with other work, is no matter of a test.
        assert!(one.as_u64() > Some(0) && two.as_u64() > Some(0), "{one} {two}");
        let out = demo(&options);
        let text = String::from_utf8_lossy(&out.stdout);
        for part in ["Two IKEv1 endpoints", "phase 1 took", "phase 2 took"] {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
    }
    let out = demo(&["--mode", "aggressive"]);
    assert!(String::from_utf8_lossy(&out.stderr).contains("--ike 1") && !out.status.success());
}

#[test]
fn every_suite_carries() {
    for (ike, esp) in [
        ("aes256gcm16-prfsha384-ecp384", "aes256gcm16"),
        ("chacha20poly1305-prfsha256-x25519", "chacha20poly1305"),
        ("aes128-sha256-ecp256", "aes128-sha1"),
        ("aes256-sha512-modp2048", "aes256-sha384"),
    ] {
        let out = demo(&["--json", "--packets", "20", "--suite", ike, "--esp", esp]);
        let lines = lines(&out);
        let result = lines.last().unwrap();
        assert_eq!(
            (&result["ok"], &result["packets_received"]),
            (&true.into(), &40.into()),
            "{ike} {esp}"
        );
    }
}

/// Each way to break it: what both sides say, for people and as JSON, and status 1.
#[test]
fn what_is_broken_is_explained_on_both_sides() {
    for (what, cause, told, offered, acceptable, look_at) in [
        (
            "psk",
            "authentication",
            "AUTHENTICATION_FAILED",
            "a.demo.example by preshared key",
            "with the secret of demo",
            "(secret)",
        ),
        (
            "proposal",
            "no_ike_proposal",
            "NO_PROPOSAL_CHOSEN",
            "aes128gcm16-prfsha256-x25519",
            "aes256-sha512-ecp384",
            "(ike)",
        ),
        (
            "selectors",
            "selectors",
            "TS_UNACCEPTABLE",
            "here 10.2.0.0/16, there 10.1.0.0/16",
            "here 10.3.0.0/16, there 10.1.0.0/16",
            "(local_subnet)",
        ),
    ] {
        let out = demo(&["--break", what, "--json"]);
        let (stdout, stderr) = (
            String::from_utf8_lossy(&out.stdout).into_owned(),
            String::from_utf8_lossy(&out.stderr).into_owned(),
        );
        assert_eq!(out.status.code(), Some(1), "{what}: {stdout}{stderr}");
        assert!(stderr.contains("as was asked for"), "{what}: {stderr}");
        let lines: Vec<Value> = stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.last().unwrap()["ok"], false);
        let of = |name: &str| {
            let found = lines.iter().find(|l| l["event"] == "refused" && l["at"] == name);
            found.unwrap_or_else(|| panic!("{what}: {name} does not explain: {stdout}"))["refusal"].clone()
        };
        let (a, b) = (of("A"), of("B"));
        assert_eq!((&a["by"], &b["by"]), (&"peer".into(), &"us".into()), "{what}");
        assert_eq!((&a["told"], &b["cause"]), (&told.into(), &cause.into()), "{what}");
        assert!(!a["offered"][0].is_null() && a["hint"].is_string(), "{what}: {a}");
        assert!(a["look_at"].as_str().unwrap().contains('('), "{what}: {a}");
        assert!(b["offered"][0].as_str().unwrap().contains(offered), "{what}: {b}");
        assert!(b["acceptable"][0].as_str().unwrap().contains(acceptable), "{what}: {b}");
        assert!(b["look_at"].as_str().unwrap().contains(look_at), "{what}: {b}");

        let out = demo(&["--break", what]);
        let text = String::from_utf8_lossy(&out.stdout);
        assert_eq!(out.status.code(), Some(1), "{what}: {text}");
        for part in [
            "IKE_SA_INIT request 0",
            "response",
            "A is refused",
            "B refuses",
            told,
            offered,
        ] {
            assert!(text.contains(part), "{what}: no {part:?} in:\n{text}");
        }
        assert!(
            !text.contains("another secret") && !text.contains("for the demo alone"),
            "{text}"
        );
    }
}

#[test]
fn by_certificate_in_both_versions() {
    for ike in ["2", "1"] {
        let args = ["--auth", "certificate", "--packets", "10", "--ike", ike];
        let text = demo(&args);
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        for (end, peer, name) in [("A", "B", "b"), ("B", "A", "a")] {
            let line = format!(
                "{end} accepted {peer} by its certificate CN={name}.demo.example, which CN=Demo CA vouches for"
            );
            assert!(text.contains(&line), "{text}");
        }
        let out = demo(&[&args[..], &["--json"]].concat());
        let lines = lines(&out);
        assert_eq!(lines.last().unwrap()["ok"], true);
        let of: Vec<&Value> = lines.iter().filter(|line| line["event"] == "certificate").collect();
        assert_eq!(of.len(), 2, "{lines:?}");
        assert_eq!(of[0]["certificate"]["subject"], "CN=b.demo.example");
        assert_eq!(of[1]["certificate"]["anchor"], "CN=Demo CA");
    }
}

/// A refused certificate: B knows the step that failed, A only that it was refused, and that much is on the wire.
#[test]
fn certificates_that_are_refused_are_explained_on_both_sides() {
    for ike in ["2", "1"] {
        for (what, why) in [
            ("expired", "it expired on 20"),
            ("untrusted", "is its issuer \"CN=Demo CA\""),
            ("name", "is not of domain name \"a.demo.example\""),
        ] {
            let args = ["--auth", "certificate", "--break", what, "--ike", ike];
            let out = demo(&[&args[..], &["--json"]].concat());
            let stdout = String::from_utf8_lossy(&out.stdout).into_owned();
            assert_eq!(out.status.code(), Some(1), "{stdout}");
            let lines: Vec<Value> = stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
            assert_eq!(lines.last().unwrap()["ok"], false);
            let of = |name: &str| {
                let found = lines.iter().find(|l| l["event"] == "refused" && l["at"] == name);
                found.unwrap_or_else(|| panic!("IKEv{ike} {what}: {name} does not explain: {stdout}"))["refusal"]
                    .clone()
            };
            let (a, b) = (of("A"), of("B"));
            assert_eq!((&a["by"], &b["by"]), (&"peer".into(), &"us".into()), "{what}");
            let told = a["told"].as_str().unwrap().replace('-', "_");
            assert_eq!(told, "AUTHENTICATION_FAILED", "{a}");
            assert!(b["why"].as_str().unwrap().contains(why), "IKEv{ike} {what}: {b}");
            assert!(!a.to_string().contains(why), "the wire tells too much: {a}");
            let people = demo(&args);
            let text = String::from_utf8_lossy(&people.stdout).into_owned();
            for part in ["A is refused", "B refuses"] {
                assert!(text.contains(part), "{text}");
            }
            assert!(String::from_utf8_lossy(&people.stderr).contains("as was asked for"));
        }
    }
    for (args, hint) in [
        (["--auth", "psk", "--break", "expired"], "add --auth certificate"),
        (
            ["--auth", "certificate", "--break", "psk"],
            "leave --auth certificate out",
        ),
    ] {
        let out = demo(&args);
        assert_eq!(out.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&out.stderr).contains(hint));
    }
}

#[test]
fn an_unknown_suite_is_refused_with_its_name() {
    let out = demo(&["--suite", "rot13-prfsha256-x25519"]);
    assert!(
        matches!(out.status.code(), Some(1 | 2)) && String::from_utf8_lossy(&out.stderr).contains("rot13"),
        "{} {}",
        out.status,
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
fn tshark_decrypts_all_of_the_capture() {
    // The default, then each name of an algorithm that a key table can hold and tshark 4.0 can decrypt.
    for suite in [
        &[][..],
        &["--suite", "aes256gcm16-prfsha384-ecp384", "--esp", "aes256gcm16"],
        &["--suite", "aes128-sha1-x25519", "--esp", "aes128-sha1"],
        &["--suite", "aes192-sha256-x25519", "--esp", "aes192-sha256"],
        &["--suite", "aes256-sha384-x25519", "--esp", "aes256-sha384"],
        &["--suite", "aes256-sha512-x25519", "--esp", "aes256-sha512"],
    ] {
        let dir = std::env::temp_dir().join(format!("handfast-demo-{}", std::process::id()));
        let mut args = vec!["--json", "--packets", "50", "--capture", dir.to_str().unwrap()];
        args.extend_from_slice(suite);
        let out = demo(&args);
        let said = lines(&out);
        for file in ["ikev1_decryption_table", "ikev2_decryption_table", "esp_sa"] {
            let mode = std::fs::metadata(dir.join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file} can be read by others");
        }
        if tshark_is_here() {
            judge(&dir, messages(&said).len(), 100);
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

fn tshark_is_here() -> bool {
    let here = Command::new("tshark").arg("--version").output().is_ok();
    let needed = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(here || !needed, "CI=true and no tshark: apt-get install tshark");
    if !here {
        eprintln!("skipped: no tshark; apt-get install tshark");
    }
    here
}

/// Everything captured is known, decrypted, authentic and sound.
#[track_caller]
fn judge(dir: &Path, ike_messages: usize, esp_packets: usize) {
    let tshark = |args: &[&str]| {
        let out = Command::new("tshark")
            .args(["-n", "-r"])
            .arg(dir.join("demo.pcapng"))
            .args(["-o", "esp.enable_encryption_decode:TRUE"])
            .args(["-o", "esp.enable_authentication_check:TRUE"])
            .args(["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"])
            .args(args)
            .env("WIRESHARK_CONFIG_DIR", dir)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let text = tshark(&["-V", "-O", "isakmp,esp,ip,udp"]);
    let count = |what: &str| {
        text.lines()
            .filter(|line| line.trim_start().starts_with(what))
            .collect::<Vec<_>>()
    };
    let correct = |lines: &[&str]| lines.iter().filter(|line| line.ends_with("[correct]")).count();

    assert_eq!(
        count("Internet Security Association and Key Management Protocol").len(),
        ike_messages
    );
    let sealed = ike_messages - 2; // all but IKE_SA_INIT
    assert_eq!(count("Payload: Encrypted and Authenticated").len(), sealed);
    assert_eq!(count("Decrypted Data").len(), sealed);
    assert_eq!(correct(&count("Integrity Checksum Data")), sealed);

    assert_eq!(count("Encapsulating Security Payload").len(), esp_packets);
    assert_eq!(count("ESP Decrypted Data").len(), esp_packets);
    assert_eq!(correct(&count("ESP ICV")), esp_packets);

    let bad: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("incorrect") || line.contains("Malformed"))
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    let complaints = tshark(&["-Y", "_ws.malformed || _ws.expert.severity >= warning"]);
    assert_eq!(complaints, "", "tshark complains");
}
