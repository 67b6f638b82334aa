//! What a Handfast and a strongSwan that are set up differently agree on, or why not; both roles.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use handfast_tests::capture::Capture;
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::{Lab, Namespace};
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::tshark::judge_dir;

const SOON: Duration = Duration::from_secs(10);
const IKE: &str = "aes128gcm16-prfsha256-x25519";
const ESP: &str = "aes128gcm16";

/// Both daemons, each with a connection of its own.
fn start(ours: &Connection, theirs: &Connection) -> (Lab, Namespace, Handfast, StrongSwan, Capture) {
    let (lab, a, b) = Lab::pair();
    let capture = Capture::start(&lab, &a, &b);
    let ours = Handfast::start(&lab, &a, &ours.toml());
    let theirs = StrongSwan::start(&lab, &b, theirs);
    (lab, a, ours, theirs, capture)
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&[&out.stdout[..], &out.stderr[..]].concat()).into_owned()
}

fn judged(capture: Capture, ours: &Handfast) {
    let file: &Path = &capture.stop();
    judge_dir(file, &ours.keylog_dir()).assert_good();
}

#[test]
fn no_common_ike_proposal_when_we_initiate() {
    need!(Namespaces, StrongSwan, Tcpdump);
    let (ours, theirs) = (
        Connection::new(IKE, ESP),
        Connection::new("aes256-sha256-modp2048", ESP),
    );
    let (_lab, _a, ours, theirs, _) = start(&ours, &theirs.flipped());
    let out = ours.try_up("office");
    let said = said(&out);
    assert!(!out.status.success(), "{said}");
    assert!(said.contains("NO_PROPOSAL_CHOSEN"), "what we were told: {said}");
    assert!(said.contains(IKE), "what we offered: {said}");
    assert!(
        theirs.log().contains("received proposals unacceptable"),
        "{}",
        theirs.log()
    );
    assert!(!ours.is_up("office") && !theirs.is_up("office"));
}

#[test]
fn no_common_ike_proposal_when_the_peer_initiates() {
    need!(Namespaces, StrongSwan, Tcpdump);
    let (ours, theirs) = (
        Connection::new(IKE, ESP),
        Connection::new("aes256-sha256-modp2048", ESP),
    );
    let (_lab, _a, ours, theirs, _) = start(&ours, &theirs.flipped());
    assert!(!theirs.try_initiate("office", 10));
    assert!(theirs.log().contains("received NO_PROPOSAL_CHOSEN"), "{}", theirs.log());
    let log = ours.log();
    assert!(
        log.contains("aes256-sha256-prfsha256-modp2048"),
        "what was offered: {log}"
    );
    assert!(log.contains(IKE), "what would have been accepted: {log}");
    assert!(log.contains("handfast.toml:"), "the line to look at: {log}");
    assert!(!ours.is_up("office") && !theirs.is_up("office"));
}

/// The daemon can do 3DES, MD5 and short groups, and does so only where it is told to.
#[test]
fn legacy_algorithms_are_refused_where_nobody_asked_for_them() {
    need!(Namespaces, StrongSwan, Tcpdump);
    let legacy = "3des-md5-modp1024";
    let (ours, theirs) = (Connection::new("", ""), Connection::new(legacy, "3des-md5"));
    let (_lab, _a, ours, theirs, _) = start(&ours, &theirs.flipped());
    assert!(!theirs.try_initiate("office", 10));
    assert!(theirs.log().contains("received NO_PROPOSAL_CHOSEN"), "{}", theirs.log());
    assert!(ours.log().contains("no proposal in common"), "{}", ours.log());
    assert!(!ours.is_up("office") && !theirs.is_up("office"));
}

#[test]
fn no_common_esp_proposal_when_we_initiate() {
    need!(Namespaces, StrongSwan, Tcpdump);
    let (ours, theirs) = (Connection::new(IKE, ESP), Connection::new(IKE, "aes256-sha256"));
    let (_lab, _a, ours, theirs, _) = start(&ours, &theirs.flipped());
    let out = ours.try_up("office");
    let said = said(&out);
    assert!(!out.status.success(), "{said}");
    assert!(said.contains("no proposal in common"), "what we were told: {said}");
    assert!(said.contains(ESP), "what we offered: {said}");
    assert!(
        theirs.log().contains("no acceptable proposal found"),
        "{}",
        theirs.log()
    );
    assert!(!ours.is_up("office") && !theirs.is_up("office"));
}

#[test]
fn no_common_esp_proposal_when_the_peer_initiates() {
    need!(Namespaces, StrongSwan, Tcpdump);
    let (ours, theirs) = (Connection::new(IKE, ESP), Connection::new(IKE, "aes256-sha256"));
    let (_lab, _a, ours, theirs, _) = start(&ours, &theirs.flipped());
    assert!(!theirs.try_initiate("office", 10));
    assert!(theirs.log().contains("received NO_PROPOSAL_CHOSEN"), "{}", theirs.log());
    let log = ours.log();
    assert!(log.contains("aes256-sha256"), "what was offered: {log}");
    assert!(!ours.is_up("office") && !theirs.is_up("office"));
}

/// Two groups on one side, only the second of them on the other: RFC 7296 section 1.2.
const BOTH: &str = "aes128gcm16-prfsha256-x25519-modp2048";
const SECOND: &str = "aes128gcm16-prfsha256-modp2048";

