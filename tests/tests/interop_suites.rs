//! Handfast and strongSwan, both roles: every cipher, integrity algorithm, PRF and group that strongSwan's userspace ESP
//! carries, one tunnel per suite, pings through each, none lost, then a delete.
//!
//! One daemon and one charon hold all tunnels, which come up one after the other: charon's log tells keys apart only so.
//! Each suite names its judges. `Tshark` decrypts that tunnel's frames with our own key log. Where tshark 4.0 cannot (it
//! has no ChaCha20-Poly1305 in IKE or ESP, no CCM in ESP, and computes neither AES-XCBC nor AES-CMAC) `Peer` is the judge:
//! our keys are compared, octet for octet, with those in charon's log. That comparison is made for every suite, and pings
//! judge all of them.

use std::collections::BTreeSet;
use std::time::Duration;

use handfast_tests::capture::Capture;
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::keys::KeyLog;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::tshark::judge_part;

const SOON: Duration = Duration::from_secs(10);
const PINGS: u32 = 20;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Judge {
    Tshark,
    Peer,
}

use Judge::{Peer, Tshark};

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

type Suite = ((&'static str, Judge), (&'static str, Judge), More);

#[rustfmt::skip]
const SUITES: [Suite; 20] = [
    (("aes128gcm16-prfsha256-x25519", Tshark), ("aes128gcm16", Tshark), Nothing),
    (("aes192gcm16-prfsha384-ecp384", Tshark), ("aes192gcm16", Tshark), Nothing),
    (("aes256gcm16-prfsha512-ecp521", Tshark), ("aes256gcm16", Tshark), BothV6),
    (("aes128gcm12-prfaesxcbc-modp3072", Tshark), ("aes256gcm12", Tshark), Nothing),
    (("aes256gcm8-prfaescmac-ecp256bp", Tshark), ("aes128gcm8", Tshark), Nothing),
    (("aes128ccm16-prfsha256-ecp384bp", Tshark), ("aes128ccm16", Peer), Nothing),
    (("aes192ccm12-prfsha1-x25519", Tshark), ("aes192ccm12", Peer), Nothing),
    (("aes256ccm8-prfsha384-ecp256", Tshark), ("aes256ccm8", Peer), Nothing),
    (("chacha20poly1305-prfsha512-modp4096", Peer), ("chacha20poly1305", Peer), Nothing),
    (("aes128-sha1-modp2048", Tshark), ("aes128-sha1", Tshark), OuterV6),
    (("aes192-sha384-ecp521", Tshark), ("aes192-sha384", Tshark), Nothing),
    (("aes256-sha512-modp6144", Tshark), ("aes256-sha512", Tshark), Nothing),
    (("aes256-sha256-modp8192", Tshark), ("aes256-sha256", Tshark), InnerV6),
    (("aes128-aesxcbc-ecp256", Peer), ("aes128-aesxcbc", Peer), Nothing),
    (("aes256-aescmac-x25519", Peer), ("aes256-aescmac", Peer), Nothing),
    (("aes128ctr-sha256-x25519", Tshark), ("aes128ctr-sha256", Tshark), Nothing),
    (("aes192ctr-aesxcbc-prfsha256-ecp256", Peer), ("aes192ctr-aescmac", Peer), Nothing),
    (("aes256ctr-sha384-ecp384", Tshark), ("aes256ctr-aesxcbc", Peer), Nothing),
    (("3des-md5-modp1024", Tshark), ("3des-md5", Tshark), Legacy),
    (("3des-sha1-prfmd5-modp1536", Tshark), ("aes256-md5", Tshark), Legacy),
];

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

/// Issue 3's list, without what strongSwan's kernel-libipsec does not carry (ESN).
#[test]
fn nothing_is_left_out() {
    let all = SUITES
        .iter()
        .flat_map(|((ike, _), (esp, _), _)| [(true, ike), (false, esp)]);
    let words: BTreeSet<(bool, &str)> = all
        .flat_map(|(ike, s)| s.split('-').map(move |word| (ike, word)))
        .collect();
    let modes = ["gcm16", "gcm12", "gcm8", "ccm16", "ccm12", "ccm8", "ctr", ""];
    for mode in modes {
        let has = |ike| {
            [128, 192, 256]
                .iter()
                .any(|bits| words.contains(&(ike, &*format!("aes{bits}{mode}"))))
        };
        assert!(has(true) && has(false), "AES {mode}");
    }
    for word in [
        "chacha20poly1305",
        "3des",
        "aes128",
        "aes192",
        "aes256",
        "aes128ctr",
        "aes192ctr",
        "aes256ctr",
    ] {
        assert!(words.contains(&(true, word)), "{word}");
    }
    for word in ["md5", "sha1", "sha256", "sha384", "sha512", "aesxcbc", "aescmac"] {
        assert!(words.contains(&(false, word)), "{word} in ESP");
        let prf = format!("prf{word}");
        assert!(
            words.contains(&(true, word)) || words.contains(&(true, &prf)),
            "{word} in IKE"
        );
    }
    for prf in [
        "prfsha1",
        "prfsha256",
        "prfsha384",
        "prfsha512",
        "prfaesxcbc",
        "prfaescmac",
        "prfmd5",
    ] {
        assert!(words.contains(&(true, prf)), "{prf}");
    }
    for bits in [1024, 1536, 2048, 3072, 4096, 6144, 8192] {
        assert!(words.contains(&(true, &*format!("modp{bits}"))), "modp{bits}");
    }
    for group in ["ecp256", "ecp384", "ecp521", "ecp256bp", "ecp384bp", "x25519"] {
        assert!(words.contains(&(true, group)), "{group}");
    }
}

