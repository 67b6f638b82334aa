//! Main mode with Kerberos, and the order of methods, on simulated hosts.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use handfast_auth::certificate::Curve;
use handfast_auth::certificate::generate::KeyKind;
use handfast_auth::kerberos::PeerPrincipals;
use handfast_engine::Event;
use handfast_engine::policy::{Authentication, Connection, Kerberos, Method, Versions};
use handfast_sim::World;
use handfast_sim::pair::{MINUTE, both_up, named, nothing_left, up, world_with};
use handfast_sim::pki::Ca;
use handfast_sim::policies::parsed;
use handfast_sim::realm::Realm;
use handfast_store::SaStore;

const HOSTS: [&str; 2] = ["a.test", "b.test"];

fn v1(c: &mut Connection) {
    c.versions = Versions::One;
    c.ike = vec![parsed("aes128-sha256-ecp256")];
}

fn of(realm: &Arc<Realm>, host: usize) -> Arc<Kerberos> {
    realm.kerberos(HOSTS[host], HOSTS[1 - host])
}

fn world(seed: u64, realm: &Arc<Realm>) -> World {
    world_with(seed, |host, c| {
        c.auth = Authentication::kerberos(of(realm, host));
        v1(c);
    })
}

/// Method and principal as host `index` has them of its one SA.
fn proofs(world: &World, index: usize) -> (String, Option<String>) {
    let facts = world.hosts[index].store.snapshot().ike_sas[0].facts.clone();
    assert_eq!(facts.auth_local, facts.auth_remote);
    (facts.auth_local, facts.peer_principal)
}

#[test]
fn one_token_each_way_and_more() {
    for (rounds, messages) in [(1, 6), (2, 7), (3, 9)] {
        let mut world = world(1, &Realm::with(rounds, 0));
        up(&mut world);
        assert_eq!(proofs(&world, 0), ("kerberos".into(), Some("host/b.test@SIM".into())));
        assert_eq!(proofs(&world, 1), ("kerberos".into(), Some("host/a.test@SIM".into())));
        let main = |e: &Event| matches!(e, Event::Message { summary, .. } if summary.starts_with("Main Mode"));
        assert_eq!(world.hosts[0].count(main), messages, "{rounds} tokens");
    }
}

#[test]
fn loss_repetition_and_late_answers_feed_no_token_twice() {
    for rounds in [1, 2, 3] {
        for seed in 0..30 {
            let mut world = world(seed, &Realm::with(rounds, 0));
            world.network.faults.loss = 25;
            world.network.faults.repeat = 20;
            world.network.faults.late = 20;
            world
                .hosts
                .iter_mut()
                .for_each(|h| h.lag = Duration::from_millis(40 * (seed % 4)));
            world.command(0, named(true));
            let done = world.run_until(10 * MINUTE, both_up);
            assert!(done, "{rounds} tokens, seed {seed}: {:#?}", world.hosts[0].events);
        }
    }
}

#[test]
fn aggressive_mode_has_room_for_one_token_each_way() {
    let aggressive = |rounds| {
        let realm = Realm::with(rounds, 0);
        world_with(8, |host, c| {
            c.auth = Authentication::kerberos(of(&realm, host));
            v1(c);
            c.aggressive = true;
        })
    };
    let mut world = aggressive(1);
    up(&mut world);
    assert_eq!(proofs(&world, 0), ("kerberos".into(), Some("host/b.test@SIM".into())));
    assert_eq!(proofs(&world, 1), ("kerberos".into(), Some("host/a.test@SIM".into())));
    let phase_one = |e: &Event| matches!(e, Event::Message { summary, .. } if summary.starts_with("Aggressive"));
    assert_eq!(world.hosts[0].count(phase_one), 3);

    let mut world = aggressive(2);
    world.command(0, named(true));
    world.run(Duration::from_secs(20));
    world.command(0, named(false));
    assert!(world.run_until(MINUTE, nothing_left));
    assert!(world.hosts[1].refusals().join("\n").contains("only main mode has room"));
    let told = world.hosts[0].refusals().join("\n");
    assert!(told.contains("UNSUPPORTED-EXCHANGE-TYPE"), "{told}");
}

#[test]
fn aggressive_mode_through_loss_and_repetition() {
    for seed in 0..30 {
        let realm = Realm::new();
        let mut world = world_with(seed, |host, c| {
            c.auth = Authentication::kerberos(of(&realm, host));
            v1(c);
            c.aggressive = true;
        });
        world.network.faults.loss = 25;
        world.network.faults.repeat = 20;
        world.network.faults.late = 20;
        world.command(0, named(true));
        assert!(
            world.run_until(10 * MINUTE, both_up),
            "seed {seed}: {:#?}",
            world.hosts[0].events
        );
    }
}

#[test]
fn large_tokens_go_in_fragments() {
    let mut world = world(2, &Realm::with(1, 9000));
    up(&mut world);
    let largest = world.network.sent.iter().map(|t| t.bytes.len()).max().unwrap();
    assert!(largest <= 1280, "{largest}");
}

