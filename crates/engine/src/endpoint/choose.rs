//! Which connection a peer means: by address first, then by identity.

use std::net::IpAddr;
use std::sync::Arc;

use handfast_auth::identity::Identity;

use crate::policy::{Connection, Policy, Remote};

/// Connections that a peer who begins in this version between these addresses could mean, in the policy's order.
pub(crate) fn by_address(
    policy: &Policy,
    version: u8,
    (local, remote): (IpAddr, IpAddr),
) -> impl Iterator<Item = &Arc<Connection>> {
    policy.connections.iter().filter(move |c| {
        let here = c.local.is_empty() || c.local.contains(&local);
        let there = match &c.remote {
            Remote::Address(address) => *address == remote,
            // A name may point elsewhere by now, so the identity decides.
            Remote::Any | Remote::Name(_) => true,
        };
        here && there && c.versions.answers(version)
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

/// Where to look if none fits: the connection that fits on one side, else the first.
pub(crate) fn nearest(policy: &Policy, local: IpAddr, remote: IpAddr) -> Option<String> {
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
