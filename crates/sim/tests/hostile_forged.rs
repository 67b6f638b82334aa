//! Rows of the catalogue of hostile input that need a peer which holds the true keys: a forger plays host 0. The
//! oracle: no panic, one answer, nothing grows, what stood before carries packets as before (or is gone entirely, where
//! the row wants that), and the next good handshake works.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use handfast_engine::Event;
use handfast_engine::policy::Connection;
use handfast_sim::forger::{chain, notify};
use handfast_sim::pair::{MINUTE, at, both_up, named, nothing_left, up, world_with};
use handfast_sim::policies::{address, connection, parsed, policy};
use handfast_sim::{Forger, Host, World};
use handfast_wire::header::{ExchangeType, PayloadType};
use handfast_wire::v2::ts;

type Payloads = Vec<(PayloadType, Vec<u8>)>;

const INFORMATIONAL: ExchangeType = ExchangeType::INFORMATIONAL;
const CREATE_CHILD_SA: ExchangeType = ExchangeType::CREATE_CHILD_SA;
const SYNTAX: u16 = 7;

/// An established SA, and a forger in host 0's place.
struct Play {
    world: World,
    forger: Forger,
    id: u32,
    spi_in: u32,
}

impl Play {
    fn new(seed: u64) -> Self {
        Self::with(seed, |_, _| {})
    }

    fn with(seed: u64, change: impl Fn(usize, &mut Connection)) -> Self {
        let mut world = world_with(seed, change);
        up(&mut world);
        world.run(Duration::from_secs(1));
        let forger = Forger::new(&world.hosts[0], true);
        let spi_in = world.hosts[1].inbound.values().next().unwrap().spi;
        Self {
            world,
            forger,
            id: 2,
            spi_in,
        }
    }

    /// Any octets in a protected request. Returns the answer's payloads.
    fn say_raw(&mut self, exchange: ExchangeType, first: PayloadType, inner: &[u8]) -> Option<Payloads> {
        let bytes = self.forger.seal(exchange, false, self.id, first, inner);
        let before = self.world.network.sent.len();
        self.world.network.inject(self.world.now, at(0), at(1), bytes.clone());
        self.world.run(Duration::from_millis(100));
        let from_host_1 = |t: &&handfast_engine::Transmit| t.local.ip() == address(1) && t.bytes[19] & 0x20 != 0;
        let answers: Vec<_> = self.world.network.sent[before..]
            .iter()
            .filter(from_host_1)
            .cloned()
            .collect();
        assert!(answers.len() <= 1, "more than one answer");
        let answer = answers.first()?;
        // Asked again, the same comes again.
        let before = self.world.network.sent.len();
        self.world.network.inject(self.world.now, at(0), at(1), bytes);
        self.world.run(Duration::from_millis(1));
        assert!(
            self.world.network.sent[before..]
                .iter()
                .any(|t| t.bytes == answer.bytes)
        );
        self.id += 1;
        Some(self.forger.open(&answer.bytes).unwrap())
    }

    fn say(&mut self, exchange: ExchangeType, payloads: &[(PayloadType, Vec<u8>)]) -> Option<Payloads> {
        let chain = chain(payloads);
        self.say_raw(exchange, chain.first(), chain.bytes())
    }

    /// Host 1 holds what it held, and packets flow.
    fn unharmed(&mut self) {
        let host = &self.world.hosts[1];
        assert_eq!(
            (host.engine.sa_count(), host.inbound.len(), host.outbound.len()),
            (1, 1, 1)
        );
        assert_eq!(host.inbound.values().next().unwrap().spi, self.spi_in);
        for (what, size) in host.engine.sizes() {
            assert!(size <= 1, "{what}: {size}");
        }
        let before = [self.world.hosts[0].delivered, self.world.hosts[1].delivered];
        self.world.packet(0, 100);
        self.world.packet(1, 100);
        self.world.run(Duration::from_millis(20));
        let after = [self.world.hosts[0].delivered, self.world.hosts[1].delivered];
        assert_eq!(after, before.map(|n| n + 1), "packets flow");
    }

    /// Nothing of host 1's SA is left.
    fn gone(&self) {
        let host = &self.world.hosts[1];
        assert_eq!(
            (host.engine.sa_count(), host.inbound.len(), host.outbound.len()),
            (0, 0, 0)
        );
        assert_eq!(host.plane.children().count(), 0);
    }

