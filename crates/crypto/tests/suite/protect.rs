//! Ciphers with integrity protection.

use handfast_crypto::legacy_provider;
use handfast_crypto::provider::{CryptoError, Protect, ProtectAlgorithm};

/// SPI and sequence number of ESP; header of IKE with that of SK, and one more payload before it.
const HEADERS: [usize; 3] = [8, 32, 40];

pub fn check(algorithm: &dyn ProtectAlgorithm) {
    let id = format!("{}-{:?}", algorithm.encr(), algorithm.integ());
    assert!(!id.contains('#'), "{id} has no name");
    assert_eq!(algorithm.encr().is_aead(), algorithm.integ().is_none(), "{id}");
    assert_eq!(algorithm.encr().is_aead(), algorithm.integ_key_len() == 0, "{id}");
    keys_of_other_lengths_are_refused(algorithm, &id);
    let key = keyed(algorithm, 1);
    what_is_sealed_opens(&*key, &id);
    any_change_is_found(&*key, algorithm.encr().is_aead(), &id);
    short_packets_are_refused(&*key, &id);
    sequence_numbers_are_covered(&*key, &id);
    sequence_numbers_are_where_the_rfcs_put_them(algorithm, &id);
    other_keys_do_not_open(algorithm, &id);
    packets_differ(&*key, &id);
}

fn keyed(algorithm: &dyn ProtectAlgorithm, start: u8) -> Box<dyn Protect> {
    let octets = |len| (start..).take(len).collect::<Vec<u8>>();
    let key = algorithm.key(&octets(algorithm.encr_key_len()), &octets(algorithm.integ_key_len()));
    key.unwrap()
}

/// A packet that `seal` will take, and its plaintext.
fn frame(key: &dyn Protect, header: usize, blocks: usize) -> (Vec<u8>, Vec<u8>) {
    let plain: Vec<u8> = (0..=255).cycle().take(blocks * key.block_len()).collect();
    let mut packet = vec![0x11; header];
    packet.extend(vec![0x22; key.iv_len()]);
    packet.extend_from_slice(&plain);
    packet.extend(vec![0x33; key.icv_len()]);
    (packet, plain)
}

fn sealed(key: &dyn Protect, header: usize, blocks: usize, counter: u64) -> Vec<u8> {
    let (mut packet, _) = frame(key, header, blocks);
    key.seal(&mut packet, header, counter, None).unwrap();
    packet
}

fn opens(key: &dyn Protect, packet: &[u8], header: usize, esn: Option<u32>) -> Result<Vec<u8>, CryptoError> {
    key.open(&mut packet.to_vec(), header, esn).map(|plain| plain.to_vec())
}

fn keys_of_other_lengths_are_refused(algorithm: &dyn ProtectAlgorithm, id: &str) {
    let (encr, integ) = (algorithm.encr_key_len(), algorithm.integ_key_len());
    let mut bad = vec![(encr + 1, integ), (encr - 1, integ), (0, integ), (encr, integ + 1)];
    bad.extend(integ.checked_sub(1).map(|short| (encr, short)));
    for (encr, integ) in bad {
        let refused = algorithm.key(&vec![1; encr], &vec![2; integ]).map(|_| ());
        assert_eq!(refused, Err(CryptoError::Length), "{id}: {encr} {integ}");
    }
}

fn what_is_sealed_opens(key: &dyn Protect, id: &str) {
    for header in HEADERS {
        for blocks in [0, 1, 2, 3, 5, 64, 100, 1500 / key.block_len()] {
            let (mut packet, plain) = frame(key, header, blocks);
            key.seal(&mut packet, header, u64::MAX - 1, None).unwrap();
            assert_eq!(packet[..header], vec![0x11; header], "{id}: header");
            if plain.len() >= 16 {
                let body = &packet[header + key.iv_len()..packet.len() - key.icv_len()];
                assert_ne!(body, plain, "{id}: not encrypted");
            }
            assert_eq!(opens(key, &packet, header, None), Ok(plain), "{id}: {header} {blocks}");
        }
    }
}

fn any_change_is_found(key: &dyn Protect, aead: bool, id: &str) {
    for header in HEADERS {
        let packet = sealed(key, header, 3, 9);
        for bit in 0..packet.len() * 8 {
            let mut changed = packet.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let mut work = changed.clone();
            assert_eq!(
                key.open(&mut work, header, None).map(|_| ()),
                Err(CryptoError::Integrity),
                "{id}: bit {bit}"
            );
        }
        for len in 0..packet.len() {
            assert_eq!(
                opens(key, &packet[..len], header, None),
                Err(CryptoError::Integrity),
                "{id}: {len} octets"
            );
        }
        for more in 1..33 {
            let long = [&packet[..], &vec![0; more]].concat();
            assert_eq!(
                opens(key, &long, header, None),
                Err(CryptoError::Integrity),
                "{id}: {more} more"
            );
        }
    }
    // The same octets cut elsewhere are another packet for an AEAD, and out of blocks for CBC. The MAC beside CTR covers
    // everything wherever it is cut.
    let packet = sealed(key, 32, 3, 9);
    let mut cuts = vec![packet.len(), packet.len() + 1, usize::MAX];
    cuts.extend(
        [8, 31, 33]
            .iter()
            .filter(|cut| aead || (packet.len() - **cut) % key.block_len() != (packet.len() - 32) % key.block_len()),
    );
    for header in cuts {
        assert_eq!(
            opens(key, &packet, header, None),
            Err(CryptoError::Integrity),
            "{id}: header of {header}"
        );
    }
}

