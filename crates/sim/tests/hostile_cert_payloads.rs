//! Rows of the catalogue of hostile input about the payloads of authentication by certificate: bombs in ASN.1, requests and
//! certificates without end, proofs that are missing, repeated, of the other kind or the other side, and methods that
//! nobody should offer. In both versions, whoever lies.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use handfast_auth::IdentityPattern;
use handfast_auth::certificate::generate::KeyKind;
use handfast_auth::certificate::{Curve, Form, PublicKey, Signer};
use handfast_engine::policy::Connection;
use handfast_engine::{Event, Transmit};
use handfast_sim::forger::{Forger, chain};
use handfast_sim::forger_v1::{Payloads, chain as chain_v1};
use handfast_sim::impostor::{AUTHENTICATION_FAILED, Change, Lie, MODES, Mode, Outcome, between, change, p256};
use handfast_sim::pair::{named, up, world_with};
use handfast_sim::pki::{Ca, element, template};
use handfast_sim::policies::address;
use handfast_wire::header::PayloadType;
use handfast_wire::v1::{Message, message};

const P256: KeyKind = KeyKind::Ec(Curve::P256);
const HASH: PayloadType = PayloadType::V1_HASH;
/// NO-PROPOSAL-CHOSEN.
const NO_PROPOSAL: u16 = 14;
/// INVALID_SYNTAX of IKEv2, PAYLOAD-MALFORMED and INVALID-HASH-INFORMATION of IKEv1.
const SYNTAX: [u16; 3] = [7, 16, 23];

/// Everyone lies in every mode.
fn everywhere(ca: &Ca, what: &str, lie_of: impl Fn(Mode) -> Change) -> Vec<(Mode, usize, Outcome)> {
    let all = MODES.into_iter().flat_map(|mode| [(mode, 0), (mode, 1)]);
    all.map(|(mode, liar)| {
        let lie = Lie {
            ca,
            mode,
            liar,
            own: &p256,
        };
        let mut world = lie.world(1, |_, _| {});
        between(&mut world, mode, liar, lie_of(mode));
        (mode, liar, lie.refused(world, what))
    })
    .collect()
}

/// The first certificate is this.
fn first_certificate(mode: Mode, der: Vec<u8>) -> Change {
    let kind = mode.cert();
    change(move |payloads| {
        let at = payloads.iter().position(|(k, _)| *k == kind).unwrap();
        payloads[at].1 = [&[4], &der[..]].concat();
    })
}

/// Elements in each other, so deep.
fn nested(tag: u8, depth: usize) -> Vec<u8> {
    let (mut heads, mut length) = (vec![], 0usize);
    for _ in 0..depth {
        let head = match length {
            0..=0x7f => vec![length as u8, tag],
            0x80..=0xff => vec![length as u8, 0x81, tag],
            _ => vec![length as u8, (length >> 8) as u8, 0x82, tag],
        };
        length += head.len();
        heads.extend(head);
    }
    heads.reverse();
    heads
}

fn bombs(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut bombs = vec![
        ("nothing", vec![]),
        ("an empty sequence", vec![0x30, 0]),
        ("an indefinite length", vec![0x30, 0x80, 0, 0]),
        (
            "indefinite lengths without end",
            [0x30, 0x80].into_iter().cycle().take(40_000).collect(),
        ),
        ("a length of 2^31", vec![0x30, 0x84, 0x80, 0, 0, 0]),
        ("a length of 2^31 - 1", vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]),
        ("a length of 2^64 - 1", [&[0x30, 0x88][..], &[0xff; 8]].concat()),
        ("a length of 127 octets", [&[0x30, 0xff][..], &[0xff; 200]].concat()),
        ("sequences 10,000 deep", nested(0x30, 10_000)),
        ("choices 10,000 deep", nested(0xa0, 10_000)),
        ("sets 10,000 deep", nested(0x31, 10_000)),
        ("zeros", vec![0; 60_000]),
        ("ones", vec![0xff; 60_000]),
        ("text", b"-----BEGIN CERTIFICATE-----".to_vec()),
        ("more after it", [good, &[0]].concat()),
        ("twice", [good, good].concat()),
        (
            "high tag numbers",
            [0x1f, 0xff].into_iter().cycle().take(9_999).collect(),
        ),
    ];
    for at in [1, 2, 3, 4, 5, 20, 60, 100, good.len() - 60, good.len() - 1] {
        bombs.push(("cut short", good[..at].to_vec()));
    }
    bombs
}

