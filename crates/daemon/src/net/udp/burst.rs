//! Datagrams that were received together.

use std::net::SocketAddr;

use super::Received;

/// Datagrams taken from one socket by one system call.
///
/// It is not part of the sockets, so that while its datagrams are looked at others can be sent.
#[derive(Debug, Default)]
pub struct Burst {
    pub(super) buffers: Vec<Vec<u8>>,
    /// What is in the buffers.
    filled: Vec<Filled>,
    /// The first datagram not taken yet: in which buffer, and where there.
    next: (usize, usize),
}

/// What is in a buffer: datagrams of one flow arrive joined (UDP_GRO).
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub len: usize,
    /// Octets of each datagram but the last, which may be shorter.
    pub stride: usize,
    pub ecn: u8,
}

impl Burst {
    /// Whether every datagram was taken.
    pub fn is_empty(&self) -> bool {
        self.next.0 >= self.filled.len()
    }

    /// Takes the next datagram.
    pub fn take_next(&mut self) -> Option<(Received, &mut [u8])> {
        let (index, offset) = self.next;
        let filled = self.filled.get(index)?;
        let len = (filled.len - offset).min(filled.stride);
        let datagram = self.buffers.get_mut(index)?.get_mut(offset..offset + len)?;
        self.next = if offset + len < filled.len {
            (index, offset + len)
        } else {
            (index + 1, 0)
        };
        Some((filled.received(len), datagram))
    }

    /// Takes all datagrams; they can be held at the same time.
    pub fn datagrams(&mut self) -> impl Iterator<Item = (Received, &mut [u8])> {
        let (first, offset) = core::mem::replace(&mut self.next, (self.filled.len(), 0));
        let buffers = self.buffers.iter_mut().zip(&self.filled).enumerate().skip(first);
        buffers.flat_map(move |(index, (buffer, filled))| {
            let from = if index == first { offset } else { 0 };
            let octets = buffer.get_mut(from..filled.len).unwrap_or_default();
            let datagrams = octets.chunks_mut(filled.stride);
            datagrams.map(|datagram| (filled.received(datagram.len()), datagram))
        })
    }

    /// Forgets all and makes room.
    pub(super) fn prepare(&mut self, count: usize, size: usize) {
        self.buffers.resize_with(count, || vec![0; size]);
        self.filled.clear();
        self.next = (0, 0);
    }

    /// The next buffer was filled so.
    pub(super) fn push(&mut self, filled: Filled) {
        let stride = filled.stride.max(1);
        self.filled.push(Filled { stride, ..filled });
    }
}

impl Filled {
    fn received(&self, len: usize) -> Received {
        Received {
            local: self.local,
            remote: self.remote,
            len,
            ecn: self.ecn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst() -> Burst {
        let mut burst = Burst::default();
        burst.prepare(3, 100);
        for (index, (len, stride)) in [(25, 10), (0, 0), (20, 10)].into_iter().enumerate() {
            let local = SocketAddr::from(([127, 0, 0, 1], 4500));
            burst.buffers[index].fill(index as u8);
            burst.push(Filled {
                local,
                remote: local,
                len,
                stride,
                ecn: index as u8,
            });
        }
        burst
    }

    #[test]
    fn one_by_one_and_all_at_once() {
        let mut one_by_one = Vec::new();
        let mut this = burst();
        while let Some((received, datagram)) = this.take_next() {
            assert_eq!(received.len, datagram.len());
            one_by_one.push((received.ecn, datagram.to_vec()));
        }
        assert!(this.is_empty());
        let lengths: Vec<usize> = one_by_one.iter().map(|(_, datagram)| datagram.len()).collect();
        assert_eq!(lengths, [10, 10, 5, 0, 10, 10]);
        assert!(
            one_by_one
                .iter()
                .all(|(ecn, datagram)| datagram.iter().all(|o| o == ecn))
        );
        // An empty datagram is nothing to anybody.
        one_by_one.remove(3);
        for taken in 0..2 {
            let mut this = burst();
            for _ in 0..taken {
                this.take_next();
            }
            let all: Vec<_> = this
                .datagrams()
                .map(|(received, datagram)| (received.ecn, datagram.to_vec()))
                .collect();
            assert_eq!(all, one_by_one[taken..]);
            assert!(this.is_empty() && this.take_next().is_none());
        }
    }
}
