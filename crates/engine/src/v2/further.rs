//! The children of a connection after the first: asked for one by one by whoever began the IKE SA, and again after a while
//! where that fails or the peer deletes one.

use std::sync::Arc;
use std::time::Duration;

use crate::context::Context;
use crate::policy::{ChildPolicy, Connection};
use crate::time::Instant;
use crate::v2::established::Established;
use crate::v2::exchange::Work;
use crate::v2::exchange::rekey_child::Aim;
use crate::v2::state::Sa;

/// Wait before a child is asked for again.
const AGAIN: Duration = Duration::from_secs(60);

/// The children that are not there.
#[derive(Default)]
pub(crate) struct Further {
    /// We are the ones to ask: we began the first of the IKE SAs that replaced each other.
    ours: bool,
    missing: Vec<Missing>,
}

struct Missing {
    /// Its place in the connection's list.
    index: usize,
    /// When it is asked for; not while it is queued or under way.
    at: Option<Instant>,
    /// It was refused once: the connection counts as up without it.
    tried: bool,
}

impl Further {
    /// When the next one is asked for.
    pub fn next_at(&self) -> Option<Instant> {
        self.missing.iter().filter_map(|m| m.at).min()
    }
}

impl Established {
    /// The first child stands: the others are asked for, if we began.
    pub fn begin_further(&mut self, sa: &Sa) {
        self.further.ours = sa.initiator;
        if !sa.initiator {
            return;
        }
        for index in 0..self.parties.connection.children.len() {
            if self.missing(index).is_some() {
                self.further.missing.push(Missing {
                    index,
                    at: None,
                    tried: false,
                });
                self.queue.push_back(Work::Child(Aim::Further(index)));
            }
        }
    }

    /// All children are there, or were refused.
    pub fn is_complete(&self) -> bool {
        self.further.missing.iter().all(|m| m.tried)
    }

    /// The policy of a child that is not there.
    pub fn missing(&self, index: usize) -> Option<Arc<ChildPolicy>> {
        let policy = self.parties.connection.children.get(index)?;
        let there = self
            .children
            .iter()
            .any(|c| c.policy.name == policy.name && !c.replaced);
        (!there).then(|| policy.clone())
    }

    /// It is there.
    pub fn further_done(&mut self, index: usize) {
        self.further.missing.retain(|m| m.index != index);
    }

    /// It could not be had: again in a while.
    pub fn further_later(&mut self, cx: &mut Context, index: usize) {
        self.further_done(index);
        self.further.missing.push(Missing {
            index,
            at: Some(cx.now + cx.rng.jitter(AGAIN)),
            tried: true,
        });
    }

    /// The peer deleted a child of several: it is asked for again, if we are the ones to ask.
    pub fn further_lost(&mut self, cx: &mut Context, policy: &ChildPolicy) {
        let place = (self.parties.connection.children.iter()).position(|p| p.name == policy.name);
        if let Some(index) = place.filter(|_| self.further.ours) {
            self.further_later(cx, index);
        }
    }

    /// Those whose time has come.
    pub fn queue_further(&mut self, cx: &Context) {
        if self.is_closing() || self.succession.over {
            return;
        }
        let due = |m: &&mut Missing| m.at.is_some_and(|at| at <= cx.now);
        for missing in self.further.missing.iter_mut().filter(due) {
            missing.at = None;
            self.queue.push_back(Work::Child(Aim::Further(missing.index)));
        }
    }

    /// The connection was read again, and its children may stand in another order.
    pub fn renumber_further(&mut self, before: &Connection) {
        let now = &self.parties.connection.children;
        let place = |index: usize| {
            let name = &before.children.get(index)?.name;
            now.iter().position(|policy| policy.name == *name)
        };
        for missing in &mut self.further.missing {
            missing.index = place(missing.index).unwrap_or(missing.index);
        }
        for work in &mut self.queue {
            if let Work::Child(Aim::Further(index)) = work {
                *index = place(*index).unwrap_or(*index);
            }
        }
    }

    /// Takes over what the SA before was still to ask for. What was under way there comes to nothing.
    pub fn inherit_further(&mut self, further: Further) {
        self.further = further;
        for missing in self.further.missing.iter().filter(|m| m.at.is_none()) {
            let work = Work::Child(Aim::Further(missing.index));
            if !self.queue.contains(&work) {
                self.queue.push_back(work);
            }
        }
    }
}
