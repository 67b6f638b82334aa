//! Transport mode (RFC 4303 section 3.1.1): what of an IP packet ESP carries, and the packet made again from it.
//!
//! The IP header is not protected and a userspace plane does not send it itself, so the receiver makes a plain one of the
//! SA's addresses. What would be lost with it (IPv4 options, hop-by-hop and routing headers) is not carried.

use std::net::IpAddr;
use std::ops::Range;

use crate::tunnel::Headers;
use crate::tunnel::checksum::fill_ipv4;
use crate::tunnel::protocol;

const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
const FRAGMENT_LEN: usize = 8;
/// The recommended default (IANA's registry of IP parameters).
const TTL: u8 = 64;
/// Packets of which some fragments are there.
const MAX_PARTIAL: usize = 16;

/// Octets of the IP header that is not carried.
pub const fn header_len(ipv6: bool) -> usize {
    if ipv6 { IPV6_LEN } else { IPV4_LEN }
}

/// What ESP carries of a packet, and its next header. `None` for fragments, to which transport mode does not apply
/// (section 3.3.4), and for packets that would lose something.
pub fn payload<'p>(packet: &'p [u8], headers: &Headers) -> Option<(u8, &'p [u8])> {
    let next_header = match packet.first()? >> 4 {
        4 if packet.first()? & 15 == 5 => *packet.get(9)?,
        6 => *packet.get(6)?,
        _ => return None,
    };
    let lost = headers.is_ipv6()
        && matches!(
            next_header,
            protocol::HOP_BY_HOP | protocol::ROUTING | protocol::FRAGMENT
        );
    if lost || headers.is_fragment() {
        return None;
    }
    let payload = packet.get(header_len(headers.is_ipv6())..headers.total_len)?;
    Some((next_header, payload))
}

/// Writes the header of a packet between the SA's addresses around what ESP carried, in the buffer of the ESP packet:
/// where the packet is then, or `None` if there is no room.
pub fn rebuild_in_place(
    esp: &mut [u8],
    payload: Range<usize>,
    ends: (IpAddr, IpAddr),
    next_header: u8,
) -> Option<Range<usize>> {
    let header = header_len(ends.0.is_ipv6());
    let start = payload.start.max(header);
    let end = start.checked_add(payload.len()).filter(|end| *end <= esp.len())?;
    let whole = start - header..end;
    esp.copy_within(payload.clone(), start);
    write_header(esp.get_mut(whole.start..start)?, payload.len(), ends, next_header).then_some(whole)
}

/// The same in a buffer of its own. `None` if it is too long for a packet, or the addresses are of two families.
pub fn rebuild(payload: &[u8], ends: (IpAddr, IpAddr), next_header: u8) -> Option<Vec<u8>> {
    let header = header_len(ends.0.is_ipv6());
    let mut packet = vec![0; header];
    packet.extend_from_slice(payload);
    write_header(packet.get_mut(..header)?, payload.len(), ends, next_header).then_some(packet)
}

/// `false` if there is no such packet.
fn write_header(header: &mut [u8], payload_len: usize, ends: (IpAddr, IpAddr), next_header: u8) -> bool {
    match ends {
        (IpAddr::V4(source), IpAddr::V4(destination)) if header.len() == IPV4_LEN => {
            let Ok(total) = u16::try_from(IPV4_LEN + payload_len) else {
                return false;
            };
            // Never fragmented again, so that its identification does not matter (RFC 6864 section 4.1).
            let [high, low] = total.to_be_bytes();
            header[..12].copy_from_slice(&[0x45, 0, high, low, 0, 0, 0x40, 0, TTL, next_header, 0, 0]);
            header[12..16].copy_from_slice(&source.octets());
            header[16..].copy_from_slice(&destination.octets());
            fill_ipv4(header);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) if header.len() == IPV6_LEN => {
            let Ok(len) = u16::try_from(payload_len) else {
                return false;
            };
            let [high, low] = len.to_be_bytes();
            header[..8].copy_from_slice(&[0x60, 0, 0, 0, high, low, next_header, TTL]);
            header[8..24].copy_from_slice(&source.octets());
            header[24..].copy_from_slice(&destination.octets());
        }
        _ => return false,
    }
    true
}

