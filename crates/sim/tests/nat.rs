//! A NAT before host 0 changes its mapping while everything runs (RFC 7296 section 2.23): what host 1 sends follows, and
//! only what is authentic and new moves it.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use handfast_engine::input::Rekey;
use handfast_engine::policy::{Connection, Remote};
use handfast_engine::{Command, Event, Input, Transmit};
use handfast_plane::op::{Encapsulation, OuterPath};
use handfast_sim::network::Packet;
use handfast_sim::pair::{MINUTE, both_up, named, nothing_left, up, world_with};
use handfast_sim::policies::address;
use handfast_sim::{Nat, World};

fn outside() -> IpAddr {
    "198.51.100.7".parse().unwrap()
}

fn remap(world: &mut World, shift: u16) {
    world.network.nat = Some(Nat {
        inside: address(0),
        outside: outside(),
        shift,
    });
}

/// Both hosts up, the first behind a NAT.
fn behind_nat(seed: u64, change: impl Fn(usize, &mut Connection)) -> World {
    let mut world = world_with(seed, |host, c| {
        if host == 1 {
            c.remote = Remote::Any;
        }
        change(host, c);
    });
    remap(&mut world, 10_000);
    up(&mut world);
    world.run(Duration::from_secs(1));
    assert_eq!(to(&world), SocketAddr::new(outside(), 14_500));
    world
}

fn path(world: &World) -> OuterPath {
    let children: Vec<_> = world.hosts[1].plane.children().collect();
    assert_eq!(children.len(), 1);
    children[0].path
}

/// Where host 1 sends ESP.
fn to(world: &World) -> SocketAddr {
    let path = path(world);
    let Encapsulation::Udp { remote_port, .. } = path.encapsulation else {
        panic!("not in UDP")
    };
    SocketAddr::new(path.remote, remote_port)
}

fn moves(world: &World) -> usize {
    world.hosts[1].count(|e| matches!(e, Event::PeerMoved { .. }))
}

/// Packets from a host that arrive at the other, one every 10 ms.
fn traffic(world: &mut World, from: usize, count: usize) -> usize {
    let before = world.hosts[1 - from].delivered;
    for _ in 0..count {
        world.packet(from, 100);
        world.run(Duration::from_millis(10));
    }
    world.run(Duration::from_millis(50));
    world.hosts[1 - from].delivered - before
}

#[test]
fn esp_from_behind_the_nat_moves_the_path_at_once() {
    let mut world = behind_nat(1, |_, _| {});
    for shift in [20_000, 30_000, 10_000] {
        remap(&mut world, shift);
        assert_eq!(traffic(&mut world, 0, 10), 10);
        assert_eq!(to(&world), SocketAddr::new(outside(), 4500 + shift));
        assert_eq!(traffic(&mut world, 1, 10), 10);
    }
    assert_eq!(moves(&world), 3);
    assert_eq!(moves_of_host_0(&world), 0, "who is behind the NAT does not follow");
    // IKE goes there too, from either side.
    world.command(1, named(false));
    assert!(world.run_until(MINUTE, nothing_left));
}

fn moves_of_host_0(world: &World) -> usize {
    world.hosts[0].count(|e| matches!(e, Event::PeerMoved { .. }))
}

#[test]
fn with_traffic_towards_the_nat_only_the_next_probe_heals_it() {
    let liveness = Duration::from_secs(5);
    let mut world = behind_nat(2, |host, c| c.liveness = if host == 0 { liveness } else { MINUTE });
    assert_eq!(traffic(&mut world, 1, 10), 10);
    remap(&mut world, 20_000);
    assert_eq!(traffic(&mut world, 1, 10), 0, "nobody knows yet");
    // The first look finds what came before the change, the second one nothing.
    world.run(2 * liveness + Duration::from_secs(1));
    assert_eq!(moves(&world), 1);
    assert_eq!(traffic(&mut world, 1, 10), 10);
    world.run(3 * MINUTE);
    assert!(both_up(&world));
    assert_eq!(world.hosts[1].count(|e| matches!(e, Event::IkeGone { .. })), 0);
}

#[test]
fn a_request_of_the_peers_moves_the_path_and_is_answered_there() {
    for what in [Rekey::Ike, Rekey::Children] {
        let mut world = behind_nat(3, |_, c| c.liveness = Duration::ZERO);
        remap(&mut world, 20_000);
        let connection = "office".into();
        world.command(0, Command::Rekey { connection, what });
        world.run(Duration::from_secs(20));
        assert_eq!(to(&world).port(), 24_500, "{what:?}");
        assert_eq!(traffic(&mut world, 1, 10), 10, "{what:?}");
        assert_eq!(traffic(&mut world, 0, 10), 10, "{what:?}");
        assert!(!world.network.sent.iter().any(|t| t.remote.port() == 20_500));
    }
}

