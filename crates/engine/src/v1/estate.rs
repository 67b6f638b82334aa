//! The child SAs of an ISAKMP SA, and what is still to be done for them. They outlive it: a new phase 1 with the same peer
//! takes them over.

use std::time::Duration;

use handfast_plane::op::{ChildId, PlaneOp, SaInstall};
use handfast_store::delta::SaDelta;

use crate::child::sa::ChildSa;
use crate::context::{Asker, Context};
use crate::event::Event;
use crate::output::Question;
use crate::time::Instant;
use crate::v1::state::{Sa, record};

/// How long the old pair is used, unless the peer uses the new one first, and how long both stand.
const OVERLAP: Duration = Duration::from_secs(1);
/// How long a pair that the peer replaced is left to it to delete.
const LEAVE: Duration = Duration::from_secs(10);
/// How long the inbound SA of a deleted child still takes packets.
const DRAIN: Duration = Duration::from_secs(5);
/// A rekey of the peer that comes within this time of ours has crossed it, as far as we can tell.
const CROSSED: Duration = Duration::from_secs(5);
/// Wait before a rekey that did not succeed is tried again.
const REKEY_AGAIN: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Default)]
pub(crate) struct Estate {
    pub children: Vec<ChildSa>,
    /// Outbound SAs of new pairs that wait for the peer to use them, and until when.
    held: Vec<(Instant, ChildId, SaInstall)>,
    /// Replaced children that are still to be deleted with the peer, and when.
    overlapping: Vec<(Instant, ChildId)>,
    /// Deleted children whose inbound SA takes what is still on its way, and until when.
    draining: Vec<(Instant, ChildId)>,
    /// Rekeys of late: when the new pair was made, which it is, and whether the exchange was ours.
    made: Vec<(Instant, ChildId, bool)>,
    /// Outbound SAs of pairs that lost against one that crossed them, for the case that the peer sees it another way.
    spare: Vec<SaInstall>,
}

/// Whose exchange made a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// Ours, for a pair that we wanted to replace.
    Ours(Option<ChildId>),
    /// The peer's.
    Theirs,
}

impl Origin {
    /// Whether this exchange began without knowledge of a pair of the other side's making. Of ours we know what we meant
    /// to replace, which IKEv1 does not say on the wire.
    fn crossed(self, other: ChildId, by_us: bool) -> bool {
        match self {
            Self::Ours(replaces) => !by_us && replaces != Some(other),
            Self::Theirs => by_us,
        }
    }
}

impl Estate {
    pub fn child(&self, id: ChildId) -> Option<&ChildSa> {
        self.children.iter().find(|c| c.id == id)
    }

    pub fn child_mut(&mut self, id: ChildId) -> Option<&mut ChildSa> {
        self.children.iter_mut().find(|c| c.id == id)
    }

    /// Takes in what another SA leaves behind.
    pub fn merge(&mut self, sa: &Sa, cx: &mut Context, other: Self) {
        for child in &other.children {
            let state = if child.replaced { "rekeyed" } else { "installed" };
            record(cx, SaDelta::Child(child.facts(sa.id, state)));
        }
        self.children.extend(other.children);
        self.held.extend(other.held);
        self.overlapping.extend(other.overlapping);
        self.draining.extend(other.draining);
        self.made.extend(other.made);
        self.spare.extend(other.spare);
    }

    /// When something of it is due.
    pub fn deadline(&self) -> Option<Instant> {
        let held = self.held.iter().map(|(at, ..)| *at);
        let waits = self.overlapping.iter().chain(&self.draining).map(|(at, _)| *at);
        let rekeys = self.children.iter().filter_map(|c| c.rekey_at);
        let ends = self.children.iter().filter_map(|c| c.expires_at);
        held.chain(waits).chain(rekeys).chain(ends).min()
    }

