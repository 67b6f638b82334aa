//! Which connection an IKE SA belongs to, for events that do not say it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use handfast_engine::Event;
use handfast_store::delta::SaId;

/// See the module.
#[derive(Default)]
pub struct Book {
    /// Ends with the SA, so there are never more than the engine has SAs.
    sas: HashMap<SaId, Arc<str>>,
    /// Each once.
    names: HashSet<Arc<str>>,
}

impl Book {
    /// The connection of an SA that is or was established.
    pub fn connection(&self, sa: SaId) -> Option<&str> {
        self.sas.get(&sa).map(|name| &**name)
    }

    /// Before anybody else hears of an event.
    pub fn learn(&mut self, event: &Event) {
        match event {
            Event::IkeEstablished { sa, connection, .. } => {
                let name = self.name(connection);
                self.sas.insert(*sa, name);
            }
            Event::IkeRekeyed { old, new } => {
                if let Some(name) = self.sas.get(old).cloned() {
                    self.sas.insert(*new, name);
                }
            }
            _ => {}
        }
    }

    /// After everybody has heard of it.
    pub fn forget(&mut self, event: &Event) {
        if let Event::IkeGone { sa, .. } = event
            && let Some(name) = self.sas.remove(sa)
            // This one and that in the set.
            && Arc::strong_count(&name) == 2
        {
            self.names.remove(&name);
        }
    }

    fn name(&mut self, connection: &str) -> Arc<str> {
        if let Some(name) = self.names.get(connection) {
            return name.clone();
        }
        let name: Arc<str> = connection.into();
        self.names.insert(name.clone());
        name
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.sas.is_empty() && self.names.is_empty()
    }
}
