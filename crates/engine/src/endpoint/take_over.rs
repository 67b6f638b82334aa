//! A new ISAKMP SA with a peer takes over from older ones (IKEv1 has no exchange for that).

use crate::endpoint::Engine;
use crate::endpoint::machine;
use crate::event::Event;
use crate::path::Path;
use handfast_wire::header::Spi;

impl Engine {
    /// Phase 1 of this SA is complete. Older SAs with the same peer give it their children; who began the new one deletes
    /// the old.
    pub(super) fn take_over(&mut self, slot: usize, adopt: bool) {
        let Some(ike) = self.sas.get(slot) else { return };
        let (id, initiator, began) = (ike.sa.id, ike.sa.initiator, ike.sa.created);
        let Some(name) = ike.connection.clone() else { return };
        let Some(peer) = ike.state.peer().map(str::to_string) else {
            return;
        };
        let mut estates = vec![];
        let older = if adopt {
            let is_older = |old: &usize| {
                let ike = self.sas.get(*old).filter(|s| s.sa.slot != slot && s.sa.version == 1);
                ike.is_some_and(|s| s.state.is_with(&name, &peer, began))
            };
            self.index.of_connection(&name).into_iter().filter(is_older).collect()
        } else {
            vec![]
        };
        for old in &older {
            let Some(ike) = self.sas.get_mut(*old) else { continue };
            let was_up = ike.state.is_up();
            estates.push(ike.state.bequeath(&ike.sa, &mut self.cx));
            let old_id = ike.sa.id;
            if was_up {
                self.supervisor.succeeded(&name, old_id, id);
                self.cx.event(Event::IkeRekeyed { old: old_id, new: id });
            }
        }
        self.step(slot, |state, sa, cx| state.inherit(sa, cx, estates));
        for old in older {
            if initiator {
                self.close(old, "replaced");
            } else {
                self.step(old, |state, _, _| Ok(state));
            }
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
            ike.connection = Some(connection.name.clone());
        }
        self.step(new, |_, sa, cx| machine::start(sa, cx, connection));
    }
}
