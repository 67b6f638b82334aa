//! The Internet checksum (RFC 1071) and its update in place (RFC 1624).

use std::net::IpAddr;

/// Sum of 16-bit words in ones' complement, folded, added to `start`; an odd last octet is padded with zero.
///
/// The order of the octets in a word does not matter to such a sum (RFC 1071 section 2 B), nor whether two words are
/// added at once, so this adds 32 bits as the machine reads them.
pub(crate) fn sum(octets: &[u8], start: u32) -> u32 {
    let (words, rest) = octets.as_chunks::<4>();
    let mut total = 0;
    for word in words {
        total += u64::from(u32::from_ne_bytes(*word));
    }
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    total += u64::from(u32::from_ne_bytes(last));
    let total = u16::from_be_bytes(fold(total).to_ne_bytes());
    u32::from(fold(u64::from(total) + u64::from(start)))
}

/// Adds the carries back.
const fn fold(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

/// The checksum of octets whose checksum field is zero.
pub(crate) fn checksum(octets: &[u8], start: u32) -> u16 {
    !(sum(octets, start) as u16)
}

/// Sum of the pseudo-header of IPv6 (RFC 8200 section 8.1).
pub(crate) fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, len: usize) -> u32 {
    let add = |address: IpAddr, start| match address {
        IpAddr::V4(address) => sum(&address.octets(), start),
        IpAddr::V6(address) => sum(&address.octets(), start),
    };
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    let words = sum(&len.to_be_bytes(), u32::from(protocol));
    add(destination, add(source, words))
}

/// The checksum after the words of `old` became those of `new` (RFC 1624 equation 3).
pub(crate) fn updated(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    let mut total = u32::from(!checksum);
    let (old, new) = (sum(old, 0), sum(new, 0));
    total += u32::from(!(old as u16)) + new;
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !(total as u16)
}

/// Writes the checksum of an IPv4 header.
pub(crate) fn fill_ipv4(header: &mut [u8]) {
    if let Some(field) = header.get_mut(10..12) {
        field.fill(0);
    }
    let value = checksum(header, 0);
    if let Some(field) = header.get_mut(10..12) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], 0), 0xddf2);
        assert_eq!(sum(&[0x00, 0x01, 0xf2], 0), 0xf201);
    }

    #[test]
    fn every_length_is_summed() {
        let octets: Vec<u8> = (0..200u32).map(|i| (i * i + 31 * i) as u8).collect();
        for len in 0..octets.len() {
            for start in [0, 1, 0xfffe, 0xffff, 0x1_0000, 0xffff_ffff] {
                let start_sum = (start & 0xffff) + (start >> 16);
                let words = octets[..len].chunks(2);
                let mut slow: u32 = words
                    .map(|w| u32::from(w[0]) << 8 | w.get(1).map_or(0, |o| u32::from(*o)))
                    .sum();
                slow += start_sum;
                while slow > 0xffff {
                    slow = (slow & 0xffff) + (slow >> 16);
                }
                assert_eq!(sum(&octets[..len], start), slow, "{len} {start}");
            }
        }
    }

    #[test]
    fn the_example_of_rfc_1624() {
        // Header checksum 0xdd2f, a word goes from 0x5555 to 0x3285.
        assert_eq!(updated(0xdd2f, &[0x55, 0x55], &[0x32, 0x85]), 0x0000);
    }
}
