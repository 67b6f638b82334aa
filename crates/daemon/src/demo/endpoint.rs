//! One of the demo's two ends, and the wire between them, which can be captured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use handfast_engine::event::KeyLog;
use handfast_engine::output::TransmitKind;
use handfast_engine::policy::{Policy, Ports};
use handfast_engine::{Event, Input, Transmit};
use handfast_esp::udp_encap::{Datagram4500, NON_ESP_MARKER};
use handfast_plane::op::{Counters, Encapsulation, OuterPath};
use handfast_plane::{Inbound, Outbound};
use handfast_store::refusals::RefusalFacts;

use super::packets;
use crate::keylog::KeyLogWriter;
use crate::net::udp::UdpSet;
use crate::pcapng::PcapngWriter;
use crate::runtime::core::{Core, Surroundings, Unsent};
use crate::runtime::edges::send_esp;
use crate::runtime::now;

/// The capture of what is sent, with the well-known ports in place of those that the system chose.
pub struct Wire {
    ports: [Ports; 2],
    capture: Option<PcapngWriter>,
    keylog: Option<KeyLogWriter>,
    fault: Option<String>,
}

impl Wire {
    pub fn new(ports: [Ports; 2], capture: Option<PcapngWriter>, keylog: Option<KeyLogWriter>) -> Self {
        Self {
            ports,
            capture,
            keylog,
            fault: None,
        }
    }

    fn record(&mut self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
        let known = |mut a: SocketAddr| {
            let natt = self.ports.iter().any(|p| p.natt == a.port());
            a.set_port(if natt { 4500 } else { 500 });
            a
        };
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        if let Some(capture) = &mut self.capture
            && let Err(error) = capture.udp(at, known(source), known(destination), payload)
        {
            self.fault = Some(format!("the capture cannot be written: {error}"));
        }
    }

    fn keys(&mut self, entry: &KeyLog) {
        if let Some(keylog) = &mut self.keylog
            && let Err(error) = keylog.write(entry)
        {
            self.fault = Some(format!("the key log cannot be written: {error}"));
        }
    }

    pub fn finish(&mut self) -> Result<(), String> {
        if let Some(capture) = self.capture.take() {
            capture
                .finish()
                .map_err(|e| format!("the capture cannot be written: {e}"))?;
        }
        self.fault.take().map_or(Ok(()), Err)
    }
}

/// One end.
pub struct Endpoint {
    pub name: &'static str,
    pub core: Core,
    pub udp: UdpSet,
    pub events: Vec<Event>,
    pub is_up: bool,
    /// How often its child SA was replaced, and its IKE SA.
    pub rekeys: [u64; 2],
    /// How many child and IKE SAs are gone.
    pub gone: [u64; 2],
    /// What was refused here, or to it.
    pub refusals: Vec<RefusalFacts>,
    /// Packets of the other end that came out whole.
    pub received: u64,
    /// Stand for 500 and 4500.
    pub ports: Ports,
}

/// What the core may touch while it works.
struct Around<'a> {
    udp: &'a UdpSet,
    ports: Ports,
    events: &'a mut Vec<Event>,
    wire: &'a mut Wire,
}

impl Surroundings for Around<'_> {
    fn transmit(&mut self, transmit: Transmit) {
        let mut payload = vec![];
        if transmit.kind == TransmitKind::Ike && transmit.local.port() == self.ports.natt {
            payload.extend_from_slice(&NON_ESP_MARKER);
        }
        payload.extend_from_slice(&transmit.bytes);
        self.wire.record(transmit.local, transmit.remote, &payload);
        if let Err(error) = self.udp.send(transmit.local, transmit.remote, &payload) {
            self.wire.fault = Some(format!("loopback does not carry: {error}"));
        }
    }

    /// Nothing waits.
    fn before_work(&mut self) {}

    fn flush(&mut self) -> Vec<Unsent> {
        vec![]
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    fn key_log(&mut self, entry: KeyLog) {
        self.wire.keys(&entry);
    }

    fn path_mtu(&mut self, _: &OuterPath) -> usize {
        1500
    }
}

