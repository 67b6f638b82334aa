//! The engine with its plane and store. Carries out outputs strictly in order; the network is the caller's.

use std::net::SocketAddr;
use std::sync::Arc;

use handfast_crypto::provider::Provider;
use handfast_engine::event::KeyLog;
use handfast_engine::policy::Policy;
use handfast_engine::refusal::Cause;
use handfast_engine::{Answer, Engine, EngineConfig, Event, Input, Instant, Output, Question, Ticket, Transmit};
use handfast_plane::op::{ChildId, OuterPath, PlaneOp, PlaneReply};
use handfast_plane::{Plane, UserspacePlane};
use handfast_store::refusals::Refusals;
use handfast_store::status::{Status, TrafficCounters, status};
use handfast_store::{MemoryStore, SaStore};
use tokio::sync::mpsc::UnboundedSender;

use super::answers::{self, Background, OsRandom};
use super::costs::Costs;
use super::prepared::{Moment, Prepared};
use super::{provider, seed};

/// What the core hands to its surroundings while it works.
pub trait Surroundings {
    /// Send an IKE message or a keepalive, at the latest when [`flush`](Self::flush) is called.
    fn transmit(&mut self, transmit: Transmit);
    /// Something is about to be computed: what has waited long enough must not wait for that too.
    fn before_work(&mut self);
    /// Send what waits to be sent. IKE messages that could not leave, for reasons that another try would meet too, are
    /// told of once.
    fn flush(&mut self) -> Vec<Unsent>;
    /// Something happened.
    fn event(&mut self, event: Event);
    /// Keys for the key log.
    fn key_log(&mut self, entry: KeyLog);
    /// The outer MTU towards a peer.
    fn path_mtu(&mut self, path: &OuterPath) -> usize;
}

/// An IKE message that could not leave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsent {
    /// Where it was to be sent from.
    pub local: SocketAddr,
    /// Where to.
    pub remote: SocketAddr,
    /// Why not.
    pub reason: String,
}

/// See the module.
pub struct Core {
    /// The engine.
    pub engine: Engine,
    /// The data path.
    pub plane: UserspacePlane,
    store: MemoryStore,
    refusals: Refusals,
    provider: &'static Provider,
    mark: u32,
    costs: Costs,
    later: Option<Background>,
    /// Key pairs made ahead; none until it is told to keep some.
    pub prepared: Prepared,
    /// Children were installed or removed since this was last cleared.
    pub routes_changed: bool,
}

impl Core {
    /// A core for this policy. `later`: where slow answers come back; without it everything is answered at once.
    pub fn new(
        policy: Arc<Policy>,
        key_log: bool,
        mark: u32,
        later: Option<UnboundedSender<(Ticket, Answer)>>,
    ) -> Result<Self, String> {
        let provider = provider();
        let engine = Engine::new(
            EngineConfig {
                seed: seed()?,
                key_log,
                provider,
            },
            policy,
        );
        let plane = UserspacePlane::new(provider);
        let store = MemoryStore::new();
        let costs = Costs::new(provider);
        Ok(Self {
            engine,
            plane,
            store,
            refusals: Refusals::default(),
            provider,
            mark,
            later: later.map(|done| Background::new(provider, costs.clone(), mark, done)),
            costs,
            prepared: Prepared::new(provider),
            routes_changed: false,
        })
    }

    /// Feeds one input and carries out all that follows.
    pub fn feed(&mut self, now: Instant, input: Input<'_>, around: &mut impl Surroundings) {
        self.engine.handle(now, input);
        self.drain(now, around);
        self.plane_events(now, around);
    }

    /// Hands what the plane reports by itself to the engine.
    pub fn plane_events(&mut self, now: Instant, around: &mut impl Surroundings) {
        while let Some(event) = self.plane.poll_event() {
            self.engine.handle(now, Input::Plane(event));
            self.drain(now, around);
        }
    }

    /// Sends what the engine has given to send so far; an SA whose message cannot leave hears of it.
    pub fn flush(&mut self, now: Instant, around: &mut impl Surroundings) {
        loop {
            let unsent = around.flush();
            if unsent.is_empty() {
                return;
            }
            for Unsent { local, remote, reason } in unsent {
                self.engine.handle(now, Input::SendFailed { local, remote, reason });
                self.drain(now, around);
            }
        }
    }

