//! The store in memory: the fold of all changes.
//!
//! Its laws: the same change twice is one change; an IKE SA takes its children with it, but not those that moved to its
//! successor before; what ends that is not there is no error; a child needs its IKE SA.

use std::collections::BTreeMap;

use crate::delta::{ChildFacts, DownFacts, FORMAT_VERSION, IkeSaFacts, SaDelta, SaId};
use crate::snapshot::{IkeSaEntry, SaSnapshot};
use crate::{SaStore, StoreError};

/// Keeps facts until the process ends.
#[derive(Clone, Default, Debug)]
pub struct MemoryStore {
    // Boxed, since a tree has up to twice as many places as entries.
    ike_sas: BTreeMap<SaId, Box<Entry>>,
    children: BTreeMap<u64, Box<ChildFacts>>,
    down: BTreeMap<String, DownFacts>,
}

#[derive(Clone, Debug)]
struct Entry {
    facts: IkeSaFacts,
    /// In ascending order.
    children: Vec<u64>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store that holds what the snapshot holds.
    pub fn from_snapshot(snapshot: SaSnapshot) -> Self {
        let mut store = Self::new();
        for IkeSaEntry { facts, children } in snapshot.ike_sas {
            let id = facts.id;
            store.upsert_ike(facts);
            for child in children {
                store.upsert_child(ChildFacts { ike: id, ..child });
            }
        }
        store.down = snapshot
            .connections_down
            .into_iter()
            .map(|down| (down.connection.clone(), down))
            .collect();
        store
    }

    /// Whether [`MemoryStore::apply`] would accept this change.
    pub(crate) fn check(&self, delta: &SaDelta) -> Result<(), StoreError> {
        match delta {
            SaDelta::Child(facts) if !self.ike_sas.contains_key(&facts.ike) => Err(StoreError::UnknownSa {
                child: facts.id,
                ike: facts.ike,
            }),
            _ => Ok(()),
        }
    }

    /// Makes a checked change.
    pub(crate) fn apply(&mut self, delta: &SaDelta) {
        match delta {
            SaDelta::IkeSa(facts) => self.upsert_ike(facts.clone()),
            SaDelta::IkeSaGone { id, .. } => {
                for child in self.ike_sas.remove(id).map(|entry| entry.children).unwrap_or_default() {
                    self.children.remove(&child);
                }
            }
            SaDelta::Child(facts) => self.upsert_child(facts.clone()),
            // By its own number: it may have moved to another IKE SA since.
            SaDelta::ChildGone { id, .. } => {
                if let Some(child) = self.children.remove(id) {
                    self.detach(child.ike, *id);
                }
            }
            SaDelta::ConnectionDown(facts) => {
                self.down.insert(facts.connection.clone(), facts.clone());
            }
            SaDelta::ConnectionUp { connection } | SaDelta::ConnectionGone { connection } => {
                self.down.remove(connection);
            }
        }
    }

    fn upsert_ike(&mut self, facts: IkeSaFacts) {
        match self.ike_sas.get_mut(&facts.id) {
            Some(entry) => entry.facts = facts,
            None => {
                self.ike_sas.insert(
                    facts.id,
                    Box::new(Entry {
                        facts,
                        children: Vec::new(),
                    }),
                );
            }
        }
    }

    fn upsert_child(&mut self, facts: ChildFacts) {
        let (id, ike) = (facts.id, facts.ike);
        if let Some(before) = self.children.insert(id, Box::new(facts))
            && before.ike != ike
        {
            self.detach(before.ike, id);
        }
        if let Some(entry) = self.ike_sas.get_mut(&ike)
            && let Err(at) = entry.children.binary_search(&id)
        {
            entry.children.reserve_exact(1);
            entry.children.insert(at, id);
        }
    }

    fn detach(&mut self, ike: SaId, child: u64) {
        if let Some(entry) = self.ike_sas.get_mut(&ike) {
            entry.children.retain(|id| *id != child);
        }
    }
}

impl SaStore for MemoryStore {
    fn record(&mut self, delta: &SaDelta) -> Result<(), StoreError> {
        self.check(delta)?;
        self.apply(delta);
        Ok(())
    }

    fn snapshot(&self) -> SaSnapshot {
        let entry = |entry: &Entry| IkeSaEntry {
            facts: entry.facts.clone(),
            children: entry
                .children
                .iter()
                .filter_map(|id| self.children.get(id))
                .map(|child| (**child).clone())
                .collect(),
        };
        SaSnapshot {
            version: FORMAT_VERSION,
            ike_sas: self.ike_sas.values().map(|kept| entry(kept)).collect(),
            connections_down: self.down.values().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests;
