#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn ts(text: &str) -> TrafficSelector {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn subnets_go_both_ways() {
    for (address, prefix_len, start, end) in [
        ("10.1.2.3", 16, "10.1.0.0", "10.1.255.255"),
        ("10.1.2.3", 32, "10.1.2.3", "10.1.2.3"),
        ("10.1.2.3", 0, "0.0.0.0", "255.255.255.255"),
        (
            "2001:db8::1",
            32,
            "2001:db8::",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        ),
        ("2001:db8::1", 128, "2001:db8::1", "2001:db8::1"),
        ("::1", 0, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ] {
        let selector = TrafficSelector::from_subnet(ip(address), prefix_len);
        assert_eq!((selector.start, selector.end), (ip(start), ip(end)));
        assert!(selector.is_any_port() && selector.protocol == 0);
        assert_eq!(selector.as_subnet(), Some((ip(start), prefix_len)));
    }
    assert_eq!(
        TrafficSelector::from_subnet(ip("10.0.0.1"), 77).as_subnet(),
        Some((ip("10.0.0.1"), 32))
    );
}

#[test]
fn other_ranges_are_no_subnets() {
    for text in ["10.0.0.1-10.0.0.2", "10.0.0.0-10.0.0.2", "10.0.0.1-10.0.0.4", "::1-::2"] {
        assert_eq!(ts(text).as_subnet(), None, "{text}");
    }
    assert_eq!(
        TrafficSelector {
            end: ip("::1"),
            ..ts("10.0.0.1/32")
        }
        .as_subnet(),
        None
    );
}

#[test]
fn packets_are_selected_by_protocol_port_and_address() {
    let https = ts("10.1.0.0/16[tcp/443]");
    assert!(https.contains_packet(6, 443, ip("10.1.9.9")));
    assert!(!https.contains_packet(17, 443, ip("10.1.9.9")));
    assert!(!https.contains_packet(6, 444, ip("10.1.9.9")));
    assert!(!https.contains_packet(6, 443, ip("10.2.0.0")));
    assert!(!https.contains_packet(6, None, ip("10.1.9.9")));
    assert!(!https.contains_packet(6, 443, ip("::ffff:10.1.9.9")));
}

#[test]
fn only_any_and_opaque_select_hidden_ports() {
    assert!(ts("0.0.0.0/0").contains_packet(17, None, ip("1.2.3.4")));
    assert!(ts("0.0.0.0/0[udp/opaque]").contains_packet(17, None, ip("1.2.3.4")));
    assert!(!ts("0.0.0.0/0[udp/opaque]").contains_packet(17, 0, ip("1.2.3.4")));
    assert!(!ts("0.0.0.0/0[udp/opaque]").contains_packet(17, 65535, ip("1.2.3.4")));
    assert!(!ts("0.0.0.0/0[udp/1-65535]").contains_packet(17, None, ip("1.2.3.4")));
    assert!(ts("0.0.0.0/0").contains(&ts("10.0.0.0/8[udp/opaque]")));
    assert!(!ts("0.0.0.0/0[udp/opaque]").contains(&ts("10.0.0.0/8[udp]")));
    assert_eq!(ts("0.0.0.0/0[udp/opaque]").intersect(&ts("0.0.0.0/0[udp/1-9]")), None);
}

#[test]
fn narrowing_takes_the_smaller_of_each() {
    assert_eq!(
        ts("10.0.0.0/8").intersect(&ts("10.1.0.0/16[tcp/80]")),
        Some(ts("10.1.0.0/16[tcp/80]"))
    );
    assert_eq!(ts("10.0.0.0/8[tcp]").intersect(&ts("10.1.0.0/16[udp]")), None);
    assert_eq!(
        ts("10.0.0.0/8[tcp/1-100]").intersect(&ts("10.0.0.0/8[tcp/50-200]")),
        Some(ts("10.0.0.0/8[tcp/50-100]"))
    );
    assert_eq!(
        ts("10.0.0.0-10.0.0.9").intersect(&ts("10.0.0.5-10.0.1.0")),
        Some(ts("10.0.0.5-10.0.0.9"))
    );
    assert_eq!(ts("10.0.0.0/24").intersect(&ts("10.0.1.0/24")), None);
    assert_eq!(ts("0.0.0.0/0").intersect(&ts("::/0")), None);
}

