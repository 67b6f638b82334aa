//! From an ESP packet to the IP packet inside.

use std::net::IpAddr;

use handfast_esp::tunnel::{self, Headers};
use handfast_esp::{OpenError, Usage, transport};

use super::child::Child;
use super::{UserspacePlane, matching};
use crate::op::{ChildId, Encapsulation, Mode, OuterPath, PlaneEvent};

/// What became of an ESP packet from the network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Inbound<'p> {
    /// An IP packet for our side.
    Deliver {
        /// From which child.
        child: ChildId,
        /// In the buffer of the ESP packet, or, in transport mode, made again from it.
        packet: &'p [u8],
        /// Set if this packet, authentic and the newest, came from elsewhere than where the child sends to: a NAT has
        /// a new mapping (RFC 7296 section 2.23).
        moved: Option<(IpAddr, u16)>,
    },
    /// The same with a packet in a buffer of its own, since it did not fit into that of the ESP packet.
    DeliverOwned {
        /// From which child.
        child: ChildId,
        /// The packet.
        packet: Vec<u8>,
        /// As above.
        moved: Option<(IpAddr, u16)>,
    },
    /// Nothing.
    Drop(DropReason),
}

/// Why an ESP packet was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DropReason {
    /// No inbound SA has this SPI.
    UnknownSpi,
    /// No ESP packet, or authentic with something in it that is no IP packet.
    Malformed,
    /// Received before, or too old to know.
    Replay,
    /// The integrity check failed.
    Integrity,
    /// The inner packet is outside the selectors of its SA (RFC 4301 section 5.2).
    Policy,
    /// Not dropped but kept, within bounds: its SA has been offered and waits for the peer's answer.
    Early,
    /// The SA has carried what it may.
    Exhausted,
    /// A dummy that hides the amount of traffic; nothing is wrong.
    Dummy,
    /// A router on the way said that there is congestion, and the packet inside cannot say so (RFC 6040 section 4.2).
    Congestion,
}

impl UserspacePlane {
    /// Takes an ESP packet from the network and opens it in place. `from` is where its UDP datagram came from; `None`
    /// for IP protocol 50.
    pub fn inbound<'p>(&mut self, esp: &'p mut [u8], from: Option<(IpAddr, u16)>) -> Inbound<'p> {
        self.inbound_marked(esp, from, 0)
    }

    /// The same with the ECN bits of the outer IP header, which in tunnel mode are merged into the packet inside.
    pub fn inbound_marked<'p>(&mut self, esp: &'p mut [u8], from: Option<(IpAddr, u16)>, ecn: u8) -> Inbound<'p> {
        let Some(spi) = esp.first_chunk::<4>().map(|spi| u32::from_be_bytes(*spi)) else {
            return Inbound::Drop(DropReason::Malformed);
        };
        let slot = self.spis.get(&spi).copied();
        let child = slot.and_then(|slot| Some((slot, self.children.get_mut(slot)?.as_mut()?)));
        let Some((slot, child)) = child else {
            let kept = self.early.keep(spi, esp, from, ecn);
            return Inbound::Drop(if kept {
                DropReason::Early
            } else {
                DropReason::UnknownSpi
            });
        };
        let Some(receiver) = &mut child.inbound else {
            return Inbound::Drop(DropReason::UnknownSpi);
        };
        if !receiver.meter.is_open() {
            return Inbound::Drop(DropReason::Exhausted);
        }
        let rested = receiver.sa.is_resting();
        let opened = receiver.sa.open(esp);
        if rested && !receiver.sa.is_resting() {
            self.awake.add(slot);
        }
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => return Inbound::Drop(child.count(error)),
        };
        receiver.meter.count(esp.len());
        // The sender watches the sequence numbers.
        if let Some(hard) = receiver.meter.news(Usage::Fresh) {
            self.events.push_back(PlaneEvent::Expiring { child: child.id, hard });
        }
        if !core::mem::replace(&mut receiver.heard, true) {
            self.events.push_back(PlaneEvent::FirstInbound(child.id));
        }
        let moved = from.filter(|&from| opened.newest && is_elsewhere(&child.path, from));
        if moved.is_some() && moved != receiver.elsewhere {
            // Once for each place: until the child's path follows, every packet would say the same.
            receiver.elsewhere = moved;
            self.events.extend(moved.map(|to| PlaneEvent::Moved {
                child: child.id,
                to: to.into(),
            }));
        }
        let place = match child.mode {
            Mode::Tunnel => {
                let payload = esp.get(opened.payload.clone()).unwrap_or_default();
                (tunnel::inner_protocol(payload) == Some(opened.next_header)).then_some(opened.payload)
            }
            Mode::Transport => {
                let ends = (child.path.remote, child.path.local);
                let place = transport::rebuild_in_place(esp, opened.payload.clone(), ends, opened.next_header);
                if place.is_none() {
                    let payload = esp.get(opened.payload).unwrap_or_default();
                    return child.admit_owned(transport::rebuild(payload, ends, opened.next_header), moved);
                }
                place
            }
        };
        // In transport mode the packet has no header of its own to merge it into.
        let ecn = if child.mode == Mode::Tunnel { ecn } else { 0 };
        let packet = place.and_then(|place| esp.get_mut(place));
        let admitted = packet.map_or(Err(DropReason::Malformed), |packet| child.admit(packet, ecn));
        match admitted {
            Ok(packet) => Inbound::Deliver {
                child: child.id,
                packet,
                moved,
            },
            Err(reason) => {
                child.counters.dropped_policy += u64::from(reason != DropReason::Congestion);
                Inbound::Drop(reason)
            }
        }
    }
}

