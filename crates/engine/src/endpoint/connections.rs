//! Keeps the connections that should be up, up: attempts, back-off, and what is told of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use handfast_store::delta::{DownFacts, SaDelta, SaId};

use crate::context::{Asker, Context};
use crate::endpoint::timers::{Owner, Reason, Timers};
use crate::event::Event;
use crate::input::Answer;
use crate::output::{Question, Ticket};
use crate::policy::{Connection, Remote, Start};
use crate::reload;
use crate::sa::record;
use crate::time::Instant;

/// Longest wait between attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// Where an attempt stands.
enum Phase {
    /// Nothing to do.
    Idle,
    /// Looking the peer's name up.
    Resolving(Ticket),
    /// Finding out which of our addresses to use towards this one.
    Locating(Ticket, IpAddr),
    /// Negotiating.
    Connecting(SaId),
    /// The next attempt comes then.
    Retry(Instant),
    /// At least one SA carries traffic.
    Up,
}

struct Entry {
    key: u64,
    connection: Arc<Connection>,
    /// Someone wants it up.
    wanted: bool,
    phase: Phase,
    /// Its settings changed: it is begun anew as soon as what stands of it is gone.
    renew: bool,
    attempts: u32,
    sas: BTreeSet<SaId>,
    /// When it last came up.
    up_since: Instant,
}

/// An attempt to make.
pub(crate) struct Attempt {
    pub connection: Arc<Connection>,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub key: u64,
}

#[derive(Default)]
pub(crate) struct Supervisor {
    /// By key.
    list: BTreeMap<u64, Entry>,
    /// Their keys.
    names: HashMap<String, u64>,
    next_key: u64,
}

impl Supervisor {
    /// Takes a policy over. Returns attempts to make, and the names that are gone.
    pub fn configure(&mut self, cx: &mut Context, timers: &mut Timers) -> (Vec<Attempt>, Vec<String>) {
        let connections = cx.policy.connections.clone();
        let named: HashSet<&str> = connections.iter().map(|c| c.name.as_str()).collect();
        let is_gone = |e: &&Entry| !named.contains(e.connection.name.as_str());
        let gone = self.list.values().filter(is_gone);
        let gone: Vec<String> = gone.map(|e| e.connection.name.clone()).collect();
        for name in &gone {
            if let Some(key) = self.names.remove(name) {
                self.list.remove(&key);
                timers.set(Owner::Connection(key), None);
            }
            let connection = name.clone();
            record(cx, SaDelta::ConnectionGone { connection });
        }
        let mut attempts = vec![];
        for connection in connections {
            if let Some(entry) = self.named(&connection.name) {
                let before = std::mem::replace(&mut entry.connection, connection);
                let now = &entry.connection;
                let may = now.remote != Remote::Any;
                match (before.start, now.start) {
                    _ if !may => entry.wanted = false,
                    (Start::Wait, Start::Now) => entry.wanted = true,
                    (Start::Now, Start::Wait) => entry.wanted = false,
                    _ => {}
                }
                let renew = reload::renews(&before, &entry.connection);
                attempts.extend(entry.reconfigured(cx, timers, renew));
                continue;
            }
            let wanted = connection.start == Start::Now && connection.remote != Remote::Any;
            let key = self.next_key;
            self.next_key += 1;
            let mut entry = Entry {
                key,
                connection,
                wanted,
                phase: Phase::Idle,
                renew: false,
                attempts: 0,
                sas: BTreeSet::new(),
                up_since: cx.now,
            };
            if wanted {
                attempts.extend(entry.attempt(cx));
            } else {
                entry.wait(cx);
            }
            self.names.insert(entry.connection.name.clone(), key);
            self.list.insert(key, entry);
        }
        (attempts, gone)
    }

    fn named(&mut self, name: &str) -> Option<&mut Entry> {
        self.list.get_mut(self.names.get(name)?)
    }

    fn keyed(&mut self, key: u64) -> Option<&mut Entry> {
        self.list.get_mut(&key)
    }

    /// A person wants it up. `is_up`: an SA of it carries traffic and is not being deleted.
    pub fn up(&mut self, cx: &mut Context, timers: &mut Timers, name: &str, is_up: bool) -> Option<Attempt> {
        let Some(entry) = self.named(name) else {
            cx.event(unknown(name));
            return None;
        };
        if entry.connection.remote == Remote::Any {
            let reason = "its remote is \"any\": only the peer can begin".to_string();
            cx.event(Event::ConnectionDown {
                connection: name.into(),
                reason,
                retry_in: None,
            });
            return None;
        }
        entry.wanted = true;
        match entry.phase {
            Phase::Up if is_up => {
                cx.event(Event::ConnectionUp {
                    connection: name.into(),
                });
                None
            }
            // What is left of it is being deleted; it comes again after that.
            Phase::Up => {
                entry.attempts = 0;
                None
            }
            Phase::Idle | Phase::Retry(_) => {
                timers.set(Owner::Connection(entry.key), None);
                entry.attempts = 0;
                entry.attempt(cx)
            }
            Phase::Resolving(_) | Phase::Locating(..) | Phase::Connecting(_) => None,
        }
    }

