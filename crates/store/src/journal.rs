//! A store that also appends every change to a writer: one JSON object a line, the first `{"version":1}`.
//!
//! What the writer is (a file, a pipe) and when it is synced is the caller's; every line is flushed. [`replay`] reads
//! it back.

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::delta::{FORMAT_VERSION, SaDelta};
use crate::memory::MemoryStore;
use crate::snapshot::SaSnapshot;
use crate::{SaStore, StoreError};

/// The first line.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u16,
}

/// A [`MemoryStore`] whose changes are written before they are made.
#[derive(Debug)]
pub struct JournalStore<W> {
    memory: MemoryStore,
    out: W,
    closed: bool,
}

impl<W: Write> JournalStore<W> {
    /// Starts a journal.
    ///
    /// # Errors
    /// The header cannot be written.
    pub fn create(mut out: W) -> Result<Self, StoreError> {
        write_line(
            &mut out,
            &Header {
                version: FORMAT_VERSION,
            },
        )?;
        Ok(Self {
            memory: MemoryStore::new(),
            out,
            closed: false,
        })
    }

    /// Goes on with a journal that [`replay`] read; `out` appends to it.
    pub fn resume(memory: MemoryStore, out: W) -> Self {
        Self {
            memory,
            out,
            closed: false,
        }
    }

    /// The writer.
    pub fn into_inner(self) -> W {
        self.out
    }
}

impl<W: Write + Send> SaStore for JournalStore<W> {
    fn record(&mut self, delta: &SaDelta) -> Result<(), StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        self.memory.check(delta)?;
        if let Err(error) = write_line(&mut self.out, delta) {
            // The line may be there in part; another after it would be lost with it.
            self.closed = true;
            return Err(error);
        }
        self.memory.apply(delta);
        Ok(())
    }

    fn snapshot(&self) -> SaSnapshot {
        self.memory.snapshot()
    }
}

/// Reads a journal. A last line without its end was cut by a crash before anybody was told of it, and is left out.
///
/// # Errors
/// The reader fails, a line is not a change, or the journal is of another version.
pub fn replay(mut journal: impl BufRead) -> Result<MemoryStore, StoreError> {
    let mut memory = MemoryStore::new();
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        journal.read_line(&mut text)?;
        if !text.ends_with('\n') {
            break;
        }
        let unreadable = |e: serde_json::Error| StoreError::Format {
            line,
            why: e.to_string(),
        };
        if line == 1 {
            let Header { version } = serde_json::from_str(&text).map_err(unreadable)?;
            if version != FORMAT_VERSION {
                return Err(StoreError::Version { found: version });
            }
        } else {
            memory.record(&serde_json::from_str(&text).map_err(unreadable)?)?;
        }
    }
    Ok(memory)
}

fn write_line(out: &mut impl Write, value: &impl Serialize) -> Result<(), StoreError> {
    let mut line = serde_json::to_vec(value).map_err(std::io::Error::from)?;
    line.push(b'\n');
    out.write_all(&line)?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests;
