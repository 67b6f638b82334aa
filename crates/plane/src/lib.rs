//! Where ESP SAs live: what a plane is asked to hold ([`op`]), the [`Plane`] trait, and two planes.
//!
//! [`UserspacePlane`] carries packets itself, between the caller's TUN device and the caller's sockets.
//! [`NullPlane`] holds everything and carries nothing.
#![forbid(unsafe_code)]

mod null;
pub mod op;
#[cfg(test)]
mod test_sa;
mod userspace;

pub use null::{Installed, NullPlane};
pub use userspace::{
    Batch, ChildView, DropReason, Early, Inbound, Outbound, PolicyView, RouteChange, Run, UserspacePlane,
};

use op::{PlaneEvent, PlaneOp, PlaneReply};

/// What holds exactly the SAs and policies that it was asked to hold.
pub trait Plane {
    /// Does one thing and says whether it is done.
    fn apply(&mut self, op: PlaneOp) -> PlaneReply;

    /// What happened by itself since the last call; call until `None`.
    fn poll_event(&mut self) -> Option<PlaneEvent>;
}

/// The example of README.md, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