fn short_packets_are_refused(key: &dyn Protect, id: &str) {
    let overhead = key.iv_len() + key.icv_len();
    for len in 0..8 + overhead {
        assert_eq!(
            key.seal(&mut vec![0; len], 8, 1, None),
            Err(CryptoError::Length),
            "{id}: {len} octets"
        );
        assert_eq!(
            opens(key, &vec![0; len], 8, None),
            Err(CryptoError::Integrity),
            "{id}: {len} octets"
        );
    }
    assert_eq!(key.seal(&mut [0; 100], 101, 1, None), Err(CryptoError::Length), "{id}");
    assert_eq!(
        key.seal(&mut [0; 100], usize::MAX, 1, None),
        Err(CryptoError::Length),
        "{id}"
    );
    for rest in 1..key.block_len() {
        let mut packet = vec![0; 8 + overhead + key.block_len() + rest];
        assert_eq!(
            key.seal(&mut packet, 8, 1, None),
            Err(CryptoError::Length),
            "{id}: {rest} over"
        );
    }
}

/// RFC 4303 section 2.2.1: the upper half is authenticated and not sent.
fn sequence_numbers_are_covered(key: &dyn Protect, id: &str) {
    let (mut packet, plain) = frame(key, 8, 2);
    let len = packet.len();
    key.seal(&mut packet, 8, 5, Some(0x0102_0304)).unwrap();
    assert_eq!(packet.len(), len);
    assert_eq!(opens(key, &packet, 8, Some(0x0102_0304)), Ok(plain), "{id}");
    for wrong in [None, Some(0), Some(0x0102_0305), Some(0x0403_0201)] {
        assert_eq!(
            opens(key, &packet, 8, wrong),
            Err(CryptoError::Integrity),
            "{id}: {wrong:?}"
        );
    }
    let plain = sealed(key, 8, 2, 5);
    assert_eq!(opens(key, &plain, 8, Some(0)), Err(CryptoError::Integrity), "{id}");
}

/// With an AEAD between SPI and lower half (RFC 4106 section 5, RFC 7634 section 2.1), else after all that is sent
/// (RFC 4303 section 2.2.1).
fn sequence_numbers_are_where_the_rfcs_put_them(algorithm: &dyn ProtectAlgorithm, id: &str) {
    let key = keyed(algorithm, 1);
    let (mut packet, plain) = frame(&*key, 8, 2);
    packet[..8].copy_from_slice(&[0xa, 0xb, 0xc, 0xd, 5, 6, 7, 8]);
    key.seal(&mut packet, 8, 5, Some(0x0102_0304)).unwrap();
    match algorithm.integ() {
        None => {
            let header = [0xa, 0xb, 0xc, 0xd, 1, 2, 3, 4, 5, 6, 7, 8];
            let mut long = [&header[..], &packet[8..]].concat();
            assert_eq!(*key.open(&mut long, 12, None).unwrap(), plain, "{id}");
        }
        Some(integ) => {
            let hash = legacy_provider().prf(integ.prf().unwrap()).unwrap();
            let integ_key: Vec<u8> = (1..).take(algorithm.integ_key_len()).collect();
            let (covered, icv) = packet.split_at(packet.len() - key.icv_len());
            let mac = hash.compute(&integ_key, &[covered, &[1, 2, 3, 4]]);
            assert_eq!(mac.as_bytes()[..icv.len()], *icv, "{id}");
        }
    }
}

fn other_keys_do_not_open(algorithm: &dyn ProtectAlgorithm, id: &str) {
    let packet = sealed(&*keyed(algorithm, 1), 8, 2, 5);
    assert!(opens(&*keyed(algorithm, 1), &packet, 8, None).is_ok(), "{id}");
    assert_eq!(
        opens(&*keyed(algorithm, 2), &packet, 8, None),
        Err(CryptoError::Integrity),
        "{id}"
    );
    // Each octet of the keys counts, the salt's too.
    let (encr, integ) = (algorithm.encr_key_len(), algorithm.integ_key_len());
    for place in 0..encr + integ {
        let mut octets: Vec<u8> = (1..).take(encr).chain((1..).take(integ)).collect();
        octets[place] ^= 0x10;
        let key = algorithm.key(&octets[..encr], &octets[encr..]).unwrap();
        let opened = opens(&*key, &packet, 8, None);
        if place < encr && algorithm.integ().is_some() {
            // Authenticated with the other key, so it is read as something else.
            assert_ne!(opened.unwrap(), frame(&*key, 8, 2).1, "{id}: octet {place}");
        } else {
            assert_eq!(opened, Err(CryptoError::Integrity), "{id}: octet {place}");
        }
    }
}

/// Equal plaintexts under one key look unrelated, IV included; equal counters give the same packet.
fn packets_differ(key: &dyn Protect, id: &str) {
    let counters = [0, 1, 2, 3, 255, 256, 1 << 32, u64::MAX];
    let packets: Vec<Vec<u8>> = counters.map(|counter| sealed(key, 8, 4, counter)).into();
    for (i, a) in packets.iter().enumerate() {
        for b in &packets[i + 1..] {
            let (iv, body) = (8..8 + key.iv_len(), 8 + key.iv_len()..a.len());
            assert_ne!(a[iv.clone()], b[iv], "{id}: the same IV");
            assert_ne!(a[body.clone()], b[body], "{id}");
        }
    }
    assert_eq!(sealed(key, 8, 4, 3), packets[3], "{id}");
    if key.block_len() > 1 {
        // SP 800-38A appendix C: nothing of the counter can be seen in an IV of CBC.
        let one = &packets[1][8..8 + key.iv_len()];
        assert!(one.iter().filter(|octet| **octet == 0).count() < 4, "{id}: {one:?}");
    }
}
