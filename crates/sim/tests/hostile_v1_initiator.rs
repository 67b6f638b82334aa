//! Rows of the catalogue of hostile input against an IKEv1 initiator: a responder with the true keys answers its quick mode
//! with what no true one says. No child comes of it, its owner hears why, nothing stays behind, and the next good
//! handshake works.
#![allow(clippy::unwrap_used)]

mod forged_v1;

use std::time::Duration;

use forged_v1::{ID, KE, NONCE, NOTIFY, QUICK, SA, long, short, transform, v1};
use handfast_engine::Event;
use handfast_sim::forger_v1::Payloads;
use handfast_sim::pair::{MINUTE, at, disagreement, named, nothing_left, up, world_with};
use handfast_sim::{ForgerV1, World};
use handfast_wire::header::PayloadType;
use handfast_wire::numbers::v1::{IpsecAttribute as A, NotifyType, Protocol};
use handfast_wire::v1::attribute::AttributeDef;
use handfast_wire::v1::sa::{ProposalDef, encode};

/// Changes the payloads after HASH(2), which is made anew; or makes the whole message, if it says so.
type Change = Box<dyn Fn(&ForgerV1, &mut Payloads) -> Option<Vec<u8>>>;

/// Host 0 brings the connection up, and every message 2 of quick mode is changed. Returns the world a while later.
fn answered(seed: u64, esp: &str, change: Change) -> World {
    let mut world = world_with(seed, |_, c| v1(c, esp));
    let mut wire: Vec<Vec<u8>> = vec![];
    world.tamper = Some(Box::new(move |hosts, transmit| {
        let bytes = transmit.bytes.to_vec();
        let of_quick = bytes.len() > 28 && bytes[18] == QUICK.0;
        if !of_quick || transmit.local.ip() == at(0).ip() {
            wire.push(bytes.clone());
            return vec![bytes];
        }
        let id = u32::from_be_bytes(bytes[20..24].try_into().unwrap());
        let mut forger = ForgerV1::new(&hosts[1], wire.iter().map(Vec::as_slice).filter(|b| b[18] != QUICK.0)).unwrap();
        let first = wire
            .iter()
            .find(|b| b[18] == QUICK.0 && b[20..24] == bytes[20..24])
            .unwrap();
        let ni = forger
            .open(first)
            .unwrap()
            .into_iter()
            .find(|(kind, _)| *kind == NONCE)
            .unwrap()
            .1;
        forger.observe(first);
        let Some(mut payloads) = forger.open(&bytes) else {
            return vec![bytes];
        };
        payloads.remove(0);
        let whole = change(&forger, &mut payloads);
        vec![whole.unwrap_or_else(|| forger.hashed_2(id, &ni, &payloads))]
    }));
    world.command(0, named(true));
    world.run(Duration::from_secs(20));
    world
}

/// Host 0 has no child, said why, and keeps nothing; the next good handshake works.
fn refused(mut world: World, what: &str, explained: &str) {
    let made = |e: &Event| matches!(e, Event::ChildEstablished { .. });
    assert_eq!(world.hosts[0].count(made), 0, "{what}");
    let refusals = world.hosts[0].refusals();
    assert!(!refusals.is_empty(), "{what}: silent");
    assert!(refusals.iter().all(|r| r.contains(explained)), "{what}: {refusals:?}");
    let said = format!("{:?}", world.hosts[0].events);
    assert!(!said.contains("correct horse"), "{what}");
    world.tamper = None;
    recovers(&mut world, what);
}

fn recovers(world: &mut World, what: &str) {
    world.command(0, named(false));
    assert!(world.run_until(10 * MINUTE, nothing_left), "{what}");
    for host in &world.hosts {
        let sizes = host.engine.sizes();
        assert!(sizes.iter().all(|(_, n)| *n == 0), "{what}: {sizes:?}");
        assert_eq!(host.plane.children().count(), 0, "{what}");
    }
    up(world);
    world.run(Duration::from_secs(5));
    assert_eq!(disagreement(world), None, "{what}");
}

fn body(payloads: &mut Payloads, kind: PayloadType) -> &mut Vec<u8> {
    &mut payloads.iter_mut().find(|(k, _)| *k == kind).unwrap().1
}

