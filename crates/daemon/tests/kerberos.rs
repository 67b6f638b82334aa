//! `handfast kerberos check` where there is no KDC; with one: tests/tests/interop_kerberos_check.rs.
#![allow(clippy::unwrap_used)]

use std::process::Command;

/// Exit status, standard output, standard error.
fn check(options: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_handfast"))
        .args(["kerberos", "check"])
        .args(options)
        .env("KRB5_CONFIG", "/dev/null")
        .output()
        .unwrap();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn without_the_library_one_step_says_so() {
    let (code, out, err) = check(&["--library", "/nonexistent/libgssapi_krb5.so.2"]);
    assert_eq!((code, err.as_str()), (1, ""));
    assert!(
        out.starts_with("library        FAILED: the library /nonexistent/"),
        "{out}"
    );
    assert!(out.contains("install MIT Kerberos"), "{out}");
    // A library that is none.
    let (code, out, _) = check(&["--library", "libc.so.6", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["ok"]), (1, &false.into()));
    assert_eq!(answer["steps"][0]["kind"], "no-library");
    assert!(
        answer["steps"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("is not MIT's library"),
        "{out}"
    );
}

#[test]
fn wrong_usage_is_status_2() {
    for options in [
        &["--principal", "host/@R"][..],
        &["--target", "service:host"],
        &["--target", "host/b@R", "--as-responder"],
        &["--timeout", "0"],
        &["office"],
        &["office", "--config", "/nonexistent/handfast.toml"],
        &["office", "--config", "x", "--keytab", "y"],
    ] {
        let (code, out, err) = check(options);
        assert_eq!((code, out.as_str()), (2, ""), "{options:?}: {err}");
    }
    assert!(
        check(&["--principal", "host/@R"])
            .2
            .contains("a component of the principal is empty")
    );
}
