//! SAs that have not carried anything for a while take less memory, until they do.

use super::UserspacePlane;

/// Slots of children that have carried something lately.
#[derive(Default)]
pub(super) struct Awake(Vec<usize>);

impl Awake {
    /// An SA of this child has woken.
    #[cold]
    pub fn add(&mut self, slot: usize) {
        self.0.push(slot);
    }
}

impl UserspacePlane {
    /// Lets SAs rest that have carried nothing since this was last called. To be called from time to time, such as every
    /// minute, while it returns true or packets come: then some are awake.
    pub fn rest(&mut self) -> bool {
        let slots = &mut self.awake.0;
        slots.sort_unstable();
        slots.dedup();
        slots.retain(|slot| {
            let Some(Some(child)) = self.children.get_mut(*slot) else {
                return false;
            };
            let inbound = child.inbound.as_mut().is_none_or(|receiver| receiver.sa.rest());
            let outbound = child.outbound.as_mut().is_none_or(|sender| sender.sa.rest());
            !inbound || !outbound
        });
        !slots.is_empty()
    }

    /// Whether some SA has carried something lately.
    pub fn is_awake(&self) -> bool {
        !self.awake.0.is_empty()
    }
}
