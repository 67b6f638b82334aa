//! A small pcapng writer: one interface of raw IP packets, with made IP and UDP headers.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// LINKTYPE_RAW: packets begin with their IP header.
const LINKTYPE_RAW: u16 = 101;

/// Writes a capture.
pub struct PcapngWriter {
    out: BufWriter<File>,
}

impl PcapngWriter {
    /// Begins a capture; an older file is replaced.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut writer = Self {
            out: BufWriter::new(File::create(path)?),
        };
        // Section header: byte order, version 1.0, length unknown.
        let mut body = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
        body.extend_from_slice(&[1, 0, 0, 0]);
        body.extend_from_slice(&(-1i64).to_le_bytes());
        writer.block(0x0a0d_0d0a, &body)?;
        // Interface: link type, no limit, option if_tsresol (9) = nanoseconds.
        let mut body = LINKTYPE_RAW.to_le_bytes().to_vec();
        body.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
        body.extend_from_slice(&[9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        writer.block(1, &body)?;
        Ok(writer)
    }

    /// Adds a UDP datagram; `at` is the time since 1970.
    pub fn udp(&mut self, at: Duration, source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> io::Result<()> {
        let packet = ip_packet(source, destination, payload)?;
        let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let length = u32::try_from(packet.len()).map_err(io::Error::other)?.to_le_bytes();
        let mut body = 0u32.to_le_bytes().to_vec();
        body.extend_from_slice(&((nanos >> 32) as u32).to_le_bytes());
        body.extend_from_slice(&(nanos as u32).to_le_bytes());
        body.extend_from_slice(&length);
        body.extend_from_slice(&length);
        body.extend_from_slice(&packet);
        self.block(6, &body)
    }

    /// Ends the capture.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let padding = (4 - body.len() % 4) % 4;
        let total = u32::try_from(12 + body.len() + padding)
            .map_err(io::Error::other)?
            .to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&total)?;
        self.out.write_all(body)?;
        self.out.write_all(&[0; 3][..padding])?;
        self.out.write_all(&total)
    }
}

/// The IP packet that carries this datagram.
fn ip_packet(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(payload.len() + 8).map_err(io::Error::other)?;
    let mut udp = source.port().to_be_bytes().to_vec();
    udp.extend_from_slice(&destination.port().to_be_bytes());
    udp.extend_from_slice(&length.to_be_bytes());
    udp.extend_from_slice(&[0, 0]);
    udp.extend_from_slice(payload);
    let (addresses, mut packet) = match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let addresses = [from.octets(), to.octets()].concat();
            let total = length
                .checked_add(20)
                .ok_or_else(|| io::Error::other("datagram too long"))?;
            let mut header = vec![0x45, 0];
            header.extend_from_slice(&total.to_be_bytes());
            header.extend_from_slice(&[0, 0, 0x40, 0, 64, 17, 0, 0]);
            header.extend_from_slice(&addresses);
            let sum = checksum(&[&header]);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            (addresses, header)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let addresses = [from.octets(), to.octets()].concat();
            let mut header = vec![0x60, 0, 0, 0];
            header.extend_from_slice(&length.to_be_bytes());
            header.extend_from_slice(&[17, 64]);
            header.extend_from_slice(&addresses);
            (addresses, header)
        }
        _ => return Err(io::Error::other("addresses of different families")),
    };
    let pseudo = [&addresses[..], &[0, 17], &length.to_be_bytes()].concat();
    // Zero would mean "no checksum" (RFC 768).
    let sum = match checksum(&[&pseudo, &udp]) {
        0 => 0xffff,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    packet.extend_from_slice(&udp);
    Ok(packet)
}

/// The Internet checksum (RFC 1071); all parts but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    let mut sum: u32 = parts.iter().flat_map(|part| part.chunks(2)).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_right() {
        let packet = ip_packet(
            "192.0.2.1:500".parse().unwrap(),
            "192.0.2.2:4500".parse().unwrap(),
            b"abc",
        )
        .unwrap();
        assert_eq!(packet.len(), 31);
        assert_eq!(packet[..12], [0x45, 0, 0, 31, 0, 0, 0x40, 0, 64, 17, 0xb6, 0xca]);
        assert_eq!(packet[20..26], [0x01, 0xf4, 0x11, 0x94, 0, 11]);
        // A header with a right checksum sums up to zero.
        assert_eq!(checksum(&[&packet[..20]]), 0);
        let pseudo = [&packet[12..20], &[0, 17, 0, 11]].concat();
        assert_eq!(checksum(&[&pseudo, &packet[20..]]), 0);
    }

    #[test]
    fn a_capture_reads_back() {
        let path = std::env::temp_dir().join(format!("handfast-{}.pcapng", std::process::id()));
        let mut writer = PcapngWriter::create(&path).unwrap();
        let (a, b) = ("192.0.2.1:500".parse().unwrap(), "192.0.2.2:4500".parse().unwrap());
        let at = Duration::new(1_700_000_000, 123_456_789);
        let payloads: [&[u8]; 3] = [b"", b"one", &[7; 1400]];
        for payload in payloads {
            writer.udp(at, a, b, payload).unwrap();
        }
        writer.finish().unwrap();
        let octets = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();

        let blocks = blocks(&octets);
        let kinds: Vec<u32> = blocks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [0x0a0d_0d0a, 1, 6, 6, 6]);
        assert_eq!(blocks[1].1[..2], [101, 0], "the link type");
        for (payload, (_, body)) in payloads.iter().zip(&blocks[2..]) {
            let time = u64::from(number(&body[4..])) << 32 | u64::from(number(&body[8..]));
            assert_eq!(u128::from(time), at.as_nanos());
            let length = 28 + payload.len();
            assert_eq!(
                (number(&body[12..]), number(&body[16..])),
                (length as u32, length as u32)
            );
            assert_eq!(&body[20 + 28..20 + length], *payload);
        }
    }

    /// Types and bodies; panics where the two lengths of a block differ.
    fn blocks(mut octets: &[u8]) -> Vec<(u32, &[u8])> {
        let mut blocks = vec![];
        while !octets.is_empty() {
            let length = number(&octets[4..]) as usize;
            assert!(length.is_multiple_of(4) && number(&octets[length - 4..]) as usize == length);
            blocks.push((number(octets), &octets[8..length - 4]));
            octets = &octets[length..];
        }
        blocks
    }

    fn number(octets: &[u8]) -> u32 {
        u32::from_le_bytes(octets[..4].try_into().unwrap())
    }

    #[test]
    fn ipv6_too() {
        let packet = ip_packet(
            "[2001:db8::1]:500".parse().unwrap(),
            "[2001:db8::2]:500".parse().unwrap(),
            b"ab",
        )
        .unwrap();
        let pseudo = [&packet[8..40], &[0, 17, 0, 10]].concat();
        assert_eq!(checksum(&[&pseudo, &packet[40..]]), 0);
    }
}
