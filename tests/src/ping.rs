//! Echo requests, and the answer to each of them.
//!
//! The command `ping` serves to look at a network, not to count what it loses: once it has an answer it waits for the
//! others no longer than twice the slowest round trip so far, or the interval if that is more (ping(8) on -W). On a
//! machine with work to do an answer after 20 ms is nothing strange, and the last few of its echoes seem to be lost. Here
//! each has the same time.

use std::fmt;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::hops::{self, Counters};
use crate::netns::Namespace;

/// An echo without an answer for so long is lost.
const LOST: Duration = Duration::from_secs(5);
/// Type, code, checksum, identifier and sequence number (RFC 792, RFC 4443 section 4.1).
const HEADER: usize = 8;

/// What to send.
#[derive(Clone, Copy, Debug)]
pub struct Echoes {
    /// From which of the host's addresses.
    pub from: IpAddr,
    /// To whom.
    pub to: IpAddr,
    /// How many.
    pub count: u16,
    /// Time between two of them.
    pub interval: Duration,
    /// Octets of data in each.
    pub octets: usize,
    /// TOS or traffic class.
    pub tos: u32,
}

/// What became of it.
#[derive(Debug)]
pub struct Pinged {
    echoes: Echoes,
    /// Of each its round trip, if it came back.
    round_trips: Vec<Option<Duration>>,
    /// Of each that the host would not send, why.
    refused: Vec<(usize, io::Error)>,
    /// What the hosts counted meanwhile, if something was lost.
    way: String,
}

impl Pinged {
    /// How many came back.
    pub fn received(&self) -> u32 {
        self.round_trips.iter().flatten().map(|_| 1).sum()
    }

    /// Where the others vanished: counters of both hosts and of what is between.
    pub fn way(&self) -> &str {
        &self.way
    }
}

impl fmt::Display for Pinged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Echoes { from, to, count, .. } = self.echoes;
        let lost: Vec<usize> = (0..)
            .zip(&self.round_trips)
            .filter(|(_, r)| r.is_none())
            .map(|(n, _)| n)
            .collect();
        writeln!(f, "{from} to {to}: {} of {count} echoes came back", self.received())?;
        if let (Some(first), Some(slowest)) = (
            self.round_trips.iter().flatten().next(),
            self.round_trips.iter().flatten().max(),
        ) {
            writeln!(f, "round trips: the first {first:?}, the slowest {slowest:?}")?;
        }
        if !lost.is_empty() {
            writeln!(f, "not, within {LOST:?}, counted from 0: {lost:?}")?;
        }
        for (number, error) in &self.refused {
            writeln!(f, "{number} was not sent: {error}")?;
        }
        f.write_str(&self.way)
    }
}

/// Sends them from `space`; returns when all have come back, or when the last has had its time.
pub fn ping(space: &Namespace, echoes: Echoes) -> Pinged {
    let before = hops::count(space);
    let mut pinged = space
        .inside(|| Pinger::new(echoes).and_then(Pinger::run))
        .unwrap_or_else(|e| panic!("cannot ping from {} in {}: {e}", echoes.from, space.name()));
    if pinged.received() < u32::from(echoes.count) {
        pinged.way = way(space, echoes, &before);
    }
    pinged
}

fn way(space: &Namespace, echoes: Echoes, before: &[Counters]) -> String {
    let gained = hops::gained(before, &hops::count(space));
    hops::way(space, echoes.to, echoes.count.into(), &gained)
}

struct Pinger {
    socket: Socket,
    echoes: Echoes,
    id: u16,
    sent: Vec<Instant>,
    pinged: Pinged,
}

impl Pinger {
    fn new(echoes: Echoes) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let v4 = echoes.to.is_ipv4();
        let (domain, protocol) = if v4 {
            (Domain::IPV4, Protocol::ICMPV4)
        } else {
            (Domain::IPV6, Protocol::ICMPV6)
        };
        let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
        socket.bind(&SocketAddr::new(echoes.from, 0).into())?;
        match v4 {
            true => socket.set_tos_v4(echoes.tos)?,
            false => socket.set_tclass_v6(echoes.tos)?,
        }
        Ok(Self {
            socket,
            echoes,
            // No two at work in this process share one.
            id: process::id().wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed)) as u16,
            sent: Vec::new(),
            pinged: Pinged {
                echoes,
                round_trips: vec![None; echoes.count.into()],
                refused: Vec::new(),
                way: String::new(),
            },
        })
    }

    fn run(mut self) -> io::Result<Pinged> {
        for number in 0..self.echoes.count {
            let echo = self.echo(number);
            self.sent.push(Instant::now());
            if let Err(error) = self.socket.send_to(&echo, &SocketAddr::new(self.echoes.to, 0).into()) {
                self.pinged.refused.push((number.into(), error));
            }
            // Whatever the time is now: a late start is no reason to hurry.
            self.listen(Instant::now() + self.echoes.interval, false)?;
        }
        self.listen(Instant::now() + LOST, true)?;
        Ok(self.pinged)
    }

    /// Takes answers until then, or only until there are all.
    fn listen(&mut self, until: Instant, only_all: bool) -> io::Result<()> {
        let mut packet = [0; 65_536];
        let wanted = usize::from(self.echoes.count) - self.pinged.refused.len();
        while !(only_all && self.pinged.received() as usize >= wanted) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.socket.set_read_timeout(Some(left.max(Duration::from_micros(1))))?;
            match (&self.socket).read(&mut packet) {
                Ok(len) => self.answer(packet.get(..len).unwrap_or_default()),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn answer(&mut self, packet: &[u8]) {
        // A raw socket of IPv4 gives the IP header too.
        let (header, kind) = match self.echoes.to {
            IpAddr::V4(_) => (packet.first().map_or(0, |first| usize::from(first & 15) * 4), 0),
            IpAddr::V6(_) => (0, 129),
        };
        let Some([k, 0, _, _, i0, i1, n0, n1]) = packet.get(header..).and_then(|icmp| icmp.first_chunk::<HEADER>())
        else {
            return;
        };
        let number = usize::from(u16::from_be_bytes([*n0, *n1]));
        if (*k, u16::from_be_bytes([*i0, *i1])) != (kind, self.id) {
            return;
        }
        if let (Some(slot), Some(sent)) = (self.pinged.round_trips.get_mut(number), self.sent.get(number)) {
            slot.get_or_insert(sent.elapsed());
        }
    }

    fn echo(&self, number: u16) -> Vec<u8> {
        let kind = if self.echoes.to.is_ipv4() { 8 } else { 128 };
        let ([i0, i1], [n0, n1]) = (self.id.to_be_bytes(), number.to_be_bytes());
        let mut echo = vec![kind, 0, 0, 0, i0, i1, n0, n1];
        echo.resize(HEADER + self.echoes.octets, 0);
        // In IPv6 the kernel does it (RFC 3542 section 3.1).
        if self.echoes.to.is_ipv4() {
            let checksum = checksum(&echo).to_be_bytes();
            echo[2..4].copy_from_slice(&checksum);
        }
        echo
    }
}

/// RFC 1071.
fn checksum(octets: &[u8]) -> u16 {
    let words = octets
        .chunks(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], *word.get(1).unwrap_or(&0)])));
    let mut sum = words.fold(0u32, u32::wrapping_add);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_with_its_checksum_sums_up_to_nothing() {
        let mut echo = vec![8, 0, 0, 0, 0x12, 0x34, 0, 1, 0xff, 0xfe, 0xfd];
        let sum = checksum(&echo);
        assert_eq!(sum, 0xe8ca);
        echo[2..4].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(checksum(&echo), 0);
    }
}
