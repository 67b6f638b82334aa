//! TCP MSS clamping: what path MTU discovery would find out slowly, or never where ICMP is filtered.

use super::checksum::updated;
use super::headers::Headers;
use super::protocol;

const SYN: u8 = 0x02;
const MSS: u8 = 2;

/// Lowers the MSS option of a TCP SYN to what fits in a packet of `mtu` octets and corrects the checksum. Returns
/// whether it changed anything. Headers other than those without options are not reckoned with (RFC 6691 section 2).
pub fn clamp_mss(packet: &mut [u8], headers: &Headers, mtu: usize) -> bool {
    if headers.protocol != protocol::TCP || headers.is_fragment() {
        return false;
    }
    let ip_len = if headers.is_ipv6() { 40 } else { 20 };
    let limit = u16::try_from(mtu.saturating_sub(ip_len + 20)).unwrap_or(u16::MAX);
    let Some(tcp) = packet.get_mut(headers.transport..headers.total_len) else {
        return false;
    };
    clamp(tcp, limit).is_some()
}

fn clamp(tcp: &mut [u8], limit: u16) -> Option<()> {
    if *tcp.get(13)? & SYN == 0 {
        return None;
    }
    let header_len = usize::from(*tcp.get(12)? >> 4) * 4;
    let header = tcp.get_mut(..header_len)?;
    let at = find_mss(header)?;
    let value = header.get(at..)?.first_chunk::<2>()?;
    if u16::from_be_bytes(*value) <= limit {
        return None;
    }
    // The checksum sums words at even places, and the value may lie across two of them.
    let words = at & !1..(at + 2).next_multiple_of(2);
    let mut old = [0; 4];
    let old = old.get_mut(..words.len())?;
    old.copy_from_slice(header.get(words.clone())?);
    header.get_mut(at..at + 2)?.copy_from_slice(&limit.to_be_bytes());
    let checksum = u16::from_be_bytes(*header.get(16..)?.first_chunk::<2>()?);
    let checksum = updated(checksum, old, header.get(words)?);
    header.get_mut(16..18)?.copy_from_slice(&checksum.to_be_bytes());
    Some(())
}

/// Where the value of the MSS option is in a TCP header (RFC 9293 section 3.2).
fn find_mss(header: &[u8]) -> Option<usize> {
    let mut at = 20;
    loop {
        match (*header.get(at)?, header.get(at + 1)) {
            (0, _) => return None,
            (1, _) => at += 1,
            (MSS, Some(4)) => return header.get(at + 2..at + 4).map(|_| at + 2),
            (_, Some(&len)) if len >= 2 => at += usize::from(len),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