/// A093: what cannot be read is refused where a certificate is due.
#[test]
fn a093_bombs_are_refused() {
    let ca = Ca::root("CN=Root", P256);
    let good = ca.certificate.as_der().to_vec();
    for (what, der) in bombs(&good) {
        for (mode, liar, outcome) in everywhere(&ca, what, |mode| first_certificate(mode, der.clone())) {
            assert_eq!(outcome.told, [AUTHENTICATION_FAILED].into(), "{what} {mode:?} {liar}");
            assert!(outcome.explained.contains("cannot be read"), "{}", outcome.explained);
            assert!(outcome.judged > 0);
        }
    }
}

/// A093: the same inside of a certificate that the CA has signed.
#[test]
fn a093_bombs_that_a_ca_signed_are_refused() {
    let ca = Ca::root("CN=Root", P256);
    // nameConstraints, basicConstraints, keyUsage, extKeyUsage, authorityInfoAccess, cRLDistributionPoints.
    let oids: [&[u8]; 6] = [
        &[0x55, 0x1d, 30],
        &[0x55, 0x1d, 19],
        &[0x55, 0x1d, 15],
        &[0x55, 0x1d, 37],
        &[0x2b, 6, 1, 5, 5, 7, 1, 1],
        &[0x55, 0x1d, 31],
    ];
    let directory = |der: &[u8]| element(0x30, &[&element(0xa4, &[der])]);
    let values = [
        ("deep", nested(0x30, 9_000)),
        ("choices", nested(0xa4, 9_000)),
        ("endless", vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]),
        ("indefinite", vec![0x30, 0x80, 0, 0]),
        ("a deep name", directory(&nested(0x30, 9_000))),
    ];
    for oid in oids {
        for (what, value) in &values {
            for (mode, liar) in [(Mode::V2, 0), (Mode::V2, 1), (Mode::Main, 0), (Mode::Aggressive, 1)] {
                let lie = Lie {
                    ca: &ca,
                    mode,
                    liar,
                    own: &p256,
                };
                let signer = handfast_sim::pki::new_key(P256);
                // It cannot even be made by what reads it, so it is sent in place of the good one.
                let spoilt = spoilt(&ca, ["a.test", "b.test"][liar], oid, value, signer.public_key());
                let mut world = lie.world(2, |_, _| {});
                between(&mut world, mode, liar, first_certificate(mode, spoilt));
                let outcome = lie.refused(world, what);
                assert_eq!(outcome.told, [AUTHENTICATION_FAILED].into(), "{what} {oid:?} {mode:?}");
                // What is only an address is not looked into, and then the signature is another's.
                let looked_into = !oid.ends_with(&[1, 1]) && !oid.ends_with(&[31]);
                let reasons = [
                    "cannot be read",
                    "key usage",
                    if looked_into { "cannot be read" } else { "not fit" },
                ];
                let explained = reasons.iter().any(|reason| outcome.explained.contains(reason));
                assert!(explained, "{what} {oid:?} {}", outcome.explained);
            }
        }
    }
}

