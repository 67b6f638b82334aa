//! The way of packets between the TUN device and the sockets, in batches: what waits at one end is taken until there is
//! no more, and then leaves at the other by as few system calls as the kernel can.

use handfast_engine::Input;
use handfast_esp::tunnel::{Joined, Joiner};
use handfast_esp::udp_encap::Datagram4500;
use handfast_plane::{Batch, Inbound, Outbound, UserspacePlane};

use super::core::Core;
use super::edges::{Edges, send_esp};
use super::now;
use crate::net::raw_esp::{EspBurst, RawEsp};
use crate::net::tun::Tun;
use crate::net::udp::{Burst, UdpSet};

/// Frames, datagrams or packets taken from one end before the others have their turn.
const TURN: usize = 256;
/// Bursts of datagrams taken before the others have their turn.
const BURSTS: usize = 16;
/// Octets sealed before they are sent, even if there are more to seal: they should still be in the processor's cache.
const BATCH: usize = 128 << 10;
/// The largest IP packet.
const PACKET: usize = 65_536;

/// Packets on their way, kept for their room.
#[derive(Debug)]
pub struct Traffic {
    /// A frame of the host.
    frame: Vec<u8>,
    /// Packets sealed.
    batch: Batch,
    /// Datagrams received.
    burst: Burst,
    /// Packets of IP protocol 50 received.
    esp: EspBurst,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            frame: vec![0; PACKET],
            batch: Batch::default(),
            burst: Burst::default(),
            esp: EspBurst::default(),
        }
    }
}

impl Traffic {
    /// From the TUN device to the sockets.
    pub fn outbound(&mut self, tun: &Tun, plane: &mut UserspacePlane, edges: &Edges) {
        for _ in 0..TURN {
            let Ok((length, offload)) = tun.try_recv(&mut self.frame) else {
                break;
            };
            let Some(frame) = self.frame.get_mut(..length) else {
                continue;
            };
            match plane.outbound_frame(frame, offload, &mut self.batch) {
                Outbound::Send { .. } => {}
                Outbound::TooBig { reply, .. } if !reply.is_empty() => {
                    tun.try_send(&reply)
                        .unwrap_or_else(|error| tracing::trace!(%error, "ICMP not delivered"));
                }
                other => tracing::trace!(?other, "packet not carried"),
            }
            if self.batch.len() >= BATCH {
                send(&mut self.batch, &edges.udp, &edges.raw);
            }
        }
        send(&mut self.batch, &edges.udp, &edges.raw);
    }

    /// From the UDP sockets to the TUN device; what is IKE goes to the engine.
    pub fn inbound_udp(&mut self, tun: &Tun, core: &mut Core, edges: &mut Edges) {
        for _ in 0..BURSTS {
            if edges.udp.try_burst(&mut self.burst).is_err() {
                return;
            }
            let mut host = Host::new(tun);
            for (received, datagram) in self.burst.datagrams() {
                let (local, remote) = (received.local, received.remote);
                let bytes = if local.port() != edges.ports.natt {
                    &*datagram
                } else {
                    match Datagram4500::classify(datagram) {
                        Datagram4500::Esp(_) => {
                            let from = Some((remote.ip(), remote.port()));
                            host.take(core.plane.inbound_marked(datagram, from, received.ecn));
                            continue;
                        }
                        Datagram4500::Ike(message) => message,
                        Datagram4500::Keepalive | Datagram4500::Junk => continue,
                    }
                };
                // What came before it was sent before it.
                host.flush();
                core.feed(now(), Input::Datagram { local, remote, bytes }, edges);
            }
            host.flush();
            // The answers leave together, and before there is anything else to do.
            core.flush(now(), edges);
        }
    }

    /// Packets that came before the SA that they belong to.
    pub fn early(tun: &Tun, plane: &mut UserspacePlane) {
        while let Some(mut early) = plane.next_early() {
            let mut host = Host::new(tun);
            host.take(plane.inbound_marked(&mut early.esp, early.from, early.ecn));
            host.flush();
        }
    }

    /// From the sockets of IP protocol 50 to the TUN device.
    pub fn inbound_esp(&mut self, tun: &Tun, plane: &mut UserspacePlane, raw: &mut RawEsp) {
        for _ in 0..BURSTS {
            if raw.try_burst(&mut self.esp).is_err() {
                return;
            }
            let mut host = Host::new(tun);
            for (received, packet) in self.esp.packets() {
                host.take(plane.inbound_marked(packet, None, received.ecn));
            }
            host.flush();
        }
    }
}

/// Sends all that was sealed.
fn send(batch: &mut Batch, udp: &UdpSet, raw: &RawEsp) {
    for (run, octets) in batch.runs() {
        if let Err(error) = send_esp(udp, Some(raw), &run.path, octets, run.segment_len, run.tos) {
            tracing::trace!(%error, "ESP packets not sent");
        }
    }
    batch.clear();
}

/// Gives packets to the host, joined where it understands that.
struct Host<'t, 'p> {
    tun: &'t Tun,
    joiner: Option<Joiner<'p>>,
}

impl<'t, 'p> Host<'t, 'p> {
    fn new(tun: &'t Tun) -> Self {
        let joiner = tun.offload().then(|| Joiner::new(tun.offload_udp()));
        Self { tun, joiner }
    }

    fn take(&mut self, inbound: Inbound<'p>) {
        let Self { tun, joiner } = self;
        match (inbound, joiner) {
            (Inbound::Deliver { packet, .. }, Some(joiner)) => joiner.push(packet, &mut |joined| write(tun, joined)),
            (Inbound::Deliver { packet, .. }, None) => write(tun, Joined::alone(packet)),
            (Inbound::DeliverOwned { packet, .. }, joiner) => {
                // What came before it was sent before it.
                if let Some(joiner) = joiner {
                    joiner.flush(&mut |joined| write(tun, joined));
                }
                write(tun, Joined::alone(&packet));
            }
            (Inbound::Drop(reason), _) => tracing::trace!(?reason, "ESP packet dropped"),
        }
    }

    fn flush(&mut self) {
        let Self { tun, joiner } = self;
        if let Some(joiner) = joiner {
            joiner.flush(&mut |joined| write(tun, joined));
        }
    }
}

fn write(tun: &Tun, joined: Joined<'_, '_>) {
    tun.try_send_joined(&joined)
        .unwrap_or_else(|error| tracing::trace!(%error, "packet not delivered"));
}
