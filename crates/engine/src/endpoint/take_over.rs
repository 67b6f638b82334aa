//! A new ISAKMP SA with a peer takes over from older ones (IKEv1 has no exchange for that).

use crate::endpoint::Engine;
use crate::endpoint::machine;
use crate::event::Event;
use crate::path::Path;
use handfast_wire::header::Spi;

impl Engine {
    /// Phase 1 of this SA is complete. Older SAs with the same peer give it their children; who began the new one deletes
    /// the old, after a while.
    pub(super) fn take_over(&mut self, slot: usize, adopt: bool) {
        let Some(ike) = self.sas.get(slot) else { return };
        let (id, initiator, began, cookie) = (ike.sa.id, ike.sa.initiator, ike.sa.created, ike.sa.spi_i);
        let Some(connection) = ike.connection.clone() else {
            return;
        };
        let name = &connection.name;
        let Some(peer) = ike.state.peer().map(str::to_string) else {
            return;
        };
        let stands = |other: &usize| {
            let ike = self.sas.get(*other).filter(|s| s.sa.slot != slot);
            ike.is_some_and(|s| s.state.peer() == Some(&peer) && s.state.stands_v1().is_some())
        };
        let others: Vec<usize> = self.index.of_peer(name, &peer).into_iter().filter(stands).collect();
        // Two that both sides began at the same time have crossed. Both keep the one with the larger cookie, so that they
        // agree; what stood before is older.
        let crossed = |s: &super::IkeSa| s.state.stands_v1().is_some_and(|since| since >= began);
        let of = |slot: &usize| self.sas.get(*slot);
        if others.iter().filter_map(of).any(|s| crossed(s) && s.sa.spi_i > cookie) {
            self.step(slot, |state, sa, cx| state.give_way(sa, cx));
            return;
        }
        let older: Vec<usize> = others
            .into_iter()
            .filter(|slot| adopt || of(slot).is_some_and(crossed))
            .collect();
        let mut estates = vec![];
        for old in &older {
            let Some(ike) = self.sas.get_mut(*old) else { continue };
            let was_up = ike.state.is_up();
            estates.push(ike.state.bequeath(&ike.sa, &mut self.cx, initiator));
            let old_id = ike.sa.id;
            if was_up {
                self.supervisor.succeeded(name, old_id, id);
                self.cx.event(Event::IkeRekeyed { old: old_id, new: id });
            }
        }
        self.step(slot, |state, sa, cx| state.inherit(sa, cx, estates));
        for old in older {
            self.step(old, |state, _, _| Ok(state));
        }
    }

    /// The peer has deleted this SA and not its children. A connection that somebody wants up gets a new phase 1 at once.
    pub(super) fn orphaned(&mut self, slot: usize) {
        let name = self.sas.get(slot).and_then(|ike| ike.name());
        if name.is_some_and(|name| self.supervisor.wants(name)) {
            self.step(slot, |state, _, cx| state.seek(cx));
        }
    }

    /// Begins a new phase 1 beside the SA in this slot.
    pub(super) fn renew(&mut self, slot: usize) {
        let Some(ike) = self.sas.get(slot) else { return };
        let Some(connection) = ike.state.connection().cloned() else {
            return;
        };
        let path = Path::new(ike.sa.path.local, ike.sa.path.remote);
        let Some(new) = self.insert(1, path, true, Spi::ZERO) else {
            return;
        };
        if let Some(ike) = self.sas.get_mut(new) {
            ike.connection = Some(connection.clone());
        }
        self.step(new, |_, sa, cx| machine::start(sa, cx, connection));
    }
}
