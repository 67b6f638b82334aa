//! The load: our own engine as initiator of many SAs from one address. A fixed number of them is under way at any time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use handfast_benches::ends::{answer, seed};
use handfast_crypto::default_provider;
use handfast_engine::output::TransmitKind;
use handfast_engine::policy::Policy;
use handfast_engine::{Command, Engine, EngineConfig, Event, Input, Instant, Output, Transmit};
use handfast_tests::netns::Namespace;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};

use crate::pki::today;
use crate::suite::INITIATOR;

/// Before an IKE message on port 4500 (RFC 3948 section 2.2).
const MARKER: [u8; 4] = [0; 4];
/// No setup takes so long but one that will never end.
const STUCK: Duration = Duration::from_secs(60);

/// See the module.
pub struct Generator {
    engine: Engine,
    sockets: [(u16, UdpSocket); 2],
    began: Clock,
    to_send: VecDeque<Transmit>,
    /// Children that are up.
    up: usize,
    /// Requests that were sent again.
    pub retransmitted: usize,
    failure: Option<String>,
}

impl Generator {
    /// With sockets in `space`; nothing is sent yet.
    pub fn new(space: &Namespace, policy: Policy) -> Self {
        let config = EngineConfig {
            seed: seed(),
            key_log: false,
            provider: default_provider(),
        };
        let mut this = Self {
            engine: Engine::new(config, Arc::new(policy)),
            sockets: sockets(space),
            began: Clock::now(),
            to_send: VecDeque::new(),
            up: 0,
            retransmitted: 0,
            failure: None,
        };
        this.feed(Input::Timer);
        // That every connection waits is no failure.
        this.failure = None;
        this
    }

    /// Brings connections `from` to `to` up, `window` at a time; how long that took.
    pub fn run(&mut self, from: usize, to: usize, window: usize) -> Result<Duration, String> {
        let start = Clock::now();
        let before = self.up;
        let (mut begun, mut progress) = (from, (before, Clock::now()));
        let mut buffer = vec![0; 65_536];
        while self.up - before < to - from {
            while begun < to && begun - from - (self.up - before) < window {
                let connection = format!("c{begun}");
                self.feed(Input::Command(Command::Up { connection }));
                begun += 1;
            }
            self.flush()?;
            if !self.receive(&mut buffer)? {
                self.rest()?;
            }
            if self.engine.deadline().is_some_and(|(at, _)| at <= self.now()) {
                self.feed(Input::Timer);
            }
            if let Some(why) = self.failure.take() {
                return Err(format!("after {} setups: {why}", self.up));
            }
            if self.up != progress.0 {
                progress = (self.up, Clock::now());
            } else if progress.1.elapsed() > STUCK {
                return Err(format!("nothing happens any more after {} setups", self.up));
            }
        }
        self.flush()?;
        Ok(start.elapsed())
    }

    /// Brings connections `from` to `to` up one by one, at rest for so long before each; how long each waited for the answer
    /// to its first message.
    pub fn one_by_one(&mut self, from: usize, to: usize, rest: Duration) -> Result<Vec<Duration>, String> {
        let mut waited = Vec::new();
        let mut buffer = vec![0; 65_536];
        for n in from..to {
            std::thread::sleep(rest);
            let (before, connection) = (self.up, format!("c{n}"));
            self.feed(Input::Command(Command::Up { connection }));
            let sent = Clock::now();
            self.flush()?;
            self.rest()?;
            waited.push(sent.elapsed());
            while self.up == before {
                if !self.receive(&mut buffer)? {
                    self.rest()?;
                }
                self.flush()?;
                if let Some(why) = self.failure.take() {
                    return Err(format!("after {} setups: {why}", self.up));
                }
                if sent.elapsed() > STUCK {
                    return Err(format!("nothing happens any more after {} setups", self.up));
                }
            }
        }
        Ok(waited)
    }

    fn now(&self) -> Instant {
        Instant(self.began.elapsed())
    }

    fn feed(&mut self, input: Input<'_>) {
        let now = self.now();
        self.engine.handle(now, input);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit(transmit) => self.to_send.push_back(transmit),
                Output::Ask(ticket, question) => self
                    .engine
                    .handle(now, Input::Answer(ticket, answer(question, today()))),
                Output::Event(Event::ChildEstablished { .. }) => self.up += 1,
                Output::Event(Event::Retransmitted { .. }) => self.retransmitted += 1,
                Output::Event(Event::ConnectionDown { connection, reason, .. }) => {
                    self.failure.get_or_insert(format!("{connection}: {reason}"));
                }
                Output::Event(_) | Output::Record(_) | Output::KeyLog(_) => {}
            }
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        while let Some(transmit) = self.to_send.pop_front() {
            let [plain, natt] = &self.sockets;
            let sent = if transmit.local.port() == natt.0 {
                let marker: &[u8] = if transmit.kind == TransmitKind::Ike {
                    &MARKER
                } else {
                    &[]
                };
                natt.1.send_to(&[marker, &transmit.bytes].concat(), transmit.remote)
            } else {
                plain.1.send_to(&transmit.bytes, transmit.remote)
            };
            match sent {
                Ok(_) => {}
                // A full queue: the engine sends again.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(format!("cannot send to {}: {error}", transmit.remote)),
            }
        }
        Ok(())
    }

    /// Takes all that waits. Whether there was anything.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<bool, String> {
        let mut any = false;
        for index in 0..self.sockets.len() {
            loop {
                let (port, socket) = &self.sockets[index];
                let local = SocketAddr::new(handfast_sim::policies::parsed(INITIATOR), *port);
                let (length, remote) = match socket.recv_from(buffer) {
                    Ok(received) => received,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(format!("cannot receive: {error}")),
                };
                any = true;
                let bytes = buffer.get(..length).unwrap_or_default();
                let bytes = if index == 1 {
                    bytes.strip_prefix(&MARKER).unwrap_or_default()
                } else {
                    bytes
                };
                self.feed(Input::Datagram { local, remote, bytes });
            }
        }
        Ok(any)
    }

    /// Waits for the next datagram or deadline.
    fn rest(&self) -> Result<(), String> {
        let until = self.engine.deadline().map(|(at, _)| at.since(self.now()));
        let milliseconds = until.map_or(1000, |d| d.as_millis().min(1000));
        let timeout = PollTimeout::from(milliseconds as u16);
        let mut waiting = [0, 1].map(|n: usize| PollFd::new(self.sockets[n].1.as_fd(), PollFlags::POLLIN));
        poll(&mut waiting, timeout).map_err(|e| format!("cannot wait: {e}"))?;
        Ok(())
    }
}

/// Only the thread that makes them goes into the namespace.
fn sockets(space: &Namespace) -> [(u16, UdpSocket); 2] {
    let path = format!("/run/netns/{}", space.name());
    let made = std::thread::spawn(move || {
        let space = File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        setns(space, CloneFlags::CLONE_NEWNET).unwrap_or_else(|e| panic!("{path}: {e}"));
        [500, 4500].map(|port| {
            let socket = UdpSocket::bind((INITIATOR, port)).and_then(|socket| {
                socket.set_nonblocking(true)?;
                Ok(socket)
            });
            (port, socket.unwrap_or_else(|e| panic!("UDP port {port}: {e}")))
        })
    });
    made.join().unwrap_or_else(|_| panic!("no sockets"))
}