fn tunnel(n: u8, ((ike, _), (esp, _), more): Suite) -> Connection {
    let tunnel = Connection::nth(n, ike, esp);
    match more {
        Nothing => tunnel,
        Legacy => tunnel.with("legacy = true"),
        OuterV6 => tunnel.outer_v6(),
        InnerV6 => tunnel.inner_v6(),
        BothV6 => tunnel.outer_v6().inner_v6(),
    }
}

/// What is left of a tunnel for the judges.
struct Ran {
    suite: Suite,
    tunnel: Connection,
    spi_i: String,
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

    for weak in ["3des", "md5", "prfmd5", "modp1024", "modp1536"] {
        assert!(
            ours.log().contains(&format!("{weak} is weak")),
            "no warning of {weak}: {}",
            ours.log()
        );
    }

    let mut ran = Vec::new();
    for (suite, tunnel) in SUITES.into_iter().zip(tunnels) {
        let (name, what) = (&tunnel.name, format!("{} / {}", tunnel.ike, tunnel.esp));
        match role {
            Role::Initiator => ours.up(name),
            Role::Responder => theirs.initiate(name),
        }
        ours.wait_up(name, SOON);
        theirs.wait_up(name);
        let sa = &ours.sas(name)[0];
        assert_eq!(sa["initiator"], role == Role::Initiator, "{what}: {sa:#}");
        assert_eq!(sa["ike_version"], 2, "{what}: {sa:#}");
        let received = a.ping(&tunnel.local.host, &tunnel.remote.host, PINGS, "0.01");
        assert_eq!(received, PINGS, "{what}: the daemon's log:\n{}", ours.log());
        let child = &ours.sas(name)[0]["children"][0];
        let packets = (&child["packets_in"], &child["packets_out"]);
        assert_eq!(packets, (&PINGS.into(), &PINGS.into()), "{what}: {child:#}");
        match role {
            Role::Initiator => ours.down(name),
            Role::Responder => theirs.terminate(name),
        }
        ours.wait_down(name, SOON);
        theirs.wait_down(name);
        ran.push(Ran {
            suite,
            spi_i: sa["spi_i"].as_str().unwrap_or_default().to_owned(),
            tunnel,
        });
    }

    let keys = ours.keys();
    assert_eq!((keys.ike.len(), keys.esp.len()), (SUITES.len(), 2 * SUITES.len()));
    keys.assert_same_keys(&theirs.keys());
    let capture = capture.stop();
    for judges in [(Tshark, Tshark), (Tshark, Peer), (Peer, Peer)] {
        let part: Vec<&Ran> = ran.iter().filter(|r| (r.suite.0.1, r.suite.1.1) == judges).collect();
        assert!(!part.is_empty(), "{judges:?}");
        judge(&capture, &keys, &part, judges, &lab.dir().join("wireshark"));
    }
}

/// Has tshark look at these tunnels, as far as it can.
fn judge(capture: &std::path::Path, keys: &KeyLog, part: &[&Ran], judges: (Judge, Judge), dir: &std::path::Path) {
    // tshark refuses a whole table for one row that it does not understand.
    let mut keys = keys.clone();
    keys.ike
        .retain(|row| judges.0 == Tshark && part.iter().any(|r| row.spi_i == r.spi_i));
    keys.esp.retain(|row| {
        judges.1 == Tshark
            && part
                .iter()
                .any(|r| [&row.src, &row.dst].contains(&&r.tunnel.local.address))
    });
    keys.write(dir);
    let frames: Vec<String> = part
        .iter()
        .map(|r| {
            let address = &r.tunnel.local.address;
            let field = if address.contains(':') { "ipv6.addr" } else { "ip.addr" };
            format!("{field} == {address}")
        })
        .collect();
    let verdict = judge_part(capture, dir, &frames.join(" || "));
    verdict.assert_no_complaint();
    if judges.0 == Tshark {
        verdict.assert_ike_good();
    }
    if judges.1 == Tshark {
        verdict.assert_esp_good();
    }
    // IKE_AUTH and the exchange that deletes, each with its answer; every ping, each with its answer.
    let (ike, esp) = (4 * part.len(), 2 * PINGS as usize * part.len());
    assert!(
        verdict.ike_encrypted >= ike && verdict.esp >= esp,
        "{judges:?}: {verdict:?}"
    );
}
