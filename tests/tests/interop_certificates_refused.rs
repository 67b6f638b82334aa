//! Certificates that are refused, in both roles with strongSwan: the owner reads why, the peer hears
//! AUTHENTICATION_FAILED and nothing else.

use std::time::Duration;

use handfast_tests::connection::Connection;
use handfast_tests::meeting::Meeting;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::pki::{Pki, Wish};

const IKE: &str = "aes128gcm16-prfsha256-x25519";
const ESP: &str = "aes128gcm16";
const USAGE: &str = "keyUsage=critical,digitalSignature";

/// What is wrong with a certificate: who issued it, its days and extensions; and what our log says of it.
struct Case {
    issuer: &'static str,
    days: (i32, i32),
    extensions: &'static str,
    reason: &'static str,
}

impl Case {
    const fn new(reason: &'static str) -> Self {
        Self {
            issuer: "ca",
            days: (-1, 20),
            extensions: USAGE,
            reason,
        }
    }
}

const CASES: [Case; 6] = [
    Case {
        days: (-20, -2),
        ..Case::new("\"C=XX, O=Example, CN=b3\": it expired on 20")
    },
    Case {
        days: (2, 20),
        ..Case::new("\"C=XX, O=Example, CN=b4\": it is not valid before 20")
    },
    Case {
        issuer: "other",
        ..Case::new("no trusted CA and no certificate that was sent is its issuer \"C=XX, O=Example, CN=other\"")
    },
    // Another CA that calls itself as ours.
    Case {
        issuer: "forged",
        ..Case::new("\"C=XX, O=Example, CN=b6\": its signature is not of ")
    },
    Case {
        extensions: "keyUsage=critical,keyAgreement",
        ..Case::new("its key usage has neither digitalSignature nor nonRepudiation")
    },
    Case {
        extensions: "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth",
        ..Case::new("it is made for serverAuth and not for IKE")
    },
];

fn cas(pki: &Pki) {
    for ca in ["ca", "other"] {
        pki.root(ca, "p256");
    }
    pki.root_named("forged", "p256", "/C=XX/O=Example/CN=ca");
}

/// A certificate with what is wrong, for this name.
fn bad(pki: &Pki, stem: &str, case: &Case, name: &str) {
    let wish = Wish {
        names: &format!("DNS:{name}"),
        extensions: case.extensions,
        days: case.days,
        ..Wish::default()
    };
    pki.issue(stem, "p256", case.issuer, &wish);
}

/// Nothing but AUTHENTICATION_FAILED went to anybody, this often, with nothing in it.
fn terse(meeting: Meeting, times: usize) {
    let judged = meeting.judged_ike();
    assert_eq!(judged.count("isakmp.notify.msgtype == 24"), times);
    // The payload's own header and four octets.
    assert_eq!(
        judged.count("isakmp.notify.msgtype == 24 && isakmp.payloadlength == 8"),
        times
    );
    assert_eq!(
        judged.count("isakmp.notify.msgtype < 16384 && isakmp.notify.msgtype != 24"),
        0
    );
}

#[test]
fn the_peers_bad_certificates() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    cas(&pki);
    let mut tunnels = Vec::new();
    for (case, n) in CASES.iter().zip(3..) {
        let tunnel = Connection::nth(n, IKE, ESP);
        let local = pki.host(&format!("a{n}"), "p256", "ca", &tunnel.local.id);
        let stem = format!("b{n}");
        bad(&pki, &stem, case, &tunnel.remote.id);
        tunnels.push(tunnel.proven(local, pki.proof(&[&stem]), pki.crt("ca")));
    }
    let meeting = Meeting::of(&lab, &a, &b, &tunnels, &[]);
    for (tunnel, case) in tunnels.iter().zip(&CASES) {
        let out = meeting.ours.try_up(&tunnel.name);
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{said}");
        let sees = |text: &str| text.contains(case.reason) && text.contains("(ca)");
        assert!(sees(&said), "no {:?} in {said}", case.reason);
        meeting.ours.down(&tunnel.name);
        let before = meeting.ours.log().matches(case.reason).count();
        assert!(before > 0, "{}", meeting.ours.log());
        assert!(!meeting.theirs.try_initiate(&tunnel.name, 5));
        // The answer leaves before the log is written.
        meeting
            .ours
            .wait("the refusal in the log", Duration::from_secs(5), |ours| {
                ours.log().matches(case.reason).count() > before
            });
        let status = meeting.ours.status();
        let refusals = status["refusals"].as_array().cloned().unwrap_or_default();
        let ours = refusals.iter().find(|refusal| refusal["connection"] == *tunnel.name);
        let ours = ours.unwrap_or_else(|| panic!("{status:#}"));
        assert!(
            ours["by"] == "us" && ours["why"].as_str().is_some_and(|why| why.contains(case.reason)),
            "{ours:#}"
        );
    }
    terse(meeting, 2 * CASES.len());
}

