//! One endpoint: an engine, the answers to its questions, and what came of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use handfast_crypto::provider::{CryptoError, RandomSource};
use handfast_engine::policy::Policy;
use handfast_engine::{Answer, Engine, EngineConfig, Event, Input, Instant, Output, Question, Transmit};
use handfast_plane::op::{ChildId, Counters, PlaneOp, PlaneReply, SaInstall};
use handfast_store::{MemoryStore, SaStore};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

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
    /// Inbound SAs that the plane holds.
    pub inbound: BTreeMap<ChildId, SaInstall>,
    /// Outbound SAs that the plane holds.
    pub outbound: BTreeMap<ChildId, SaInstall>,
    /// What the plane would report for any child.
    pub counters: Counters,
    /// The plane refuses to install.
    pub plane_broken: bool,
    random: SimRandom,
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
            key_log: false,
            provider: crate::seeded::provider(),
        };
        Self {
            engine: Engine::new(config, Arc::new(policy)),
            addresses,
            events: vec![],
            store: MemoryStore::new(),
            inbound: BTreeMap::new(),
            outbound: BTreeMap::new(),
            counters: Counters::default(),
            plane_broken: false,
            random: SimRandom(ChaCha20Rng::from_seed([seed; 32])),
        }
    }

    /// Feeds one input and carries out everything that follows; returns what is to be sent.
    pub fn feed(&mut self, now: Instant, input: Input<'_>) -> Vec<Transmit> {
        let mut sent = vec![];
        self.engine.handle(now, input);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit(transmit) => sent.push(transmit),
                Output::Ask(ticket, question) => {
                    let answer = self.answer(question);
                    self.engine.handle(now, Input::Answer(ticket, answer));
                }
                Output::Record(delta) => {
                    self.store
                        .record(&delta)
                        .unwrap_or_else(|e| panic!("the store refuses {delta:?}: {e}"));
                }
                Output::Event(event) => self.events.push(event),
                Output::KeyLog(_) => {}
            }
        }
        sent
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
            Question::Plane(op) => Answer::Plane(self.plane(op)),
        }
    }

    fn plane(&mut self, op: PlaneOp) -> PlaneReply {
        match op {
            PlaneOp::InstallInbound(_) | PlaneOp::InstallOutbound(_) if self.plane_broken => {
                return PlaneReply::Failed("out of order".into());
            }
            PlaneOp::InstallInbound(sa) => drop(self.inbound.insert(sa.child, sa)),
            PlaneOp::InstallOutbound(sa) => drop(self.outbound.insert(sa.child, sa)),
            PlaneOp::RemoveInbound(child) => drop(self.inbound.remove(&child)),
            PlaneOp::RemoveOutbound(child) => drop(self.outbound.remove(&child)),
            PlaneOp::UpdatePath(..) => {}
            PlaneOp::Query(_) => return PlaneReply::Counters(self.counters),
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
