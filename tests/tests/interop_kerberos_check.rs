//! `handfast kerberos check` against a real KDC: which step fails, and what it says.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use handfast_tests::handfast::binary;
use handfast_tests::kerberos::{FAKETIME, Kdc};
use handfast_tests::need;
use handfast_tests::process::{output, run};
use serde_json::Value;

const A: &str = "a.ike.test";
const B: &str = "b.ike.test";

fn command(kdc: &Kdc, options: &[&str]) -> Command {
    let mut command = kdc.command(binary().to_str().unwrap());
    command.args(["kerberos", "check"]).args(options);
    command
}

/// Exit status, and the steps.
#[track_caller]
fn json(mut command: Command) -> (Option<i32>, Vec<Value>) {
    let out = output(command.arg("--json"));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|e| {
        panic!("{e}: {text}{}", String::from_utf8_lossy(&out.stderr));
    });
    assert_eq!(answer["ok"], out.status.success(), "{answer}");
    (out.status.code(), answer["steps"].as_array().unwrap().clone())
}

#[track_caller]
fn outcome(steps: &[Value], name: &str) -> (String, String, String) {
    let step = steps.iter().find(|step| step["step"] == name);
    let step = step.unwrap_or_else(|| panic!("no step {name:?} in {steps:#?}"));
    let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
    (text("outcome"), text("kind"), text("detail"))
}

#[track_caller]
fn failed(steps: &[Value], name: &str, kind: &str, words: &str) {
    let (outcome, found, detail) = outcome(steps, name);
    assert_eq!((outcome.as_str(), found.as_str()), ("failed", kind), "{steps:#?}");
    assert!(detail.contains(words), "no {words:?} in {detail:?}");
}

fn initiator<'a>(keytab: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut options = vec![
        "--keytab",
        keytab.to_str().unwrap(),
        "--target",
        "host/b.ike.test@IKE.TEST",
    ];
    options.extend(more);
    options
}

#[test]
fn all_is_well() {
    need!(Kdc);
    let kdc = Kdc::start(&[A, B]);
    let keytab = kdc.keytab(A);
    let said = run(&mut command(&kdc, &initiator(&keytab, &[])));
    let steps = [
        "library",
        "configuration",
        "keytab",
        "first ticket",
        "own ticket",
        "ticket",
    ];
    assert_eq!(said.lines().count(), steps.len(), "{said}");
    for (line, step) in said.lines().zip(steps) {
        assert!(
            line.starts_with(&format!("{step:<14} ")) && !line.contains("FAILED"),
            "{said}"
        );
    }
    assert!(
        said.contains("host/a.ike.test@IKE.TEST, key number 2 (aes256-cts-hmac-sha1-96"),
        "{said}"
    );
    assert!(
        said.contains("host/a.ike.test@IKE.TEST, for 9 h") || said.contains("for 10 h"),
        "{said}"
    );

    let b = kdc.keytab(B);
    let (code, steps) = json(command(&kdc, &["--keytab", b.to_str().unwrap(), "--as-responder"]));
    assert_eq!(code, Some(0), "{steps:#?}");
    assert_eq!(outcome(&steps, "own ticket").0, "ok");
    assert!(outcome(&steps, "responder").2.contains("host/b.ike.test@IKE.TEST"));

    // A service of a host, and tickets that a person got.
    let cache = format!("FILE:{}/cache", kdc.dir().display());
    let mut kinit = kdc.command("kinit");
    run(kinit
        .args(["-c", &cache, "-k", "-t"])
        .arg(&keytab)
        .arg("host/a.ike.test"));
    let (code, steps) = json(command(
        &kdc,
        &["--ccache", &cache, "--target", "service:host@b.ike.test"],
    ));
    assert_eq!(
        (code, outcome(&steps, "ticket").0.as_str()),
        (Some(0), "ok"),
        "{steps:#?}"
    );
}

