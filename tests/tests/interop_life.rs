//! How a connection with strongSwan ends, fails and comes back.

use std::time::Duration;

use handfast_tests::capture::{self, Capture};
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::tshark::judge_dir;

const SOON: Duration = Duration::from_secs(10);
const IKE: &str = "aes128gcm16-prfsha256-x25519";
const ESP: &str = "aes128gcm16";

#[test]
fn the_peer_deletes_what_we_initiated() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(IKE, ESP);
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    ours.up("office");
    ours.wait_up("office", SOON);
    theirs.terminate("office");
    ours.wait_down("office", SOON);
    // start = "wait": it stays down, and the next one works.
    ours.up("office");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
}

#[test]
fn we_delete_what_the_peer_initiated() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(IKE, ESP);
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    theirs.initiate("office");
    ours.wait_up("office", SOON);
    ours.down("office");
    theirs.wait_down("office");
    assert!(theirs.log().contains("received DELETE for IKE_SA"), "{}", theirs.log());
}

#[test]
fn a_connection_that_should_be_up_comes_back_after_the_peer_deletes_it() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(IKE, ESP).with("start = \"now\"");
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    let ours = Handfast::start(&lab, &a, &connection.toml());
    ours.wait_up("office", SOON);
    let first = ours.sas("office")[0]["spi_i"].clone();
    theirs.terminate("office");
    ours.wait("another SA is up", Duration::from_secs(30), |ours| {
        ours.sas("office").first().is_some_and(|sa| sa["spi_i"] != first)
    });
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
}

#[test]
fn a_wrong_secret_is_refused_when_we_initiate() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(IKE, ESP);
    let mut wrong = connection.clone();
    wrong.secret = "not the same secret".into();
    let ours = Handfast::start(&lab, &a, &wrong.toml());
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    let out = ours.try_up("office");
    assert!(!out.status.success(), "{out:?}");
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).to_lowercase();
    assert!(said.contains("auth"), "no word of why: {said}");
    assert!(!ours.is_up("office") && !theirs.is_up("office"));
    assert!(theirs.log().contains("MAC mismatched"), "{}", theirs.log());
    // The secrets themselves are in no log.
    assert!(!ours.log().contains("not the same secret"));
    // It appears as down, with the reason.
    let status = ours.status().to_string().to_lowercase();
    assert!(status.contains("office") && status.contains("auth"), "{status}");
}

#[test]
fn a_wrong_secret_is_refused_when_the_peer_initiates() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(IKE, ESP);
    let mut wrong = connection.flipped();
    wrong.secret = "not the same secret".into();
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &wrong);
    assert!(!theirs.try_initiate("office", 10));
    assert!(
        theirs.log().contains("received AUTHENTICATION_FAILED"),
        "{}",
        theirs.log()
    );
    assert!(!ours.is_up("office") && !theirs.is_up("office"));
}

#[test]
fn a_dead_peer_is_noticed_and_connected_again_when_it_is_back() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(IKE, ESP)
        .with("start = \"now\"")
        .with("liveness = \"1s\"")
        .with("retransmit_tries = 2")
        .with("retransmit_timeout = \"500ms\"");
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    let ours = Handfast::start(&lab, &a, &connection.toml());
    ours.wait_up("office", SOON);
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
    theirs.kill();
    ours.wait_down("office", Duration::from_secs(20));
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    ours.wait_up("office", Duration::from_secs(60));
    theirs.wait_up("office");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 100, "0.01"), 100);
}

#[test]
fn liveness_does_not_end_a_quiet_connection() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(IKE, ESP).with("liveness = \"1s\"");
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    let ours = Handfast::start(&lab, &a, &connection.toml());
    ours.up("office");
    let spi = ours.sas("office")[0]["spi_i"].clone();
    // Three probes: charon logs each request that it parses.
    let probes = || theirs.log().matches("parsed INFORMATIONAL request").count();
    ours.wait("three probes were answered", SOON, |_| probes() >= 3);
    assert_eq!(ours.sas("office")[0]["spi_i"], spi);
}

#[test]
fn sigterm_says_goodbye_and_leaves_the_host_as_it_was() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let state = || ["link", "route", "rule"].map(|what| a.ip(&["-o", what]));
    let before = state();
    let connection = Connection::new(IKE, ESP);
    let mut ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    ours.up("office");
    assert_ne!(state(), before, "a tunnel must show");
    let status = ours.terminate();
    assert!(status.success(), "{status}\n{}", ours.log());
    theirs.wait_down("office");
    assert_eq!(state(), before);
}

#[test]
fn a_start_after_kill_removes_what_was_left() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(IKE, ESP);
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    let ours = Handfast::start(&lab, &a, &connection.toml());
    ours.up("office");
    ours.kill();
    let mut ours = Handfast::start(&lab, &a, &connection.toml());
    ours.up("office");
    theirs.wait_up("office");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10);
    assert!(ours.terminate().success());
    let rules = a.ip(&["-o", "rule"]);
    assert_eq!(rules.lines().count(), 3, "local, main and default only: {rules}");
}

#[test]
fn through_a_nat_as_initiator() {
    need!(Namespaces, StrongSwan, Nft);
    let (lab, a, b) = Lab::behind_nat();
    let mut connection = Connection::new(IKE, ESP);
    connection.local.address = "10.76.0.1".into();
    let mut other = connection.flipped();
    other.remote.address = "%any".into();
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &other);
    ours.up("office");
    theirs.wait_up("office");
    let sa = &ours.sas("office")[0];
    assert_eq!(sa["nat"]["local"], true, "{sa:#}");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 100, "0.01"), 100);
    assert_eq!(b.ping("10.78.2.1", "10.78.1.1", 10, "0.01"), 10);
}

#[test]
fn a_responder_takes_a_peer_from_anywhere() {
    need!(Namespaces, StrongSwan, Nft);
    let (lab, a, b) = Lab::behind_nat();
    let mut connection = Connection::new(IKE, ESP);
    connection.local.address = "10.76.0.1".into();
    let mut ours = connection.flipped();
    ours.remote.address = "any".into();
    let theirs = StrongSwan::start(&lab, &a, &connection);
    let ours = Handfast::start(&lab, &b, &ours.toml());
    theirs.initiate("office");
    ours.wait_up("office", SOON);
    let sa = &ours.sas("office")[0];
    assert_eq!(sa["remote"]["address"], "10.77.0.254", "{sa:#}");
    assert_eq!(sa["nat"]["remote"], true, "{sa:#}");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 100, "0.01"), 100);
}

#[test]
fn ipv6_inside_and_outside() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    for (outer, inner) in [(true, true), (true, false), (false, true)] {
        let (lab, a, b) = Lab::pair();
        let mut connection = Connection::new(IKE, ESP);
        if outer {
            connection = connection.outer_v6();
        }
        if inner {
            connection = connection.inner_v6();
        }
        let capture = Capture::start(&lab, &a, &b);
        let ours = Handfast::start(&lab, &a, &connection.toml());
        let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
        ours.up("office");
        theirs.wait_up("office");
        let (from, to) = (&connection.local.host, &connection.remote.host);
        assert_eq!(a.ping(from, to, 20, "0.01"), 20, "outer v6 {outer}, inner v6 {inner}");
        ours.down("office");
        let capture = capture.stop();
        // strongSwan's userspace plane insists on UDP.
        let filter = if outer {
            capture::ESP_IN_UDP6
        } else {
            capture::ESP_IN_UDP
        };
        assert!(capture::count(&capture, filter) >= 40);
        judge_dir(&capture, &ours.keylog_dir()).assert_good();
    }
}
