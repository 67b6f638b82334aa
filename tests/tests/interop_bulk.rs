//! Much at once: TCP as fast as it goes, both ways, with segmentation offload at every edge. The hosts' TCP and iperf3
//! judge what comes out: one wrong checksum, length or sequence number, and a connection stands still.

use std::time::Duration;

use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::{Lab, Namespace};
use handfast_tests::process::{Process, output};
use handfast_tests::strongswan::StrongSwan;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);
const IKE: &str = "aes128gcm16-prfsha256-x25519";
const ESP: &str = "aes128gcm16";
/// Octets sent each way.
const MUCH: &str = "40M";
/// What has arrived of it at least when the sender has written all.
const ARRIVED: f64 = 30e6;

/// Sends from `a` to `b`, then back over the other direction of a new connection; what iperf3 says of each.
fn both_ways(lab: &Lab, (a, from): (&Namespace, &str), (b, to): (&Namespace, &str)) {
    for reverse in [&[][..], &["-R"]] {
        let mut server = b.command("iperf3");
        server.args(["-s", "-1", "-B", to, "--forceflush"]);
        let mut server = Process::start("iperf3", &server, &lab.dir().join("iperf3.log"));
        server.until("it listens", SOON, |server| server.log().contains("listening"));
        let mut client = a.command("timeout");
        client
            .args(["60", "iperf3", "-J", "-c", to, "-B", from, "-n", MUCH])
            .args(reverse);
        let out = output(&mut client);
        let report: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("iperf3: {e}"));
        let received = report["end"]["sum_received"]["bytes"].as_f64().unwrap_or(0.0);
        assert!(
            report["error"].is_null() && received >= ARRIVED,
            "{received} octets: {report:#}"
        );
        server.kill();
    }
}

/// No packet failed its integrity check or fell outside of the selectors.
fn nothing_was_dropped(ours: &Handfast) {
    let child = &ours.sas("office")[0]["children"][0];
    for (field, least) in [
        ("bytes_in", ARRIVED),
        ("bytes_out", ARRIVED),
        ("packets_in", 20e3),
        ("packets_out", 20e3),
    ] {
        assert!(child[field].as_f64().is_some_and(|n| n >= least), "{field}: {child:#}");
    }
}

fn between_handfasts(connection: &Connection) {
    let (lab, a, b) = Lab::pair();
    let left = Handfast::start(&lab, &a, &connection.toml());
    let right = Handfast::start(&lab, &b, &connection.flipped().toml());
    left.up("office");
    right.wait_up("office", SOON);
    both_ways(&lab, (&a, &connection.local.host), (&b, &connection.remote.host));
    nothing_was_dropped(&left);
    nothing_was_dropped(&right);
}

#[test]
fn between_handfasts_in_udp() {
    need!(Namespaces, Iperf3);
    between_handfasts(&Connection::new(IKE, ESP).with("udp_encapsulation = \"always\""));
}

#[test]
fn between_handfasts_as_protocol_50() {
    need!(Namespaces, Iperf3);
    between_handfasts(&Connection::new(IKE, ESP));
}

#[test]
fn between_handfasts_ipv6_in_ipv6() {
    need!(Namespaces, Iperf3);
    let connection = Connection::new(IKE, ESP).outer_v6().inner_v6();
    between_handfasts(&connection.with("udp_encapsulation = \"always\""));
}

/// The wire takes no frames: every datagram passes alone, as on a real network device without offload.
#[test]
fn between_handfasts_over_a_wire_without_offload() {
    need!(Namespaces, Iperf3, Ethtool);
    let connection = Connection::new(IKE, ESP).with("udp_encapsulation = \"always\"");
    let (lab, a, b) = Lab::pair();
    for (space, device) in [(&a, a.wire_to(&b)), (&b, b.wire_to(&a))] {
        space.run(
            "ethtool",
            &["-K", &device, "tx", "off", "gso", "off", "tso", "off", "gro", "off"],
        );
    }
    let left = Handfast::start(&lab, &a, &connection.toml());
    let right = Handfast::start(&lab, &b, &connection.flipped().toml());
    left.up("office");
    right.wait_up("office", SOON);
    both_ways(&lab, (&a, &connection.local.host), (&b, &connection.remote.host));
    nothing_was_dropped(&left);
    nothing_was_dropped(&right);
}

#[test]
fn with_strongswan_inside_ipv4_and_ipv6() {
    need!(Namespaces, StrongSwan, Iperf3);
    for connection in [Connection::new(IKE, ESP), Connection::new(IKE, ESP).inner_v6()] {
        let (lab, a, b) = Lab::pair();
        let ours = Handfast::start(&lab, &a, &connection.toml());
        let theirs = StrongSwan::start(&lab, &b, &connection.flipped());
        ours.up("office");
        theirs.wait_up("office");
        both_ways(&lab, (&a, &connection.local.host), (&b, &connection.remote.host));
        nothing_was_dropped(&ours);
    }
}
