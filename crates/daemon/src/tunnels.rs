//! Routes and the TUN device's MTU follow what the plane holds.

use std::net::IpAddr;

use handfast_plane::UserspacePlane;
use handfast_plane::op::OuterPath;
use handfast_wire::selector::TrafficSelector;

use crate::net::routes::{Routes, TunnelRoute};
use crate::net::subnet::Subnet;
use crate::net::tun::Tun;

/// A selector's range becomes at most so many routes; a range that needs more is cut off, with a warning.
const MAX_SUBNETS: usize = 64;
/// Below this the kernel takes IPv6 off a device (RFC 8200 section 5).
const IPV6_MIN_MTU: usize = 1280;

/// Makes routes and MTU what the installed children need.
pub async fn follow(plane: &UserspacePlane, routes: &mut Routes, tun: &Tun, fixed_mtu: Option<u16>) {
    let wanted = wanted(plane);
    if let Err(error) = routes.apply(&wanted).await {
        tracing::error!(%error, "routes into the tunnel could not be set");
    }
    let fits = plane.children().map(|c| c.inner_mtu).filter(|mtu| *mtu > 0).min();
    let mtu = fixed_mtu.map(usize::from).or(fits.map(|mtu| mtu.max(IPV6_MIN_MTU)));
    if let Some(mtu) = mtu.and_then(|mtu| u16::try_from(mtu).ok())
        && let Err(error) = tun.set_mtu(mtu)
    {
        tracing::warn!(%error, "the tunnel's MTU could not be set");
    }
}

fn wanted(plane: &UserspacePlane) -> Vec<TunnelRoute> {
    let path = |child| plane.children().find(|c| c.child == child).map(|c| c.path);
    let mut list = vec![];
    for policy in plane.routes() {
        let peer = path(policy.child).map(|p: OuterPath| p.remote);
        let locals: Vec<Subnet> = policy.local.iter().flat_map(subnets).collect();
        for remote in policy.remote.iter().flat_map(subnets) {
            let route = TunnelRoute {
                remote,
                locals: locals.clone(),
                peer,
            };
            if !list.contains(&route) {
                list.push(route);
            }
        }
    }
    list
}

fn subnets(selector: &TrafficSelector) -> Vec<Subnet> {
    let (start, end): (IpAddr, IpAddr) = (selector.start, selector.end);
    Subnet::cover(start, end, MAX_SUBNETS).unwrap_or_else(|| {
        tracing::warn!(%selector, "this range needs too many routes: it is not routed");
        vec![]
    })
}