    /// The next good handshake works; no event told a secret.
    fn then_a_good_one(mut self) {
        let said = format!("{:?}", self.world.hosts[1].events);
        assert!(!said.contains("correct horse"));
        self.world.network.faults.cut = false;
        self.world.hosts[0] = Host::new(77, vec![address(0)], policy(connection(0)));
        up(&mut self.world);
        assert_eq!(self.world.hosts[1].engine.sa_count(), 1);
    }
}

/// The types of an answer's notifies.
fn told(answer: &Option<Payloads>) -> Vec<u16> {
    let all = answer.iter().flatten().filter(|(kind, _)| *kind == PayloadType::NOTIFY);
    all.map(|(_, body)| u16::from_be_bytes([body[2], body[3]])).collect()
}

/// A message of the forger's peer or the forger with its payloads changed, sealed anew as by the same side.
fn rewritten(forger: &mut Forger, bytes: &[u8], change: impl Fn(&mut Payloads)) -> Vec<u8> {
    let mut payloads = forger.open(bytes).unwrap();
    change(&mut payloads);
    let id = u32::from_be_bytes(bytes[20..24].try_into().unwrap());
    let chain = chain(&payloads);
    let (exchange, response) = (ExchangeType(bytes[18]), bytes[19] & 0x20 != 0);
    forger.seal(exchange, response, id, chain.first(), chain.bytes())
}

fn delete(protocol: u8, spi_size: u8, count: u16, spis: &[u8]) -> (PayloadType, Vec<u8>) {
    let mut body = vec![protocol, spi_size];
    body.extend(count.to_be_bytes());
    body.extend(spis);
    (PayloadType::DELETE, body)
}

#[test]
fn a005_lengths_of_a_first_message_that_cannot_be() {
    let mut world = world_with(1, |_, _| {});
    world.command(0, named(true));
    let good = world.network.sent[0].bytes.to_vec();
    let mut world = world_with(1, |_, _| {});
    for length in [0u16, 1, 2, 3, 0x7fff, 0xffff] {
        let mut bytes = good.clone();
        bytes[30..32].copy_from_slice(&length.to_be_bytes());
        world.network.inject(world.now, at(0), at(1), bytes);
    }
    // A payload that is not there.
    let mut bytes = good[..28].to_vec();
    bytes[24..28].copy_from_slice(&28u32.to_be_bytes());
    world.network.inject(world.now, at(0), at(1), bytes);
    world.run(Duration::from_secs(1));
    assert!(world.network.sent.is_empty(), "an answer to what is not authenticated");
    assert_eq!(world.hosts[1].engine.sa_count(), 0);
    up(&mut world);
}

#[test]
fn a005_lengths_of_an_encrypted_payload_that_cannot_be() {
    let mut play = Play::new(2);
    let bytes = play.forger.seal(INFORMATIONAL, false, 2, PayloadType::NONE, &[]);
    let before = play.world.network.sent.len();
    for length in [0u16, 1, 2, 3, 4, 5, 30, 0x7fff, 0xffff] {
        let mut wrong = bytes.clone();
        wrong[30..32].copy_from_slice(&length.to_be_bytes());
        play.world.network.inject(play.world.now, at(0), at(1), wrong);
    }
    play.world.run(Duration::from_secs(1));
    assert_eq!(play.world.network.sent.len(), before);
    play.unharmed();
    play.then_a_good_one();
}

#[test]
fn a005_lengths_inside_an_authenticated_message_that_cannot_be() {
    for inner in [
        &[0u8, 0, 0, 0][..],
        &[0, 0, 0, 3, 9],
        &[0, 0, 0, 9, 1],
        &[0, 0, 0xff, 0xff],
        &[41, 0, 0, 4, 0, 0, 0, 0],
        &[0, 0],
        &[],
    ] {
        for exchange in [INFORMATIONAL, CREATE_CHILD_SA] {
            let mut play = Play::new(3);
            let answer = play.say_raw(exchange, PayloadType::VENDOR_ID, inner);
            assert_eq!(told(&answer), [SYNTAX], "{inner:?}");
            // Fatal in both peers (RFC 7296 section 2.21.3).
            play.gone();
            play.then_a_good_one();
        }
    }
}

