//! DSCP and ECN between inner and outer header (RFC 6040, RFC 4301 section 5.1.2).

use super::checksum;

const ECN_MASK: u8 = 3;
const ECT_0: u8 = 2;
const ECT_1: u8 = 1;
const CE: u8 = 3;

/// The outer header says that congestion was met, the inner one that its sender would not understand: the packet must
/// be dropped (RFC 6040 section 4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("congestion experienced by a packet that cannot carry the mark")]
pub struct CongestionLost;

/// The outer TOS or traffic class of a packet with this inner one: both parts are copied (RFC 6040 section 4.1,
/// normal mode).
pub const fn encapsulated_tos(inner: u8) -> u8 {
    inner
}

/// Merges the ECN of the outer header into the packet that came out of the tunnel (RFC 6040 section 4.2).
pub fn merge_ecn(packet: &mut [u8], outer_tos: u8) -> Result<(), CongestionLost> {
    let Some(&[first, second]) = packet.first_chunk::<2>() else {
        return Ok(());
    };
    let is_ipv4 = first >> 4 == 4;
    let inner = if is_ipv4 { second } else { second >> 4 } & ECN_MASK;
    let merged = match (inner, outer_tos & ECN_MASK) {
        (0, CE) => return Err(CongestionLost),
        (0, _) | (CE, _) => inner,
        (_, CE) => CE,
        (ECT_0, ECT_1) => ECT_1,
        _ => inner,
    };
    if merged == inner {
        return Ok(());
    }
    if is_ipv4 {
        packet[1] = second & !ECN_MASK | merged;
        if let Some(field) = packet.get(10..12).and_then(|field| field.first_chunk::<2>()) {
            let value = checksum::updated(u16::from_be_bytes(*field), &[first, second], &[first, packet[1]]);
            packet[10..12].copy_from_slice(&value.to_be_bytes());
        }
    } else {
        packet[1] = second & !(ECN_MASK << 4) | merged << 4;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::test_packets::{ipv4, ipv6};
    use super::*;

    /// RFC 6040 figure 4, rows Not-ECT, ECT(0), ECT(1), CE; columns the same; `None` is a drop.
    const FIGURE_4: [[Option<u8>; 4]; 4] = [
        [Some(0), Some(0), Some(0), None],
        [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)],
        [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)],
        [Some(CE), Some(CE), Some(CE), Some(CE)],
    ];
    const ORDER: [u8; 4] = [0, ECT_0, ECT_1, CE];

    #[test]
    fn every_cell_of_figure_4() {
        for (row, inner) in ORDER.into_iter().enumerate() {
            for (column, outer) in ORDER.into_iter().enumerate() {
                let mut four = ipv4(17, &[0; 8]);
                four[1] = 0xb8 | inner;
                checksum::fill_ipv4(&mut four[..20]);
                let mut six = ipv6(17, &[0; 8]);
                (six[0], six[1]) = (0x6b, 0x85 | inner << 4);
                let expected = FIGURE_4[row][column];
                assert_eq!(merge_ecn(&mut four, outer).ok(), expected.map(drop));
                assert_eq!(merge_ecn(&mut six, outer).ok(), expected.map(drop));
                if let Some(ecn) = expected {
                    assert_eq!(four[1], 0xb8 | ecn);
                    assert_eq!(checksum::sum(&four[..20], 0), 0xffff);
                    assert_eq!((six[0], six[1]), (0x6b, 0x85 | ecn << 4));
                }
            }
        }
    }
}
