//! The configuration is read again, and SAs are replaced by hand, while packets flow.

use std::thread::scope;
use std::time::Duration;

use handfast_tests::capture::Capture;
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::tshark::judge_dir;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);
const IKE: &str = "aes128gcm16-prfsha256-x25519";
const ESP: &str = "aes128gcm16";

/// SPIs of the IKE SA and of the inbound child.
fn spis(host: &Handfast, name: &str) -> Option<(Value, Value)> {
    let sas = host.sas(name);
    let sa = sas.first()?;
    Some((sa["spi_i"].clone(), sa["children"][0]["spi_in"].clone()))
}

#[test]
fn a_reload_changes_one_tunnel_and_the_other_loses_no_packet() {
    need!(Namespaces, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let (changed, kept) = (Connection::new(IKE, ESP), Connection::nth(3, IKE, ESP));
    lab.add(&a, &b, &kept);
    let file = |c: &Connection| format!("{}\n{}", c.toml(), kept.toml());
    let other = |c: &Connection| format!("{}\n{}", c.flipped().toml(), kept.flipped().toml());
    let now = changed.clone().with("start = \"now\"");
    let capture = Capture::start(&lab, &a, &b);
    let left = Handfast::start(&lab, &a, &file(&now));
    let right = Handfast::start(&lab, &b, &other(&changed));
    left.wait_up("office", Duration::from_secs(30));
    left.up("t3");
    let logs = || format!("left:\n{}\nright:\n{}", left.log(), right.log());
    let (office, t3) = (spis(&left, "office"), spis(&left, "t3"));

    let mut fresh = now.clone();
    fresh.secret = "another secret that nobody sees".into();
    fresh.esp = "aes256gcm16".into();
    let mut peer = changed.clone();
    (peer.secret, peer.esp) = (fresh.secret.clone(), fresh.esp.clone());
    let received = scope(|scope| {
        let pings = scope.spawn(|| a.ping(&kept.local.host, &kept.remote.host, 500, "0.01"));
        // What it would do first, and nothing is done.
        left.configure(&file(&fresh));
        let (code, out, err) = left.reload(&["--dry-run"]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        for part in [
            "office: changed, reconnects",
            "secret changed",
            "aes128gcm16 -> aes256gcm16",
            "Nothing was done yet",
        ] {
            assert!(out.contains(part), "no {part:?} in {out}");
        }
        assert!(
            !out.contains("t3") && !out.contains("0123456789") && !out.contains("nobody sees"),
            "{out}"
        );
        assert_eq!(spis(&left, "office"), office);
        // One side by its command line, the other by the signal.
        right.configure(&other(&peer));
        right.hang_up();
        let (code, out, err) = left.reload(&["--json"]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        let answer: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"));
        assert_eq!(answer["changes"]["connections"][0]["effect"], "reconnect");
        left.wait("office is up anew", SOON, |left| {
            left.sas("office")
                .iter()
                .any(|sa| sa["children"][0]["proposal"] == "aes256gcm16")
        });
        // Settings that need no negotiation, and a second tunnel's end that changes nothing at all.
        let calm = fresh.clone().with("liveness = \"1m\"");
        let before = spis(&left, "office");
        left.configure(&file(&calm));
        left.hang_up();
        left.wait("it was read", SOON, |left| left.log().contains("keys=\"liveness\""));
        assert_eq!(spis(&left, "office"), before, "{}", logs());
        // Mistakes are told, all of them, and change nothing.
        left.configure(&file(&calm.clone().with("livenes = \"1m\"").with("rekey = 5")));
        let (code, out, err) = left.reload(&[]);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(
            err.contains("did you mean liveness?") && err.contains("rekey is a number"),
            "{err}"
        );
        assert!(err.contains("nothing was changed"), "{err}");
        assert_eq!(spis(&left, "office"), before);
        pings.join().expect("the pings run")
    });
    assert_eq!(received, 500, "{}", logs());
    assert_eq!(spis(&left, "t3"), t3, "{}", logs());
    assert_eq!(
        a.ping(&fresh.local.host, &fresh.remote.host, 20, "0.01"),
        20,
        "{}",
        logs()
    );
    assert!(!logs().contains("nobody sees") && !logs().contains("0123456789abcdef"));
    // Gone from the file: deleted with the peer, who is told.
    left.configure(&kept.toml());
    assert_eq!(left.reload(&[]).0, Some(0));
    right.wait_down("office", SOON);
    assert_eq!(spis(&left, "t3"), t3);
    let capture = capture.stop();
    judge_dir(&capture, &left.keylog_dir()).assert_good();
}

/// Both sides explain it, in the status as in the answer to `up`, and it is over once it is mended.
#[test]
fn a_wrong_secret_is_explained_by_both_sides_until_a_reload_mends_it() {
    need!(Namespaces);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(IKE, ESP);
    let mut mistyped = connection.flipped();
    mistyped.secret = "0123456789abcdeg".into();
    let left = Handfast::start(&lab, &a, &connection.toml());
    let right = Handfast::start(&lab, &b, &mistyped.toml());
    let out = left.try_up("office");
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    for part in [
        "it says AUTHENTICATION_FAILED",
        "likely the secrets differ",
        "handfast.toml:6 (secret)",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    let (here, there) = (left.status(), right.status());
    let (here, there) = (&here["refusals"][0], &there["refusals"][0]);
    assert_eq!(
        (&here["by"], &here["told"]),
        (&"peer".into(), &"AUTHENTICATION_FAILED".into())
    );
    assert_eq!(
        (&there["by"], &there["cause"]),
        (&"us".into(), &"authentication".into())
    );
    assert_eq!(there["offered"][0], "a.test by preshared key");
    for side in [here, there] {
        assert_eq!(side["connection"], "office", "{side}");
        assert!(
            side["look_at"]
                .as_str()
                .is_some_and(|at| at.ends_with("handfast.toml:6 (secret)")),
            "{side}"
        );
    }
    let table = String::from_utf8_lossy(&right.table().stdout).into_owned();
    assert!(
        table.contains("Refused lately") && table.contains("we refuse"),
        "{table}"
    );
    // Mended where it is wrong; the other side tries again by itself.
    right.configure(&connection.flipped().toml());
    let (code, text, _) = right.reload(&[]);
    assert!(code == Some(0) && text.contains("secret changed"), "{text}");
    left.wait_up("office", SOON);
    for host in [&left, &right] {
        host.wait("nothing is refused any more", SOON, |host| {
            host.status()["refusals"].as_array().is_some_and(Vec::is_empty)
        });
        assert!(!host.log().contains("0123456789abcde"), "{}", host.log());
    }
}

#[test]
fn rekeys_by_hand_lose_no_packet() {
    need!(Namespaces, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(IKE, ESP);
    let capture = Capture::start(&lab, &a, &b);
    let left = Handfast::start(&lab, &a, &connection.toml());
    let right = Handfast::start(&lab, &b, &connection.flipped().toml());
    left.up("office");
    right.wait_up("office", SOON);
    let received = scope(|scope| {
        let pings = scope.spawn(|| a.ping("10.78.1.1", "10.78.2.1", 400, "0.01"));
        for (host, ike) in [(&left, false), (&right, true), (&left, true), (&right, false)] {
            let before = spis(host, "office").expect("it is up");
            host.rekey("office", ike);
            // The answer comes when it is done: the status shows it at once.
            let sas = host.sas("office");
            let fresh = sas.iter().any(|sa| {
                if ike {
                    sa["spi_i"] != before.0
                } else {
                    let children = sa["children"].as_array().cloned().unwrap_or_default();
                    children
                        .iter()
                        .any(|c| c["state"] == "installed" && c["spi_in"] != before.1)
                }
            });
            assert!(fresh, "{before:?} {sas:#?}");
            std::thread::sleep(Duration::from_millis(300));
        }
        pings.join().expect("the pings run")
    });
    assert_eq!(received, 400, "left:\n{}\nright:\n{}", left.log(), right.log());
    let out = left.try_rekey("offce", false);
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(1) && err.contains("not up"), "{err}");
    let capture = capture.stop();
    judge_dir(&capture, &left.keylog_dir()).assert_good();
}
