//! Who follows an IKE SA: the SA that our rekey made, the one that the peer's made, or, where both met, the one that
//! stays by RFC 7296 section 2.8.

use std::time::Duration;

use handfast_store::delta::{SaDelta, SaId};
use handfast_wire::header::Spi;

use crate::context::{Context, Reserved};
use crate::output::Output;
use crate::path::Path;
use crate::time::Instant;
use crate::v2::channel::Channel;
use crate::v2::established::Established;
use crate::v2::exchange::{Sent, Work};
use crate::v2::state::{Sa, record};
use crate::v2::window::Turn;

/// How long a surplus SA that the peer is to delete is left to it.
const LEAVE: Duration = Duration::from_secs(10);

/// How long the SA that the peer replaced is left to it. Until our answer to its rekey arrives it knows no other SA, so
/// this is longer than most of its repetitions take.
const LEAVE_REPLACED: Duration = Duration::from_secs(50);

/// A new IKE SA with its keys, not yet in use.
pub(crate) struct Heir {
    pub place: Reserved,
    pub spis: (Spi, Spi),
    pub channel: Channel,
    /// The lower of its two nonces.
    lowest: Vec<u8>,
}

impl Heir {
    pub fn new(
        place: Reserved,
        spis: (Spi, Spi),
        channel: Channel,
        ni: Vec<u8>,
        nr: Vec<u8>,
        cx: &mut Context,
    ) -> Self {
        if cx.key_log {
            cx.out.push_back(Output::KeyLog(channel.key_log(spis.0, spis.1)));
        }
        let lowest = ni.min(nr);
        Self {
            place,
            spis,
            channel,
            lowest,
        }
    }
}

/// An SA that begins in its place.
pub(crate) struct Succeeded {
    pub place: Reserved,
    pub spis: (Spi, Spi),
    pub path: Path,
    pub established: Box<Established>,
    /// The SA that made it.
    pub old: SaId,
    /// It takes the old one's children; otherwise it only waits for its end.
    pub heir: bool,
}

/// Where a rekey of this IKE SA stands.
#[derive(Default)]
pub(crate) struct Succession {
    pub ours: Option<Box<Heir>>,
    pub theirs: Option<Box<Heir>>,
    /// Another SA has taken over.
    pub over: bool,
    /// When we delete what the peer should have deleted.
    pub leave_at: Option<Instant>,
    /// It was never used: the peer's rekey met ours, and ours stayed.
    surplus: bool,
}

impl Succession {
    /// The peer should have deleted this surplus SA and did not: where our answer was lost, it does not know of it.
    pub fn is_forgotten(&self, now: Instant) -> bool {
        self.surplus && self.leave_at.is_some_and(|at| at <= now)
    }
}

impl Established {
    /// A rekey of ours is under way.
    pub fn is_replacing_ike(&self) -> bool {
        match &self.turn {
            Turn::RekeyingIke(_) => true,
            Turn::Waiting(outstanding) => matches!(outstanding.sent, Sent::RekeyIke(_)),
            Turn::Idle | Turn::Rekeying(_) => false,
        }
    }

    /// Hands over once nothing about a rekey is open any more.
    pub fn settle(&mut self, sa: &Sa, cx: &mut Context) {
        if !self.is_replacing_ike() && self.incoming_ike.is_none() {
            self.hand_over(sa, cx);
        }
    }

    /// Hands over to whatever there is: a request of ours that is still under way has come to nothing.
    pub fn hand_over(&mut self, sa: &Sa, cx: &mut Context) {
        match (self.succession.ours.take(), self.succession.theirs.take()) {
            (None, None) => {}
            (Some(ours), None) => self.continue_on_ours(sa, cx, ours),
            (None, Some(theirs)) => self.continue_on_theirs(sa, cx, theirs),
            // "the new IKE SA containing the lowest nonce SHOULD be deleted by the node that created it, and the other
            // surviving new IKE SA MUST inherit all the Child SAs" (section 2.8.2).
            (Some(ours), Some(theirs)) if ours.lowest < theirs.lowest => {
                let mut surplus = Established::new(cx, self.parties.clone(), ours.channel, (0, 0));
                surplus.succession.over = true;
                surplus.close("another rekey came first");
                self.begin(sa, cx, (ours.place, ours.spis), surplus, false);
                self.continue_on_theirs(sa, cx, theirs);
            }
            (Some(ours), Some(theirs)) => {
                let mut surplus = Established::new(cx, self.parties.clone(), theirs.channel, (0, 0));
                surplus.succession.over = true;
                surplus.succession.surplus = true;
                surplus.succession.leave_at = Some(cx.now + LEAVE);
                self.begin(sa, cx, (theirs.place, theirs.spis), surplus, false);
                self.continue_on_ours(sa, cx, ours);
            }
        }
    }

    /// We began: the old SA is ours to delete (section 2.8).
    fn continue_on_ours(&mut self, sa: &Sa, cx: &mut Context, heir: Box<Heir>) {
        self.bequeath(sa, cx, heir);
        self.close("replaced");
    }

    fn continue_on_theirs(&mut self, sa: &Sa, cx: &mut Context, heir: Box<Heir>) {
        self.bequeath(sa, cx, heir);
        self.succession.leave_at = Some(cx.now + LEAVE_REPLACED);
        self.record(sa, cx);
    }

    /// Children, and what is to be done for them, go to the new SA.
    fn bequeath(&mut self, sa: &Sa, cx: &mut Context, heir: Box<Heir>) {
        let mut next = Established::new(cx, self.parties.clone(), heir.channel, (0, 0));
        next.children = std::mem::take(&mut self.children);
        next.held = std::mem::take(&mut self.held);
        next.overlapping = std::mem::take(&mut self.overlapping);
        next.unsendable = std::mem::take(&mut self.unsendable);
        next.draining = std::mem::take(&mut self.draining);
        let queue = std::mem::take(&mut self.queue);
        let concerns_child = |w: &Work| matches!(w, Work::Child(_) | Work::DeleteChild(_) | Work::DeleteSpi(_));
        next.queue = queue.into_iter().filter(concerns_child).collect();
        next.inherit_further(std::mem::take(&mut self.further));
        self.succession.over = true;
        // What was to end this SA ends its successor; this one goes anyway.
        if let Some(reason) = self.closing.take() {
            next.close(reason);
        }
        self.begin(sa, cx, (heir.place, heir.spis), next, true);
    }

    fn begin(&self, sa: &Sa, cx: &mut Context, at: (Reserved, (Spi, Spi)), established: Established, heir: bool) {
        cx.successions.push(Succeeded {
            place: at.0,
            spis: at.1,
            path: sa.path.clone(),
            established: Box::new(established),
            old: sa.id,
            heir,
        });
    }

    /// Writes all children down as this SA's.
    pub fn record_children(&self, sa: &Sa, cx: &mut Context) {
        for child in &self.children {
            let state = if child.replaced { "rekeyed" } else { "installed" };
            record(cx, SaDelta::Child(child.facts(sa.id, state)));
        }
    }
}
