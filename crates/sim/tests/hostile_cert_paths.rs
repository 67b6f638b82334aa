//! Certificates that are not good, or not of whom they should be, through whole hosts, in both versions, whoever lies: the
//! reason is told to the owner, and the liar hears that authentication failed.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use handfast_auth::certificate::extensions::KeyUsage;
use handfast_auth::certificate::generate::KeyKind;
use handfast_auth::certificate::issue::Template;
use handfast_auth::certificate::revocation::{RevocationPolicy, Wanted};
use handfast_auth::certificate::{Curve, GeneralName, LocalCertificate, PeerPolicy, Signer, Time};
use handfast_auth::{Identity, IdentityPattern};
use handfast_engine::policy::Connection;
use handfast_sim::impostor::{AUTHENTICATION_FAILED, Lie, MODES, Mode, Outcome, between, change, p256};
use handfast_sim::pki::{Ca, NOW, element, new_key, template};
use handfast_wire::header::PayloadType;

const P256: KeyKind = KeyKind::Ec(Curve::P256);
/// INVALID-ID-INFORMATION, for a name that nobody has in the first message of aggressive mode.
const INVALID_ID: u16 = 18;

/// Everyone lies in every mode; `lies` makes the liar's connection.
fn everywhere(ca: &Ca, what: &str, lies: impl Fn(&mut Connection), victim: impl Fn(&mut Connection)) -> Vec<Outcome> {
    let mut outcomes = vec![];
    for (mode, liar) in MODES.into_iter().flat_map(|mode| [(mode, 0), (mode, 1)]) {
        let lie = Lie {
            ca,
            mode,
            liar,
            own: &p256,
        };
        let world = lie.world(1, |i, c| if i == liar { lies(c) } else { victim(c) });
        let outcome = lie.refused(world, what);
        // The first message of aggressive mode has the name.
        let early = mode == Mode::Aggressive && liar == 0 && outcome.judged == 0;
        let expected = if early { INVALID_ID } else { AUTHENTICATION_FAILED };
        assert_eq!(outcome.told, [expected].into(), "{what} {mode:?}, host {liar}");
        assert!(outcome.explained.len() < 20_000, "{what}: {}", outcome.explained.len());
        assert!(
            outcome.explained.chars().all(|c| c == '\n' || !c.is_control()),
            "{what}"
        );
        outcomes.push(outcome);
    }
    outcomes
}

/// A certificate by this template.
fn by_template(ca: &Ca, what: &str, explained: &str, change: impl Fn(&mut Template)) {
    let lies = |c: &mut Connection| {
        let mut template = template(&c.local_id);
        change(&mut template);
        c.auth.certificates = vec![ca.certify(&template, P256)];
    };
    for outcome in everywhere(ca, what, lies, |_| {}) {
        assert!(outcome.explained.contains(explained), "{what}: {}", outcome.explained);
        assert!(outcome.judged > 0);
    }
}

#[test]
fn certificates_out_of_their_time_are_refused() {
    let ca = Ca::root("CN=Root", P256);
    by_template(&ca, "expired", "expired", |t| {
        (t.not_before, t.not_after) = (Time(NOW.0 - 100 * 86_400), Time(NOW.0 - 86_400));
    });
    by_template(&ca, "not yet valid", "valid", |t| t.not_before = NOW.plus_days(2));
    by_template(&ca, "never valid", "valid", |t| t.not_before = t.not_after.plus_days(2));
}

#[test]
fn certificates_for_something_else_are_refused() {
    let ca = Ca::root("CN=Root", P256);
    by_template(&ca, "key agreement", "usage", |t| t.key_usage = KeyUsage(0x0800));
    by_template(&ca, "for servers", "serverAuth", |t| {
        t.extended_key_usage = vec![vec![0x2b, 6, 1, 5, 5, 7, 3, 1]];
    });
    by_template(&ca, "another name", "other.example", |t| {
        t.names = vec![GeneralName::Dns("other.example".into())];
    });
    by_template(&ca, "no name", "is not of", |t| t.names.clear());
    by_template(&ca, "a name with NUL", "is not of", |t| {
        let GeneralName::Dns(name) = t.names[0].clone() else {
            unreachable!()
        };
        t.names = vec![GeneralName::Dns(format!("{name}\0.example"))];
    });
    by_template(&ca, "a wildcard", "is not of", |t| {
        t.names = vec![GeneralName::Dns("*.test".into()), GeneralName::Dns("*".into())];
    });
    by_template(&ca, "the name as address", "is not of", |t| {
        let GeneralName::Dns(name) = t.names[0].clone() else {
            unreachable!()
        };
        t.names = vec![GeneralName::Email(name.clone()), GeneralName::Uri(name)];
    });
    by_template(&ca, "critical", "critical", |t| {
        t.others = vec![(vec![0x2a, 3, 4], true, vec![5, 0])];
    });
}