/// A certificate for this name whose extension has this value.
fn spoilt(ca: &Ca, name: &str, oid: &[u8], value: &[u8], key: &PublicKey) -> Vec<u8> {
    let mut template = template(&name.parse().unwrap());
    // A mark of the same length stands for the value, and is replaced with all lengths around it.
    template.others = vec![(vec![0x2a, 3, 4], false, vec![5, 0])];
    let good = ca.sign(&template, key);
    let mark = element(0x30, &[&element(6, &[&[0x2a, 3, 4]]), &element(4, &[&[5, 0]])]);
    let bomb = element(0x30, &[&element(6, &[oid]), &element(4, &[value])]);
    let changed = replaced(good.as_der(), &mark, &bomb);
    let (tbs_at, tbs_len) = (4, usize::from(changed[6]) << 8 | usize::from(changed[7]));
    let spoilt = ca.seal(&changed[tbs_at..tbs_at + 4 + tbs_len]);
    assert!(spoilt.windows(bomb.len()).any(|window| window == bomb));
    spoilt
}

/// The element `from`, wherever it is inside, by `to`.
fn replaced(der: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    let mut rest = der;
    while let [tag, length, ..] = rest {
        let (head, size) = match usize::from(*length) {
            short @ 0..=0x7f => (2, short),
            long => {
                let octets = &rest[2..2 + (long & 0x7f)];
                (
                    2 + octets.len(),
                    octets.iter().fold(0, |sum, o| sum << 8 | usize::from(*o)),
                )
            }
        };
        let (whole, value) = (&rest[..head + size], &rest[head..head + size]);
        rest = &rest[head + size..];
        if whole == from {
            out.extend_from_slice(to);
        } else if tag & 0x20 != 0 {
            out.extend(element(*tag, &[&replaced(value, from, to)]));
        } else {
            out.extend_from_slice(whole);
        }
    }
    out
}

/// Whether host `host` took the other for its peer.
fn taken(world: &handfast_sim::World, host: usize) -> bool {
    world.hosts[host].count(|e| matches!(e, Event::IkeEstablished { .. })) > 0
}

/// A093, A095: what is of no use does no harm either: unreadable certificates behind the good ones, requests for CAs that
/// nobody knows, encodings that nobody has.
#[test]
fn a095_what_is_of_no_use_is_passed_over() {
    let ca = Ca::root("CN=Root", P256);
    let good = ca.certificate.as_der().to_vec();
    for (mode, liar) in MODES.into_iter().flat_map(|mode| [(mode, 0), (mode, 1)]) {
        let (cert, request) = (mode.cert(), mode.request());
        let mut extras: Vec<(String, Payloads)> = bombs(&good)
            .into_iter()
            .map(|(what, der)| (what.to_string(), vec![(cert, [&[4], &der[..]].concat())]))
            .collect();
        for from in (0..=255u8).step_by(30) {
            let range = from..=from.saturating_add(29);
            let junk = |kind: PayloadType| range.clone().map(|e| (kind, vec![e, 0x30, 0x80])).collect();
            extras.push((format!("CERT of encodings from {from}"), junk(cert)));
            extras.push((format!("CERTREQ of encodings from {from}"), junk(request)));
        }
        // No more fits into a payload; 10,000 in all are in another test.
        let hashes = [&[4][..], &[0x5a; 20 * 3000]].concat();
        extras.push(("CERTREQ of 3,000 hashes".into(), vec![(request, hashes)]));
        extras.push(("CERTREQ of 19 octets".into(), vec![(request, vec![4; 20])]));
        extras.push(("empty CERTREQs".into(), vec![(request, vec![4]); 30]));
        for (what, extra) in extras {
            let lie = Lie {
                ca: &ca,
                mode,
                liar,
                own: &p256,
            };
            let mut world = lie.world(3, |_, _| {});
            let added = change(move |payloads: &mut Payloads| {
                let at = payloads.iter().position(|(k, _)| *k == cert).unwrap();
                payloads.splice(at + 1..at + 1, extra.clone());
            });
            between(&mut world, mode, liar, added);
            // What was encrypted anew in IKEv1 is not what the liar's own end goes on from.
            if mode == Mode::V2 || (mode, liar) == (Mode::Aggressive, 1) {
                up(&mut world);
            } else {
                world.command(0, named(true));
                world.run(Duration::from_secs(2));
            }
            assert!(
                taken(&world, 1 - liar),
                "{what} {mode:?} {liar}: {:?}",
                world.hosts[1 - liar].refusals()
            );
            lie.then_good(world, &what);
        }
    }
}

