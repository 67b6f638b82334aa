//! Which connection a peer means: by address first, then by identity.

use std::net::IpAddr;
use std::sync::Arc;

use handfast_auth::identity::Identity;

use crate::policy::{Connection, Policy, Remote};
use crate::refusal::{Cause, Party, Refusal, listed};

/// Connections that a peer who begins in this version between these addresses could mean, in the policy's order.
pub(crate) fn by_address(
    policy: &Policy,
    version: u8,
    (local, remote): (IpAddr, IpAddr),
) -> impl Iterator<Item = &Arc<Connection>> {
    in_any_version(policy, (local, remote)).filter(move |c| c.versions.answers(version))
}

fn in_any_version(policy: &Policy, (local, remote): (IpAddr, IpAddr)) -> impl Iterator<Item = &Arc<Connection>> {
    policy.connections.iter().filter(move |c| {
        let here = c.local.is_empty() || c.local.contains(&local);
        let there = match &c.remote {
            Remote::Address(address) => *address == remote,
            // A name may point elsewhere by now, so the identity decides.
            Remote::Any | Remote::Name(_) => true,
        };
        here && there
    })
}

/// Those of them whose peer may be called so, and who we may be called so.
pub(crate) fn by_identity<'p>(
    policy: &'p Policy,
    version: u8,
    (local, remote): (IpAddr, IpAddr),
    peer: &'p Identity,
    wanted: Option<&'p Identity>,
) -> impl Iterator<Item = &'p Arc<Connection>> {
    by_address(policy, version, (local, remote))
        .filter(move |c| c.remote_id.matches(peer) && wanted.is_none_or(|wanted| wanted.same_as(&c.local_id)))
}

/// No connection answers a peer that begins in this version between these addresses: why, and where to look.
pub(crate) fn nobody(policy: &Policy, version: u8, (local, remote): (IpAddr, IpAddr)) -> Refusal {
    let begun = vec![format!("{local} from {remote}, in IKEv{version}")];
    if let Some(other) = in_any_version(policy, (local, remote)).find(|c| !c.versions.answers(version)) {
        return Refusal::new(Party::Us, Cause::Version(version))
            .offered(begun)
            .acceptable(vec![format!("{} in IKEv{}", other.pair(), other.versions.begins())])
            .look_at(other.place.of(&["version"]))
            .meant(&other.name);
    }
    let refusal = Refusal::new(Party::Us, Cause::NoConnection)
        .offered(begun)
        .acceptable(listed(&policy.connections, |c| c.pair()));
    match nearest(policy, local, remote) {
        Some(place) => refusal.look_at(place),
        None => refusal,
    }
}

/// Where to look if none fits: the connection that fits on one side, else the first.
fn nearest(policy: &Policy, local: IpAddr, remote: IpAddr) -> Option<String> {
    let is_local = |c: &&Arc<Connection>| c.local.is_empty() || c.local.contains(&local);
    let is_remote = |c: &&Arc<Connection>| matches!(&c.remote, Remote::Address(address) if *address == remote);
    let (theirs, ours) = (
        policy.connections.iter().find(is_remote),
        policy.connections.iter().find(is_local),
    );
    match (theirs, ours.or(policy.connections.first())) {
        (Some(c), _) => Some(c.place.of(&["local"])),
        (None, Some(c)) => Some(c.place.of(&["remote"])),
        (None, None) => None,
    }
}
