//! IKEv1 messages in fragments. No RFC defines them; a vendor ID announces them. Nothing of a fragment is authenticated, so
//! one message at a time is put together, within bounds.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use handfast_wire::header::{Header, Spi};
use handfast_wire::v1::fragment::split;
use handfast_wire::v1::{Message, Payload};

use crate::datagrams::Datagrams;
use crate::time::Instant;
use crate::v1::state::Sa;

/// Octets of the largest message that is put together.
const MOST: usize = 32 * 1024;
/// Octets of IP and UDP headers, and of the non-ESP marker.
const OVERHEAD_V4: usize = 20 + 8 + 4;
const OVERHEAD_V6: usize = 40 + 8 + 4;

/// Whether and how our messages leave in fragments.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cut {
    /// Octets of an IP datagram; 0 for never.
    pub size: u16,
}

impl Cut {
    /// A message as it leaves.
    pub fn apply(self, sa: &Sa, whole: Bytes) -> Datagrams {
        let overhead = if sa.path.remote.is_ipv6() {
            OVERHEAD_V6
        } else {
            OVERHEAD_V4
        };
        let largest = usize::from(self.size).saturating_sub(overhead);
        if self.size == 0 || whole.len() <= largest {
            return whole.into();
        }
        let parts = Header::parse(&whole)
            .ok()
            .and_then(|header| split(&header, &whole, 1, largest));
        match parts {
            Some(parts) => Datagrams::fragments(parts),
            None => whole.into(),
        }
    }
}

/// Fragments of the one message that is being put together.
#[derive(Default)]
pub(crate) struct Reassembly {
    parts: Vec<(u8, Vec<u8>)>,
    last: Option<u8>,
}

impl Reassembly {
    /// Octets that are kept.
    pub fn octets(&self) -> usize {
        self.parts.iter().map(|(_, data)| data.len()).sum()
    }

    /// Takes a fragment in; the whole message once all are there. Some senders give every message the same number, so a
    /// fragment that differs from the one there begins a new message.
    pub fn add(&mut self, number: u8, is_last: bool, data: &[u8]) -> Option<Vec<u8>> {
        let differs = self.parts.iter().any(|(n, part)| *n == number && part != data)
            || self
                .last
                .is_some_and(|last| number > last || (is_last && number != last));
        if differs || number == 0 || self.octets() + data.len() > MOST {
            *self = Self::default();
        }
        if number == 0 || data.is_empty() || data.len() > MOST {
            return None;
        }
        if is_last {
            self.last = Some(number);
        }
        if !self.parts.iter().any(|(n, _)| *n == number) {
            self.parts.push((number, data.to_vec()));
        }
        if self.parts.len() != usize::from(self.last?) {
            return None;
        }
        let mut parts = std::mem::take(self).parts;
        parts.sort_by_key(|(number, _)| *number);
        Some(parts.into_iter().flat_map(|(_, data)| data).collect())
    }
}

/// How many first messages of strangers are put together at once, and for how long.
const MOST_STRANGERS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(5);

/// First messages that come in fragments, from peers for whom there is no SA yet. The oldest gives way to the newest.
#[derive(Default)]
pub(crate) struct Fragments(VecDeque<(Instant, (SocketAddr, Spi), Reassembly)>);

impl Fragments {
    /// Octets that are kept.
    pub fn octets(&self) -> usize {
        self.0.iter().map(|(.., reassembly)| reassembly.octets()).sum()
    }

    /// Takes a fragment in; the whole message once all are there.
    pub fn add(
        &mut self,
        now: Instant,
        from: (SocketAddr, Spi),
        number: u8,
        is_last: bool,
        data: &[u8],
    ) -> Option<Vec<u8>> {
        self.0.retain(|(since, ..)| *since + PATIENCE > now);
        let at = self.0.iter().position(|(_, key, _)| *key == from);
        let index = at.unwrap_or_else(|| {
            self.0.truncate(MOST_STRANGERS - 1);
            self.0.push_front((now, from, Reassembly::default()));
            0
        });
        let whole = self.0.get_mut(index)?.2.add(number, is_last, data);
        if whole.is_some() {
            self.0.remove(index);
        }
        whole
    }
}

/// What a datagram holds: a fragment, or nothing of the kind.
pub(crate) fn fragment<'a>(message: &Message<'a>) -> Option<(u8, bool, &'a [u8])> {
    let first = message.payloads().next()?.ok()?;
    match first.parse().ok()? {
        Payload::Fragment(f) if !message.is_encrypted() => Some((f.number, f.is_last(), f.data)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fragments_in_any_order_make_the_message() {
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.add(3, true, b"c"), None);
        assert_eq!(reassembly.add(1, false, b"a"), None);
        assert_eq!(reassembly.add(1, false, b"a"), None);
        assert_eq!(reassembly.add(2, false, b"b").unwrap(), b"abc");
        assert_eq!(reassembly.octets(), 0);
    }

    #[test]
    fn another_message_begins_anew_and_nothing_grows() {
        let mut reassembly = Reassembly::default();
        reassembly.add(1, false, b"old");
        assert_eq!(reassembly.add(1, false, b"new"), None);
        assert_eq!(reassembly.add(2, true, b"er").unwrap(), b"newer");
        for number in 0..=255 {
            reassembly.add(number, false, &[number; 1000]);
            assert!(reassembly.octets() <= MOST);
        }
        assert_eq!(reassembly.add(0, true, b"x"), None);
        assert_eq!(reassembly.add(1, true, &[0; MOST + 1]), None);
        assert_eq!(reassembly.add(1, true, b""), None);
    }
}