    /// What is due: outbound SAs that have waited long enough go in use, inbound ones that have drained go. Returns the
    /// children to delete with the peer and those to rekey.
    pub fn on_timer(&mut self, sa: &Sa, cx: &mut Context) -> (Vec<ChildId>, Vec<ChildId>) {
        let now = cx.now;
        let ready: Vec<_> = self.held.extract_if(.., |(at, ..)| *at <= now).collect();
        ready.into_iter().for_each(|(_, _, sa_out)| send_on(sa, cx, sa_out));
        for (_, id) in self.draining.extract_if(.., |(at, _)| *at <= now) {
            cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::RemoveInbound(id)));
        }
        self.made.retain(|(at, ..)| *at + CROSSED > now);
        let over = self.overlapping.extract_if(.., |(at, _)| *at <= now).map(|(_, id)| id);
        let mut over: Vec<ChildId> = over.collect();
        let aged = self
            .children
            .iter_mut()
            .filter(|c| c.expires_at.is_some_and(|at| at <= now));
        over.extend(aged.map(|c| {
            c.expires_at = None;
            c.id
        }));
        let due = self
            .children
            .iter_mut()
            .filter(|c| c.rekey_at.is_some_and(|at| at <= now));
        let rekeys = due.map(|c| {
            c.rekey_at = None;
            c.id
        });
        (over, rekeys.collect())
    }

    /// A rekey did not succeed: again in a while.
    pub fn rekey_later(&mut self, cx: &mut Context, id: ChildId) {
        let at = cx.now + cx.rng.jitter(REKEY_AGAIN);
        if let Some(child) = self.child_mut(id) {
            child.rekey_at = Some(at);
        }
    }

    /// Every child in use is to be replaced then.
    pub fn rekey_all_at(&mut self, at: Instant) {
        let in_use = self.children.iter_mut().filter(|c| !c.replaced);
        in_use.for_each(|c| c.rekey_at = Some(at));
    }

    /// A new pair stands inbound. Older pairs for the same traffic go once what was sent on them has arrived; we send on the
    /// new one when the peer does, or after a second, or at once where there is no other.
    pub fn add(&mut self, sa: &Sa, cx: &mut Context, child: ChildSa, outbound: SaInstall, origin: Origin) {
        let (id, ours) = (child.id, origin != Origin::Theirs);
        record(cx, SaDelta::Child(child.facts(sa.id, "installed")));
        let same = |c: &ChildSa| {
            c.policy.name == child.policy.name && c.local_ts == child.local_ts && c.remote_ts == child.remote_ts
        };
        let older: Vec<ChildId> = self
            .children
            .iter()
            .filter(|c| !c.replaced && same(c))
            .map(|c| c.id)
            .collect();
        let rival = self
            .made
            .iter()
            .find(|(_, id, by_us)| older.contains(id) && origin.crossed(*id, *by_us));
        let rival = rival.and_then(|(_, id, _)| self.child(*id)).map(|c| (c.id, weight(c)));
        cx.event(child.established_event(sa.id));
        if !older.is_empty() {
            self.made.push((cx.now, id, ours));
        }
        let loses = rival.is_some_and(|(_, weight_of_rival)| weight(&child) < weight_of_rival);
        // Few have more than one.
        if self.children.is_empty() {
            self.children.reserve_exact(1);
        }
        self.children.push(child);
        if let (true, Some((rival, _))) = (loses, rival) {
            // Rekeys of both sides have crossed. Both keep the same pair; the other is not sent on.
            self.spare.push(outbound);
            self.replace(sa, cx, id, rival, ours);
            return;
        }
        if older.is_empty() {
            send_on(sa, cx, outbound);
            return;
        }
        self.held.push((cx.now + OVERLAP, id, outbound));
        older.into_iter().for_each(|old| self.replace(sa, cx, old, id, ours));
    }

    fn replace(&mut self, sa: &Sa, cx: &mut Context, old: ChildId, new: ChildId, ours: bool) {
        let wait = if ours { OVERLAP * 2 } else { LEAVE };
        self.overlapping.push((cx.now + wait, old));
        if let Some(child) = self.child_mut(old) {
            child.replaced = true;
            child.rekey_at = None;
            let facts = child.facts(sa.id, "rekeyed");
            record(cx, SaDelta::Child(facts));
        }
        cx.event(Event::ChildRekeyed { sa: sa.id, old, new });
    }

    /// The path has changed.
    pub fn move_to(&mut self, sa: &Sa, cx: &mut Context) {
        let path = sa.path.outer(cx.policy.ports);
        for child in &mut self.children {
            child.path = path;
            cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::UpdatePath(child.id, path)));
        }
        let held = self.held.iter_mut().map(|(_, _, outbound)| outbound);
        held.chain(&mut self.spare).for_each(|outbound| outbound.path = path);
    }

    /// The peer sends on a new pair: so do we.
    pub fn on_first_inbound(&mut self, sa: &Sa, cx: &mut Context, child: ChildId) {
        let ready: Vec<_> = self.held.extract_if(.., |(_, id, _)| *id == child).collect();
        ready.into_iter().for_each(|(_, _, sa_out)| send_on(sa, cx, sa_out));
        self.prefer(sa, cx, child);
    }

    /// The peer sends on a pair that lost against one that crossed it. It takes the one for the newer that came to it later,
    /// which IKEv1 does not say, and would be left without any if we deleted that: so this is the one, and the other goes.
    fn prefer(&mut self, sa: &Sa, cx: &mut Context, id: ChildId) {
        let Some(index) = self.spare.iter().position(|spare| spare.child == id) else {
            return;
        };
        let Some(lost) = self.child(id).cloned() else { return };
        let outbound = self.spare.remove(index);
        self.overlapping.retain(|(_, old)| *old != id);
        let same = |c: &&ChildSa| {
            c.policy.name == lost.policy.name && c.local_ts == lost.local_ts && c.remote_ts == lost.remote_ts
        };
        let won: Vec<ChildId> = self
            .children
            .iter()
            .filter(|c| !c.replaced)
            .filter(same)
            .map(|c| c.id)
            .collect();
        let rekey_at = cx.rekey_at(lost.policy.rekey);
        if let Some(child) = self.child_mut(id) {
            child.replaced = false;
            child.rekey_at = rekey_at;
            let facts = child.facts(sa.id, "installed");
            record(cx, SaDelta::Child(facts));
        }
        for old in won {
            // What we did not send on yet is not to be begun with.
            let unused = self
                .held
                .extract_if(.., |(_, held, _)| *held == old)
                .map(|(.., outbound)| outbound);
            self.spare.extend(unused);
            self.replace(sa, cx, old, id, false);
        }
        send_on(sa, cx, outbound);
    }

    /// The peer deletes a pair. If that was in use and one that it has crossed is still there, the peer means that one.
    pub fn deleted_by_peer(&mut self, sa: &Sa, cx: &mut Context, id: ChildId) {
        let Some(gone) = self.child(id).cloned() else { return };
        self.drop_child(sa, cx, id, "deleted by the peer");
        let same = |c: &ChildSa| {
            c.policy.name == gone.policy.name && c.local_ts == gone.local_ts && c.remote_ts == gone.remote_ts
        };
        if gone.replaced || self.children.iter().any(|c| !c.replaced && same(c)) {
            return;
        }
        let stands = |spare: &SaInstall| self.children.iter().any(|c| c.id == spare.child && same(c));
        let Some(index) = self.spare.iter().position(stands) else {
            return;
        };
        let outbound = self.spare.remove(index);
        let id = outbound.child;
        self.overlapping.retain(|(_, old)| *old != id);
        let rekey_at = cx.rekey_at(gone.policy.rekey);
        if let Some(child) = self.child_mut(id) {
            child.replaced = false;
            child.rekey_at = rekey_at;
            let facts = child.facts(sa.id, "installed");
            record(cx, SaDelta::Child(facts));
        }
        send_on(sa, cx, outbound);
    }

    /// Forgets one child. One that was replaced takes what is still on its way.
    pub fn drop_child(&mut self, sa: &Sa, cx: &mut Context, id: ChildId, reason: &str) {
        let Some(index) = self.children.iter().position(|c| c.id == id) else {
            return;
        };
        let child = self.children.remove(index);
        self.held.retain(|(_, held, _)| *held != id);
        self.spare.retain(|spare| spare.child != id);
        self.overlapping.retain(|(_, old)| *old != id);
        cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::RemoveOutbound(id)));
        let reason = if child.replaced {
            self.draining.push((cx.now + DRAIN, id));
            "replaced"
        } else {
            cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::RemoveInbound(id)));
            reason
        };
        tell_gone(sa, cx, id, reason);
    }

    /// Forgets all.
    pub fn forget(&mut self, sa: &Sa, cx: &mut Context, reason: &str) {
        for (_, id) in std::mem::take(&mut self.draining) {
            cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::RemoveInbound(id)));
        }
        for child in std::mem::take(&mut self.children) {
            cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::RemoveOutbound(child.id)));
            cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::RemoveInbound(child.id)));
            tell_gone(sa, cx, child.id, reason);
        }
        self.held.clear();
        self.spare.clear();
        self.overlapping.clear();
    }
}

/// What both sides compute alike of two pairs that crossed: the pair with the larger stays.
fn weight(child: &ChildSa) -> (u32, u32) {
    let (a, b) = (child.spi_in, child.spi_out);
    (a.min(b), a.max(b))
}

fn send_on(sa: &Sa, cx: &mut Context, outbound: SaInstall) {
    cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::InstallOutbound(outbound)));
}

fn tell_gone(sa: &Sa, cx: &mut Context, id: ChildId, reason: &str) {
    let (ike, reason) = (sa.id, reason.to_string());
    record(
        cx,
        SaDelta::ChildGone {
            ike,
            id: id.0,
            reason: reason.clone(),
        },
    );
    cx.event(Event::ChildGone {
        sa: ike,
        child: id,
        reason,
    });
}
