//! Anti-replay (RFC 4303 section 3.4.3) and the upper half of extended sequence numbers (appendix A).

/// Packets that far behind the newest one are still accepted.
const WIDTH: u64 = 1024;
const WORD: u64 = 64;
/// Twice the window, so that a new packet frees whole words and never shifts the bitmap (RFC 6479).
const WORDS: usize = 32;

/// Which of the last 1,024 sequence numbers were received.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    newest: u64,
    bitmap: [u64; WORDS],
}

impl ReplayWindow {
    /// How many sequence numbers it spans.
    pub const WIDTH: u64 = WIDTH;

    /// Nothing received.
    pub const fn new() -> Self {
        Self {
            newest: 0,
            bitmap: [0; WORDS],
        }
    }

    /// The newest sequence number received; 0 for none.
    pub const fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether a packet with this number is neither a repetition nor too old to know. 0 is never sent
    /// (RFC 4303 section 2.2).
    pub fn is_new(&self, sequence: u64) -> bool {
        if sequence > self.newest {
            return true;
        }
        sequence != 0 && self.newest - sequence < WIDTH && self.bitmap[word(sequence)] & bit(sequence) == 0
    }

    /// Remembers an authentic packet. Returns whether it was new.
    pub fn insert(&mut self, sequence: u64) -> bool {
        if !self.is_new(sequence) {
            return false;
        }
        if sequence > self.newest {
            let (from, to) = (self.newest / WORD, sequence / WORD);
            for freed in (from + 1..=to).take(WORDS) {
                self.bitmap[freed as usize % WORDS] = 0;
            }
            self.newest = sequence;
        }
        self.bitmap[word(sequence)] |= bit(sequence);
        true
    }

    /// The whole extended sequence number whose lower half a packet shows: the one nearest to the window
    /// (RFC 4303 appendix A2.2). `None` if it would be before the first or after the last.
    pub fn recover(&self, low: u32) -> Option<u64> {
        let (top_high, top_low) = (self.newest >> 32, self.newest as u32);
        let bottom = top_low.wrapping_sub(WIDTH as u32 - 1);
        let high = if u64::from(top_low) >= WIDTH - 1 {
            // Case A: the window lies in one subspace.
            if low >= bottom {
                Some(top_high)
            } else {
                top_high.checked_add(1)
            }
        } else if low >= bottom {
            // Case B: it spans two, and the packet is of the older one.
            top_high.checked_sub(1)
        } else {
            Some(top_high)
        };
        high.filter(|&high| high <= u64::from(u32::MAX))
            .map(|high| high << 32 | u64::from(low))
    }

    #[cfg(test)]
    pub(crate) fn starting_at(newest: u64) -> Self {
        Self {
            newest,
            bitmap: [0; WORDS],
        }
    }
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::new()
    }
}

const fn word(sequence: u64) -> usize {
    (sequence / WORD) as usize % WORDS
}

const fn bit(sequence: u64) -> u64 {
    1 << (sequence % WORD)
}

#[cfg(test)]
mod tests;
