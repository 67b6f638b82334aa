//! The Internet checksum (RFC 1071) and its update in place (RFC 1624).

use std::net::IpAddr;

/// Sum of 16-bit words in ones' complement, folded; an odd last octet is padded with zero.
pub(crate) fn sum(octets: &[u8], start: u32) -> u32 {
    let (words, rest) = octets.as_chunks::<2>();
    let mut total = u64::from(start);
    for word in words {
        total += u64::from(u16::from_be_bytes(*word));
    }
    if let [last] = rest {
        total += u64::from(*last) << 8;
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u32
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
    fn the_example_of_rfc_1624() {
        // Header checksum 0xdd2f, a word goes from 0x5555 to 0x3285.
        assert_eq!(updated(0xdd2f, &[0x55, 0x55], &[0x32, 0x85]), 0x0000);
    }
}
