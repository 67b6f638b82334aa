//! The demo's IP packets: UDP between a host behind A and one behind B, numbered.

/// Octets of each packet.
const LENGTH: usize = 200;

/// Packet `number` of A (0) or B (1). Both ends can tell its octets from its number.
pub fn packet(side: usize, number: u64) -> Vec<u8> {
    let (source, destination) = if side == 0 {
        ([10, 1, 0, 1], [10, 2, 0, 1])
    } else {
        ([10, 2, 0, 1], [10, 1, 0, 1])
    };
    let mut packet = vec![0x45, 0, 0, LENGTH as u8, 0, 0, 0x40, 0, 64, 17, 0, 0];
    packet.extend_from_slice(&source);
    packet.extend_from_slice(&destination);
    let sum = !checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    // UDP without a checksum, which IPv4 allows (RFC 768).
    packet.extend_from_slice(&[0x27, 0x10, 0x27, 0x11, 0, (LENGTH - 20) as u8, 0, 0]);
    packet.extend_from_slice(&number.to_be_bytes());
    let filler = number as u8;
    packet.resize(LENGTH, filler);
    packet
}

/// The number in a packet, if it is one of A's or B's and nothing in it was changed.
pub fn number(side: usize, octets: &[u8]) -> Option<u64> {
    let number = octets
        .get(28..36)
        .and_then(|n| n.try_into().ok())
        .map(u64::from_be_bytes)?;
    (octets == packet(side, number)).then_some(number)
}

/// The Internet checksum (RFC 1071), not inverted.
fn checksum(octets: &[u8]) -> u16 {
    let sum: u32 = octets
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |word, octet| word << 8 | u32::from(*octet)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_recognised_and_a_changed_one_is_not() {
        let mut octets = packet(0, 77);
        assert_eq!(checksum(&octets[..20]), 0xffff);
        assert_eq!(number(0, &octets), Some(77));
        assert_eq!(number(1, &octets), None);
        octets[150] ^= 1;
        assert_eq!(number(0, &octets), None);
    }
}
