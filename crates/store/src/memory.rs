//! The store in memory: the fold of all changes.
//!
//! Its laws: the same change twice is one change; an IKE SA takes its children with it, but not those that moved to its
//! successor before; what ends that is not there is no error; a child needs its IKE SA.

use std::collections::{BTreeMap, BTreeSet};

use crate::delta::{ChildFacts, DownFacts, FORMAT_VERSION, IkeSaFacts, SaDelta, SaId};
use crate::packed::{ChildCommon, IkeCommon, PackedChild, PackedIke, Shared};
use crate::snapshot::{IkeSaEntry, SaSnapshot};
use crate::{SaStore, StoreError};

/// Keeps facts until the process ends.
#[derive(Clone, Default, Debug)]
pub struct MemoryStore {
    ike_sas: BTreeMap<SaId, PackedIke>,
    children: BTreeMap<u64, PackedChild>,
    /// The children of each IKE SA.
    of: BTreeSet<(SaId, u64)>,
    common: (Shared<IkeCommon>, Shared<ChildCommon>),
    down: BTreeMap<String, DownFacts>,
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
            store.upsert_ike(&facts);
            for child in children {
                store.upsert_child(&ChildFacts { ike: id, ..child });
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
            SaDelta::IkeSa(facts) => self.upsert_ike(facts),
            SaDelta::IkeSaGone { id, .. } => {
                let children: Vec<u64> = self.children_of(*id).collect();
                children.into_iter().for_each(|child| self.remove_child(child));
                if let Some(gone) = self.ike_sas.remove(id) {
                    gone.release(&mut self.common.0);
                }
            }
            SaDelta::Child(facts) => self.upsert_child(facts),
            // By its own number: it may have moved to another IKE SA since.
            SaDelta::ChildGone { id, .. } => self.remove_child(*id),
            SaDelta::ConnectionDown(facts) => {
                self.down.insert(facts.connection.clone(), facts.clone());
            }
            SaDelta::ConnectionUp { connection } | SaDelta::ConnectionGone { connection } => {
                self.down.remove(connection);
            }
        }
    }

    fn upsert_ike(&mut self, facts: &IkeSaFacts) {
        let packed = PackedIke::new(facts, &mut self.common.0);
        if let Some(before) = self.ike_sas.insert(facts.id, packed) {
            before.release(&mut self.common.0);
        }
    }

    fn upsert_child(&mut self, facts: &ChildFacts) {
        let packed = PackedChild::new(facts, &mut self.common.1);
        if let Some(before) = self.children.insert(facts.id, packed) {
            self.of.remove(&(before.ike, facts.id));
            before.release(&mut self.common.1);
        }
        self.of.insert((facts.ike, facts.id));
    }

    fn remove_child(&mut self, id: u64) {
        if let Some(gone) = self.children.remove(&id) {
            self.of.remove(&(gone.ike, id));
            gone.release(&mut self.common.1);
        }
    }

    /// In ascending order.
    fn children_of(&self, ike: SaId) -> impl Iterator<Item = u64> {
        self.of.range((ike, 0)..=(ike, u64::MAX)).map(|(_, child)| *child)
    }
}

impl SaStore for MemoryStore {
    fn record(&mut self, delta: &SaDelta) -> Result<(), StoreError> {
        self.check(delta)?;
        self.apply(delta);
        Ok(())
    }

    fn snapshot(&self) -> SaSnapshot {
        let child = |id| Some(self.children.get(&id)?.facts(id));
        let entry = |(id, packed): (&SaId, &PackedIke)| IkeSaEntry {
            facts: packed.facts(*id),
            children: self.children_of(*id).filter_map(child).collect(),
        };
        SaSnapshot {
            version: FORMAT_VERSION,
            ike_sas: self.ike_sas.iter().map(entry).collect(),
            connections_down: self.down.values().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests;
