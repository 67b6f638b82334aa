//! Signatures and judgements that take long, never come, come out of order or too late, in every state that waits for one.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use handfast_auth::certificate::LocalCertificate;
use handfast_auth::certificate::generate::KeyKind;
use handfast_auth::certificate::{Curve, Time};
use handfast_engine::Command;
use handfast_engine::policy::{Authentication, Connection};
use handfast_sim::forger_v1::Payloads;
use handfast_sim::impostor::{Lie, MODES, Mode, between, change, p256};
use handfast_sim::pair::{MINUTE, at, both_up, disagreement, named, nothing_left, up, world_with};
use handfast_sim::pki::{Ca, NOW, template};
use handfast_sim::policies::{connection, policy};
use handfast_sim::{Host, World};
use handfast_store::SaStore;

const P256: KeyKind = KeyKind::Ec(Curve::P256);
const SOON: Duration = Duration::from_millis(200);

/// Both by certificate in this mode.
fn world(ca: &Ca, mode: Mode, seed: u64) -> World {
    world_with(seed, |_, c| by(ca, mode, c))
}

fn by(ca: &Ca, mode: Mode, c: &mut Connection) {
    mode.speak(c);
    c.auth = Authentication::certificate(vec![ca.peer(&c.local_id, P256)], ca.trusted());
}

/// A world whose host `host` waits for its answer `wait` (0 or 1: every end judges once and signs once), and the other has
/// all that it wants.
fn waiting(ca: &Ca, mode: Mode, host: usize, wait: usize) -> World {
    let mut world = world(ca, mode, 1);
    world.hosts[host].hold = true;
    world.command(0, named(true));
    for _ in 0..wait {
        let asked = |w: &World| !w.hosts[host].held.is_empty();
        assert!(world.run_until(SOON, asked), "{mode:?} {host} {wait}");
        assert!(world.release(host, true));
    }
    let asked = |w: &World| !w.hosts[host].held.is_empty();
    assert!(world.run_until(SOON, asked), "{mode:?} {host} {wait}");
    world
}

/// Every wait of either host in every mode.
fn every_wait(ca: &Ca, what: impl Fn(World, String)) {
    for mode in MODES {
        for (host, wait) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            what(
                waiting(ca, mode, host, wait),
                format!("{mode:?}, host {host}, wait {wait}"),
            );
        }
    }
}

fn free(world: &mut World) {
    for host in &mut world.hosts {
        host.hold = false;
    }
}

/// Gives all answers, and those that follow.
fn release_all(world: &mut World) {
    free(world);
    for host in 0..2 {
        while world.release(host, true) {}
    }
}

/// An answer that is late by some retransmissions is still of use; the peer's repetitions are neither judged nor signed
/// again, and are answered once the answer is there.
#[test]
fn a_late_answer_is_of_use_and_repetitions_are_not_judged() {
    let ca = Ca::root("CN=Root", P256);
    every_wait(&ca, |mut world, what| {
        world.run(Duration::from_secs(9));
        assert_eq!(world.hosts.iter().map(|h| h.held.len()).sum::<usize>(), 1, "{what}");
        release_all(&mut world);
        assert!(
            world.run_until(20 * SOON, both_up),
            "{what}: {:#?}",
            world.hosts[0].events
        );
        world.run(Duration::from_secs(5));
        assert_eq!(disagreement(&world), None, "{what}");
        for host in &world.hosts {
            assert_eq!((host.judged, host.signed), (1, 1), "{what}");
            assert!(host.refusals().is_empty(), "{what}: {:?}", host.refusals());
        }
    });
}

/// An answer that never comes leaves nothing behind on the host that asks: a responder's ends by itself, an initiator's
/// when it is taken down.
#[test]
fn an_answer_that_never_comes_holds_nothing() {
    let ca = Ca::root("CN=Root", P256);
    every_wait(&ca, |mut world, what| {
        world.run(2 * MINUTE);
        world.command(0, named(false));
        assert!(world.run_until(10 * MINUTE, nothing_left), "{what}");
        // Then it comes after all.
        release_all(&mut world);
        world.run(SOON);
        assert!(nothing_left(&world), "{what}");
        for host in &world.hosts {
            let sizes = host.engine.sizes();
            let empty = sizes.iter().all(|(name, n)| *n == 0 || *name == "farewells");
            assert!(empty, "{what}: {sizes:?}");
        }
        up(&mut world);
        world.run(Duration::from_secs(5));
        assert_eq!(disagreement(&world), None, "{what}");
    });
}

