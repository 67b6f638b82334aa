#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn id(text: &str) -> Identity {
    text.parse().unwrap_or_else(|e| panic!("{e}"))
}

fn pattern(text: &str) -> IdentityPattern {
    text.parse().unwrap_or_else(|e| panic!("{e}"))
}

fn fqdn(name: &str) -> Identity {
    Identity::Fqdn(name.into())
}

fn email(address: &str) -> Identity {
    Identity::Email(address.into())
}

fn key_id(data: &[u8]) -> Identity {
    Identity::KeyId(data.into())
}

#[test]
fn wire_forms() {
    let known: [(u8, &[u8], Identity); 7] = [
        (1, &[192, 0, 2, 1], id("192.0.2.1")),
        (2, b"gw.example.net", fqdn("gw.example.net")),
        (3, b"carol@example.net", email("carol@example.net")),
        (
            5,
            &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            id("2001:db8::1"),
        ),
        (9, &[0x30, 2, 5, 0], Identity::Dn(vec![0x30, 2, 5, 0])),
        (11, &[0, 255], key_id(&[0, 255])),
        (2, b"two words", fqdn("two words")),
    ];
    for (kind, data, identity) in known {
        assert_eq!(Identity::from_wire(kind, data), identity);
        assert_eq!(identity.to_wire(), (kind, data.to_vec()));
        assert_eq!(identity.to_id_body(), [&[kind, 0, 0, 0], data].concat());
    }
}

#[test]
fn what_is_not_valid_for_its_type_is_other() {
    let invalid: [(u8, &[u8]); 20] = [
        (1, &[192, 0, 2]),
        (1, &[0; 16]),
        (5, &[0; 4]),
        (2, b""),
        (2, b"a\0.example"),
        (2, b"a\n"),
        (2, b"\x7f"),
        (2, "b\u{fc}ro.example".as_bytes()),
        (3, b"carol"),
        (3, b"carol@"),
        (3, b"@example.net"),
        (3, b"carol@example.net\0"),
        (9, b""),
        (9, &[0x31, 0]),
        (9, &[0x30, 1]),
        (9, &[0x30, 0, 0]),
        (9, &[0x30, 0x80, 0, 0]),
        (11, b""),
        (0, b"x"),
        (13, b""),
    ];
    for (kind, data) in invalid {
        let other = Identity::from_wire(kind, data);
        assert_eq!(
            other,
            Identity::Other {
                kind,
                data: data.to_vec()
            }
        );
        assert_eq!(other.to_wire(), (kind, data.to_vec()));
        assert!(IdentityPattern::from(other.clone()).matches(&other));
    }
}

#[test]
fn long_distinguished_names() {
    for (head, len) in [(vec![0x30, 0x81, 200], 200), (vec![0x30, 0x82, 1, 44], 300)] {
        let dn = [head, vec![0; len]].concat();
        assert_eq!(Identity::from_wire(9, &dn), Identity::Dn(dn.clone()));
        assert!(matches!(
            Identity::from_wire(9, &dn[..dn.len() - 1]),
            Identity::Other { .. }
        ));
    }
    // DER has one form of a length: the shortest.
    assert!(matches!(
        Identity::from_wire(9, &[0x30, 0x81, 1, 0]),
        Identity::Other { .. }
    ));
}

