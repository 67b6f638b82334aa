//! The header before each frame of a TUN device with offload: `struct virtio_net_hdr` (virtio 1.2 section 5.1.6), in the
//! machine's byte order as TUN has it.

use handfast_esp::tunnel::{Joined, Offload, PartialChecksum, Segmented, Segments};

/// Its octets.
pub(super) const LEN: usize = 10;

const NEEDS_CHECKSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_TCP_IPV4: u8 = 1;
const GSO_TCP_IPV6: u8 = 4;
const GSO_UDP: u8 = 5;
/// The first packet says "window reduced" (CWR); it says so itself.
const GSO_ECN: u8 = 0x80;

/// What the header says; `None` for a kind of frame that was not asked for.
pub(super) fn read(header: &[u8; LEN]) -> Option<Offload> {
    let word = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
    let checksum = (header[0] & NEEDS_CHECKSUM != 0).then(|| PartialChecksum {
        start: word(6),
        offset: word(8),
    });
    let protocol = match header[1] & !GSO_ECN {
        GSO_NONE => None,
        GSO_TCP_IPV4 | GSO_TCP_IPV6 => Some(Segmented::Tcp),
        GSO_UDP => Some(Segmented::Udp),
        _ => return None,
    };
    let segments = protocol.map(|protocol| Segments {
        protocol,
        size: word(4),
    });
    Some(Offload { checksum, segments })
}

/// The header of a frame.
pub(super) fn header(joined: &Joined<'_, '_>) -> [u8; LEN] {
    let mut header = [0; LEN];
    let mut put = |at: usize, value: u16| header[at..at + 2].copy_from_slice(&value.to_ne_bytes());
    if let Some(checksum) = joined.offload.checksum {
        put(6, checksum.start);
        put(8, checksum.offset);
    }
    if let Some(segments) = joined.offload.segments {
        put(2, joined.head.len() as u16);
        put(4, segments.size);
        let ipv6 = joined.head.first().is_some_and(|first| first >> 4 == 6);
        header[1] = match (segments.protocol, ipv6) {
            (Segmented::Tcp, false) => GSO_TCP_IPV4,
            (Segmented::Tcp, true) => GSO_TCP_IPV6,
            (Segmented::Udp, _) => GSO_UDP,
        };
    }
    header[0] = u8::from(joined.offload.checksum.is_some()) * NEEDS_CHECKSUM;
    header
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (first, protocol, kind) in [
            (0x45, Segmented::Tcp, GSO_TCP_IPV4),
            (0x60, Segmented::Tcp, GSO_TCP_IPV6),
            (0x45, Segmented::Udp, GSO_UDP),
            (0x60, Segmented::Udp, GSO_UDP),
        ] {
            let offload = Offload {
                checksum: Some(PartialChecksum { start: 20, offset: 16 }),
                segments: Some(Segments { protocol, size: 1346 }),
            };
            let head = [first; 52];
            let written = header(&Joined {
                head: &head,
                payloads: &[],
                offload,
            });
            assert_eq!((written[0], written[1]), (NEEDS_CHECKSUM, kind));
            assert_eq!(u16::from_ne_bytes([written[2], written[3]]), 52);
            assert_eq!(read(&written).unwrap(), offload);
        }
        assert_eq!(header(&Joined::alone(&[0x45; 40])), [0; LEN]);
        assert_eq!(read(&[0; LEN]).unwrap(), Offload::default());
    }

    #[test]
    fn fragments_of_udp_are_no_segments() {
        // UFO: one datagram larger than the link.
        assert_eq!(read(&[0, 3, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        let ecn = read(&[0, GSO_TCP_IPV4 | GSO_ECN, 0, 0, 1, 1, 0, 0, 0, 0]).unwrap();
        assert_eq!(ecn.segments.unwrap().size, 257);
    }
}
