//! The network edges of a daemon: what leaves, and how.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use handfast_engine::event::KeyLog;
use handfast_engine::output::TransmitKind;
use handfast_engine::policy::Ports;
use handfast_engine::{Event, Transmit};
use handfast_esp::udp_encap::NON_ESP_MARKER;
use handfast_plane::op::{Encapsulation, OuterPath};

use super::core::{Surroundings, Unsent};
use crate::keylog::KeyLogWriter;
use crate::net;
use crate::net::raw_esp::RawEsp;
use crate::net::udp::{Datagram, UdpSet};

/// Ethernet's MTU, where the kernel does not know better.
const USUAL_MTU: usize = 1500;

/// Sends sealed packets: `bytes` is one or several, each of `segment` octets but for the last. `tos`: their outer TOS or
/// traffic class.
pub fn send_esp(
    udp: &UdpSet,
    raw: Option<&RawEsp>,
    path: &OuterPath,
    bytes: &[u8],
    segment: usize,
    tos: u8,
) -> std::io::Result<()> {
    match path.encapsulation {
        Encapsulation::Udp {
            local_port,
            remote_port,
        } => {
            let local = SocketAddr::new(path.local, local_port);
            let remote = SocketAddr::new(path.remote, remote_port);
            udp.send_segments(local, remote, bytes, segment, tos)
        }
        Encapsulation::Esp => {
            let raw = raw.ok_or_else(|| std::io::Error::other("no raw socket for IP protocol 50"))?;
            raw.send_each(path.local, path.remote, bytes, segment, tos)
        }
    }
}

/// The surroundings of a daemon's core: sockets, key log, and the events that wait to be reported.
pub struct Edges {
    /// UDP sockets.
    pub udp: UdpSet,
    /// Sockets of IP protocol 50.
    pub raw: RawEsp,
    /// Our ports.
    pub ports: Ports,
    /// The key log, if it is on.
    pub keylog: Option<KeyLogWriter>,
    /// The mark of our packets.
    pub mark: u32,
    /// Events not yet reported.
    pub events: Vec<Event>,
    /// What the kernel has just said of paths.
    pub mtus: PathMtus,
    /// IKE messages that leave together.
    pub leaving: Leaving,
}

/// IKE messages and keepalives that were given to send while a burst of datagrams is worked off.
#[derive(Debug, Default)]
pub struct Leaving {
    messages: Vec<Transmit>,
    octets: usize,
    since: Option<Instant>,
    unsent: Vec<Unsent>,
}

/// So many of them leave at once,
const LEAVING: usize = 64;
/// or so many octets,
const LEAVING_OCTETS: usize = 64 << 10;
/// and none waits longer, but for one question that is answered in place: other peers should not wait for what one makes
/// us compute.
const LEAVING_WAITS: Duration = Duration::from_micros(500);

impl Leaving {
    /// Takes one. Whether all of them should leave now.
    fn add(&mut self, transmit: Transmit) -> bool {
        self.octets += transmit.bytes.len();
        self.messages.push(transmit);
        self.since.get_or_insert_with(Instant::now);
        self.messages.len() >= LEAVING || self.octets >= LEAVING_OCTETS || self.are_late()
    }

    /// Whether the first of them has waited as long as any may.
    fn are_late(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= LEAVING_WAITS)
    }

    /// Sends all of them: with the non-ESP marker on the NAT-T port (RFC 3948 section 2.2).
    fn send(&mut self, udp: &UdpSet, ports: Ports) {
        if self.messages.is_empty() {
            return;
        }
        let marker = |transmit: &Transmit| match transmit.kind {
            TransmitKind::Ike if transmit.local.port() == ports.natt => &NON_ESP_MARKER[..],
            _ => &[],
        };
        let datagram = |transmit: &'_ Transmit| (transmit.local, transmit.remote, marker(transmit));
        let datagrams = self.messages.iter().map(|transmit| {
            let (local, remote, marker) = datagram(transmit);
            Datagram {
                local,
                remote,
                octets: [marker, &transmit.bytes],
            }
        });
        let (messages, unsent) = (&self.messages, &mut self.unsent);
        udp.send_all(datagrams, |index, error| {
            let Some(transmit) = messages.get(index) else { return };
            let (local, remote) = (transmit.local, transmit.remote);
            tracing::warn!(%remote, %error, "IKE message not sent");
            match (transmit.kind, error.kind()) {
                // A full queue: like a datagram lost on its way, which is sent again.
                (_, ErrorKind::WouldBlock | ErrorKind::Interrupted) | (TransmitKind::Keepalive, _) => {}
                (TransmitKind::Ike, _) => unsent.push(Unsent {
                    local,
                    remote,
                    reason: error.to_string(),
                }),
            }
        });
        self.messages.clear();
        (self.octets, self.since) = (0, None);
    }
}

/// Path MTUs by both ends. To ask takes six system calls, and many SAs of one peer may come at once.
#[derive(Debug, Default)]
pub struct PathMtus {
    known: HashMap<(IpAddr, IpAddr), usize>,
    since: Option<Instant>,
}

/// How long they are believed.
const PATH_MTU_LIFE: Duration = Duration::from_secs(1);
/// How many are kept.
const PATH_MTUS: usize = 1024;

