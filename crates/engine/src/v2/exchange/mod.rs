//! Exchanges of an established IKE SA. One file each.

pub(crate) mod collision;
pub(crate) mod create_child;
mod delete;
mod informational;
mod outbound;
mod probe;
pub(crate) mod rekey_child;
pub(crate) mod rekey_ike;
pub(crate) mod rekey_ike_responder;

use handfast_plane::op::ChildId;
use handfast_wire::v2::PayloadChain;

use crate::context::Context;
use crate::event::Event;
use crate::retransmit::Pending;
use crate::v2::established::Established;
use crate::v2::state::Sa;

pub(crate) use informational::informational;
use rekey_child::Aim;

/// A request to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    /// Ask whether the peer lives.
    Probe,
    /// Delete this IKE SA.
    DeleteIke,
    /// Replace this IKE SA.
    RekeyIke,
    /// Make a child SA.
    Child(Aim),
    /// Delete this child, which was replaced.
    DeleteChild(ChildId),
    /// Delete a child SA that the peer granted and we do not take, by the SPI that we would receive on.
    DeleteSpi(u32),
}

/// A request that was made, with what its answer needs.
pub(crate) enum Sent {
    Probe,
    DeleteIke,
    RekeyIke(Box<rekey_ike::Request>),
    Child(Box<rekey_child::Request>),
    DeleteChild(ChildId),
    DeleteSpi,
}

/// Payloads of the requests that need no answer of the driver first; `None` if there is nothing to ask any more.
pub(crate) fn simple(this: &Established, work: Work) -> Option<(PayloadChain, Sent)> {
    match work {
        Work::Probe => Some((probe::request(), Sent::Probe)),
        Work::DeleteIke => Some((delete::request_ike(), Sent::DeleteIke)),
        Work::DeleteChild(id) => this
            .child(id)
            .map(|child| (delete::request_spi(child.spi_in), Sent::DeleteChild(id))),
        Work::DeleteSpi(spi) => Some((delete::request_spi(spi), Sent::DeleteSpi)),
        Work::Child(_) | Work::RekeyIke => None,
    }
}

/// Sends a request once more and says so.
pub(crate) fn send_again(sa: &mut Sa, cx: &mut Context, pending: &Pending) {
    let next_in = pending.due.since(cx.now);
    cx.event(Event::Retransmitted {
        sa: sa.id,
        attempt: pending.sent - 1,
        next_in,
    });
    sa.resend(cx, pending.bytes.clone());
}
