//! IKEv2 with strongSwan, with CAs between the host and the root, with several CAs, and with chains that are larger than a
//! datagram.

use std::slice;

use handfast_tests::connection::Connection;
use handfast_tests::meeting::Meeting;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::pki::Pki;
use handfast_tests::proof::Proof;

const IKE: &str = "aes128gcm16-prfsha256-x25519";
const ESP: &str = "aes128gcm16";

/// Either side sends what is between its certificate and the root; the other knows the root only.
#[test]
fn intermediates_sent_by_either() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    pki.root("root", "p384");
    for side in ["ours", "theirs"] {
        pki.intermediate(&format!("{side}-upper"), "p256", "root");
        pki.intermediate(&format!("{side}-lower"), "rsa2048", &format!("{side}-upper"));
    }
    let tunnel = Connection::new(IKE, ESP);
    pki.host("a", "p256", "ours-lower", &tunnel.local.id);
    pki.host("b", "p256", "theirs-lower", &tunnel.remote.id);
    let tunnel = tunnel.proven(
        pki.proof(&["a", "ours-lower", "ours-upper"]),
        pki.proof(&["b", "theirs-lower", "theirs-upper"]),
        pki.crt("root"),
    );
    // It looks for a signature as strong as the chain's, RSA's, unless it is told.
    let tunnel = tunnel.with_swanctl_local("auth = ike:ecdsa-sha256");
    let meeting = Meeting::of(&lab, &a, &b, slice::from_ref(&tunnel), &[]);
    meeting.both_roles(&tunnel);
    let log = meeting.theirs.log();
    for said in [
        "received issuer cert \"C=XX, O=Example, CN=ours-lower\"",
        "received issuer cert \"C=XX, O=Example, CN=ours-upper\"",
        "sending issuer cert \"C=XX, O=Example, CN=theirs-lower\"",
        "sending issuer cert \"C=XX, O=Example, CN=theirs-upper\"",
        "using untrusted intermediate certificate \"C=XX, O=Example, CN=ours-upper\"",
    ] {
        assert_eq!(log.matches(said).count(), 2, "{said}\n{log}");
    }
    let judged = meeting.judged();
    // Four messages of three certificates, and the roots are not among them.
    assert_eq!(judged.count("isakmp.cert.encoding == 4"), 4);
}

/// Without what is between, nobody is believed, and we say what is missing.
#[test]
fn a_chain_with_a_gap_is_refused() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    pki.root("root", "p256");
    pki.intermediate("middle", "p256", "root");
    let tunnel = Connection::new(IKE, ESP);
    let local = pki.host("a", "p256", "root", &tunnel.local.id);
    let remote = pki.host("b", "p256", "middle", &tunnel.remote.id);
    let tunnel = tunnel.proven(local, remote, pki.crt("root"));
    let meeting = Meeting::of(&lab, &a, &b, slice::from_ref(&tunnel), &[]);
    let out = meeting.ours.try_up("office");
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("middle"), "{said}");
    assert!(!meeting.theirs.try_initiate("office", 5));
    assert!(
        meeting.theirs.log().contains("received AUTHENTICATION_FAILED"),
        "{}",
        meeting.logs()
    );
    meeting.judged_ike();
}

/// Each side has two certificates, and uses that of the CA which the other asks for.
#[test]
fn requests_choose_between_two_cas() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    let tunnel = Connection::new(IKE, ESP);
    for ca in ["one", "two"] {
        pki.root(ca, "p256");
        pki.host(&format!("a-{ca}"), "p256", ca, &tunnel.local.id);
        pki.host(&format!("b-{ca}"), "p256", ca, &tunnel.remote.id);
    }
    let both = |side: &str| {
        // The roots go to nobody; they tell whose hash is whose.
        let of = |ca: &str| pki.credential(&[&format!("{side}-{ca}"), ca]);
        Proof::Certificates(vec![of("one"), of("two")])
    };
    let single = |side: &str| pki.proof(&[&format!("{side}-one")]);
    for wanted in ["one", "two"] {
        // Whoever has two, the other trusts one CA only.
        let ours = tunnel.clone().proven(both("a"), single("b"), pki.crt("one"));
        let theirs = tunnel.clone().proven(single("a"), both("b"), pki.crt("one"));
        for (mut tunnel, we_have_two) in [(ours, true), (theirs, false)] {
            let trusts = if we_have_two {
                &mut tunnel.remote.trusts
            } else {
                &mut tunnel.local.trusts
            };
            *trusts = vec![pki.crt(wanted)];
            let meeting = Meeting::of(&lab, &a, &b, slice::from_ref(&tunnel), &[]);
            for begin in [Meeting::we_begin, Meeting::they_begin] {
                begin(&meeting, &tunnel);
                let sa = &meeting.ours.sas("office")[0];
                let anchor = if we_have_two { "one" } else { wanted };
                let anchor = format!("C=XX, O=Example, CN={anchor}");
                assert_eq!(sa["auth"]["peer_certificate"]["anchor"], anchor, "{sa:#}");
                meeting.end(&tunnel);
            }
            let sent = if we_have_two {
                format!("received end entity cert \"C=XX, O=Example, CN=a-{wanted}\"")
            } else {
                format!("sending end entity cert \"C=XX, O=Example, CN=b-{wanted}\"")
            };
            let log = meeting.theirs.log();
            assert!(log.contains(&sent), "{sent}\n{log}");
            meeting.judged();
        }
    }
}

/// RSA with 4096 bits and two CAs between, in IKE fragments and in fragments of IP.
#[test]
fn large_chains_in_fragments() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, OpenSsl);
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    pki.root("root", "rsa4096");
    pki.intermediate("upper", "rsa4096", "root");
    pki.same_key("lower", "root");
    pki.intermediate("lower", "rsa4096", "upper");
    let tunnel = Connection::new(IKE, ESP);
    pki.host("a", "rsa4096", "lower", &tunnel.local.id);
    pki.same_key("b", "upper");
    pki.host("b", "rsa4096", "lower", &tunnel.remote.id);
    let tunnel = tunnel.proven(
        pki.proof(&["a", "lower", "upper"]),
        pki.proof(&["b", "lower", "upper"]),
        pki.crt("root"),
    );
    for size in ["600", "1280"] {
        let tunnel = tunnel.clone().with(&format!("fragment_size = {size}"));
        let charon = format!("fragment_size = {size}");
        let meeting = Meeting::of(&lab, &a, &b, slice::from_ref(&tunnel), &[&charon]);
        meeting.both_roles(&tunnel);
        let log = meeting.theirs.log();
        assert!(
            log.contains("splitting IKE message") && log.contains("reassembled fragmented IKE message"),
            "{log}"
        );
        let judged = meeting.judged();
        assert!(judged.count("isakmp.frag.number") >= 4 * 5600 / size.parse::<usize>().unwrap_or(1));
        assert_eq!(judged.count(&format!("udp.length > {size}")), 0);
    }
}
