//! Quick mode (RFC 2409 section 5.5): what both roles share.
//!
//! ```text
//! HDR*, HASH(1), SA, Ni [, KE] [, IDci, IDcr]   ->
//!                                               <-   HDR*, HASH(2), SA, Nr [, KE] [, IDci, IDcr]
//! HDR*, HASH(3)                                 ->
//! ```

use std::sync::Arc;

use handfast_crypto::provider::CryptoError;
use handfast_crypto::schedule::v1::{self, QuickMode};
use handfast_crypto::secret::Secret;
use handfast_plane::op::{ChildId, SaKeys};
use handfast_wire::selector::TrafficSelector;

use crate::child::sa::{ChildSa, DirectedKeys};
use crate::context::Context;
use crate::output::{Output, Ticket};
use crate::policy::ChildPolicy;
use crate::time::Instant;
use crate::v1::isakmp::Isakmp;
use crate::v1::proposals::Agreed;
use crate::v1::quick_initiator::Initiator;
use crate::v1::quick_responder::Responder;
use crate::v1::state::Sa;

/// ESP's protocol number in the DOI (RFC 2407 section 4.4.1).
pub(crate) const ESP: u8 = 3;

/// A pair of SAs that we want.
#[derive(Clone)]
pub(crate) struct Wish {
    pub policy: Arc<ChildPolicy>,
    pub local: TrafficSelector,
    pub remote: TrafficSelector,
    pub replaces: Option<ChildId>,
    /// When its quick mode began.
    pub began: Option<Instant>,
}

/// A quick mode under way.
pub(crate) enum Exchange {
    Initiator(Box<Initiator>),
    Responder(Box<Responder>),
}

impl Exchange {
    pub fn awaits(&self, ticket: Ticket) -> bool {
        match self {
            Self::Initiator(i) => i.awaits(ticket),
            Self::Responder(r) => r.awaits(ticket),
        }
    }

    /// When a message of it is due again.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Initiator(i) => i.pending().map(|p| p.due),
            Self::Responder(r) => r.pending().map(|p| p.due),
        }
    }

    /// The child that the plane may hold already.
    pub fn child(&self) -> Option<ChildId> {
        match self {
            Self::Initiator(i) => i.child(),
            Self::Responder(r) => r.child(),
        }
    }
}

/// The child of an agreement; `peer_spi` is where the peer receives.
pub(crate) fn child(
    sa: &Sa,
    cx: &mut Context,
    policy: &Arc<ChildPolicy>,
    agreed: &Agreed,
    spi_in: u32,
    (local, remote): (TrafficSelector, TrafficSelector),
) -> ChildSa {
    // The shorter of both sides' lifetimes rules: we replace it before it ends.
    let rekey = match (policy.rekey.is_zero(), agreed.lifetime) {
        (true, Some(limit)) => limit.mul_f64(0.9),
        (false, Some(limit)) => policy.rekey.min(limit.mul_f64(0.9)),
        (_, None) => policy.rekey,
    };
    let lifetime = match agreed.lifetime {
        Some(limit) if policy.lifetime.is_zero() => limit,
        Some(limit) => limit.min(policy.lifetime),
        None => policy.lifetime,
    };
    let mut limits = policy.limits;
    if let Some(octets) = agreed.octets {
        limits.hard.bytes = limits.hard.bytes.min(octets);
        limits.soft.bytes = limits.soft.bytes.min(octets / 10 * 9);
    }
    ChildSa {
        id: cx.child_id(),
        policy: policy.clone(),
        spi_in,
        spi_out: agreed.spi,
        mode: agreed.mode,
        suite: agreed.suite,
        local_ts: vec![local],
        remote_ts: vec![remote],
        path: sa.path.outer(cx.policy.ports),
        seen_in: 0,
        replaced: false,
        rekey_at: cx.rekey_at(rekey),
        used_up: false,
        expires_at: cx.expires_at(lifetime),
        limits: cx.limits(limits),
        took: None,
    }
}

/// Keys of both SAs, each made with the SPI of its receiver.
pub(crate) fn keys(
    cx: &mut Context,
    isakmp: &Isakmp,
    child: &ChildSa,
    (ni, nr): (&[u8], &[u8]),
    shared: Option<&Secret>,
) -> Result<DirectedKeys, CryptoError> {
    let algorithm = cx
        .provider
        .protect(child.suite.encr, child.suite.integ)
        .ok_or(CryptoError::Unsupported)?;
    let quick = QuickMode {
        shared,
        protocol: ESP,
        ni_b: ni,
        nr_b: nr,
    };
    let (encr, integ) = (algorithm.encr_key_len(), algorithm.integ_key_len());
    let one = |spi| -> Result<SaKeys, CryptoError> {
        let material = v1::keymat(isakmp.prf, &isakmp.keys.skeyid_d, &quick, spi, encr + integ)?;
        // The encryption key comes first (RFC 2409 section 5.5, RFC 4306 has it the same way).
        let (first, second) = material.as_bytes().split_at(encr);
        Ok(SaKeys {
            encr: Secret::from(first),
            integ: Secret::from(second),
        })
    };
    let keys = DirectedKeys {
        inbound: one(child.spi_in)?,
        outbound: one(child.spi_out)?,
    };
    if cx.key_log {
        cx.out.extend(child.key_log(&keys).map(Output::KeyLog));
    }
    Ok(keys)
}