/// Puts fragments of our side together again where an SA carries whole packets only. A host sends them in order; out of
/// order nothing comes of them. Holds no more than some.
#[derive(Debug, Default)]
pub struct Fragments {
    partial: Vec<Partial>,
}

#[derive(Debug)]
struct Partial {
    key: (IpAddr, IpAddr, u32),
    packet: Vec<u8>,
}

impl Fragments {
    /// Takes a fragment; returns the packet that it completes.
    pub fn add(&mut self, packet: &[u8], headers: &Headers) -> Option<Vec<u8>> {
        let part = Part::of(packet, headers)?;
        let key = (headers.source, headers.destination, part.id);
        let found = self.partial.iter().position(|p| p.key == key);
        let mut partial = match found {
            Some(index) => self.partial.remove(index),
            None => Partial {
                key,
                packet: part.header.clone(),
            },
        };
        let header_len = part.header.len();
        if partial.packet.len() != header_len + headers.fragment_offset {
            return None;
        }
        partial.packet.extend_from_slice(part.payload);
        if partial.packet.len() > header_len + usize::from(u16::MAX) {
            return None;
        }
        if headers.more_fragments {
            self.partial.truncate(MAX_PARTIAL - 1);
            self.partial.insert(0, partial);
            return None;
        }
        finish(partial.packet)
    }
}

/// A fragment taken apart.
struct Part<'p> {
    id: u32,
    /// That of the whole packet, but for its length.
    header: Vec<u8>,
    payload: &'p [u8],
}

impl<'p> Part<'p> {
    fn of(packet: &'p [u8], headers: &Headers) -> Option<Self> {
        if !headers.is_ipv6() {
            let mut header = packet.get(..IPV4_LEN)?.to_vec();
            let id = u16::from_be_bytes([header[4], header[5]]).into();
            header[6..8].fill(0);
            let plain = header[0] & 15 == 5;
            let payload = packet.get(IPV4_LEN..headers.total_len)?;
            return plain.then_some(Self { id, header, payload });
        }
        let mut header = packet.get(..IPV6_LEN)?.to_vec();
        let fragment = packet.get(IPV6_LEN..)?.first_chunk::<FRAGMENT_LEN>()?;
        if header[6] != protocol::FRAGMENT {
            return None;
        }
        header[6] = fragment[0];
        let id = u32::from_be_bytes([fragment[4], fragment[5], fragment[6], fragment[7]]);
        let payload = packet.get(IPV6_LEN + FRAGMENT_LEN..headers.total_len)?;
        Some(Self { id, header, payload })
    }
}