#[test]
fn a007_an_unknown_critical_payload_inside_is_named() {
    let mut play = Play::new(4);
    let answer = play.say_raw(INFORMATIONAL, PayloadType(200), &[0, 0x80, 0, 5, 1]);
    assert_eq!(answer.unwrap()[0].1, [0, 0, 0, 1, 200]);
    let answer = play.say_raw(INFORMATIONAL, PayloadType(200), &[0, 0, 0, 5, 1]);
    assert_eq!(answer, Some(vec![]), "not critical: passed over");
    play.unharmed();
    play.then_a_good_one();
}

#[test]
fn a025_exchanges_that_are_not_for_an_established_sa() {
    for exchange in [ExchangeType::IKE_SA_INIT, ExchangeType::IKE_AUTH, ExchangeType(99)] {
        let mut play = Play::new(5);
        let answer = play.say(exchange, &[]);
        assert_eq!(told(&answer), [SYNTAX], "{exchange}");
        play.gone();
        play.then_a_good_one();
    }
}

#[test]
fn a059_a061_values_of_a_fresh_key_exchange() {
    let esp = |_: usize, c: &mut Connection| {
        let mut child = (*c.children[0]).clone();
        child.esp = vec![parsed("aes128gcm16-x25519")];
        c.children = vec![child.into()];
    };
    let asked = |play: &mut Play, group: u16, data: &[u8]| {
        let mut ke = group.to_be_bytes().to_vec();
        ke.extend([0, 0]);
        ke.extend(data);
        let mut list = wish(play, &[10, 1]);
        list.insert(2, (PayloadType::KE, ke));
        play.say(CREATE_CHILD_SA, &list)
    };
    // Another group: named, and the SA stands.
    let mut play = Play::with(6, esp);
    for group in [0, 2, 19, 1025, u16::MAX] {
        let answer = asked(&mut play, group, &[9; 32]);
        assert_eq!(told(&answer), [17], "group {group}");
        assert_eq!(answer.unwrap()[0].1[4..], [0, 31]);
    }
    play.unharmed();
    // A value that no group has: the IKE SA ends (RFC 6989 section 2.5).
    for data in [&[][..], &[9; 31], &[9; 33], &[0; 32]] {
        let mut play = Play::with(6, esp);
        let answer = asked(&mut play, 31, data);
        assert_eq!(told(&answer), [SYNTAX]);
        play.gone();
        play.then_a_good_one();
    }
}

#[test]
fn a079_windows_and_synchronisation_that_were_not_agreed() {
    let mut play = Play::new(7);
    for data in [&[][..], &[0; 4], &[0xff; 4], &[0, 0, 0, 9], &[7; 100]] {
        // SET_WINDOW_SIZE, IKEV2_MESSAGE_ID_SYNC_SUPPORTED, IKEV2_MESSAGE_ID_SYNC, IPSEC_REPLAY_COUNTER_SYNC.
        for kind in [16385, 16420, 16422, 16423] {
            let list = [(PayloadType::NOTIFY, notify(0, &[], kind, data))];
            assert_eq!(play.say(INFORMATIONAL, &list), Some(vec![]));
            // The message ID of RFC 6311's exchange, and one that a larger window would take.
            let true_id = play.id;
            for id in [0, true_id + 1, true_id + 100, u32::MAX] {
                play.id = id;
                assert_eq!(play.say(INFORMATIONAL, &list), None, "message ID {id}");
            }
            play.id = true_id;
        }
    }
    play.unharmed();
    play.then_a_good_one();
}

#[test]
fn a079_a_window_size_in_ike_auth() {
    let mut world = world_with(8, |_, _| {});
    world.command(0, named(true));
    assert!(world.run_until(MINUTE, |w| w.network.sent.len() == 2));
    world.network.faults.cut = true;
    world.run(Duration::from_millis(100));
    world.network.faults.cut = false;
    let mut forger = Forger::new(&world.hosts[0], true);
    let auth = world.network.sent[2].bytes.to_vec();
    let bytes = rewritten(&mut forger, &auth, |list| {
        for size in [0u32, u32::MAX] {
            list.push((PayloadType::NOTIFY, notify(0, &[], 16385, &size.to_be_bytes())));
        }
    });
    world.network.inject(world.now, at(0), at(1), bytes);
    assert!(world.run_until(MINUTE, both_up));
    // Our window stays one: the second of two requests waits.
    let spi_in = world.hosts[1].inbound.values().next().unwrap().spi;
    let mut play = Play {
        world,
        forger,
        id: 3,
        spi_in,
    };
    assert_eq!(play.say(INFORMATIONAL, &[]), None);
    play.id = 2;
    assert_eq!(play.say(INFORMATIONAL, &[]), Some(vec![]));
    play.unharmed();
    play.then_a_good_one();
}

