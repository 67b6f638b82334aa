//! IKE SAs are replaced while packets flow, between Handfast and strongSwan.

use std::time::Duration;

use handfast_tests::capture::Capture;
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::tshark::judge_dir;

const SOON: Duration = Duration::from_secs(10);

fn spis(ours: &Handfast) -> Vec<String> {
    ours.sas("office").iter().map(|sa| sa["spi_i"].to_string()).collect()
}

/// Three rekeys by strongSwan, and a child rekey under the last SA, during 400 pings at 100 a second, none lost.
fn rekeyed_by_the_peer(ike: &str, we_begin: bool) {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(ike, "aes128gcm16");
    let capture = Capture::start(&lab, &a, &b);
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    if we_begin {
        ours.up("office");
    } else {
        theirs.initiate("office");
    }
    ours.wait_up("office", SOON);
    let received = std::thread::scope(|scope| {
        let pings = scope.spawn(|| a.ping("10.78.1.1", "10.78.2.1", 400, "0.01"));
        for _ in 0..3 {
            let before = spis(&ours);
            theirs.rekey_ike("office");
            ours.wait("the old IKE SA is replaced", SOON, |ours| {
                let now = spis(ours);
                now.len() == 1 && now != before
            });
        }
        theirs.rekey_child("office");
        pings.join().expect("the pings run")
    });
    assert_eq!(received, 400, "{}\n{}", ours.log(), theirs.log());
    ours.down("office");
    let file = capture.stop();
    judge_dir(&file, &ours.keylog_dir()).assert_good();
}

#[test]
fn by_the_peer_when_we_began() {
    rekeyed_by_the_peer("aes128gcm16-prfsha256-x25519", true);
}

#[test]
fn by_the_peer_when_it_began() {
    rekeyed_by_the_peer("aes256-sha512-ecp384", false);
}

/// We replace the IKE SA every second, and the child, while 500 pings flow, none of which is lost.
#[test]
fn by_us() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new("aes256-sha256-modp2048", "aes128gcm16")
        .with("ike_rekey = \"1s\"")
        .with("rekey = \"1500ms\"");
    let capture = Capture::start(&lab, &a, &b);
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
    ours.up("office");
    let pings = a.ping("10.78.1.1", "10.78.2.1", 500, "0.01");
    assert_eq!(pings, 500, "{}\n{}", ours.log(), theirs.log());
    let rekeys = ours.log().matches("IKE SA rekeyed").count();
    assert!(rekeys >= 3, "{rekeys} rekeys\n{}", ours.log());
    let children = ours.log().matches("child SA rekeyed").count();
    assert!(children >= 2, "{children} child rekeys\n{}", ours.log());
    let file = capture.stop();
    judge_dir(&file, &ours.keylog_dir()).assert_good();
}
