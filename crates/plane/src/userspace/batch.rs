//! Sealed packets on their way to the network, many for one system call.

use core::ops::Range;

use crate::op::OuterPath;

/// Sealed packets that wait to be sent, in the order in which they were sealed.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) octets: Vec<u8>,
    runs: Vec<Run>,
}

/// Packets that follow each other in a [`Batch`], go the same way, and are of one size.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// Where to.
    pub path: OuterPath,
    /// The outer TOS or traffic class (RFC 6040).
    pub tos: u8,
    /// Octets of each packet but the last, which may be shorter.
    pub segment_len: usize,
    octets: Range<usize>,
}

impl Batch {
    /// Octets of all packets.
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Forgets all, and keeps the room.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.runs.clear();
    }

    /// The runs and their packets: `octets.chunks(run.segment_len)`.
    pub fn runs(&self) -> impl Iterator<Item = (&Run, &[u8])> {
        let octets = |run: &Run| self.octets.get(run.octets.clone()).unwrap_or_default();
        self.runs.iter().map(move |run| (run, octets(run)))
    }

    /// What was appended to the octets since they were `before` is packets of `segment_len` octets, the last one maybe
    /// shorter.
    pub(super) fn add(&mut self, before: usize, path: OuterPath, tos: u8, segment_len: usize) {
        let octets = before..self.octets.len();
        if octets.is_empty() {
            return;
        }
        if let Some(last) = self.runs.last_mut()
            && last.octets.len().is_multiple_of(last.segment_len.max(1))
            && (last.segment_len == segment_len || (octets.len() <= segment_len && octets.len() < last.segment_len))
            && (last.path, last.tos) == (path, tos)
        {
            last.octets.end = octets.end;
            return;
        }
        self.runs.push(Run {
            path,
            tos,
            segment_len,
            octets,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_sa::path;

    fn runs(packets: &[(u8, u8, &[usize])]) -> Vec<(usize, usize)> {
        let mut batch = Batch::default();
        for &(last, tos, lengths) in packets {
            let before = batch.len();
            batch.octets.resize(before + lengths.iter().sum::<usize>(), 7);
            batch.add(before, path(last), tos, lengths.first().copied().unwrap_or_default());
        }
        let total: usize = batch.runs().map(|(_, octets)| octets.len()).sum();
        assert_eq!(total, batch.len());
        batch
            .runs()
            .map(|(run, octets)| (run.segment_len, octets.len()))
            .collect()
    }

    #[test]
    fn packets_of_one_way_and_size_are_one_run() {
        assert_eq!(runs(&[(1, 0, &[10]), (1, 0, &[10]), (1, 0, &[10])]), [(10, 30)]);
        assert_eq!(runs(&[(1, 0, &[10, 10, 4]), (1, 0, &[10])]), [(10, 24), (10, 10)]);
        // A shorter one is the last.
        assert_eq!(runs(&[(1, 0, &[10]), (1, 0, &[4]), (1, 0, &[4])]), [(10, 14), (4, 4)]);
        assert_eq!(runs(&[(1, 0, &[10]), (1, 0, &[12])]), [(10, 10), (12, 12)]);
        assert_eq!(runs(&[(1, 0, &[30]), (1, 0, &[10, 10])]), [(30, 30), (10, 20)]);
        assert_eq!(runs(&[(1, 0, &[30]), (1, 0, &[])]), [(30, 30)]);
    }

    #[test]
    fn other_ways_are_other_runs() {
        assert_eq!(runs(&[(1, 0, &[10]), (2, 0, &[10])]), [(10, 10), (10, 10)]);
        assert_eq!(runs(&[(1, 0, &[10]), (1, 3, &[10])]), [(10, 10), (10, 10)]);
    }
}
