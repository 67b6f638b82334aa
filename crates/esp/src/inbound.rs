//! The receiving half of a pair of ESP SAs.

use core::ops::Range;

use crate::NEXT_HEADER_DUMMY;
use crate::cipher::Cipher;
use crate::layout::{HEADER_LEN, TRAILER_LEN};
use crate::replay::ReplayWindow;

/// Opens ESP packets in place and refuses those that were seen before.
pub struct InboundSa {
    spi: u32,
    cipher: Cipher,
    esn: bool,
    window: ReplayWindow,
}

/// What was in an authentic packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The protocol of the payload: 4 or 41 in tunnel mode.
    pub next_header: u8,
    /// Where the payload is in the packet's buffer.
    pub payload: Range<usize>,
    /// Whether this is the newest packet so far, by sequence number.
    pub newest: bool,
}

/// Why a packet was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// Too short, of a length that the cipher never makes, of another SA, or authentic but with wrong padding.
    #[error("malformed ESP packet")]
    Malformed,
    /// Received before, or too old to know.
    #[error("replayed ESP packet")]
    Replay,
    /// The integrity check failed.
    #[error("integrity check failed")]
    Integrity,
    /// Authentic, but a dummy that only hides the amount of traffic (RFC 4303 section 2.6).
    #[error("dummy packet")]
    Dummy,
}

impl InboundSa {
    /// An SA that has received nothing. `esn`: extended sequence numbers (RFC 4303 section 2.2.1).
    pub fn new(spi: u32, cipher: impl Into<Cipher>, esn: bool) -> Self {
        Self {
            spi,
            cipher: cipher.into(),
            esn,
            window: ReplayWindow::new(),
        }
    }

    /// Our SPI.
    pub fn spi(&self) -> u32 {
        self.spi
    }

    /// The newest sequence number that was received; 0 before the first packet.
    pub fn sequence(&self) -> u64 {
        self.window.newest()
    }

    /// Whether it takes less memory until the next packet comes.
    pub fn is_resting(&self) -> bool {
        self.cipher.is_resting()
    }

    /// Rests if no packet has come since this was last called. Then it remembers only the last 64 sequence numbers: those
    /// before them count as received. Returns whether it rests.
    pub fn rest(&mut self) -> bool {
        let resting = self.cipher.rest();
        if resting {
            self.window.fold();
        }
        resting
    }

    /// Verifies and decrypts in place. On error the packet's octets are of no use.
    pub fn open(&mut self, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let low = self.check_frame(packet)?;
        let sequence = if self.esn {
            self.window.recover(low)
        } else {
            Some(u64::from(low))
        };
        // The window is looked at first, since that is cheap, and changed only when the packet is authentic
        // (RFC 4303 section 3.4.3).
        let sequence = sequence
            .filter(|&sequence| self.window.is_new(sequence))
            .ok_or(OpenError::Replay)?;
        let esn_high = self.esn.then_some((sequence >> 32) as u32);
        let keyed = self.cipher.keyed().map_err(|_| OpenError::Integrity)?;
        let plain = keyed
            .open(packet, HEADER_LEN, esn_high)
            .map_err(|_| OpenError::Integrity)?;
        let newest = sequence > self.window.newest();
        self.window.insert(sequence);

        let (next_header, len) = payload_len(plain).ok_or(OpenError::Malformed)?;
        if next_header == NEXT_HEADER_DUMMY {
            return Err(OpenError::Dummy);
        }
        let start = self.cipher.layout().headroom();
        Ok(Opened {
            next_header,
            payload: start..start + len,
            newest,
        })
    }

    /// The sequence number's low half of a packet that can be one of this SA's.
    fn check_frame(&self, packet: &[u8]) -> Result<u32, OpenError> {
        let [s0, s1, s2, s3, n0, n1, n2, n3] = *packet.first_chunk::<HEADER_LEN>().ok_or(OpenError::Malformed)?;
        let layout = self.cipher.layout();
        let fixed = layout.headroom() + usize::from(layout.icv_len);
        let padded = packet.len().checked_sub(fixed).ok_or(OpenError::Malformed)?;
        let ours = u32::from_be_bytes([s0, s1, s2, s3]) == self.spi;
        if !ours || padded == 0 || !padded.is_multiple_of(usize::from(layout.align)) {
            return Err(OpenError::Malformed);
        }
        Ok(u32::from_be_bytes([n0, n1, n2, n3]))
    }

    #[cfg(test)]
    pub(crate) fn set_sequence(&mut self, sequence: u64) {
        self.window = ReplayWindow::starting_at(sequence);
    }
}

/// Next header, and the octets before the padding. The padding must be as RFC 4303 section 2.4 wants it.
fn payload_len(plain: &[u8]) -> Option<(u8, usize)> {
    let (rest, &[pad_len, next_header]) = plain.split_last_chunk::<TRAILER_LEN>()?;
    let len = rest.len().checked_sub(usize::from(pad_len))?;
    let padding = rest.get(len..)?;
    padding.iter().copied().eq(1..=pad_len).then_some((next_header, len))
}

impl core::fmt::Debug for InboundSa {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("InboundSa")
            .field("spi", &format_args!("{:08x}", self.spi))
            .field("sequence", &self.window.newest())
            .finish_non_exhaustive()
    }
}