/// A095: hashes of 10,000 CAs in one message, which is more than a datagram holds.
#[test]
fn a095_requests_for_ten_thousand_cas_are_bounded() {
    let ca = Ca::root("CN=Root", P256);
    for from in [0, 1] {
        let lie = Lie {
            ca: &ca,
            mode: Mode::V2,
            liar: from,
            own: &p256,
        };
        let mut world = lie.world(4, |_, _| {});
        world.tamper = Some(Box::new(move |_, transmit: &Transmit| {
            let bytes = &transmit.bytes;
            if transmit.local.ip() != address(from) || bytes[18] != 34 {
                return vec![bytes.to_vec()];
            }
            let message = handfast_wire::v2::Message::parse(bytes).unwrap();
            let all = message.payloads().map(Result::unwrap);
            let mut payloads: Payloads = all.map(|p| (p.kind, p.body.to_vec())).collect();
            payloads.extend(vec![(PayloadType::CERTREQ, [&[4][..], &[0x33; 20 * 2500]].concat()); 4]);
            vec![handfast_wire::v2::message(message.header, &chain(&payloads))]
        }));
        world.command(0, named(true));
        world.run(Duration::from_secs(5));
        // AUTH covers the message, so nothing comes of it.
        assert!(!taken(&world, 1 - from));
        lie.then_good(world, "10,000 hashes");
    }
    // In main mode requests are covered by nothing.
    for from in [0, 1] {
        let lie = Lie {
            ca: &ca,
            mode: Mode::Main,
            liar: from,
            own: &p256,
        };
        let mut world = lie.world(5, |_, _| {});
        world.tamper = Some(Box::new(move |_, transmit: &Transmit| {
            let bytes = &transmit.bytes;
            let second = bytes.len() > 28 && bytes[18] == 2 && bytes[16] == PayloadType::V1_KE.0;
            if transmit.local.ip() != address(from) || !second {
                return vec![bytes.to_vec()];
            }
            let read = Message::parse(bytes).unwrap();
            let mut payloads: Payloads = read
                .payloads()
                .map(|p| p.map(|p| (p.kind, p.body.to_vec())).unwrap())
                .collect();
            for i in 0..40u8 {
                let name = element(0x30, &[&[i; 1000]]);
                payloads.push((PayloadType::V1_CERTREQ, [&[4], &name[..]].concat()));
            }
            vec![message(read.header, &chain_v1(&payloads))]
        }));
        up(&mut world);
        lie.then_good(world, "requests in main mode");
    }
}

/// The proof is missing, there twice, empty, or a hash; as is a payload that must be there once.
#[test]
fn proofs_that_are_missing_or_repeated_are_refused() {
    let ca = Ca::root("CN=Root", P256);
    type Alter = fn(Mode, &mut Payloads);
    let alters: [(&str, Alter); 7] = [
        ("absent", |mode, p| p.retain(|(k, _)| *k != mode.proof())),
        ("twice", |mode, p| {
            let again = p.iter().find(|(k, _)| *k == mode.proof()).unwrap().clone();
            p.push(again);
        }),
        ("empty", |mode, p| {
            p.iter_mut().find(|(k, _)| *k == mode.proof()).unwrap().1.clear();
        }),
        ("its head alone", |mode, p| {
            p.iter_mut().find(|(k, _)| *k == mode.proof()).unwrap().1.truncate(4);
        }),
        ("64 KiB", |mode, p| {
            p.iter_mut()
                .find(|(k, _)| *k == mode.proof())
                .unwrap()
                .1
                .resize(60_000, 7);
        }),
        ("a hash", |mode, p| {
            p.iter_mut().filter(|(k, _)| *k == mode.proof()).for_each(|(k, body)| {
                // IKEv2 has no HASH payload: nothing is left.
                *k = if mode == Mode::V2 { PayloadType::NONCE } else { HASH };
                *body = vec![9; 32];
            });
        }),
        ("without a certificate", |mode, p| p.retain(|(k, _)| *k != mode.cert())),
    ];
    for (what, alter) in alters {
        for (mode, liar, outcome) in everywhere(&ca, what, |mode| change(move |p| alter(mode, p))) {
            let allowed: BTreeSet<u16> = SYNTAX.into_iter().chain([AUTHENTICATION_FAILED]).collect();
            // The initiator of main mode waits for a message 6 that proves something.
            let heard = !outcome.told.is_empty() || (mode, liar) == (Mode::Main, 1);
            assert!(
                heard && outcome.told.is_subset(&allowed),
                "{what} {mode:?} {liar}: {:?}",
                outcome.told
            );
        }
    }
}