#[test]
fn texts() {
    for (text, identity, shown) in [
        ("192.0.2.1", Identity::Ipv4([192, 0, 2, 1].into()), "192.0.2.1"),
        ("ipv4:192.0.2.1", Identity::Ipv4([192, 0, 2, 1].into()), "192.0.2.1"),
        (
            "2001:db8::1",
            Identity::Ipv6("2001:db8::1".parse().unwrap()),
            "2001:db8::1",
        ),
        ("ipv6:::1", Identity::Ipv6(Ipv6Addr::LOCALHOST), "::1"),
        ("gw.example.net", fqdn("gw.example.net"), "gw.example.net"),
        ("moon", fqdn("moon"), "moon"),
        ("@moon", fqdn("moon"), "moon"),
        ("fqdn:192.0.2.1", fqdn("192.0.2.1"), "fqdn:192.0.2.1"),
        ("@two words", fqdn("two words"), "fqdn:two\\x20words"),
        ("fqdn:a\\x25n", fqdn("a%n"), "fqdn:a\\x25n"),
        ("fqdn:any", fqdn("any"), "fqdn:any"),
        ("fqdn:a@b", fqdn("a@b"), "fqdn:a@b"),
        ("carol@example.net", email("carol@example.net"), "carol@example.net"),
        (
            "email:$(id)@example.net",
            email("$(id)@example.net"),
            "email:\\x24\\x28id\\x29@example.net",
        ),
        ("keyid:branch-7", key_id(b"branch-7"), "keyid:branch-7"),
        ("keyid:0x6162", key_id(b"ab"), "keyid:ab"),
        ("keyid:cafe", key_id(b"cafe"), "keyid:cafe"),
        ("keyid:0x00FF10", key_id(&[0, 255, 16]), "keyid:0x00ff10"),
        ("keyid:\\x30x61", key_id(b"0x61"), "keyid:0x30783631"),
        ("dn:3000", Identity::Dn(vec![0x30, 0]), "dn:0x3000"),
        ("dn:0x3000", Identity::Dn(vec![0x30, 0]), "dn:0x3000"),
        ("other:13:0x", Identity::Other { kind: 13, data: vec![] }, "other:13:0x"),
    ] {
        assert_eq!(id(text), identity, "{text}");
        assert_eq!(identity.to_string(), shown);
        assert_eq!(id(shown), identity, "{shown}");
    }
}

#[test]
fn distinguished_names_are_written_and_compared_as_names() {
    for (text, shown) in [
        ("C=XX, O=Example, CN=gw", "dn:C=XX,O=Example,CN=gw"),
        (
            "dn:O=Two Words, CN=a\\,b, E=a@b.example",
            "dn:O=Two\\x20Words,CN=a\\,b,E=a@b.example",
        ),
        ("CN=caf\u{e9}", "dn:CN=caf\\xe9"),
        ("CN=http://x", "dn:CN=http://x"),
    ] {
        let identity = id(text);
        assert_eq!((identity.to_string().as_str(), identity.to_wire().0), (shown, 9));
        assert!(id(shown).same_as(&identity));
    }
    // In a script that has no single octets: in hexadecimal.
    assert!(id("CN=\u{4e2d}").to_string().starts_with("dn:0x30"));
    // UTF8String against PrintableString, and case.
    let utf8 = Identity::from_wire(9, &[0x30, 13, 0x31, 11, 0x30, 9, 6, 3, 0x55, 4, 3, 12, 2, b'G', b'w']);
    assert!(utf8.same_as(&id("CN=gw")) && utf8 != id("CN=gw"));
    assert!(!utf8.same_as(&id("CN=g")) && !utf8.same_as(&fqdn("CN=Gw")));

    let any_host = pattern("dn:C=XX, O=Example, CN=*");
    assert!(any_host.matches(&id("C=xx, O=example, CN=whoever")));
    for other in ["C=XX, O=Other, CN=a", "C=XX, O=Example", "C=XX, O=Example, OU=x, CN=a"] {
        assert!(!any_host.matches(&id(other)), "{other}");
    }
    assert!(!any_host.matches(&fqdn("whoever")));
    assert_eq!(
        (any_host.to_string().as_str(), any_host.exact()),
        ("dn:C=XX, O=Example, CN=*", None)
    );
    assert_eq!(pattern("C=XX, CN=*"), pattern("dn:C=XX, CN=*"));
    "C=XX, QQ=*".parse::<IdentityPattern>().unwrap_err();
}

#[test]
fn mistakes_are_explained() {
    for (text, hint) in [
        ("", "empty"),
        ("fqdn:", "not empty"),
        ("192.0.2.300", "fqdn:"),
        ("any", "%any"),
        ("%any", "pattern"),
        ("*.example.net", "pattern"),
        ("CN=gw, O", "TYPE=VALUE"),
        ("dn:XY=gw", "is none of CN"),
        ("two words", "' ' is not usual"),
        ("caf\u{e9}.example", "is not usual"),
        ("fqdn:caf\u{e9}.example", "printable ASCII"),
        ("a\\x41", "is not usual"),
        ("fqdn:a\\n", "\\x5c"),
        ("fqdn:a\\x4", "\\x5c"),
        ("fqdn:a\\xzz", "two hexadecimal digits"),
        ("fqdn:a\nb", "printable ASCII"),
        ("@#6162", "keyid:0x"),
        ("carol@", "a user"),
        ("email:carol", "a user"),
        ("ipv4:2001:db8::1", "IPv4"),
        ("ipv6:192.0.2.1", "IPv6"),
        ("keyid:", "not empty"),
        ("keyid:0x", "not empty"),
        ("keyid:0x123", "two digits"),
        ("dn:3001", "DER"),
        ("other:256:0x", "0 to 255"),
        ("other:1", "takes an ID type"),
        ("user:x", "known prefix"),
        ("2001:db8::g", "known prefix"),
    ] {
        let error = text.parse::<Identity>().unwrap_err().to_string();
        assert!(error.contains(hint), "{text:?}: {error}");
        assert!(error.bytes().all(|octet| octet >= 0x20), "{error:?}");
    }
    for text in [
        "gw*.example.net",
        "*.",
        "*",
        "*@",
        "*.*.net",
        "*..net",
        "any",
        "*.example net",
    ] {
        text.parse::<IdentityPattern>().unwrap_err();
    }
}