#[test]
fn a_mapping_that_changes_under_a_request_of_ours() {
    let mut world = behind_nat(4, |_, c| c.liveness = Duration::ZERO);
    remap(&mut world, 20_000);
    let connection = "office".into();
    let what = Rekey::Children;
    // It goes to the old mapping and is lost; its repetitions go to the new one once that is known.
    world.command(1, Command::Rekey { connection, what });
    world.run(Duration::from_millis(100));
    assert_eq!(traffic(&mut world, 0, 1), 1);
    world.run(Duration::from_secs(20));
    assert_eq!(world.hosts[1].count(|e| matches!(e, Event::ChildRekeyed { .. })), 1);
    assert_eq!(traffic(&mut world, 1, 10), 10);
}

#[test]
fn many_changes_with_loss_and_disorder_break_nothing() {
    for seed in 0..20 {
        let mut world = behind_nat(seed, |_, c| {
            c.liveness = Duration::from_secs(5);
            c.rekey = Duration::from_secs(40);
            let mut child = (*c.children[0]).clone();
            child.rekey = Duration::from_secs(20);
            c.children = vec![child.into()];
        });
        world.network.faults.loss = 5;
        world.network.faults.late = 10;
        world.network.faults.repeat = 10;
        for n in 1..=20u16 {
            remap(&mut world, 10_000 + n * 100);
            for _ in 0..50 {
                world.packet(usize::from(n % 2), 100);
                world.run(Duration::from_millis(100));
            }
        }
        world.network.faults = handfast_sim::Faults::default();
        world.run(Duration::from_secs(15));
        for from in [0, 1] {
            assert_eq!(traffic(&mut world, from, 20), 20, "seed {seed}");
        }
        assert_eq!(
            world.hosts[0].count(|e| matches!(e, Event::ConnectionDown { retry_in: Some(_), .. })),
            0
        );
    }
}

/// Puts an ESP packet on the wire from anywhere.
fn esp(world: &mut World, from: SocketAddr, bytes: &[u8]) {
    let to = SocketAddr::new(address(1), 4500);
    let packet = Packet {
        from,
        to,
        esp: true,
        bytes: bytes.to_vec(),
    };
    world.network.carry(world.now, packet);
    world.run(Duration::from_millis(50));
}

#[test]
fn a103_what_is_not_authentic_or_not_new_moves_nothing() {
    let mut world = behind_nat(5, |_, _| {});
    let home = to(&world);
    let away: SocketAddr = "203.0.113.9:4500".parse().unwrap();
    // ESP with any octet changed, and the same again, and one that another has overtaken.
    let packets: Vec<Vec<u8>> = (0..3)
        .flat_map(|_| world.hosts[0].packet(100))
        .map(|p| p.bytes)
        .collect();
    for place in 0..packets[0].len() {
        let mut bytes = packets[0].clone();
        bytes[place] ^= 1;
        esp(&mut world, away, &bytes);
    }
    esp(&mut world, home, &packets[2]);
    for bytes in [&packets[2], &packets[0]] {
        esp(&mut world, away, bytes);
    }
    assert_eq!((to(&world), moves(&world)), (home, 0));
    // IKE: every message of host 0 so far, with an octet changed and as it was.
    let sent: Vec<Transmit> = world
        .network
        .sent
        .iter()
        .filter(|t| t.local.ip() == address(0))
        .cloned()
        .collect();
    for message in &sent {
        for flip in [1, 0] {
            let mut bytes = message.bytes.to_vec();
            *bytes.last_mut().unwrap() ^= flip;
            let input = Input::Datagram {
                local: SocketAddr::new(address(1), message.remote.port()),
                remote: away,
                bytes: &bytes,
            };
            let answers = world.hosts[1].feed(world.now, input);
            // A true repetition is answered where it came from (section 2.11), once; it moves nothing.
            assert!(answers.len() <= 1 && (flip == 0 || message.bytes[18] == 34 || answers.is_empty()));
            assert!(answers.iter().all(|t| t.remote == away));
        }
    }
    assert_eq!((to(&world), moves(&world)), (home, 0));
    assert_eq!(traffic(&mut world, 1, 5), 5);
    // The one that is authentic and new does.
    let fresh = world.hosts[0].packet(100)[0].bytes.to_vec();
    esp(&mut world, away, &fresh);
    assert_eq!((to(&world), moves(&world)), (away, 1));
    // And the peer's next moves it back.
    assert_eq!(traffic(&mut world, 0, 1), 1);
    assert_eq!(to(&world), home);
}

#[test]
fn a_peer_without_a_nat_is_not_followed() {
    let mut world = world_with(6, |_, c| {
        c.udp_encapsulation = handfast_engine::policy::UdpEncapsulation::Auto
    });
    up(&mut world);
    let away: SocketAddr = "203.0.113.9:500".parse().unwrap();
    let before = path(&world);
    let connection = "office".into();
    let what = Rekey::Children;
    world.network.faults.cut = true;
    world.command(0, Command::Rekey { connection, what });
    let request = world.network.sent.last().unwrap().bytes.to_vec();
    let input = Input::Datagram {
        local: SocketAddr::new(address(1), 500),
        remote: away,
        bytes: &request,
    };
    let answers = world.hosts[1].feed(world.now, input);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].remote, away, "answered where it came from (section 2.11)");
    assert_eq!(moves(&world), 0);
    assert!(world.hosts[1].plane.children().all(|c| c.path == before));
}
