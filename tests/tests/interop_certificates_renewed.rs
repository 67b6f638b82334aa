//! A certificate that is renewed while packets flow: strongSwan sees the new one at the next authentication.

use std::path::Path;
use std::thread::scope;
use std::time::Duration;

use handfast_tests::connection::Connection;
use handfast_tests::meeting::Meeting;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::pki::{Pki, Wish};
use handfast_tests::process::until;

const SOON: Duration = Duration::from_secs(20);

/// Replaces the certificate in place of another as certbot does: a new file under the old name.
fn replace(new: &Path, old: &Path) {
    let beside = old.with_extension("new");
    std::fs::copy(new, &beside)
        .and_then(|_| std::fs::rename(&beside, old))
        .unwrap_or_else(|e| panic!("{e}"));
}

fn renewed(version: u8) {
    let (lab, a, b) = Lab::pair();
    let pki = Pki::new(&lab);
    pki.root("ca", "p256");
    let suite = if version == 1 {
        "aes128-sha256-ecp256"
    } else {
        "aes128gcm16-prfsha256-x25519"
    };
    let mut tunnel = Connection::nth(3, suite, "aes128gcm16");
    if version == 1 {
        tunnel = tunnel.v1();
    }
    let (local, remote) = (
        pki.host("a", "p256", "ca", &tunnel.local.id),
        pki.host("b", "p256", "ca", &tunnel.remote.id),
    );
    let tunnel = tunnel.proven(local, remote, pki.crt("ca"));
    // Its successor has another key and another subject, by which charon's log tells them apart.
    let names = format!("DNS:{}", tunnel.local.id);
    let wish = Wish {
        names: &names,
        subject: "/C=XX/O=Example/CN=renewed",
        days: (-1, 400),
        ..Wish::default()
    };
    pki.issue("next", "p256", "ca", &wish);
    let meeting = Meeting::of(&lab, &a, &b, std::slice::from_ref(&tunnel), &[]);
    meeting.we_begin(&tunnel);
    let spi = || meeting.ours.sas(&tunnel.name).first().map(|sa| sa["spi_i"].clone());
    let before = spi();
    let expiry = || meeting.ours.status()["certificates"].to_string();
    assert!(
        expiry().contains("CN=a\"") && !expiry().contains("renewed"),
        "{}",
        expiry()
    );

    let received = scope(|scope| {
        let pings = scope.spawn(|| a.ping(&tunnel.local.host, &tunnel.remote.host, 900, "0.01"));
        // The certificate first: until its key is there too, the old pair stays.
        replace(&pki.crt("next"), &pki.crt("a"));
        until("the pair does not fit", SOON, || {
            meeting.ours.log().contains("changed certificate files are not used")
        });
        assert!(!expiry().contains("renewed"), "{}", expiry());
        replace(&pki.file("next.key"), &pki.file("a.key"));
        until("the new one is in use", SOON, || expiry().contains("CN=renewed"));
        pings.join().unwrap_or_default()
    });
    assert_eq!(received, 900, "{}", meeting.logs());
    assert_eq!(spi(), before, "the SA stands: {}", meeting.logs());
    assert!(meeting.ours.log().contains("is renewed and used"), "{}", meeting.logs());
    let seen = |who: &str| {
        meeting
            .theirs
            .log()
            .contains(&format!("received end entity cert \"C=XX, O=Example, CN={who}\""))
    };
    assert!(seen("a") && !seen("renewed"), "{}", meeting.logs());

    meeting.end(&tunnel);
    meeting.they_begin(&tunnel);
    assert!(seen("renewed"), "{}", meeting.logs());
    meeting.end(&tunnel);
    meeting.we_begin(&tunnel);
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart_in_ikev2() {
    need!(Namespaces, StrongSwan, Tcpdump, OpenSsl);
    renewed(2);
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart_in_ikev1() {
    need!(Namespaces, StrongSwan, Tcpdump, OpenSsl);
    renewed(1);
}
