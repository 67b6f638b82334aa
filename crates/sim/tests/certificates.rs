//! Peers that prove themselves by certificate, on simulated hosts.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use handfast_auth::Identity;
use handfast_auth::certificate::generate::KeyKind;
use handfast_auth::certificate::{Curve, LocalCertificate, PeerPolicy};
use handfast_engine::Event;
use handfast_engine::policy::{Authentication, Connection, Method, Versions};
use handfast_sim::World;
use handfast_sim::pair::{MINUTE, named, nothing_left, up, world_with};
use handfast_sim::pki::Ca;
use handfast_sim::policies::parsed;
use handfast_store::SaStore;

const P256: KeyKind = KeyKind::Ec(Curve::P256);

/// IKEv2, and both modes of IKEv1.
const MODES: [(u8, bool); 3] = [(2, false), (1, false), (1, true)];

/// In this version and mode.
fn speak(c: &mut Connection, (version, aggressive): (u8, bool)) {
    if version == 1 {
        c.versions = Versions::One;
        c.aggressive = aggressive;
        c.ike = vec![parsed("aes128-sha256-ecp256")];
    }
}

/// Both ends by certificates of this CA.
fn by(ca: &Ca, kind: KeyKind) -> impl Fn(usize, &mut Connection) + '_ {
    move |_, c| c.auth = Authentication::certificate(vec![ca.peer(&c.local_id, kind)], ca.trusted())
}

/// What host `index` says of the proofs on its one SA.
fn proofs(world: &World, index: usize) -> (String, String, Option<String>) {
    let facts = world.hosts[index].store.snapshot().ike_sas[0].facts.clone();
    let certificate = facts.peer_certificate.map(|c| c.subject);
    (facts.auth_local, facts.auth_remote, certificate)
}

/// Every refusal of host `index`, as its owner reads it.
fn refusals(world: &World, index: usize) -> Vec<String> {
    let refused = world.hosts[index].events.iter().filter_map(|event| match event {
        Event::Refused { refusal, .. } => Some(refusal.to_string()),
        _ => None,
    });
    refused.collect()
}

/// Host A tries, is refused, and neither keeps anything.
fn refused(mut world: World) -> [String; 2] {
    world.command(0, named(true));
    world.run(Duration::from_secs(20));
    world.command(0, named(false));
    assert!(world.run_until(MINUTE, nothing_left), "{:#?}", world.hosts[1].events);
    [0, 1].map(|i| refusals(&world, i).join("\n"))
}

#[test]
fn each_kind_of_key_proves_both_sides() {
    for kind in [
        P256,
        KeyKind::Ec(Curve::P384),
        KeyKind::Ec(Curve::P521),
        KeyKind::Ed25519,
        KeyKind::Rsa(2048),
    ] {
        let ca = Ca::root("O=Example, CN=Root", P256);
        // Ed25519 has no method in IKEv1.
        for (mode, messages) in MODES
            .into_iter()
            .zip([4, 9, 6])
            .filter(|(m, _)| m.0 == 2 || kind != KeyKind::Ed25519)
        {
            let mut world = world_with(1, |i, c| {
                by(&ca, kind)(i, c);
                speak(c, mode);
            });
            up(&mut world);
            for (host, peer) in [(0, "CN=b.test"), (1, "CN=a.test")] {
                let method = || "certificate".to_string();
                let expected = (method(), method(), Some(peer.into()));
                assert_eq!(proofs(&world, host), expected, "{kind:?} {mode:?}");
            }
            // As many as with a preshared key: two exchanges, or phase 1 and the three messages of quick mode.
            assert_eq!(world.network.sent.len(), messages, "{kind:?} {mode:?}");
        }
    }
}

#[test]
fn intermediate_certificates_are_sent_and_used() {
    let root = Ca::root("CN=Root", P256);
    let leaf = root.intermediate("CN=Middle", P256).intermediate("CN=Lower", P256);
    for mode in MODES {
        let mut world = world_with(2, |_, c| {
            c.auth = Authentication::certificate(vec![leaf.peer(&c.local_id, P256)], root.trusted());
            speak(c, mode);
        });
        up(&mut world);
    }
}

#[test]
fn a_signature_that_takes_long_holds_nothing_up() {
    let ca = Ca::root("CN=Root", P256);
    for mode in MODES {
        let mut world = world_with(3, |i, c| {
            by(&ca, P256)(i, c);
            speak(c, mode);
        });
        world.hosts.iter_mut().for_each(|h| h.lag = Duration::from_millis(700));
        up(&mut world);
        assert!(
            refusals(&world, 0).is_empty() && refusals(&world, 1).is_empty(),
            "{mode:?}"
        );
    }
}

