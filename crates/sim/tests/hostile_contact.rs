//! INITIAL_CONTACT of one peer and the SAs of another (row A105 of the catalogue of hostile input).
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_sim::pair::{MINUTE, named};
use handfast_sim::policies::{address, connection, parsed, policy};
use handfast_sim::{Host, World};

#[test]
fn a105_initial_contact_ends_no_sa_of_another_identity() {
    let mut of_b = policy(connection(1));
    let mut second = connection(1);
    second.name = "lab".into();
    second.remote = handfast_engine::policy::Remote::Address(parsed("192.0.2.3"));
    second.remote_id = parsed("c.test");
    let mut child = (*second.children[0]).clone();
    (child.name, child.remote_ts) = ("lab".into(), vec![parsed("10.3.0.0/16")]);
    second.children = vec![child.into()];
    of_b.connections.push(second.into());
    let mut of_c = connection(0);
    of_c.local = vec![parsed("192.0.2.3")];
    of_c.local_id = parsed("c.test");
    let mut child = (*of_c.children[0]).clone();
    child.local_ts = vec![parsed("10.3.0.0/16")];
    of_c.children = vec![child.into()];
    let hosts = vec![
        Host::new(1, vec![address(0)], policy(connection(0))),
        Host::new(2, vec![address(1)], of_b),
        Host::new(3, vec![parsed("192.0.2.3")], policy(of_c.clone())),
    ];
    let mut world = World::new(20, hosts);
    world.command(0, named(true));
    assert!(world.run_until(MINUTE, |w| w.hosts[1].inbound.len() == 1));
    // Host C, which says INITIAL_CONTACT each time, begins three times.
    for seed in [3, 4, 5] {
        world.hosts[2] = Host::new(seed, vec![parsed("192.0.2.3")], policy(of_c.clone()));
        world.command(2, named(true));
        assert!(world.run_until(MINUTE, |w| w.hosts[2].inbound.len() == 1));
        world.run(Duration::from_secs(1));
        assert_eq!(world.hosts[1].engine.sa_count(), 2, "the first one's, and one of C");
    }
    let delivered = world.hosts[1].delivered;
    world.packet(0, 100);
    world.run(Duration::from_millis(20));
    assert_eq!(world.hosts[1].delivered, delivered + 1);
}
