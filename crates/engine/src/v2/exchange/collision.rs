//! Both sides replace the same child at once (RFC 7296 sections 2.8.1 and 2.25.1).
//!
//! Both exchanges succeed. The new child of the exchange that had the lowest of the four nonces is closed by who began
//! that exchange; the other one takes the old one's place, and who began its exchange deletes the old one. Until then
//! packets are taken from all three.

use std::time::Duration;

use handfast_plane::op::ChildId;

use crate::child::sa::ChildSa;
use crate::context::Context;
use crate::v2::established::Established;
use crate::v2::exchange::Work;

/// How long the peer has to delete its redundant child before we do.
const REDUNDANT: Duration = Duration::from_secs(30);

/// The peer's new child for the one that our exchange under way is to replace.
pub(crate) struct Rival {
    old: ChildId,
    child: ChildId,
    low: Vec<u8>,
}

/// What becomes of the new child of our exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// It takes the old one's place.
    Stays,
    /// The peer's takes it.
    Redundant,
}

/// The lower of an exchange's nonces: octet by octet, and the shorter where one begins with the other.
pub(crate) fn lower(nonces: [&Vec<u8>; 2]) -> Vec<u8> {
    let [a, b] = nonces;
    a.min(b).clone()
}

/// A child of the peer was granted; is ours for the same one under way?
pub(crate) fn note(this: &mut Established, old: ChildId, child: ChildId, nonces: [&Vec<u8>; 2]) {
    if this.turn.replaces() == Some(old) {
        let low = lower(nonces);
        this.rival = Some(Box::new(Rival { old, child, low }));
    }
}

/// Whether the peer has a new child for this one, which we are replacing too.
pub(crate) fn has_rival(this: &Established, old: ChildId) -> bool {
    let rival = this.rival.as_ref().filter(|r| r.old == old);
    rival.is_some_and(|r| this.child(r.child).is_some())
}

/// Our exchange is complete but for the way out; `low` is the lower of its nonces.
pub(crate) fn decide(this: &mut Established, cx: &Context, old: ChildId, low: &[u8]) -> Fate {
    let rival = this.rival.take().filter(|r| r.old == old);
    let coming = this.incoming.as_ref().and_then(|i| i.replaces());
    let coming = coming.filter(|(of, _)| *of == old).map(|(_, nonces)| lower(nonces));
    let theirs = rival.as_ref().map(|r| r.low.as_slice()).or(coming.as_deref());
    if theirs.is_some_and(|theirs| low < theirs) {
        return Fate::Redundant;
    }
    if let Some(old) = this.children.iter_mut().find(|c| c.id == old) {
        // One of the peer's that is still coming is born redundant.
        old.replaced = true;
    }
    if let Some(rival) = rival {
        this.held.retain(|(new, ..)| *new != rival.child);
        if let Some(child) = this.children.iter_mut().find(|c| c.id == rival.child) {
            retire(child);
            this.overlapping.push((cx.now + REDUNDANT, rival.child));
        }
    }
    Fate::Stays
}

/// A child of the peer whose place is taken: it is only received on until the peer deletes it.
pub(crate) fn born_redundant(this: &mut Established, cx: &Context, child: &mut ChildSa) {
    retire(child);
    this.overlapping.push((cx.now + REDUNDANT, child.id));
}

/// Our new child is redundant: it is received on until the peer has confirmed that it is gone.
pub(crate) fn close_ours(this: &mut Established, mut child: ChildSa) {
    retire(&mut child);
    this.queue.push_back(Work::DeleteChild(child.id));
    this.children.push(child);
}

fn retire(child: &mut ChildSa) {
    child.replaced = true;
    child.rekey_at = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_compared_octet_by_octet() {
        let lower = |a: &[u8], b: &[u8]| lower([&a.to_vec(), &b.to_vec()]);
        assert_eq!(lower(&[2, 0], &[1, 255, 255]), [1, 255, 255]);
        assert_eq!(
            lower(&[1, 2, 3], &[1, 2]),
            [1, 2],
            "the one that ends first is the lower"
        );
        assert_eq!(lower(&[0], &[0]), [0]);
    }
}
