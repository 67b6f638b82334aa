//! Rows of the catalogue of hostile input about signatures, through whole hosts: forged RSA paddings, keys that are none,
//! signatures of others, and a man in the middle who makes hashes scarce. In both versions, whoever lies.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use handfast_auth::certificate::generate::KeyKind;
use handfast_auth::certificate::ikev2::Preference;
use handfast_auth::certificate::public_key::RsaKey;
use handfast_auth::certificate::{Curve, LocalCertificate, Signer};
use handfast_engine::policy::{Connection, Method};
use handfast_sim::impostor::{AUTHENTICATION_FAILED, Lie, MODES, Mode, between, change, p256, rsa};
use handfast_sim::pair::{both_up, named};
use handfast_sim::pki::{Ca, new_key, template};
use handfast_sim::policies::address;
use handfast_sim::rsa_forger::{Make, RsaForger, SHA256_INFO};
use handfast_wire::header::PayloadType;
use handfast_wire::v2::Message;

const P256: KeyKind = KeyKind::Ec(Curve::P256);

/// This signer with a good certificate, which signs by PKCS#1 v1.5 where it may choose.
fn certified(ca: &Ca, c: &Connection, signer: Arc<dyn Signer>) -> Vec<Arc<LocalCertificate>> {
    let mut own = LocalCertificate::clone(&ca.certify_signer(&template(&c.local_id), signer));
    own.preference = Preference {
        pss: false,
        sha1: false,
    };
    vec![Arc::new(own)]
}

/// Everyone lies in every mode, with what this makes.
fn everywhere(ca: &Ca, what: &str, explained: &str, signer: impl Fn() -> Arc<dyn Signer>) {
    for (mode, liar) in MODES.into_iter().flat_map(|mode| [(mode, 0), (mode, 1)]) {
        let lie = Lie {
            ca,
            mode,
            liar,
            own: &rsa,
        };
        let world = lie.world(1, |i, c| {
            if i == liar {
                c.auth.certificates = certified(ca, c, signer());
            }
        });
        let outcome = lie.refused(world, what);
        assert!(
            outcome.explained.contains(explained),
            "{what} {mode:?}: {}",
            outcome.explained
        );
        assert_eq!(
            outcome.told,
            [AUTHENTICATION_FAILED].into(),
            "{what} {mode:?}, host {liar}"
        );
        assert!(outcome.judged > 0, "{what}");
    }
}

/// Whose contents, without the hash, are another DigestInfo. IKEv1 has none, so there the hash stands in this one.
fn with_info(info: &'static [u8]) -> Make {
    Box::new(move |forger, contents| {
        let hash = contents.strip_prefix(&SHA256_INFO).unwrap_or(contents);
        forger.raw(&forger.honest_block(&[info, hash].concat()))
    })
}

fn forgeries() -> Vec<(&'static str, Make)> {
    let block = |change: fn(&RsaForger, &[u8]) -> Vec<u8>| -> Make {
        Box::new(move |forger, contents| forger.raw(&change(forger, contents)))
    };
    vec![
        ("zeros after the hash", block(|f, c| f.block(&[0xff; 8], c))),
        (
            "garbage after the hash",
            block(|f, c| {
                let rest = f.octets - 3 - 8 - c.len();
                f.block(&[0xff; 8], &[c, &vec![0xa5; rest]].concat())
            }),
        ),
        ("no padding", block(|f, c| f.block(&[], c))),
        (
            "padding that is not all ones",
            block(|f, c| {
                let mut block = f.honest_block(c);
                block[100] = 0xfe;
                block
            }),
        ),
        (
            "padding of zeros",
            block(|f, c| {
                let mut block = f.honest_block(c);
                let end = block.len() - c.len() - 1;
                block[2..end].fill(0);
                block
            }),
        ),
        (
            "block type 2",
            block(|f, c| {
                let mut block = f.honest_block(c);
                block[1] = 2;
                block
            }),
        ),
        (
            "block type 0",
            block(|f, c| {
                let mut block = f.honest_block(c);
                block[1] = 0;
                block
            }),
        ),
        (
            "no end of the padding",
            block(|f, c| {
                let mut block = f.honest_block(c);
                let end = block.len() - c.len() - 1;
                block[end] = 0xff;
                block
            }),
        ),
        ("a hash cut short", block(|f, c| f.honest_block(&c[..c.len() - 1]))),
        (
            "a hash that is too long",
            block(|f, c| f.honest_block(&[c, &[0]].concat())),
        ),
        ("no hash", block(|f, c| f.honest_block(&c[..c.len() - 32]))),
        (
            "another hash",
            block(|f, c| f.honest_block(&[&c[..c.len() - 32], &[7; 32]].concat())),
        ),
        (
            "DigestInfo of SHA-512",
            with_info(&[
                0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00,
                0x04, 0x20,
            ]),
        ),
        (
            "DigestInfo without NULL",
            with_info(&[
                0x30, 0x2f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x04, 0x20,
            ]),
        ),
        (
            "DigestInfo with garbage for parameters",
            with_info(&[
                0x30, 0x35, 0x30, 0x11, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x04, 0x04,
                0xde, 0xad, 0xbe, 0xef, 0x04, 0x20,
            ]),
        ),
        (
            "DigestInfo with a length in the long form",
            with_info(&[
                0x30, 0x81, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
                0x00, 0x04, 0x20,
            ]),
        ),
        ("zero", Box::new(|f, _| vec![0; f.octets])),
        ("n", Box::new(|f, _| f.modulus())),
        ("nothing", Box::new(|_, _| vec![])),
        ("one octet", Box::new(|_, _| vec![1])),
        (
            "an octet too long",
            Box::new(|f, c| [&[0], &f.raw(&f.honest_block(c))[..]].concat()),
        ),
        (
            "an octet short",
            Box::new(|f, c| f.raw(&f.honest_block(c))[1..].to_vec()),
        ),
        ("the block itself", Box::new(|f, c| f.honest_block(c))),
    ]
}

