//! From an IP packet to ESP packets.

use handfast_crypto::provider::CryptoError;
use handfast_esp::transport;
use handfast_esp::tunnel::{self, Headers};

use super::UserspacePlane;
use super::child::{Child, Sender};
use super::policy::Policy;
use crate::op::{ChildId, Mode, OuterPath, PlaneEvent};

/// What became of an IP packet from our side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outbound {
    /// One or more ESP packets were appended to the buffer.
    Send {
        /// With which child.
        child: ChildId,
        /// Where to.
        path: OuterPath,
        /// What was appended is one ESP packet of this length; or several (the IP packet was fragmented), each of this
        /// length but for the last, which may be shorter: `out[before..].chunks(segment_len)`.
        segment_len: usize,
        /// The outer TOS or traffic class (RFC 6040).
        tos: u8,
    },
    /// No SA takes it.
    NoPolicy,
    /// It does not fit and must not be fragmented.
    TooBig {
        /// Which child would have taken it.
        child: ChildId,
        /// The ICMP message for its sender; empty if that must get none.
        reply: Vec<u8>,
    },
    /// The SA that takes it has no sequence numbers left or has carried what it may, or cannot encrypt.
    Exhausted {
        /// Which child.
        child: ChildId,
    },
    /// A fragment of a packet that is carried whole: it waits for the others.
    Incomplete,
    /// No IP packet, or its headers are wrong; or transport mode would lose some of them.
    Malformed,
}

impl UserspacePlane {
    /// Takes an IP packet from our side. ESP packets are appended to `out`, which is unchanged unless the answer is
    /// [`Outbound::Send`]. The MSS of a TCP SYN is lowered to what fits.
    pub fn outbound(&mut self, ip: &[u8], out: &mut Vec<u8>) -> Outbound {
        let Some((headers, next_header)) = Headers::parse(ip).zip(tunnel::inner_protocol(ip)) else {
            return Outbound::Malformed;
        };
        let Some(packet) = ip.get(..headers.total_len) else {
            return Outbound::Malformed;
        };
        if headers.is_fragment() && self.children.iter().flatten().any(|c| c.carries_whole(&headers)) {
            return match self.fragments.add(packet, &headers) {
                Some(whole) => self.outbound_whole(&whole, out),
                None => Outbound::Incomplete,
            };
        }
        self.send(packet, &headers, next_header, false, out)
    }

    /// A packet that the host sent in fragments: the outer packet may be fragmented.
    fn outbound_whole(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Outbound {
        match Headers::parse(packet).zip(tunnel::inner_protocol(packet)) {
            Some((headers, next_header)) => self.send(packet, &headers, next_header, true, out),
            None => Outbound::Malformed,
        }
    }

    fn send(
        &mut self,
        packet: &[u8],
        headers: &Headers,
        next_header: u8,
        any_size: bool,
        out: &mut Vec<u8>,
    ) -> Outbound {
        let Some((slot, child)) = select(&mut self.children, &mut self.policy, headers) else {
            return Outbound::NoPolicy;
        };
        let id = child.id;
        let Some(sender) = &mut child.outbound else {
            return Outbound::NoPolicy;
        };
        let (before, rested) = (out.len(), sender.sa.is_resting());
        let mtu = sender.mtu(headers.is_ipv6());
        // Where no fragments are carried the outer packet is fragmented if it must be (RFC 4303 section 3.3.4).
        let fits = packet.len() <= mtu || (child.whole && (any_size || !headers.dont_fragment));
        let sealed = match child.mode {
            Mode::Tunnel if fits => Some(sender.seal(packet, headers, mtu, next_header, out)),
            Mode::Tunnel if !child.whole => None,
            Mode::Transport if fits => match sender.seal_payload(packet, headers, mtu, &mut self.scratch, out) {
                Some(sealed) => Some(sealed),
                None => return Outbound::Malformed,
            },
            Mode::Tunnel | Mode::Transport => {
                let reply = tunnel::too_big(packet, headers, mtu).unwrap_or_default();
                return Outbound::TooBig { child: id, reply };
            }
        };
        let sealed = match sealed {
            Some(sealed) => Some(sealed.map(|()| out.len() - before)),
            None => sender.seal_fragments(packet, headers, mtu, &mut self.scratch, out),
        };
        let Some(sealed) = sealed else {
            let reply = tunnel::too_big(packet, headers, mtu).unwrap_or_default();
            return Outbound::TooBig { child: id, reply };
        };
        if rested && !sender.sa.is_resting() {
            self.awake.add(slot);
        }
        if let Some(hard) = sender.newly_expiring() {
            self.events.push_back(PlaneEvent::Expiring { child: id, hard });
        }
        let Ok(segment_len) = sealed else {
            out.truncate(before);
            return Outbound::Exhausted { child: id };
        };
        child.counters.packets_out += 1;
        child.counters.bytes_out += packet.len() as u64;
        let tos = tunnel::encapsulated_tos(headers.tos);
        Outbound::Send {
            child: id,
            path: child.path,
            segment_len,
            tos,
        }
    }
}

/// The child that takes a packet, and its slot.
pub(super) fn select<'a>(
    children: &'a mut [Option<Child>],
    policy: &mut Policy,
    headers: &Headers,
) -> Option<(usize, &'a mut Child)> {
    let slot = policy.choose(headers, children)?;
    Some((slot, children.get_mut(slot)?.as_mut()?))
}

