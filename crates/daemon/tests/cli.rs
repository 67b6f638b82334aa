//! The command line without a daemon: exit statuses, and sentences that say what to do.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const GOOD: &str = r#"
[connection.office]
local = "192.0.2.1"
remote = "198.51.100.1"
local_id = "a.example.net"
remote_id = "b.example.net"
secret = "a long secret that both ends share"
local_subnet = "10.1.0.0/16"
remote_subnet = "10.2.0.0/16"
"#;

fn handfast(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_handfast"))
        .args(args)
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

/// Status, standard output, standard error.
fn said(out: &Output) -> (Option<i32>, String, String) {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

/// A configuration file of its own for each test; removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str, mode: u32) -> Self {
        let path = std::env::temp_dir().join(format!("handfast-{name}-{}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_good_file_is_right_and_its_secret_is_not_shown() {
    let file = Scratch::new("good", GOOD, 0o600);
    let (code, out, err) = said(&handfast(&["check", file.path()]));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    for part in [
        "is right",
        "office",
        "a.example.net",
        "b.example.net",
        "10.1.0.0/16 <-> 10.2.0.0/16",
    ] {
        assert!(out.contains(part), "no {part:?} in {out}");
    }
    assert!(!out.contains("a long secret"), "{out}");
}

#[test]
fn a_mistake_has_file_line_column_and_what_was_expected() {
    let text = GOOD.replace("remote_subnet", "remote_subnett");
    let file = Scratch::new("typo", &text, 0o600);
    for args in [&["check", file.path()][..], &["run", "--config", file.path()]] {
        let (code, out, err) = said(&handfast(args));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains(&format!("{}:9:1: ", file.path())), "{args:?}: {err}");
        assert!(
            err.contains("remote_subnett") && err.contains("expected"),
            "{args:?}: {err}"
        );
        assert!(!err.contains("a long secret"), "{err}");
    }
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    let file = Scratch::new("open", GOOD, 0o644);
    let (code, _, err) = said(&handfast(&["check", file.path()]));
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("chmod"), "it does not say what to do: {err}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    for args in [
        &["check", "/nonexistent/hf.toml"][..],
        &["run", "--config", "/nonexistent/hf.toml"],
    ] {
        let (code, _, err) = said(&handfast(args));
        assert_eq!(code, Some(2), "{err}");
        assert!(
            err.contains("/nonexistent/hf.toml") && err.lines().count() == 1,
            "{err}"
        );
    }
}

#[test]
fn without_a_daemon_one_sentence_says_what_to_do() {
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["up", "x"],
        &["down", "x"],
        &["rekey", "x"],
        &["rekey", "x", "--ike"],
        &["reload"],
        &["reload", "--dry-run", "--json"],
    ] {
        let mut args = args.to_vec();
        args.extend_from_slice(&["--socket", "/nonexistent/handfast.sock"]);
        let (code, out, err) = said(&handfast(&args));
        assert_eq!((code, out.as_str()), (Some(1), ""), "{args:?}");
        assert!(
            err.contains("no daemon listens on /nonexistent/handfast.sock"),
            "{args:?}: {err}"
        );
        assert!(err.contains("handfast run") && err.lines().count() == 1, "{err}");
    }
}

#[test]
fn wrong_usage_is_status_2() {
    let file = Scratch::new("level", GOOD, 0o600);
    for args in [
        &["frobnicate"][..],
        &[],
        &["run"],
        &["up"],
        &["run", "--config", file.path(), "--log-level", "chatty"],
    ] {
        let (code, out, err) = said(&handfast(args));
        assert_eq!(code, Some(2), "{args:?}: {out}{err}");
    }
}

#[test]
fn help_teaches_by_example() {
    let (code, out, _) = said(&handfast(&["--help"]));
    assert_eq!(code, Some(0));
    for part in ["handfast demo", "handfast run --config", "Exit status"] {
        assert!(out.contains(part), "{out}");
    }
}

#[test]
fn each_command_has_an_example_of_its_own() {
    for command in [
        "run",
        "up",
        "down",
        "rekey",
        "reload",
        "status",
        "check",
        "demo",
        "completions",
        "kerberos check",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let (code, out, _) = said(&handfast(&words));
        assert_eq!(code, Some(0), "{command}");
        let example = out.split("Example").nth(1).unwrap_or_default();
        assert!(example.contains(&format!("handfast {command}")), "{command}: {out}");
    }
}

/// What the daemon answers, for the command line alone.
fn answered(answer: &str, args: &[&str]) -> (String, (Option<i32>, String, String)) {
    use std::io::{BufRead, BufReader, Write};
    let socket = std::env::temp_dir().join(format!(
        "handfast-answered-{}-{}.sock",
        args.join(""),
        std::process::id()
    ));
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let answer = answer.to_string();
    let daemon = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        writeln!(stream, "{answer}").unwrap();
        line.trim_end().to_string()
    });
    let mut args = args.to_vec();
    args.extend_from_slice(&["--socket", socket.to_str().unwrap()]);
    let out = handfast(&args);
    std::fs::remove_file(&socket).unwrap();
    (daemon.join().unwrap(), said(&out))
}