/// By the name of a connection: what it has, and whom it accepts.
#[test]
fn a_connection_is_checked_by_its_name() {
    need!(Kdc);
    let kdc = Kdc::start(&[A, B]);
    let keytab = |host: &str| kdc.keytab(host).display().to_string();
    let toml = format!(
        "[connection.office]\nremote = \"{B}\"\nkerberos = {{ keytab = \"{}\" }}\n\
         [connection.guests]\nremote = \"any\"\nlocal_id = \"{B}\"\n\
         kerberos = {{ keytab = \"{}\", peer_principals = \"host/*.ike.test\" }}\n\
         [connection.plain]\nremote = \"192.0.2.1\"\nlocal_id = \"x\"\nsecret_file = \"krb5.conf\"\n",
        keytab(A),
        keytab(B)
    );
    let file = kdc.write("handfast.toml", &toml);
    fs::set_permissions(kdc.krb5_conf_path(), fs::Permissions::from_mode(0o600)).unwrap();
    let check = |name| command(&kdc, &[name, "--config", file.to_str().unwrap()]);
    let (code, steps) = json(check("office"));
    assert_eq!(code, Some(0), "{steps:#?}");
    assert!(
        outcome(&steps, "ticket").2.contains("service:host@b.ike.test"),
        "{steps:#?}"
    );
    assert_eq!(outcome(&steps, "peers").2, "accepts host/b.ike.test");
    let (code, steps) = json(check("guests"));
    assert_eq!(
        (code, outcome(&steps, "responder").0.as_str()),
        (Some(0), "ok"),
        "{steps:#?}"
    );
    for (name, words) in [
        ("plain", "does not use Kerberos"),
        ("nobody", "has no connection nobody"),
    ] {
        let out = output(&mut check(name));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn each_fault_has_its_step() {
    need!(Kdc);
    let mut kdc = Kdc::start(&[A, B]);
    let keytab = kdc.keytab(A);

    let (code, steps) = json(command(&kdc, &initiator(Path::new("/nonexistent/keytab"), &[])));
    assert_eq!(code, Some(1));
    failed(&steps, "keytab", "no-credentials", "/nonexistent/keytab cannot be read");

    let (_, steps) = json(command(&kdc, &initiator(&keytab, &["--principal", "host/c.ike.test"])));
    failed(
        &steps,
        "keytab",
        "no-credentials",
        "has no key of host/c.ike.test; it has keys of host/a.ike.test@IKE.TEST",
    );

    let open = kdc.dir().join("open.keytab");
    fs::copy(&keytab, &open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let (_, steps) = json(command(&kdc, &initiator(&open, &[])));
    failed(&steps, "keytab", "other", "can be read by others");

    let options = [
        "--keytab",
        keytab.to_str().unwrap(),
        "--target",
        "host/c.ike.test@IKE.TEST",
    ];
    let (_, steps) = json(command(&kdc, &options));
    failed(
        &steps,
        "ticket",
        "unknown-principal",
        "Server host/c.ike.test@IKE.TEST not found",
    );

    // A new key of b, which its keytab lacks: the KDC sees it where b gets tickets, and b's own ticket does not open.
    kdc.new_key(B, &kdc.dir().join("fresh.keytab"));
    let b = kdc.keytab(B);
    let (code, steps) = json(command(&kdc, &["--keytab", b.to_str().unwrap(), "--as-responder"]));
    assert_eq!(
        (code, outcome(&steps, "responder").0.as_str()),
        (Some(1), "ok"),
        "{steps:#?}"
    );
    assert_eq!(outcome(&steps, "own ticket").1, "stale-keytab", "{steps:#?}");

    kdc.stop();
    let (code, steps) = json(command(&kdc, &initiator(&keytab, &[])));
    assert_eq!(code, Some(1));
    failed(
        &steps,
        "first ticket",
        "no-kdc",
        "Cannot contact any KDC for realm 'IKE.TEST'",
    );
    // A responder needs none.
    let (code, steps) = json(command(&kdc, &["--keytab", keytab.to_str().unwrap(), "--as-responder"]));
    assert_eq!(
        (code, outcome(&steps, "own ticket").0.as_str()),
        (Some(0), "skipped"),
        "{steps:#?}"
    );

    let mut unset = command(&kdc, &initiator(&keytab, &[]));
    unset.env("KRB5_CONFIG", "/nonexistent/krb5.conf");
    let (_, steps) = json(unset);
    failed(
        &steps,
        "configuration",
        "other",
        "$KRB5_CONFIG names /nonexistent/krb5.conf, which cannot be read",
    );
}

#[test]
fn a_wrong_clock_is_found_although_the_library_makes_up_for_it() {
    need!(Kdc, Faketime);
    let kdc = Kdc::start(&[A, B]);
    let keytab = kdc.keytab(A);
    for offset in ["+20m", "-20m"] {
        let mut late = command(&kdc, &initiator(&keytab, &[]));
        late.env("LD_PRELOAD", FAKETIME).env("FAKETIME", offset);
        let (code, steps) = json(late);
        assert_eq!(
            (code, outcome(&steps, "first ticket").0.as_str()),
            (Some(1), "ok"),
            "{steps:#?}"
        );
        assert_eq!(outcome(&steps, "own ticket").1, "clock-skew", "{offset}: {steps:#?}");
    }
}

/// A KDC that takes the connection and says nothing.
#[test]
fn a_kdc_that_hangs_is_given_up_in_time() {
    need!(Kdc);
    let kdc = Kdc::start(&[A]);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap().to_string();
    let conf = kdc.krb5_conf("");
    let hanging = conf.lines().map(|line| match line.trim_start().strip_prefix("kdc = ") {
        Some(_) => format!(" kdc = {at}\n"),
        None => format!("{line}\n"),
    });
    kdc.write("krb5.conf", &hanging.collect::<String>());
    let start = std::time::Instant::now();
    let (code, steps) = json(command(&kdc, &initiator(&kdc.keytab(A), &["--timeout", "1"])));
    assert_eq!(code, Some(1));
    failed(&steps, "first ticket", "deadline", "has not answered");
    assert!(start.elapsed().as_secs() < 8, "{:?}", start.elapsed());
}