#[test]
fn a081_deletes_of_what_is_not_there() {
    let mut play = Play::new(9);
    let spi_out = play.world.hosts[1].outbound.values().next().unwrap().spi.to_be_bytes();
    let spi_in = play.spi_in.to_be_bytes();
    let many: Vec<u8> = (0..16_000u32).flat_map(|n| (0x0100_0000 + n).to_be_bytes()).collect();
    let passed_over = [
        delete(0, 0, 0, &[]),
        delete(0, 4, 1, &spi_out),
        delete(2, 4, 1, &spi_out),
        delete(4, 4, 1, &spi_out),
        delete(255, 4, 1, &spi_out),
        delete(3, 0, 9, &[]),
        delete(3, 1, 4, &spi_out),
        delete(3, 2, 2, &spi_out),
        delete(3, 8, 1, &[spi_out, spi_out].concat()),
        delete(3, 4, 0, &[]),
        delete(3, 4, 1, &spi_in),
        delete(3, 4, 1, &[0; 4]),
        delete(3, 4, 16_000, &many),
    ];
    for payload in &passed_over {
        let answer = play.say(INFORMATIONAL, std::slice::from_ref(payload));
        assert_eq!(answer, Some(vec![]), "{:?}", &payload.1[..4]);
    }
    assert_eq!(play.say(INFORMATIONAL, &passed_over), Some(vec![]));
    play.unharmed();
    play.then_a_good_one();
}

#[test]
fn a081_deletes_whose_count_lies() {
    for payload in [
        delete(3, 4, 2, &[1, 2, 3, 4]),
        delete(3, 4, 0, &[1, 2, 3, 4]),
        delete(3, 5, 1, &[1, 2, 3, 4]),
        delete(3, 4, 0xffff, &[1, 2, 3, 4]),
        (PayloadType::DELETE, vec![3, 4, 0]),
    ] {
        let mut play = Play::new(10);
        assert_eq!(told(&play.say(INFORMATIONAL, &[payload])), [SYNTAX]);
        play.gone();
        play.then_a_good_one();
    }
}

#[test]
fn a081_one_child_deleted_many_times_over_is_named_once() {
    let mut play = Play::new(11);
    let spi_out = play.world.hosts[1].outbound.values().next().unwrap().spi.to_be_bytes();
    let late = play.world.hosts[0].packet(100).remove(0);
    // That host 1 then ends the IKE SA does not arrive.
    play.world.network.faults.cut = true;
    let answer = play.say(INFORMATIONAL, &[delete(3, 4, 16_000, &spi_out.repeat(16_000))]);
    let mut named = vec![3, 4, 0, 1];
    named.extend(play.spi_in.to_be_bytes());
    assert_eq!(answer, Some(vec![(PayloadType::DELETE, named)]));
    // Late ESP is dropped.
    let delivered = play.world.hosts[1].delivered;
    play.world.hosts[1].esp(play.world.now, late.from, late.bytes);
    assert_eq!(play.world.hosts[1].delivered, delivered);
    play.then_a_good_one();
}

#[test]
fn a081_a_delete_of_everything_at_once() {
    let mut play = Play::new(12);
    let spi_out = play.world.hosts[1].outbound.values().next().unwrap().spi.to_be_bytes();
    let list = [
        delete(3, 4, 1, &spi_out),
        delete(1, 0, 0, &[]),
        delete(2, 4, 1, &spi_out),
    ];
    assert_eq!(play.say(INFORMATIONAL, &list), Some(vec![]));
    play.gone();
    play.then_a_good_one();
}

/// The payloads of a request for a further child, of `10.x` on our side where `nets` is `[10, x]`.
fn wish(play: &Play, nets: &[u8; 2]) -> Payloads {
    let net = |second: u8| ts::encode(&[parsed(&format!("{}.{second}.0.0/16", nets[0]))]);
    let groups = &play.world.hosts[1].keys;
    assert!(!groups.is_empty());
    let mut sa = vec![0, 0, 0, 48, 1, 3, 4, 3, 9, 9, 9, 9];
    sa.extend([3, 0, 0, 12, 1, 0, 0, 20, 0x80, 14, 0, 128]);
    sa.extend([3, 0, 0, 8, 4, 0, 0, 31]);
    sa.extend([0, 0, 0, 8, 5, 0, 0, 0]);
    let length = sa.len() as u8;
    sa[3] = length;
    vec![
        (PayloadType::SA, sa),
        (PayloadType::NONCE, vec![5; 32]),
        (PayloadType::TSI, net(nets[1])),
        (PayloadType::TSR, net(2)),
    ]
}

