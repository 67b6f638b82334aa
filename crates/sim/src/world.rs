//! Hosts, the network between them, and the time.

use std::net::SocketAddr;
use std::time::Duration;

use handfast_engine::{Command, Input, Instant, Transmit};

use crate::host::Host;
use crate::network::Network;

/// See the module.
pub struct World {
    /// The time.
    pub now: Instant,
    /// The hosts.
    pub hosts: Vec<Host>,
    /// The network.
    pub network: Network,
}

impl World {
    /// A world at time zero.
    pub fn new(seed: u64, hosts: Vec<Host>) -> Self {
        Self {
            now: Instant::default(),
            hosts,
            network: Network::new(seed),
        }
    }

    /// Gives a host a command.
    pub fn command(&mut self, host: usize, command: Command) {
        let sent = self.hosts[host].feed(self.now, Input::Command(command));
        self.carry(sent);
    }

    fn carry(&mut self, sent: Vec<Transmit>) {
        for transmit in sent {
            self.network.send(self.now, transmit);
        }
    }

    /// Runs until `done`, at most `limit` of virtual time. Returns whether it was done.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&World) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            if done(self) {
                return true;
            }
            let deadlines = self.hosts.iter().filter_map(|h| h.engine.deadline()).map(|(at, _)| at);
            let Some(next) = deadlines.chain(self.network.next_at()).min() else {
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
        while let Some((from, to, bytes)) = self.network.arrived(self.now) {
            self.deliver(from, to, &bytes);
        }
        for index in 0..self.hosts.len() {
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

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Some(index) = self.hosts.iter().position(|h| h.addresses.contains(&to.ip())) else {
            return;
        };
        if bytes == [0xff] {
            return;
        }
        let sent = self.hosts[index].feed(
            self.now,
            Input::Datagram {
                local: to,
                remote: from,
                bytes,
            },
        );
        self.carry(sent);
    }
}