/// A033, A035.
#[test]
fn a033_forged_paddings_are_refused() {
    let ca = Ca::root("CN=Root", P256);
    let names: Vec<&str> = forgeries().into_iter().map(|(what, _)| what).collect();
    for what in names {
        everywhere(&ca, what, "the signature does not fit", || {
            let mut all = forgeries();
            let at = all.iter().position(|(name, _)| *name == what).unwrap();
            RsaForger::signer(all.swap_remove(at).1)
        });
    }
}

/// What the forger makes is good where it does not lie: the refusals above are for the lie.
#[test]
fn a033_the_forger_can_also_be_honest() {
    let ca = Ca::root("CN=Root", P256);
    for (mode, liar) in MODES.into_iter().flat_map(|mode| [(mode, 0), (mode, 1)]) {
        let lie = Lie {
            ca: &ca,
            mode,
            liar,
            own: &rsa,
        };
        let mut world = lie.world(2, |i, c| {
            if i == liar {
                let signer = RsaForger::signer(Box::new(|f, c| f.raw(&f.honest_block(c))));
                c.auth.certificates = certified(&ca, c, signer);
            }
        });
        handfast_sim::pair::up(&mut world);
        assert_eq!(world.hosts.iter().map(|h| (h.judged, h.signed)).max(), Some((1, 1)));
    }
}

/// A033: with e = 3 anyone can make a number whose cube begins well.
#[test]
fn a033_cube_roots_are_no_signatures() {
    let ca = Ca::root("CN=Root", P256);
    let cubic = |make: Make| {
        let modulus = RsaForger::signer(Box::new(|_, _| vec![]));
        let handfast_auth::certificate::PublicKey::Rsa(key) = modulus.public_key().clone() else {
            unreachable!()
        };
        RsaForger::posing(Some(RsaKey { n: key.n, e: vec![3] }), make)
    };
    everywhere(&ca, "cube root", "the signature does not fit", || {
        cubic(Box::new(|f, contents| f.cube_root(&f.block(&[0xff; 8], contents))))
    });
    everywhere(&ca, "cube root of one", "the signature does not fit", || {
        cubic(Box::new(|f, _| {
            let mut one = vec![0; f.octets];
            one[f.octets - 1] = 1;
            one
        }))
    });
}

/// A035.
#[test]
fn a035_keys_that_are_none_are_refused() {
    let ca = Ca::root("CN=Root", P256);
    let mut even = vec![0xff; 256];
    even[255] = 0xfe;
    for (what, n, e, explained) in [
        ("n = 0", vec![0], vec![1, 0, 1], "an RSA key of 0 bits"),
        ("n = 1", vec![1], vec![1, 0, 1], "an RSA key of 1 bits"),
        ("n tiny", vec![0xff; 64], vec![1, 0, 1], "an RSA key of 512 bits"),
        ("n huge", vec![0xff; 4096], vec![1, 0, 1], "an RSA key of 32768 bits"),
        ("n even", even, vec![1, 0, 1], "an even modulus"),
        ("e = 0", vec![0xff; 256], vec![0], "an exponent that is even or 1"),
        // The block is its own signature.
        ("e = 1", vec![0xff; 256], vec![1], "an exponent that is even or 1"),
        ("e = 2", vec![0xff; 256], vec![2], "an exponent that is even or 1"),
        (
            "e huge",
            vec![0xff; 256],
            vec![0xff; 256],
            "an exponent of more than 32 bits",
        ),
    ] {
        everywhere(&ca, what, explained, || {
            let key = RsaKey {
                n: n.clone(),
                e: e.clone(),
            };
            RsaForger::posing(Some(key), Box::new(|f, c| f.honest_block(c)))
        });
    }
}

