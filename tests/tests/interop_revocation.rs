//! CRLs and OCSP with strongSwan: good, revoked and unreachable, from a host that both daemons reach.

use handfast_tests::connection::Connection;
use handfast_tests::http::Http;
use handfast_tests::meeting::Meeting;
use handfast_tests::need;
use handfast_tests::netns::{Lab, Namespace};
use handfast_tests::pki::{Pki, Wish};
use handfast_tests::process::{Process, until};

use std::path::Path;
use std::time::Duration;

const IKE: &str = "aes128gcm16-prfsha256-x25519";
const ESP: &str = "aes128gcm16";
const USAGE: &str = "keyUsage=critical,digitalSignature";
const CRL: &str = "crlDistributionPoints=URI:http://10.70.0.1/ca.crl";
const OCSP: &str = "authorityInfoAccess=OCSP;URI:http://10.70.0.1:8080/";
const NO_CRL: &str = "crlDistributionPoints=URI:http://10.70.0.1:81/ca.crl";
const NO_OCSP: &str = "authorityInfoAccess=OCSP;URI:http://10.70.0.1:81/";
const OTHER: &str = "crlDistributionPoints=URI:http://10.70.0.1/other.crl";

/// Where the peer's certificate says to ask, whether it is revoked, our policy, and why we refuse it.
type Case = (&'static str, bool, &'static str, Option<&'static str>);

const REVOKED: Option<&str> = Some("it is revoked since 20");

const CASES: [Case; 12] = [
    (CRL, false, "crl = \"require\"", None),
    (CRL, true, "crl = \"require\"", REVOKED),
    (CRL, true, "crl = \"try\"", REVOKED),
    (CRL, true, "crl = \"off\"", None),
    (NO_CRL, false, "crl = \"try\"", None),
    (
        NO_CRL,
        false,
        "crl = \"require\"",
        Some("no CRL says whether it is revoked, and one is required"),
    ),
    (OCSP, false, "ocsp = \"require\"", None),
    (OCSP, true, "ocsp = \"require\"", REVOKED),
    (OCSP, true, "ocsp = \"try\"", REVOKED),
    (OCSP, true, "ocsp = \"off\"", None),
    (NO_OCSP, false, "ocsp = \"try\"", None),
    (
        NO_OCSP,
        false,
        "ocsp = \"require\"",
        Some("no OCSP says whether it is revoked, and one is required"),
    ),
];

/// A host that both reach, at 10.70.0.1, beside the wire between them.
fn third(lab: &mut Lab, a: &Namespace, b: &Namespace) -> Namespace {
    let w = lab.namespace("w");
    for (n, host) in [(1, a), (2, b)] {
        let (here, there) = (format!("10.70.{n}.1/24"), format!("10.70.{n}.254"));
        lab.wire(host, &[&here], &w, &[&format!("{there}/24")]);
        host.ip(&["route", "add", "10.70.0.1", "via", &there]);
    }
    w.own("10.70.0.1/32");
    w
}

/// OpenSSL as responder for this CA.
fn responder(lab: &Lab, pki: &Pki, w: &Namespace) -> Process {
    let mut command = w.command("openssl");
    command.args(["ocsp", "-port", "8080", "-ndays", "1"]);
    for (option, file) in [
        ("-index", "ca.index"),
        ("-CA", "ca.crt"),
        ("-rsigner", "ca.crt"),
        ("-rkey", "ca.key"),
    ] {
        command.arg(option).arg(pki.file(file));
    }
    let responder = Process::start("openssl ocsp", &command, &lab.dir().join("ocsp.log"));
    listens(w, 8080);
    responder
}

fn listens(w: &Namespace, port: u16) {
    let listening = || {
        let out = w.run("cat", &["/proc/net/tcp", "/proc/net/tcp6"]);
        out.lines()
            .any(|line| line.contains(&format!(":{port:04X} ")) && line.contains(" 0A "))
    };
    until("it listens", Duration::from_secs(10), listening);
}

#[test]
fn good_revoked_and_unreachable() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let (mut lab, a, b) = Lab::pair();
    let w = third(&mut lab, &a, &b);
    let pki = Pki::new(&lab);
    pki.root("ca", "p256");
    pki.root("other", "p256");
    let mut tunnels = Vec::new();
    for ((ask, revoked, policy, _), n) in CASES.iter().zip(3..) {
        let tunnel = Connection::nth(n, IKE, ESP);
        let local = pki.host(&format!("a{n}"), "p256", "ca", &tunnel.local.id);
        let stem = format!("b{n}");
        certified(&pki, &stem, "ca", &tunnel.remote.id, ask);
        if *revoked {
            pki.revoke(&stem, "ca");
        }
        let tunnel = tunnel.proven(local, pki.proof(&[&stem]), pki.crt("ca"));
        tunnels.push(tunnel.with(policy));
    }
    // Nobody whom we trust.
    let stranger = Connection::nth(30, IKE, ESP);
    let local = pki.host("a30", "p256", "ca", &stranger.local.id);
    certified(&pki, "b30", "other", &stranger.remote.id, OTHER);
    let stranger = stranger
        .proven(local, pki.proof(&["b30"]), pki.crt("ca"))
        .with("crl = \"require\"");
    tunnels.push(stranger.clone());
    let http = Http::start(&w, "10.70.0.1:80");
    http.put("/ca.crl", read(&pki.crl("ca")));
    http.put("/other.crl", read(&pki.crl("other")));
    let _responder = responder(&lab, &pki, &w);

    let meeting = Meeting::of(&lab, &a, &b, &tunnels, &[]);
    for (tunnel, (_, _, policy, reason)) in tunnels.iter().zip(CASES) {
        let Some(reason) = reason else {
            meeting.both_roles(tunnel);
            continue;
        };
        let out = meeting.ours.try_up(&tunnel.name);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(
            out.status.code() == Some(1) && said.contains(reason),
            "{policy}: {said}\n{}",
            meeting.logs()
        );
        meeting.ours.down(&tunnel.name);
        assert!(!meeting.theirs.try_initiate(&tunnel.name, 5), "{policy}");
        let status = meeting.ours.status();
        let refusals = status["refusals"].as_array().cloned().unwrap_or_default();
        let ours = refusals.iter().find(|refusal| refusal["connection"] == *tunnel.name);
        let why = ours.and_then(|refusal| refusal["why"].as_str()).unwrap_or_default();
        assert!(why.contains(reason), "{policy}: {why:?} {status:#}");
    }
    assert!(!meeting.ours.try_up(&stranger.name).status.success());
    let asked = http.asked();
    // strongSwan does not ask about itself: these are ours, and what came was kept.
    assert_eq!(asked, ["/ca.crl"], "{}", meeting.logs());
    let judged = meeting.judged();
    assert_eq!(
        judged.count("isakmp.notify.msgtype < 16384 && isakmp.notify.msgtype != 24"),
        0
    );
}

