//! IKE messages in fragments (RFC 7383), with strongSwan that divides every message and with another Handfast.

use std::path::Path;
use std::time::Duration;

use handfast_tests::capture::{self, Capture};
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::tshark::{count, judge_dir};

const SOON: Duration = Duration::from_secs(10);
const ESP: &str = "aes128gcm16-x25519";

/// After IKE_SA_INIT no IKE datagram is larger than 200 octets, and tshark decrypts and verifies all of them.
fn judged(file: &Path, ours: &Handfast) {
    // On port 4500 four zero octets mark IKE; a frame is 14 octets longer than its datagram.
    for ike in ["udp[8:4] = 0", "ip6[48:4] = 0"] {
        let larger = format!("udp port 4500 and {ike} and greater {}", 200 + 14 + 1);
        assert_eq!(capture::count(file, &larger), 0);
    }
    let fragments = count(file, &ours.keylog_dir(), "isakmp.frag.number");
    assert!(fragments >= 10, "{fragments} fragments");
    judge_dir(file, &ours.keylog_dir()).assert_good();
}

/// Everything that is larger than 200 octets is divided, by both; then both SAs are replaced, and one is deleted.
fn with_strongswan(ike: &str, we_begin: bool, v6: bool) {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let mut connection = Connection::new(ike, ESP).with("fragment_size = 200");
    if v6 {
        connection = connection.outer_v6();
    }
    connection.swanctl.push("fragmentation = force".into());
    let capture = Capture::start(&lab, &a, &b);
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start_with(&lab, &b, &connection.flipped(), &["fragment_size = 200"]);
    if we_begin {
        ours.up("office");
    } else {
        theirs.initiate("office");
    }
    ours.wait_up("office", SOON);
    let log = theirs.log();
    for what in ["EF(1/", "splitting IKE message", "reassembled fragmented IKE message"] {
        assert!(log.contains(what), "no {what}:\n{log}");
    }
    let (here, there) = (&connection.local.host, &connection.remote.host);
    assert_eq!(a.ping(here, there, 10, "0.01"), 10);
    ours.keys().assert_same_keys(&theirs.keys());
    let spis = |ours: &Handfast| {
        let sa = &ours.sas("office")[0];
        (sa["spi_i"].clone(), sa["children"][0]["spi_in"].clone())
    };
    let before = spis(&ours);
    theirs.rekey_child("office");
    ours.wait("the child is replaced", SOON, |ours| spis(ours).1 != before.1);
    let sent_before = theirs.log().matches("splitting IKE message").count();
    theirs.rekey_ike("office");
    ours.wait("the IKE SA is replaced", SOON, |ours| spis(ours).0 != before.0);
    // The new SA divides too, though nobody said so again.
    let before = spis(&ours);
    theirs.rekey_child("office");
    ours.wait("the child is replaced again", SOON, |ours| spis(ours).1 != before.1);
    assert!(theirs.log().matches("splitting IKE message").count() > sent_before);
    assert_eq!(a.ping(here, there, 10, "0.01"), 10);
    judged(&capture.stop(), &ours);
}

#[test]
fn aead_when_we_begin() {
    with_strongswan("aes128gcm16-prfsha256-x25519", true, false);
}

#[test]
fn aead_when_the_peer_begins() {
    with_strongswan("aes128gcm16-prfsha256-x25519", false, false);
}

#[test]
fn cbc_over_ipv6_when_we_begin() {
    with_strongswan("aes256-sha256-x25519", true, true);
}

#[test]
fn cbc_when_the_peer_begins() {
    with_strongswan("aes256-sha256-x25519", false, false);
}

#[test]
fn a_peer_that_does_not_want_fragments_gets_none() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let mut connection = Connection::new("aes128gcm16-prfsha256-x25519", ESP).with("fragment_size = 200");
    connection.swanctl.push("fragmentation = no".into());
    let capture = Capture::start(&lab, &a, &b);
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    ours.up("office");
    theirs.wait_up("office");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
    assert!(!ours.log().contains("fragments"), "{}", ours.log());
    judge_dir(&capture.stop(), &ours.keylog_dir()).assert_good();
}

/// Identities of 30,000 octets; datagrams of the sizes that are asked for.
fn large(lines: &[&str], fragments: bool) {
    need!(Namespaces, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let mut connection = Connection::new("aes128gcm16-prfsha256-x25519", ESP);
    connection.local.id = "a".repeat(30_000);
    connection.remote.id = "b".repeat(30_000);
    for line in lines {
        connection = connection.with(line);
    }
    let capture = Capture::start(&lab, &a, &b);
    let left = Handfast::start(&lab, &a, &connection.toml());
    let right = Handfast::start(&lab, &b, &connection.flipped().toml());
    left.up("office");
    right.wait_up("office", SOON);
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
    assert_eq!(left.log().contains("fragments"), fragments);
    let file = capture.stop();
    // The capture lacks IP's own fragments, which have no ports.
    if fragments {
        judge_dir(&file, &left.keylog_dir()).assert_good();
    }
}

#[test]
fn sixty_thousand_octets_in_fragments() {
    large(&[], true);
}

#[test]
fn sixty_thousand_octets_in_one_datagram() {
    large(&["fragment_size = \"off\""], false);
}
