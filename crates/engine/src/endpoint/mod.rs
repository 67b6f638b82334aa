//! The endpoint: routing of datagrams to SAs, admission of strangers, timers, tickets and commands.

pub(crate) mod admission;
mod admission_v1;
pub(crate) mod choose;
pub(crate) mod connections;
pub(crate) mod ike_sa;
pub(crate) mod index;
pub(crate) mod machine;
mod reload;
pub(crate) mod spi;
mod strangers;
mod succession;
mod take_over;
pub(crate) mod timers;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use handfast_crypto::provider::Provider;
use handfast_plane::op::PlaneEvent;
use handfast_store::delta::{SaDelta, SaId};
use handfast_wire::header::Spi;
use slab::Slab;

use crate::context::{Asker, Context, Effect, Farewell};
use crate::endpoint::connections::{Attempt, Supervisor};
use crate::endpoint::ike_sa::{IkeSa, Older};
use crate::endpoint::index::Index;
use crate::endpoint::machine::Machine;
use crate::endpoint::spi::{Place, SpiMint};
use crate::endpoint::strangers::{CookieJar, Strangers};
use crate::endpoint::timers::{Owner, Timers};
use crate::event::Event;
use crate::input::{Answer, Command, Input};
use crate::output::{Output, Ticket};
use crate::path::Path;
use crate::policy::{Connection, Policy};
use crate::sa::{Next, Sa, record};
use crate::time::Instant;
use crate::v1::fragment::Fragments;

pub use timers::Reason;

/// How long a shutdown waits for peers to confirm.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// How many last answers of SAs that are gone are kept.
const MAX_FAREWELLS: usize = 64;

/// What an engine is made of.
pub struct EngineConfig {
    /// Seed of all its random numbers (nonces, SPIs, jitter): 32 octets that nobody can guess.
    pub seed: [u8; 32],
    /// Whether [`Output::KeyLog`] is wanted.
    pub key_log: bool,
    /// The algorithms.
    pub provider: &'static Provider,
}

/// One endpoint: all IKE SAs of a host (of a shard of it). See the crate's documentation for the driver's loop.
pub struct Engine {
    cx: Context,
    mint: SpiMint,
    sas: Slab<IkeSa>,
    index: Index,
    /// Where a first message's repetitions go: they do not carry our SPI yet.
    first: HashMap<(SocketAddr, Spi), usize>,
    half_open: Strangers,
    cookies: CookieJar,
    timers: Timers,
    supervisor: Supervisor,
    started: bool,
    shutdown: Option<Instant>,
    version_notices: admission::Limiter,
    /// First messages of IKEv1 peers that came in fragments.
    fragments: Fragments,
    /// Last answers of SAs that are gone, the latest first.
    farewells: VecDeque<Farewell>,
}

impl Engine {
    /// An engine that begins its work with the first input.
    pub fn new(config: EngineConfig, policy: Arc<Policy>) -> Self {
        let mut cx = Context::new(config.seed, config.key_log, config.provider, policy);
        let mint = SpiMint::new(cx.rng.bytes());
        Self {
            cx,
            mint,
            sas: Slab::new(),
            index: Index::default(),
            first: HashMap::new(),
            half_open: Strangers::default(),
            cookies: CookieJar::default(),
            timers: Timers::default(),
            supervisor: Supervisor::default(),
            started: false,
            shutdown: None,
            version_notices: admission::Limiter::default(),
            fragments: Fragments::default(),
            farewells: VecDeque::new(),
        }
    }

    /// Whether [`Event::Message`] is wanted, as it is until this is called. To describe every message takes a tenth of
    /// what the engine does for a handshake.
    pub fn tell_messages(&mut self, wanted: bool) {
        self.cx.tells_messages = wanted;
    }