/// Where a preshared key is agreed, a signature with a good certificate is no proof.
#[test]
fn a_signature_where_a_hash_is_due_is_refused() {
    for (mode, victim) in [
        (Mode::Main, 1),
        (Mode::Main, 0),
        (Mode::Aggressive, 1),
        (Mode::Aggressive, 0),
    ] {
        let mut world = world_with(6, |_, c| mode.speak(c));
        let altered = change(|payloads: &mut Payloads| {
            payloads.iter_mut().filter(|(k, _)| *k == HASH).for_each(|(k, _)| {
                *k = PayloadType::V1_SIG;
            });
        });
        between(&mut world, mode, 1 - victim, altered);
        world.command(0, named(true));
        // A message that proves nothing is waited out by the initiator of main mode.
        world.run(Duration::from_secs(20));
        assert!(!taken(&world, victim), "{mode:?} {victim}");
        assert!(!world.hosts[victim].refusals().is_empty(), "{mode:?} {victim}");
        assert_eq!(world.hosts[victim].judged, 0);
    }
}

/// A039: what the other side proved is no proof of this side, even where anyone may be the peer.
#[test]
fn a039_reflected_proofs_are_refused() {
    let ca = Ca::root("CN=Root", P256);
    for (mode, liar) in MODES.into_iter().flat_map(|mode| [(mode, 0), (mode, 1)]) {
        let lie = Lie {
            ca: &ca,
            mode,
            liar,
            own: &p256,
        };
        let names = ["a.test", "b.test"].map(|name| name.parse::<handfast_auth::Identity>().unwrap());
        let victims = ca.peer(&names[1 - liar], P256);
        let own = Arc::clone(&victims);
        let mut world = lie.world(7, |_, c: &mut Connection| {
            c.auth.certificates = vec![Arc::clone(&own)];
            // The liar repeats the victim's name and certificate.
            c.local_id = names[1 - liar].clone();
            c.remote_id = IdentityPattern::Any;
        });
        let signer = Arc::clone(&victims.signer);
        let id = [&[2, 0, 0, 0], names[1 - liar].to_string().as_bytes()].concat();
        let request = std::sync::Mutex::new(None::<Vec<u8>>);
        let reflected: Change = Arc::new(move |forger, payloads| {
            let at = payloads.iter().position(|(k, _)| *k == mode.proof()).unwrap();
            if let Some(forger) = forger {
                let hash = if liar == 0 {
                    forger.hash_r(&id)
                } else {
                    forger.hash_i(&id)
                };
                payloads[at].1 = signer.sign(Form::EcdsaPrehashed, &hash).unwrap();
            } else {
                // The other side's has not been, where the initiator lies: its own of the attempt before.
                let mut last = request.lock().unwrap();
                let own = payloads[at].1.clone();
                payloads[at].1 = last.replace(own).unwrap_or_else(|| vec![14, 0, 0, 0]);
            }
        });
        if (mode, liar) == (Mode::V2, 1) {
            // The responder sends the initiator's AUTH back.
            let mut last = None;
            world.tamper = Some(Box::new(move |hosts, transmit| {
                let bytes = transmit.bytes.to_vec();
                if bytes[18] != 35 {
                    return vec![bytes];
                }
                let mut forger = hosts.iter().find_map(|h| Forger::sender_of(h, &bytes)).unwrap();
                let mut payloads = forger.open(&bytes).unwrap();
                let auth = payloads.iter_mut().find(|(k, _)| *k == PayloadType::AUTH);
                let Some((_, auth)) = auth else { return vec![bytes] };
                if transmit.local.ip() == address(0) {
                    last = Some(auth.clone());
                    return vec![bytes];
                }
                *auth = last.clone().unwrap();
                let changed = forger.rewrite(&bytes, |first, inner| {
                    let chain = chain(&payloads);
                    (*first, *inner) = (chain.first(), chain.bytes().to_vec());
                });
                vec![changed.unwrap()]
            }));
        } else {
            between(&mut world, mode, liar, reflected);
        }
        let outcome = lie.refused(world, "reflected");
        assert_eq!(outcome.told, [AUTHENTICATION_FAILED].into(), "{mode:?} {liar}");
        let expected = ["does not fit", "too short"];
        assert!(
            expected.iter().any(|e| outcome.explained.contains(e)),
            "{}",
            outcome.explained
        );
        assert!(outcome.judged > 0);
    }
}

