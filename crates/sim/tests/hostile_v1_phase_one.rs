//! Rows of the catalogue of hostile input about phase 1 of IKEv1: someone with the true keys sits between the hosts and
//! changes what one of them proves or offers. No SA comes of it on the side that is lied to, its owner hears why, nothing
//! stays behind, and the next good handshake works.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_engine::policy::{Connection, Versions};
use handfast_engine::{Event, Transmit};
use handfast_sim::forger_v1::{Payloads, chain};
use handfast_sim::pair::{MINUTE, at, disagreement, named, nothing_left, up, world_with};
use handfast_sim::policies::parsed;
use handfast_sim::{ForgerV1, World};
use handfast_wire::header::{ExchangeType, PayloadType};
use handfast_wire::numbers::v1::{NotifyType, OakleyAttribute};
use handfast_wire::v1::attribute::AttributeDef;
use handfast_wire::v1::{Message, message};

const MAIN: ExchangeType = ExchangeType::V1_MAIN;
const AGGRESSIVE: ExchangeType = ExchangeType::V1_AGGRESSIVE;
const HASH: PayloadType = PayloadType::V1_HASH;
const ID: PayloadType = PayloadType::V1_ID;
const KE: PayloadType = PayloadType::V1_KE;
const NONCE: PayloadType = PayloadType::V1_NONCE;
const SA: PayloadType = PayloadType::V1_SA;

fn v1(connection: &mut Connection, aggressive: bool) {
    connection.versions = Versions::One;
    connection.aggressive = aggressive;
    connection.ike = vec![parsed("aes128-sha256-ecp256")];
}

/// The payloads of a message in the clear.
fn clear(bytes: &[u8]) -> Payloads {
    let message = Message::parse(bytes).unwrap();
    let all = message.payloads().map(Result::unwrap);
    all.map(|p| (p.kind, p.body.to_vec())).collect()
}

fn is_encrypted(bytes: &[u8]) -> bool {
    bytes[19] & 1 != 0
}

/// Which message of phase 1 is changed: its sender, mode and whether it is encrypted, and its first payload.
#[derive(Clone, Copy)]
struct Which(usize, ExchangeType, bool, PayloadType);

impl Which {
    fn is(self, transmit: &Transmit) -> bool {
        let Self(sender, exchange, encrypted, first) = self;
        let bytes = &transmit.bytes;
        transmit.local.ip() == at(sender).ip()
            && bytes.len() > 28
            && (bytes[18], bytes[16]) == (exchange.0, first.0)
            && is_encrypted(bytes) == encrypted
    }
}

/// What the change sees: the keys, if there are any, and the payloads in the clear.
type Change = Box<dyn Fn(Option<&ForgerV1>, &mut Payloads)>;

/// Host 0 brings the connection up, and every such message is changed. Returns the world a while later.
fn lied(seed: u64, ike: &str, aggressive: bool, which: Which, change: Change) -> World {
    let mut world = world_with(seed, |_, c| {
        v1(c, aggressive);
        c.ike = vec![parsed(ike)];
    });
    let mut wire: Vec<Vec<u8>> = vec![];
    world.tamper = Some(Box::new(move |hosts, transmit| {
        let mut bytes = transmit.bytes.to_vec();
        if !which.is(transmit) {
            wire.push(bytes.clone());
            return vec![bytes];
        }
        let header = Message::parse(&bytes).unwrap().header;
        let mut seen: Vec<&[u8]> = wire.iter().map(Vec::as_slice).collect();
        let encrypted = is_encrypted(&bytes);
        if !encrypted {
            seen.push(&bytes);
        }
        let forger = ForgerV1::new(&hosts[which.0], seen);
        let mut payloads = match &forger {
            Some(forger) if encrypted => forger.open(&bytes).unwrap(),
            _ => clear(&bytes),
        };
        change(forger.as_ref(), &mut payloads);
        bytes = match &forger {
            Some(forger) if encrypted => forger.seal(header.exchange, header.message_id, &payloads),
            _ => message(header, &chain(&payloads)),
        };
        vec![bytes]
    }));
    world.command(0, named(true));
    world.run(Duration::from_secs(20));
    world
}

