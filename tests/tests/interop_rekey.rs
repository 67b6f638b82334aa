//! strongSwan replaces child SAs while packets flow.

use std::time::Duration;

use handfast_tests::capture::Capture;
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::tshark::judge_dir;

const SOON: Duration = Duration::from_secs(10);
const IKE: &str = "aes128gcm16-prfsha256-x25519";

/// Three rekeys by strongSwan during 400 pings at 100 a second, none of which is lost.
fn rekeyed_by_the_peer(esp: &str, we_begin: bool) {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(IKE, esp);
    let capture = Capture::start(&lab, &a, &b);
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    if we_begin {
        ours.up("office");
    } else {
        theirs.initiate("office");
    }
    ours.wait_up("office", SOON);
    let spi = |ours: &Handfast| ours.sas("office")[0]["children"][0]["spi_in"].clone();
    let received = std::thread::scope(|scope| {
        let pings = scope.spawn(|| a.ping("10.78.1.1", "10.78.2.1", 400, "0.01"));
        for _ in 0..3 {
            let before = spi(&ours);
            theirs.rekey_child("office");
            ours.wait("the old child is replaced", SOON, |ours| {
                let sas = ours.sas("office");
                let children = sas[0]["children"].as_array().cloned().unwrap_or_default();
                children.len() == 1 && children[0]["spi_in"] != before
            });
        }
        pings.join().expect("the pings run")
    });
    assert_eq!(received, 400, "{}\n{}", ours.log(), theirs.log());
    let file = capture.stop();
    judge_dir(&file, &ours.keylog_dir()).assert_good();
}

#[test]
fn without_a_fresh_key_exchange_when_we_began() {
    rekeyed_by_the_peer("aes128gcm16", true);
}

#[test]
fn without_a_fresh_key_exchange_when_the_peer_began() {
    rekeyed_by_the_peer("aes128gcm16", false);
}

#[test]
fn with_perfect_forward_secrecy() {
    rekeyed_by_the_peer("aes256-sha256-ecp256", true);
}

/// We replace the child after each second, or after what it has carried, while 500 pings of 1,000 octets flow at 100 a
/// second, none of which is lost.
fn rekeyed_by_us(esp: &str, limits: &[&str]) {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let connection = limits.iter().fold(Connection::new(IKE, esp), |c, line| c.with(line));
    let capture = Capture::start(&lab, &a, &b);
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    ours.up("office");
    let spi = |ours: &Handfast| ours.sas("office")[0]["children"][0]["spi_in"].clone();
    let first = spi(&ours);
    assert_eq!(
        a.ping_of(1000, "10.78.1.1", "10.78.2.1", 500, "0.01"),
        500,
        "{}\n{}",
        ours.log(),
        theirs.log()
    );
    assert_ne!(spi(&ours), first);
    let rekeys = ours.log().matches("child SA rekeyed").count();
    assert!(rekeys >= 3, "{rekeys} rekeys\n{}", ours.log());
    let file = capture.stop();
    judge_dir(&file, &ours.keylog_dir()).assert_good();
}

#[test]
fn by_us_without_a_fresh_key_exchange() {
    rekeyed_by_us("aes128gcm16", &["rekey = \"1s\""]);
}

#[test]
fn by_us_with_perfect_forward_secrecy() {
    rekeyed_by_us("aes256-sha256-modp2048", &["rekey = \"1s\""]);
}

#[test]
fn by_us_after_so_many_packets() {
    rekeyed_by_us("aes128gcm16", &["rekey_packets = 100", "lifetime_packets = 1000"]);
}

#[test]
fn by_us_after_so_many_octets() {
    let limits = ["rekey_bytes = \"100KiB\"", "lifetime_bytes = \"1MiB\""];
    rekeyed_by_us("aes128gcm16-x25519", &limits);
}

/// Both are told to replace the child at the same time, ten times.
#[test]
fn by_both_at_once() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(IKE, "aes128gcm16-x25519");
    let capture = Capture::start(&lab, &a, &b);
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    ours.up("office");
    let received = std::thread::scope(|scope| {
        let pings = scope.spawn(|| a.ping("10.78.1.1", "10.78.2.1", 600, "0.01"));
        for _ in 0..10 {
            let swan = scope.spawn(|| theirs.rekey_child("office"));
            let told = ours.try_rekey("office", false);
            assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
            swan.join().expect("strongSwan is told");
            ours.wait("one child is left", SOON, |ours| {
                let sas = ours.sas("office");
                sas.len() == 1 && sas[0]["children"].as_array().is_some_and(|c| c.len() == 1)
            });
        }
        pings.join().expect("the pings run")
    });
    assert_eq!(received, 600, "{}\n{}", ours.log(), theirs.log());
    let file = capture.stop();
    judge_dir(&file, &ours.keylog_dir()).assert_good();
}

/// A child that has carried what it may ends, and the peer hears of it.
#[test]
fn a_child_that_nothing_replaces_is_closed_on_both_sides() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(IKE, "aes128gcm16").with("lifetime_packets = 100");
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    ours.up("office");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 99, "0.01"), 99);
    assert!(theirs.is_up("office") && ours.is_up("office"));
    a.ping("10.78.1.1", "10.78.2.1", 10, "0.01");
    // The connection is to be up, so it comes back by itself soon after.
    ours.wait("it ends", SOON, |ours| ours.log().contains("has carried what it may"));
    ours.wait("strongSwan has ended it too", SOON, |_| {
        theirs.log().contains("received DELETE for IKE_SA")
    });
}