impl Endpoint {
    pub fn new(name: &'static str, udp: UdpSet, ports: Ports, policy: Policy, key_log: bool) -> Result<Self, String> {
        let core = Core::new(Arc::new(policy), key_log, 0, None)?;
        Ok(Self {
            name,
            core,
            udp,
            events: vec![],
            is_up: false,
            rekeys: [0; 2],
            gone: [0; 2],
            refusals: vec![],
            received: 0,
            ports,
        })
    }

    pub fn feed(&mut self, input: Input<'_>, wire: &mut Wire) {
        let Self {
            core,
            udp,
            events,
            ports,
            ..
        } = self;
        core.feed(
            now(),
            input,
            &mut Around {
                udp,
                ports: *ports,
                events,
                wire,
            },
        );
    }

    /// Keeps what the demo waits for.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::ConnectionUp { .. } => self.is_up = true,
            Event::ChildRekeyed { .. } => self.rekeys[0] += 1,
            Event::IkeRekeyed { .. } => self.rekeys[1] += 1,
            Event::ChildGone { .. } => self.gone[0] += 1,
            Event::IkeGone { .. } => self.gone[1] += 1,
            Event::Refused {
                connection,
                remote,
                refusal,
                ..
            } => self.refusals.push(refusal.facts(connection.as_deref(), *remote)),
            _ => {}
        }
    }

    /// Takes all datagrams that wait.
    pub fn receive(&mut self, wire: &mut Wire) {
        let peer = usize::from(self.name == "A");
        while let Ok((received, datagram)) = self.udp.try_next() {
            let (local, remote) = (received.local, received.remote);
            let message = if local.port() == self.ports.natt {
                match Datagram4500::classify(datagram) {
                    Datagram4500::Ike(message) => message.to_vec(),
                    Datagram4500::Esp(_) => {
                        let from = Some((remote.ip(), remote.port()));
                        if let Inbound::Deliver { packet, .. } = self.core.plane.inbound(datagram, from) {
                            self.received += u64::from(packets::number(peer, packet).is_some());
                        }
                        continue;
                    }
                    Datagram4500::Keepalive | Datagram4500::Junk => continue,
                }
            } else {
                datagram.to_vec()
            };
            self.feed(
                Input::Datagram {
                    local,
                    remote,
                    bytes: &message,
                },
                wire,
            );
        }
    }

    /// Seals a packet without sending it.
    pub fn seal(&mut self, packet: &[u8]) -> Result<(OuterPath, Vec<u8>), String> {
        let mut sealed = vec![];
        match self.core.plane.outbound(packet, &mut sealed) {
            Outbound::Send { path, .. } => Ok((path, sealed)),
            other => Err(format!("the plane of {} does not carry a packet: {other:?}", self.name)),
        }
    }

    /// Sends a sealed packet past the capture.
    pub fn send_sealed(&self, path: &OuterPath, sealed: &[u8]) -> Result<(), String> {
        send_esp(&self.udp, None, path, sealed, sealed.len(), 0).map_err(|e| format!("loopback does not carry: {e}"))
    }

    /// Sends a packet through the tunnel.
    pub fn send_packet(&mut self, packet: &[u8], wire: &mut Wire) -> Result<(), String> {
        let (path, sealed) = self.seal(packet)?;
        if let Encapsulation::Udp {
            local_port,
            remote_port,
        } = path.encapsulation
        {
            let (local, remote) = (
                SocketAddr::new(path.local, local_port),
                SocketAddr::new(path.remote, remote_port),
            );
            wire.record(local, remote, &sealed);
        }
        self.send_sealed(&path, &sealed)
    }

    /// What the plane dropped, of all child SAs that it holds: failed integrity, and replayed.
    pub fn dropped(&self) -> [u64; 2] {
        let add = |sum: [u64; 2], c: Counters| [sum[0] + c.dropped_integrity, sum[1] + c.dropped_replay];
        self.core.plane.children().map(|c| c.counters).fold([0; 2], add)
    }
}