fn count(world: &World, host: usize, wanted: impl Fn(&Event) -> bool) -> usize {
    world.hosts[host].count(wanted)
}

/// The victim took nobody for its peer, told its owner, and told no secret; the next good handshake works.
fn unimpressed(mut world: World, victim: usize, what: &str, explained: &str) {
    let established = |e: &Event| matches!(e, Event::IkeEstablished { .. });
    assert_eq!(count(&world, victim, established), 0, "{what}");
    let refusals = world.hosts[victim].refusals();
    assert!(!refusals.is_empty(), "{what}: silent");
    assert!(refusals.iter().all(|r| r.contains(explained)), "{what}: {refusals:?}");
    for host in &world.hosts {
        let said = format!("{:?}", host.events);
        assert!(!said.contains("correct horse"), "{what}");
        assert_eq!((host.inbound.len(), host.outbound.len()), (0, 0), "{what}");
    }
    world.tamper = None;
    world.command(0, named(false));
    assert!(
        world.run_until(10 * MINUTE, nothing_left),
        "{what}: {:?}",
        world.hosts[1].engine.sizes()
    );
    for host in &world.hosts {
        assert!(
            host.engine.sizes().iter().all(|(_, n)| *n == 0),
            "{what}: {:?}",
            host.engine.sizes()
        );
    }
    up(&mut world);
    world.run(Duration::from_secs(5));
    assert_eq!(disagreement(&world), None, "{what}");
}

/// The notifies in the clear that a host sent.
fn told(world: &World, host: usize) -> Vec<NotifyType> {
    let sent = world.network.sent.iter().filter(|t| t.local.ip() == at(host).ip());
    let sent = sent.filter(|t| t.bytes.len() > 28 && t.bytes[18] == 5 && !is_encrypted(&t.bytes));
    sent.map(|t| NotifyType(u16::from_be_bytes([t.bytes[38], t.bytes[39]])))
        .collect()
}

/// Changes the HASH payload; the forger may compute another.
fn with_hash(change: impl Fn(&ForgerV1, &[u8], Vec<u8>) -> Option<Vec<u8>> + 'static) -> Change {
    Box::new(move |forger, payloads| {
        let id = payloads.iter().find(|(kind, _)| *kind == ID).map(|(_, id)| id.clone());
        let at = payloads.iter().position(|(kind, _)| *kind == HASH).unwrap();
        let hash = payloads[at].1.clone();
        match change(forger.unwrap(), &id.unwrap_or_default(), hash) {
            Some(hash) => payloads[at].1 = hash,
            None => drop(payloads.remove(at)),
        }
    })
}

/// A039: proofs that are cut, too long, absent, of another identity or of the other side. `reflected` is what the other
/// side would prove.
fn bad_proofs(from_initiator: bool) -> Vec<(&'static str, Change)> {
    vec![
        ("truncated", with_hash(|_, _, hash| Some(hash[..31].to_vec()))),
        ("of one octet", with_hash(|_, _, hash| Some(hash[..1].to_vec()))),
        ("empty", with_hash(|_, _, _| Some(vec![]))),
        ("over-long", with_hash(|_, _, hash| Some([hash, vec![0]].concat()))),
        (
            "twice as long",
            with_hash(|_, _, hash| Some([hash.clone(), hash].concat())),
        ),
        ("absent", with_hash(|_, _, _| None)),
        ("zeros", with_hash(|_, _, _| Some(vec![0; 32]))),
        (
            "reflected",
            with_hash(move |forger, id, _| {
                Some(if from_initiator {
                    forger.hash_r(id)
                } else {
                    forger.hash_i(id)
                })
            }),
        ),
        (
            "of another identity",
            with_hash(move |forger, _, _| {
                let id = b"\x02\0\0\0other.test";
                Some(if from_initiator {
                    forger.hash_i(id)
                } else {
                    forger.hash_r(id)
                })
            }),
        ),
    ]
}