/// What the peer refuses of ours: it says no more than we would.
#[test]
fn our_bad_certificates() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    cas(&pki);
    let mut tunnels = Vec::new();
    // An expired one, and that of an unknown CA.
    for (n, case) in [(3, &CASES[0]), (4, &CASES[2])] {
        let tunnel = Connection::nth(n, IKE, ESP);
        let remote = pki.host(&format!("b{n}"), "p256", "ca", &tunnel.remote.id);
        let stem = format!("a{n}");
        bad(&pki, &stem, case, &tunnel.local.id);
        tunnels.push(tunnel.proven(pki.proof(&[&stem]), remote, pki.crt("ca")));
    }
    let meeting = Meeting::of(&lab, &a, &b, &tunnels, &[]);
    // Its owner is told before any peer is.
    let log = meeting.ours.log();
    assert!(
        log.contains("our certificate \\\"C=XX, O=Example, CN=a3\\\" expired on 20")
            || log.contains("our certificate \"C=XX, O=Example, CN=a3\" expired on 20"),
        "{log}"
    );
    for tunnel in &tunnels {
        let out = meeting.ours.try_up(&tunnel.name);
        let said = String::from_utf8_lossy(&out.stderr);
        for part in [
            "it says AUTHENTICATION_FAILED",
            "does not trust our certificate",
            "(certificate)",
        ] {
            assert!(said.contains(part), "no {part:?} in {said}");
        }
        meeting.ours.down(&tunnel.name);
        assert!(!meeting.theirs.try_initiate(&tunnel.name, 5));
    }
    terse(meeting, 2 * tunnels.len());
}

/// A good certificate of another: of a name that we do not look for, and one that does not have the name it is sent with.
#[test]
fn the_certificate_of_another() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    cas(&pki);
    let mut tunnels = Vec::new();
    for n in [3, 4] {
        let mut tunnel = Connection::nth(n, IKE, ESP);
        let local = pki.host(&format!("a{n}"), "p256", "ca", &tunnel.local.id);
        let remote = pki.host(&format!("b{n}"), "p256", "ca", "mallory.test");
        if n == 4 {
            // strongSwan takes the identifier of the key for a name of the certificate.
            let text = pki
                .openssl()
                .run(&format!("x509 -in b{n}.crt -noout -ext subjectKeyIdentifier"));
            let id: String = text
                .lines()
                .nth(1)
                .unwrap_or_default()
                .chars()
                .filter(char::is_ascii_hexdigit)
                .collect();
            tunnel.remote.id = format!("keyid:0x{}", id.to_lowercase());
            tunnel.remote.swanctl_id = format!("\"@#{id}\"");
        }
        tunnels.push(tunnel.proven(local, remote, pki.crt("ca")));
    }
    // We look for nobody by name, so the peer has no reason to refuse us first.
    tunnels[0].remote.id = "*.example".into();
    tunnels[0].remote.swanctl_id = "mallory.test".into();
    let meeting = Meeting::of(&lab, &a, &b, &tunnels, &[]);
    for (tunnel, reason) in tunnels.iter().zip([
        "mallory.test",
        "certificate \"C=XX, O=Example, CN=b4\" is not of key ID \"keyid:0x",
    ]) {
        let out = meeting.ours.try_up(&tunnel.name);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() == Some(1) && said.contains(reason), "{said}");
        meeting.ours.down(&tunnel.name);
        let before = meeting.ours.log().matches(reason).count();
        assert!(!meeting.theirs.try_initiate(&tunnel.name, 5));
        let log = meeting.ours.log();
        assert!(log.matches(reason).count() > before, "no {reason:?} in {log}");
    }
    terse(meeting, 4);
}
