//! Packets for the tests of this module and their checksums, computed apart from the code under test.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::headers::Headers;
use super::offload::Segmented;

/// From 192.0.2.1 to 198.51.100.2; don't fragment.
pub fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_options(protocol, &[], payload)
}

/// The same with options, of which there must be a multiple of 4 octets.
pub fn ipv4_options(protocol: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    assert!(options.len().is_multiple_of(4));
    let header_len = 20 + options.len();
    let total = u16::try_from(header_len + payload.len()).unwrap();
    let mut packet = vec![0x40 | (header_len / 4) as u8, 0];
    packet.extend_from_slice(&total.to_be_bytes());
    packet.extend_from_slice(&[0x12, 0x34, 0x40, 0, 63, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2]);
    packet.extend_from_slice(options);
    let value = reference_checksum(&packet);
    packet[10..12].copy_from_slice(&value.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// Lets routers fragment it.
pub fn clear_df(packet: &mut [u8]) {
    packet[6] &= !0x40;
    packet[10..12].fill(0);
    let header_len = usize::from(packet[0] & 15) * 4;
    let value = reference_checksum(&packet[..header_len]);
    packet[10..12].copy_from_slice(&value.to_be_bytes());
}

/// From 2001:db8::1 to 2001:db8::2.
pub fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap();
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend_from_slice(&len.to_be_bytes());
    packet.extend_from_slice(&[next_header, 63]);
    for last in [1, 2] {
        packet.extend_from_slice(&[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend_from_slice(payload);
    packet
}

/// The slow way: one octet at a time, carry at once.
pub fn reference_checksum(octets: &[u8]) -> u16 {
    let mut total = 0u16;
    for (index, octet) in octets.iter().enumerate() {
        let word = if index % 2 == 0 {
            u16::from(*octet) << 8
        } else {
            u16::from(*octet)
        };
        let (sum, carry) = total.overflowing_add(word);
        total = sum + u16::from(carry);
    }
    !total
}

/// The checksum over pseudo-header and payload: 0 if the field in it is right.
pub fn transport_checksum(packet: &[u8]) -> u16 {
    let headers = Headers::parse(packet).unwrap();
    let body = &packet[headers.transport..headers.total_len];
    let addresses = if packet[0] >> 4 == 4 {
        &packet[12..20]
    } else {
        &packet[8..40]
    };
    let mut all = addresses.to_vec();
    all.extend_from_slice(&(body.len() as u32).to_be_bytes());
    all.extend_from_slice(&[0, 0, 0, headers.protocol]);
    all.extend_from_slice(body);
    reference_checksum(&all)
}

/// A TCP or UDP packet of any size, or a frame that stands for several.
#[derive(Clone, Debug)]
pub struct Frame {
    pub ipv6: bool,
    /// Octets of IPv4 options, or of an IPv6 destination options header.
    pub extra: usize,
    /// UDP if there is none.
    pub tcp: Option<Tcp>,
    pub payload: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct Tcp {
    pub sequence: u32,
    pub flags: u8,
    pub options: Vec<u8>,
}

impl Frame {
    pub fn any() -> impl Strategy<Value = Self> {
        let options = (0usize..=10).prop_flat_map(|words| prop::collection::vec(any::<u8>(), words * 4));
        let tcp = (any::<u32>(), any::<u8>(), options).prop_map(|(sequence, flags, options)| Tcp {
            sequence,
            flags,
            options,
        });
        let payload = prop::collection::vec(any::<u8>(), 1..8000);
        (any::<bool>(), 0usize..4, prop::option::of(tcp), payload).prop_map(|(ipv6, extra, tcp, payload)| Self {
            ipv6,
            extra: extra * 8,
            tcp,
            payload,
        })
    }

    pub fn protocol(&self) -> Segmented {
        if self.tcp.is_some() {
            Segmented::Tcp
        } else {
            Segmented::Udp
        }
    }

    pub fn head_len(&self) -> usize {
        let ip = if self.ipv6 { 40 } else { 20 };
        ip + self.extra + self.tcp.as_ref().map_or(8, |tcp| 20 + tcp.options.len())
    }

    /// It as one packet, its transport checksum zero.
    pub fn octets(&self) -> Vec<u8> {
        let mut body = vec![0x30, 0x39, 0x01, 0xbb];
        match &self.tcp {
            Some(tcp) => {
                body.extend_from_slice(&tcp.sequence.to_be_bytes());
                body.extend_from_slice(&[1, 2, 3, 4, ((20 + tcp.options.len()) * 4) as u8, tcp.flags]);
                body.extend_from_slice(&[0x55, 0xaa, 0, 0, 0, 0]);
                body.extend_from_slice(&tcp.options);
            }
            None => {
                body.extend_from_slice(&((8 + self.payload.len()) as u16).to_be_bytes());
                body.extend_from_slice(&[0, 0]);
            }
        }
        body.extend_from_slice(&self.payload);
        let number = if self.tcp.is_some() { 6 } else { 17 };
        if !self.ipv6 {
            return ipv4_options(number, &vec![1; self.extra], &body);
        }
        if self.extra == 0 {
            return ipv6(number, &body);
        }
        // Destination options, all of it padding (RFC 8200 section 4.2).
        let mut options = vec![number, (self.extra / 8 - 1) as u8];
        options.extend(vec![0; self.extra - 2]);
        ipv6(60, &[options, body].concat())
    }
}
