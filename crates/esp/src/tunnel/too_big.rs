//! Answers to packets that do not fit: ICMP "fragmentation needed" (RFC 792, RFC 1191) and ICMPv6 "packet too big"
//! (RFC 4443 section 3.2).

use std::net::IpAddr;

use super::checksum::{checksum, fill_ipv4, pseudo_header};
use super::headers::{Headers, Ports};
use super::{IPV6_MIN_MTU, protocol};

/// An ICMP error holds at most so much in IPv4 (RFC 1812 section 4.3.2.3).
const IPV4_REPLY_MAX: usize = 576;
const TTL: u8 = 64;

/// The ICMP message that tells the sender of `packet` to send at most `mtu` octets; `None` if it must get none: an
/// IPv4 packet that may be fragmented, an ICMP error, a fragment that is not the first, an address that is not one host's.
///
/// It comes from the packet's destination, for which there is a route into the tunnel, so no reverse path filter
/// drops it.
pub fn too_big(packet: &[u8], headers: &Headers, mtu: usize) -> Option<Vec<u8>> {
    let packet = packet.get(..headers.total_len)?;
    let may_be_told = headers.dont_fragment && headers.fragment_offset == 0 && !is_icmp_error(headers);
    if !may_be_told || !is_unicast(headers.source) || !is_unicast(headers.destination) {
        return None;
    }
    match (headers.source, headers.destination) {
        (IpAddr::V4(to), IpAddr::V4(from)) => {
            let quoted = packet.get(..packet.len().min(IPV4_REPLY_MAX - 28))?;
            // "Precedence" internetwork control (RFC 1812 section 4.3.2.5); no fragments.
            let mut reply = vec![0x45, 0xc0, 0, 0, 0, 0, 0x40, 0, TTL, protocol::ICMP, 0, 0];
            reply.extend_from_slice(&from.octets());
            reply.extend_from_slice(&to.octets());
            reply.extend_from_slice(&[3, 4, 0, 0, 0, 0]);
            reply.extend_from_slice(&u16::try_from(mtu).unwrap_or(u16::MAX).to_be_bytes());
            reply.extend_from_slice(quoted);
            let total = reply.len() as u16;
            reply[2..4].copy_from_slice(&total.to_be_bytes());
            fill_ipv4(&mut reply[..20]);
            let value = checksum(&reply[20..], 0);
            reply[22..24].copy_from_slice(&value.to_be_bytes());
            Some(reply)
        }
        (IpAddr::V6(to), IpAddr::V6(from)) => {
            let quoted = packet.get(..packet.len().min(IPV6_MIN_MTU - 48))?;
            let len = 8 + quoted.len();
            let mut reply = vec![0x60, 0, 0, 0];
            reply.extend_from_slice(&(len as u16).to_be_bytes());
            reply.extend_from_slice(&[protocol::ICMPV6, TTL]);
            reply.extend_from_slice(&from.octets());
            reply.extend_from_slice(&to.octets());
            reply.extend_from_slice(&[2, 0, 0, 0]);
            reply.extend_from_slice(&u32::try_from(mtu).unwrap_or(u32::MAX).to_be_bytes());
            reply.extend_from_slice(quoted);
            let pseudo = pseudo_header(from.into(), to.into(), protocol::ICMPV6, len);
            let value = checksum(&reply[40..], pseudo);
            reply[42..44].copy_from_slice(&value.to_be_bytes());
            Some(reply)
        }
        _ => None,
    }
}

/// No error answers an error (RFC 1122 section 3.2.2, RFC 4443 section 2.4 e). One whose type is hidden counts as one.
fn is_icmp_error(headers: &Headers) -> bool {
    let kind = match headers.ports {
        Ports::Type(value) => Some(value >> 8),
        _ => None,
    };
    match headers.protocol {
        // Destination unreachable, source quench, redirect, time exceeded, parameter problem.
        protocol::ICMP => kind.is_none_or(|kind| matches!(kind, 3 | 4 | 5 | 11 | 12)),
        protocol::ICMPV6 => kind.is_none_or(|kind| kind < 128 || kind == 137),
        _ => false,
    }
}

fn is_unicast(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

#[cfg(test)]
mod tests;
