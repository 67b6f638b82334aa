//! Rows of the catalogue of hostile input that need an IKEv1 peer which holds the true keys: quick modes of a forger in host 0's
//! place are refused by name under the keys, and what stands is not touched.
#![allow(clippy::unwrap_used)]

mod forged_v1;

use std::time::Duration;

use forged_v1::*;
use handfast_sim::pair::MINUTE;
use handfast_wire::numbers::v1::{IpsecAttribute, NotifyType};
use handfast_wire::v1::attribute::AttributeDef;

/// A049: clients that IKEv1 cannot mean.
#[test]
fn client_identities_that_select_no_traffic_are_refused_by_name() {
    let mut play = Play::new(1);
    let id = |kind: u8, data: &[u8]| [&[kind, 0, 0, 0], data].concat();
    let bad = [
        ("FQDN", id(2, b"b.test")),
        ("USER_FQDN", id(3, b"u@b.test")),
        ("DER_ASN1_DN", id(9, &[0x30, 0])),
        ("KEY_ID", id(11, b"key")),
        ("type 0", id(0, &[10, 1, 0, 0])),
        ("type 255", id(255, &[10, 1, 0, 0])),
        ("mask with gaps", id(4, &[10, 1, 0, 0, 255, 0, 255, 0])),
        ("mask of the wrong end", id(4, &[10, 1, 0, 0, 0, 0, 255, 255])),
        ("range from its end", id(7, &[10, 1, 0, 9, 10, 1, 0, 1])),
        ("IPv6 range from its end", id(8, &[[0xfd; 16], [0xfc; 16]].concat())),
        ("IPv6 mask with gaps", id(6, &[[0xfd; 16], [0xf5; 16]].concat())),
        ("short subnet", id(4, &[10, 1, 0, 0])),
        ("long subnet", id(4, &[10, 1, 0, 0, 255, 255, 0, 0, 0])),
        ("short IPv6 subnet", id(6, &[0xfd; 24])),
        ("IPv4 address of 16 octets", id(1, &[10; 16])),
        ("IPv6 address of 4 octets", id(5, &[10; 4])),
        ("empty", id(1, &[])),
    ];
    for (what, bad) in &bad {
        for ids in [[bad.clone(), subnet(2)], [subnet(1), bad.clone()]] {
            let mut payloads = quick(&[])[..2].to_vec();
            payloads.extend(ids.into_iter().map(|body| (ID, body)));
            assert_eq!(
                play.refused(what, QUICK, &payloads),
                NotifyType::INVALID_ID_INFORMATION,
                "{what}"
            );
        }
    }
    for count in [1, 3, 30] {
        let mut payloads = quick(&[])[..2].to_vec();
        payloads.extend((0..count).map(|_| (ID, subnet(1))));
        let told = play.refused("count", QUICK, &payloads);
        assert_eq!(told, NotifyType::INVALID_ID_INFORMATION, "{count} identities");
    }
    // Of an ID payload below its own header nothing is left to hash: the message is malformed as a whole.
    let mut payloads = quick(&[])[..2].to_vec();
    payloads.extend([(ID, vec![4, 0]), (ID, subnet(2))]);
    let id = play.fresh_id();
    let message = play.forger.hashed(QUICK, id, &payloads);
    play.ignored("ID of two octets", &message);
    assert!(
        play.world.hosts[1]
            .refusals()
            .iter()
            .all(|r| r.contains("ID") || r.contains("ident") || r.contains("mask") || r.contains("range"))
    );
    play.then_a_good_one();
}