/// A051 and DSS: the first message, or its answer, names a method that nobody takes: encryption with RSA keys, DSS, XAUTH,
/// a secret where none is, nothing.
#[test]
fn a051_methods_that_nobody_takes_are_refused() {
    let ca = Ca::root("CN=Root", P256);
    for (mode, liar) in [
        (Mode::Main, 0),
        (Mode::Main, 1),
        (Mode::Aggressive, 0),
        (Mode::Aggressive, 1),
    ] {
        for method in [0u16, 1, 2, 3, 4, 5, 10, 64_221, 65_001, 65_005, 65_535] {
            let lie = Lie {
                ca: &ca,
                mode,
                liar,
                own: &p256,
            };
            let mut world = lie.world(8, |_, _| {});
            world.tamper = Some(Box::new(move |_, transmit: &Transmit| {
                let bytes = transmit.bytes.to_vec();
                let first = bytes.len() > 28 && bytes[16] == PayloadType::V1_SA.0;
                if transmit.local.ip() != address(liar) || !first {
                    return vec![bytes];
                }
                let read = Message::parse(&bytes).unwrap();
                let mut payloads: Payloads = read
                    .payloads()
                    .map(|p| p.map(|p| (p.kind, p.body.to_vec())).unwrap())
                    .collect();
                let mut changed = 0;
                let sa = &mut payloads[0].1;
                for at in 0..sa.len() - 3 {
                    // Authentication Method = 9, ECDSA on P-256.
                    if sa[at..at + 4] == [0x80, 3, 0, 9] {
                        sa[at + 2..at + 4].copy_from_slice(&method.to_be_bytes());
                        changed += 1;
                    }
                }
                assert!(changed > 0);
                vec![message(read.header, &chain_v1(&payloads))]
            }));
            let what = format!("method {method}");
            if liar == 0 {
                let outcome = lie.refused(world, &what);
                assert_eq!(
                    (outcome.told, outcome.judged),
                    ([NO_PROPOSAL].into(), 0),
                    "{what} {mode:?}"
                );
                if method == 2 {
                    assert!(outcome.explained.contains("DSS"), "{}", outcome.explained);
                }
                continue;
            }
            // Anyone could have sent the answer: the true one is awaited, and in the end the owner hears of this.
            world.command(0, named(true));
            world.run(Duration::from_secs(60));
            assert!(!taken(&world, 0), "{what}");
            assert!(!world.hosts[0].refusals().is_empty(), "{what}: silent");
            assert_eq!((world.hosts[0].judged, world.hosts[0].signed), (0, 0));
            lie.then_good(world, &what);
        }
    }
}