/// A049 in message 2: clients that are others than ours, or none at all.
#[test]
fn other_clients_than_were_asked_for_make_no_child() {
    let id = |kind: u8, data: &[u8]| [&[kind, 0, 0, 0], data].concat();
    let bad = [
        ("FQDN", id(2, b"b.test"), "neither address"),
        ("KEY_ID", id(11, b"key"), "neither address"),
        ("mask with gaps", id(4, &[10, 1, 0, 0, 255, 0, 255, 0]), "gaps"),
        ("range from its end", id(7, &[10, 1, 0, 9, 10, 1, 0, 1]), "range ends"),
        ("short subnet", id(4, &[10, 1, 0, 0]), "length"),
        ("IPv4 address of 16 octets", id(1, &[10; 16]), "length"),
        ("wider", id(4, &[10, 0, 0, 0, 255, 0, 0, 0]), "selectors"),
        ("narrower", id(4, &[10, 1, 2, 0, 255, 255, 255, 0]), "selectors"),
        ("everything", id(4, &[0; 8]), "selectors"),
        (
            "of one protocol",
            [&[4, 6, 0, 0], &[10, 1, 0, 0, 255, 255, 0, 0][..]].concat(),
            "selectors",
        ),
        ("of another family", id(5, &[0xfd; 16]), "selectors"),
    ];
    for (what, bad, explained) in bad {
        for which in [0, 1] {
            let bad = bad.clone();
            let change: Change = Box::new(move |_, payloads| {
                payloads
                    .iter_mut()
                    .filter(|(kind, _)| *kind == ID)
                    .nth(which)
                    .unwrap()
                    .1
                    .clone_from(&bad);
                None
            });
            refused(answered(1, "aes128gcm16", change), what, explained);
        }
    }
    for count in [1, 3] {
        let change: Change = Box::new(move |_, payloads| {
            let id = body(payloads, ID).clone();
            payloads.retain(|(kind, _)| *kind != ID);
            payloads.extend((0..count).map(|_| (ID, id.clone())));
            None
        });
        refused(answered(1, "aes128gcm16", change), "count", "two ID payloads");
    }
}

/// A017 in message 2: another transform than was offered, several, or one that contradicts itself.
#[test]
fn another_transform_than_was_offered_makes_no_child() {
    let sa = |spi: &[u8], protocol, transforms: Vec<Vec<AttributeDef>>| {
        let transforms = transforms.iter().zip(1..).map(|(more, n)| transform(n, more)).collect();
        let proposal = ProposalDef {
            number: 1,
            protocol,
            spi: spi.to_vec(),
            transforms,
        };
        encode(&[proposal])
    };
    let spi = [1, 2, 3, 4];
    let esp = Protocol::ESP;
    let bad = [
        ("key length twice", sa(&spi, esp, vec![vec![short(A::KEY_LENGTH, 256)]])),
        (
            "transport mode too",
            sa(&spi, esp, vec![vec![short(A::ENCAPSULATION_MODE, 2)]]),
        ),
        ("a group", sa(&spi, esp, vec![vec![short(A::GROUP_DESCRIPTION, 19)]])),
        ("an unknown class", sa(&spi, esp, vec![vec![short(A(77), 1)]])),
        (
            "variable in place of basic",
            sa(&spi, esp, vec![vec![long(A::LIFE_TYPE, &[0, 1])]]),
        ),
        (
            "duration without type",
            sa(&spi, esp, vec![vec![short(A::LIFE_DURATION, 1)]]),
        ),
        ("an SPI of 0", sa(&[0; 4], esp, vec![vec![]])),
        ("an SPI of 255", sa(&[0, 0, 0, 255], esp, vec![vec![]])),
        ("an SPI of 2 octets", sa(&[1, 2], esp, vec![vec![]])),
        ("an SPI of 16 octets", sa(&[1; 16], esp, vec![vec![]])),
    ];
    for (what, changed) in bad {
        let change: Change = Box::new(move |_, payloads| {
            body(payloads, SA).clone_from(&changed);
            None
        });
        refused(answered(2, "aes128gcm16", change), what, "proposal");
    }
    for (what, changed) in [
        ("two transforms", sa(&spi, esp, vec![vec![], vec![]])),
        ("none", sa(&spi, esp, vec![])),
        ("AH", sa(&spi, Protocol::AH, vec![vec![]])),
        ("no proposal", encode(&[])),
    ] {
        let change: Change = Box::new(move |_, payloads| {
            body(payloads, SA).clone_from(&changed);
            None
        });
        refused(
            answered(2, "aes128gcm16", change),
            what,
            "one proposal with one transform",
        );
    }
}

/// A061 in message 2.
#[test]
fn points_off_the_curve_make_no_child() {
    for (esp, len) in [
        ("aes128gcm16-ecp256", 64),
        ("aes128gcm16-ecp384", 96),
        ("aes128gcm16-ecp521", 132),
    ] {
        let points = [
            vec![0; len],
            vec![0xff; len],
            [vec![0; len - 1], vec![5]].concat(),
            vec![1; len - 1],
            vec![1; len + 1],
            vec![],
        ];
        for point in points {
            let change: Change = Box::new(move |_, payloads| {
                body(payloads, KE).clone_from(&point);
                None
            });
            refused(answered(3, esp, change), esp, "key exchange failed");
        }
        let absent: Change = Box::new(|_, payloads| {
            payloads.retain(|(kind, _)| *kind != KE);
            None
        });
        refused(answered(3, esp, absent), esp, "no KE");
    }
}

