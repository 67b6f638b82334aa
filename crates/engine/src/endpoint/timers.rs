//! Deadlines of all owners in order. Each has one, with its reason.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::time::Instant;

/// Why the engine wants to wake.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// Send a request again, or give up.
    Retransmit,
    /// A half-open SA of a peer ends.
    HalfOpen,
    /// Ask a silent peer whether it lives.
    Liveness,
    /// Replace an SA before it ends.
    Rekey,
    /// Keep a NAT's mapping.
    Keepalive,
    /// Try a connection again.
    Retry,
    /// Stop waiting for peers at shutdown.
    Shutdown,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retransmit => "retransmission",
            Self::HalfOpen => "end of a half-open SA",
            Self::Liveness => "liveness check",
            Self::Rekey => "rekey",
            Self::Keepalive => "NAT keepalive",
            Self::Retry => "next attempt of a connection",
            Self::Shutdown => "end of the shutdown's grace",
        })
    }
}

/// Who a deadline belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Owner {
    /// The IKE SA in this slot.
    Sa(usize),
    /// The connection with this key.
    Connection(u64),
    /// The engine's own shutdown.
    Shutdown,
}

/// The earlier of two optional deadlines.
pub(crate) fn earlier(a: Option<(Instant, Reason)>, b: Option<(Instant, Reason)>) -> Option<(Instant, Reason)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[derive(Default)]
pub(crate) struct Timers {
    queue: BTreeMap<(Instant, Owner), Reason>,
    of: HashMap<Owner, Instant>,
}

impl Timers {
    /// Sets, moves or clears an owner's deadline.
    pub fn set(&mut self, owner: Owner, deadline: Option<(Instant, Reason)>) {
        if let Some(old) = self.of.remove(&owner) {
            self.queue.remove(&(old, owner));
        }
        if let Some((at, reason)) = deadline {
            self.of.insert(owner, at);
            self.queue.insert((at, owner), reason);
        }
    }

    /// How many owners have a deadline.
    pub fn len(&self) -> usize {
        self.of.len().max(self.queue.len())
    }

    /// The first deadline of all.
    pub fn first(&self) -> Option<(Instant, Reason)> {
        self.queue.iter().next().map(|((at, _), reason)| (*at, *reason))
    }

    /// Takes one owner whose deadline passed.
    pub fn pop_due(&mut self, now: Instant) -> Option<Owner> {
        let (at, owner) = *self.queue.keys().next()?;
        if at > now {
            return None;
        }
        self.set(owner, None);
        Some(owner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_owner_has_one_deadline_and_due_ones_come_in_order() {
        let at = |s| Instant(Duration::from_secs(s));
        let mut timers = Timers::default();
        timers.set(Owner::Sa(1), Some((at(5), Reason::Retransmit)));
        timers.set(Owner::Sa(2), Some((at(3), Reason::Liveness)));
        timers.set(Owner::Sa(1), Some((at(1), Reason::Keepalive)));
        assert_eq!(timers.first(), Some((at(1), Reason::Keepalive)));
        assert_eq!(timers.pop_due(at(4)), Some(Owner::Sa(1)));
        assert_eq!(timers.pop_due(at(4)), Some(Owner::Sa(2)));
        assert_eq!(timers.pop_due(at(9)), None);
    }
}
