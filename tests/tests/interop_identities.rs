//! Every type of identity with strongSwan, in both roles, with a preshared key.

use std::time::Duration;

use handfast_tests::connection::Connection;
use handfast_tests::handfast::Handfast;
use handfast_tests::need;
use handfast_tests::netns::Lab;
use handfast_tests::strongswan::StrongSwan;

const SOON: Duration = Duration::from_secs(10);

/// One type: how each side's identity is written by us and by strongSwan, and a pattern of ours for the peer's.
struct Type {
    ours: (&'static str, &'static str),
    theirs: (&'static str, &'static str),
    pattern: &'static str,
    /// As charon's log names our type.
    named: &'static str,
}

const TYPES: [Type; 6] = [
    Type {
        ours: ("192.0.2.77", "192.0.2.77"),
        theirs: ("10.77.0.2", "10.77.0.2"),
        pattern: "10.77.0.2",
        named: "192.0.2.77",
    },
    Type {
        ours: ("2001:db8::77", "2001:db8::77"),
        theirs: ("2001:db8::78", "2001:db8::78"),
        pattern: "2001:db8::78",
        named: "2001:db8::77",
    },
    Type {
        ours: ("a.example.net", "a.example.net"),
        theirs: ("b.example.net", "b.example.net"),
        pattern: "*.example.net",
        named: "a.example.net",
    },
    Type {
        ours: ("carol@example.net", "carol@example.net"),
        theirs: ("dave@example.net", "dave@example.net"),
        pattern: "*@example.net",
        named: "carol@example.net",
    },
    Type {
        ours: ("keyid:0x00ff10", "\"@#00ff10\""),
        theirs: ("keyid:branch-7", "\"@#6272616e63682d37\""),
        pattern: "keyid:branch-7",
        named: "00:ff:10",
    },
    Type {
        ours: ("C=CH, O=Example AG, CN=gw a", "\"C=CH, O=Example AG, CN=gw a\""),
        theirs: (
            "dn:C=CH, O=Example AG, OU=x, CN=gw b, E=root@example.net",
            "\"C=CH, O=Example AG, OU=x, CN=gw b, E=root@example.net\"",
        ),
        pattern: "C=CH, O=Example AG, OU=x, CN=*, E=root@example.net",
        named: "C=CH, O=Example AG, CN=gw a",
    },
];

#[test]
fn every_type_in_both_roles() {
    need!(Namespaces, StrongSwan);
    for Type {
        ours,
        theirs,
        pattern,
        named,
    } in TYPES
    {
        for (we_begin, remote) in [(true, theirs.0), (false, pattern)] {
            let (lab, a, b) = Lab::pair();
            let mut connection = Connection::new("aes128gcm16-prfsha256-x25519", "aes128gcm16");
            (connection.local.id, connection.remote.id) = (ours.0.into(), remote.into());
            let mut other = connection.flipped();
            (other.local.id, other.remote.id) = (theirs.1.into(), ours.1.into());
            let us = Handfast::start(&lab, &a, &connection.toml());
            let them = StrongSwan::start(&lab, &b, &other);
            if we_begin {
                us.up("office");
            } else {
                them.initiate("office");
            }
            us.wait_up("office", SOON);
            assert!(them.log().contains(&format!("[{named}]")), "{}", them.log());
            assert_eq!(a.ping("10.78.1.1", "10.78.2.1", 3, "0.01"), 3);
            us.down("office");
        }
    }
}

#[test]
fn another_name_is_refused_with_both() {
    need!(Namespaces, StrongSwan);
    let (lab, a, b) = Lab::pair();
    let mut connection = Connection::new("aes128gcm16-prfsha256-x25519", "aes128gcm16");
    connection.local.id = "C=CH, CN=a".into();
    connection.remote.id = "C=CH, O=Example, CN=*".into();
    let mut other = connection.flipped();
    other.remote.id = "\"C=CH, CN=a\"".into();
    other.local.id = "\"C=CH, O=Other, CN=b\"".into();
    let us = Handfast::start(&lab, &a, &connection.toml());
    let them = StrongSwan::start(&lab, &b, &other);
    assert!(!them.try_initiate("office", 5));
    let log = us.log();
    assert!(
        log.contains("dn:C=CH,O=Other,CN=b, looking for dn:C=CH,CN=a") && log.contains("O=Example"),
        "{log}"
    );
}
