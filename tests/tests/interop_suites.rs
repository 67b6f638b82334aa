//! Handfast and strongSwan, both roles, one test per suite: 100 pings at 100 a second, none lost, then a delete.
//!
//! Each suite names its judges. `Tshark` decrypts the whole capture with our own key log, exactly as we wrote it. Where
//! tshark 4.0 cannot (it has no ChaCha20-Poly1305) `Peer` is the judge: our keys are compared, octet for octet, with
//! those in charon's log. That comparison is made for every suite, and pings judge all of them.

use std::time::Duration;

use handfast_tests::capture::Capture;
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::tshark::{judge, judge_dir};

const SOON: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq)]
enum Judge {
    Tshark,
    Peer,
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Initiator,
    Responder,
}

macro_rules! suites {
    ($($name:ident: $ike:literal ($ike_judge:ident), $esp:literal ($esp_judge:ident);)+) => {$(
        mod $name {
            use super::*;

            #[test]
            fn as_initiator() {
                need!(Namespaces, StrongSwan, Tshark, Tcpdump);
                suite(Role::Initiator, ($ike, Judge::$ike_judge), ($esp, Judge::$esp_judge));
            }

            #[test]
            fn as_responder() {
                need!(Namespaces, StrongSwan, Tshark, Tcpdump);
                suite(Role::Responder, ($ike, Judge::$ike_judge), ($esp, Judge::$esp_judge));
            }
        }
    )+};
}

suites! {
    gcm128_x25519: "aes128gcm16-prfsha256-x25519" (Tshark), "aes128gcm16" (Tshark);
    cbc256_sha256_modp2048: "aes256-sha256-modp2048" (Tshark), "aes256-sha256" (Tshark);
    gcm256_sha384_ecp384_chacha: "aes256gcm16-prfsha384-ecp384" (Tshark), "chacha20poly1305" (Peer);
    cbc128_sha1_ecp256: "aes128-sha1-ecp256" (Tshark), "aes128-sha1" (Tshark);
    chacha_sha512_modp3072: "chacha20poly1305-prfsha512-modp3072" (Peer), "aes256-sha512" (Tshark);
}

fn suite(role: Role, (ike, ike_judge): (&str, Judge), (esp, esp_judge): (&str, Judge)) {
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new(ike, esp);
    let capture = Capture::start(&lab, &a, &b);
    let ours = Handfast::start(&lab, &a, &connection.toml());
    let theirs = StrongSwan::start(&lab, &b, &connection.flipped());

    match role {
        Role::Initiator => ours.up("office"),
        Role::Responder => theirs.initiate("office"),
    }
    ours.wait_up("office", SOON);
    assert!(theirs.is_up("office"), "{}", theirs.list_sas());
    let sa = &ours.sas("office")[0];
    assert_eq!(sa["initiator"], role == Role::Initiator, "{sa:#}");
    assert_eq!(sa["ike_version"], 2, "{sa:#}");

    assert_eq!(
        a.ping("10.78.1.1", "10.78.2.1", 100, "0.01"),
        100,
        "the daemon's log:\n{}",
        ours.log()
    );
    let child = &ours.sas("office")[0]["children"][0];
    assert_eq!(
        (&child["packets_in"], &child["packets_out"]),
        (&100.into(), &100.into()),
        "{child:#}"
    );

    match role {
        Role::Initiator => ours.down("office"),
        Role::Responder => theirs.terminate("office"),
    }
    ours.wait_down("office", SOON);
    ours.wait("the peer has no SA", SOON, |_| !theirs.is_up("office"));

    ours.keys().assert_same_keys(&theirs.keys());
    let capture = capture.stop();
    let verdict = if ike_judge == Judge::Tshark && esp_judge == Judge::Tshark {
        judge_dir(&capture, &ours.keylog_dir())
    } else {
        // tshark refuses a whole table for one row that it does not understand.
        let mut keys = ours.keys();
        keys.ike.retain(|_| ike_judge == Judge::Tshark);
        keys.esp.retain(|_| esp_judge == Judge::Tshark);
        judge(&capture, &keys, &lab.dir().join("wireshark"))
    };
    verdict.assert_no_complaint();
    if ike_judge == Judge::Tshark {
        verdict.assert_ike_good();
    }
    if esp_judge == Judge::Tshark {
        verdict.assert_esp_good();
    }
    // IKE_AUTH and the exchange that deletes, each with its answer; every ping, each with its answer.
    assert!(verdict.ike_encrypted >= 4 && verdict.esp >= 200, "{verdict:?}");
}