    /// Takes one input at the time `now`, which never goes back.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.cx.now = self.cx.now.max(now);
        if !self.started {
            self.started = true;
            self.configure();
        }
        match input {
            Input::Datagram { local, remote, bytes } => self.on_datagram(local, remote, bytes),
            Input::SendFailed { local, remote, reason } => self.on_send_failed(local, remote, &reason),
            Input::Answer(ticket, answer) => self.on_answer(ticket, answer),
            Input::Command(command) => self.on_command(command),
            Input::Plane(event) => self.on_plane(&event),
            Input::Policy(policy) => self.reload(policy),
            Input::Timer => self.on_timer(),
        }
        self.apply_effects();
    }

    /// The next thing to do; `None` until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.cx.out.pop_front()
    }

    /// When to call `handle` with `Input::Timer`, and why.
    pub fn deadline(&self) -> Option<(Instant, Reason)> {
        if !self.started {
            return Some((Instant::default(), Reason::Retry));
        }
        self.timers.first()
    }

    /// How many IKE SAs exist, half-open ones included.
    pub fn sa_count(&self) -> usize {
        self.sas.len()
    }

    /// How many IKE SAs of unproven peers exist.
    pub fn half_open_count(&self) -> usize {
        self.half_open.count()
    }

    /// Sizes of everything that could grow, for tests of bounds.
    #[doc(hidden)]
    pub fn sizes(&self) -> [(&'static str, usize); 9] {
        [
            ("index", self.index.sizes().into_iter().max().unwrap_or_default()),
            ("SAs", self.sas.len()),
            ("half-open", self.half_open.count()),
            ("sources of half-open", self.half_open.sources()),
            ("first messages", self.first.len()),
            ("timers", self.timers.len()),
            ("tickets", self.cx.tickets()),
            ("farewells", self.farewells.len()),
            (
                "fragment octets",
                (self.sas.iter())
                    .map(|(_, ike)| ike.state.fragment_octets() + ike.reassembly.octets())
                    .sum::<usize>()
                    + self.fragments.octets(),
            ),
        ]
    }

    /// Whether the index says of every SA what a look at all of them does, for tests.
    #[doc(hidden)]
    pub fn index_agrees(&self) -> bool {
        self.index.agrees(&self.sas)
    }

    fn configure(&mut self) {
        let (attempts, gone) = self.supervisor.configure(&mut self.cx, &mut self.timers);
        for name in gone {
            for slot in self.index.of_connection(&name) {
                self.close(slot, "no longer configured");
            }
        }
        attempts.into_iter().for_each(|a| self.begin(a));
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Up { connection } => {
                let slots = self.index.of_connection(&connection);
                let is_up = slots
                    .iter()
                    .any(|slot| self.sas.get(*slot).is_some_and(|s| s.state.is_up()));
                let attempt = self.supervisor.up(&mut self.cx, &mut self.timers, &connection, is_up);
                attempt.into_iter().for_each(|a| self.begin(a));
            }
            Command::Down { connection } => {
                let sas = self.supervisor.down(&mut self.cx, &mut self.timers, &connection);
                // Those too that carry no traffic (yet).
                let mut slots = self.index.of_connection(&connection);
                slots.extend(sas.iter().filter_map(|id| self.index.of_id(*id)));
                slots.sort_unstable();
                slots.dedup();
                for slot in slots {
                    self.close(slot, "taken down");
                }
            }
            Command::Rekey { connection, what } => self.rekey(&connection, what),
            Command::Shutdown => {
                self.supervisor.shut_down(&mut self.timers);
                let end = self.cx.now + SHUTDOWN_GRACE;
                self.shutdown = Some(end);
                self.timers.set(Owner::Shutdown, Some((end, Reason::Shutdown)));
                for slot in self.slots(|_| true) {
                    self.close(slot, "shutting down");
                }
                self.idle_if_done(false);
            }
        }
    }

    fn on_send_failed(&mut self, local: SocketAddr, remote: SocketAddr, reason: &str) {
        let between = |ike: &IkeSa| (ike.sa.path.local, ike.sa.path.remote) == (local, remote);
        for slot in self.slots(|ike| ike.sa.initiator && between(ike)) {
            self.step(slot, |state, sa, _| state.on_send_failed(sa, reason));
        }
    }

    fn on_plane(&mut self, event: &PlaneEvent) {
        let (PlaneEvent::FirstInbound(child) | PlaneEvent::Expiring { child, .. } | PlaneEvent::Moved { child, .. }) =
            *event;
        let Some(slot) = self.index.of_child(child) else {
            return;
        };
        self.step(slot, |state, sa, cx| state.on_plane(sa, cx, event));
    }

    fn on_answer(&mut self, ticket: Ticket, answer: Answer) {
        match self.cx.redeem(ticket) {
            Some(Asker::Sa(slot)) => self.step(slot, |state, sa, cx| state.on_answer(sa, cx, ticket, answer)),
            Some(Asker::Connection(key)) => {
                let attempt = self
                    .supervisor
                    .on_answer(&mut self.cx, &mut self.timers, key, ticket, answer);
                attempt.into_iter().for_each(|a| self.begin(a));
            }
            None => {}
        }
    }

    fn on_timer(&mut self) {
        let now = self.cx.now;
        let mut due = VecDeque::new();
        while let Some(owner) = self.timers.pop_due(now) {
            due.push_back(owner);
        }
        for owner in due {
            match owner {
                Owner::Sa(slot) => self.step(slot, |state, sa, cx| state.on_timer(sa, cx)),
                Owner::Connection(key) => {
                    let attempt = self.supervisor.on_timer(&mut self.cx, key);
                    attempt.into_iter().for_each(|a| self.begin(a));
                }
                Owner::Shutdown => self.idle_if_done(true),
            }
        }
    }

    /// Starts negotiating as initiator.
    fn begin(&mut self, attempt: Attempt) {
        if self.shutdown.is_some() {
            return;
        }
        // It must be the only SA between the two identities, whatever connection another belongs to (RFC 7296
        // section 2.4).
        let wanted = &attempt.connection;
        let alone =
            !self.index.has_connection(&wanted.name) && !self.index.has_pair(&wanted.local_id, &wanted.remote_id);
        let path = Path::new(attempt.local, attempt.remote);
        let version = attempt.connection.versions.begins();
        let Some(slot) = self.insert(version, path, true, Spi::ZERO) else {
            return;
        };
        let Some(ike) = self.sas.get_mut(slot) else { return };
        ike.sa.initial_contact = alone;
        self.supervisor.connecting(attempt.key, ike.sa.id);
        let connection = attempt.connection;
        ike.connection = Some(connection.clone());
        self.step(slot, |_, sa, cx| machine::start(sa, cx, connection));
    }

    /// Makes room for an SA and gives it its SPI.
    fn insert(&mut self, version: u8, path: Path, initiator: bool, peer_spi: Spi) -> Option<usize> {
        let entry = self.sas.vacant_entry();
        let slot = entry.key();
        let index = u32::try_from(slot).ok()?;
        let (tag, spi) = loop {
            let tag = self.cx.rng.u32();
            if let Some(spi) = self.mint.mint(Place { slot: index, tag }) {
                break (tag, spi);
            }
        };
        let spis = if initiator { (spi, Spi::ZERO) } else { (peer_spi, spi) };
        let sa = Sa::new(&mut self.cx, slot, version, initiator, spis, path);
        let ike = entry.insert(IkeSa::new(sa, tag));
        self.index.file(slot, ike);
        Some(slot)
    }

    /// A look at all SAs, for what is rare. The index finds those of a connection or a child.
    fn slots(&self, mut wanted: impl FnMut(&IkeSa) -> bool) -> Vec<usize> {
        let found = self.sas.iter().filter(|(_, sa)| wanted(sa));
        found.map(|(slot, _)| slot).collect()
    }

    /// Deletes an SA: with the peer if there is one.
    fn close(&mut self, slot: usize, reason: &str) {
        self.step(slot, |state, sa, cx| state.close(sa, cx, reason));
    }

    fn apply_effects(&mut self) {
        while !self.cx.effects.is_empty() {
            let effect = self.cx.effects.remove(0);
            match effect {
                Effect::Reserve { by, peer } => self.reserve(by, peer),
                Effect::TakeOver { slot, adopt } => self.take_over(slot, adopt),
                Effect::Renew { slot } => self.renew(slot),
                Effect::Orphaned { slot } => self.orphaned(slot),
                Effect::Release { slot, id } => self.release(slot, id),
                Effect::InitialContact {
                    fresh,
                    connection,
                    peer,
                } => {
                    let older = Older { connection, peer };
                    let Some(slot) = self.index.of_id(fresh) else {
                        continue;
                    };
                    if let Some(ike) = self.sas.get_mut(slot) {
                        ike.older = Some(Box::new(older));
                    }
                    if self.sas.get(slot).is_some_and(|s| s.state.is_up()) {
                        self.replace_older(slot);
                    }
                }
                Effect::Farewell(farewell) => {
                    self.farewells.truncate(MAX_FAREWELLS - 1);
                    self.farewells.push_front(farewell);
                }
            }
        }
    }

    /// Forgets the SAs that a peer which began anew does not know. Not before the fresh SA carries traffic or has
    /// failed, so that a connection that is merely renewed is never reported down.
    fn replace_older(&mut self, fresh: usize) {
        let Some(ike) = self.sas.get_mut(fresh) else { return };
        let Some(older) = ike.older.take() else { return };
        let began = ike.sa.created;
        for slot in self.index.of_peer(&older.connection, &older.peer) {
            let is_older = |s: &IkeSa| s.state.is_with(&older.connection, &older.peer, began);
            if slot == fresh || !self.sas.get(slot).is_some_and(is_older) {
                continue;
            }
            self.step(slot, |state, sa, cx| Ok(state.abandon(sa, cx, "the peer began anew")));
        }
    }

    fn idle_if_done(&mut self, overdue: bool) {
        if self.shutdown.is_some() && (overdue || self.sas.is_empty()) {
            self.shutdown = None;
            self.timers.set(Owner::Shutdown, None);
            self.cx.event(Event::Idle);
        }
    }

    /// Runs one step of an SA and does the books afterwards.
    fn step(&mut self, slot: usize, run: impl FnOnce(Machine, &mut Sa, &mut Context) -> Next<Machine>) {
        let Some(ike) = self.sas.get_mut(slot) else { return };
        let (was_half_open, was_up) = (ike.state.is_half_open(), ike.state.is_up());
        ike.step(&mut self.cx, run);
        self.begin_successors();
        let Some(ike) = self.sas.get_mut(slot) else { return };
        self.index.file(slot, ike);
        let (id, is_up) = (ike.sa.id, ike.state.is_up());
        (self.half_open).changed(ike.first_from.ip(), was_half_open, ike.state.is_half_open());
        self.timers.set(Owner::Sa(slot), ike.state.deadline(&ike.sa));
        let connection = ike.connection.clone();
        let ended = ike.ended();
        if let Some(Connection { name, .. }) = connection.as_deref() {
            if is_up && !was_up {
                self.supervisor.established(&mut self.cx, &mut self.timers, name, id);
            }
            if let Some(reason) = &ended {
                self.supervisor.lost(&mut self.cx, &mut self.timers, name, id, reason);
            }
        }
        if ended.is_some() || (is_up && !was_up) {
            self.replace_older(slot);
        }
        if let Some(reason) = ended {
            self.remove(slot, id, reason);
        } else if is_up && !was_up {
            self.give_way(slot, connection.as_deref().map(|c| c.name.as_str()));
        }
    }

    /// The peer's attempt came first: ours, of which it knows nothing that lasts, is not needed any more. One that has
    /// gone on to IKE_AUTH stays, and no longer says that it is the only one.
    fn give_way(&mut self, up: usize, connection: Option<&str>) {
        let Some(connection) = connection else { return };
        let slots = self.index.attempts(connection);
        for slot in slots.into_iter().filter(|slot| *slot != up) {
            if let Some(ike) = self.sas.get_mut(slot) {
                ike.sa.initial_contact = false;
            }
            self.step(slot, |state, sa, cx| {
                if state.is_unheard() {
                    return Ok(state.abandon(sa, cx, "the peer connected first"));
                }
                Ok(state)
            });
        }
    }

    fn remove(&mut self, slot: usize, id: SaId, reason: String) {
        let mut ike = self.sas.remove(slot);
        self.index.forget(slot, &ike);
        ike.sa.withdraw(&mut self.cx);
        let places = ike.reserved.iter().map(|&(slot, id)| Effect::Release { slot, id });
        self.cx.effects.extend(places);
        self.timers.set(Owner::Sa(slot), None);
        let key = (ike.first_from, ike.sa.spi_i);
        if !ike.sa.initiator && self.first.get(&key) == Some(&slot) {
            self.first.remove(&key);
        }
        let gone = SaDelta::IkeSaGone {
            id,
            reason: reason.clone(),
        };
        record(&mut self.cx, gone);
        self.cx.event(Event::IkeGone { sa: id, reason });
        self.idle_if_done(false);
    }
}
