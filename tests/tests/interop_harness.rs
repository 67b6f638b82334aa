//! Proof of the laboratory itself: two strongSwans agree, their pings pass, tshark decrypts all of it with the keys of
//! charon's log, and does not when a key is altered. And its pings: what is lost, and where.

use std::time::Duration;

use handfast_tests::capture::{self, Capture};
use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::keys::KeyLog;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::ping::{Echoes, ping};
use handfast_tests::strongswan::StrongSwan;
use handfast_tests::tshark::{can_decrypt, judge};

#[test]
fn two_strongswans_pass_and_an_altered_key_does_not() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new("aes128-sha256-x25519", "aes128gcm16");
    let capture = Capture::start(&lab, &a, &b);
    let left = StrongSwan::start(&lab, &a, &connection);
    let right = StrongSwan::start(&lab, &b, &connection.flipped());
    left.initiate("office");
    left.wait_up("office");
    right.wait_up("office");
    assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 20, "0.01"), 20);
    left.terminate("office");
    right.wait_down("office");

    // The initiator's and the responder's log tell the same keys, read in two different ways.
    let keys = left.keys();
    keys.assert_same_keys(&right.keys());

    let capture = capture.stop();
    let dir = lab.dir().join("wireshark");
    let verdict = judge(&capture, &keys, &dir);
    verdict.assert_good();
    // IKE_AUTH and the exchange that deletes, each with its answer; every ping, each with its answer.
    assert!(verdict.ike_encrypted >= 4, "{verdict:?}");
    assert!(verdict.esp >= 40, "{verdict:?}");
    // strongSwan's userspace plane has it all in UDP.
    assert_eq!(capture::count(&capture, capture::ESP_IN_UDP), verdict.esp);
    assert_eq!(capture::count(&capture, "esp"), 0);

    let alter = |change: fn(&mut KeyLog)| {
        let mut altered = keys.clone();
        change(&mut altered);
        assert_ne!(altered, keys);
        judge(&capture, &altered, &dir)
    };
    let refused =
        |verdict: &handfast_tests::tshark::Verdict| std::panic::catch_unwind(|| verdict.assert_good()).is_err();
    assert!(
        refused(&alter(|k| flip(&mut k.ike[0].sk_ai))),
        "an altered SK_ai passed"
    );
    assert!(
        refused(&alter(|k| flip(&mut k.ike[0].sk_er))),
        "an altered SK_er passed"
    );
    assert!(
        refused(&alter(|k| flip(&mut k.esp[0].key))),
        "an altered ESP key passed"
    );
    assert!(refused(&alter(|k| k.esp.clear())), "missing ESP keys passed");
    assert!(refused(&alter(|k| k.ike.clear())), "missing IKE keys passed");
}

/// Some suites of interop_suites.rs: what each judge says of them when nothing of ours takes part.
#[test]
fn the_judges_know_every_suite() {
    need!(Namespaces, StrongSwan, Tshark, Tcpdump);
    for (ike, esp) in [
        ("aes128gcm16-prfsha256-x25519", "aes128gcm16"),
        ("aes256-sha256-modp2048", "aes256-sha256"),
        ("aes256gcm16-prfsha384-ecp384", "chacha20poly1305"),
        ("aes128-sha1-ecp256", "aes128-sha1"),
        ("chacha20poly1305-prfsha512-modp3072", "aes256-sha512"),
    ] {
        let (lab, a, b) = Lab::pair();
        let connection = Connection::new(ike, esp).outer_v6();
        let capture = Capture::start(&lab, &a, &b);
        let left = StrongSwan::start(&lab, &a, &connection);
        let right = StrongSwan::start(&lab, &b, &connection.flipped());
        right.initiate("office");
        assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 10, "0.01"), 10, "{ike} {esp}");
        right.terminate("office");
        let mut keys = left.keys();
        keys.assert_same_keys(&right.keys());
        keys.ike.retain(|_| can_decrypt(ike));
        keys.esp.retain(|_| can_decrypt(esp));
        let capture = capture.stop();
        let verdict = judge(&capture, &keys, &lab.dir().join("wireshark"));
        verdict.assert_no_complaint();
        if can_decrypt(ike) {
            verdict.assert_ike_good();
        }
        if can_decrypt(esp) {
            verdict.assert_esp_good();
        }
        assert!(
            verdict.ike_encrypted >= 4 && verdict.esp >= 20,
            "{ike} {esp}: {verdict:?}"
        );
        assert!(capture::count(&capture, capture::ESP_IN_UDP6) >= 20);
    }
}

