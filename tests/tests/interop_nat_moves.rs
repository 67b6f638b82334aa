//! Two Handfasts with a masquerading NAT between them, whose mapping changes while packets flow.

use std::time::Duration;

use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::{Lab, Namespace};

const SOON: Duration = Duration::from_secs(10);

/// The first host behind the NAT, both up.
fn start(liveness: &str) -> (Lab, Namespace, Namespace, Handfast, Handfast) {
    let (lab, a, b) = Lab::behind_nat();
    let mut connection = Connection::new("", "").with(&format!("liveness = \"{liveness}\""));
    connection.local.address = "10.76.0.1".into();
    let mut other = connection.flipped();
    other.remote.address = "any".into();
    lab.remap(20_000);
    let right = Handfast::start(&lab, &b, &other.toml());
    let left = Handfast::start(&lab, &a, &connection.toml());
    left.up("office");
    right.wait_up("office", SOON);
    (lab, a, b, left, right)
}

fn port(right: &Handfast) -> u64 {
    right.sas("office")[0]["remote"]["port"].as_u64().unwrap_or_default()
}

/// The SAs are those of the beginning, and packets pass in both directions.
fn whole(a: &Namespace, b: &Namespace, left: &Handfast, right: &Handfast, spi: &serde_json::Value) {
    let logs = || format!("left:\n{}\nright:\n{}", left.log(), right.log());
    assert_eq!(b.ping("10.78.2.1", "10.78.1.1", 100, "0.01"), 100, "{}", logs());
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 100, "0.01"), 100, "{}", logs());
    assert_eq!(&left.sas("office")[0]["spi_i"], spi, "{}", logs());
    assert_eq!(&right.sas("office")[0]["spi_i"], spi, "{}", logs());
}

#[test]
fn with_traffic_from_behind_the_nat() {
    need!(Namespaces, Nft);
    // No probe comes in that time: the packets alone show where they come from.
    let (lab, a, b, left, right) = start("1m");
    let spi = left.sas("office")[0]["spi_i"].clone();
    for (n, first_port) in [30_000u16, 40_000, 50_000].into_iter().enumerate() {
        let received = std::thread::scope(|scope| {
            let pings = scope.spawn(|| a.ping("10.78.1.1", "10.78.2.1", 300, "0.01"));
            std::thread::sleep(Duration::from_secs(1));
            lab.remap(first_port);
            pings.join().expect("the pings run")
        });
        // What was on the wire when the router went down is lost.
        assert!(received >= 200, "{received} of 300\n{}", right.log());
        let range = u64::from(first_port)..u64::from(first_port) + 100;
        assert!(
            range.contains(&port(&right)),
            "{} in round {n}\n{}",
            port(&right),
            right.log()
        );
        whole(&a, &b, &left, &right, &spi);
    }
    // IKE follows too: whoever begins.
    right.down("office");
    left.wait_down("office", SOON);
}

#[test]
fn with_traffic_towards_the_nat_only() {
    need!(Namespaces, Nft);
    let (lab, a, b, left, right) = start("1s");
    let spi = left.sas("office")[0]["spi_i"].clone();
    // Nobody answers: what flows, flows one way.
    a.run("sysctl", &["-q", "-w", "net.ipv4.icmp_echo_ignore_all=1"]);
    let packets_in = |left: &Handfast| {
        let child = &left.sas("office")[0]["children"][0];
        child["packets_in"].as_u64().unwrap_or_else(|| panic!("{child:#}"))
    };
    std::thread::scope(|scope| {
        let pings = scope.spawn(|| b.ping("10.78.2.1", "10.78.1.1", 700, "0.01"));
        left.wait("packets arrive", SOON, |left| packets_in(left) > 50);
        lab.remap(30_000);
        // The probe of the host behind the NAT shows where it is.
        right.wait("the path has moved", SOON, |right| {
            (30_000..30_100).contains(&port(right))
        });
        let before = packets_in(&left);
        left.wait("packets arrive again", SOON, |left| packets_in(left) > before + 50);
        pings.join().expect("the pings run");
    });
    a.run("sysctl", &["-q", "-w", "net.ipv4.icmp_echo_ignore_all=0"]);
    whole(&a, &b, &left, &right, &spi);
}
