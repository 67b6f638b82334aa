//! What an ISAKMP SA takes over from older ones, and how it leaves everything to a newer one (see `estate`).

use std::time::Duration;

use crate::child::selectors;
use crate::context::Context;
use crate::v1::established::Established;
use crate::v1::estate::Estate;
use crate::v1::quick::Wish;
use crate::v1::state::{Next, Sa, State};

/// How long an SA that we have replaced still stands: strongSwan moves the children some time after phase 1 is complete,
/// and one that is deleted before takes them with it.
const OVERLAP: Duration = Duration::from_secs(3);
/// How long an SA that the peer has replaced is left to it to delete.
const LEAVE: Duration = Duration::from_secs(30);

impl Established {
    /// Takes over what older SAs leave; as initiator, asks for the children that are missing.
    pub fn inherit(&mut self, sa: &mut Sa, cx: &mut Context, estates: Vec<Estate>) {
        for estate in estates {
            self.estate.merge(sa, cx, estate);
        }
        if !sa.initiator {
            return;
        }
        let connection = self.parties.connection.clone();
        for policy in &connection.children {
            let local = selectors::resolve(&policy.local_ts, sa.path.local.ip());
            let remote = selectors::resolve(&policy.remote_ts, sa.path.remote.ip());
            for (local, remote) in local.iter().flat_map(|l| remote.iter().map(move |r| (*l, *r))) {
                let there = |c: &crate::child::sa::ChildSa| c.local_ts == [local] && c.remote_ts == [remote];
                let missing = !self.estate.children.iter().any(|c| !c.replaced && there(c));
                if missing && local.start.is_ipv4() == remote.start.is_ipv4() {
                    self.queue.push_back(Wish {
                        policy: policy.clone(),
                        local,
                        remote,
                        replaces: None,
                        began: None,
                    });
                }
            }
        }
        self.next_wishes(sa, cx);
    }

    /// Gives everything to a new SA, which we have begun or the peer.
    pub fn bequeath(&mut self, sa: &Sa, cx: &mut Context, by_us: bool) -> Estate {
        self.over = true;
        let leave = cx.now + if by_us { OVERLAP } else { LEAVE };
        if self.deleted {
            // Nothing is left to be said under it. The peer may have meant the children too: new ones are made at once.
            self.leave_at = Some(cx.now);
            self.estate.rekey_all_at(cx.now);
        }
        self.leave_at.get_or_insert(leave);
        self.drop_exchanges(sa, cx);
        self.record(sa, cx);
        std::mem::take(&mut self.estate)
    }

    /// Another SA with the peer, made at the same time, stays. Who made this one deletes it, but not before the peer can
    /// have the other, too: until then its children may be under this one.
    pub fn give_way(mut self: Box<Self>, sa: &mut Sa, cx: &mut Context) -> Next {
        self.over = true;
        self.record(sa, cx);
        self.leave_at = Some(cx.now + if sa.initiator { LEAVE / 3 } else { LEAVE });
        Ok(State::Established(self))
    }
}
