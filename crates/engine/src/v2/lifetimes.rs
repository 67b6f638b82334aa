//! How long SAs are used: when each is replaced, how old and new overlap, and when one ends that nothing replaces.

use std::time::Duration;

use handfast_plane::op::{ChildId, PlaneOp};
use handfast_store::delta::SaDelta;

use crate::child::sa::ChildSa;
use crate::context::{Asker, Context};
use crate::output::Question;
use crate::v2::established::{Established, REKEY_AGAIN, tell_gone};
use crate::v2::exchange::Work;
use crate::v2::exchange::rekey_child::Aim;
use crate::v2::state::{Sa, record};

/// Wait before a rekey of a child of which the peer may not know yet.
const REKEY_SOON: Duration = Duration::from_secs(2);

/// How long both pairs stand after a rekey of ours, so that packets under way on the old one arrive.
pub(crate) const OVERLAP: Duration = Duration::from_secs(1);

/// The same where the old one must carry little more: until it is deleted some peers go on sending with it.
const OVERLAP_USED_UP: Duration = Duration::from_millis(100);

/// How long the inbound SA of a deleted child still takes packets.
const DRAIN: Duration = Duration::from_secs(5);

impl Established {
    /// Children whose time has come.
    pub fn queue_rekeys(&mut self, cx: &Context) {
        if self.is_closing() {
            return;
        }
        let due = |c: &&mut ChildSa| c.rekey_at.is_some_and(|at| at <= cx.now);
        for child in self.children.iter_mut().filter(due) {
            // The peer has our answer for sure once it sends on the new child or deletes the old one.
            if self.held.iter().any(|(new, ..)| *new == child.id) {
                child.rekey_at = Some(cx.now + REKEY_SOON);
                continue;
            }
            child.rekey_at = None;
            self.queue.push_back(Work::Child(Aim::Replace(child.id)));
        }
        if self.ike_rekey_at.is_some_and(|at| at <= cx.now) && !self.succession.over {
            self.ike_rekey_at = None;
            self.queue.push_back(Work::RekeyIke);
        }
        if self.succession.leave_at.take_if(|at| *at <= cx.now).is_some() {
            self.close("replaced");
        }
    }

    /// What has had its lifetime: children, and the IKE SA, whose rekeys the peer may have refused or put off all the time.
    /// That one ends with all it has, and may be begun anew (RFC 7296 section 2.8).
    pub fn end_expired(&mut self, cx: &Context) {
        if self.ike_expires_at.is_some_and(|at| at <= cx.now) && !self.succession.over {
            self.ike_expires_at = None;
            self.close("the IKE SA is as old as it may become, and no newer one has come in time");
        }
        let over = |c: &ChildSa| c.expires_at.is_some_and(|at| at <= cx.now);
        let over: Vec<ChildId> = self.children.iter().filter(|c| over(c)).map(|c| c.id).collect();
        for id in over {
            self.child_ends(id, "is as old as it may become");
        }
    }

    /// A child that must not be used any longer: deleted if a newer one has its place. If none has come in time, the IKE
    /// SA ends with it, and may be begun anew (RFC 7296 section 2.8).
    pub fn child_ends(&mut self, id: ChildId, why: &str) {
        let Some(child) = self.children.iter_mut().find(|c| c.id == id) else {
            return;
        };
        child.expires_at = None;
        if child.replaced {
            self.queue.push_back(Work::DeleteChild(id));
        } else {
            let reason = format!(
                "child SA {} {why}, and no newer one has come in time",
                child.policy.name
            );
            self.close(reason);
        }
    }

    /// Old children whose overlap is over are deleted; inbound SAs that have drained are removed.
    pub fn end_drained(&mut self, sa: &Sa, cx: &mut Context) {
        let over = self.overlapping.extract_if(.., |(at, _)| *at <= cx.now);
        self.queue.extend(over.map(|(_, id)| Work::DeleteChild(id)));
        let now = cx.now;
        for (_, id) in self.draining.extract_if(.., |(at, _)| *at <= now) {
            cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::RemoveInbound(id)));
        }
    }

    /// A rekey of ours is complete: the old child goes once what was sent on it has arrived.
    pub fn overlap(&mut self, sa: &Sa, cx: &mut Context, old: ChildId) {
        let used_up = self.child(old).is_some_and(|c| c.used_up);
        let overlap = if used_up { OVERLAP_USED_UP } else { OVERLAP };
        self.overlapping.push((cx.now + overlap, old));
        if let Some(old) = self.children.iter_mut().find(|c| c.id == old) {
            old.replaced = true;
            old.rekey_at = None;
            record(cx, SaDelta::Child(old.facts(sa.id, "rekeyed")));
        }
    }

    /// A replaced child is deleted: what the peer sent on it before may still be on its way.
    pub fn drain(&mut self, sa: &Sa, cx: &mut Context, child: &ChildSa, reason: &str) {
        cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::RemoveOutbound(child.id)));
        self.draining.push((cx.now + DRAIN, child.id));
        tell_gone(sa, cx, child, reason);
    }

    /// A child comes to the end of its sequence numbers or limits.
    pub fn used_up(&mut self, cx: &Context, id: ChildId) {
        if let Some(child) = self.children.iter_mut().find(|c| c.id == id) {
            child.used_up = true;
        }
        self.rekey_now(cx, id);
    }

    /// Replaces a child before its time: its sequence numbers run out.
    pub fn rekey_now(&mut self, cx: &Context, id: ChildId) {
        if let Some(child) = self.children.iter_mut().find(|c| c.id == id && !c.replaced) {
            child.rekey_at = Some(cx.now);
        }
    }

    /// Replaces every child before its time.
    pub fn rekey_children_now(&mut self, cx: &Context) {
        let ids: Vec<ChildId> = self.children.iter().map(|c| c.id).collect();
        ids.into_iter().for_each(|id| self.rekey_now(cx, id));
    }

    /// A rekey did not succeed: again in a while.
    pub fn rekey_later(&mut self, cx: &mut Context, id: ChildId) {
        let (soon, later) = (cx.rng.jitter(REKEY_SOON), cx.rng.jitter(REKEY_AGAIN));
        if let Some(child) = self.children.iter_mut().find(|c| c.id == id) {
            child.rekey_at = Some(cx.now + if child.used_up { soon } else { later });
            child.replaced = false;
        }
    }
}
