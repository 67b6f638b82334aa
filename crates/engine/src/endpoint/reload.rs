//! A new policy: what did not change goes on, what changed is taken over or begun anew (see [`crate::reload`]).

use std::collections::HashMap;
use std::sync::Arc;

use crate::endpoint::Engine;
use crate::policy::{Connection, Policy};
use crate::reload;

impl Engine {
    pub(super) fn reload(&mut self, policy: Arc<Policy>) {
        self.cx.policy = policy.clone();
        self.configure();
        let by_name: HashMap<&str, &Arc<Connection>> =
            policy.connections.iter().map(|c| (c.name.as_str(), c)).collect();
        for slot in self.slots(|sa| sa.state.connection().is_some()) {
            let Some(before) = self.sas.get(slot).and_then(|sa| sa.state.connection()) else {
                continue;
            };
            // Those whose connection is gone are closed already.
            let Some(now) = by_name.get(before.name.as_str()) else {
                continue;
            };
            if reload::renews(before, now) {
                self.close(slot, "its settings changed");
            } else {
                self.step(slot, |mut state, sa, cx| {
                    state.take_settings(sa, cx, now);
                    Ok(state)
                });
            }
        }
    }
}
