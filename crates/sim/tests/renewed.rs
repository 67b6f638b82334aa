//! Certificates that are renewed while SAs stand: nothing happens to these, and the next authentication uses the new ones.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use handfast_auth::certificate::Curve;
use handfast_auth::certificate::generate::KeyKind;
use handfast_engine::Input;
use handfast_engine::policy::{Authentication, Connection, Versions};
use handfast_sim::World;
use handfast_sim::pair::{MINUTE, named, nothing_left, up, world_with};
use handfast_sim::pki::Ca;
use handfast_sim::policies::{connection, parsed, policy};
use handfast_store::SaStore;

const P256: KeyKind = KeyKind::Ec(Curve::P256);

fn speak(c: &mut Connection, version: u8) {
    if version == 1 {
        c.versions = Versions::One;
        c.ike = vec![parsed("aes128-sha256-ecp256")];
    }
}

/// Host `index` is given this certificate and this trust, as its daemon does when files change.
fn renew(world: &mut World, index: usize, version: u8, auth: Authentication) {
    let mut c = connection(index);
    speak(&mut c, version);
    c.auth = auth;
    let sent = world.hosts[index].feed(world.now, Input::Policy(Arc::new(policy(c))));
    assert!(sent.is_empty(), "the peer is told something: {sent:?}");
}

/// The CA that host `index` found above its peer, and its own view of which SA that was.
fn vouched(world: &World, index: usize) -> (String, String) {
    let facts = world.hosts[index].store.snapshot().ike_sas[0].facts.clone();
    (facts.peer_certificate.unwrap().anchor.unwrap(), facts.spi_i)
}

#[test]
fn a_new_certificate_of_a_new_ca_is_used_at_the_next_authentication() {
    for version in [2, 1] {
        let (old, new) = (Ca::root("CN=Old", P256), Ca::root("CN=New", P256));
        let mut world = world_with(31, |_, c| {
            speak(c, version);
            c.auth = Authentication::certificate(vec![old.peer(&c.local_id, P256)], old.trusted());
        });
        up(&mut world);
        let before = [0, 1].map(|i| vouched(&world, i));
        assert!(before.iter().all(|(ca, _)| ca == "CN=Old"), "{before:?}");
        for index in [0, 1] {
            let own = new.peer(&connection(index).local_id, P256);
            renew(
                &mut world,
                index,
                version,
                Authentication::certificate(vec![own], new.trusted()),
            );
        }
        world.run(Duration::from_secs(120));
        assert_eq!(
            [0, 1].map(|i| vouched(&world, i)),
            before,
            "IKEv{version}: the SA stands"
        );

        world.command(0, named(false));
        assert!(world.run_until(MINUTE, nothing_left));
        up(&mut world);
        let after = [0, 1].map(|i| vouched(&world, i));
        assert!(after.iter().all(|(ca, _)| ca == "CN=New"), "IKEv{version}: {after:?}");
    }
}