    /// A person wants it down. Returns the SAs to close.
    pub fn down(&mut self, cx: &mut Context, timers: &mut Timers, name: &str) -> Vec<SaId> {
        let Some(entry) = self.named(name) else {
            cx.event(unknown(name));
            return vec![];
        };
        entry.wanted = false;
        entry.renew = false;
        timers.set(Owner::Connection(entry.key), None);
        let mut sas: Vec<SaId> = entry.sas.iter().copied().collect();
        if let Phase::Connecting(sa) = entry.phase {
            sas.push(sa);
        }
        if sas.is_empty() {
            entry.phase = Phase::Idle;
            entry.tell(cx, "down", "taken down", None);
        }
        sas
    }

    pub fn on_answer(
        &mut self,
        cx: &mut Context,
        timers: &mut Timers,
        key: u64,
        ticket: Ticket,
        answer: Answer,
    ) -> Option<Attempt> {
        let entry = self.keyed(key)?;
        match (&entry.phase, answer) {
            (Phase::Resolving(asked), Answer::Addresses(found)) if *asked == ticket => match found {
                Ok(list) if !list.is_empty() => {
                    let index = entry.attempts as usize % list.len();
                    entry.locate(cx, list[index])
                }
                Ok(_) => entry.failed(cx, timers, "its name has no address"),
                Err(why) => entry.failed(cx, timers, &format!("its name does not resolve: {why}")),
            },
            (Phase::Locating(asked, remote), Answer::LocalAddress(found)) if *asked == ticket => match found {
                Ok(local) => Some(entry.begin(cx, local, *remote)),
                Err(why) => entry.failed(cx, timers, &format!("no way to the peer: {why}")),
            },
            _ => None,
        }
    }

    pub fn on_timer(&mut self, cx: &mut Context, key: u64) -> Option<Attempt> {
        let entry = self.keyed(key)?;
        matches!(entry.phase, Phase::Retry(at) if cx.now >= at)
            .then(|| entry.attempt(cx))
            .flatten()
    }

    /// Whether someone wants it up.
    pub fn wants(&mut self, name: &str) -> bool {
        self.named(name).is_some_and(|entry| entry.wanted)
    }

    /// An attempt has its SA.
    pub fn connecting(&mut self, key: u64, sa: SaId) {
        if let Some(entry) = self.keyed(key) {
            entry.phase = Phase::Connecting(sa);
        }
    }

    /// An SA of this connection carries traffic.
    pub fn established(&mut self, cx: &mut Context, timers: &mut Timers, name: &str, sa: SaId) {
        let Some(entry) = self.named(name) else { return };
        entry.sas.insert(sa);
        timers.set(Owner::Connection(entry.key), None);
        if !matches!(entry.phase, Phase::Up) {
            entry.phase = Phase::Up;
            entry.up_since = cx.now;
            let connection = name.to_string();
            record(
                cx,
                SaDelta::ConnectionUp {
                    connection: connection.clone(),
                },
            );
            cx.event(Event::ConnectionUp { connection });
        }
    }

    /// An SA of this connection was replaced by another.
    pub fn succeeded(&mut self, name: &str, old: SaId, new: SaId) {
        let Some(entry) = self.named(name) else { return };
        if entry.sas.remove(&old) {
            entry.sas.insert(new);
        }
    }

    /// An SA of this connection is gone or going.
    pub fn lost(&mut self, cx: &mut Context, timers: &mut Timers, name: &str, sa: SaId, reason: &str) {
        let Some(entry) = self.named(name) else { return };
        entry.sas.remove(&sa);
        let concerns = match entry.phase {
            Phase::Connecting(current) => current == sa,
            Phase::Up => entry.sas.is_empty(),
            _ => false,
        };
        if concerns {
            entry.failed(cx, timers, reason);
        }
    }

    /// Nothing is tried any more.
    pub fn shut_down(&mut self, timers: &mut Timers) {
        for entry in self.list.values_mut() {
            entry.wanted = false;
            entry.renew = false;
            timers.set(Owner::Connection(entry.key), None);
        }
    }
}

