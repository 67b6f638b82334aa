//! Several children under one IKE SA with strongSwan, in both roles, with selectors of protocols and ports.

use std::time::Duration;

use handfast_tests::capture::{self, Capture};
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::{Lab, Namespace};
use handfast_tests::stream::tcp;
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::tshark::judge_dir;

const SOON: Duration = Duration::from_secs(10);

/// Child "office" is that of the connection, 10.78.1.0/24 to 10.78.2.0/24; "web" is TCP to port 443 of 10.79.2.0/24, and
/// "six" is IPv6 and another suite.
fn three(lab: &Lab, a: &Namespace, b: &Namespace, ours: &str) -> (Handfast, StrongSwan) {
    a.own("10.79.1.1/32");
    b.own("10.79.2.1/32");
    let mut connection = Connection::new("aes128gcm16-prfsha256-x25519", "aes128gcm16");
    connection.handfast.push(
        "[connection.office.child.office]
[connection.office.child.web]
local_subnet = \"10.79.1.0/24\"
remote_subnet = \"10.79.2.0/24[tcp/443]\"
[connection.office.child.six]
local_subnet = \"fd78:1::/64\"
remote_subnet = \"fd78:2::/64\"
esp = \"aes256-sha256-ecp256\""
            .into(),
    );
    let mut other = connection.flipped();
    other.swanctl.push(
        "children {
      web {
        local_ts = 10.79.2.0/24[tcp/443]
        remote_ts = 10.79.1.0/24
        esp_proposals = aes128gcm16
      }
      six {
        local_ts = fd78:2::/64
        remote_ts = fd78:1::/64
        esp_proposals = aes256-sha256-ecp256
      }
    }"
        .into(),
    );
    let toml = format!("{}{ours}", connection.toml());
    let handfast = Handfast::start(lab, a, &toml);
    (handfast, StrongSwan::start(lab, b, &other))
}

/// The children of the one IKE SA, by name.
fn children(ours: &Handfast) -> Vec<(String, serde_json::Value)> {
    let sas = ours.sas("office");
    assert_eq!(sas.len(), 1, "{sas:#?}");
    let list = sas[0]["children"].as_array().cloned().unwrap_or_default();
    let mut list: Vec<_> = list
        .into_iter()
        .map(|c| (c["name"].as_str().unwrap_or("").to_string(), c))
        .collect();
    list.sort_by(|a, b| a.0.cmp(&b.0));
    list
}

fn names(ours: &Handfast) -> Vec<String> {
    children(ours).into_iter().map(|(name, _)| name).collect()
}

fn all_carry(lab: &Lab, a: &Namespace, b: &Namespace, ours: &Handfast, theirs: &StrongSwan) {
    let logs = || format!("{}\n{}", ours.log(), theirs.log());
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 20, "0.01"), 20, "{}", logs());
    assert_eq!(a.ping("fd78:1::1", "fd78:2::1", 20, "0.01"), 20, "{}", logs());
    // So little that it is one packet, for tshark's sake.
    tcp(lab, a, b, "10.79.2.1", 443, 1000);
}

/// Each child has carried some of it.
fn all_counted(ours: &Handfast) {
    for name in ["office", "six", "web"] {
        // Of the one in use and one that it may have replaced just now.
        let list = children(ours);
        let packets = |key: &str| -> u64 {
            let of_name = list.iter().filter(|(n, _)| n == name);
            of_name.map(|(_, child)| child[key].as_u64().unwrap_or(0)).sum()
        };
        assert!(
            packets("packets_in") >= 3 && packets("packets_out") >= 3,
            "{name}: {list:#?}\n{}",
            ours.log()
        );
    }
}

#[test]
fn we_ask_for_all_and_rekey_each() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let capture = Capture::start(&lab, &a, &b);
    let (ours, theirs) = three(&lab, &a, &b, "rekey = \"4s\"\n");
    ours.up("office");
    assert_eq!(names(&ours), ["office", "six", "web"], "{}", theirs.log());
    all_carry(&lab, &a, &b, &ours, &theirs);
    all_counted(&ours);
    // The key `rekey` is that of the last child's table.
    let spi = |name: &str| {
        let list = children(&ours);
        list.iter()
            .filter(|(n, c)| n == name && c["state"] == "installed")
            .map(|(_, c)| c["spi_in"].clone())
            .next()
    };
    let (six, office) = (spi("six"), spi("office"));
    ours.wait("the child is replaced", SOON, |_| {
        spi("six").is_some() && spi("six") != six
    });
    assert_eq!(spi("office"), office);
    all_carry(&lab, &a, &b, &ours, &theirs);
    ours.down("office");
    theirs.wait_down("office");
    let file = capture.stop();
    judge_dir(&file, &ours.keylog_dir()).assert_good();
    assert_eq!(capture::count(&file, "tcp"), 0);
}

#[test]
fn the_peer_asks_for_each() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let capture = Capture::start(&lab, &a, &b);
    let (ours, theirs) = three(&lab, &a, &b, "");
    for (index, child) in ["office", "web", "six"].into_iter().enumerate() {
        theirs.initiate(child);
        ours.wait(&format!("{child} is there"), SOON, |ours| {
            ours.is_up("office") && children(ours).len() == index + 1
        });
    }
    assert_eq!(names(&ours), ["office", "six", "web"]);
    all_carry(&lab, &a, &b, &ours, &theirs);
    all_counted(&ours);
    theirs.rekey_child("web");
    all_carry(&lab, &a, &b, &ours, &theirs);
    let file = capture.stop();
    judge_dir(&file, &ours.keylog_dir()).assert_good();
}

#[test]
fn the_bound_is_kept() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    a.own("10.79.1.1/32");
    let connection = Connection::new("aes128gcm16-prfsha256-x25519", "aes128gcm16").with("max_children = 1");
    let mut other = connection.flipped();
    other.swanctl.push(
        "children {
      more {
        local_ts = 10.78.2.0/25
        remote_ts = 10.78.1.0/25
        esp_proposals = aes128gcm16
      }
    }"
        .into(),
    );
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &other);
    theirs.initiate("office");
    assert!(!theirs.try_initiate("more", 5));
    assert!(theirs.log().contains("NO_ADD_SAS"), "{}", theirs.log());
    assert!(ours.log().contains("1 child SAs already"), "{}", ours.log());
    assert_eq!(names(&ours), ["office"]);
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 5, "0.01"), 5);
}
