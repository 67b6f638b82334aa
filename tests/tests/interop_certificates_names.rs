//! Whom a certificate is of: every type of identity with strongSwan, and sides that prove themselves in different ways.

use handfast_tests::connection::Connection;
use handfast_tests::meeting::Meeting;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::pki::{Pki, Wish};
use handfast_tests::proof::Proof;

const IKE: &str = "aes128gcm16-prfsha256-x25519";
const ESP: &str = "aes128gcm16";

/// A name as our configuration has it, as strongSwan's has it, as an extension of the certificate and its subject.
type Name = (&'static str, &'static str, &'static str, &'static str);

const SUBJECT: &str = "/C=XX/O=Example/CN=host";

/// Each row: our name, the peer's, and how our configuration calls the peer.
const NAMES: [(Name, Name, &str); 6] = [
    (
        ("a.example.net", "a.example.net", "DNS:a.example.net", SUBJECT),
        (
            "b.example.net",
            "b.example.net",
            "DNS:x.example.net,DNS:b.example.net",
            SUBJECT,
        ),
        "b.example.net",
    ),
    (
        (
            "carol@example.net",
            "carol@example.net",
            "email:carol@example.net",
            SUBJECT,
        ),
        (
            "dave@example.net",
            "dave@example.net",
            "email:dave@example.net",
            SUBJECT,
        ),
        "*@example.net",
    ),
    (
        ("192.0.2.77", "192.0.2.77", "IP:192.0.2.77", SUBJECT),
        ("192.0.2.78", "192.0.2.78", "IP:192.0.2.78", SUBJECT),
        "192.0.2.78",
    ),
    (
        ("2001:db8::77", "2001:db8::77", "IP:2001:db8::77", SUBJECT),
        ("2001:db8::78", "2001:db8::78", "IP:2001:db8::78", SUBJECT),
        "2001:db8::78",
    ),
    (
        (
            "C=XX, O=Example, CN=gw-a",
            "\"C=XX, O=Example, CN=gw-a\"",
            "",
            "/C=XX/O=Example/CN=gw-a",
        ),
        (
            "C=XX, O=Example, CN=gw-b",
            "\"C=XX, O=Example, CN=gw-b\"",
            "",
            "/C=XX/O=Example/CN=gw-b",
        ),
        "C=XX, O=Example, CN=gw-b",
    ),
    (
        (
            "dn:C=XX, O=Example, OU=x, CN=a",
            "\"C=XX, O=Example, OU=x, CN=a\"",
            "DNS:z.test",
            "/C=XX/O=Example/OU=x/CN=a",
        ),
        (
            "dn:C=XX, O=Example, OU=y, CN=b",
            "\"C=XX, O=Example, OU=y, CN=b\"",
            "DNS:z.test",
            "/C=XX/O=Example/OU=y/CN=b",
        ),
        "C=XX, O=Example, OU=*, CN=*",
    ),
];

#[test]
fn identities_of_every_type() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    pki.root("ca", "p256");
    let mut tunnels = Vec::new();
    for ((ours, theirs, pattern), n) in NAMES.into_iter().zip(3..) {
        for (side, name) in [("a", ours), ("b", theirs)] {
            let wish = Wish {
                names: name.2,
                subject: name.3,
                ..Wish::default()
            };
            pki.issue(&format!("{side}{n}"), "p256", "ca", &wish);
        }
        let proofs = ["a", "b"].map(|side| pki.proof(&[&format!("{side}{n}")]));
        let [local, remote] = proofs;
        let mut tunnel = Connection::nth(n, IKE, ESP).proven(local, remote, pki.crt("ca"));
        (tunnel.local.id, tunnel.remote.id) = (ours.0.into(), pattern.into());
        (tunnel.local.swanctl_id, tunnel.remote.swanctl_id) = (ours.1.into(), theirs.1.into());
        tunnels.push(tunnel);
    }
    let meeting = Meeting::of(&lab, &a, &b, &tunnels, &[]);
    for tunnel in &tunnels {
        meeting.both_roles(tunnel);
        let id = tunnel.local.swanctl_id.trim_matches('"');
        meeting.assert_signed(id, false, "ECDSA_WITH_SHA256_DER", 2);
    }
    meeting.judged();
}

/// The gateway has a certificate, the client a secret; we are the one, then the other, and begin or not.
#[test]
fn a_certificate_on_one_side_and_a_secret_on_the_other() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    pki.root("ca", "rsa2048");
    let mut tunnels = Vec::new();
    for (n, ours) in [(3, true), (4, false)] {
        let mut tunnel = Connection::nth(n, IKE, ESP);
        let id = if ours { &tunnel.local.id } else { &tunnel.remote.id };
        let certified = pki.host(&format!("gw{n}"), "rsa2048", "ca", &id.clone());
        if ours {
            tunnel.local.proof = certified;
            tunnel.remote.trusts = vec![pki.crt("ca")];
        } else {
            tunnel.remote.proof = certified;
            tunnel.local.trusts = vec![pki.crt("ca")];
        }
        tunnels.push(tunnel);
    }
    let meeting = Meeting::of(&lab, &a, &b, &tunnels, &[]);
    for tunnel in &tunnels {
        meeting.both_roles(tunnel);
        let ours = tunnel.local.proof != Proof::Psk;
        let (psk, rsa) = ("pre-shared key", "RSA_EMSA_PKCS1_SHA2_256");
        let pss = "RSA_EMSA_PSS_SHA2_256_SALT_32";
        let (here, there) = if ours { (pss, psk) } else { (psk, rsa) };
        meeting.assert_signed(&tunnel.local.id, false, here, 2);
        meeting.assert_signed(&tunnel.remote.id, true, there, 2);
    }
    meeting.judged().assert_methods(&[(2, 4), (14, 4)]);
}
