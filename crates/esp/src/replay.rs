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
    /// Before there is a bitmap: of the last 64 numbers, the newest being the lowest bit. Those before count as received.
    folded: u64,
    bitmap: Option<Box<[u64; WORDS]>>,
}

impl ReplayWindow {
    /// How many sequence numbers it spans.
    pub const WIDTH: u64 = WIDTH;

    /// Nothing received.
    pub const fn new() -> Self {
        Self {
            newest: 0,
            folded: 0,
            bitmap: None,
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
        let behind = self.newest - sequence;
        sequence != 0
            && match &self.bitmap {
                Some(bitmap) => behind < WIDTH && bitmap[word(sequence)] & bit(sequence) == 0,
                None => behind < WORD && self.folded >> behind & 1 == 0,
            }
    }

    /// Remembers an authentic packet. Returns whether it was new.
    pub fn insert(&mut self, sequence: u64) -> bool {
        if !self.is_new(sequence) {
            return false;
        }
        let (newest, folded) = (self.newest, self.folded);
        let bitmap = self.bitmap.get_or_insert_with(|| unfolded(newest, folded));
        if sequence > newest {
            let (from, to) = (newest / WORD, sequence / WORD);
            for freed in (from + 1..=to).take(WORDS) {
                bitmap[freed as usize % WORDS] = 0;
            }
            self.newest = sequence;
        }
        bitmap[word(sequence)] |= bit(sequence);
        true
    }

    /// Forgets all but the last 64 numbers, to take less memory until the next packet comes: what was under way long ago
    /// has arrived or is lost. The window must be 32 wide at least (RFC 4303 section 3.4.3).
    pub(crate) fn fold(&mut self) {
        if let Some(bitmap) = self.bitmap.take() {
            let received = |behind: &u64| {
                let sequence = self.newest.checked_sub(*behind);
                sequence.is_none_or(|sequence| bitmap[word(sequence)] & bit(sequence) != 0)
            };
            self.folded = (0..WORD).filter(received).fold(0, |last, behind| last | 1 << behind);
        }
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
            folded: 0,
            bitmap: None,
        }
    }
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::new()
    }
}

/// The bitmap after `newest`, of the last 64 numbers `folded`.
fn unfolded(newest: u64, folded: u64) -> Box<[u64; WORDS]> {
    let mut bitmap = Box::new([u64::MAX; WORDS]);
    // Nothing after the newest was received. Words after its own are freed when their time comes.
    bitmap[word(newest)] = bit(newest) | (bit(newest) - 1);
    for behind in (0..WORD).filter(|behind| folded >> behind & 1 == 0) {
        if let Some(sequence) = newest.checked_sub(behind) {
            bitmap[word(sequence)] &= !bit(sequence);
        }
    }
    bitmap
}

const fn word(sequence: u64) -> usize {
    (sequence / WORD) as usize % WORDS
}

const fn bit(sequence: u64) -> u64 {
    1 << (sequence % WORD)
}

#[cfg(test)]
mod tests;