    fn drain(&mut self, now: Instant, around: &mut impl Surroundings) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit(transmit) => around.transmit(transmit),
                Output::Ask(ticket, question) => self.ask(now, ticket, question, around),
                Output::Record(delta) => {
                    if let Err(e) = self.store.record(&delta) {
                        tracing::error!(error = %e, "an SA's facts could not be recorded");
                    }
                }
                Output::Event(event) => {
                    self.note(now, &event);
                    around.event(event);
                }
                Output::KeyLog(entry) => around.key_log(entry),
            }
        }
    }

    /// Refusals are remembered until the connection is up.
    fn note(&mut self, now: Instant, event: &Event) {
        match event {
            // A peer that is asked for another group tries again at once: that is no refusal to anyone's owner.
            Event::Refused { sa: None, refusal, .. } if matches!(refusal.cause, Cause::KeyExchange(_)) => {}
            Event::Refused {
                connection,
                remote,
                refusal,
                ..
            } => {
                let facts = refusal.facts(connection.as_deref(), *remote);
                self.refusals.add(now.as_millis(), facts);
            }
            Event::ConnectionUp { connection } => self.refusals.over(connection),
            _ => {}
        }
    }

    fn ask(&mut self, now: Instant, ticket: Ticket, question: Question, around: &mut impl Surroundings) {
        let prepared = self.prepared.take_for(&question, Moment::now);
        if let (Question::GenerateKey(_), Some(_)) = (&question, &prepared) {
            let answer = answers::answer(self.provider, question, prepared, self.mark);
            return self.engine.handle(now, Input::Answer(ticket, answer));
        }
        let answer = match (question, &self.later) {
            (Question::Plane(op), _) => Answer::Plane(self.apply(op, around)),
            (question, Some(later)) if !answers::is_quick(&self.costs, &question, prepared.is_some()) => {
                later.answer(ticket, question, prepared);
                return;
            }
            (question, Some(later)) => {
                around.before_work();
                match answers::answer_in_place(self.provider, &self.costs, question, prepared, self.mark) {
                    Ok(answer) => answer,
                    Err(unjudged) => return later.go_on(ticket, unjudged),
                }
            }
            (question, None) => answers::answer(self.provider, question, prepared, self.mark),
        };
        self.engine.handle(now, Input::Answer(ticket, answer));
    }

    /// Makes one key pair ahead.
    pub fn prepare_one(&mut self) {
        self.prepared.make_one(Moment::now(), &mut OsRandom);
    }

    fn apply(&mut self, op: PlaneOp, around: &mut impl Surroundings) -> PlaneReply {
        self.routes_changed |= matches!(
            op,
            PlaneOp::InstallOutbound(_) | PlaneOp::RemoveOutbound(_) | PlaneOp::UpdatePath(..)
        );
        let mtu = match &op {
            PlaneOp::InstallOutbound(sa) => Some((sa.child, around.path_mtu(&sa.path))),
            _ => None,
        };
        let reply = self.plane.apply(op);
        if let Some((child, mtu)) = mtu {
            self.plane.set_path_mtu(child, mtu);
        }
        reply
    }

    /// The children of a connection that are in use. A look at all of them, for what is rare.
    pub fn children_of(&self, connection: &str) -> Vec<ChildId> {
        let sas = self.store.snapshot().ike_sas;
        let of = sas
            .iter()
            .filter(|sa| sa.facts.connection.as_deref() == Some(connection));
        let children = of.flat_map(|sa| &sa.children).filter(|c| c.state == "installed");
        children.map(|child| ChildId(child.id)).collect()
    }

    /// The status document.
    pub fn status(&self, now: Instant) -> Status {
        let counters = |id: u64| {
            self.plane.view(ChildId(id)).map(|c| TrafficCounters {
                bytes_in: c.counters.bytes_in,
                bytes_out: c.counters.bytes_out,
                packets_in: c.counters.packets_in,
                packets_out: c.counters.packets_out,
            })
        };
        let mut status = status(&self.store.snapshot(), now.as_millis(), &counters);
        status.refusals = self.refusals.status(now.as_millis());
        status
    }
}