#[test]
fn a083_a_child_that_cannot_be_leaves_the_ike_sa_alone() {
    let mut play = Play::new(13);
    // Selectors that do not meet.
    let elsewhere = wish(&play, &[11, 1]);
    assert_eq!(told(&play.say(CREATE_CHILD_SA, &elsewhere)), [38]);
    // A selector that ends before it begins is none.
    let mut backwards = wish(&play, &[10, 1]);
    backwards[2].1[12..16].copy_from_slice(&[10, 2, 0, 0]);
    let said = told(&play.say(CREATE_CHILD_SA, &backwards));
    assert!(said == [38] || said == [SYNTAX], "{said:?}");
    if said == [SYNTAX] {
        play = Play::new(13);
    }
    // Ciphers that we do not have, an SPI of zero, a rekey of what is not there.
    let mut weak = wish(&play, &[10, 1]);
    weak[0].1[19] = 3;
    assert_eq!(told(&play.say(CREATE_CHILD_SA, &weak)), [14]);
    let mut zero = wish(&play, &[10, 1]);
    zero[0].1[8..12].fill(0);
    assert_eq!(told(&play.say(CREATE_CHILD_SA, &zero)), [14]);
    for spi in [&[][..], &[1, 2, 3, 4], &[0; 4], &[7; 8]] {
        let mut rekey = wish(&play, &[10, 1]);
        rekey.insert(0, (PayloadType::NOTIFY, notify(3, spi, 16393, &[])));
        let answer = play.say(CREATE_CHILD_SA, &rekey).unwrap();
        assert_eq!(answer, [(PayloadType::NOTIFY, notify(3, spi, 44, &[]))]);
    }
    play.unharmed();
    play.then_a_good_one();
}

#[test]
fn a083_a_request_with_half_of_its_payloads_is_malformed() {
    for without in 0..4 {
        let mut play = Play::new(14);
        let mut list = wish(&play, &[10, 1]);
        list.remove(without);
        assert_eq!(told(&play.say(CREATE_CHILD_SA, &list)), [SYNTAX], "without {without}");
        play.gone();
        play.then_a_good_one();
    }
}

#[test]
fn a085_the_ike_sa_is_deleted_while_a_rekey_of_its_child_runs() {
    for esp in ["aes128gcm16", "aes128gcm16-x25519"] {
        for delay in (0..100).step_by(4) {
            let mut play = Play::with(15, |i, c| {
                c.liveness = Duration::ZERO;
                let mut child = (*c.children[0]).clone();
                child.esp = vec![parsed(esp)];
                child.rekey = Duration::from_secs(if i == 1 { 100 } else { 0 });
                c.children = vec![child.into()];
            });
            play.world.hosts[1].lag = Duration::from_millis(10);
            let late = play.world.hosts[0].packet(100).remove(0);
            // Up to the key pair that the rekey begins with, or to its request.
            let begun = |w: &World| w.hosts[1].next_answer().is_some() || w.network.sent.len() > 4;
            assert!(play.world.run_until(2 * MINUTE, begun));
            play.world.run(Duration::from_millis(delay));
            let list = [delete(1, 0, 0, &[])];
            assert_eq!(play.say(INFORMATIONAL, &list), Some(vec![]), "after {delay} ms");
            play.world.run(Duration::from_secs(1));
            play.gone();
            let before = play.world.network.sent.len();
            play.world.hosts[1].esp(play.world.now, late.from, late.bytes);
            assert_eq!(play.world.hosts[1].delivered, 0);
            play.world.run(MINUTE);
            let of_1 = |t: &&handfast_engine::Transmit| t.local.ip() == address(1) && t.bytes[19] & 0x20 == 0;
            assert_eq!(play.world.network.sent[before..].iter().filter(of_1).count(), 0);
            play.world.hosts[1].lag = Duration::ZERO;
            play.then_a_good_one();
        }
    }
}

