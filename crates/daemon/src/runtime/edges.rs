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

use super::core::Surroundings;
use crate::keylog::KeyLogWriter;
use crate::net;
use crate::net::raw_esp::RawEsp;
use crate::net::udp::UdpSet;

/// Ethernet's MTU, where the kernel does not know better.
const USUAL_MTU: usize = 1500;

/// Sends an IKE message: with the non-ESP marker on the NAT-T port (RFC 3948 section 2.2).
pub fn send_ike(udp: &UdpSet, ports: Ports, transmit: &Transmit) -> std::io::Result<()> {
    let marked;
    let bytes = if transmit.kind == TransmitKind::Ike && transmit.local.port() == ports.natt {
        marked = [&NON_ESP_MARKER[..], &transmit.bytes].concat();
        &marked
    } else {
        &transmit.bytes
    };
    udp.send(transmit.local, transmit.remote, bytes)
}

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
    fn transmit(&mut self, transmit: Transmit) -> std::io::Result<()> {
        let Err(error) = send_ike(&self.udp, self.ports, &transmit) else {
            return Ok(());
        };
        tracing::warn!(remote = %transmit.remote, %error, "IKE message not sent");
        match error.kind() {
            // A full queue: like a datagram lost on its way, which is sent again.
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(()),
            _ => Err(error),
        }
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