impl Child {
    /// The inner packet without what follows it (RFC 4303 section 2.7), if it is one that this SA may carry.
    fn admit<'p>(&mut self, packet: &'p mut [u8], ecn: u8) -> Result<&'p [u8], DropReason> {
        let headers = Headers::parse(packet).ok_or(DropReason::Malformed)?;
        let packet = packet.get_mut(..headers.total_len).ok_or(DropReason::Malformed)?;
        let from_peer = self.remote_ts.iter().any(|remote| matching::source(remote, &headers));
        let to_us = self.local_ts.iter().any(|local| matching::destination(local, &headers));
        if !from_peer || !to_us {
            return Err(DropReason::Policy);
        }
        tunnel::merge_ecn(packet, ecn).map_err(|_| DropReason::Congestion)?;
        // What we announce to the peer's side must fit into its packets, which are as large as ours.
        if let Some(sender) = &self.outbound {
            tunnel::clamp_mss(packet, &headers, sender.mtu(headers.is_ipv6()));
        }
        self.counters.packets_in += 1;
        self.counters.bytes_in += packet.len() as u64;
        Ok(packet)
    }

    fn admit_owned<'p>(&mut self, packet: Option<Vec<u8>>, moved: Option<(IpAddr, u16)>) -> Inbound<'p> {
        let admitted = packet.ok_or(DropReason::Malformed).and_then(|mut packet| {
            let len = self.admit(&mut packet, 0)?.len();
            packet.truncate(len);
            Ok(packet)
        });
        match admitted {
            Ok(packet) => Inbound::DeliverOwned {
                child: self.id,
                packet,
                moved,
            },
            Err(reason) => {
                self.counters.dropped_policy += 1;
                Inbound::Drop(reason)
            }
        }
    }

    fn count(&mut self, error: OpenError) -> DropReason {
        match error {
            OpenError::Malformed => {
                self.counters.dropped_policy += 1;
                DropReason::Malformed
            }
            OpenError::Replay => {
                self.counters.dropped_replay += 1;
                DropReason::Replay
            }
            OpenError::Integrity => {
                self.counters.dropped_integrity += 1;
                DropReason::Integrity
            }
            OpenError::Dummy => DropReason::Dummy,
        }
    }
}

fn is_elsewhere(path: &OuterPath, (address, port): (IpAddr, u16)) -> bool {
    match path.encapsulation {
        Encapsulation::Udp { remote_port, .. } => (address, port) != (path.remote, remote_port),
        // A peer may put one packet into UDP and another not (RFC 7296 section 2.23); that moves nothing.
        Encapsulation::Esp => false,
    }
}