/// Certificate and signature do not belong together.
#[test]
fn the_certificate_of_one_and_the_signature_of_another() {
    let (ca, other) = (Ca::root("CN=Root", P256), Ca::root("CN=Root", P256));
    for (mode, liar) in MODES.into_iter().flat_map(|mode| [(mode, 0), (mode, 1)]) {
        let lie = Lie {
            ca: &ca,
            mode,
            liar,
            own: &p256,
        };
        // The right certificate, and a key of one's own.
        let stolen = |_: &Ca, c: &Connection| {
            let mut own = LocalCertificate::clone(&ca.peer(&c.local_id, P256));
            own.signer = Arc::new(new_key(P256));
            own
        };
        // A certificate of the right name by a CA that only calls itself so.
        let forged = |_: &Ca, c: &Connection| LocalCertificate::clone(&other.peer(&c.local_id, P256));
        // One's own good certificate, and another's name.
        let lent =
            |_: &Ca, _: &Connection| LocalCertificate::clone(&ca.peer(&"mallory.example".parse().unwrap(), P256));
        type Made<'a> = &'a dyn Fn(&Ca, &Connection) -> LocalCertificate;
        for (what, made, explained) in [
            (
                "stolen",
                &stolen as Made<'_>,
                "it has another key than its certificate's",
            ),
            ("forged", &forged, "signature"),
            ("lent", &lent, "mallory.example"),
        ] {
            let world = lie.world(3, |i, c| {
                if i == liar {
                    c.auth.certificates = vec![Arc::new(made(&ca, c))];
                }
            });
            let outcome = lie.refused(world, what);
            assert!(outcome.explained.contains(explained), "{what}: {}", outcome.explained);
            assert_eq!(outcome.told, [AUTHENTICATION_FAILED].into(), "{what} {mode:?}");
        }
    }
}

/// A signature of IKEv2 by whatever method, spoilt: no octet of it and of its algorithm is idle.
#[test]
fn spoilt_proofs_are_refused() {
    let ca = Ca::root("CN=Root", P256);
    for (mode, liar) in MODES.into_iter().flat_map(|mode| [(mode, 0), (mode, 1)]) {
        let lie = Lie {
            ca: &ca,
            mode,
            liar,
            own: &p256,
        };
        type Spoil = fn(&mut Vec<u8>);
        let (kind, head) = (mode.proof(), if mode == Mode::V2 { 4 } else { 0 });
        let spoils: [(&str, Spoil); 6] = [
            ("last octet", |p| *p.last_mut().unwrap() ^= 1),
            ("cut", |p| p.truncate(p.len() - 1)),
            ("longer", |p| p.push(0)),
            ("zeros", |p| {
                let len = p.len();
                p[len - 64..].fill(0);
            }),
            ("ones", |p| {
                let len = p.len();
                p[len - 64..].fill(0xff);
            }),
            ("only its head", |p| p.truncate(4)),
        ];
        for (what, spoil) in spoils {
            let mut world = lie.world(4, |_, _| {});
            let altered = move |payloads: &mut Vec<(PayloadType, Vec<u8>)>| {
                let at = payloads.iter().position(|(k, _)| *k == kind).unwrap();
                assert!(payloads[at].1.len() > head + 60);
                spoil(&mut payloads[at].1);
            };
            between(&mut world, mode, liar, change(altered));
            let outcome = lie.refused(world, what);
            assert_eq!(outcome.told, [AUTHENTICATION_FAILED].into(), "{what} {mode:?}");
            assert!(outcome.judged > 0, "{what}");
        }
        if mode != Mode::V2 {
            continue;
        }
        // By method 2 with an empty secret, by DSS, by no method, by that of another curve.
        for (method, explained) in [
            (2, "psk"),
            (3, "DSS"),
            (0, "authenticated with"),
            (1, "RSA"),
            (10, "ECDSA"),
            (13, "authenticated with"),
            (255, "authenticated with"),
        ] {
            let mut world = lie.world(5, |_, _| {});
            let altered = move |payloads: &mut Vec<(PayloadType, Vec<u8>)>| {
                let at = payloads.iter().position(|(k, _)| *k == kind).unwrap();
                payloads[at].1[0] = method;
            };
            between(&mut world, mode, liar, change(altered));
            let outcome = lie.refused(world, &format!("method {method}"));
            assert!(outcome.explained.contains(explained), "{method}: {}", outcome.explained);
            assert_eq!(outcome.told, [AUTHENTICATION_FAILED].into(), "method {method}");
        }
    }
}

