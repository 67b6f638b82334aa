//! Pairs of SAs, over every cipher of the provider.
#![allow(clippy::unwrap_used)]

use handfast_crypto::default_provider;
use handfast_crypto::provider::{CryptoError, Protect, ProtectAlgorithm};
use handfast_crypto::transform::Encr;
use proptest::prelude::*;

use super::*;

const SPI: u32 = 0xc0ff_ee01;

fn keyed(algorithm: &dyn ProtectAlgorithm) -> Box<dyn Protect> {
    let key = |len: usize, start: u8| (0..len).map(|i| start.wrapping_add(i as u8)).collect::<Vec<_>>();
    algorithm
        .key(&key(algorithm.encr_key_len(), 1), &key(algorithm.integ_key_len(), 101))
        .unwrap()
}

fn pair(algorithm: &dyn ProtectAlgorithm, esn: bool) -> (OutboundSa, InboundSa) {
    (
        OutboundSa::new(SPI, keyed(algorithm), esn),
        InboundSa::new(SPI, keyed(algorithm), esn),
    )
}

fn gcm(esn: bool) -> (OutboundSa, InboundSa) {
    pair(default_provider().protect(Encr::aes_gcm16(128), None).unwrap(), esn)
}

/// Every cipher, without and with extended sequence numbers.
fn every_pair() -> impl Iterator<Item = (OutboundSa, InboundSa)> {
    let protects = default_provider().protects;
    assert!(protects.len() >= 15, "AEADs, and AES-CBC with each HMAC");
    protects
        .iter()
        .flat_map(|&algorithm| [pair(algorithm, false), pair(algorithm, true)])
}

fn seal(sa: &mut OutboundSa, inner: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    sa.seal(inner, 4, &mut packet).unwrap();
    packet
}

fn open(sa: &mut InboundSa, packet: &[u8]) -> Result<Vec<u8>, OpenError> {
    let mut packet = packet.to_vec();
    let opened = sa.open(&mut packet)?;
    assert_eq!(opened.next_header, 4);
    Ok(packet[opened.payload].to_vec())
}

#[test]
fn what_is_sealed_opens_at_every_length() {
    for (mut out, mut inn) in every_pair() {
        for len in (0..100).chain([576, 1400, 1500, 9000]) {
            let inner: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let packet = seal(&mut out, &inner);
            assert_eq!(packet.len(), out.layout().sealed_len(len));
            assert_eq!(open(&mut inn, &packet).unwrap(), inner);
            assert!(
                packet.len().is_multiple_of(4),
                "RFC 4303 section 2.4: right aligned in 4 octets"
            );
        }
    }
}

#[test]
fn each_octet_is_protected() {
    for (mut out, mut inn) in every_pair() {
        let packet = seal(&mut out, b"forty-one octets, so that there is padding");
        for at in 0..packet.len() {
            for flip in [1, 0x80] {
                let mut tampered = packet.clone();
                tampered[at] ^= flip;
                assert!(open(&mut inn, &tampered).is_err(), "octet {at}");
            }
        }
        for len in 0..packet.len() {
            assert!(open(&mut inn, &packet[..len]).is_err(), "{len} octets");
        }
        let longer = [&packet[..], &[0; 16]].concat();
        assert!(open(&mut inn, &longer).is_err());
        // None of that has moved the window.
        assert_eq!(inn.sequence(), 0);
        assert!(open(&mut inn, &packet).is_ok());
        assert_eq!(open(&mut inn, &packet), Err(OpenError::Replay));
    }
}

/// The octets of RFC 4303 section 2, checked by opening the AEAD by hand.
#[test]
fn the_layout_is_that_of_rfc_4303() {
    let (mut out, _) = gcm(false);
    let mut buffer = vec![0xaa];
    out.seal(b"first", 4, &mut buffer).unwrap();
    buffer.clear();
    buffer.push(0xaa);
    out.seal(b"hello", 41, &mut buffer).unwrap();
    assert_eq!(buffer[0], 0xaa, "appended");
    let packet = &buffer[1..];
    assert_eq!(packet[..4], SPI.to_be_bytes());
    assert_eq!(packet[4..8], [0, 0, 0, 2]);
    assert_eq!(packet[8..16], [0, 0, 0, 0, 0, 0, 0, 2], "the IV is the sequence number");
    let cipher = keyed(default_provider().protect(Encr::aes_gcm16(128), None).unwrap());
    let mut copy = packet.to_vec();
    assert_eq!(cipher.open(&mut copy, 8, None).unwrap(), b"hello\x01\x01\x29");
    assert_eq!(packet.len(), 8 + 8 + 8 + 16);
}

