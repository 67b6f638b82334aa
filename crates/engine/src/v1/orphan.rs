//! An ISAKMP SA that the peer deletes while its child SAs stay, as RFC 2409 section 8 has it in so many words and as peers do
//! whose phase 1 ends by the clock. The children carry on, nothing is said under the old SA any more, and a new phase 1 is
//! made when it is needed: soon where the connection is wanted up, else to replace a child or when the peer has been
//! silent. Whichever phase 1 comes next takes the children over.

use std::time::Duration;

use crate::context::{Context, Effect};
use crate::v1::established::Established;
use crate::v1::quick::Exchange;
use crate::v1::state::Sa;

/// For so long the peer's Deletes of the children may be behind that of the SA.
const SOON: Duration = Duration::from_secs(1);

impl Established {
    /// The peer has deleted the SA. Returns whether it goes on for the sake of its children.
    pub fn outlives(&mut self, sa: &Sa, cx: &mut Context) -> bool {
        if self.estate.children.iter().all(|c| c.replaced) {
            return false;
        }
        // Rekeys under way are over; the next SA does them.
        let ours = self.exchanges.values().filter_map(|e| match e {
            Exchange::Initiator(i) => i.wish.replaces,
            Exchange::Responder(_) => None,
        });
        let queued = self.queue.iter().filter_map(|wish| wish.replaces);
        let unfinished: Vec<_> = ours.chain(queued).collect();
        self.drop_exchanges(sa, cx);
        unfinished.into_iter().for_each(|id| self.estate.rekey_later(cx, id));
        self.dpd.settle();
        self.rekey_at = None;
        self.deleted = true;
        cx.effects.push(Effect::Orphaned { slot: sa.slot });
        true
    }

    /// A new phase 1 is wanted in any case.
    pub fn seek_soon(&mut self, cx: &Context) {
        self.rekey_at = Some(cx.now + SOON);
    }

    /// Whether a new phase 1 is under way for the children.
    pub fn is_seeking(&self) -> bool {
        self.deleted && !self.over && self.leave_at.is_some()
    }

    /// Begins a new phase 1. If that does not come to anything in time, the children end.
    pub fn seek(&mut self, sa: &Sa, cx: &mut Context) {
        if !self.deleted || self.over || self.leave_at.is_some() {
            return;
        }
        let patience = self.parties.connection.retransmit.total();
        self.leave_at = Some(cx.now + patience);
        cx.effects.push(Effect::Renew { slot: sa.slot });
    }
}
