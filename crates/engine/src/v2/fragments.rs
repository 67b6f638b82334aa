//! A message in pieces (RFC 7383): how large they may be, and the collection of those that arrive.

use handfast_wire::header::PayloadType;

/// Octets of IPv4, UDP and non-ESP marker before an IKE message; of IPv6 they are 20 more.
const BEFORE_IKE: usize = 20 + 8 + 4;
const LONGER_IPV6: usize = 20;
/// In more pieces than these no message comes that fits into [`MAX_MESSAGE`].
const MAX_FRAGMENTS: u16 = 1024;
/// The largest message, by its inner payloads, that is collected of a peer that has not proven itself: as much as one
/// datagram may hold, and some.
const MAX_UNPROVEN: usize = 72 * 1024;
/// The largest of all.
const MAX_MESSAGE: usize = 2 * MAX_UNPROVEN;

/// The largest IKE message for IP datagrams of this size.
pub(crate) fn largest(datagram: u16, ipv6: bool) -> usize {
    let before = BEFORE_IKE + if ipv6 { LONGER_IPV6 } else { 0 };
    usize::from(datagram).saturating_sub(before)
}

/// Where a fragment belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    pub message_id: u32,
    pub number: u16,
    pub total: u16,
}

/// A message whose last missing fragment has come.
pub(crate) struct Collected {
    pub first: PayloadType,
    pub inner: Vec<u8>,
    /// The datagram with the first fragment: if it comes again, so has the whole message (RFC 7383 section 2.6.1).
    pub first_datagram: Vec<u8>,
    /// Octets of all datagrams.
    pub size: usize,
}

/// The fragments of one message, each authentic before it got here.
struct Set {
    message_id: u32,
    total: u16,
    pieces: Vec<Option<Vec<u8>>>,
    missing: u16,
    /// Octets of the pieces.
    held: usize,
    size: usize,
    first: PayloadType,
    first_datagram: Vec<u8>,
}

/// Collects the fragments of one message at a time.
pub(crate) struct Collector {
    set: Option<Box<Set>>,
    most: usize,
}

impl Default for Collector {
    fn default() -> Self {
        Self {
            set: None,
            most: MAX_UNPROVEN,
        }
    }
}