#[test]
fn a_block_cipher_pads_with_1_2_3() {
    let algorithm = default_provider()
        .protects
        .iter()
        .find(|p| p.encr() == Encr::aes_cbc(128))
        .unwrap();
    let (mut out, _) = pair(*algorithm, false);
    let mut packet = seal(&mut out, b"abc");
    let plain = keyed(*algorithm).open(&mut packet, 8, None).unwrap().to_vec();
    assert_eq!(plain, b"abc\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0b\x04");
}

/// RFC 7634 appendix A.
#[test]
fn the_example_of_rfc_7634_opens() {
    const PACKET: &str = "01020304 00000005 1011121314151617 \
        24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6 \
        14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3 \
        cbec163fac469b502773f6fb94e664da9165b82829f641e0 76aaa8266b7fb0f7b11b369907e1ad43";
    const INNER: &str = "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10 \
        0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223 \
        2425262728292a2b2c2d2e2f3031323334353637";
    let unhex = |text: &str| {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let octet = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(octet).collect::<Vec<u8>>()
    };
    let keymat: Vec<u8> = (0x80..=0xa3).collect();
    let algorithm = default_provider().protect(Encr::CHACHA20_POLY1305, None).unwrap();
    let mut inn = InboundSa::new(0x0102_0304, algorithm.key(&keymat, &[]).unwrap(), false);
    assert_eq!(open(&mut inn, &unhex(PACKET)).unwrap(), unhex(INNER));
    assert_eq!(inn.sequence(), 5);
}

/// A packet whose plaintext is exactly this.
fn packet_of(plain: &[u8], sequence: u32) -> Vec<u8> {
    let cipher = keyed(default_provider().protect(Encr::aes_gcm16(128), None).unwrap());
    let mut packet = [
        &SPI.to_be_bytes(),
        &sequence.to_be_bytes()[..],
        &[0; 8],
        plain,
        &[0; 16],
    ]
    .concat();
    cipher.seal(&mut packet, 8, u64::from(sequence), None).unwrap();
    packet
}

#[test]
fn authentic_packets_with_wrong_padding_are_dropped() {
    let (_, mut inn) = gcm(false);
    assert_eq!(
        open(&mut inn, &packet_of(b"ab\x01\x02\x03\x04\x04\x04", 1)),
        Ok(b"ab".to_vec())
    );
    for (sequence, plain) in [
        &b"ab\x01\x02\x03\x05\x04\x04"[..], // wrong content
        b"ab\x00\x00\x00\x00\x04\x04",
        b"ab\x01\x02\x03\x04\xff\x04", // longer than the packet
        b"\x01\x02\x03\x04\x05\x06\x07\x04",
    ]
    .iter()
    .enumerate()
    {
        let packet = packet_of(plain, sequence as u32 + 2);
        assert_eq!(open(&mut inn, &packet), Err(OpenError::Malformed), "{plain:?}");
    }
    // Nothing but padding is an empty payload.
    assert_eq!(open(&mut inn, &packet_of(b"\x01\x02\x02\x04", 9)), Ok(vec![]));
}

#[test]
fn dummies_are_dropped_once_and_then_replays() {
    let (mut out, mut inn) = gcm(false);
    let mut packet = Vec::new();
    out.seal(b"anything", NEXT_HEADER_DUMMY, &mut packet).unwrap();
    assert_eq!(inn.open(&mut packet.clone()), Err(OpenError::Dummy));
    assert_eq!(inn.open(&mut packet), Err(OpenError::Replay));
}

#[test]
fn packets_of_another_sa_are_malformed() {
    let (mut out, _) = gcm(false);
    let mut other = InboundSa::new(SPI + 1, keyed(default_provider().protects[0]), false);
    assert_eq!(open(&mut other, &seal(&mut out, b"x")), Err(OpenError::Malformed));
}

#[test]
fn newest_tells_late_packets() {
    let (mut out, mut inn) = gcm(false);
    let [one, two] = [(); 2].map(|()| seal(&mut out, b"x"));
    assert!(inn.open(&mut two.clone()).unwrap().newest);
    assert!(!inn.open(&mut one.clone()).unwrap().newest);
}

#[test]
fn sequence_numbers_never_wrap() {
    for (esn, last) in [(false, u64::from(u32::MAX)), (true, u64::MAX)] {
        let (mut out, _) = gcm(esn);
        assert_eq!(out.usage(), Usage::Fresh);
        out.skip_to(last / 4 * 3 - 1);
        assert_eq!(out.usage(), Usage::Fresh);
        seal(&mut out, b"x");
        assert_eq!(out.usage(), Usage::Expiring);
        out.skip_to(last - 1);
        let packet = seal(&mut out, b"the last");
        assert_eq!(packet[4..8], [0xff; 4]);
        assert_eq!(out.usage(), Usage::Exhausted);
        let mut buffer = vec![1, 2, 3];
        assert_eq!(out.seal(b"x", 4, &mut buffer), Err(CryptoError::Exhausted));
        assert_eq!(buffer, [1, 2, 3], "nothing is appended");
        out.skip_to(5);
        assert_eq!(out.sequence(), last, "never back");
    }
}

