//! Keys without certificates (RFC 7670), and what an OCSP responder says sent along (RFC 4806). strongSwan takes a raw key
//! that it was given, and sends none; no other peer of Debian's speaks either, so both are shown between two Handfasts,
//! with keys and answers that OpenSSL made.

use std::time::Duration;

use handfast_tests::capture::Capture;
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::meeting::{Judged, Meeting};
use handfast_tests::need;
use handfast_tests::netns::{Lab, Namespace};
use handfast_tests::pki::Pki;
use handfast_tests::proof::Proof;

const IKE: &str = "aes128gcm16-prfsha256-x25519";
const ESP: &str = "aes128gcm16";
const SOON: Duration = Duration::from_secs(10);

fn raw(pki: &Pki, stem: &str, kind: &str) -> Proof {
    pki.key(stem, kind);
    Proof::RawKey {
        public: pki.file(&format!("{stem}.pub")),
        key: pki.file(&format!("{stem}.key")),
    }
}

#[test]
fn raw_keys_with_strongswan() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    let mut tunnels = Vec::new();
    for (n, kind) in [(3, "rsa2048"), (4, "p256"), (5, "ed25519")] {
        let mut tunnel = Connection::nth(n, IKE, ESP);
        tunnel.local.proof = raw(&pki, &format!("a{n}"), kind);
        tunnel.remote.proof = raw(&pki, &format!("b{n}"), kind);
        tunnels.push(tunnel);
    }
    let meeting = Meeting::of(&lab, &a, &b, &tunnels, &[]);
    for tunnel in &tunnels {
        meeting.both_roles(tunnel);
    }
    let judged = meeting.judged_but_for_contents();
    judged.assert_methods(&[(14, 12)]);
    assert_eq!(
        judged.count("isakmp.cert.encoding"),
        judged.count("isakmp.cert.encoding == 15")
    );
    assert_eq!(judged.count("isakmp.cert.encoding == 15"), 6);
}

/// Two Handfasts that begin with each other, and what becomes of it.
fn two(
    lab: &Lab,
    a: &Namespace,
    b: &Namespace,
    tunnel: &Connection,
    theirs: &Connection,
) -> (Handfast, Handfast, bool) {
    let left = Handfast::start(lab, a, &tunnel.toml());
    let right = Handfast::start(lab, b, &theirs.toml());
    let up = left.try_up("office").status.success();
    if up {
        right.wait_up("office", SOON);
        assert_eq!(a.ping(&tunnel.local.host, &tunnel.remote.host, 10, "0.01"), 10);
    }
    (left, right, up)
}

#[test]
fn raw_keys_between_two_of_us() {
    need!(Namespaces, Tshark, Tcpdump, OpenSsl);
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    let mut tunnel = Connection::new(IKE, ESP);
    tunnel.local.proof = raw(&pki, "a", "p384");
    tunnel.remote.proof = raw(&pki, "b", "rsa2048");
    let capture = Capture::start(&lab, &a, &b);
    let (left, right, up) = two(&lab, &a, &b, &tunnel, &tunnel.flipped());
    assert!(up, "{}\n{}", left.log(), right.log());
    let sa = &left.sas("office")[0];
    assert_eq!(sa["auth"]["peer_certificate"]["subject"], "raw public key", "{sa:#}");
    let judged = Judged {
        file: capture.stop(),
        tables: left.keylog_dir(),
    };
    judged.assert_good_but_for_contents();
    // CERTREQs in one message of each side, the keys in another.
    assert_eq!(judged.count("isakmp.certreq.type == 15"), 2);
    assert_eq!(judged.count("isakmp.cert.encoding == 15"), 2);
    drop((left, right));
    // Another key than the one that is known.
    let mut other = tunnel.flipped();
    other.local.proof = raw(&pki, "c", "rsa2048");
    let (left, _right, up) = two(&lab, &a, &b, &tunnel, &other);
    let log = left.log();
    assert!(!up && log.contains("the peer's raw public key (RSA"), "{log}");
}

#[test]
fn an_ocsp_answer_sent_along() {
    need!(Namespaces, Tshark, Tcpdump, OpenSsl);
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    pki.root("ca", "p256");
    let tunnel = Connection::new(IKE, ESP);
    pki.host("a", "p256", "ca", &tunnel.local.id);
    pki.host("b", "p256", "ca", &tunnel.remote.id);
    pki.openssl().run("ocsp -index ca.index -CA ca.crt -rsigner ca.crt -rkey ca.key -issuer ca.crt -cert b.crt -ndays 1 -respout b.ocsp");
    pki.openssl().run("ocsp -index ca.index -CA ca.crt -rsigner ca.crt -rkey ca.key -issuer ca.crt -cert a.crt -ndays 1 -respout a.ocsp");
    // The CA tells whose answer it is, and goes to nobody.
    let tunnel = tunnel.proven(pki.proof(&["a", "ca"]), pki.proof(&["b", "ca"]), pki.crt("ca"));
    let strict = tunnel.clone().with("ocsp = \"require\"");
    let with = |tunnel: &Connection, stem: &str| {
        let file = pki.file(&format!("{stem}.ocsp"));
        tunnel.clone().with(&format!("ocsp_response = \"{}\"", file.display()))
    };
    let capture = Capture::start(&lab, &a, &b);
    let (left, right, up) = two(&lab, &a, &b, &with(&strict, "a"), &with(&strict.flipped(), "b"));
    assert!(up, "{}\n{}", left.log(), right.log());
    let judged = Judged {
        file: capture.stop(),
        tables: left.keylog_dir(),
    };
    judged.assert_good_but_for_contents();
    assert_eq!(judged.count("isakmp.certreq.type == 14"), 2);
    assert_eq!(judged.count("isakmp.cert.encoding == 14"), 2);
    drop((left, right));
    // One side has none, and the other insists, or not.
    let none = "no OCSP says whether it is revoked, and one is required";
    let (left, _right, up) = two(&lab, &a, &b, &with(&strict, "a"), &strict.flipped());
    assert!(!up && left.log().contains(none), "{}", left.log());
    drop((left, _right));
    let lenient = tunnel.clone().with("ocsp = \"try\"");
    let (left, right, up) = two(&lab, &a, &b, &with(&lenient, "a"), &strict.flipped());
    assert!(up, "{}\n{}", left.log(), right.log());
    drop((left, right));
    // An answer about another certificate is sent to nobody.
    let (left, right, up) = two(&lab, &a, &b, &with(&strict, "a"), &with(&strict.flipped(), "a"));
    assert!(!up && left.log().contains(none), "{}", left.log());
    assert!(right.log().contains("is about other certificates"), "{}", right.log());
}
