//! Places for the SAs that rekeys make, and their beginning.

use handfast_wire::header::Spi;

use crate::context::Reserved;
use crate::endpoint::Engine;
use crate::endpoint::machine::Machine;
use crate::endpoint::timers::Owner;
use crate::event::Event;
use crate::input::Rekey;
use crate::v2::state::State;

impl Engine {
    /// A person wants fresh keys.
    pub(super) fn rekey(&mut self, connection: &str, what: Rekey) {
        let is_up = |slot: &usize| self.sas.get(*slot).is_some_and(|ike| ike.state.is_up());
        let slots: Vec<usize> = self.index.of_connection(connection).into_iter().filter(is_up).collect();
        if slots.is_empty() {
            let reason = format!("{connection:?} is not up, so there is nothing to rekey");
            self.cx.event(Event::CommandFailed { reason });
        }
        for slot in slots {
            self.step(slot, |state, sa, cx| state.rekey(sa, cx, what));
        }
    }

    /// Keeps a slot, and with it an SPI, for the successor of the SA in `by`.
    pub(super) fn reserve(&mut self, by: usize, peer: Option<Spi>) {
        let Some(path) = self.sas.get(by).map(|ike| ike.sa.path.clone()) else {
            return;
        };
        let initiator = peer.is_none();
        let Some(slot) = self.insert(2, path, initiator, peer.unwrap_or(Spi::ZERO)) else {
            return;
        };
        let Some(ike) = self.sas.get_mut(slot) else { return };
        ike.state = Machine::reserved();
        let spi = if initiator { ike.sa.spi_i } else { ike.sa.spi_r };
        let id = ike.sa.id;
        if let Some(keeper) = self.sas.get_mut(by) {
            keeper.reserved.push((slot, id));
        }
        let place = Reserved {
            slot,
            id,
            spi,
            initiator,
        };
        self.step(by, |state, sa, cx| state.on_reserved(sa, cx, place));
    }

    /// Gives a place back, unless an SA has begun there. Nobody was told of it.
    pub(super) fn release(&mut self, slot: usize, id: handfast_store::delta::SaId) {
        let kept = |ike: &super::IkeSa| ike.sa.id == id && ike.state.is_reserved();
        if self.sas.get(slot).is_some_and(kept) {
            let ike = self.sas.remove(slot);
            self.index.forget(slot, &ike);
            self.timers.set(Owner::Sa(slot), None);
            self.idle_if_done(false);
        }
    }

    /// The SAs that the last step made begin in their places, before anything else is concluded from the step.
    pub(super) fn begin_successors(&mut self) {
        for made in std::mem::take(&mut self.cx.successions) {
            let Some(ike) = self.sas.get_mut(made.place.slot) else {
                continue;
            };
            (ike.sa.spi_i, ike.sa.spi_r) = made.spis;
            ike.sa.path = made.path;
            ike.sa.created = self.cx.now;
            let connection = made.established.parties.connection.clone();
            ike.connection = Some(connection.clone());
            let id = ike.sa.id;
            made.established.record(&ike.sa, &mut self.cx);
            made.established.record_children(&ike.sa, &mut self.cx);
            if made.heir {
                self.supervisor.succeeded(&connection.name, made.old, id);
                self.cx.event(Event::IkeRekeyed { old: made.old, new: id });
            }
            ike.state = State::Established(made.established).into();
            self.step(made.place.slot, |state, sa, cx| state.advance(sa, cx));
        }
    }
}