/// A019 in message 2.
#[test]
fn nonces_of_wrong_length_make_no_child() {
    for len in [0, 7, 257] {
        let change: Change = Box::new(move |_, payloads| {
            *body(payloads, NONCE) = vec![1; len];
            None
        });
        refused(answered(4, "aes128gcm16", change), "nonce", "nonce of");
    }
}

/// A039 and A041: what HASH(2) does not prove is no answer. The initiator asks again, and the true answer is taken.
#[test]
fn an_answer_without_its_hash_is_none() {
    let forged: Vec<(&str, Change)> = vec![
        (
            "truncated",
            Box::new(|f, p| Some(f.after(QUICK, id_of(f), &[1; 31], p))),
        ),
        ("zeros", Box::new(|f, p| Some(f.after(QUICK, id_of(f), &[0; 32], p)))),
        ("absent", Box::new(|f, p| Some(f.seal(QUICK, id_of(f), p)))),
        // HASH(1) in place of HASH(2): Ni is not in it.
        ("without Ni", Box::new(|f, p| Some(f.hashed(QUICK, id_of(f), p)))),
        (
            "another message ID",
            Box::new(|f, p| {
                let good = f.hashed(QUICK, id_of(f), p);
                Some(f.after(QUICK, 7, &f.open(&good).unwrap()[0].1, p))
            }),
        ),
        ("message ID 0", Box::new(|f, p| Some(f.hashed(QUICK, 0, p)))),
    ];
    for (what, change) in forged {
        let mut world = answered(5, "aes128gcm16", change);
        let made = |e: &Event| matches!(e, Event::ChildEstablished { .. });
        assert_eq!(world.hosts[0].count(made), 0, "{what}");
        assert!(
            world.hosts[0].count(|e| matches!(e, Event::Dropped { .. })) > 0,
            "{what}"
        );
        world.tamper = None;
        let up = |w: &World| w.hosts[0].count(made) == 1;
        assert!(world.run_until(MINUTE, up), "{what}: the true answer");
        world.run(Duration::from_secs(5));
        assert_eq!(disagreement(&world), None, "{what}");
        recovers(&mut world, what);
    }
}

/// The message ID of the quick mode that the forger has seen.
fn id_of(forger: &ForgerV1) -> u32 {
    forger.ids().next().unwrap()
}

/// A107: RESPONDER-LIFETIME of nothing, of for ever, and what cannot be read.
#[test]
fn a_lifetime_that_the_responder_tells_makes_no_busy_loop() {
    let attribute = |kind: u16, value: &[u8]| {
        let pair = [short(A::LIFE_TYPE, kind), long(A::LIFE_DURATION, value)];
        handfast_wire::v1::attribute::encode(&pair)
    };
    let mut data = vec![vec![], vec![0x80], vec![0xff; 64], vec![0x80, 1, 0, 1]];
    for value in [
        &[0, 0, 0, 0][..],
        &[0; 8],
        &[0xff; 4],
        &[0xff; 8],
        &[0, 0, 0, 1],
        &[0xff; 9],
    ] {
        data.extend([attribute(1, value), attribute(2, value)]);
    }
    for data in data {
        let what = format!("{data:?}");
        let change: Change = Box::new(move |_, payloads| {
            let mut body = vec![0, 0, 0, 1, 3, 4];
            body.extend(NotifyType::RESPONDER_LIFETIME.0.to_be_bytes());
            body.extend([9, 9, 9, 9]);
            body.extend(&data);
            payloads.push((NOTIFY, body));
            None
        });
        let mut world = answered(6, "aes128gcm16", change);
        assert!(
            world.hosts[0].count(|e| matches!(e, Event::ChildEstablished { .. })) > 0,
            "{what}"
        );
        let before = (world.network.sent.len(), world.hosts[0].events.len());
        world.run(Duration::from_secs(20));
        let after = (world.network.sent.len(), world.hosts[0].events.len());
        // One second is taken for five. (The responder, which has said otherwise, asks for every message 3 again.)
        let rekeyed = |e: &&Event| matches!(e, Event::ChildRekeyed { .. });
        let rekeys = world.hosts[0].events[before.1..].iter().filter(rekeyed).count();
        assert!(rekeys <= 7, "{what}: {rekeys} rekeys");
        assert!(
            after.0 - before.0 < 100 && after.1 - before.1 < 200,
            "{what}: {before:?} {after:?}"
        );
        world.tamper = None;
        recovers(&mut world, &what);
    }
}
