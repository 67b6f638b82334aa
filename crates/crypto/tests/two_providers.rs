//! Whatever one provider does, the other undoes: they agree on secrets in every group, and read each other's packets.
#![cfg(feature = "aws-lc")]
#![allow(clippy::unwrap_used)]

pub mod suite;

use handfast_crypto::legacy_providers;
use handfast_crypto::provider::{EphemeralKey, Provider};
use suite::Counter;

/// Both orders of the two.
fn pairs() -> [[&'static Provider; 2]; 2] {
    let [one, other] = legacy_providers() else {
        panic!("two providers");
    };
    [[one, other], [other, one]]
}

#[test]
fn they_agree_on_secrets_in_every_group() {
    for [ours, theirs] in pairs() {
        for (group, other) in ours.groups.iter().zip(theirs.groups) {
            assert_eq!(group.id(), other.id());
            let mut random = Counter(5);
            for _ in 0..8 {
                let mut key = |of: &dyn handfast_crypto::provider::KeyAgreement| of.generate(&mut random).unwrap();
                let (a, b): (Box<dyn EphemeralKey>, _) = (key(*group), key(*other));
                let (public_a, public_b) = (a.public().to_vec(), b.public().to_vec());
                assert_eq!(public_a.len(), public_b.len());
                let (by_a, by_b) = (a.agree(&public_b).unwrap(), b.agree(&public_a).unwrap());
                assert!(by_a.ct_eq(by_b.as_bytes()), "{}", group.id());
            }
        }
    }
}

#[test]
fn they_read_each_others_packets() {
    for [ours, theirs] in pairs() {
        for (algorithm, other) in ours.protects.iter().zip(theirs.protects) {
            assert_eq!((algorithm.encr(), algorithm.integ()), (other.encr(), other.integ()));
            let encr_key: Vec<u8> = (1..).take(algorithm.encr_key_len()).collect();
            let integ_key: Vec<u8> = (101..).take(algorithm.integ_key_len()).collect();
            let sender = algorithm.key(&encr_key, &integ_key).unwrap();
            let receiver = other.key(&encr_key, &integ_key).unwrap();
            for (header_len, blocks, esn) in [(8, 0, None), (32, 1, None), (8, 3, Some(7)), (8, 1408 / 16, None)] {
                let plain: Vec<u8> = (0..=255).cycle().take(blocks * 16).collect();
                let (iv, icv) = (vec![0; sender.iv_len()], vec![0; sender.icv_len()]);
                let mut packet = [&vec![9; header_len][..], &iv, &plain, &icv].concat();
                let mut same = packet.clone();
                sender.seal(&mut packet, header_len, 0x0102_0304_0506, esn).unwrap();
                receiver.seal(&mut same, header_len, 0x0102_0304_0506, esn).unwrap();
                assert_eq!(packet, same, "{} {:?}", algorithm.encr(), algorithm.integ());
                assert_eq!(*receiver.open(&mut packet, header_len, esn).unwrap(), plain);
            }
        }
    }
}

#[test]
fn they_compute_the_same() {
    for [ours, theirs] in pairs() {
        for (prf, other) in ours.prfs.iter().zip(theirs.prfs) {
            assert_eq!(prf.id(), other.id());
            for len in [0, 1, 31, 32, 64, 65, 127, 128, 129, 1000] {
                let (key, data) = (vec![3; len], vec![4; len]);
                let one = prf.compute(&key, &[b"a", &data]);
                assert!(
                    one.ct_eq(other.compute(&key, &[b"a", &data]).as_bytes()),
                    "{} {len}",
                    prf.id()
                );
            }
        }
        for (cbc, other) in ours.cbcs.iter().zip(theirs.cbcs) {
            assert_eq!(cbc.encr(), other.encr());
            let key: Vec<u8> = (1..).take(cbc.key_len()).collect();
            let (iv, plain) = (vec![7; cbc.block_len()], vec![8; cbc.block_len() * 9]);
            let mut data = plain.clone();
            cbc.key(&key).unwrap().encrypt(&iv, &mut data).unwrap();
            other.key(&key).unwrap().decrypt(&iv, &mut data).unwrap();
            assert_eq!(data, plain, "{}", cbc.encr());
        }
    }
}
