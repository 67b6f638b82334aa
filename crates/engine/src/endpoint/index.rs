//! Which SAs belong to a connection, to a pair of identities or to a child, without looking at all of them.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
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
    /// By connection and proven peer, as a hash: two that share one by chance are told apart by whoever looks.
    peers: HashMap<u64, Few>,
    /// Of a name, those that we began and that are not up.
    attempts: HashMap<String, BTreeSet<usize>>,
    hasher: RandomState,
}

/// Slots, usually one.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Few {
    One(usize),
    More(BTreeSet<usize>),
}

impl Few {
    fn insert(&mut self, slot: usize) {
        match self {
            Self::One(one) => *self = Self::More([*one, slot].into()),
            Self::More(more) => drop(more.insert(slot)),
        }
    }

    /// Whether it is empty then.
    fn remove(&mut self, slot: usize) -> bool {
        match self {
            Self::One(one) => *one == slot,
            Self::More(more) => {
                more.remove(&slot);
                more.is_empty()
            }
        }
    }

    fn to_vec(&self) -> Vec<usize> {
        match self {
            Self::One(one) => vec![*one],
            Self::More(more) => more.iter().copied().collect(),
        }
    }
}

/// What an SA is found by now; kept with it.
#[derive(Default)]
pub(crate) struct Filed {
    id: Option<SaId>,
    /// By whose name.
    named: Option<Arc<Connection>>,
    /// Between whose identities.
    connection: Option<Arc<Connection>>,
    children: Vec<ChildId>,
    peer: Option<u64>,
    attempt: bool,
}

impl Filed {
    fn name(&self) -> Option<&str> {
        self.named.as_ref().map(|connection| connection.name.as_str())
    }
}

fn same(filed: &Option<Arc<Connection>>, now: Option<&Arc<Connection>>) -> bool {
    match (filed, now) {
        (Some(filed), Some(now)) => Arc::ptr_eq(filed, now),
        (None, None) => true,
        _ => false,
    }
}

fn is_attempt(ike: &IkeSa) -> bool {
    ike.sa.initiator && ike.connection.is_some() && !ike.state.is_up()
}

fn pair(local: &Identity, remote: &IdentityPattern) -> String {
    format!("{local} {remote}")
}

impl Index {
    /// Brings what is known of an SA up to date.
    pub fn file(&mut self, slot: usize, ike: &mut IkeSa) {
        let attempt = is_attempt(ike);
        let name = ike.connection.as_ref().map(|c| c.name.as_str());
        let filed = &mut ike.filed;
        if filed.attempt && (!attempt || filed.name() != name) {
            remove(&mut self.attempts, filed.name(), slot);
            filed.attempt = false;
        }
        if attempt
            && !filed.attempt
            && let Some(name) = name
        {
            self.attempts.entry(name.into()).or_default().insert(slot);
            filed.attempt = true;
        }
        // Whom an SA is with does not change once it is proven.
        let peer = ike.state.peer().zip(name);
        if filed.peer.is_some() != peer.is_some() {
            self.forget_peer(slot, filed.peer.take());
            if let Some((peer, name)) = peer {
                let key = self.key(name, peer);
                let few = self.peers.entry(key);
                few.and_modify(|few| few.insert(slot)).or_insert(Few::One(slot));
                filed.peer = Some(key);
            }
        }
        if filed.id != Some(ike.sa.id) {
            filed.id = Some(ike.sa.id);
            self.ids.insert(ike.sa.id, slot);
        }
        if filed.name() != name {
            remove(&mut self.names, filed.name(), slot);
            if let Some(name) = name {
                self.names.entry(name.into()).or_default().insert(slot);
            }
        }
        if !same(&filed.named, ike.connection.as_ref()) {
            filed.named.clone_from(&ike.connection);
        }
        let connection = ike.state.connection();
        if !same(&filed.connection, connection) {
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
            filed.children.reserve_exact(count);
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
        remove(&mut self.names, filed.name(), slot);
        if filed.attempt {
            remove(&mut self.attempts, filed.name(), slot);
        }
        self.forget_peer(slot, filed.peer);
        let pair = filed.connection.as_ref().map(|c| pair(&c.local_id, &c.remote_id));
        remove(&mut self.pairs, pair.as_deref(), slot);
        self.forget_children(slot, &filed.children);
    }

    fn forget_peer(&mut self, slot: usize, key: Option<u64>) {
        if let Some(key) = key
            && self.peers.get_mut(&key).is_some_and(|few| few.remove(slot))
        {
            self.peers.remove(&key);
        }
    }

    fn key(&self, connection: &str, peer: &str) -> u64 {
        self.hasher.hash_one((connection, peer))
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

    /// Whether a connection has an SA.
    pub fn has_connection(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The slots of those of a connection's SAs that we began and that are not up.
    pub fn attempts(&self, name: &str) -> Vec<usize> {
        self.attempts.get(name).into_iter().flatten().copied().collect()
    }

    /// The slots of a connection's SAs with a proven peer, and perhaps others.
    pub fn of_peer(&self, connection: &str, peer: &str) -> Vec<usize> {
        let few = self.peers.get(&self.key(connection, peer));
        few.map(Few::to_vec).unwrap_or_default()
    }

    /// Whether there is an SA between these two.
    pub fn has_pair(&self, local: &Identity, remote: &IdentityPattern) -> bool {
        self.pairs.contains_key(&pair(local, remote))
    }

    /// How many entries there are of each kind.
    pub fn sizes(&self) -> [usize; 6] {
        let by_name = [self.names.len(), self.pairs.len(), self.attempts.len()];
        let [names, pairs, attempts] = by_name;
        [
            self.ids.len(),
            self.children.len(),
            names,
            pairs,
            attempts,
            self.peers.len(),
        ]
    }

    /// Whether a look at all SAs finds the same, and nothing else is here.
    pub fn agrees(&self, sas: &Slab<IkeSa>) -> bool {
        let mut scan = Self {
            hasher: self.hasher.clone(),
            ..Self::default()
        };
        for (slot, ike) in sas {
            scan.ids.insert(ike.sa.id, slot);
            if let Some(name) = ike.name() {
                scan.names.entry(name.into()).or_default().insert(slot);
            }
            if let Some(c) = ike.state.connection() {
                let pair = pair(&c.local_id, &c.remote_id);
                scan.pairs.entry(pair).or_default().insert(slot);
            }
            ike.state.each_child(&mut |child| {
                scan.children.insert(child, slot);
            });
            if let Some((peer, name)) = ike.state.peer().zip(ike.name()) {
                let few = scan.peers.entry(scan.hasher.hash_one((name, peer)));
                few.and_modify(|few| few.insert(slot)).or_insert(Few::One(slot));
            }
            if let (true, Some(name)) = (is_attempt(ike), ike.name()) {
                scan.attempts.entry(name.into()).or_default().insert(slot);
            }
        }
        let peers =
            |of: &Self| -> HashMap<u64, Vec<usize>> { of.peers.iter().map(|(k, few)| (*k, few.to_vec())).collect() };
        let equal = (&self.ids, &self.children) == (&scan.ids, &scan.children);
        let named = (&self.names, &self.pairs, &self.attempts) == (&scan.names, &scan.pairs, &scan.attempts);
        equal && named && peers(self) == peers(&scan)
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