#[test]
fn another_principal_is_refused_by_whoever_finds_it() {
    for (finder, aggressive) in [(0, false), (1, false), (0, true), (1, true)] {
        let realm = Realm::new();
        let mut world = world_with(3, |host, c| {
            let mut kerberos = Kerberos::clone(&of(&realm, host));
            if host == finder {
                let mut local = (*kerberos.local).clone();
                local.peers = PeerPrincipals::only(&parsed("host/other.test@SIM"));
                kerberos.local = Arc::new(local);
            }
            c.auth = Authentication::kerberos(Arc::new(kerberos));
            v1(c);
            c.aggressive = aggressive;
        });
        world.command(0, named(true));
        world.run(Duration::from_secs(20));
        world.command(0, named(false));
        assert!(world.run_until(MINUTE, nothing_left));
        let told = world.hosts[finder].refusals().join("\n");
        assert!(told.contains("host/other.test@SIM"), "{told}");
        let other = world.hosts[1 - finder].refusals().join("\n");
        assert!(other.contains("AUTHENTICATION-FAILED"), "{other}");
        assert!(!other.contains("other.test"), "{other}");
    }
}

/// Every order of the three methods, each of which fails on either side in turn: the first that both can do is used.
#[test]
fn the_first_method_that_both_can_do_is_used() {
    use Method::{Certificate, Kerberos, Psk};
    let ca = Ca::root("CN=Root", KeyKind::Ec(Curve::P256));
    let orders = [
        [Kerberos, Certificate, Psk],
        [Kerberos, Psk, Certificate],
        [Certificate, Kerberos, Psk],
        [Certificate, Psk, Kerberos],
        [Psk, Kerberos, Certificate],
        [Psk, Certificate, Kerberos],
    ];
    for order in orders {
        for (side, missing) in [0, 1]
            .into_iter()
            .flat_map(|side| [None, Some(Kerberos), Some(Certificate), Some(Psk)].map(|m| (side, m)))
        {
            let realms = [Realm::new(), Realm::new()];
            let mut world = world_with(4, |host, c| {
                let lacks = |method| host == side && missing == Some(method);
                let psk = Authentication::psk(c.auth.psk.clone()).psk;
                c.auth = Authentication::psk(psk);
                c.auth.certificates = vec![ca.peer(&c.local_id, KeyKind::Ec(Curve::P256))];
                c.auth.peers = ca.trusted();
                c.auth.kerberos = Some(of(&realms[host], host));
                // What has no credentials is not in the lists, but Kerberos finds that out by itself.
                let usable = order.iter().copied().filter(|m| *m == Kerberos || !lacks(*m));
                c.auth.local = usable.collect();
                c.auth.remote.clone_from(&c.auth.local);
                realms[host].works.store(!lacks(Kerberos), Ordering::Relaxed);
                v1(c);
            });
            up(&mut world);
            let expected = order.iter().find(|m| missing != Some(**m)).unwrap();
            assert_eq!(
                proofs(&world, 0).0,
                expected.name(),
                "{order:?} without {missing:?} at {side}"
            );
            let said = |e: &Event| matches!(e, Event::MethodUnavailable { method: Kerberos, .. });
            let asked = side == 0 || order.iter().find(|m| missing != Some(**m)) != order.first();
            if missing == Some(Kerberos) && asked {
                assert_eq!(world.hosts[side].count(said), 1, "{order:?} at {side}");
            }
        }
    }
}

#[test]
fn without_fallback_the_attempt_ends_with_the_reason() {
    for side in [0, 1] {
        let realms = [Realm::new(), Realm::new()];
        let mut world = world_with(5, |host, c| {
            let mut kerberos = Kerberos::clone(&of(&realms[host], host));
            kerberos.fallback = false;
            let psk = c.auth.psk.clone();
            c.auth = Authentication::psk(psk);
            c.auth.local.insert(0, Method::Kerberos);
            c.auth.remote.insert(0, Method::Kerberos);
            c.auth.kerberos = Some(Arc::new(kerberos));
            v1(c);
        });
        realms[side].works.store(false, Ordering::Relaxed);
        world.command(0, named(true));
        world.run(Duration::from_secs(20));
        assert!(!both_up(&world));
        let told = world.hosts[side].refusals().join("\n");
        assert!(told.contains("no KDC answers"), "{told}");
    }
}

#[test]
fn other_credentials_are_told_and_touch_no_sa() {
    let realm = Realm::new();
    let with = |principal: &str| {
        let mut c = handfast_sim::policies::connection(0);
        let mut kerberos = Kerberos::clone(&of(&realm, 0));
        let mut local = (*kerberos.local).clone();
        local.credentials.principal = Some(parsed(principal));
        kerberos.local = Arc::new(local);
        c.auth = Authentication::kerberos(Arc::new(kerberos));
        c
    };
    let (one, other) = (with("host/a.test@SIM"), with("host/new.test@SIM"));
    assert!(handfast_engine::reload::differences(&one, &with("host/a.test@SIM")).is_empty());
    let found = handfast_engine::reload::differences(&one, &other);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (&*found[0].key, found[0].effect),
        ("kerberos", handfast_engine::reload::Effect::Live)
    );
    assert!(found[0].after.as_ref().unwrap().contains("host/new.test@SIM"));
}