#[test]
fn nonsense_selects_nothing() {
    let backwards = TrafficSelector {
        start: ip("10.0.0.9"),
        end: ip("10.0.0.1"),
        ..ts("10.0.0.1/32")
    };
    let mixed = TrafficSelector {
        end: ip("::1"),
        ..ts("10.0.0.1/32")
    };
    let ports = TrafficSelector {
        start_port: 9,
        end_port: 3,
        ..ts("10.0.0.1/32")
    };
    for selector in [backwards, mixed, ports] {
        assert_eq!(selector.intersect(&selector), None);
        assert!(!selector.contains(&selector) && !ts("0.0.0.0/0").contains(&selector));
        assert!(!selector.contains_packet(6, 5, ip("10.0.0.1")));
        assert!(!selector.to_string().is_empty());
    }
}

fn ports() -> impl Strategy<Value = (u16, u16)> {
    prop_oneof![
        Just((0, 65535)),
        Just((65535, 0)),
        (0u16..40, 0u16..40).prop_map(|(a, b)| (a.min(b), a.max(b)))
    ]
}

/// Selectors in a small space, so that they meet often; all are sensible.
fn selector() -> impl Strategy<Value = TrafficSelector> {
    let addresses = prop_oneof![
        (0u32..20, 0u32..20).prop_map(|(a, b)| {
            let address = |n| IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + n));
            (address(a.min(b)), address(a.max(b)))
        }),
        (any::<u32>(), 0u8..=32).prop_map(|(bits, prefix_len)| {
            let subnet = TrafficSelector::from_subnet(Ipv4Addr::from_bits(bits).into(), prefix_len);
            (subnet.start, subnet.end)
        }),
        (any::<u128>(), any::<u128>()).prop_map(|(a, b)| {
            (
                Ipv6Addr::from_bits(a.min(b)).into(),
                Ipv6Addr::from_bits(a.max(b)).into(),
            )
        }),
    ];
    (
        prop_oneof![Just(0u8), Just(6), Just(17), any::<u8>()],
        ports(),
        addresses,
    )
        .prop_map(|(protocol, (start_port, end_port), (start, end))| TrafficSelector {
            protocol,
            start_port,
            end_port,
            start,
            end,
        })
}

proptest! {
    #[test]
    fn intersection_commutes(a in selector(), b in selector()) {
        prop_assert_eq!(a.intersect(&b), b.intersect(&a));
    }

    #[test]
    fn intersection_associates(a in selector(), b in selector(), c in selector()) {
        let left = a.intersect(&b).and_then(|ab| ab.intersect(&c));
        let right = b.intersect(&c).and_then(|bc| a.intersect(&bc));
        prop_assert_eq!(left, right);
    }

    #[test]
    fn both_contain_their_intersection(a in selector(), b in selector()) {
        if let Some(both) = a.intersect(&b) {
            prop_assert!(a.contains(&both) && b.contains(&both));
        }
        prop_assert!(a.contains(&a));
    }

    #[test]
    fn containing_each_other_is_being_equal(a in selector(), b in selector()) {
        prop_assert_eq!(a.contains(&b) && b.contains(&a), a == b);
    }

    #[test]
    fn intersection_selects_what_both_select(
        a in selector(), b in selector(), protocol in prop_oneof![Just(6u8), Just(17)],
        port in proptest::option::of(0u16..40), host in 0u32..20,
    ) {
        let address = Ipv4Addr::from_bits(0x0a00_0000 + host).into();
        let selects = |selector: &TrafficSelector| selector.contains_packet(protocol, port, address);
        prop_assert_eq!(a.intersect(&b).is_some_and(|both| selects(&both)), selects(&a) && selects(&b));
    }

    #[test]
    fn text_is_read_back(a in selector()) {
        prop_assert_eq!(a.to_string().parse(), Ok(a));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9a-f:./\\[\\]tcp-]{0,40}") {
        if let Ok(selector) = text.parse::<TrafficSelector>() {
            prop_assert!(selector.contains(&selector));
        }
    }
}