#[test]
fn a_buffer_that_is_too_short_spends_no_number() {
    let (mut out, _) = gcm(false);
    assert_eq!(out.seal_in_place(&mut [0; 20], 5, 4), Err(CryptoError::Length));
    assert_eq!(out.sequence(), 0);
}

/// Across 2^32, with losses and packets that come late from the older subspace (RFC 4303 appendix A).
#[test]
fn extended_sequence_numbers_pass_the_wrap() {
    for &algorithm in default_provider().protects {
        let (mut out, mut inn) = pair(algorithm, true);
        let start = (7 << 32) - 600;
        out.skip_to(start);
        inn.set_sequence(start);
        let packets: Vec<_> = (0..1200).map(|_| seal(&mut out, b"x")).collect();
        assert_eq!(out.sequence(), start + 1200);
        for at in (0..1200).step_by(3).chain((1..1200).step_by(3)) {
            assert!(open(&mut inn, &packets[at]).is_ok() || at < 1200 - 1024, "{at}");
        }
        assert!(inn.sequence() > 7 << 32);
        // Late ones, from before the wrap too.
        for at in (2..1200).step_by(3) {
            assert_eq!(
                open(&mut inn, &packets[at]).is_ok(),
                inn.sequence() - (start + at as u64 + 1) < 1024,
                "{at}"
            );
        }
        for packet in &packets {
            assert!(open(&mut inn, packet).is_err());
        }
    }
}

#[test]
fn both_sides_must_agree_on_extended_sequence_numbers() {
    for &algorithm in default_provider().protects {
        let (mut out, _) = pair(algorithm, true);
        let (_, mut inn) = pair(algorithm, false);
        assert_eq!(open(&mut inn, &seal(&mut out, b"x")), Err(OpenError::Integrity));
    }
}

#[test]
fn debug_shows_no_key() {
    let (out, inn) = gcm(false);
    let text = format!("{out:?} {inn:?}");
    assert_eq!(
        text,
        "OutboundSa { spi: c0ffee01, sequence: 0, .. } InboundSa { spi: c0ffee01, sequence: 0, .. }"
    );
}

proptest! {
    /// Whatever comes, nothing panics and nothing is accepted.
    #[test]
    fn strangers_octets_are_dropped(octets in prop::collection::vec(any::<u8>(), 0..200), ours: bool) {
        let mut octets = octets;
        if ours && octets.len() >= 4 {
            octets[..4].copy_from_slice(&SPI.to_be_bytes());
        }
        for &algorithm in default_provider().protects {
            let (_, mut inn) = pair(algorithm, false);
            prop_assert!(inn.open(&mut octets.clone()).is_err());
        }
    }
}

#[test]
fn at_rest_nothing_is_lost_and_nothing_accepted_twice() {
    for &algorithm in default_provider().protects {
        let key = |len: usize| vec![7; len];
        let (encr, integ) = (key(algorithm.encr_key_len()), key(algorithm.integ_key_len()));
        let cipher = || Cipher::new(algorithm, &encr, &integ).unwrap();
        assert!(Cipher::new(algorithm, &encr[1..], &integ).is_err());
        let (mut out, mut inn) = (
            OutboundSa::new(SPI, cipher(), true),
            InboundSa::new(SPI, cipher(), true),
        );
        assert!(out.is_resting() && inn.is_resting());
        let packets: Vec<Vec<u8>> = (0..3).map(|_| seal(&mut out, b"inner")).collect();
        assert!(!out.is_resting());
        assert_eq!(open(&mut inn, &packets[2]).unwrap(), b"inner");
        // Used since the last look, and then not.
        assert!(!out.rest() && !inn.rest());
        assert!(out.rest() && inn.rest());
        assert_eq!(open(&mut inn, &packets[2]), Err(OpenError::Replay));
        assert_eq!(open(&mut inn, &packets[0]).unwrap(), b"inner");
        assert!(!inn.is_resting());
        let next = seal(&mut out, b"next");
        assert_eq!((out.sequence(), open(&mut inn, &next).unwrap()), (4, b"next".to_vec()));
    }
    let (mut out, mut inn) = gcm(false);
    assert!(
        !out.rest() && !inn.rest() && !out.rest() && !inn.rest(),
        "keyed by the caller"
    );
}
