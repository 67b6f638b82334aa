//! Which SAs belong to a connection, to a pair of identities or to a child, without looking at all of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use handfast_auth::identity::{Identity, IdentityPattern};
use handfast_plane::op::ChildId;
use handfast_store::delta::SaId;
use slab::Slab;

use crate::endpoint::ike_sa::IkeSa;
use crate::policy::Connection;

/// Slots, by what their SAs belong to. Those of a name are in ascending order.
#[derive(Default)]
pub(crate) struct Index {
    ids: HashMap<SaId, usize>,
    children: HashMap<ChildId, usize>,
    names: HashMap<String, BTreeSet<usize>>,
    /// By whom an SA is between, as text.
    pairs: HashMap<String, BTreeSet<usize>>,
}

/// What an SA is found by now; kept with it.
#[derive(Default)]
pub(crate) struct Filed {
    id: Option<SaId>,
    name: Option<String>,
    connection: Option<Arc<Connection>>,
    children: Vec<ChildId>,
}

fn pair(local: &Identity, remote: &IdentityPattern) -> String {
    format!("{local} {remote}")
}

impl Index {
    /// Brings what is known of an SA up to date.
    pub fn file(&mut self, slot: usize, ike: &mut IkeSa) {
        let filed = &mut ike.filed;
        if filed.id != Some(ike.sa.id) {
            filed.id = Some(ike.sa.id);
            self.ids.insert(ike.sa.id, slot);
        }
        if filed.name != ike.connection {
            remove(&mut self.names, filed.name.as_deref(), slot);
            if let Some(name) = &ike.connection {
                self.names.entry(name.clone()).or_default().insert(slot);
            }
            filed.name.clone_from(&ike.connection);
        }
        let connection = ike.state.connection();
        let same = match (&filed.connection, connection) {
            (Some(filed), Some(now)) => Arc::ptr_eq(filed, now),
            (None, None) => true,
            _ => false,
        };
        if !same {
            let text = |c: &Arc<Connection>| pair(&c.local_id, &c.remote_id);
            remove(&mut self.pairs, filed.connection.as_ref().map(text).as_deref(), slot);
            if let Some(now) = connection {
                self.pairs.entry(text(now)).or_default().insert(slot);
            }
            filed.connection = connection.cloned();
        }
        let (mut count, mut changed) = (0, false);
        ike.state.each_child(&mut |child| {
            changed |= filed.children.get(count) != Some(&child);
            count += 1;
        });
        if changed || count != filed.children.len() {
            self.forget_children(slot, &filed.children);
            filed.children.clear();
            ike.state.each_child(&mut |child| filed.children.push(child));
            self.children.extend(filed.children.iter().map(|child| (*child, slot)));
        }
    }

    /// An SA is gone.
    pub fn forget(&mut self, slot: usize, ike: &IkeSa) {
        let filed = &ike.filed;
        if let Some(id) = filed.id {
            self.ids.remove(&id);
        }
        remove(&mut self.names, filed.name.as_deref(), slot);
        let pair = filed.connection.as_ref().map(|c| pair(&c.local_id, &c.remote_id));
        remove(&mut self.pairs, pair.as_deref(), slot);
        self.forget_children(slot, &filed.children);
    }

    /// Unless another SA has taken them over.
    fn forget_children(&mut self, slot: usize, children: &[ChildId]) {
        for child in children {
            if self.children.get(child) == Some(&slot) {
                self.children.remove(child);
            }
        }
    }

    /// The slot of an SA.
    pub fn of_id(&self, id: SaId) -> Option<usize> {
        self.ids.get(&id).copied()
    }

    /// The slot of the SA that a child belongs to.
    pub fn of_child(&self, child: ChildId) -> Option<usize> {
        self.children.get(&child).copied()
    }

    /// The slots of a connection's SAs.
    pub fn of_connection(&self, name: &str) -> Vec<usize> {
        self.names.get(name).into_iter().flatten().copied().collect()
    }

    /// Whether there is an SA between these two.
    pub fn has_pair(&self, local: &Identity, remote: &IdentityPattern) -> bool {
        self.pairs.contains_key(&pair(local, remote))
    }

    /// How many entries there are of each kind.
    pub fn sizes(&self) -> [usize; 4] {
        [self.ids.len(), self.children.len(), self.names.len(), self.pairs.len()]
    }

    /// Whether a look at all SAs finds the same, and nothing else is here.
    pub fn agrees(&self, sas: &Slab<IkeSa>) -> bool {
        let mut scan = Self::default();
        for (slot, ike) in sas {
            scan.ids.insert(ike.sa.id, slot);
            if let Some(name) = &ike.connection {
                scan.names.entry(name.clone()).or_default().insert(slot);
            }
            if let Some(c) = ike.state.connection() {
                let pair = pair(&c.local_id, &c.remote_id);
                scan.pairs.entry(pair).or_default().insert(slot);
            }
            ike.state.each_child(&mut |child| {
                scan.children.insert(child, slot);
            });
        }
        let equal = (&self.ids, &self.children) == (&scan.ids, &scan.children);
        equal && (&self.names, &self.pairs) == (&scan.names, &scan.pairs)
    }
}

fn remove(map: &mut HashMap<String, BTreeSet<usize>>, key: Option<&str>, slot: usize) {
    let Some(key) = key else { return };
    if let Some(slots) = map.get_mut(key) {
        slots.remove(&slot);
        if slots.is_empty() {
            map.remove(key);
        }
    }
}