/// Writes the length into the header.
fn finish(mut packet: Vec<u8>) -> Option<Vec<u8>> {
    if packet.first()? >> 4 == 4 {
        let total = u16::try_from(packet.len()).ok()?;
        packet.get_mut(2..4)?.copy_from_slice(&total.to_be_bytes());
        fill_ipv4(packet.get_mut(..IPV4_LEN)?);
    } else {
        let len = u16::try_from(packet.len() - IPV6_LEN).ok()?;
        packet.get_mut(4..6)?.copy_from_slice(&len.to_be_bytes());
    }
    Some(packet)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::tunnel::fragment_ipv4;
    use crate::tunnel::test_packets::{clear_df, ipv4, ipv4_options, ipv6, reference_checksum};

    #[test]
    fn what_is_carried_makes_the_packet_again() {
        for packet in [
            ipv4(6, &[7; 33]),
            ipv6(17, &[8; 9]),
            ipv6(60, &[17, 0, 1, 4, 0, 0, 0, 0, 9, 9, 9, 9]),
        ] {
            let headers = Headers::parse(&packet).unwrap();
            let (next_header, carried) = payload(&packet, &headers).unwrap();
            let ends = (headers.source, headers.destination);
            let again = rebuild(carried, ends, next_header).unwrap();
            // In place, where there is room before or after.
            for (before, after, fits) in [
                (50, 0, true),
                (16, 18, !headers.is_ipv6()),
                (16, 40, true),
                (3, 9, false),
            ] {
                let mut esp = vec![0xee; before];
                esp.extend_from_slice(carried);
                esp.resize(esp.len() + after, 0xee);
                let place = rebuild_in_place(&mut esp, before..before + carried.len(), ends, next_header);
                assert_eq!(place.is_some(), fits, "{before} {after}");
                assert!(place.is_none_or(|place| esp[place] == again));
            }
            let read = Headers::parse(&again).unwrap();
            assert_eq!((read.source, read.destination), (headers.source, headers.destination));
            assert_eq!((read.protocol, read.ports), (headers.protocol, headers.ports));
            assert_eq!(again.len(), packet.len());
            assert_eq!(payload(&again, &read).unwrap(), (next_header, carried));
            if !read.is_ipv6() {
                assert_eq!(reference_checksum(&again[..20]), 0);
            }
        }
    }

    #[test]
    fn what_would_lose_something_is_not_carried() {
        let mut fragment = ipv4(17, &[0; 16]);
        fragment[6] = 0x20;
        let routing = ipv6(43, &[17, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
        for packet in [fragment, routing, ipv4_options(6, &[1; 4], &[0; 20])] {
            let headers = Headers::parse(&packet).unwrap();
            assert_eq!(payload(&packet, &headers), None);
        }
        let (v4, v6) = ("192.0.2.1".parse().unwrap(), "::1".parse().unwrap());
        let fits = |ends, len: usize| rebuild(&vec![0; len], ends, 6).is_some();
        assert!(!fits((v4, v6), 0) && !fits((v6, v4), 0));
        assert!(fits((v4, v4), 65_515) && !fits((v4, v4), 65_516));
        assert!(fits((v6, v6), 65_535) && !fits((v6, v6), 65_536));
    }

    #[test]
    fn fragments_in_order_make_the_packet() {
        let mut whole = ipv4(17, &(0..4000).map(|i| i as u8).collect::<Vec<_>>());
        clear_df(&mut whole);
        let headers = Headers::parse(&whole).unwrap();
        let mut parts = vec![];
        let split = fragment_ipv4(&whole, &headers, 1500, &mut vec![], |part| {
            parts.push(part.to_vec());
            Ok::<(), ()>(())
        });
        assert_eq!((split, parts.len()), (Ok(true), 3));
        let mut fragments = Fragments::default();
        let mut add = |part: &[u8]| fragments.add(part, &Headers::parse(part).unwrap());
        assert_eq!((add(&parts[0]), add(&parts[1])), (None, None));
        assert_eq!(add(&parts[2]), Some(whole.clone()));
        // Out of order nothing comes of it, and the next packet is not disturbed.
        assert_eq!((add(&parts[0]), add(&parts[2]), add(&parts[1])), (None, None, None));
        assert_eq!((add(&parts[0]), add(&parts[1])), (None, None));
        assert_eq!(add(&parts[2]), Some(whole));
        for id in 0..100u8 {
            let mut first = parts[0].clone();
            first[4] = id;
            assert_eq!(add(&first), None);
        }
        assert_eq!(fragments.partial.len(), MAX_PARTIAL);
    }

    #[test]
    fn ipv6_fragments_make_the_packet() {
        let whole = ipv6(17, &[5; 24]);
        let part = |offset: u16, more: bool, len: usize| {
            let mut body = vec![17, 0];
            body.extend_from_slice(&(offset | u16::from(more)).to_be_bytes());
            body.extend_from_slice(&[0, 0, 0, 9]);
            body.resize(8 + len, 5);
            ipv6(44, &body)
        };
        let mut fragments = Fragments::default();
        let (first, last) = (part(0, true, 16), part(16, false, 8));
        assert_eq!(fragments.add(&first, &Headers::parse(&first).unwrap()), None);
        assert_eq!(fragments.add(&last, &Headers::parse(&last).unwrap()), Some(whole));
    }
}