#[test]
fn certificates_of_others_are_refused() {
    let (ca, other) = (Ca::root("CN=Root", P256), Ca::root("CN=Other", P256));
    type Made<'a> = &'a dyn Fn(&Identity) -> LocalCertificate;
    // Who has a certificate is no CA by that.
    let leaf_issues = |id: &Identity| {
        let leaf = new_key(P256);
        let own = ca.sign(&template(&"leaf.example".parse().unwrap()), leaf.public_key());
        let signer = Arc::new(new_key(P256));
        let theirs = template(id).issue(signer.public_key(), own.subject(), &leaf).unwrap();
        LocalCertificate {
            chain: vec![theirs, own],
            signer,
            ..LocalCertificate::clone(&ca.peer(id, P256))
        }
    };
    let self_signed = |id: &Identity| {
        let signer = Arc::new(new_key(P256));
        let template = template(id);
        let own = template
            .issue(signer.public_key(), &template.subject, &*signer)
            .unwrap();
        LocalCertificate {
            chain: vec![own],
            signer,
            ..LocalCertificate::clone(&ca.peer(id, P256))
        }
    };
    // A CA that may have no CA below it.
    let too_deep = |id: &Identity| {
        let narrow = new_key(P256);
        let mut template = Template::ca("CN=Narrow".parse().unwrap(), vec![9], NOW, NOW.plus_days(9));
        template.ca = Some(Some(0));
        let narrow_ca = ca.sign(&template, narrow.public_key());
        let lower = new_key(P256);
        let template_lower = Template::ca("CN=Lower".parse().unwrap(), vec![8], NOW, NOW.plus_days(9));
        let lower_ca = template_lower
            .issue(lower.public_key(), narrow_ca.subject(), &narrow)
            .unwrap();
        let signer = Arc::new(new_key(P256));
        let own = handfast_sim::pki::template(id)
            .issue(signer.public_key(), lower_ca.subject(), &lower)
            .unwrap();
        LocalCertificate {
            chain: vec![own, lower_ca, narrow_ca],
            signer,
            ..LocalCertificate::clone(&ca.peer(id, P256))
        }
    };
    let untrusted = |id: &Identity| LocalCertificate::clone(&other.peer(id, P256));
    for (what, made, explained) in [
        ("signed by a leaf", &leaf_issues as Made<'_>, "CA"),
        ("self-signed", &self_signed, "signed by itself"),
        ("below a narrow CA", &too_deep, "CA"),
        ("of another CA", &untrusted, "CN=Other"),
    ] {
        let lies = |c: &mut Connection| c.auth.certificates = vec![Arc::new(made(&c.local_id))];
        for outcome in everywhere(&ca, what, lies, |_| {}) {
            assert!(outcome.explained.contains(explained), "{what}: {}", outcome.explained);
        }
    }
}

/// IKEv1 has no raw keys.
#[test]
fn a_raw_key_that_nobody_knows_is_refused() {
    let ca = Ca::root("CN=Root", P256);
    for liar in [0, 1] {
        let lie = Lie {
            ca: &ca,
            mode: Mode::V2,
            liar,
            own: &p256,
        };
        let world = lie.world(1, |i, c| {
            if i == liar {
                let mut own = LocalCertificate::clone(&c.auth.certificates[0]);
                own.chain.clear();
                c.auth.certificates = vec![Arc::new(own)];
            }
        });
        let outcome = lie.refused(world, "a raw key");
        assert!(outcome.explained.contains("raw public key"), "{}", outcome.explained);
        assert_eq!(outcome.told, [AUTHENTICATION_FAILED].into());
    }
}

/// The CRL comes with the certificate.
#[test]
fn a_revoked_certificate_is_refused() {
    let ca = Ca::root("CN=Root", P256);
    // template() has serial number 3.
    for (serials, good) in [(&[7, 3, 9][..], false), (&[7, 9], true)] {
        for (mode, liar) in MODES.into_iter().flat_map(|mode| [(mode, 0), (mode, 1)]) {
            let lie = Lie {
                ca: &ca,
                mode,
                liar,
                own: &p256,
            };
            let mut world = lie.world(2, |i, c| {
                if i != liar {
                    let mut peers = PeerPolicy::clone(&c.auth.peers);
                    peers.revocation = RevocationPolicy {
                        crl: Wanted::Require,
                        ocsp: Wanted::Off,
                    };
                    c.auth.peers = Arc::new(peers);
                }
            });
            let (kind, crl) = (mode.cert(), ca.crl(serials));
            let altered = move |payloads: &mut Vec<(PayloadType, Vec<u8>)>| {
                let at = payloads.iter().position(|(k, _)| *k == kind).unwrap();
                payloads.insert(at + 1, (kind, [&[7], &crl[..]].concat()));
            };
            between(&mut world, mode, liar, change(altered));
            if good {
                world.command(0, handfast_sim::pair::named(true));
                world.run(std::time::Duration::from_secs(2));
                let established =
                    |e: &handfast_engine::Event| matches!(e, handfast_engine::Event::IkeEstablished { .. });
                assert!(world.hosts[1 - liar].count(established) > 0, "{mode:?}");
                continue;
            }
            let outcome = lie.refused(world, "revoked");
            assert!(outcome.explained.contains("revoked"), "{}", outcome.explained);
            assert_eq!(outcome.told, [AUTHENTICATION_FAILED].into(), "{mode:?}");
        }
    }
}

/// A091: identities that are none, against a peer that anyone may be, and one that may be one only.
#[test]
fn a091_odd_identities_are_nobodys() {
    let ca = Ca::root("CN=Root", P256);
    let dn = element(
        0x30,
        &[&element(
            0x31,
            &[&element(0x30, &[&[6, 3, 0x55, 4, 3], &[12, 1, b'a']])],
        )],
    );
    let certified = [
        GeneralName::Dns("a.test".into()),
        GeneralName::Dns("192.0.2.77".into()),
        GeneralName::Ip("192.0.2.1".parse().unwrap()),
        GeneralName::Email("a@a.test".into()),
    ];
    for (what, kind, data) in [
        ("empty name", 2u8, vec![]),
        ("empty address", 1, vec![]),
        ("empty DN", 9, vec![]),
        ("empty key ID", 11, vec![]),
        ("64 KiB", 2, vec![b'a'; 60_000]),
        ("64 KiB of key ID", 11, vec![0xee; 60_000]),
        ("type 0", 0, b"a.test".to_vec()),
        ("type 255", 255, b"a.test".to_vec()),
        ("type 4", 4, vec![192, 0, 2, 0, 255, 255, 255, 0]),
        ("DN cut short", 9, dn[..dn.len() - 2].to_vec()),
        (
            "DN that is longer than it is",
            9,
            vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff],
        ),
        ("DN of garbage", 9, vec![0xff; 300]),
        ("NUL", 2, b"a.test\0.example".to_vec()),
        ("NUL at the end", 2, b"a.test\0".to_vec()),
        ("a dot at the end", 2, b"a.test.".to_vec()),
        ("an address as name", 2, b"192.0.2.1".to_vec()),
        ("a name as address", 1, vec![192, 0, 2, 77]),
        ("an address of three octets", 1, vec![192, 0, 2]),
        ("a name as e-mail", 3, b"a.test".to_vec()),
        ("an e-mail as name", 2, b"a@a.test".to_vec()),
        ("a name as key ID", 11, b"a.test".to_vec()),
        ("a star", 2, b"*.test".to_vec()),
        ("any", 2, b"%any".to_vec()),
        ("escapes", 2, b"a.test\x1b[31m\r\n".to_vec()),
    ] {
        let lies = |c: &mut Connection| {
            let mut template = template(&c.local_id);
            template.names = certified.to_vec();
            c.auth.certificates = vec![ca.certify(&template, P256)];
            c.local_id = Identity::from_wire(kind, &data);
        };
        everywhere(&ca, what, lies, |c| c.remote_id = IdentityPattern::Any);
        // Where one name is expected the lie is the payload alone: an honest end of that name would not be found.
        for (mode, liar) in [(Mode::V2, 0), (Mode::V2, 1), (Mode::Main, 0)] {
            let lie = Lie {
                ca: &ca,
                mode,
                liar,
                own: &p256,
            };
            let mut world = lie.world(4, |_, _| {});
            let (id, body) = (mode.id(liar), [&[kind, 0, 0, 0], &data[..]].concat());
            let altered = move |payloads: &mut Vec<(PayloadType, Vec<u8>)>| {
                payloads.iter_mut().find(|(k, _)| *k == id).unwrap().1 = body.clone();
            };
            between(&mut world, mode, liar, change(altered));
            let outcome = lie.refused(world, what);
            assert_eq!(
                (outcome.told, outcome.judged),
                ([AUTHENTICATION_FAILED].into(), 0),
                "{what}"
            );
        }
    }
}

