//! COOKIE (RFC 7296 section 2.6) with strongSwan, in both roles, and where another group is wanted besides.

use std::time::Duration;

use handfast_tests::capture::Capture;
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::tshark::{count, judge_dir};

const SOON: Duration = Duration::from_secs(10);
const ESP: &str = "aes128gcm16";
const ALWAYS: &str = "[daemon]\ncookies = \"always\"\n";

/// strongSwan begins, and we ask for a cookie.
fn we_ask(theirs: &str, ours: &str, cookies_returned: usize) {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let capture = Capture::start(&lab, &a, &b);
    let toml = format!("{ALWAYS}{}", Connection::new(ours, ESP).toml());
    let ours = Handfast::start(&lab, &a, &toml);
    let theirs = StrongSwan::start(&lab, &b, &Connection::new(theirs, ESP).flipped());
    theirs.initiate("office");
    ours.wait_up("office", SOON);
    let log = theirs.log();
    assert!(log.contains("parsed IKE_SA_INIT response 0 [ N(COOKIE) ]"), "{log}");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
    ours.keys().assert_same_keys(&theirs.keys());
    let file = capture.stop();
    // One answer of ours asks; the requests after it carry the cookie, more of them if one is sent again.
    let cookies = |response: u8| {
        let filter =
            format!("isakmp.exchangetype == 34 && isakmp.flag_r == {response} && isakmp.notify.msgtype == 16390");
        count(&file, &ours.keylog_dir(), &filter)
    };
    assert_eq!(cookies(1), 1, "{log}");
    assert!(cookies(0) >= cookies_returned, "{log}");
    judge_dir(&file, &ours.keylog_dir()).assert_good();
}

#[test]
fn the_peer_gets_a_cookie_from_us_and_returns_it() {
    we_ask("aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-x25519", 1);
}

#[test]
fn the_peers_cookie_is_good_for_the_other_group_too() {
    we_ask("aes128gcm16-prfsha256-x25519-ecp256", "aes128gcm16-prfsha256-ecp256", 2);
}

/// We begin, and strongSwan asks for a cookie as soon as one peer is half-way: a first attempt of ours, whose IKE_AUTH
/// does not reach it.
fn they_ask(ours: &str, theirs: &str) {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump, Nft);
    let (lab, a, b) = Lab::pair();
    let theirs = Connection::new(theirs, ESP).flipped();
    let theirs = StrongSwan::start_with(&lab, &b, &theirs, &["cookie_threshold = 1", "cookie_threshold_ip = 1"]);
    let ours = Connection::new(ours, ESP)
        .with("retransmit_timeout = \"300ms\"")
        .with("retransmit_tries = 1");
    let ours = Handfast::start(&lab, &a, &ours.toml());
    a.run(
        "nft",
        &["add table t; add chain t c { type filter hook output priority 0; }; add rule t c udp dport 4500 drop"],
    );
    assert!(!ours.try_up("office").status.success());
    a.run("nft", &["delete table t"]);
    let asked = |log: &str| log.matches("generating IKE_SA_INIT response 0 [ N(COOKIE) ]").count();
    let before = asked(&theirs.log());
    let capture = Capture::start(&lab, &a, &b);
    ours.up("office");
    let log = theirs.log();
    assert!(asked(&log) > before, "it did not ask:\n{log}");
    theirs.wait_up("office");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
    judge_dir(&capture.stop(), &ours.keylog_dir()).assert_good();
}

#[test]
fn we_return_the_peers_cookie() {
    they_ask("aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-x25519");
}

#[test]
fn we_return_it_with_the_other_group() {
    they_ask("aes128gcm16-prfsha256-x25519-ecp256", "aes128gcm16-prfsha256-ecp256");
}
