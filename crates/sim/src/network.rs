//! A network that delays, loses, repeats and reorders.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use handfast_engine::{Instant, Transmit};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// What goes wrong, in parts of 100.
#[derive(Clone, Copy, Default, Debug)]
pub struct Faults {
    /// Datagrams lost.
    pub loss: u32,
    /// Datagrams that arrive twice.
    pub repeat: u32,
    /// Datagrams that arrive late, so that others overtake them.
    pub late: u32,
    /// Nothing arrives at all.
    pub cut: bool,
}

/// A NAT before a host.
#[derive(Clone, Copy, Debug)]
pub struct Nat {
    /// The host behind it.
    pub inside: IpAddr,
    /// What it looks like from outside.
    pub outside: IpAddr,
    /// By how much its ports are higher outside. Another one is another mapping; what comes for the old one is lost.
    pub shift: u16,
}

/// What is under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// From.
    pub from: SocketAddr,
    /// To.
    pub to: SocketAddr,
    /// ESP, in UDP or not; else IKE.
    pub esp: bool,
    /// The octets.
    pub bytes: Vec<u8>,
}

/// See the module.
pub struct Network {
    /// May be changed while it runs.
    pub faults: Faults,
    /// May be changed while it runs.
    pub nat: Option<Nat>,
    /// All IKE datagrams ever sent, for tests that look at them.
    pub sent: Vec<Transmit>,
    under_way: BTreeMap<(Instant, u64), Packet>,
    rng: ChaCha20Rng,
    count: u64,
}

impl Network {
    /// A network without faults.
    pub fn new(seed: u64) -> Self {
        let rng = ChaCha20Rng::seed_from_u64(seed);
        Self {
            faults: Faults::default(),
            nat: None,
            sent: vec![],
            under_way: BTreeMap::new(),
            rng,
            count: 0,
        }
    }

    /// Takes an IKE datagram.
    pub fn send(&mut self, now: Instant, transmit: Transmit) {
        self.carry(
            now,
            Packet {
                from: transmit.local,
                to: transmit.remote,
                esp: false,
                bytes: transmit.bytes.to_vec(),
            },
        );
        self.sent.push(transmit);
    }

    /// Takes any packet.
    pub fn carry(&mut self, now: Instant, mut packet: Packet) {
        if let Some(nat) = self.nat.filter(|nat| nat.inside == packet.from.ip()) {
            packet.from = SocketAddr::new(nat.outside, packet.from.port() + nat.shift);
        }
        let copies = if self.chance(self.faults.repeat) { 2 } else { 1 };
        for _ in 0..copies {
            if self.faults.cut || self.chance(self.faults.loss) {
                continue;
            }
            let late = if self.chance(self.faults.late) { 900 } else { 0 };
            let delay = Duration::from_millis(5 + u64::from(self.rng.next_u32() % 10) + late);
            self.count += 1;
            self.under_way.insert((now + delay, self.count), packet.clone());
        }
    }

    /// Puts octets on the wire as anyone could.
    pub fn inject(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: impl Into<Vec<u8>>) {
        self.count += 1;
        let (esp, bytes) = (false, bytes.into());
        self.under_way
            .insert((now, self.count), Packet { from, to, esp, bytes });
    }

    /// When the next datagram arrives.
    pub fn next_at(&self) -> Option<Instant> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    /// A packet that has arrived.
    pub fn arrived(&mut self, now: Instant) -> Option<Packet> {
        loop {
            let first = *self.under_way.keys().next()?;
            if first.0 > now {
                return None;
            }
            let mut packet = self.under_way.remove(&first)?;
            if let Some(nat) = self.nat.filter(|nat| nat.outside == packet.to.ip()) {
                match packet.to.port().checked_sub(nat.shift) {
                    Some(port @ (500 | 4500)) => packet.to = SocketAddr::new(nat.inside, port),
                    _ => continue,
                }
            }
            return Some(packet);
        }
    }

    fn chance(&mut self, in_100: u32) -> bool {
        in_100 > 0 && self.rng.next_u32() % 100 < in_100
    }
}
