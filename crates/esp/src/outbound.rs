//! The sending half of a pair of ESP SAs.

use handfast_crypto::provider::CryptoError;

use crate::cipher::Cipher;
use crate::layout::{HEADER_LEN, Layout, OuterHeaders, TRAILER_LEN};

/// Seals IP packets into ESP packets, each with its own sequence number.
pub struct OutboundSa {
    spi: u32,
    cipher: Cipher,
    esn: bool,
    /// The last one used; the first packet has 1 (RFC 4303 section 2.2).
    sequence: u64,
}

/// How much of its sequence numbers an SA has used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Usage {
    /// Less than three quarters.
    Fresh,
    /// Three quarters or more: time to rekey.
    Expiring,
    /// All: it seals no more.
    Exhausted,
}

impl OutboundSa {
    /// An SA that has sent nothing. `esn`: extended sequence numbers (RFC 4303 section 2.2.1).
    pub fn new(spi: u32, cipher: impl Into<Cipher>, esn: bool) -> Self {
        Self {
            spi,
            cipher: cipher.into(),
            esn,
            sequence: 0,
        }
    }

    /// The peer's SPI.
    pub fn spi(&self) -> u32 {
        self.spi
    }

    /// The last sequence number that was used; 0 before the first packet.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Leaves out sequence numbers up to and including `sequence`: to continue an SA elsewhere, where the last number
    /// used is not exactly known. Never goes back, since a counter must not be used twice with one key.
    pub fn skip_to(&mut self, sequence: u64) {
        self.sequence = self.sequence.max(sequence.min(self.last_sequence()));
    }

    /// Sizes of the parts of a packet.
    pub fn layout(&self) -> Layout {
        self.cipher.layout()
    }

    /// The most that ESP adds to an inner packet, outer IP and UDP headers not counted.
    pub fn overhead(&self) -> usize {
        self.layout().overhead()
    }

    /// The largest inner packet whose outer packet has at most `path_mtu` octets.
    pub fn max_inner(&self, path_mtu: usize, outer: OuterHeaders) -> usize {
        self.layout().max_inner(path_mtu, outer)
    }

    /// How much of the sequence numbers is used.
    pub fn usage(&self) -> Usage {
        let last = self.last_sequence();
        match self.sequence {
            used if used >= last => Usage::Exhausted,
            used if used >= last / 4 * 3 => Usage::Expiring,
            _ => Usage::Fresh,
        }
    }

    /// Whether it takes less memory until the next packet goes.
    pub fn is_resting(&self) -> bool {
        self.cipher.is_resting()
    }

    /// Rests if no packet has gone since this was last called. Returns whether it rests.
    pub fn rest(&mut self) -> bool {
        self.cipher.rest()
    }

    /// Appends to `out` the ESP packet that holds `inner`. Nothing is appended on error.
    pub fn seal(&mut self, inner: &[u8], next_header: u8, out: &mut Vec<u8>) -> Result<(), CryptoError> {
        let start = out.len();
        let layout = self.layout();
        out.reserve(layout.sealed_len(inner.len()));
        out.resize(start + layout.headroom(), 0);
        out.extend_from_slice(inner);
        out.resize(start + layout.sealed_len(inner.len()), 0);
        let packet = out.get_mut(start..).unwrap_or_default();
        let sealed = self.seal_in_place(packet, inner.len(), next_header);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed.map(drop)
    }

    /// Seals in place. `buffer` has [`headroom`](Layout::headroom) octets, the inner packet, and at least
    /// [`tailroom`](Layout::tailroom) octets; the packet's length is returned.
    pub fn seal_in_place(
        &mut self,
        buffer: &mut [u8],
        inner_len: usize,
        next_header: u8,
    ) -> Result<usize, CryptoError> {
        let len = self.layout().sealed_len(inner_len);
        let packet = buffer.get_mut(..len).ok_or(CryptoError::Length)?;
        let sequence = self.next_sequence()?;
        self.write_frame(packet, inner_len, next_header, sequence)?;
        let esn_high = self.esn.then_some((sequence >> 32) as u32);
        // The number is spent even if this fails: a counter must never be used twice with one key.
        self.cipher.keyed()?.seal(packet, HEADER_LEN, sequence, esn_high)?;
        Ok(len)
    }

    /// Everything in the clear that is not the inner packet: SPI, sequence number, padding, next header.
    fn write_frame(
        &self,
        packet: &mut [u8],
        inner_len: usize,
        next_header: u8,
        sequence: u64,
    ) -> Result<(), CryptoError> {
        let (header, rest) = packet.split_at_mut_checked(HEADER_LEN).ok_or(CryptoError::Length)?;
        header[..4].copy_from_slice(&self.spi.to_be_bytes());
        header[4..].copy_from_slice(&(sequence as u32).to_be_bytes());
        let layout = self.layout();
        let pad_len = layout.pad_len(inner_len);
        let start = usize::from(layout.iv_len) + inner_len;
        let trailer = rest
            .get_mut(start..start + pad_len + TRAILER_LEN)
            .ok_or(CryptoError::Length)?;
        // Padding is 1, 2, 3, .. (RFC 4303 section 2.4).
        for (octet, value) in trailer.iter_mut().zip(1u8..=pad_len as u8) {
            *octet = value;
        }
        trailer[pad_len] = pad_len as u8;
        trailer[pad_len + 1] = next_header;
        Ok(())
    }

    /// The sequence number must not cycle (RFC 4303 section 3.3.3).
    fn next_sequence(&mut self) -> Result<u64, CryptoError> {
        if self.sequence >= self.last_sequence() {
            return Err(CryptoError::Exhausted);
        }
        self.sequence += 1;
        Ok(self.sequence)
    }

    fn last_sequence(&self) -> u64 {
        if self.esn { u64::MAX } else { u64::from(u32::MAX) }
    }
}

impl core::fmt::Debug for OutboundSa {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OutboundSa")
            .field("spi", &format_args!("{:08x}", self.spi))
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}