/// A017: attributes that contradict each other or cannot be read; a good transform beside them is taken.
#[test]
fn conflicting_attributes_are_no_proposal() {
    use IpsecAttribute as A;
    let mut play = Play::new(2);
    let bad: Vec<(&str, Vec<AttributeDef>)> = vec![
        ("key length twice", vec![short(A::KEY_LENGTH, 256)]),
        ("mode twice", vec![short(A::ENCAPSULATION_MODE, 2)]),
        ("unknown class", vec![short(IpsecAttribute(77), 1)]),
        ("private class", vec![long(IpsecAttribute(32_100), &[0; 40])]),
        ("variable group", vec![long(A::GROUP_DESCRIPTION, &[0, 19])]),
        (
            "variable life type",
            vec![long(A::LIFE_TYPE, &[0, 1]), short(A::LIFE_DURATION, 60)],
        ),
        ("type without duration", vec![short(A::LIFE_TYPE, 1)]),
        ("duration without type", vec![short(A::LIFE_DURATION, 60)]),
        (
            "unknown life type",
            vec![short(A::LIFE_TYPE, 9), short(A::LIFE_DURATION, 60)],
        ),
        (
            "two durations",
            vec![
                short(A::LIFE_TYPE, 1),
                short(A::LIFE_DURATION, 60),
                short(A::LIFE_TYPE, 1),
                short(A::LIFE_DURATION, 61),
            ],
        ),
        (
            "duration of 9 octets",
            vec![short(A::LIFE_TYPE, 1), long(A::LIFE_DURATION, &[1; 9])],
        ),
        ("integrity beside an AEAD", vec![short(A::AUTH_ALGORITHM, 5)]),
        ("group without KE", vec![short(A::GROUP_DESCRIPTION, 19)]),
        ("ESN", vec![short(A::EXTENDED_SEQUENCE_NUMBER, 1)]),
        ("key rounds", vec![short(A::KEY_ROUNDS, 8)]),
    ];
    for (what, more) in &bad {
        let told = play.refused(what, QUICK, &quick(more));
        assert_eq!(told, NotifyType::NO_PROPOSAL_CHOSEN, "{what}");
    }
    let mut many: Vec<_> = bad.iter().zip(1..).map(|((_, more), n)| transform(n, more)).collect();
    many.push(transform(200, &[]));
    let mut payloads = vec![offer(many), (NONCE, vec![7; 32])];
    payloads.extend(ids());
    let id = play.fresh_id();
    let message = play.forger.hashed(QUICK, id, &payloads);
    let answers = play.say(&message);
    assert_eq!((answers.len(), answers[0][18]), (1, QUICK.0));
    play.forger.observe(&message);
    let answer = play.forger.open(&answers[0]).unwrap();
    let chosen = &answer.iter().find(|(kind, _)| *kind == SA).unwrap().1;
    // DOI, situation, proposal header, SPI, transform header: the number of the transform.
    assert_eq!(chosen[8 + 8 + 4 + 4], 200);
    // Message 3 never comes: it is asked for, given up, and what it needed is taken back.
    play.world.run(10 * MINUTE);
    play.unharmed("without message 3");
    play.then_a_good_one();
}

/// A107, A017: lifetimes of nothing and of for ever.
#[test]
fn lifetimes_of_nothing_and_of_ever_make_no_busy_loop() {
    use IpsecAttribute as A;
    for value in [
        vec![0, 0, 0, 0],
        vec![0; 8],
        vec![0xff; 8],
        vec![0xff; 4],
        vec![0, 0, 0, 1],
        vec![0],
    ] {
        for kind in [1, 2] {
            let mut play = Play::new(3);
            let what = format!("{kind}: {value:?}");
            let lifetime = [short(A::LIFE_TYPE, kind), long(A::LIFE_DURATION, &value)];
            let id = play.fresh_id();
            let message = play.forger.hashed(QUICK, id, &quick(&lifetime));
            let answers = play.say(&message);
            assert_eq!((answers.len(), answers[0][18]), (1, QUICK.0), "{what}");
            play.forger.observe(&message);
            let answer = play.forger.open(&answers[0]).unwrap();
            play.forger.observe(&answers[0]);
            let nr = &answer.iter().find(|(kind, _)| *kind == NONCE).unwrap().1;
            let third = play.forger.hashed_3(id, &[7; 32], nr);
            assert_eq!(play.say(&third), [[0u8; 0]; 0], "{what}");
            assert_eq!(
                play.world.hosts[1].inbound.len(),
                2,
                "{what}: the forger's child is there"
            );
            let before = (play.world.network.sent.len(), play.world.hosts[1].events.len());
            play.world.run(30 * Duration::from_secs(1));
            let after = (play.world.network.sent.len(), play.world.hosts[1].events.len());
            assert!(
                after.0 - before.0 < 40 && after.1 - before.1 < 120,
                "{what}: {before:?} {after:?}"
            );
            play.then_a_good_one();
        }
    }
    // In an informational exchange it changes nothing.
    let mut play = Play::new(4);
    for data in [
        &[][..],
        &[0x80, 1],
        &[0x80, 1, 0, 1, 0, 2, 0, 4, 0, 0, 0, 0],
        &[0xff; 100],
    ] {
        let id = play.fresh_id();
        let notify = notify_isakmp(&play.forger, NotifyType::RESPONDER_LIFETIME, data);
        let message = play.forger.hashed(INFORMATIONAL, id, &[notify]);
        assert_eq!(play.say(&message), [[0u8; 0]; 0]);
        play.unharmed("RESPONDER-LIFETIME alone");
    }
    play.then_a_good_one();
}