#[test]
fn hash_i_that_is_not_exactly_right_is_refused() {
    for (what, change) in bad_proofs(true) {
        let world = lied(1, "aes128-sha256-ecp256", false, Which(0, MAIN, true, ID), change);
        let told = told(&world, 1);
        assert!(!told.is_empty(), "{what}");
        assert!(
            told.iter().all(|n| *n == NotifyType::INVALID_HASH_INFORMATION),
            "{what}: {told:?}"
        );
        unimpressed(world, 1, what, if what == "absent" { "HASH" } else { "hash" });
    }
    // In aggressive mode the identity has come before.
    for (what, change) in bad_proofs(true) {
        let change = if ["reflected", "of another identity"].contains(&what) {
            let reflected = what == "reflected";
            with_hash(move |forger, _, _| {
                Some(if reflected {
                    forger.hash_r(b"\x02\0\0\0a.test")
                } else {
                    forger.hash_i(b"\x02\0\0\0other.test")
                })
            })
        } else {
            change
        };
        let world = lied(
            2,
            "aes128-sha256-ecp256",
            true,
            Which(0, AGGRESSIVE, true, HASH),
            change,
        );
        assert!(
            told(&world, 1).contains(&NotifyType::INVALID_HASH_INFORMATION),
            "{what}"
        );
        unimpressed(world, 1, what, if what == "absent" { "HASH" } else { "hash" });
    }
}

#[test]
fn hash_r_that_is_not_exactly_right_is_refused() {
    for (what, change) in bad_proofs(false) {
        let world = lied(3, "aes128-sha256-ecp256", false, Which(1, MAIN, true, ID), change);
        unimpressed(world, 0, what, if what == "absent" { "HASH" } else { "hash" });
    }
    for (what, change) in bad_proofs(false) {
        let world = lied(4, "aes128-sha256-ecp256", true, Which(1, AGGRESSIVE, false, SA), change);
        unimpressed(world, 0, what, if what == "absent" { "HASH" } else { "hash" });
    }
}

/// A019.
#[test]
fn nonces_of_wrong_length_make_no_sa() {
    for (victim, which) in [(1, Which(0, MAIN, false, KE)), (0, Which(1, MAIN, false, KE))] {
        for len in [0, 7, 257, 1000] {
            let change: Change = Box::new(move |_, payloads| {
                payloads
                    .iter_mut()
                    .filter(|(kind, _)| *kind == NONCE)
                    .for_each(|(_, body)| *body = vec![1; len]);
            });
            let world = lied(5, "aes128-sha256-ecp256", false, which, change);
            let dropped = |e: &Event| matches!(e, Event::Dropped { .. });
            if victim == 1 {
                // A stranger's message proves nothing: the true one is still awaited, and its owner hears of one dropped.
                assert!(count(&world, 1, dropped) > 0, "{len}");
                assert_eq!(count(&world, 1, |e| matches!(e, Event::IkeEstablished { .. })), 0);
            } else {
                unimpressed(world, 0, &format!("{len}"), "nonce");
            }
        }
    }
}

/// A061 in phase 1, from either side and in both modes.
#[test]
fn points_off_the_curve_make_no_sa() {
    for (ike, len) in [
        ("aes128-sha256-ecp256", 64),
        ("aes128-sha256-ecp384", 96),
        ("aes128-sha256-ecp521", 132),
    ] {
        let points = [
            ("off the curve", [vec![0; len - 1], vec![5]].concat()),
            ("infinity", vec![0; len]),
            ("x beyond the field", vec![0xff; len]),
            ("short", vec![1; len - 1]),
            ("long", vec![1; len + 1]),
            ("empty", vec![]),
        ];
        for (what, point) in points {
            for (aggressive, victim) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
                let (exchange, first) = if aggressive { (AGGRESSIVE, SA) } else { (MAIN, KE) };
                let point = point.clone();
                let change: Change = Box::new(move |_, payloads| {
                    payloads
                        .iter_mut()
                        .filter(|(kind, _)| *kind == KE)
                        .for_each(|(_, body)| body.clone_from(&point));
                });
                let world = lied(6, ike, aggressive, Which(1 - victim, exchange, false, first), change);
                // Aggressive mode's offer is one for a public value of that length.
                let explained = if aggressive && victim == 1 && ["short", "long", "empty"].contains(&what) {
                    "proposal"
                } else {
                    "key exchange failed"
                };
                unimpressed(
                    world,
                    victim,
                    &format!("{what} in {ike}, aggressive {aggressive}, {victim}"),
                    explained,
                );
            }
        }
    }
}

