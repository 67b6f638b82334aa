//! Exchanges of an established IKE SA. One file each.

pub(crate) mod create_child;
mod delete;
mod informational;
mod probe;

use handfast_wire::header::ExchangeType;
use handfast_wire::v2::PayloadChain;

use crate::context::Context;
use crate::event::Event;
use crate::retransmit::Pending;
use crate::v2::state::Sa;

pub(crate) use informational::informational;

/// A request to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    /// Ask whether the peer lives.
    Probe,
    /// Delete this IKE SA.
    DeleteIke,
}

impl Work {
    pub fn exchange(&self) -> ExchangeType {
        match self {
            Self::Probe | Self::DeleteIke => ExchangeType::INFORMATIONAL,
        }
    }
}

/// The payloads of a request.
pub(crate) fn request(work: &Work) -> PayloadChain {
    match work {
        Work::Probe => probe::request(),
        Work::DeleteIke => delete::request_ike(),
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