/// A019 in phase 2, and payloads that are missing or too many.
#[test]
fn malformed_quick_modes_are_refused_under_the_keys() {
    let mut play = Play::new(5);
    for len in [0, 7, 257, 4000] {
        let mut payloads = quick(&[]);
        payloads[1].1 = vec![1; len];
        let told = play.refused(&format!("nonce of {len}"), QUICK, &payloads);
        assert_eq!(told, NotifyType::PAYLOAD_MALFORMED, "{len}");
    }
    for (what, payloads) in [
        ("no SA", quick(&[])[1..].to_vec()),
        ("no nonce", [&quick(&[])[..1], &ids()].concat()),
        ("two SAs", [&quick(&[])[..1], &quick(&[])].concat()),
        ("two nonces", [&quick(&[])[..2], &quick(&[])[1..]].concat()),
    ] {
        let told = play.refused(what, QUICK, &payloads);
        assert_eq!(told, NotifyType::PAYLOAD_MALFORMED, "{what}");
    }
    let mut payloads = quick(&[]);
    payloads[0].1[3] = 9;
    let told = play.refused("another DOI", QUICK, &payloads);
    assert_eq!(told, NotifyType::NO_PROPOSAL_CHOSEN);
    play.then_a_good_one();
}

/// Points that are none: not on the curve, the point at infinity, a coordinate beyond the field, a wrong length.
fn bad_points(len: usize) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("off the curve", [vec![0; len - 1], vec![5]].concat()),
        ("infinity", vec![0; len]),
        ("x beyond the field", vec![0xff; len]),
        ("short", vec![1; len - 1]),
        ("long", vec![1; len + 1]),
        ("uncompressed form of SEC 1", [vec![4], vec![1; len]].concat()),
        ("empty", vec![]),
    ]
}

/// A061 in phase 2.
#[test]
fn points_off_the_curve_are_refused_in_quick_mode() {
    for (esp, group, len) in [
        ("aes128gcm16-ecp256", 19, 64),
        ("aes128gcm16-ecp384", 20, 96),
        ("aes128gcm16-ecp521", 21, 132),
    ] {
        let mut play = Play::with(6, esp);
        for (what, point) in bad_points(len) {
            let mut payloads = quick(&[short(IpsecAttribute::GROUP_DESCRIPTION, group)]);
            payloads.insert(2, (KE, point));
            let told = play.refused(what, QUICK, &payloads);
            assert_eq!(told, NotifyType::PAYLOAD_MALFORMED, "{esp}: {what}");
        }
        // PFS is asked for here.
        let told = play.refused("no KE", QUICK, &quick(&[]));
        assert_eq!(told, NotifyType::NO_PROPOSAL_CHOSEN);
        play.then_a_good_one();
    }
}
