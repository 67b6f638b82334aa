//! Handfast against Handfast in two namespaces. tshark judges every capture, with the key log of one side.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use handfast_tests::capture::{self, Capture};
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::ping::{Echoes, ping};
use handfast_tests::tshark::judge_dir;

const SOON: Duration = Duration::from_secs(10);
/// tshark 4.0 knows no extended sequence numbers, which the defaults prefer.
const ESP: &str = "aes128gcm16";

/// Both ends of a connection, a capture of what goes between, 100 pings each way, a delete, and the verdict.
fn tunnel(connection: &Connection, check: impl FnOnce(&Path)) {
    let (lab, a, b) = Lab::pair();
    let capture = Capture::start(&lab, &a, &b);
    let left = Handfast::start(&lab, &a, &connection.toml());
    let right = Handfast::start(&lab, &b, &connection.flipped().toml());
    left.up("office");
    right.wait_up("office", SOON);
    let (here, there) = (&connection.local.host, &connection.remote.host);
    assert_eq!(
        a.ping(here, there, 100, "0.01"),
        100,
        "left:\n{}\nright:\n{}",
        left.log(),
        right.log()
    );
    assert_eq!(
        b.ping(there, here, 100, "0.01"),
        100,
        "left:\n{}\nright:\n{}",
        left.log(),
        right.log()
    );
    right.down("office");
    left.wait_down("office", SOON);
    left.keys().assert_same_keys(&right.keys());
    let capture = capture.stop();
    let verdict = judge_dir(&capture, &left.keylog_dir());
    verdict.assert_good();
    assert!(verdict.ike_encrypted >= 4 && verdict.esp >= 400, "{verdict:?}");
    check(&capture);
}

#[test]
fn protocol_50_without_a_nat() {
    need!(Namespaces, Tshark, Tcpdump);
    tunnel(&Connection::new("", ESP), |capture| {
        assert!(capture::count(capture, "esp") >= 400);
        assert_eq!(capture::count(capture, capture::ESP_IN_UDP), 0);
    });
}

#[test]
fn udp_where_it_is_wanted() {
    need!(Namespaces, Tshark, Tcpdump);
    tunnel(
        &Connection::new("", ESP).with("udp_encapsulation = \"always\""),
        |capture| {
            assert_eq!(capture::count(capture, "esp"), 0);
            assert!(capture::count(capture, capture::ESP_IN_UDP) >= 400);
        },
    );
}

#[test]
fn ipv6_in_ipv6_as_protocol_50() {
    need!(Namespaces, Tshark, Tcpdump);
    tunnel(&Connection::new("", ESP).outer_v6().inner_v6(), |capture| {
        assert!(capture::count(capture, "ip6 and esp") >= 400);
    });
}

#[test]
fn ipv6_in_ipv6_in_udp() {
    need!(Namespaces, Tshark, Tcpdump);
    tunnel(
        &Connection::new("", ESP)
            .outer_v6()
            .inner_v6()
            .with("udp_encapsulation = \"always\""),
        |capture| {
            assert_eq!(capture::count(capture, "esp"), 0);
            assert!(capture::count(capture, capture::ESP_IN_UDP6) >= 400);
        },
    );
}

#[test]
fn ipv4_in_ipv6() {
    need!(Namespaces, Tshark, Tcpdump);
    tunnel(&Connection::new("", ESP).outer_v6(), |capture| {
        assert!(capture::count(capture, "ip6 and esp") >= 400)
    });
}

#[test]
fn ipv6_in_ipv4() {
    need!(Namespaces, Tshark, Tcpdump);
    tunnel(&Connection::new("", ESP).inner_v6(), |capture| {
        assert!(capture::count(capture, "ip and esp") >= 400)
    });
}

/// RFC 6040: the outer header has the DSCP and ECN of the inner one, and what a router says of congestion on the way
/// reaches the packet inside.
#[test]
fn dscp_and_ecn_pass_both_ways() {
    need!(Namespaces, Tcpdump, Nft);
    for (options, filter) in [
        (&[][..], "esp"),
        (&["udp_encapsulation = \"always\""], capture::ESP_IN_UDP),
    ] {
        let mut connection = Connection::new("", "");
        for option in options {
            connection = connection.with(option);
        }
        let (lab, a, b) = Lab::pair();
        let left = Handfast::start(&lab, &a, &connection.toml());
        let right = Handfast::start(&lab, &b, &connection.flipped().toml());
        left.up("office");
        right.wait_up("office", SOON);
        // A router that is always congested.
        let rules = "add table ip m; add chain ip m pre { type filter hook prerouting priority -150; }; \
                     add rule ip m pre iifname to-a ip ecn set ce";
        b.run("nft", &[rules]);
        let capture = Capture::start(&lab, &a, &b);
        let inner = Capture::of(&lab, &b, "handfast0");
        // Expedited forwarding and ECT(0).
        let echoes = Echoes {
            from: Ipv4Addr::new(10, 78, 1, 1).into(),
            to: Ipv4Addr::new(10, 78, 2, 1).into(),
            count: 20,
            interval: Duration::from_millis(10),
            octets: 56,
            tos: 0xba,
        };
        let pinged = ping(&a, echoes);
        assert_eq!(pinged.received(), 20, "{pinged}");
        let (outer, inner) = (capture.stop(), inner.stop());
        assert_eq!(
            capture::count(&outer, &format!("{filter} and src 10.77.0.1 and ip[1] = 0xba")),
            20
        );
        assert_eq!(
            capture::count(&inner, "icmp[icmptype] = icmp-echo and ip[1] = 0xbb"),
            20
        );
        drop((left, right));
    }
}

