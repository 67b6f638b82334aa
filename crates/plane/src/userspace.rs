//! ESP in userspace: packets from a TUN device to sockets and back.
//!
//! No I/O here. The caller hands in an IP packet and gets ESP packets to send, or hands in an ESP packet and gets the
//! IP packet that was inside.

mod batch;
mod child;
mod early;
mod flows;
mod frame;
mod inbound;
mod install;
mod matching;
mod meter;
mod outbound;
mod policy;
mod rest;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use handfast_crypto::provider::Provider;
use handfast_esp::transport::Fragments;
use handfast_wire::selector::TrafficSelector;

use crate::Plane;
use crate::op::{ChildId, Counters, OuterPath, PlaneEvent, PlaneOp, PlaneReply};
use child::Child;
use early::Waiting;
use policy::Policy;
use rest::Awake;

pub use batch::{Batch, Run};
pub use early::Early;
pub use inbound::{DropReason, Inbound};
pub use outbound::Outbound;

/// The outer MTU of a child about whose path nothing is known.
const DEFAULT_PATH_MTU: usize = 1500;

/// Holds SAs and policies, and carries packets.
pub struct UserspacePlane {
    provider: &'static Provider,
    /// Children by slot. A slot that is empty is used again.
    children: Vec<Option<Child>>,
    /// The empty ones.
    free: Vec<usize>,
    slots: HashMap<ChildId, usize>,
    /// Slots by our SPI.
    spis: HashMap<u32, usize>,
    policy: Policy,
    awake: Awake,
    mtus: Mtus,
    changes: Vec<RouteChange>,
    events: VecDeque<PlaneEvent>,
    /// What came before its SA was there.
    early: Waiting,
    /// One fragment at a time.
    scratch: Vec<u8>,
    /// One packet of a frame at a time.
    packet: Vec<u8>,
    /// Of packets that transport mode carries.
    fragments: Fragments,
}

/// One child as the plane holds it.
#[derive(Clone, Copy, Debug)]
pub struct ChildView<'a> {
    /// Which.
    pub child: ChildId,
    /// Name of its configuration.
    pub name: &'a str,
    /// Outer path.
    pub path: OuterPath,
    /// SPI of the inbound SA, if it is installed.
    pub spi_in: Option<u32>,
    /// SPI of the outbound SA, if it is installed.
    pub spi_out: Option<u32>,
    /// What was carried.
    pub counters: Counters,
    /// The largest inner packet that it carries unfragmented; 0 without an outbound SA.
    pub inner_mtu: usize,
}

/// The selectors of one installed outbound SA: what routes are made from.
#[derive(Clone, Copy, Debug)]
pub struct PolicyView<'a> {
    /// Which child.
    pub child: ChildId,
    /// The peer's outer address.
    pub peer: IpAddr,
    /// Addresses on our side.
    pub local: &'a [TrafficSelector],
    /// Addresses on the peer's side.
    pub remote: &'a [TrafficSelector],
}

/// What has changed in that from which routes are made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RouteChange {
    /// An outbound SA is installed.
    Installed(ChildId),
    /// One is no more; these were its selectors.
    Removed {
        /// Addresses on our side.
        local: Vec<TrafficSelector>,
        /// Addresses on the peer's side.
        remote: Vec<TrafficSelector>,
    },
    /// A child has another path.
    Moved(ChildId),
    /// More than are kept.
    Many,
}

/// Changes kept for whoever makes routes; there may be nobody.
const MAX_CHANGES: usize = 4096;

/// How many children have which inner MTU.
#[derive(Default)]
struct Mtus(BTreeMap<usize, usize>);

impl Mtus {
    fn add(&mut self, mtu: usize) {
        if mtu > 0 {
            *self.0.entry(mtu).or_default() += 1;
        }
    }

    fn remove(&mut self, mtu: usize) {
        if let Some(count) = self.0.get_mut(&mtu) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&mtu);
            }
        }
    }
}