#[test]
fn invalid_ke_payload_when_we_initiate() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (ours, theirs) = (Connection::new(BOTH, ESP), Connection::new(SECOND, ESP));
    let (_lab, a, ours, theirs, capture) = start(&ours, &theirs.flipped());
    ours.up("office");
    let log = theirs.log();
    assert!(
        log.contains("DH group CURVE_25519 unacceptable, requesting MODP_2048"),
        "{log}"
    );
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
    ours.keys().assert_same_keys(&theirs.keys());
    judged(capture, &ours);
}

#[test]
fn invalid_ke_payload_when_the_peer_initiates() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (ours, theirs) = (Connection::new(SECOND, ESP), Connection::new(BOTH, ESP));
    let (_lab, a, ours, theirs, capture) = start(&ours, &theirs.flipped());
    theirs.initiate("office");
    ours.wait_up("office", SOON);
    let log = theirs.log();
    assert!(
        log.contains("didn't accept DH group CURVE_25519, it requested MODP_2048"),
        "{log}"
    );
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
    ours.keys().assert_same_keys(&theirs.keys());
    judged(capture, &ours);
}

fn spi_in(ours: &Handfast) -> String {
    ours.sas("office")[0]["children"][0]["spi_in"].to_string()
}

/// The same in CREATE_CHILD_SA (RFC 7296 section 1.3).
#[test]
fn invalid_ke_payload_when_we_rekey_a_child() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let ours = Connection::new(IKE, "aes128gcm16-x25519-modp2048").with("rekey = \"2s\"");
    let theirs = Connection::new(IKE, "aes128gcm16-modp2048");
    let (_lab, a, ours, theirs, capture) = start(&ours, &theirs.flipped());
    ours.up("office");
    let before = spi_in(&ours);
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 300, "0.01"), 300);
    assert_ne!(spi_in(&ours), before);
    let log = theirs.log();
    assert!(
        log.contains("DH group CURVE_25519 unacceptable, requesting MODP_2048"),
        "{log}"
    );
    judged(capture, &ours);
}

#[test]
fn invalid_ke_payload_when_the_peer_rekeys_a_child() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let ours = Connection::new(IKE, "aes128gcm16-modp2048");
    let theirs = Connection::new(IKE, "aes128gcm16-x25519-modp2048");
    let (_lab, a, ours, theirs, capture) = start(&ours, &theirs.flipped());
    ours.up("office");
    let before = spi_in(&ours);
    theirs.rekey_child("office");
    ours.wait("the child is replaced", SOON, |ours| spi_in(ours) != before);
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
    let log = theirs.log();
    assert!(
        log.contains("didn't accept DH group CURVE_25519, it requested MODP_2048"),
        "{log}"
    );
    judged(capture, &ours);
}

#[test]
fn the_peer_narrows_what_we_propose() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (mut ours, mut theirs) = (Connection::new(IKE, ESP), Connection::new(IKE, ESP).flipped());
    ours.remote.subnet = "10.78.0.0/16".into();
    theirs.remote.subnet = "10.78.1.0/28".into();
    narrowed(&ours, &theirs, true);
}

#[test]
fn we_narrow_what_the_peer_proposes() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (mut ours, mut theirs) = (Connection::new(IKE, ESP), Connection::new(IKE, ESP).flipped());
    ours.local.subnet = "10.78.1.0/28".into();
    theirs.local.subnet = "10.78.0.0/16".into();
    theirs.remote.subnet = "10.78.0.0/16".into();
    narrowed(&ours, &theirs, false);
}

/// Whoever begins, 10.78.1.0/28 and 10.78.2.0/24 are what is left.
fn narrowed(ours: &Connection, theirs: &Connection, we_begin: bool) {
    let (_lab, a, ours, theirs, capture) = start(ours, theirs);
    if we_begin {
        ours.up("office");
    } else {
        theirs.initiate("office");
    }
    ours.wait_up("office", SOON);
    let child = ours.sas("office")[0]["children"][0].to_string();
    assert!(
        child.contains("10.78.1.0/28") && child.contains("10.78.2.0/24"),
        "{child}"
    );
    let sas = theirs.list_sas();
    assert!(
        sas.contains("local  10.78.2.0/24") && sas.contains("remote 10.78.1.0/28"),
        "{sas}"
    );
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
    judged(capture, &ours);
}

#[test]
fn selectors_that_do_not_meet_when_we_initiate() {
    need!(Namespaces, StrongSwan, Tcpdump);
    let (ours, mut theirs) = (Connection::new(IKE, ESP), Connection::new(IKE, ESP).flipped());
    theirs.local.subnet = "10.99.0.0/16".into();
    let (_lab, _a, ours, theirs, _) = start(&ours, &theirs);
    let out = ours.try_up("office");
    let said = said(&out);
    assert!(!out.status.success(), "{said}");
    assert!(said.contains("do not meet"), "what we were told: {said}");
    assert!(said.contains("10.78.2.0/24"), "what we proposed: {said}");
    assert!(!ours.is_up("office") && !theirs.is_up("office"));
}

#[test]
fn selectors_that_do_not_meet_when_the_peer_initiates() {
    need!(Namespaces, StrongSwan, Tcpdump);
    let (ours, mut theirs) = (Connection::new(IKE, ESP), Connection::new(IKE, ESP).flipped());
    theirs.local.subnet = "10.99.0.0/16".into();
    let (_lab, _a, ours, theirs, _) = start(&ours, &theirs);
    assert!(!theirs.try_initiate("office", 10));
    assert!(theirs.log().contains("received TS_UNACCEPTABLE"), "{}", theirs.log());
    let log = ours.log();
    assert!(log.contains("10.99.0.0/16") && log.contains("10.78.2.0/24"), "{log}");
    assert!(!ours.is_up("office") && !theirs.is_up("office"));
}
