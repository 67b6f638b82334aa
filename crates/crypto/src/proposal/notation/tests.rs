#![allow(clippy::unwrap_used)]
use super::*;

fn ike(text: &str) -> Result<IkeProposal, String> {
    text.parse().map_err(|error: ProposalError| error.to_string())
}

fn esp(text: &str) -> Result<EspProposal, String> {
    text.parse().map_err(|error: ProposalError| error.to_string())
}

#[test]
fn ike_proposals_are_read() {
    let one = IkeProposal {
        encr: vec![Encr::aes_gcm16(128)],
        prf: vec![Prf::HMAC_SHA2_256],
        integ: vec![],
        groups: vec![Group::X25519],
    };
    assert_eq!(ike("aes128gcm16-prfsha256-x25519"), Ok(one));
    let one = IkeProposal {
        encr: vec![Encr::aes_cbc(256)],
        prf: vec![Prf::HMAC_SHA2_256],
        integ: vec![Integ::HMAC_SHA2_256_128],
        groups: vec![Group::MODP2048],
    };
    assert_eq!(ike("aes256-sha256-modp2048"), Ok(one.clone()));
    assert_eq!(ike("AES256-SHA256-prfsha256-MODP2048"), Ok(one));
    let many = IkeProposal {
        encr: vec![Encr::aes_gcm16(128), Encr::aes_gcm16(256)],
        prf: vec![Prf::HMAC_SHA2_256],
        integ: vec![],
        groups: vec![Group::X25519, Group::ECP256],
    };
    assert_eq!(ike("aes128gcm16-aes256gcm16-prfsha256-x25519-ecp256"), Ok(many));
    let mixed = ike("aes128-sha1-sha256-modp2048").unwrap();
    assert_eq!(mixed.prf, [Prf::HMAC_SHA1, Prf::HMAC_SHA2_256]);
}

#[test]
fn esp_proposals_are_read() {
    let plain = esp("aes128gcm16").unwrap();
    assert_eq!(
        (plain.encr.as_slice(), plain.esn),
        (&[Encr::aes_gcm16(128)][..], Esn::No)
    );
    assert_eq!(esp("aes128gcm16-esn").unwrap().esn, Esn::Yes);
    assert_eq!(esp("aes128gcm16-noesn").unwrap().esn, Esn::No);
    assert_eq!(esp("aes128gcm16-noesn-esn").unwrap().esn, Esn::Either);
    let pfs = esp("aes256-sha256-modp2048").unwrap();
    assert_eq!(pfs.integ, [Integ::HMAC_SHA2_256_128]);
    assert_eq!(pfs.groups, [Group::MODP2048]);
}

#[test]
fn what_is_printed_is_read_back() {
    for text in [
        "aes128gcm16-prfsha256-x25519",
        "aes256-sha256-modp2048",
        "aes256-sha256-prfsha512-modp2048",
        "aes128-aes256-sha1-sha256-modp2048-ecp384",
        "aes128-sha1-sha256-prfsha256-prfsha1-modp2048",
        "3des-md5-modp1024",
        "chacha20poly1305-prfaesxcbc-x448",
    ] {
        assert_eq!(ike(text).unwrap().to_string(), text);
    }
    for text in [
        "aes128gcm16",
        "aes256-sha256-modp2048",
        "aes128gmac-esn",
        "null-sha256-esn-noesn",
    ] {
        assert_eq!(esp(text).unwrap().to_string(), text);
    }
}

#[test]
fn suites_print_like_proposals() {
    let suite = IkeSuite {
        encr: Encr::aes_gcm16(256),
        prf: Prf::HMAC_SHA2_384,
        integ: None,
        group: Group::ECP384,
    };
    assert_eq!(suite.to_string(), "aes256gcm16-prfsha384-ecp384");
    let suite = EspSuite {
        encr: Encr::aes_cbc(128),
        integ: Some(Integ::HMAC_SHA1_96),
        group: Some(Group(60000)),
        esn: true,
    };
    assert_eq!(suite.to_string(), "aes128-sha1-group#60000-esn");
    assert_eq!(format!("{suite:>30}|"), "   aes128-sha1-group#60000-esn|");
}

#[test]
fn errors_name_the_word_and_what_would_do() {
    for (text, wanted) in [
        (
            "aes128gmc16-prfsha256-x25519",
            "unknown algorithm \"aes128gmc16\"; did you mean \"aes128gcm16\"?",
        ),
        (
            "aes256-sha265-modp2048",
            "unknown algorithm \"sha265\"; did you mean \"sha256\"?",
        ),
        (
            "aes256-sha256-modp2084",
            "unknown algorithm \"modp2084\"; did you mean \"modp2048\"?",
        ),
        (
            "aes256-sha256-x25519-",
            "unknown algorithm \"\"; ciphers are written like",
        ),
        (
            "aes256-sha256-rot13rot13rot13",
            "unknown algorithm \"rot13rot13rot13\"; ciphers are written like",
        ),
        ("aes256-sha256-none", "unknown algorithm \"none\""),
        (
            "sha256-modp2048",
            "no cipher in \"sha256-modp2048\"; add one, for example \"aes128gcm16\"",
        ),
        ("aes256-modp2048", "no integrity algorithm in"),
        (
            "aes128gcm16-x25519",
            "no PRF in \"aes128gcm16-x25519\"; add one, for example \"prfsha256\"",
        ),
        ("aes128gcm16-prfsha256", "no group in"),
        (
            "aes128gcm16-sha256-x25519",
            "\"sha256\" has no place here: an AEAD cipher brings",
        ),
        (
            "aes128gcm16-aes128-sha256-x25519",
            "\"aes128\" has no place here: AEAD and other ciphers",
        ),
        (
            "aes128gcm16-prfsha256-x25519-esn",
            "\"esn\" has no place here: sequence numbers",
        ),
        (
            "aes128gcm16-prfsha256-x25519-curve25519",
            "\"curve25519\" is there twice",
        ),
    ] {
        let error = ike(text).unwrap_err();
        assert!(error.starts_with(wanted), "{text}: {error}");
    }
    let error = esp("aes128gcm16-prfsha256").unwrap_err();
    assert!(
        error.starts_with("\"prfsha256\" has no place here: ESP has no PRF"),
        "{error}"
    );
}