#[test]
fn the_gateway_has_a_certificate_and_the_client_a_secret() {
    for gateway in [0, 1] {
        let ca = Ca::root("CN=Root", P256);
        let mut world = world_with(4, |i, c| {
            if i == gateway {
                c.auth.local = vec![Method::Certificate];
                c.auth.certificates = vec![ca.peer(&c.local_id, P256)];
            } else {
                c.auth.remote = vec![Method::Certificate];
                c.auth.peers = ca.trusted();
            }
        });
        up(&mut world);
        let (ours, theirs, certificate) = proofs(&world, 1 - gateway);
        assert_eq!((&*ours, &*theirs), ("psk", "certificate"));
        assert!(certificate.is_some());
        let (ours, theirs, certificate) = proofs(&world, gateway);
        assert_eq!((&*ours, &*theirs, certificate), ("certificate", "psk", None));
    }
}

#[test]
fn requests_choose_between_two_certificates() {
    for (wanted, mode) in [0, 1].into_iter().flat_map(|wanted| MODES.map(|mode| (wanted, mode))) {
        let cas = [Ca::root("CN=One", P256), Ca::root("CN=Two", P256)];
        let mut world = world_with(5, |i, c| {
            speak(c, mode);
            let own = cas.iter().map(|ca| ca.peer(&c.local_id, P256)).collect();
            let mut trusted = PeerPolicy::clone(&cas[wanted].trusted());
            if i == 1 {
                // Only one of them is asked for; the initiator knows both CAs.
                trusted.trust.intermediates.push(cas[1 - wanted].certificate.clone());
            }
            c.auth = Authentication::certificate(own, Arc::new(trusted));
        });
        up(&mut world);
        let snapshot = world.hosts[1].store.snapshot();
        let anchor = snapshot.ike_sas[0].facts.peer_certificate.clone().unwrap().anchor;
        assert_eq!(anchor.as_deref(), Some(["CN=One", "CN=Two"][wanted]));
    }
}

#[test]
fn raw_public_keys_need_no_certificate() {
    let ca = Ca::root("CN=Nobody asks", P256);
    let keys: Vec<Arc<LocalCertificate>> = (0..2)
        .map(|i| {
            let name: Identity = format!("{i}.example").parse().unwrap();
            let mut own = LocalCertificate::clone(&ca.peer(&name, KeyKind::Ed25519));
            own.chain.clear();
            Arc::new(own)
        })
        .collect();
    let mut world = world_with(6, |i, c| {
        let peers = PeerPolicy {
            raw_keys: vec![keys[1 - i].signer.public_key().clone()],
            ..PeerPolicy::default()
        };
        c.auth = Authentication::certificate(vec![keys[i].clone()], Arc::new(peers));
    });
    up(&mut world);
    assert_eq!(proofs(&world, 0).2.as_deref(), Some("raw public key"));
}

#[test]
fn a_ca_that_is_not_trusted_is_named_to_its_owner_only() {
    let (ours, theirs) = (Ca::root("CN=Ours", P256), Ca::root("CN=Theirs", P256));
    for mode in MODES {
        let world = world_with(7, |i, c| {
            let (own, trusted) = if i == 0 { (&theirs, &ours) } else { (&ours, &ours) };
            c.auth = Authentication::certificate(vec![own.peer(&c.local_id, P256)], trusted.trusted());
            speak(c, mode);
        });
        let [a, b] = refused(world);
        assert!(
            b.contains("CN=Theirs") && b.contains("certificates of CN=Ours"),
            "{mode:?} {b}"
        );
        let failed = a.replace('-', "_").contains("AUTHENTICATION_FAILED");
        assert!(failed && !a.contains("CN=Ours"), "{mode:?} {a}");
    }
}

#[test]
fn a_certificate_of_another_name_proves_nothing() {
    for (liar, mode) in [0, 1].into_iter().flat_map(|liar| MODES.map(|mode| (liar, mode))) {
        let ca = Ca::root("CN=Root", P256);
        let world = world_with(8, |i, c| {
            speak(c, mode);
            let name = if i == liar {
                "mallory.example".parse().unwrap()
            } else {
                c.local_id.clone()
            };
            c.auth = Authentication::certificate(vec![ca.peer(&name, P256)], ca.trusted());
        });
        let texts = refused(world);
        assert!(texts[1 - liar].contains("mallory.example"), "{}", texts[1 - liar]);
    }
}

#[test]
fn another_method_than_the_accepted_one_is_refused_by_name() {
    let ca = Ca::root("CN=Root", P256);
    let world = world_with(9, |i, c| {
        if i == 0 {
            c.auth.local = vec![Method::Certificate];
            c.auth.certificates = vec![ca.peer(&c.local_id, P256)];
        }
    });
    let [a, b] = refused(world);
    assert!(
        b.contains("by certificate") && b.contains("by psk") && b.contains("remote_auth"),
        "{b}"
    );
    assert!(a.contains("AUTHENTICATION_FAILED"), "{a}");
}
