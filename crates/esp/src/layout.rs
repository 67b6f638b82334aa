//! Sizes: where the parts of an ESP packet are (RFC 4303 section 2).

use handfast_crypto::provider::Protect;

/// SPI and sequence number.
pub(crate) const HEADER_LEN: usize = 8;

/// Pad length and next header.
pub(crate) const TRAILER_LEN: usize = 2;

/// What the cipher of an SA adds to a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Octets of explicit IV.
    pub iv_len: u8,
    /// Octets of integrity check value.
    pub icv_len: u8,
    /// The padded plaintext is a multiple of this: the cipher's block, at least 4 (RFC 4303 section 2.4).
    pub align: u8,
}

/// What comes before ESP in the outer packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OuterHeaders {
    /// An IPv6 header, not an IPv4 header.
    pub ipv6: bool,
    /// A UDP header (RFC 3948).
    pub udp: bool,
}

impl OuterHeaders {
    /// Their octets.
    pub const fn len(self) -> usize {
        let ip = if self.ipv6 { 40 } else { 20 };
        if self.udp { ip + 8 } else { ip }
    }

    /// Never: there is an IP header.
    pub const fn is_empty(self) -> bool {
        false
    }
}

impl Layout {
    /// The layout that a cipher makes.
    pub fn of(protect: &dyn Protect) -> Self {
        Self {
            iv_len: protect.iv_len() as u8,
            icv_len: protect.icv_len() as u8,
            align: protect.block_len().max(1).next_multiple_of(4) as u8,
        }
    }

    /// Octets before the inner packet: SPI, sequence number, IV.
    pub const fn headroom(&self) -> usize {
        HEADER_LEN + self.iv_len as usize
    }

    /// Octets of padding after an inner packet, pad length and next header not counted.
    pub const fn pad_len(&self, inner_len: usize) -> usize {
        (inner_len + TRAILER_LEN).next_multiple_of(self.align as usize) - inner_len - TRAILER_LEN
    }

    /// Octets after the inner packet: padding, pad length, next header, ICV.
    pub const fn tailroom(&self, inner_len: usize) -> usize {
        self.pad_len(inner_len) + TRAILER_LEN + self.icv_len as usize
    }

    /// Octets of the ESP packet that holds an inner packet.
    pub const fn sealed_len(&self, inner_len: usize) -> usize {
        self.headroom() + inner_len + self.tailroom(inner_len)
    }

    /// The most that ESP adds to an inner packet, outer IP and UDP headers not counted.
    pub const fn overhead(&self) -> usize {
        self.headroom() + (self.align as usize - 1) + TRAILER_LEN + self.icv_len as usize
    }

    /// The largest inner packet whose outer packet has at most `path_mtu` octets; 0 if there is none.
    pub const fn max_inner(&self, path_mtu: usize, outer: OuterHeaders) -> usize {
        let fixed = outer.len() + self.headroom() + self.icv_len as usize;
        let padded = path_mtu.saturating_sub(fixed) / self.align as usize * self.align as usize;
        padded.saturating_sub(TRAILER_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GCM: Layout = Layout {
        iv_len: 8,
        icv_len: 16,
        align: 4,
    };
    const CBC_SHA1: Layout = Layout {
        iv_len: 16,
        icv_len: 12,
        align: 16,
    };
    const OUTER: [OuterHeaders; 4] = [
        OuterHeaders {
            ipv6: false,
            udp: false,
        },
        OuterHeaders { ipv6: false, udp: true },
        OuterHeaders { ipv6: true, udp: false },
        OuterHeaders { ipv6: true, udp: true },
    ];

    #[test]
    fn known_sizes() {
        assert_eq!(GCM.sealed_len(84), 8 + 8 + 84 + 2 + 2 + 16);
        assert_eq!(CBC_SHA1.sealed_len(84), 8 + 16 + 96 + 12);
        // 1500 - 20 - 8 - 8 - 16 = 1448, less the trailer.
        assert_eq!(GCM.max_inner(1500, OUTER[0]), 1446);
        assert_eq!(GCM.max_inner(1500, OUTER[3]), 1500 - 48 - 32 - 2);
    }

    #[test]
    fn the_largest_inner_packet_fits_and_one_octet_more_does_not() {
        for layout in [GCM, CBC_SHA1] {
            for outer in OUTER {
                for mtu in 200..1600 {
                    let max = layout.max_inner(mtu, outer);
                    assert!(outer.len() + layout.sealed_len(max) <= mtu);
                    assert!(outer.len() + layout.sealed_len(max + 1) > mtu);
                }
            }
        }
        assert_eq!(GCM.max_inner(40, OUTER[0]), 0);
    }

    #[test]
    fn overhead_is_the_worst_case() {
        for layout in [GCM, CBC_SHA1] {
            let worst = (0..200).map(|len| layout.sealed_len(len) - len).max();
            assert_eq!(worst, Some(layout.overhead()));
        }
    }
}
