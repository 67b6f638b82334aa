//! Fragmentation of IPv4 packets before they are sealed (RFC 791 section 3.2, RFC 4301 section 8).

use super::checksum::fill_ipv4;
use super::headers::Headers;

/// An option that later fragments have too (RFC 791 section 3.1).
const COPIED: u8 = 0x80;
const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;

/// Splits an IPv4 packet into fragments of at most `mtu` octets, all but the last of one size, and hands each to
/// `emit`, which may stop it. `scratch` holds one fragment at a time. `Ok(false)`: it cannot be fragmented (no IPv4, DF, or an MTU too small).
pub fn fragment_ipv4<E>(
    packet: &[u8],
    headers: &Headers,
    mtu: usize,
    scratch: &mut Vec<u8>,
    mut emit: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<bool, E> {
    let header_len = headers.transport;
    let step = mtu.saturating_sub(header_len) / 8 * 8;
    let parts = (packet.get(..header_len), packet.get(header_len..headers.total_len));
    let (Some(header), Some(payload), false, false, 1..) =
        (parts.0, parts.1, headers.is_ipv6(), headers.dont_fragment, step)
    else {
        return Ok(false);
    };
    let count = payload.len().div_ceil(step);
    for (index, part) in payload.chunks(step).enumerate() {
        scratch.clear();
        scratch.extend_from_slice(header);
        scratch.extend_from_slice(part);
        let offset = (headers.fragment_offset + index * step) / 8;
        let more = headers.more_fragments || index + 1 < count;
        let fragment_header = scratch.get_mut(..header_len).unwrap_or_default();
        write_header(fragment_header, header_len + part.len(), offset, more);
        emit(scratch)?;
    }
    Ok(true)
}

fn write_header(header: &mut [u8], total_len: usize, offset: usize, more: bool) {
    // 13 bits hold every offset of a packet of 65,535 octets.
    let field = (offset as u16 & 0x1fff) | if more { 0x2000 } else { 0 };
    if offset != 0 {
        blank_options(header.get_mut(20..).unwrap_or_default());
    }
    header[2..4].copy_from_slice(&(total_len as u16).to_be_bytes());
    header[6..8].copy_from_slice(&field.to_be_bytes());
    fill_ipv4(header);
}

/// Replaces the options that only the first fragment has by "no operation", so that all headers have one size.
fn blank_options(mut options: &mut [u8]) {
    while let Some(&kind) = options.first() {
        let len = match kind {
            END_OF_OPTIONS => return,
            NO_OPERATION => 1,
            _ => options.get(1).map_or(0, |&len| usize::from(len)),
        };
        // A length that is none: leave the rest as it is.
        if len == 0 || (len < 2 && kind != NO_OPERATION) {
            return;
        }
        let Some((option, rest)) = core::mem::take(&mut options).split_at_mut_checked(len) else {
            return;
        };
        if kind & COPIED == 0 {
            option.fill(NO_OPERATION);
        }
        options = rest;
    }
}

#[cfg(test)]
mod tests;