#[test]
fn patterns() {
    for (text, yes, no) in [
        ("%any", vec![fqdn("a"), key_id(b"x"), id("192.0.2.1")], vec![]),
        (
            "gw.example.net",
            vec![fqdn("gw.example.net"), fqdn("GW.Example.NET")],
            vec![
                fqdn("gw.example.ne"),
                email("gw.example.net@x"),
                key_id(b"gw.example.net"),
            ],
        ),
        (
            "carol@example.net",
            vec![email("carol@EXAMPLE.net")],
            vec![
                email("Carol@example.net"),
                email("carol@x@example.net"),
                fqdn("carol@example.net"),
            ],
        ),
        (
            "*.example.net",
            vec![fqdn("gw.example.net"), fqdn("a.b.EXAMPLE.net")],
            vec![
                fqdn("example.net"),
                fqdn(".example.net"),
                fqdn("a..example.net"),
                fqdn("badexample.net"),
                fqdn("x y.example.net"),
                fqdn("gw.example.net.evil"),
                email("a@gw.example.net"),
                Identity::from_wire(2, b"a\0.example.net"),
                fqdn("t"),
            ],
        ),
        (
            "*@example.net",
            vec![email("carol@example.net"), email("dave@Example.net")],
            vec![email("carol@gw.example.net"), fqdn("a@example.net")],
        ),
        (
            "192.0.2.1",
            vec![id("192.0.2.1")],
            vec![fqdn("192.0.2.1"), id("192.0.2.2")],
        ),
        ("keyid:Ab", vec![key_id(b"Ab")], vec![key_id(b"ab"), fqdn("Ab")]),
    ] {
        let pattern = pattern(text);
        assert_eq!(pattern.to_string(), text);
        yes.iter()
            .for_each(|identity| assert!(pattern.matches(identity), "{text} {identity}"));
        no.iter()
            .for_each(|identity| assert!(!pattern.matches(identity), "{text} {identity}"));
    }
    assert_eq!(pattern("a.example").exact(), Some(&fqdn("a.example")));
    assert_eq!(pattern("*.example").exact(), None);
}

#[test]
fn a_huge_identity_is_cut_and_does_not_read_back() {
    for kind in [2, 9, 11, 200] {
        let shown = Identity::from_wire(kind, &vec![b'a'; 60_000]).to_string();
        assert!(shown.len() < 1100 && shown.ends_with("\\...(59488 more)"), "{shown}");
        shown.parse::<Identity>().unwrap_err();
    }
}

proptest! {
    /// Whatever comes from the network is shown harmlessly, reads back as the same, and goes out as it came.
    #[test]
    fn any_identity_is_harmless_and_unambiguous(
        kind in prop_oneof![Just(1u8), Just(2), Just(3), Just(5), Just(9), Just(11), any::<u8>()],
        data in prop_oneof![prop::collection::vec(any::<u8>(), 0..40), "[ -~]{0,40}".prop_map(String::into_bytes)],
    ) {
        let identity = Identity::from_wire(kind, &data);
        prop_assert_eq!(identity.to_wire(), (kind, data));
        let shown = identity.to_string();
        prop_assert!(
            shown.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"._+=~/:,@-\\".contains(&octet)), "{}", shown
        );
        prop_assert!(shown.parse::<Identity>().unwrap().same_as(&identity), "{}", shown);
    }

    #[test]
    fn reading_a_text_never_panics(text in any::<String>()) {
        let _ = text.parse::<IdentityPattern>();
    }
}