#[test]
fn reload_says_what_changed_or_every_mistake() {
    let changes = r#"{"connections":[{"name":"office","change":"changed","effect":"live","keys":[{"key":"liveness","before":"30s","after":"1m","effect":"live"}]}],"daemon":[]}"#;
    let yes = format!(r#"{{"ok":true,"dry_run":true,"changes":{changes},"warnings":["t.toml:3:1: warning: x"]}}"#);
    let (asked, (code, out, err)) = answered(&yes, &["reload", "--dry-run"]);
    assert_eq!(asked, r#"{"cmd":"reload","dry_run":true}"#);
    assert_eq!((code, err.as_str()), (Some(0), "t.toml:3:1: warning: x\n"));
    assert!(
        out.contains("office: changed, SAs go on") && out.contains("30s -> 1m"),
        "{out}"
    );
    assert!(out.contains("Nothing was done yet"), "{out}");
    let (_, (code, out, _)) = answered(&yes, &["reload", "--dry-run", "--json"]);
    assert_eq!((code, out.trim_end()), (Some(0), yes.as_str()));

    let no = r#"{"ok":false,"error":"t.toml is not right, and nothing was changed","mistakes":["t.toml:7:1: a","t.toml:9:1: b"]}"#;
    let (asked, (code, out, err)) = answered(no, &["reload"]);
    assert_eq!(asked, r#"{"cmd":"reload","dry_run":false}"#);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(
        err,
        "t.toml:7:1: a\nt.toml:9:1: b\nhandfast: t.toml is not right, and nothing was changed\n"
    );
}

#[test]
fn rekey_asks_for_children_or_the_ike_sa() {
    let (asked, (code, out, _)) = answered(r#"{"ok":true,"connection":"office"}"#, &["rekey", "office"]);
    assert_eq!(asked, r#"{"cmd":"rekey","connection":"office","ike":false}"#);
    assert_eq!((code, out.as_str()), (Some(0), "office has fresh child SAs\n"));
    let (asked, (code, _, err)) = answered(r#"{"ok":false,"error":"no"}"#, &["rekey", "office", "--ike"]);
    assert_eq!(asked, r#"{"cmd":"rekey","connection":"office","ike":true}"#);
    assert_eq!((code, err.as_str()), (Some(1), "handfast: no\n"));
}

#[test]
fn the_man_page_in_docs_is_the_programs_own() {
    let (code, page, _) = said(&handfast(&["man"]));
    assert_eq!(code, Some(0));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/handfast.1");
    assert!(
        std::fs::read_to_string(path).unwrap() == page,
        "cargo run -- man > docs/handfast.1"
    );
    for part in [
        ".SS run",
        ".SS demo",
        ".SS reload",
        ".SS rekey",
        "\\-\\-capture",
        "\\-\\-dry\\-run",
        "Exit status",
    ] {
        assert!(page.contains(part), "no {part:?} in the man page");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = said(&handfast(&["completions", shell]));
        assert_eq!(code, Some(0));
        assert!(
            ["status", "keylog", "reload", "dry-run", "rekey"]
                .iter()
                .all(|word| out.contains(word)),
            "{shell}: {out}"
        );
    }
}

#[test]
fn an_impatient_caller_hears_where_the_connection_stands() {
    use std::io::{BufRead, BufReader, Write};
    let socket = std::env::temp_dir().join(format!("handfast-impatient-{}.sock", std::process::id()));
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    // A daemon that is still trying, and answers `status` only.
    let daemon = std::thread::spawn(move || {
        let (up, _) = listener.accept().unwrap();
        let (mut status, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&status).read_line(&mut line).unwrap();
        assert_eq!(line, "{\"cmd\":\"status\"}\n");
        let entry = r#"{"connection":"office","state":"retrying","reason":"the peer is silent"}"#;
        writeln!(status, r#"{{"ok":true,"status":{{"version":1,"ike_sas":[{entry}]}}}}"#).unwrap();
        drop(up);
    });
    let out = handfast(&["up", "office", "--timeout", "1", "--socket", socket.to_str().unwrap()]);
    std::fs::remove_file(&socket).unwrap();
    let (code, _, err) = said(&out);
    assert_eq!(code, Some(1));
    assert_eq!(
        err,
        "handfast: office after 1s: not yet (retrying, the peer is silent); the daemon goes on\n"
    );
    daemon.join().unwrap();
}

#[test]
fn a_reader_that_has_gone_is_no_fault_and_a_full_disk_is() {
    let run = |args: &[&str], out: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handfast"));
        command.args(args).stdout(out).output().unwrap()
    };
    let file = Scratch::new("output", GOOD, 0o600);
    for args in [&["check", file.path()][..], &["man"], &["demo", "--packets", "1"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, _, err) = said(&run(args, writer.into()));
        assert_eq!((code, err.as_str()), (Some(0), ""), "{args:?}");

        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (code, _, err) = said(&run(args, full.into()));
        assert_eq!((code, err.lines().count()), (Some(1), 1), "{args:?}: {err}");
        assert!(err.contains("cannot be written"), "{args:?}: {err}");
    }
}