/// Changes the attributes of every transform that is offered or chosen.
fn with_attributes(change: impl Fn(&mut Vec<AttributeDef>) + 'static) -> Change {
    use handfast_wire::v1::sa::{ProposalDef, encode};
    Box::new(move |_, payloads| {
        let body = &mut payloads.iter_mut().find(|(kind, _)| *kind == SA).unwrap().1;
        let sa = handfast_wire::v1::Sa::parse(body).unwrap();
        let proposals: Vec<ProposalDef> = sa
            .proposals()
            .map(|proposal| {
                let proposal = proposal.unwrap();
                let transforms = proposal.transforms().map(|transform| {
                    let mut transform = transform.unwrap().to_def().unwrap();
                    change(&mut transform.attributes);
                    transform
                });
                ProposalDef {
                    number: proposal.number,
                    protocol: proposal.protocol,
                    spi: proposal.spi.to_vec(),
                    transforms: transforms.collect(),
                }
            })
            .collect();
        let changed = encode(&proposals);
        *body = changed;
    })
}

/// A017 and A051: attributes that contradict each other, and methods of authentication that are not allowed.
#[test]
fn conflicting_attributes_and_foreign_methods_are_no_proposal() {
    use OakleyAttribute as A;
    let put = |attribute: AttributeDef| {
        with_attributes(move |all| {
            all.retain(|a| a.class != attribute.class);
            all.push(attribute.clone());
        })
    };
    let add = |attribute: AttributeDef| with_attributes(move |all| all.push(attribute.clone()));
    let short = |class: A, value| AttributeDef::short(class.0, value);
    let cases = || -> Vec<(&str, Change)> {
        vec![
            ("RSA encryption", put(short(A::AUTHENTICATION_METHOD, 4))),
            ("revised RSA encryption", put(short(A::AUTHENTICATION_METHOD, 5))),
            (
                "XAUTH with a preshared key",
                put(short(A::AUTHENTICATION_METHOD, 65_001)),
            ),
            ("hybrid", put(short(A::AUTHENTICATION_METHOD, 64_221))),
            ("method 0", put(short(A::AUTHENTICATION_METHOD, 0))),
            ("two methods", add(short(A::AUTHENTICATION_METHOD, 3))),
            ("two groups", add(short(A::GROUP_DESCRIPTION, 14))),
            ("two ciphers", add(short(A::ENCRYPTION_ALGORITHM, 5))),
            ("two key lengths", add(short(A::KEY_LENGTH, 256))),
            (
                "a group of its own",
                add(AttributeDef::long(A::GROUP_PRIME.0, vec![7; 64])),
            ),
            ("a PRF", add(short(A::PRF, 2))),
            ("an unknown class", add(short(A(77), 1))),
            (
                "a variable hash",
                put(AttributeDef::long(A::HASH_ALGORITHM.0, vec![0, 4])),
            ),
            (
                "a duration of 9 octets",
                put(AttributeDef::long(A::LIFE_DURATION.0, vec![1; 9])),
            ),
            ("a type without duration", add(short(A::LIFE_TYPE, 1))),
            ("a duration without type", add(short(A::LIFE_DURATION, 1))),
            ("a key length of 0", put(short(A::KEY_LENGTH, 0))),
            ("a key length of 129", put(short(A::KEY_LENGTH, 129))),
        ]
    };
    for (aggressive, victim) in [(false, 1), (true, 1), (false, 0), (true, 0)] {
        let exchange = if aggressive { AGGRESSIVE } else { MAIN };
        for (what, change) in cases() {
            let world = lied(
                7,
                "aes128-sha256-ecp256",
                aggressive,
                Which(1 - victim, exchange, false, SA),
                change,
            );
            if victim == 1 {
                let told = told(&world, 1);
                assert!(!told.is_empty(), "{what}");
                assert!(
                    told.iter().all(|n| *n == NotifyType::NO_PROPOSAL_CHOSEN),
                    "{what}: {told:?}"
                );
                assert_eq!(world.hosts[1].engine.sa_count(), 0, "{what}");
            }
            unimpressed(
                world,
                victim,
                &format!("{what}, aggressive {aggressive}, {victim}"),
                "proposal",
            );
        }
    }
    // A lifetime of nothing or of for ever is no conflict, and makes no haste.
    for value in [vec![0; 4], vec![0xff; 8], vec![0; 8]] {
        let change = put(AttributeDef::long(A::LIFE_DURATION.0, value));
        let mut world = lied(8, "aes128-sha256-ecp256", false, Which(1, MAIN, false, SA), change);
        assert_eq!(disagreement(&world), None);
        let before = world.network.sent.len();
        world.run(MINUTE);
        assert!(world.network.sent.len() - before < 20);
    }
}

