//! Ephemeral key pairs made ahead, while there is nothing else to do, so that who asks for one does not wait for it.
//!
//! A key pair is handed out once, by being moved out. How many are made follows what is asked for: each that is asked for
//! makes one more be kept, up to a bound, and each that grows old unused one fewer, so that a host where nothing happens
//! makes none, and a stranger causes at most one more than it causes anyway.

use std::collections::VecDeque;
use std::time::Duration;

use handfast_crypto::provider::{EphemeralKey, Provider, RandomSource};
use handfast_crypto::transform::Group;
use handfast_engine::policy::Policy;
use handfast_engine::{Instant, Question};

use crate::net::clock;

/// The longest that a key pair is kept.
const LIFE: Duration = Duration::from_secs(600);
/// The clock that stands still during suspend may differ so much more from the one that does not: they are not read at once.
const TOGETHER: Duration = Duration::from_millis(50);
/// Public values longer than this (MODP of more than 4096 bits) take too long to be made between two packets.
const LONGEST: usize = 512;

/// What tells whether a key pair may still be used: which process this is, and both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    process: u32,
    /// Since boot, suspend included.
    now: Duration,
    /// Since boot, without suspend.
    awake: Duration,
}

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self {
            process: std::process::id(),
            now: clock::now(),
            awake: clock::awake(),
        }
    }

    /// How long the host has slept since boot.
    fn slept(self) -> Duration {
        self.now.saturating_sub(self.awake)
    }

    /// Whether memory may have been copied or written out between the two: by fork, or in suspend.
    fn is_apart(self, other: Self) -> bool {
        self.process != other.process || self.slept().abs_diff(other.slept()) > TOGETHER
    }
}

/// See the module.
pub struct Prepared {
    provider: &'static Provider,
    /// The most of each group.
    most: usize,
    pools: Vec<Pool>,
    /// The last moment seen.
    last: Option<Moment>,
}

/// The key pairs of one group, oldest first.
struct Pool {
    group: Group,
    /// So many are kept.
    target: usize,
    keys: VecDeque<(Duration, Box<dyn EphemeralKey>)>,
}

impl Prepared {
    /// None at all, until it is told to keep some.
    pub fn new(provider: &'static Provider) -> Self {
        Self {
            provider,
            most: 0,
            pools: Vec::new(),
            last: None,
        }
    }

    /// Forgets all, and keeps `most` of each group from now on; at first of those that connections of the policy begin with,
    /// one for each.
    pub fn begin(&mut self, most: usize, policy: &Policy) {
        self.pools.clear();
        self.most = most;
        for connection in &policy.connections {
            let first = connection.ike.first().and_then(|proposal| proposal.groups.first());
            if let Some(group) = first {
                self.wanted(*group);
            }
        }
    }

    /// One more of this group is kept, up to the bound.
    fn wanted(&mut self, group: Group) {
        let most = self.most;
        if let Some(pool) = self.pools.iter_mut().find(|pool| pool.group == group) {
            pool.target = most.min(pool.target + 1);
        } else if most > 0 && self.provider.group(group).is_some_and(|g| g.public_len() <= LONGEST) {
            self.pools.push(Pool {
                group,
                target: 1,
                keys: VecDeque::new(),
            });
        }
    }

    /// The key pair that answers this question or makes answering it faster.
    pub fn take_for(&mut self, question: &Question, moment: impl FnOnce() -> Moment) -> Option<Box<dyn EphemeralKey>> {
        match question {
            Question::GenerateKey(group) | Question::Respond { group, .. } if self.most > 0 => {
                self.take(*group, moment())
            }
            _ => None,
        }
    }

    /// A key pair of this group that nobody had before.
    fn take(&mut self, group: Group, moment: Moment) -> Option<Box<dyn EphemeralKey>> {
        self.drop_unfit(moment);
        self.wanted(group);
        let pool = self.pools.iter_mut().find(|pool| pool.group == group)?;
        let (_, key) = pool.keys.pop_front()?;
        tracing::debug!(%group, left = pool.keys.len(), "a prepared key pair is used");
        Some(key)
    }

    /// Drops the key pairs that may not be used any more: all if memory may have been copied, and those that are old.
    pub fn drop_unfit(&mut self, moment: Moment) {
        if self.last.replace(moment).is_some_and(|last| last.is_apart(moment)) {
            let count: usize = self.pools.iter().map(|pool| pool.keys.len()).sum();
            tracing::debug!(count, "key pairs prepared before the host slept are dropped");
            self.pools.iter_mut().for_each(|pool| pool.keys.clear());
        }
        for pool in &mut self.pools {
            while let Some((made, _)) = pool.keys.front()
                && moment.now.saturating_sub(*made) >= LIFE
            {
                pool.keys.pop_front();
                pool.target = pool.target.saturating_sub(1);
            }
        }
    }

    /// Whether there is one to be made.
    pub fn is_short(&self) -> bool {
        self.pools.iter().any(|pool| pool.keys.len() < pool.target)
    }

    /// Makes one.
    pub fn make_one(&mut self, moment: Moment, random: &mut dyn RandomSource) {
        self.drop_unfit(moment);
        let Some(pool) = self.pools.iter_mut().find(|pool| pool.keys.len() < pool.target) else {
            return;
        };
        match self.provider.group(pool.group).map(|group| group.generate(random)) {
            Some(Ok(key)) => {
                pool.keys.push_back((moment.now, key));
                tracing::debug!(group = %pool.group, kept = pool.keys.len(), "a key pair is made ahead");
            }
            // Who asks for a key will be told why there is none.
            Some(Err(_)) | None => pool.target = pool.keys.len(),
        }
    }

    /// When the oldest has had its time.
    pub fn deadline(&self) -> Option<Instant> {
        let oldest = self
            .pools
            .iter()
            .filter_map(|pool| pool.keys.front())
            .map(|(made, _)| *made);
        oldest.min().map(|made| Instant(made + LIFE))
    }
}

#[cfg(test)]
mod tests;