/// Taken down, or shut down, while the answer is out. The peer hears of the end where it holds the SA to be up.
#[test]
fn whoever_waits_can_be_taken_down() {
    let ca = Ca::root("CN=Root", P256);
    for shutdown in [false, true] {
        every_wait(&ca, |mut world, what| {
            let waits = usize::from(world.hosts[0].held.is_empty());
            let command = if shutdown { Command::Shutdown } else { named(false) };
            world.command(waits, command);
            // The initiator would try again.
            if waits == 1 {
                world.command(0, named(false));
            }
            let gone = |w: &World| w.hosts[waits].engine.sa_count() == 0;
            let ended = world.run_until(Duration::from_secs(6), gone);
            // A responder that has not heard who the peer is does not know which connection is meant by `down`.
            assert!(ended || (!shutdown && waits == 1), "{what} {shutdown}");
            assert!(world.run_until(5 * MINUTE, nothing_left), "{what} {shutdown}");
            release_all(&mut world);
            world.run(SOON);
            assert!(nothing_left(&world), "{what}");
        });
    }
}

/// The initiator goes while it judges a responder that takes the SA to be up: that one is told, not left to find out.
#[test]
fn a_responder_that_is_judged_in_vain_is_told() {
    let ca = Ca::root("CN=Root", P256);
    // Aggressive mode's responder is half-open then.
    for mode in [Mode::V2, Mode::Main] {
        let mut world = waiting(&ca, mode, 0, 1);
        world.command(0, named(false));
        assert!(world.run_until(Duration::from_secs(5), nothing_left), "{mode:?}");
    }
}

/// Two attempts at once, the answers in either order.
#[test]
fn answers_may_come_in_any_order() {
    let ca = Ca::root("CN=Root", P256);
    for (mode, first) in MODES.into_iter().flat_map(|mode| [(mode, true), (mode, false)]) {
        // The second host 0 is another machine, which begins while the first is judged.
        let mut world = waiting(&ca, mode, 1, 0);
        world.command(0, named(false));
        let mut c = connection(0);
        by(&ca, mode, &mut c);
        let addresses = world.hosts[0].addresses.clone();
        world.hosts[0] = Host::new(99, addresses, policy(c));
        world.command(0, named(true));
        assert!(world.run_until(SOON, |w| w.hosts[1].held.len() == 2), "{mode:?}");
        world.hosts[1].hold = false;
        world.release(1, first);
        world.run(SOON);
        world.release(1, first);
        // The SA with the machine that is no more is found dead after a while.
        assert!(world.run_until(5 * MINUTE, both_up), "{mode:?} {first}");
        world.run(MINUTE);
        assert_eq!(disagreement(&world), None, "{mode:?} {first}");
    }
}

/// Those that are being judged count among the half-open, and no more are let in than these.
#[test]
fn half_open_limits_hold_while_peers_are_judged() {
    let ca = Ca::root("CN=Root", P256);
    for mode in MODES {
        let mut world = world(&ca, mode, 5);
        let mut c = connection(1);
        by(&ca, mode, &mut c);
        let mut limited = policy(c);
        (limited.half_open_limit, limited.half_open_per_address) = (3, 3);
        world.reload(1, limited);
        world.hosts[1].hold = true;
        for seed in 0..6 {
            let mut c = connection(0);
            by(&ca, mode, &mut c);
            let addresses = world.hosts[0].addresses.clone();
            world.hosts[0] = Host::new(seed, addresses, policy(c));
            world.command(0, named(true));
            world.run(SOON);
        }
        let half_open = |w: &World| {
            w.hosts[1]
                .engine
                .sizes()
                .iter()
                .find(|(n, _)| *n == "half-open")
                .unwrap()
                .1
        };
        assert_eq!(half_open(&world), 3, "{mode:?}");
        assert_eq!(world.hosts[1].judged + world.hosts[1].signed, 3, "{mode:?}");
        // They end by themselves, and then there is room.
        world.command(0, named(false));
        world.run(2 * MINUTE);
        assert_eq!(half_open(&world), 0, "{mode:?}");
        free(&mut world);
        up(&mut world);
    }
}

/// A renewed certificate is used at the next authentication; the SA that stands stays.
#[test]
fn a_renewed_certificate_is_used_the_next_time() {
    let ca = Ca::root("CN=Root", P256);
    for mode in MODES {
        let mut world = world(&ca, mode, 6);
        up(&mut world);
        world.run(Duration::from_secs(5));
        let before = spi(&world);
        let expires = |w: &World| {
            let snapshot = w.hosts[1].store.snapshot();
            snapshot.ike_sas[0].facts.peer_certificate.clone().unwrap().not_after
        };
        let old = expires(&world);
        let mut c = connection(0);
        by(&ca, mode, &mut c);
        let mut renewed = template(&c.local_id);
        renewed.not_after = NOW.plus_days(200);
        c.auth.certificates = vec![ca.certify(&renewed, P256)];
        world.reload(0, policy(c));
        world.run(MINUTE);
        assert_eq!(spi(&world), before, "{mode:?}: the SA was replaced");
        assert_eq!(expires(&world), old);
        world.packet(0, 100);
        world.run(SOON);
        assert_eq!(world.hosts[1].delivered, 1, "{mode:?}");
        world.command(0, named(false));
        assert!(world.run_until(MINUTE, nothing_left), "{mode:?}");
        up(&mut world);
        assert_ne!(expires(&world), old, "{mode:?}");
    }
}