#[test]
fn a087_wider_selectors_than_were_asked_for_in_ike_auth() {
    for wider in [PayloadType::TSI, PayloadType::TSR] {
        let mut world = world_with(16, |_, _| {});
        world.command(0, named(true));
        assert!(world.run_until(MINUTE, |w| w.network.sent.len() == 3));
        world.network.faults.cut = true;
        world.run(Duration::from_millis(100));
        let answer = world.network.sent[3].bytes.to_vec();
        world.network.faults.cut = false;
        let mut forger = Forger::new(&world.hosts[0], false);
        let bytes = rewritten(&mut forger, &answer, |list| {
            for (kind, body) in list.iter_mut().filter(|(kind, _)| *kind == wider) {
                assert_eq!(*kind, wider);
                *body = ts::encode(&[parsed("10.0.0.0/8")]);
            }
        });
        world.network.inject(world.now, at(1), at(0), bytes);
        world.run(Duration::from_millis(600));
        let refusals = world.hosts[0].refusals().join("\n");
        assert!(
            refusals.contains("selectors") && refusals.contains("10.0.0.0/8") && refusals.contains("10.1.0.0/16"),
            "{refusals}"
        );
        assert_eq!(world.hosts[0].count(|e| matches!(e, Event::ConnectionUp { .. })), 0);
        assert!(nothing_left(&world), "{wider:?}");
        up(&mut world);
    }
}

#[test]
fn a087_wider_selectors_than_were_asked_for_in_a_rekey() {
    let mut world = world_with(17, |i, c| {
        c.liveness = Duration::ZERO;
        let mut child = (*c.children[0]).clone();
        child.rekey = Duration::from_secs(if i == 0 { 100 } else { 0 });
        c.children = vec![child.into()];
    });
    up(&mut world);
    let mut forger = Forger::new(&world.hosts[0], false);
    let spi = world.hosts[0].inbound.values().next().unwrap().spi;
    assert!(world.run_until(2 * MINUTE, |w| w.network.sent.len() == 5));
    world.network.faults.cut = true;
    world.run(Duration::from_millis(100));
    world.network.faults.cut = false;
    let answer = world.network.sent[5].bytes.to_vec();
    let bytes = rewritten(&mut forger, &answer, |list| {
        for (_, body) in list.iter_mut().filter(|(kind, _)| *kind == PayloadType::TSR) {
            *body = ts::encode(&[parsed("0.0.0.0/0")]);
        }
    });
    world.network.inject(world.now, at(1), at(0), bytes);
    world.run(Duration::from_secs(8));
    assert!(world.hosts[0].refusals().join("\n").contains("selectors"));
    // The old child stands, and the peer was told that it is not to keep its new one.
    assert_eq!(world.hosts[0].inbound.values().next().unwrap().spi, spi);
    assert!(both_up(&world), "{:?}", world.hosts[1].inbound);
    // The next attempt is answered truly.
    assert!(world.run_until(MINUTE, |w| w.hosts[0].inbound.values().all(|sa| sa.spi != spi)));
}

#[test]
fn a105_initial_contact_where_it_does_not_belong() {
    let mut play = Play::new(18);
    let initial_contact = (PayloadType::NOTIFY, notify(0, &[], 16384, &[]));
    assert_eq!(
        play.say(INFORMATIONAL, std::slice::from_ref(&initial_contact)),
        Some(vec![])
    );
    let mut list = wish(&play, &[11, 1]);
    list.push(initial_contact);
    assert_eq!(told(&play.say(CREATE_CHILD_SA, &list)), [38]);
    play.unharmed();
    // In IKE_SA_INIT, where nobody has proved anything.
    let mut world = world_with(19, |_, _| {});
    world.command(0, named(true));
    let mut first = world.network.sent[0].bytes.to_vec();
    first[..8].copy_from_slice(&[3; 8]);
    let length = first.len();
    first.extend([first[16], 0, 0, 8, 0, 0, 0x40, 0x00]);
    let notify_first = first.split_off(length);
    first[16] = 41;
    first.splice(28..28, notify_first);
    let length = first.len() as u32;
    first[24..28].copy_from_slice(&length.to_be_bytes());
    play.world.network.inject(play.world.now, at(0), at(1), first);
    play.world.run(Duration::from_secs(40));
    play.unharmed();
    play.then_a_good_one();
}
