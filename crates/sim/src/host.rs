//! One endpoint: an engine, the answers to its questions, and what came of it.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use handfast_auth::certificate::{PeerQuestion, PeerRefusal, Proven};
use handfast_crypto::provider::{CryptoError, RandomSource};
use handfast_engine::event::KeyLog;
use handfast_engine::policy::Policy;
use handfast_engine::{Answer, Engine, EngineConfig, Event, Input, Instant, Output, Question, Ticket, Transmit};
use handfast_plane::op::{ChildId, Counters, Encapsulation, PlaneOp, PlaneReply, SaInstall};
use handfast_plane::{DropReason, Inbound, Outbound, Plane, UserspacePlane};
use handfast_store::{MemoryStore, SaStore};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::network::Packet;

/// See the module.
pub struct Host {
    /// The engine.
    pub engine: Engine,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// All events so far.
    pub events: Vec<Event>,
    /// What the store holds.
    pub store: MemoryStore,
    /// The key log.
    pub keys: Vec<KeyLog>,
    /// Carries the packets.
    pub plane: UserspacePlane,
    /// How many packets came out of it.
    pub delivered: usize,
    /// Why others did not.
    pub dropped: Vec<DropReason>,
    /// How long answers to the engine's questions take.
    pub lag: Duration,
    /// Inbound SAs that the plane holds.
    pub inbound: BTreeMap<ChildId, SaInstall>,
    /// Outbound SAs that the plane holds.
    pub outbound: BTreeMap<ChildId, SaInstall>,
    /// What the plane would report for any child.
    pub counters: Counters,
    /// The plane refuses to install.
    pub plane_broken: bool,
    /// The plane refuses to install what sends.
    pub outbound_broken: bool,
    /// How many signatures were asked for.
    pub signed: usize,
    /// How many peers were judged.
    pub judged: usize,
    /// Answers to these questions are held back, as by a slow key or a CA's server.
    pub hold: bool,
    /// What is held back.
    pub held: VecDeque<(Ticket, Answer)>,
    random: SimRandom,
    late: VecDeque<(Instant, Ticket, Answer)>,
}

struct SimRandom(ChaCha20Rng);

impl RandomSource for SimRandom {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        self.0.fill_bytes(out);
        Ok(())
    }
}

impl Host {
    /// A host with these addresses and this policy.
    pub fn new(seed: u8, addresses: Vec<IpAddr>, policy: Policy) -> Self {
        let config = EngineConfig {
            seed: [seed; 32],
            key_log: true,
            provider: crate::seeded::provider(),
        };
        Self {
            engine: Engine::new(config, Arc::new(policy)),
            addresses,
            events: vec![],
            store: MemoryStore::new(),
            keys: vec![],
            plane: UserspacePlane::new(crate::seeded::provider()),
            delivered: 0,
            dropped: vec![],
            lag: Duration::ZERO,
            inbound: BTreeMap::new(),
            outbound: BTreeMap::new(),
            counters: Counters::default(),
            plane_broken: false,
            outbound_broken: false,
            signed: 0,
            judged: 0,
            hold: false,
            held: VecDeque::new(),
            random: SimRandom(ChaCha20Rng::from_seed([seed; 32])),
            late: VecDeque::new(),
        }
    }

    /// Feeds one input and carries out everything that follows; returns what is to be sent.
    pub fn feed(&mut self, now: Instant, input: Input<'_>) -> Vec<Transmit> {
        let mut sent = vec![];
        self.engine.handle(now, input);
        self.carry_out(now, &mut sent);
        sent.extend(self.plane_events(now));
        sent
    }

    /// Takes the packets that have waited for their SA, and hands the plane's events to the engine.
    pub fn plane_events(&mut self, now: Instant) -> Vec<Transmit> {
        let mut sent = vec![];
        while let Some(mut early) = self.plane.next_early() {
            self.open(&mut early.esp, early.from);
        }
        while let Some(event) = self.plane.poll_event() {
            self.engine.handle(now, Input::Plane(event));
            self.carry_out(now, &mut sent);
        }
        sent
    }

    /// When the next late answer is due.
    pub fn next_answer(&self) -> Option<Instant> {
        self.late.front().map(|(at, ..)| *at)
    }

    /// Gives the engine the answers that are due.
    pub fn late_answers(&mut self, now: Instant) -> Vec<Transmit> {
        let mut sent = vec![];
        while self.next_answer().is_some_and(|at| at <= now)
            && let Some((_, ticket, answer)) = self.late.pop_front()
        {
            sent.extend(self.feed(now, Input::Answer(ticket, answer)));
        }
        sent
    }