impl PathMtus {
    fn get(&mut self, ends: (IpAddr, IpAddr), ask: impl FnOnce() -> usize) -> usize {
        if self.since.is_none_or(|since| since.elapsed() >= PATH_MTU_LIFE) || self.known.len() >= PATH_MTUS {
            self.known.clear();
            self.since = Some(Instant::now());
        }
        *self.known.entry(ends).or_insert_with(ask)
    }
}

impl Surroundings for Edges {
    fn transmit(&mut self, transmit: Transmit) {
        if self.leaving.add(transmit) {
            self.leaving.send(&self.udp, self.ports);
        }
    }

    fn before_work(&mut self) {
        if self.leaving.are_late() {
            self.leaving.send(&self.udp, self.ports);
        }
    }

    fn flush(&mut self) -> Vec<Unsent> {
        self.leaving.send(&self.udp, self.ports);
        std::mem::take(&mut self.leaving.unsent)
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    fn key_log(&mut self, entry: KeyLog) {
        if let Some(keylog) = &mut self.keylog
            && let Err(error) = keylog.write(&entry)
        {
            tracing::warn!(%error, "key log not written");
        }
    }

    fn path_mtu(&mut self, path: &OuterPath) -> usize {
        let mark = self.mark;
        self.mtus.get((path.local, path.remote), || {
            net::path_mtu(Some(path.local), path.remote, mark).map_or(USUAL_MTU, |mtu| mtu as usize)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::net::udp::UdpConfig;

    fn transmit(local: SocketAddr, remote: SocketAddr, kind: TransmitKind, bytes: &[u8]) -> Transmit {
        let bytes = bytes.to_vec().into();
        Transmit {
            local,
            remote,
            kind,
            bytes,
        }
    }

    /// On real sockets: messages to several peers from both ports, of which two cannot leave.
    #[tokio::test]
    async fn messages_leave_together_with_their_markers_and_those_that_cannot_are_told_of() {
        let config = UdpConfig {
            addresses: vec!["127.0.0.1".parse().unwrap()],
            ports: vec![0, 0],
            mark: 0,
        };
        let udp = UdpSet::bind(&config).unwrap();
        let [ike, natt] = udp.local_addrs()[..] else {
            panic!("two sockets")
        };
        let ports = Ports {
            ike: ike.port(),
            natt: natt.port(),
        };
        let peers = [2, 3].map(|last| {
            let peer = UdpSocket::bind((std::net::Ipv4Addr::new(127, 0, 0, last), 0)).unwrap();
            peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            peer
        });
        let [a, b] = peers.each_ref().map(|peer| peer.local_addr().unwrap());
        // Broadcast, which was not asked for.
        let nowhere = SocketAddr::from(([255, 255, 255, 255], 9));
        let mut leaving = Leaving::default();
        for (local, remote, kind, bytes) in [
            (ike, a, TransmitKind::Ike, &b"first"[..]),
            (natt, nowhere, TransmitKind::Ike, b"lost"),
            (natt, nowhere, TransmitKind::Keepalive, &[0xff]),
            (natt, b, TransmitKind::Ike, b"second"),
            (natt, a, TransmitKind::Keepalive, &[0xff]),
        ] {
            leaving.add(transmit(local, remote, kind, bytes));
        }
        leaving.send(&udp, ports);
        let mut buffer = [0; 100];
        let mut next = |peer: &UdpSocket| {
            let (length, from) = peer.recv_from(&mut buffer).unwrap();
            (buffer[..length].to_vec(), from)
        };
        assert_eq!(next(&peers[0]), (b"first".to_vec(), ike));
        assert_eq!(next(&peers[0]), (vec![0xff], natt));
        assert_eq!(next(&peers[1]), (b"\0\0\0\0second".to_vec(), natt));
        let [unsent] = &leaving.unsent[..] else {
            panic!("{:?}", leaving.unsent)
        };
        assert_eq!((unsent.local, unsent.remote), (natt, nowhere));
        assert!(leaving.messages.is_empty() && leaving.octets == 0 && leaving.since.is_none());
    }

    #[test]
    fn they_leave_when_they_are_many_or_large_or_late() {
        let end = SocketAddr::from(([127, 0, 0, 1], 500));
        let add = |leaving: &mut Leaving, bytes: &[u8]| leaving.add(transmit(end, end, TransmitKind::Ike, bytes));
        let long_ago = Instant::now().checked_sub(LEAVING_WAITS).unwrap();
        let mut many = Leaving::default();
        // Whatever the machine does meanwhile, none is late.
        let fresh = |leaving: &mut Leaving| leaving.since = Some(Instant::now() + Duration::from_secs(60));
        fresh(&mut many);
        assert_eq!((1..LEAVING).filter(|_| add(&mut many, b"x")).count(), 0);
        assert!(add(&mut many, b"x"));
        let mut large = Leaving::default();
        fresh(&mut large);
        assert!(add(&mut large, &[0; LEAVING_OCTETS]));
        let mut late = Leaving::default();
        fresh(&mut late);
        assert!(!add(&mut late, b"x") && !late.are_late());
        late.since = Some(long_ago);
        assert!(late.are_late() && add(&mut late, b"x"));
    }
}
