//! IKEv2 by certificate with strongSwan: every kind of key and of signature, in both roles.

use handfast_tests::connection::Connection;
use handfast_tests::meeting::Meeting;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::pki::Pki;

const IKE: &str = "aes128gcm16-prfsha256-x25519";
const ESP: &str = "aes128gcm16";

/// Keys on both sides, a line of ours, and what charon calls our signature and its own.
type Case = (&'static str, &'static str, &'static str, &'static str);

/// A tunnel for each case, between certificates of one CA.
fn tunnels(pki: &Pki, cases: &[Case], theirs: &dyn Fn(Connection, &str) -> Connection) -> Vec<Connection> {
    let tunnel = |(case, n): (&Case, u8)| {
        let (kind, line, _, own) = case;
        let tunnel = Connection::nth(n, IKE, ESP);
        let host = |side: &str, id: &str| {
            // Large keys take long to make.
            let first = cases.iter().zip(3..).find(|(other, _)| other.0 == *kind);
            if let Some((_, first)) = first.filter(|(_, first)| *first < n) {
                pki.same_key(&format!("{side}{n}"), &format!("{side}{first}"));
            }
            pki.host(&format!("{side}{n}"), kind, "ca", id)
        };
        let (local, remote) = (host("a", &tunnel.local.id), host("b", &tunnel.remote.id));
        let tunnel = tunnel.proven(local, remote, pki.crt("ca"));
        theirs(if line.is_empty() { tunnel } else { tunnel.with(line) }, own)
    };
    cases.iter().zip(3..).map(tunnel).collect()
}

/// All in both roles, signed as the cases say.
fn signed(meeting: &Meeting, tunnels: &[Connection], cases: &[Case]) {
    for (tunnel, (_, _, ours, theirs)) in tunnels.iter().zip(cases) {
        meeting.both_roles(tunnel);
        meeting.assert_signed(&tunnel.local.id, false, ours, 2);
        meeting.assert_signed(&tunnel.remote.id, true, theirs, 2);
    }
}

/// Method 14 (RFC 7427). Where the CA's key is of another kind than the host's, strongSwan must be told how to sign.
#[test]
fn digital_signatures_of_every_kind() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let cases: [Case; 10] = [
        (
            "rsa2048",
            "",
            "RSA_EMSA_PSS_SHA2_256_SALT_32",
            "RSA_EMSA_PSS_SHA2_256_SALT_32",
        ),
        (
            "rsa3072",
            "",
            "RSA_EMSA_PSS_SHA2_256_SALT_32",
            "RSA_EMSA_PSS_SHA2_384_SALT_48",
        ),
        (
            "rsa4096",
            "",
            "RSA_EMSA_PSS_SHA2_256_SALT_32",
            "RSA_EMSA_PSS_SHA2_512_SALT_64",
        ),
        (
            "rsa2048",
            "rsa_pss = false",
            "RSA_EMSA_PKCS1_SHA2_256",
            "RSA_EMSA_PKCS1_SHA2_256",
        ),
        (
            "rsa3072",
            "rsa_pss = false",
            "RSA_EMSA_PKCS1_SHA2_256",
            "RSA_EMSA_PKCS1_SHA2_384",
        ),
        (
            "rsa4096",
            "rsa_pss = false",
            "RSA_EMSA_PKCS1_SHA2_256",
            "RSA_EMSA_PKCS1_SHA2_512",
        ),
        ("p256", "", "ECDSA_WITH_SHA256_DER", "ECDSA_WITH_SHA256_DER"),
        ("p384", "", "ECDSA_WITH_SHA384_DER", "ECDSA_WITH_SHA384_DER"),
        ("p521", "", "ECDSA_WITH_SHA512_DER", "ECDSA_WITH_SHA512_DER"),
        ("ed25519", "", "ED25519", "ED25519"),
    ];
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    pki.root("ca", "p256");
    let tunnels = tunnels(&pki, &cases, &|tunnel, own| match own.split_once("_SHA2_") {
        Some(("RSA_EMSA_PSS", hash)) => tunnel.with_swanctl_local(&format!("auth = ike:rsa/pss-sha{}", &hash[..3])),
        Some((_, hash)) => tunnel.with_swanctl_local(&format!("auth = ike:rsa-sha{hash}")),
        None => tunnel,
    });
    let meeting = Meeting::of(&lab, &a, &b, &tunnels, &[]);
    signed(&meeting, &tunnels, &cases);
    meeting.judged().assert_methods(&[(14, 4 * cases.len())]);
}

/// A peer that does not know RFC 7427: methods 9 to 11 (RFC 4754), and RSA with SHA-1 where its owner allows that.
#[test]
fn the_methods_of_old() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let cases: [Case; 4] = [
        ("p256", "", "ECDSA-256 signature", "ECDSA-256 signature"),
        ("p384", "", "ECDSA-384 signature", "ECDSA-384 signature"),
        ("p521", "", "ECDSA-521 signature", "ECDSA-521 signature"),
        ("rsa2048", "sha1 = true", "RSA signature", "RSA signature"),
    ];
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    pki.root("ca", "rsa2048");
    let mut tunnels = tunnels(&pki, &cases, &|tunnel, _| tunnel);
    // The same keys, and nobody has allowed SHA-1.
    let mut silent = Connection::nth(9, IKE, ESP).proven(
        tunnels[3].local.proof.clone(),
        tunnels[3].remote.proof.clone(),
        pki.crt("ca"),
    );
    (silent.local.id, silent.remote.id) = (tunnels[3].local.id.clone(), tunnels[3].remote.id.clone());
    tunnels.push(silent);
    let meeting = Meeting::of(&lab, &a, &b, &tunnels, &["signature_authentication = no"]);
    signed(&meeting, &tunnels, &cases);
    let silent = &tunnels[4];
    let out = meeting.ours.try_up(&silent.name);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("leaves RSA with SHA-1 only"), "{said}");
    assert!(!meeting.theirs.try_initiate(&silent.name, 5));
    let log = meeting.ours.log();
    assert!(log.contains("that hash is not allowed here"), "{log}");
    let judged = meeting.judged();
    assert_eq!(judged.count("isakmp.notify.msgtype == 24"), 1);
    // The last one's is the peer's, which is not accepted.
    judged.assert_methods(&[(9, 4), (10, 4), (11, 4), (1, 5)]);
}