#[test]
fn through_a_nat() {
    need!(Namespaces, Nft);
    let (lab, a, b) = Lab::behind_nat();
    let mut connection = Connection::new("", "");
    connection.local.address = "10.76.0.1".into();
    let mut other = connection.flipped();
    other.remote.address = "any".into();
    let right = Handfast::start(&lab, &b, &other.toml());
    let left = Handfast::start(&lab, &a, &connection.toml());
    left.up("office");
    right.wait_up("office", SOON);
    assert_eq!(left.sas("office")[0]["nat"]["local"], true);
    assert_eq!(right.sas("office")[0]["nat"]["remote"], true);
    assert_eq!(right.sas("office")[0]["remote"]["address"], "10.77.0.254");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 100, "0.01"), 100);
    assert_eq!(b.ping("10.78.2.1", "10.78.1.1", 100, "0.01"), 100);
}

/// Everything of the first host goes into the tunnel, also what lies behind the peer, but not our own IKE and ESP.
fn default_route(connection: Connection) {
    let (mut lab, a, b) = Lab::pair();
    let c = lab.namespace("c");
    lab.wire(&b, &["10.79.0.1/24"], &c, &["10.79.0.9/24"]);
    b.run("sysctl", &["-q", "-w", "net.ipv4.ip_forward=1"]);
    c.ip(&["route", "add", "10.78.1.0/24", "via", "10.79.0.1"]);
    let mut connection = connection;
    connection.remote.subnet = "0.0.0.0/0".into();
    let left = Handfast::start(&lab, &a, &connection.toml());
    let right = Handfast::start(&lab, &b, &connection.flipped().toml());
    left.up("office");
    right.wait_up("office", SOON);
    let logs = || format!("left:\n{}\nright:\n{}", left.log(), right.log());
    assert_eq!(a.ping("10.78.1.1", "10.79.0.9", 100, "0.01"), 100, "{}", logs());
    assert_eq!(c.ping("10.79.0.9", "10.78.1.1", 100, "0.01"), 100, "{}", logs());
    // A program that names no source gets one inside the selectors.
    let route = a.ip(&["route", "get", "10.79.0.9"]);
    assert!(route.contains("src 10.78.1.1"), "{route}");
    // With everything routed into the tunnel the peers still hear each other.
    left.down("office");
    right.wait_down("office", SOON);
    assert!(
        !a.ip(&["route", "show", "table", "all"]).contains("default dev"),
        "{}",
        logs()
    );
}

#[test]
fn a_default_route_through_the_tunnel_as_protocol_50() {
    need!(Namespaces);
    default_route(Connection::new("", ""));
}

#[test]
fn a_default_route_through_the_tunnel_in_udp() {
    need!(Namespaces);
    default_route(Connection::new("", "").with("udp_encapsulation = \"always\""));
}

#[test]
fn both_start_and_one_was_not_there_yet() {
    need!(Namespaces);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new("", "").with("start = \"now\"");
    let left = Handfast::start(&lab, &a, &connection.toml());
    let right = Handfast::start(&lab, &b, &connection.flipped().toml());
    left.wait_up("office", Duration::from_secs(30));
    right.wait_up("office", SOON);
    assert_eq!(
        a.ping("10.78.1.1", "10.78.2.1", 100, "0.01"),
        100,
        "left:\n{}\nright:\n{}",
        left.log(),
        right.log()
    );
}

#[test]
fn large_packets_are_fragmented_or_refused_with_the_size_that_fits() {
    need!(Namespaces);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new("", "");
    let left = Handfast::start(&lab, &a, &connection.toml());
    let _right = Handfast::start(&lab, &b, &connection.flipped().toml());
    left.up("office");
    let ping = |args: &[&str]| {
        let mut command = a.command("ping");
        command
            .args(["-n", "-c", "1", "-W", "5", "-I", "10.78.1.1"])
            .args(args)
            .arg("10.78.2.1");
        let out = handfast_tests::process::output(&mut command);
        String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
    };
    assert_eq!(
        a.ping_of(4000, "10.78.1.1", "10.78.2.1", 3, "0.01"),
        3,
        "{}",
        left.log()
    );
    let said = ping(&["-M", "do", "-s", "1300"]);
    assert!(said.contains(" 1 received"), "{said}\n{}", left.log());
    let said = ping(&["-M", "do", "-s", "1472"]);
    assert!(
        said.contains(" 0 received") && said.contains("mtu"),
        "{said}\n{}",
        left.log()
    );
}

#[test]
fn extended_sequence_numbers_by_default() {
    need!(Namespaces);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new("", "");
    let left = Handfast::start(&lab, &a, &connection.toml());
    let _right = Handfast::start(&lab, &b, &connection.flipped().toml());
    left.up("office");
    let child = &left.sas("office")[0]["children"][0];
    assert_eq!(child["proposal"], "aes128gcm16-esn", "{child:#}");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 100, "0.01"), 100);
}
