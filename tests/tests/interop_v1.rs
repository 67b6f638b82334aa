//! IKEv1 with strongSwan: main and aggressive mode, quick mode, in both roles.

use std::time::Duration;

use handfast_tests::capture::Capture;
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::tshark::judge_first_times;

const SOON: Duration = Duration::from_secs(10);

/// Both daemons up with this connection, 20 pings through, tshark the judge.
fn carries(connection: &Connection, we_begin: bool, charon: &[&str]) {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let capture = Capture::start(&lab, &a, &b);
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start_with(&lab, &b, &connection.flipped(), charon);
    if we_begin {
        ours.up("office");
        theirs.wait_up("office");
    } else {
        theirs.initiate("office");
    }
    ours.wait_up("office", SOON);
    assert_eq!(
        a.ping("10.78.1.1", "10.78.2.1", 20, "0.05"),
        20,
        "{}\n{}",
        ours.log(),
        theirs.log()
    );
    ours.down("office");
    let file = capture.stop();
    judge_first_times(&file, &ours.keylog_dir()).assert_good();
}

#[test]
fn main_mode_as_initiator() {
    carries(
        &Connection::new("aes256-sha256-modp2048", "aes128-sha1").v1(),
        true,
        &[],
    );
}

#[test]
fn main_mode_as_responder() {
    carries(&Connection::new("aes128-sha1-ecp256", "aes256-sha256").v1(), false, &[]);
}

const AGGRESSIVE: &str = "i_dont_care_about_security_and_use_aggressive_mode_psk = yes";

fn aggressive() -> Connection {
    Connection::new("aes256-sha256-modp2048", "aes128gcm16-modp2048")
        .v1()
        .with("aggressive = true")
        .with_swanctl("aggressive = yes")
}

#[test]
fn aggressive_mode_as_initiator() {
    carries(&aggressive(), true, &[AGGRESSIVE]);
}

#[test]
fn aggressive_mode_as_responder() {
    carries(&aggressive(), false, &[AGGRESSIVE]);
}

/// Every encrypted message, and those with KE, leave in fragments, in both directions.
fn fragmented(we_begin: bool) {
    let connection = Connection::new("aes256-sha256-modp2048", "aes128gcm16-modp2048")
        .v1()
        .with("fragment_size = 200")
        .with_swanctl("fragmentation = force");
    carries(&connection, we_begin, &["fragment_size = 200"]);
}

#[test]
fn fragments_as_initiator() {
    fragmented(true);
}

#[test]
fn fragments_as_responder() {
    fragmented(false);
}
