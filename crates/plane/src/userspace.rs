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

use std::collections::{HashMap, VecDeque};

use handfast_crypto::provider::Provider;
use handfast_esp::transport::Fragments;
use handfast_wire::selector::TrafficSelector;

use crate::Plane;
use crate::op::{ChildId, Counters, OuterPath, PlaneEvent, PlaneOp, PlaneReply};
use child::Child;
use early::Waiting;
use policy::Policy;

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
    slots: HashMap<ChildId, usize>,
    /// Slots by our SPI.
    spis: HashMap<u32, usize>,
    policy: Policy,
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
    /// Addresses on our side.
    pub local: &'a [TrafficSelector],
    /// Addresses on the peer's side.
    pub remote: &'a [TrafficSelector],
}

impl UserspacePlane {
    /// With nothing installed; ciphers are of `provider`.
    pub fn new(provider: &'static Provider) -> Self {
        Self {
            provider,
            children: Vec::new(),
            slots: HashMap::new(),
            spis: HashMap::new(),
            policy: Policy::default(),
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

    /// The largest outer packet that the path of a child carries; 1500 until it is told. Returns whether there is
    /// such a child.
    pub fn set_path_mtu(&mut self, child: ChildId, mtu: usize) -> bool {
        let child = self.child_mut(child);
        child.map(|child| child.set_path_mtu(mtu)).is_some()
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