/// Nobody proves itself by a secret that there is not.
#[test]
fn an_empty_secret_proves_nobody() {
    let ca = Ca::root("CN=Root", P256);
    for liar in [0, 1] {
        let lie = Lie {
            ca: &ca,
            mode: Mode::V2,
            liar,
            own: &p256,
        };
        let both = || vec![Method::Psk, Method::Certificate];
        // The liar's own end would refuse too; its proof is made by the tampering.
        let mut world = lie.world(6, |i, c| {
            if i != liar {
                c.auth.remote = both();
            }
        });
        let altered = |payloads: &mut Vec<(PayloadType, Vec<u8>)>| {
            let auth = payloads.iter_mut().find(|(k, _)| *k == PayloadType::AUTH).unwrap();
            auth.1 = [&[2, 0, 0, 0], &[0x5a; 32][..]].concat();
        };
        between(&mut world, Mode::V2, liar, change(altered));
        let outcome = lie.refused(world, "empty secret");
        assert!(outcome.explained.contains("empty"), "{}", outcome.explained);
        assert_eq!((outcome.told, outcome.judged), ([AUTHENTICATION_FAILED].into(), 0));
    }
}

/// The SIGNATURE_HASH_ALGORITHMS of this host's IKE_SA_INIT are gone, or SHA-1 alone is left.
fn scarce(lie: &Lie<'_>, seed: u64, from: usize, sha1: bool) -> handfast_sim::World {
    let mut world = lie.world(seed, |_, _| {});
    world.tamper = Some(Box::new(move |_, transmit| {
        let bytes = &transmit.bytes;
        if transmit.local.ip() != address(from) || bytes[18] != 34 {
            return vec![bytes.to_vec()];
        }
        let message = Message::parse(bytes).unwrap();
        let mut chain = handfast_wire::v2::PayloadChain::new();
        for payload in message.payloads().map(Result::unwrap) {
            let hashes = payload.kind == PayloadType::NOTIFY && payload.body[2..4] == 16_431u16.to_be_bytes();
            match (hashes, sha1) {
                (false, _) => chain.push_raw(payload.kind, payload.critical, payload.body),
                (true, true) => chain.push_raw(payload.kind, false, &[&payload.body[..4], &[0, 1]].concat()),
                (true, false) => {}
            }
        }
        vec![handfast_wire::v2::message(message.header, &chain)]
    }));
    world
}

/// A037: the exchange does not come about, and nobody signs with SHA-1.
#[test]
fn a037_without_hashes_the_signature_is_over_another_transcript() {
    let ca = Ca::root("CN=Root", P256);
    type Own<'a> = &'a dyn Fn(&Ca, &Connection) -> Arc<LocalCertificate>;
    for (own, is_rsa) in [(&p256 as Own<'_>, false), (&rsa, true)] {
        for (from, sha1) in [(0, false), (0, true), (1, false), (1, true)] {
            let lie = Lie {
                ca: &ca,
                mode: Mode::V2,
                liar: 1 - from,
                own,
            };
            let mut world = scarce(&lie, 7, from, sha1);
            world.command(0, named(true));
            assert!(!world.run_until(std::time::Duration::from_secs(20), both_up));
            let mut said: Vec<String> = world.hosts.iter().flat_map(|host| host.refusals()).collect();
            said.retain(|text| !text.contains("AUTHENTICATION_FAILED"));
            let said = said.join("\n");
            let signed: usize = world.hosts.iter().map(|h| h.signed).sum();
            // The initiator knows only what the man in the middle left, and the responder names hashes only to those that
            // do. Methods 9 to 11 are without SHA-1, RSA is not.
            if is_rsa && !sha1 || from == 1 && sha1 {
                assert!(said.contains("SHA-1") && signed == 0, "{said}");
            } else {
                // One signed another message than the other knows.
                assert!(said.contains("the signature does not fit"), "{said}");
            }
            lie.then_good(world, "scarce hashes");
        }
    }
}
