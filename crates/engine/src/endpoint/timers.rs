//! Deadlines of all owners in order. Each has one, with its reason.

use std::collections::{BTreeSet, HashMap};
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
    queue: BTreeSet<(Instant, Owner, Reason)>,
    /// By slot, as every step of an SA asks.
    of_sas: Vec<Option<(Instant, Reason)>>,
    of_others: HashMap<Owner, (Instant, Reason)>,
}

impl Timers {
    /// Sets, moves or clears an owner's deadline.
    pub fn set(&mut self, owner: Owner, deadline: Option<(Instant, Reason)>) {
        let before = self.replace(owner, deadline);
        // Most steps leave it where it is.
        if before == deadline {
            return;
        }
        if let Some((at, reason)) = before {
            self.queue.remove(&(at, owner, reason));
        }
        if let Some((at, reason)) = deadline {
            self.queue.insert((at, owner, reason));
        }
    }

    fn replace(&mut self, owner: Owner, deadline: Option<(Instant, Reason)>) -> Option<(Instant, Reason)> {
        match (owner, deadline) {
            (Owner::Sa(slot), _) => {
                if let Some(place) = self.of_sas.get_mut(slot) {
                    return std::mem::replace(place, deadline);
                }
                if deadline.is_some() {
                    self.of_sas.resize(slot, None);
                    self.of_sas.push(deadline);
                }
                None
            }
            (_, Some(deadline)) => self.of_others.insert(owner, deadline),
            (_, None) => self.of_others.remove(&owner),
        }
    }

    /// How many owners have a deadline.
    pub fn len(&self) -> usize {
        let sas = self.of_sas.iter().flatten().count();
        self.queue.len().max(sas + self.of_others.len())
    }

    /// The first deadline of all.
    pub fn first(&self) -> Option<(Instant, Reason)> {
        self.queue.first().map(|(at, _, reason)| (*at, *reason))
    }

    /// Takes one owner whose deadline passed.
    pub fn pop_due(&mut self, now: Instant) -> Option<Owner> {
        let (at, owner, _) = *self.queue.first()?;
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
        assert_eq!((timers.len(), timers.first()), (0, None));
    }

    #[test]
    fn a_deadline_set_again_stays_and_another_reason_is_told() {
        let at = |s| Instant(Duration::from_secs(s));
        let mut timers = Timers::default();
        for owner in [Owner::Sa(7), Owner::Connection(7), Owner::Shutdown] {
            for reason in [Reason::Rekey, Reason::Rekey, Reason::Liveness] {
                timers.set(owner, Some((at(4), reason)));
                assert_eq!((timers.first(), timers.len()), (Some((at(4), reason)), 1));
            }
            timers.set(owner, None);
            timers.set(owner, None);
            assert_eq!((timers.first(), timers.len()), (None, 0));
        }
        timers.set(Owner::Sa(100), None);
        assert_eq!(timers.len(), 0);
    }
}