#[test]
fn the_nat_masquerades() {
    need!(Namespaces, StrongSwan, Nft);
    let (lab, a, b) = Lab::behind_nat();
    let mut connection = Connection::new("aes128gcm16-prfsha256-x25519", "aes128-sha256");
    connection.local.address = "10.76.0.1".into();
    let mut other = connection.flipped();
    other.remote.address = "%any".into();
    let left = StrongSwan::start(&lab, &a, &connection);
    let right = StrongSwan::start(&lab, &b, &other);
    left.initiate("office");
    assert_eq!(b.ping("10.78.2.1", "10.78.1.1", 10, "0.01"), 10);
    let sas = right.list_sas();
    assert!(
        sas.contains("@ 10.77.0.254["),
        "the router's address should be seen: {sas}"
    );
}

/// The last echoes of a row have the time that the first have; the command `ping` would call them lost.
#[test]
fn an_answer_that_is_late_is_no_loss() {
    need!(Namespaces);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new("", "");
    let left = Handfast::start(&lab, &a, &connection.toml());
    let right = Handfast::start(&lab, &b, &connection.flipped().toml());
    left.up("office");
    right.wait_up("office", Duration::from_secs(10));
    let received = std::thread::scope(|scope| {
        let pings = scope.spawn(|| a.ping("10.78.1.1", "10.78.2.1", 20, "0.01"));
        std::thread::sleep(Duration::from_millis(100));
        right.paused(|| std::thread::sleep(Duration::from_secs(1)));
        pings.join().expect("the pings run")
    });
    assert_eq!(received, 20, "{}\n{}", left.log(), right.log());
}

#[test]
fn a_loss_is_found_on_its_hop() {
    need!(Namespaces, Nft);
    let (lab, a, b) = Lab::pair();
    let connection = Connection::new("", "");
    let left = Handfast::start(&lab, &a, &connection.toml());
    let right = Handfast::start(&lab, &b, &connection.flipped().toml());
    left.up("office");
    right.wait_up("office", Duration::from_secs(10));
    let lost = || {
        let (from, to) = ([10, 78, 1, 1], [10, 78, 2, 1]);
        let (count, interval) = (4, Duration::from_millis(10));
        let pinged = ping(
            &a,
            Echoes {
                from: from.into(),
                to: to.into(),
                count,
                interval,
                octets: 56,
                tos: 0,
            },
        );
        assert_eq!(pinged.received(), 0, "{pinged}");
        pinged.to_string()
    };
    b.run("sysctl", &["-q", "-w", "net.ipv4.icmp_echo_ignore_all=1"]);
    let said = lost();
    let expected = "vanished between \"received by the host there\" and \"answered\"";
    assert!(said.contains(expected), "{said}");
    b.run(
        "nft",
        &["add table ip f; add chain ip f i { type filter hook input priority 0; }; add rule ip f i ip protocol esp drop"],
    );
    let said = lost();
    let expected = "vanished between \"given to the daemon here\" and \"delivered by the daemon there\"";
    assert!(said.contains(expected), "{said}");
}

/// Changes the last octet of a key in hexadecimal.
fn flip(hex: &mut String) {
    let last = if hex.pop() == Some('0') { '1' } else { '0' };
    hex.push(last);
}