impl Collector {
    /// What can be said before decryption: whether a fragment is worth it (RFC 7383 section 2.6).
    pub fn wants(&self, at: Position) -> Result<(), &'static str> {
        if at.number == 0 || at.number > at.total {
            return Err("fragment with impossible numbers");
        }
        if at.total > MAX_FRAGMENTS {
            return Err("message in too many fragments");
        }
        let Some(set) = self.set.as_ref().filter(|s| s.message_id == at.message_id) else {
            return Ok(());
        };
        // "With PMTU discovery" the same message comes anew in more, smaller pieces; never in fewer.
        if at.total < set.total {
            return Err("fragment of an older set");
        }
        let known = |s: &Set| s.pieces.get(usize::from(at.number) - 1).is_some_and(Option::is_some);
        if at.total == set.total && known(set) {
            return Err("fragment that is there already");
        }
        Ok(())
    }

    /// Takes an authentic fragment that is wanted. A message other than the one at hand takes its place.
    pub fn add(
        &mut self,
        at: Position,
        first: PayloadType,
        piece: Vec<u8>,
        datagram: &[u8],
    ) -> Result<Option<Collected>, &'static str> {
        let same = |s: &Set| s.message_id == at.message_id && s.total == at.total;
        let mut set = self.set.take().filter(|s| same(s)).unwrap_or_else(|| {
            Box::new(Set {
                message_id: at.message_id,
                total: at.total,
                pieces: vec![None; usize::from(at.total)],
                missing: at.total,
                held: 0,
                size: 0,
                first: PayloadType::NONE,
                first_datagram: vec![],
            })
        });
        set.held += piece.len();
        if set.held > self.most {
            return Err("message too large in fragments");
        }
        let Some(place) = usize::from(at.number)
            .checked_sub(1)
            .and_then(|index| set.pieces.get_mut(index))
        else {
            return Err("fragment with impossible numbers");
        };
        *place = Some(piece);
        set.missing = set.missing.saturating_sub(1);
        set.size += datagram.len();
        if at.number == 1 {
            // "In the rest of the Fragment messages this field MUST be set to zero" (section 2.5).
            set.first = first;
            set.first_datagram = datagram.to_vec();
        }
        if set.missing > 0 {
            self.set = Some(set);
            return Ok(None);
        }
        let mut inner = Vec::with_capacity(set.held);
        set.pieces.into_iter().flatten().for_each(|p| inner.extend(p));
        Ok(Some(Collected {
            first: set.first,
            inner,
            first_datagram: set.first_datagram,
            size: set.size,
        }))
    }

    /// How much it holds.
    pub fn octets(&self) -> usize {
        self.set.as_ref().map_or(0, |s| s.held + s.first_datagram.len())
    }

    /// The peer has proven itself.
    pub fn trust(&mut self) {
        self.most = MAX_MESSAGE;
    }

    /// The message came whole.
    pub fn clear(&mut self) {
        self.set = None;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const IDI: PayloadType = PayloadType::IDI;

    fn at(message_id: u32, number: u16, total: u16) -> Position {
        Position {
            message_id,
            number,
            total,
        }
    }

    fn add(collector: &mut Collector, at: Position, piece: &[u8]) -> Option<Vec<u8>> {
        collector.wants(at).unwrap();
        let first = if at.number == 1 { IDI } else { PayloadType::NONE };
        let done = collector.add(at, first, piece.to_vec(), piece).unwrap()?;
        assert_eq!(done.first, IDI);
        Some(done.inner)
    }

    #[test]
    fn any_order_makes_the_message() {
        let pieces: [&[u8]; 3] = [b"ab", b"", b"c"];
        for order in [[1, 2, 3], [3, 1, 2], [2, 3, 1], [3, 2, 1]] {
            let mut collector = Collector::default();
            let mut done = None;
            for n in order {
                assert!(done.is_none());
                done = add(&mut collector, at(7, n, 3), pieces[usize::from(n) - 1]);
            }
            assert_eq!(done.unwrap(), b"abc");
            assert!(collector.set.is_none());
        }
    }

    #[test]
    fn what_is_known_or_cannot_be_is_not_wanted() {
        let mut collector = Collector::default();
        for (number, total) in [(0, 0), (0, 1), (2, 1), (1, 1025), (u16::MAX, u16::MAX)] {
            assert!(collector.wants(at(1, number, total)).is_err(), "{number} of {total}");
        }
        assert_eq!(add(&mut collector, at(1, 2, 3), b"x"), None);
        assert!(collector.wants(at(1, 2, 3)).is_err());
        assert!(collector.wants(at(1, 1, 2)).is_err(), "fewer than before");
    }

    #[test]
    fn more_and_smaller_pieces_begin_anew() {
        let mut collector = Collector::default();
        assert_eq!(add(&mut collector, at(1, 1, 2), b"long"), None);
        assert_eq!(add(&mut collector, at(1, 1, 3), b"lo"), None);
        assert!(collector.wants(at(1, 2, 2)).is_err());
        assert_eq!(add(&mut collector, at(1, 2, 3), b"ng"), None);
        assert_eq!(add(&mut collector, at(1, 3, 3), b"er").unwrap(), b"longer");
    }

    #[test]
    fn one_message_at_a_time_and_not_without_end() {
        let mut collector = Collector::default();
        assert_eq!(add(&mut collector, at(1, 1, 2), b"old"), None);
        assert_eq!(add(&mut collector, at(2, 1, 2), b"ne"), None);
        assert_eq!(add(&mut collector, at(2, 2, 2), b"w").unwrap(), b"new");
        let big = vec![0; 60_000];
        for fit in [1, 2] {
            for n in 1..=fit {
                assert_eq!(add(&mut collector, at(3, n, 4), &big), None);
            }
            let position = at(3, fit + 1, 4);
            assert!(collector.add(position, PayloadType::NONE, big.clone(), b"").is_err());
            assert!(collector.set.is_none(), "nothing of it is kept");
            collector.trust();
        }
    }
}