/// A113: an identity, proved, that would do harm in a log or a shell. It is refused under the keys, and shown escaped.
#[test]
fn an_identity_of_the_peer_is_escaped_wherever_it_is_shown() {
    let evil = b"%n%s\r\n$(reboot);`id`\x1b[31m\xe2\x80\xae\xff'\"";
    for kind in [2, 3, 9, 10, 11, 200] {
        let body = [&[kind, 0, 0, 0][..], evil].concat();
        for victim in [1, 0] {
            let body = body.clone();
            let change: Change = Box::new(move |forger, payloads| {
                let forger = forger.unwrap();
                let hash = if victim == 1 {
                    forger.hash_i(&body)
                } else {
                    forger.hash_r(&body)
                };
                *payloads = vec![(ID, body.clone()), (HASH, hash)];
            });
            let world = lied(
                9,
                "aes128-sha256-ecp256",
                false,
                Which(1 - victim, MAIN, true, ID),
                change,
            );
            for host in &world.hosts {
                for refusal in host.refusals() {
                    assert!(!refusal.contains(char::is_control), "{refusal:?}");
                    assert!(!refusal.contains('\u{202e}'), "{refusal:?}");
                }
                for event in &host.events {
                    if let Event::Message { summary, .. } = event {
                        assert!(
                            !summary.contains(char::is_control) && !summary.contains("reboot"),
                            "{summary:?}"
                        );
                    }
                }
            }
            // Nothing in the clear tells anyone else.
            assert!(told(&world, victim).is_empty());
            unimpressed(world, victim, &format!("{kind}"), "identity");
        }
    }
}

/// A wrong name with the right secret is told under the keys, so the other side knows at once and for sure.
#[test]
fn a_wrong_identity_is_told_under_the_keys() {
    for liar in [0, 1] {
        let mut world = world_with(10, |host, c| {
            v1(c, false);
            if host == liar {
                c.local_id = handfast_auth::Identity::Fqdn("other.test".into());
            }
        });
        world.command(0, named(true));
        world.run(Duration::from_millis(500));
        let refusals = |host: usize| world.hosts[host].refusals().join("\n");
        assert!(refusals(1 - liar).contains("other.test"), "{}", refusals(1 - liar));
        for host in [0, 1] {
            assert!(told(&world, host).is_empty(), "nothing in the clear");
            assert!(world.hosts[host].outbound.is_empty());
        }
        if liar == 0 {
            let told = refusals(0);
            assert!(
                told.contains("AUTHENTICATION-FAILED") && told.contains("local_id"),
                "{told}"
            );
            assert!(told.contains("other.test"), "{told}");
        }
        // The initiator's last word ends the SA that the responder took for complete.
        let ended = |e: &Event| matches!(e, Event::IkeGone { reason, .. } if reason.contains("AUTHENTICATION-FAILED"));
        assert_eq!(count(&world, 1, ended), liar);
    }
}
