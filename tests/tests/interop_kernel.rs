//! strongSwan with the ESP of a Linux kernel, and a Handfast with its userspace plane on the other host, both inside one
//! User-mode Linux: what `kernel-libipsec` cannot do, which is ESP without UDP, extended sequence numbers and transport
//! mode. The kernel's own packet counters judge.

use std::time::Duration;

use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::netns::{Lab, Namespace};
use handfast_tests::stream::tcp;
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::{guest, need};

const SOON: Duration = Duration::from_secs(20);
const IKE: &str = "aes128gcm16-prfsha256-ecp256";

#[test]
fn in_a_kernel_with_esp() {
    need!(Namespaces, StrongSwan, UserModeLinux);
    guest::run_ignored_tests(12);
}

/// Two hosts, a Handfast and a strongSwan with kernel ESP, the connection up.
fn connected(connection: &Connection, we_begin: bool) -> (Lab, Namespace, Namespace, Handfast, StrongSwan) {
    let (lab, a, b) = Lab::pair();
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start_with_kernel_esp(&lab, &b, &connection.flipped());
    if we_begin {
        ours.up("office");
    } else {
        theirs.initiate("office");
    }
    ours.wait_up("office", SOON);
    (lab, a, b, ours, theirs)
}

/// What the kernel says of its SAs.
fn states(b: &Namespace) -> String {
    b.ip(&["-s", "xfrm", "state"])
}

/// Packets that each SA of the kernel has carried.
fn counted(b: &Namespace) -> Vec<u64> {
    let text = states(b);
    // "1680(bytes), 20(packets)" of the SA itself comes after the line "lifetime current:".
    let current = text.split("lifetime current:").skip(1);
    let packets = current.filter_map(|rest| rest.split("(bytes), ").nth(1)?.split('(').next()?.parse().ok());
    packets.collect()
}

/// 20 pings each way, and every SA of the kernel counted them; none is in UDP.
#[track_caller]
fn carried(a: &Namespace, b: &Namespace, (here, there): (&str, &str), ours: &Handfast, theirs: &StrongSwan) {
    let logs = || format!("{}\n{}\n{}", states(b), ours.log(), theirs.log());
    assert_eq!(a.ping(here, there, 20, "0.02"), 20, "{}", logs());
    assert_eq!(b.ping(there, here, 20, "0.02"), 20, "{}", logs());
    let packets = counted(b);
    assert_eq!(packets.len(), 2, "{}", logs());
    assert!(packets.iter().all(|packets| *packets >= 40), "{packets:?} {}", logs());
    assert!(!states(b).contains("encap type espinudp"), "{}", logs());
    let child = &ours.sas("office")[0]["children"][0];
    let of = |key: &str| child[key].as_u64().unwrap_or(0);
    assert!(of("packets_in") >= 40 && of("packets_out") >= 40, "{child:#}");
}

fn tunnel(esp: &str, we_begin: bool, v6: bool) {
    let connection = Connection::new(IKE, esp);
    let connection = if v6 {
        connection.outer_v6().inner_v6()
    } else {
        connection
    };
    tunnel_of(&connection, we_begin);
}

fn tunnel_of(connection: &Connection, we_begin: bool) {
    if !guest::inside() {
        return;
    }
    let esp = connection.esp.as_str();
    let (_lab, a, b, ours, theirs) = connected(connection, we_begin);
    let hosts = (connection.local.host.as_str(), connection.remote.host.as_str());
    carried(&a, &b, hosts, &ours, &theirs);
    let child = &ours.sas("office")[0]["children"][0];
    assert_eq!(child["proposal"], esp, "{child:#}");
    assert_eq!(
        states(&b).contains("flag af-unspec esn") || states(&b).contains(" esn"),
        esp.contains("esn")
    );
    ours.down("office");
    ours.wait("the kernel has no SA", SOON, |_| counted(&b).is_empty());
}

#[test]
#[ignore = "inside the guest"]
fn tunnel_without_udp_as_initiator() {
    tunnel("aes256gcm16", true, false);
}

#[test]
#[ignore = "inside the guest"]
fn tunnel_without_udp_as_responder() {
    tunnel("aes256-sha256", false, false);
}

#[test]
#[ignore = "inside the guest"]
fn tunnel_over_ipv6() {
    tunnel("aes128gcm16", true, true);
}

#[test]
#[ignore = "inside the guest"]
fn extended_sequence_numbers_as_initiator() {
    tunnel("aes256gcm16-esn", true, false);
}

#[test]
#[ignore = "inside the guest"]
fn extended_sequence_numbers_as_responder() {
    tunnel("aes256-sha256-esn", false, false);
}

/// In IKEv1.
fn v1(esp: &str) -> Connection {
    Connection::new("aes256-sha256-ecp256", esp).v1()
}

#[test]
#[ignore = "inside the guest"]
fn tunnel_of_ikev1_as_initiator() {
    tunnel_of(&v1("aes256gcm16"), true);
}

#[test]
#[ignore = "inside the guest"]
fn tunnel_of_ikev1_as_responder() {
    tunnel_of(&v1("aes256-sha256"), false);
}

#[test]
#[ignore = "inside the guest"]
fn transport_mode_of_ikev1_as_initiator() {
    transport_of(&v1("aes256gcm16").transport(), true);
}

#[test]
#[ignore = "inside the guest"]
fn transport_mode_of_ikev1_as_responder() {
    transport_of(&v1("aes256-sha256").transport(), false);
}

fn transport(we_begin: bool) {
    transport_of(&Connection::new(IKE, "aes256gcm16").transport(), we_begin);
}

fn transport_of(connection: &Connection, we_begin: bool) {
    if !guest::inside() {
        return;
    }
    let (lab, a, b, ours, theirs) = connected(connection, we_begin);
    let child = &ours.sas("office")[0]["children"][0];
    assert_eq!(child["mode"], "transport", "{child:#}");
    assert!(states(&b).contains("mode transport"), "{}", states(&b));
    carried(&a, &b, ("10.77.0.1", "10.77.0.2"), &ours, &theirs);
    tcp(&lab, &a, &b, "10.77.0.2", 8080, 100_000);
    tcp(&lab, &b, &a, "10.77.0.1", 8081, 100_000);
}

#[test]
#[ignore = "inside the guest"]
fn transport_mode_as_initiator() {
    transport(true);
}

#[test]
#[ignore = "inside the guest"]
fn transport_mode_as_responder() {
    transport(false);
}

#[test]
#[ignore = "inside the guest"]
fn transport_mode_between_two_handfasts() {
    if !guest::inside() {
        return;
    }
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new("", "").transport();
    let left = Handfast::start(&lab, &a, &connection.toml());
    let right = Handfast::start(&lab, &b, &connection.flipped().toml());
    left.up("office");
    assert_eq!(
        a.ping("10.77.0.1", "10.77.0.2", 20, "0.02"),
        20,
        "{}\n{}",
        left.log(),
        right.log()
    );
    tcp(&lab, &a, &b, "10.77.0.2", 8080, 100_000);
    let child = &right.sas("office")[0]["children"][0];
    assert!(child["packets_in"].as_u64() >= Some(20), "{child:#}");
}
