//! Tests of identities and of the traffic they select.

#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn reads_and_writes() {
    let body = [2, 17, 1, 0xf4, b'a', b'.', b'b'];
    let id = Id::parse(&body).unwrap();
    assert_eq!((id.id_type, id.protocol, id.port), (IdType::FQDN, 17, 500));
    assert_eq!(id.data, b"a.b");
    let mut out = Vec::new();
    id.encode_body(&mut out);
    assert_eq!(out, body);
    for len in 0..4 {
        assert_eq!(Id::parse(&body[..len]).unwrap_err().reason, "ID payload truncated");
    }
}

#[test]
fn phase_1_has_no_ports_but_its_own() {
    let id = |protocol, port| Id {
        protocol,
        port,
        ..Id::new(IdType::FQDN, b"a")
    };
    for (protocol, port, sound) in [
        (0, 0, true),
        (17, 500, true),
        (17, 0, true),
        (17, 4500, true),
        (0, 500, false),
        (6, 500, false),
        (17, 53, false),
    ] {
        assert_eq!(id(protocol, port).check_phase_1().is_ok(), sound, "{protocol} {port}");
    }
}

#[test]
fn every_kind_of_traffic_is_read_and_written() {
    for text in [
        "10.1.0.1/32",
        "10.1.0.0/16",
        "0.0.0.0/0",
        "10.1.0.0/16[tcp/443]",
        "10.1.0.5-10.1.0.9",
        "10.1.0.5-10.1.0.9[udp]",
        "2001:db8::1/128",
        "2001:db8::/32",
        "::/0",
        "2001:db8::5-2001:db8::9",
    ] {
        let selector: TrafficSelector = text.parse().unwrap();
        let body = encode_selector(&selector).unwrap();
        assert_eq!(Id::parse(&body).unwrap().selector().unwrap(), selector, "{text}");
    }
    let body = encode_selector(&"10.1.0.0/16".parse().unwrap()).unwrap();
    assert_eq!(body, [4, 0, 0, 0, 10, 1, 0, 0, 255, 255, 0, 0]);
    let body = encode_selector(&"0.0.0.0/0".parse().unwrap()).unwrap();
    assert_eq!(body, [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(encode_selector(&"10.1.0.0/16[tcp/1-2]".parse().unwrap()), None);
}

#[test]
fn what_selects_no_traffic_is_refused() {
    let gap = "mask of the subnet has gaps";
    let length = "length of the ID payload is not that of its type";
    let kind = "identity is neither address, subnet nor range";
    for (id_type, data, reason) in [
        (2, &b"host.example"[..], kind),
        (11, b"key", kind),
        (0, &[], kind),
        (1, &[10, 0, 0], length),
        (5, &[0; 17], length),
        (4, &[10, 1, 0, 0, 255, 0, 255, 0], gap),
        (4, &[10, 1, 0, 0, 0, 0, 0, 1], gap),
        (4, &[10, 1, 0, 0, 255, 255, 0], length),
        (4, &[10, 1, 0, 0, 255, 255, 0, 0, 0], length),
        (6, &[1; 32], gap),
        (6, &[0; 17], length),
        (7, &[10, 0, 0, 2, 10, 0, 0, 1], "range ends before it starts"),
        (8, &[0; 31], length),
    ] {
        let error = Id::new(IdType(id_type), data).selector().unwrap_err();
        assert_eq!(error.reason, reason, "{id_type}");
    }
}