fn unknown(name: &str) -> Event {
    Event::CommandFailed {
        reason: format!("no connection is called {name:?}"),
    }
}

impl Entry {
    /// The settings were read again. `renew`: what stands of it cannot go on, and its SAs are being closed.
    fn reconfigured(&mut self, cx: &mut Context, timers: &mut Timers, renew: bool) -> Option<Attempt> {
        match self.phase {
            Phase::Idle if self.wanted => return self.attempt(cx),
            Phase::Idle => {}
            // What failed with the old settings may succeed with the new ones.
            Phase::Resolving(_) | Phase::Locating(..) | Phase::Retry(_) if self.wanted && renew => {
                timers.set(Owner::Connection(self.key), None);
                self.attempts = 0;
                return self.attempt(cx);
            }
            Phase::Resolving(_) | Phase::Locating(..) | Phase::Retry(_) if !self.wanted => {
                timers.set(Owner::Connection(self.key), None);
                self.phase = Phase::Idle;
                self.wait(cx);
            }
            Phase::Resolving(_) | Phase::Locating(..) | Phase::Retry(_) => {}
            Phase::Connecting(_) | Phase::Up => self.renew |= renew,
        }
        None
    }

    /// Says what it waits for.
    fn wait(&self, cx: &mut Context) {
        let reason = match self.connection.remote {
            Remote::Any => "waits for a peer from any address",
            _ => "waits for the peer or for `up`",
        };
        self.tell(cx, "waiting", reason, None);
    }

    fn attempt(&mut self, cx: &mut Context) -> Option<Attempt> {
        self.tell_connecting(cx);
        match self.connection.remote.clone() {
            Remote::Any => None,
            Remote::Address(remote) => self.locate(cx, remote),
            Remote::Name(name) => {
                self.phase = Phase::Resolving(cx.ask(Asker::Connection(self.key), Question::Resolve(name)));
                None
            }
        }
    }

    fn locate(&mut self, cx: &mut Context, remote: IpAddr) -> Option<Attempt> {
        let configured = self.connection.local.iter().find(|l| l.is_ipv4() == remote.is_ipv4());
        if let Some(local) = configured {
            return Some(self.begin(cx, *local, remote));
        }
        let ticket = cx.ask(Asker::Connection(self.key), Question::LocalAddress(remote));
        self.phase = Phase::Locating(ticket, remote);
        None
    }

    fn begin(&mut self, cx: &Context, local: IpAddr, remote: IpAddr) -> Attempt {
        Attempt {
            connection: self.connection.clone(),
            local: SocketAddr::new(local, cx.policy.ports.ike),
            remote: SocketAddr::new(remote, self.connection.remote_port),
            key: self.key,
        }
    }

    /// Down, and again later if it is wanted.
    fn failed(&mut self, cx: &mut Context, timers: &mut Timers, reason: &str) -> Option<Attempt> {
        let renew = std::mem::take(&mut self.renew);
        if !self.wanted {
            self.phase = Phase::Idle;
            self.tell(cx, "down", reason, None);
            return None;
        }
        // One that comes up and goes at once, again and again, is not tried at the shortest interval for ever.
        if matches!(self.phase, Phase::Up) && cx.now.since(self.up_since) >= MAX_BACKOFF {
            self.attempts = 0;
        }
        let doubled = Duration::from_secs(1) * 2u32.saturating_pow(self.attempts.min(10));
        let mut wait = cx.rng.jitter(doubled.min(MAX_BACKOFF));
        self.attempts = self.attempts.saturating_add(1);
        if renew {
            (wait, self.attempts) = (Duration::ZERO, 0);
        }
        let at = cx.now + wait;
        self.phase = Phase::Retry(at);
        timers.set(Owner::Connection(self.key), Some((at, Reason::Retry)));
        self.tell(cx, "retrying", reason, Some(at));
        None
    }

    fn tell_connecting(&self, cx: &mut Context) {
        self.record(cx, "connecting", "negotiating", None);
    }

    fn tell(&self, cx: &mut Context, state: &str, reason: &str, retry: Option<Instant>) {
        self.record(cx, state, reason, retry);
        let retry_in = retry.map(|at| at.since(cx.now));
        let connection = self.connection.name.clone();
        cx.event(Event::ConnectionDown {
            connection,
            reason: reason.into(),
            retry_in,
        });
    }

    fn record(&self, cx: &mut Context, state: &str, reason: &str, retry: Option<Instant>) {
        record(
            cx,
            SaDelta::ConnectionDown(DownFacts {
                connection: self.connection.name.clone(),
                state: state.into(),
                reason: reason.into(),
                retry_ms: retry.map(Instant::as_millis),
            }),
        );
    }
}