/// Renewed while the old key still signs: the answer is of the certificate that was asked, and the handshake goes on.
#[test]
fn a_reload_while_signing_or_judging_does_no_harm() {
    let ca = Ca::root("CN=Root", P256);
    every_wait(&ca, |mut world, what| {
        let host = usize::from(world.hosts[0].held.is_empty());
        let mut c = connection(host);
        let v1 = what.starts_with("Main") || what.starts_with("Aggressive");
        let mode = match (v1, what.starts_with("Main")) {
            (false, _) => Mode::V2,
            (true, true) => Mode::Main,
            (true, false) => Mode::Aggressive,
        };
        by(&ca, mode, &mut c);
        let mut renewed = template(&c.local_id);
        renewed.not_after = Time(NOW.0 + 300 * 86_400);
        c.auth.certificates = vec![ca.certify(&renewed, P256)];
        world.reload(host, policy(c));
        world.run(SOON);
        release_all(&mut world);
        assert!(world.run_until(MINUTE, both_up), "{what}: {:#?}", world.hosts[0].events);
        world.run(Duration::from_secs(5));
        assert_eq!(disagreement(&world), None, "{what}");
    });
}

fn spi(world: &World) -> String {
    world.hosts[1].store.snapshot().ike_sas[0].facts.spi_i.clone()
}

/// In IKEv1, whoever listens can put a message of their own before the true one. It proves nothing, costs no judgement, and
/// the true one is still heard.
#[test]
fn garbage_before_the_true_proof_does_no_harm() {
    let ca = Ca::root("CN=Root", P256);
    for mode in [Mode::Main, Mode::Aggressive] {
        let mut world = world(&ca, mode, 7);
        world.tamper = Some(Box::new(move |_, transmit| {
            let bytes = &transmit.bytes;
            let proof = bytes.len() > 28 && bytes[18] != 5 && bytes[18] != 32 && bytes[19] & 1 != 0;
            if transmit.local.ip() != at(0).ip() || !proof {
                return vec![bytes.to_vec()];
            }
            let mut garbage = bytes.to_vec();
            garbage[28..].iter_mut().for_each(|octet| *octet ^= 0x5a);
            // And a notice in the clear, which anyone can write.
            let mut notice = bytes[..28].to_vec();
            (notice[16], notice[18], notice[19]) = (11, 5, 0);
            notice[20..24].copy_from_slice(&[1, 2, 3, 4]);
            notice[24..28].copy_from_slice(&40u32.to_be_bytes());
            notice.extend([0, 0, 0, 12, 0, 0, 0, 1, 1, 0, 0, 24]);
            vec![notice, garbage, bytes.to_vec()]
        }));
        world.command(0, named(true));
        assert!(
            world.run_until(MINUTE, both_up),
            "{mode:?}: {:#?}",
            world.hosts[1].events
        );
        assert_eq!(world.hosts[1].judged, 1, "{mode:?}");
        world.run(Duration::from_secs(5));
        assert_eq!(disagreement(&world), None, "{mode:?}");
    }
}

/// A peer that has been judged once and found wanting does not have the same attempt judged again.
#[test]
fn one_attempt_is_judged_once() {
    let ca = Ca::root("CN=Root", P256);
    for mode in MODES {
        let lie = Lie {
            ca: &ca,
            mode,
            liar: 0,
            own: &p256,
        };
        let mut world = lie.world(8, |i, c| {
            if i == 0 {
                let mut own = LocalCertificate::clone(&c.auth.certificates[0]);
                own.signer = Arc::new(handfast_sim::pki::new_key(P256));
                c.auth.certificates = vec![Arc::new(own)];
            }
        });
        // The proof again and again, each time another.
        let count = std::sync::atomic::AtomicU8::new(0);
        let kind = mode.cert();
        let altered = change(move |payloads: &mut Payloads| {
            let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            payloads.iter_mut().filter(|(k, _)| *k == kind).for_each(|(_, body)| {
                let last = body.len() - 1;
                body[last] ^= n;
            });
        });
        between(&mut world, mode, 0, altered);
        world.command(0, named(true));
        world.run(SOON);
        let sent = world.network.sent.clone();
        let proof = sent
            .iter()
            .rev()
            .find(|t| t.local.ip() == at(0).ip() && t.bytes[18] != 5)
            .unwrap();
        for _ in 0..20 {
            world
                .network
                .inject(world.now, proof.local, proof.remote, proof.bytes.to_vec());
            let mut other = proof.bytes.to_vec();
            let last = other.len() - 1;
            other[last] ^= 1;
            world.network.inject(world.now, proof.local, proof.remote, other);
            world.run(SOON / 10);
        }
        assert_eq!(world.hosts[1].judged, 1, "{mode:?}");
    }
}
