//! Transport mode between two Handfasts: packets between the very addresses that IKE uses. tshark judges the captures.

use std::time::Duration;

use handfast_tests::capture::{self, Capture};
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::stream::tcp;
use handfast_tests::tshark::judge_dir;

const SOON: Duration = Duration::from_secs(10);
/// tshark 4.0 knows no extended sequence numbers, which the defaults prefer.
const ESP: &str = "aes128gcm16";

fn whole(connection: Connection) {
    need!(Namespaces, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let left = Handfast::start(&lab, &a, &connection.toml());
    let right = Handfast::start(&lab, &b, &connection.flipped().toml());
    let logs = || format!("left:\n{}\nright:\n{}", left.log(), right.log());
    left.up("office");
    right.wait_up("office", SOON);
    let child = &left.sas("office")[0]["children"][0];
    assert_eq!(child["mode"], "transport", "{child:#}");
    let capture = Capture::start_all(&lab, &a, &b);
    let (here, there) = (&connection.local.address, &connection.remote.address);
    assert_eq!(a.ping(here, there, 100, "0.01"), 100, "{}", logs());
    assert_eq!(b.ping(there, here, 100, "0.01"), 100, "{}", logs());
    tcp(&lab, &a, &b, there, 8080, 200_000);
    tcp(&lab, &b, &a, here, 8081, 200_000);
    // Larger than any packet: whole in ESP, and the outer packet is fragmented.
    assert_eq!(a.ping_of(4000, here, there, 3, "0.01"), 3, "{}", logs());
    left.down("office");
    right.wait_down("office", SOON);
    let capture = capture.stop();
    assert_eq!(
        capture::count(&capture, "icmp or icmp6 and ip6[40] >= 128 and ip6[40] <= 129"),
        0
    );
    assert_eq!(capture::count(&capture, "tcp"), 0);
    let verdict = judge_dir(&capture, &left.keylog_dir());
    verdict.assert_esp_good();
    verdict.assert_no_complaint();
    assert!(verdict.esp > 500, "{verdict:?}");
    left.keys().assert_same_keys(&right.keys());
    // Without it they reach each other in the clear.
    assert_eq!(a.ping(here, there, 1, "0.1"), 1);
}

#[test]
fn ping_and_tcp_between_the_hosts_over_ipv4() {
    whole(Connection::new("", ESP).transport());
}

#[test]
fn ping_and_tcp_between_the_hosts_over_ipv6() {
    whole(Connection::new("", ESP).outer_v6().transport());
}

#[test]
fn only_what_the_selectors_say_is_protected() {
    need!(Namespaces, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let mut connection = Connection::new("", ESP).transport();
    connection.remote.subnet = "[tcp/443]".into();
    let left = Handfast::start(&lab, &a, &connection.toml());
    let right = Handfast::start(&lab, &b, &connection.flipped().toml());
    left.up("office");
    right.wait_up("office", SOON);
    let child = &left.sas("office")[0]["children"][0];
    assert_eq!(child["remote_ts"][0], "10.77.0.2/32[tcp/443]", "{child:#}");
    let capture = Capture::start_all(&lab, &a, &b);
    tcp(&lab, &a, &b, "10.77.0.2", 443, 100_000);
    tcp(&lab, &a, &b, "10.77.0.2", 444, 1000);
    // The server's port at the other end is not that of the selectors.
    tcp(&lab, &b, &a, "10.77.0.1", 443, 1000);
    assert_eq!(a.ping("10.77.0.1", "10.77.0.2", 3, "0.01"), 3);
    let capture = capture.stop();
    assert_eq!(
        capture::count(&capture, "tcp port 443 and dst host 10.77.0.2 and dst port 443"),
        0
    );
    assert_eq!(
        capture::count(&capture, "tcp and src host 10.77.0.2 and src port 443"),
        0
    );
    assert!(capture::count(&capture, "tcp port 444") > 0);
    assert!(capture::count(&capture, "tcp and dst host 10.77.0.1 and dst port 443") > 0);
    assert!(capture::count(&capture, "icmp") >= 6);
    let verdict = judge_dir(&capture, &left.keylog_dir());
    verdict.assert_esp_good();
    let child = &right.sas("office")[0]["children"][0];
    assert!(
        child["packets_in"].as_u64() > Some(3) && child["packets_out"].as_u64() > Some(3),
        "{child:#}"
    );
}

#[test]
fn it_is_rekeyed_without_a_loss() {
    need!(Namespaces);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new("", "").transport().with("rekey = \"1s\"");
    let left = Handfast::start(&lab, &a, &connection.toml());
    let right = Handfast::start(&lab, &b, &connection.flipped().toml());
    left.up("office");
    assert_eq!(
        a.ping("10.77.0.1", "10.77.0.2", 400, "0.01"),
        400,
        "{}\n{}",
        left.log(),
        right.log()
    );
    let rekeys = left.log().matches("child SA rekeyed").count() + right.log().matches("child SA rekeyed").count();
    assert!(rekeys >= 3, "{rekeys}\n{}", left.log());
}

#[test]
fn through_a_nat_it_is_refused_with_the_reason() {
    need!(Namespaces, Nft);
    let (lab, a, b) = Lab::behind_nat();
    let mut connection = Connection::new("", "").transport();
    connection.local.address = "10.76.0.1".into();
    let mut other = connection.flipped();
    other.remote.address = "any".into();
    let right = Handfast::start(&lab, &b, &other.toml());
    let left = Handfast::start(&lab, &a, &connection.toml());
    let out = left.try_up("office");
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(
        said.contains("transport mode does not pass a NAT"),
        "{said}\n{}",
        right.log()
    );
}