/// A093: CAs that sign each other, and CAs of one name.
#[test]
fn a093_circles_and_crowds_of_cas_cost_little() {
    let ca = Ca::root("CN=Root", P256);
    let circle: Vec<Ca> = (0..12).map(|i| Ca::root(&format!("CN=Circle {i}"), P256)).collect();
    let crowd: Vec<Ca> = (0..23).map(|_| Ca::root("CN=Crowd", P256)).collect();
    let mut round: Vec<_> = (0..12).map(|i| circle[i].cross(&circle[(i + 1) % 12])).collect();
    round.extend((0..11).map(|i| circle[i + 1].cross(&circle[i])));
    let all_of_crowd: Vec<_> = crowd.iter().map(|member| member.certificate.clone()).collect();
    for (what, issuer, sent) in [("circle", &circle[0], round), ("crowd", &crowd[22], all_of_crowd)] {
        let lies = |c: &mut Connection| {
            let mut own = LocalCertificate::clone(&issuer.peer(&c.local_id, P256));
            own.chain.extend(sent.clone());
            c.auth.certificates = vec![Arc::new(own)];
        };
        for outcome in everywhere(&ca, what, lies, |_| {}) {
            assert!(outcome.judged > 0);
        }
    }
}

/// A093: more certificates than anybody needs: more than are looked at, more than a message may have.
#[test]
fn a093_a_thousand_certificates_are_refused() {
    let ca = Ca::root("CN=Root", P256);
    let middle = ca.intermediate("CN=Middle", P256);
    for (mode, liar) in MODES.into_iter().flat_map(|mode| [(mode, 0), (mode, 1)]) {
        let lie = Lie {
            ca: &ca,
            mode,
            liar,
            own: &p256,
        };
        for (count, small) in [(30, false), (300, true), (1000, true)] {
            if small && (mode, liar) == (Mode::Aggressive, 1) {
                // In the clear, so anyone's: it is dropped, and the true one awaited.
                continue;
            }
            let mut world = lie.world(3, |_, _| {});
            let (kind, der) = (mode.cert(), middle.certificate.as_der().to_vec());
            let altered = move |payloads: &mut Vec<(PayloadType, Vec<u8>)>| {
                let at = payloads.iter().position(|(k, _)| *k == kind).unwrap();
                // So that they fit into one message.
                let der = if small { &der[..50] } else { &der[..] };
                let more = vec![(kind, [&[4], der].concat()); count];
                payloads.splice(at + 1..at + 1, more);
            };
            between(&mut world, mode, liar, change(altered));
            let outcome = lie.refused(world, &format!("{count} certificates"));
            let allowed: &[u16] = match (mode, small) {
                (_, false) => &[AUTHENTICATION_FAILED],
                // INVALID_SYNTAX, PAYLOAD-MALFORMED.
                (Mode::V2, true) => &[7, AUTHENTICATION_FAILED],
                (_, true) => &[16, AUTHENTICATION_FAILED],
            };
            assert!(
                outcome.told.iter().all(|n| allowed.contains(n)),
                "{count} {mode:?} {liar}: {:?}",
                outcome.told
            );
            assert!(outcome.judged == 0 || !small);
        }
    }
}
