//! Hosts, the network between them, and the time.

use std::sync::Arc;
use std::time::Duration;

use handfast_engine::policy::Policy;
use handfast_engine::{Command, Input, Instant, Transmit};

use crate::host::Host;
use crate::network::{Network, Packet};

/// What arrives in place of an IKE datagram, made by someone who may know the hosts' keys.
pub type Tamper = Box<dyn FnMut(&[Host], &Transmit) -> Vec<Vec<u8>>>;

/// See the module.
pub struct World {
    /// The time.
    pub now: Instant,
    /// The hosts.
    pub hosts: Vec<Host>,
    /// The network.
    pub network: Network,
    /// Who sits between the hosts.
    pub tamper: Option<Tamper>,
}

impl World {
    /// A world at time zero.
    pub fn new(seed: u64, hosts: Vec<Host>) -> Self {
        Self {
            now: Instant::default(),
            hosts,
            network: Network::new(seed),
            tamper: None,
        }
    }

    /// Gives a host a command.
    pub fn command(&mut self, host: usize, command: Command) {
        let sent = self.hosts[host].feed(self.now, Input::Command(command));
        self.carry(sent);
    }

    /// Gives a host another policy.
    pub fn reload(&mut self, host: usize, policy: Policy) {
        let sent = self.hosts[host].feed(self.now, Input::Policy(Arc::new(policy)));
        self.carry(sent);
    }

    /// Gives a host an answer that was held back, the first or the last. Returns whether there was one.
    pub fn release(&mut self, host: usize, first: bool) -> bool {
        let held = &mut self.hosts[host].held;
        let answer = if first { held.pop_front() } else { held.pop_back() };
        let Some((ticket, answer)) = answer else { return false };
        let sent = self.hosts[host].feed(self.now, Input::Answer(ticket, answer));
        self.carry(sent);
        true
    }

    fn carry(&mut self, sent: Vec<Transmit>) {
        for transmit in sent {
            let Some(tamper) = &mut self.tamper else {
                self.network.send(self.now, transmit);
                continue;
            };
            for bytes in tamper(&self.hosts, &transmit) {
                self.network.send(
                    self.now,
                    Transmit {
                        bytes: bytes.into(),
                        ..transmit.clone()
                    },
                );
            }
        }
    }

    /// Sends an IP packet of `octets` from the net behind a host to the net behind the other.
    pub fn packet(&mut self, host: usize, octets: usize) {
        for packet in self.hosts[host].packet(octets) {
            self.network.carry(self.now, packet);
        }
        let sent = self.hosts[host].plane_events(self.now);
        self.carry(sent);
    }

    /// Runs until `done`, at most `limit` of virtual time. Returns whether it was done.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&World) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            if done(self) {
                return true;
            }
            let deadlines = self.hosts.iter().filter_map(|h| h.engine.deadline()).map(|(at, _)| at);
            let answers = self.hosts.iter().filter_map(Host::next_answer);
            let Some(next) = deadlines.chain(answers).chain(self.network.next_at()).min() else {
                return false;
            };
            if next > end {
                self.now = end;
                return done(self);
            }
            self.now = self.now.max(next);
            self.tick();
        }
    }

    /// Runs for this long, whatever happens.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(time, |_| false);
        self.now = end;
    }

    fn tick(&mut self) {
        while let Some(packet) = self.network.arrived(self.now) {
            self.deliver(packet);
        }
        for index in 0..self.hosts.len() {
            let sent = self.hosts[index].late_answers(self.now);
            self.carry(sent);
            if self.hosts[index]
                .engine
                .deadline()
                .is_some_and(|(at, _)| at <= self.now)
            {
                let sent = self.hosts[index].feed(self.now, Input::Timer);
                self.carry(sent);
            }
        }
    }

    fn deliver(&mut self, packet: Packet) {
        let Packet { from, to, esp, bytes } = packet;
        let Some(index) = self.hosts.iter().position(|h| h.addresses.contains(&to.ip())) else {
            return;
        };
        let sent = if esp {
            self.hosts[index].esp(self.now, from, bytes)
        } else if bytes == [0xff] {
            return;
        } else {
            let input = Input::Datagram {
                local: to,
                remote: from,
                bytes: &bytes,
            };
            self.hosts[index].feed(self.now, input)
        };
        self.carry(sent);
    }
}