/// What the peer finds out about us, strict in both.
#[test]
fn our_own_revocation() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let (mut lab, a, b) = Lab::pair();
    let w = third(&mut lab, &a, &b);
    let pki = Pki::new(&lab);
    pki.root("ca", "p256");
    let mut tunnels = Vec::new();
    for (n, ask) in [(3, CRL), (4, OCSP), (5, CRL), (6, OCSP)] {
        let tunnel = Connection::nth(n, IKE, ESP);
        let stem = format!("a{n}");
        certified(&pki, &stem, "ca", &tunnel.local.id, ask);
        if n > 4 {
            pki.revoke(&stem, "ca");
        }
        let remote = pki.host(&format!("b{n}"), "p256", "ca", &tunnel.remote.id);
        let tunnel = tunnel.proven(pki.proof(&[&stem]), remote, pki.crt("ca"));
        tunnels.push(tunnel.with_swanctl_remote("revocation = strict"));
    }
    let http = Http::start(&w, "10.70.0.1:80");
    http.put("/ca.crl", read(&pki.crl("ca")));
    let _responder = responder(&lab, &pki, &w);
    let meeting = Meeting::of(&lab, &a, &b, &tunnels, &[]);
    let (good, revoked) = tunnels.split_at(2);
    for tunnel in good {
        meeting.both_roles(tunnel);
    }
    for tunnel in revoked {
        let out = meeting.ours.try_up(&tunnel.name);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(said.contains("it says AUTHENTICATION_FAILED"), "{said}");
        meeting.ours.down(&tunnel.name);
    }
    let log = meeting.theirs.log();
    for said in ["certificate status is good", "certificate was revoked"] {
        assert!(log.contains(said), "no {said:?} in {log}");
    }
    meeting.judged();
}

fn certified(pki: &Pki, stem: &str, issuer: &str, name: &str, ask: &str) {
    let wish = Wish {
        names: &format!("DNS:{name}"),
        extensions: &format!("{USAGE}\n{ask}"),
        ..Wish::default()
    };
    pki.issue(stem, "p256", issuer, &wish);
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The responder's host lies behind a tunnel that is up: what we ask it for the next one goes in the clear, as the peer is
/// no router.
#[test]
fn what_is_fetched_passes_by_our_own_tunnels() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let (mut lab, a, b) = Lab::pair();
    let w = third(&mut lab, &a, &b);
    let pki = Pki::new(&lab);
    pki.root("ca", "p256");
    let mut wide = Connection::nth(3, IKE, ESP);
    wide.remote.subnet = "10.70.0.0/24".into();
    // strongSwan wants to be part of its networks.
    b.own("10.70.0.9/32");
    let next = Connection::nth(4, IKE, ESP);
    let local = pki.host("a", "p256", "ca", &next.local.id);
    certified(&pki, "b", "ca", &next.remote.id, CRL);
    let next = next
        .proven(local, pki.proof(&["b"]), pki.crt("ca"))
        .with("crl = \"require\"");
    let http = Http::start(&w, "10.70.0.1:80");
    http.put("/ca.crl", read(&pki.crl("ca")));
    assert_eq!(a.ping("10.70.1.1", "10.70.0.1", 1, "0.01"), 1);
    let meeting = Meeting::of(&lab, &a, &b, &[wide.clone(), next.clone()], &[]);
    meeting.ours.up(&wide.name);
    let into_tunnel = |meeting: &Meeting| meeting.ours.sas(&wide.name)[0]["children"][0]["packets_out"].as_u64();
    let before = into_tunnel(&meeting);
    assert_eq!(a.ping(&wide.local.host, "10.70.0.1", 2, "0.01"), 0);
    let between = into_tunnel(&meeting);
    assert!(between > before, "{:#}", meeting.ours.status());
    meeting.we_begin(&next);
    assert_eq!(http.asked(), ["/ca.crl"], "{}", meeting.logs());
    assert_eq!(into_tunnel(&meeting), between, "{:#}", meeting.ours.status());
    meeting.judged();
}
