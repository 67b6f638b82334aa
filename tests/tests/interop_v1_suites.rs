//! IKEv1, Handfast and strongSwan, both roles: main mode and quick mode with every kind of suite that strongSwan has, with
//! and without PFS, IPv6 inside and outside; one tunnel per suite, pings through each, none lost, then a delete.
//!
//! Our SKEYID, SKEYID_d, SKEYID_a, SKEYID_e, Ka and ESP keys are compared, octet for octet, with those in charon's log. tshark decrypts all phases with our key log
//! (but for CCM and XCBC in ESP, which 4.0 cannot).

use std::path::Path;
use std::time::Duration;

use handfast_tests::capture::Capture;
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::keys::KeyLog;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::tshark::judge_part;

const SOON: Duration = Duration::from_secs(20);
const PINGS: u32 = 10;

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Initiator,
    Responder,
}

/// What a tunnel has besides its suites.
#[derive(Clone, Copy, PartialEq)]
enum More {
    Nothing,
    /// `legacy = true`.
    Legacy,
    OuterV6,
    InnerV6,
    BothV6,
}

use More::{BothV6, InnerV6, Legacy, Nothing, OuterV6};

/// Phase 1, phase 2 (with a group where there is PFS).
type Suite = (&'static str, &'static str, More);

#[rustfmt::skip]
const SUITES: [Suite; 13] = [
    ("3des-sha1-modp1024", "3des-sha1", Legacy),
    ("3des-md5-modp1536", "aes128-md5-modp1536", Legacy),
    ("aes128-sha1-modp2048", "aes128-sha1-modp2048", Nothing),
    ("aes128-sha256-modp3072", "aes128gcm16", Nothing),
    ("aes192-sha384-modp4096", "aes192ctr-sha256-modp4096", OuterV6),
    ("aes256-sha256-ecp256", "aes256gcm8-ecp256", Nothing),
    ("aes256-sha384-ecp384", "aes128ccm16", BothV6),
    ("aes256-sha512-ecp521", "aes256-sha512-ecp521", InnerV6),
    ("aes128-sha256-ecp256bp", "aes256ccm12-ecp256bp", Nothing),
    ("aes256-sha512-ecp384bp", "aes256ctr-sha384-ecp384bp", Nothing),
    ("aes192-sha1-modp2048", "aes192gcm12", Nothing),
    ("aes256-sha256-modp6144", "aes256-sha256", Nothing),
    ("aes128-sha512-modp8192", "aes128-aesxcbc", Nothing),
];

/// What tshark 4.0 cannot do in ESP.
fn is_readable(esp: &str) -> bool {
    !esp.contains("ccm") && !esp.contains("xcbc")
}

#[test]
fn as_initiator() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    every_suite(Role::Initiator);
}

#[test]
fn as_responder() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    every_suite(Role::Responder);
}

fn tunnel(n: u8, (ike, esp, more): Suite) -> Connection {
    let tunnel = Connection::nth(n, ike, esp).v1();
    match more {
        Nothing => tunnel,
        Legacy => tunnel.with("legacy = true"),
        OuterV6 => tunnel.outer_v6(),
        InnerV6 => tunnel.inner_v6(),
        BothV6 => tunnel.outer_v6().inner_v6(),
    }
}

fn every_suite(role: Role) {
    let (lab, a, b) = Lab::pair();
    let tunnels: Vec<Connection> = (3..).zip(SUITES).map(|(n, suite)| tunnel(n, suite)).collect();
    for tunnel in &tunnels {
        lab.add(&a, &b, tunnel);
    }
    let flipped: Vec<Connection> = tunnels.iter().map(Connection::flipped).collect();
    let capture = Capture::start(&lab, &a, &b);
    let ours = Handfast::start(&lab, &a, &tunnels.iter().map(Connection::toml).collect::<String>());
    let theirs = StrongSwan::start_all(&lab, &b, &flipped);

    for tunnel in &tunnels {
        let (name, what) = (&tunnel.name, format!("{} / {}", tunnel.ike, tunnel.esp));
        match role {
            Role::Initiator => ours.up(name),
            Role::Responder => theirs.initiate(name),
        }
        ours.wait_up(name, SOON);
        theirs.wait_up(name);
        let sa = &ours.sas(name)[0];
        assert_eq!(sa["initiator"], role == Role::Initiator, "{what}: {sa:#}");
        assert_eq!(sa["ike_version"], 1, "{what}: {sa:#}");
        let received = a.ping(&tunnel.local.host, &tunnel.remote.host, PINGS, "0.01");
        assert_eq!(received, PINGS, "{what}\n{}\n{}", ours.log(), theirs.log());
        match role {
            Role::Initiator => ours.down(name),
            Role::Responder => theirs.terminate(name),
        }
        ours.wait_down(name, SOON);
        theirs.wait_down(name);
    }

    let keys = ours.keys();
    assert_eq!((keys.isakmp.len(), keys.esp.len()), (SUITES.len(), 2 * SUITES.len()));
    let made = keys.isakmp.iter().flat_map(|row| &row.skeyid);
    assert!(made.clone().all(|key| !key.is_empty()), "{keys:?}");
    keys.assert_same_keys(&theirs.keys());
    judge(&capture.stop(), &keys, &tunnels, &lab.dir().join("wireshark"));
}

/// Has tshark look at all tunnels, and into the ESP of those that it can read.
fn judge(capture: &Path, keys: &KeyLog, tunnels: &[Connection], dir: &Path) {
    for readable in [true, false] {
        let part: Vec<&Connection> = tunnels.iter().filter(|t| is_readable(&t.esp) == readable).collect();
        // tshark refuses a whole table for one row that it does not understand.
        let mut keys = keys.clone();
        let ours = |address: &String| part.iter().any(|t| t.local.address == *address);
        keys.esp.retain(|row| readable && (ours(&row.src) || ours(&row.dst)));
        keys.write(dir);
        let frames = part.iter().map(|t| {
            let address = &t.local.address;
            let field = if address.contains(':') { "ipv6.addr" } else { "ip.addr" };
            format!("{field} == {address}")
        });
        let verdict = judge_part(capture, dir, &frames.collect::<Vec<_>>().join(" || "));
        verdict.assert_no_complaint();
        verdict.assert_ike_good();
        if readable {
            verdict.assert_esp_good();
        }
        // Messages 5 and 6, three of quick mode, the deletes; every ping, each with its answer.
        let (ike, esp) = (7 * part.len(), 2 * PINGS as usize * part.len());
        assert!(verdict.ike_encrypted >= ike && verdict.esp >= esp, "{verdict:?}");
    }
}