    /// ESP packets that carry an IP packet from the net behind this host to the one behind the other.
    pub fn packet(&mut self, octets: usize) -> Vec<Packet> {
        let second = |other: bool| {
            if (self.addresses[0] == crate::policies::address(0)) != other {
                1
            } else {
                2
            }
        };
        let mut ip = vec![0; octets.max(20)];
        ip[0] = 0x45;
        ip[2..4].copy_from_slice(&(octets.max(20) as u16).to_be_bytes());
        (ip[8], ip[9]) = (64, 253);
        ip[12..16].copy_from_slice(&[10, second(false), 0, 1]);
        ip[16..20].copy_from_slice(&[10, second(true), 0, 1]);
        let sum: u32 = ip[..20]
            .chunks(2)
            .map(|c| u32::from(u16::from_be_bytes([c[0], c[1]])))
            .sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        ip[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
        let mut out = vec![];
        let Outbound::Send { path, segment_len, .. } = self.plane.outbound(&ip, &mut out) else {
            return vec![];
        };
        let (local, remote) = match path.encapsulation {
            Encapsulation::Esp => (0, 0),
            Encapsulation::Udp {
                local_port,
                remote_port,
            } => (local_port, remote_port),
        };
        let packet = |bytes: &[u8]| Packet {
            from: SocketAddr::new(path.local, local),
            to: SocketAddr::new(path.remote, remote),
            esp: true,
            bytes: bytes.to_vec(),
        };
        out.chunks(segment_len).map(packet).collect()
    }

    /// Takes an ESP packet from the network.
    pub fn esp(&mut self, now: Instant, from: SocketAddr, mut bytes: Vec<u8>) -> Vec<Transmit> {
        self.open(&mut bytes, (from.port() != 0).then_some((from.ip(), from.port())));
        self.plane_events(now)
    }

    fn open(&mut self, esp: &mut [u8], from: Option<(IpAddr, u16)>) {
        match self.plane.inbound(esp, from) {
            Inbound::Deliver { .. } | Inbound::DeliverOwned { .. } => self.delivered += 1,
            Inbound::Drop(reason) => self.dropped.push(reason),
        }
    }

    fn carry_out(&mut self, now: Instant, sent: &mut Vec<Transmit>) {
        // Not where floods are simulated: the comparison looks at all SAs.
        let few = self.engine.sa_count() <= 32;
        assert!(!few || self.engine.index_agrees(), "the engine's index is wrong");
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit(transmit) => sent.push(transmit),
                Output::Ask(ticket, question) => {
                    let held = self.hold && matches!(question, Question::Sign(_) | Question::Judge(_));
                    let answer = self.answer(question);
                    if held {
                        self.held.push_back((ticket, answer));
                    } else if self.lag.is_zero() {
                        self.engine.handle(now, Input::Answer(ticket, answer));
                    } else {
                        self.late.push_back((now + self.lag, ticket, answer));
                    }
                }
                Output::Record(delta) => {
                    self.store
                        .record(&delta)
                        .unwrap_or_else(|e| panic!("the store refuses {delta:?}: {e}"));
                }
                Output::Event(event) => self.events.push(event),
                Output::KeyLog(keys) => self.keys.push(keys),
            }
        }
    }

    fn answer(&mut self, question: Question) -> Answer {
        let group = |id| crate::seeded::provider().group(id).ok_or(CryptoError::Unsupported);
        match question {
            Question::GenerateKey(id) => Answer::Key(group(id).and_then(|g| g.generate(&mut self.random))),
            Question::Agree { key, peer } => Answer::Shared(key.agree(&peer)),
            Question::Respond { group: id, peer } => {
                Answer::Responded(group(id).and_then(|g| g.generate(&mut self.random)).and_then(|key| {
                    let public = key.public().to_vec();
                    Ok((public, key.agree(&peer)?))
                }))
            }
            Question::Resolve(name) => Answer::Addresses(Err(format!("{name}: no names here"))),
            Question::LocalAddress(remote) => {
                let same = self.addresses.iter().find(|a| a.is_ipv4() == remote.is_ipv4());
                Answer::LocalAddress(same.copied().ok_or_else(|| "no address of that family".into()))
            }
            Question::Sign(question) => {
                self.signed += 1;
                Answer::Signed(question.answer())
            }
            Question::Judge(question) => {
                self.judged += 1;
                Answer::Judged(judge(&question))
            }
            Question::Gss(question) => Answer::Gss(question.answer()),
            Question::Plane(op) => Answer::Plane(self.plane(op)),
        }
    }

    fn plane(&mut self, op: PlaneOp) -> PlaneReply {
        let refused = match &op {
            PlaneOp::InstallInbound(_) => self.plane_broken,
            PlaneOp::InstallOutbound(_) => self.plane_broken || self.outbound_broken,
            _ => false,
        };
        if refused {
            return PlaneReply::Failed("out of order".into());
        }
        match self.plane.apply(op.clone()) {
            PlaneReply::Counters(true_ones) => {
                let mut counters = self.counters;
                counters.packets_in += true_ones.packets_in;
                return PlaneReply::Counters(counters);
            }
            PlaneReply::Done => {}
            failed => return failed,
        }
        match op {
            PlaneOp::InstallInbound(sa) => drop(self.inbound.insert(sa.child, sa)),
            PlaneOp::InstallOutbound(sa) => drop(self.outbound.insert(sa.child, sa)),
            PlaneOp::RemoveInbound(child) => drop(self.inbound.remove(&child)),
            PlaneOp::RemoveOutbound(child) => drop(self.outbound.remove(&child)),
            PlaneOp::UpdatePath(..) | PlaneOp::Query(_) | PlaneOp::Expect(_) | PlaneOp::Unexpect(_) => {}
        }
        PlaneReply::Done
    }

    /// How often an event of this kind was seen.
    pub fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|e| wanted(e)).count()
    }

    /// All refusals so far, as text.
    pub fn refusals(&self) -> Vec<String> {
        let text = |e: &Event| {
            if let Event::Refused { refusal, .. } = e {
                Some(refusal.to_string())
            } else {
                None
            }
        };
        self.events.iter().filter_map(text).collect()
    }
}

/// Judges a peer at the time of the simulation's certificates; nothing can be fetched.
fn judge(question: &PeerQuestion) -> Result<Proven, PeerRefusal> {
    let now = crate::pki::NOW;
    let judged = question.judge(now)?;
    Ok(Proven::new(judged.finish(&[], &[], now)?))
}