impl Sender {
    /// Copies the packet once, into its place in the ESP packet, and does the rest there.
    fn seal(
        &mut self,
        packet: &[u8],
        headers: &Headers,
        mtu: usize,
        next_header: u8,
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let layout = self.sa.layout();
        let (before, headroom) = (out.len(), layout.headroom());
        let sealed_len = layout.sealed_len(packet.len());
        out.reserve(sealed_len);
        out.resize(before + headroom, 0);
        out.extend_from_slice(packet);
        tunnel::clamp_mss(out.get_mut(before + headroom..).unwrap_or_default(), headers, mtu);
        out.resize(before + sealed_len, 0);
        self.seal_in_place(out.get_mut(before..).unwrap_or_default(), packet.len(), next_header)
            .map(drop)
    }

    /// Transport mode: seals what follows the IP header. `None` for a packet of which that would lose something.
    fn seal_payload(
        &mut self,
        packet: &[u8],
        headers: &Headers,
        mtu: usize,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Option<Result<(), CryptoError>> {
        scratch.clear();
        scratch.extend_from_slice(packet);
        tunnel::clamp_mss(scratch, headers, mtu);
        let (next_header, payload) = transport::payload(scratch, headers)?;
        Some(self.seal_appended(payload, next_header, out))
    }

    /// Seals one packet within what the SA may carry; its length.
    pub(super) fn seal_in_place(
        &mut self,
        packet: &mut [u8],
        inner_len: usize,
        next_header: u8,
    ) -> Result<usize, CryptoError> {
        if !self.meter.is_open() {
            return Err(CryptoError::Exhausted);
        }
        let len = self.sa.seal_in_place(packet, inner_len, next_header)?;
        self.meter.count(len);
        Ok(len)
    }

    /// The same, appended.
    fn seal_appended(&mut self, inner: &[u8], next_header: u8, out: &mut Vec<u8>) -> Result<(), CryptoError> {
        if !self.meter.is_open() {
            return Err(CryptoError::Exhausted);
        }
        let before = out.len();
        self.sa.seal(inner, next_header, out)?;
        self.meter.count(out.len() - before);
        Ok(())
    }

    /// Fragments before sealing (RFC 4301 section 8); the length of the first ESP packet. `None` if it cannot be done.
    fn seal_fragments(
        &mut self,
        packet: &[u8],
        headers: &Headers,
        mtu: usize,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Option<Result<usize, CryptoError>> {
        let before = out.len();
        let mut first = None;
        let done = tunnel::fragment_ipv4(packet, headers, mtu, scratch, |fragment| {
            self.seal_appended(fragment, tunnel::NEXT_HEADER_IPV4, out)?;
            first.get_or_insert(out.len() - before);
            Ok(())
        });
        match (done, first) {
            (Ok(true), Some(first)) => Some(Ok(first)),
            (Ok(_), _) => None,
            (Err(e), _) => Some(Err(e)),
        }
    }

    /// Whether there is news of the limits, and whether one is reached.
    pub(super) fn newly_expiring(&mut self) -> Option<bool> {
        self.meter.news(self.sa.usage())
    }
}