impl UserspacePlane {
    /// With nothing installed; ciphers are of `provider`.
    pub fn new(provider: &'static Provider) -> Self {
        Self {
            provider,
            children: Vec::new(),
            free: Vec::new(),
            slots: HashMap::new(),
            spis: HashMap::new(),
            policy: Policy::default(),
            awake: Awake::default(),
            mtus: Mtus::default(),
            changes: Vec::new(),
            events: VecDeque::new(),
            early: Waiting::default(),
            scratch: Vec::new(),
            packet: Vec::new(),
            fragments: Fragments::default(),
        }
    }

    /// A packet that was kept until its SA was there: to be handed in again. After each
    /// [`PlaneOp::InstallInbound`] until `None`.
    pub fn next_early(&mut self) -> Option<Early> {
        self.early.next()
    }

    /// Every child of which something is installed.
    pub fn children(&self) -> impl Iterator<Item = ChildView<'_>> {
        self.children.iter().flatten().map(Child::view)
    }

    /// The selectors of every installed outbound SA.
    pub fn routes(&self) -> impl Iterator<Item = PolicyView<'_>> {
        self.children.iter().flatten().filter_map(Child::policy)
    }

    /// The selectors of a child's outbound SA, if one is installed.
    pub fn route(&self, child: ChildId) -> Option<PolicyView<'_>> {
        self.child(child)?.policy()
    }

    /// A child of which something is installed.
    pub fn view(&self, child: ChildId) -> Option<ChildView<'_>> {
        self.child(child).map(Child::view)
    }

    /// What has changed in [`routes`](Self::routes) since this was last asked, in order.
    pub fn take_route_changes(&mut self) -> Vec<RouteChange> {
        core::mem::take(&mut self.changes)
    }

    /// The smallest inner MTU of all children that have an outbound SA.
    pub fn smallest_inner_mtu(&self) -> Option<usize> {
        self.mtus.0.keys().next().copied()
    }

    fn changed(&mut self, change: RouteChange) {
        if self.changes.len() >= MAX_CHANGES {
            self.changes.clear();
            self.changes.push(RouteChange::Many);
        }
        self.changes.push(change);
    }

    fn child(&self, child: ChildId) -> Option<&Child> {
        self.children.get(*self.slots.get(&child)?)?.as_ref()
    }

    /// The largest outer packet that the path of a child carries; 1500 until it is told. Returns whether there is
    /// such a child.
    pub fn set_path_mtu(&mut self, child: ChildId, mtu: usize) -> bool {
        self.with_mtu(child, |child| child.set_path_mtu(mtu))
    }

    fn child_mut(&mut self, child: ChildId) -> Option<&mut Child> {
        let slot = *self.slots.get(&child)?;
        self.children.get_mut(slot)?.as_mut()
    }
}

impl Plane for UserspacePlane {
    fn apply(&mut self, op: PlaneOp) -> PlaneReply {
        let done = match op {
            PlaneOp::Expect(spi) => {
                self.early.expect(spi);
                Ok(())
            }
            PlaneOp::Unexpect(spi) => {
                self.early.forget(spi);
                Ok(())
            }
            PlaneOp::InstallInbound(sa) => self.install_inbound(sa),
            PlaneOp::InstallOutbound(sa) => self.install_outbound(sa),
            PlaneOp::RemoveInbound(child) => {
                self.remove_inbound(child);
                Ok(())
            }
            PlaneOp::RemoveOutbound(child) => {
                self.remove_outbound(child);
                Ok(())
            }
            PlaneOp::UpdatePath(child, path) => self.update_path(child, path),
            PlaneOp::Query(child) => match self.child_mut(child) {
                Some(child) => return PlaneReply::Counters(child.counters),
                None => Err(install::no_such(child)),
            },
        };
        match done {
            Ok(()) => PlaneReply::Done,
            Err(reason) => PlaneReply::Failed(reason),
        }
    }

    fn poll_event(&mut self) -> Option<PlaneEvent> {
        self.events.pop_front()
    }
}

impl core::fmt::Debug for UserspacePlane {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("UserspacePlane")
            .field("provider", &self.provider.name)
            .field(
                "children",
                &self.children.iter().flatten().map(Child::view).collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
