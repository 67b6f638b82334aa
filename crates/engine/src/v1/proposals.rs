//! SA payloads of both phases: what we offer as transforms, and the peer's transforms against what we allow.

mod phase_one;
mod phase_two;

use std::time::Duration;

use handfast_crypto::transform::Group;
use handfast_wire::numbers::v1::Protocol;
use handfast_wire::selector::TrafficSelector;
use handfast_wire::v1::id::encode_selector;
use handfast_wire::v1::{Lifetimes, Proposal, Sa, Transform};

use crate::refusal::Cause;

pub(crate) use phase_one::{
    Usable, accept_phase_one, allows, choose_phase_one, describe, first_group, method_of, name_of_peer, names,
    own_name, phase_one, ways,
};
pub(crate) use phase_two::{Agreed, accept_phase_two, choose_phase_two, describe_phase_two, pfs_group, phase_two};

/// Transforms that we offer at most: each combination is one of its own, and some peers read few.
const MOST: usize = 40;
/// Transforms of the peer that are looked at.
const MAX_TRANSFORMS: usize = 200;

/// RFC 8031 gives X25519 to IKEv2 only.
fn is_for_v1(group: Group) -> bool {
    group != Group::X25519 && group != Group::NONE
}

/// A peer that wants fresh keys more often than this has more of them than it can use.
const LEAST: u64 = 5;

fn seconds(lifetimes: &Lifetimes) -> Option<Duration> {
    let seconds = lifetimes.seconds.filter(|seconds| *seconds > 0);
    seconds.map(|seconds| Duration::from_secs(seconds.max(LEAST)))
}

fn octets(lifetimes: &Lifetimes) -> Option<u64> {
    let kilobytes = lifetimes.kilobytes.filter(|kilobytes| *kilobytes > 0);
    kilobytes.map(|kilobytes| kilobytes.max(1024).saturating_mul(1024))
}

fn shorter<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The lifetime of the ISAKMP SA that we offer: somewhat longer than we let it live.
fn lifetime(rekey: Duration) -> Lifetimes {
    let seconds = if rekey.is_zero() {
        86_400
    } else {
        (rekey.as_secs() + rekey.as_secs() / 4).max(60)
    };
    Lifetimes {
        seconds: Some(seconds),
        kilobytes: None,
    }
}

/// Whether an SA payload is of the IPsec DOI and of a situation that we can honour (RFC 2407 section 4.2).
fn check_doi(sa: &Sa<'_>) -> Result<(), Cause> {
    use handfast_wire::numbers::v1::{Doi, Situation};
    if sa.doi != Doi::IPSEC {
        return Err(Cause::Syntax(format!("DOI {} is not that of IPsec", sa.doi)));
    }
    if sa.situation != Situation::IDENTITY_ONLY {
        return Err(Cause::Syntax(format!("situation {} is not supported", sa.situation)));
    }
    Ok(())
}

/// The one proposal with one transform of an answer.
fn single<'a>(answer: &Sa<'a>, protocol: Protocol) -> Result<(Proposal<'a>, Transform<'a>), Cause> {
    let syntax = |e: handfast_wire::ParseError| Cause::Syntax(e.to_string());
    let more = || Cause::Syntax("the answer is not one proposal with one transform".into());
    let mut proposals = answer.proposals();
    let proposal = proposals.next().ok_or_else(more)?.map_err(syntax)?;
    if proposals.next().is_some() || proposal.protocol != protocol {
        return Err(more());
    }
    let mut transforms = proposal.transforms();
    let transform = transforms.next().ok_or_else(more)?.map_err(syntax)?;
    if transforms.next().is_some() {
        return Err(more());
    }
    Ok((proposal, transform))
}

/// Whether IKEv1 can name this traffic: an address, a subnet or a range with one port or all.
pub(crate) fn client_id(selector: &TrafficSelector) -> Option<Vec<u8>> {
    encode_selector(selector)
}
