//! Routes and the TUN device's MTU follow what the plane holds.

use std::net::IpAddr;

use handfast_plane::{RouteChange, UserspacePlane};
use handfast_wire::selector::TrafficSelector;

use crate::net::NetError;
use crate::net::routes::{Flow, Routes, TunnelRoute};
use crate::net::subnet::Subnet;
use crate::net::tun::Tun;

/// A selector's range becomes at most so many routes; a range that needs more is cut off, with a warning.
const MAX_SUBNETS: usize = 64;
/// Protocols with ports; and any protocol, of which those with ports are meant.
const TCP_AND_KIN: [u8; 6] = [0, 6, 17, 33, 132, 136];
/// Below this the kernel takes IPv6 off a device (RFC 8200 section 5).
const IPV6_MIN_MTU: usize = 1280;

/// Makes routes and MTU what the installed children need. `all`: looks at all of them, whatever has changed.
pub async fn follow(plane: &mut UserspacePlane, routes: &mut Routes, tun: &Tun, fixed_mtu: Option<u16>, all: bool) {
    let changes = plane.take_route_changes();
    if (!changes.is_empty() || all)
        && let Err(error) = follow_routes(plane, routes, changes, all).await
    {
        tracing::error!(%error, "routes into the tunnel could not be set");
    }
    let fits = plane.smallest_inner_mtu();
    let mtu = fixed_mtu.map(usize::from).or(fits.map(|mtu| mtu.max(IPV6_MIN_MTU)));
    if let Some(mtu) = mtu.and_then(|mtu| u16::try_from(mtu).ok())
        && let Err(error) = tun.set_mtu(mtu)
    {
        tracing::warn!(%error, "the tunnel's MTU could not be set");
    }
}

async fn follow_routes(
    plane: &UserspacePlane,
    routes: &mut Routes,
    changes: Vec<RouteChange>,
    all: bool,
) -> Result<(), NetError> {
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    let mut few = !all;
    for change in changes {
        match change {
            RouteChange::Installed(child) => {
                if let Some(policy) = plane.route(child) {
                    routes_of(policy.local, policy.remote, Some(policy.peer), &mut added);
                } else {
                    // It is gone again, and what it wanted is unknown.
                    few = false;
                }
            }
            RouteChange::Removed { local, remote } => routes_of(&local, &remote, None, &mut removed),
            RouteChange::Moved(child) => {
                let inside = |ts: &TrafficSelector, peer| ts.start <= peer && peer <= ts.end;
                let policy = plane.route(child);
                few &= !policy.is_some_and(|policy| policy.remote.iter().any(|ts| inside(ts, policy.peer)));
            }
            RouteChange::Many => few = false,
        }
    }
    if few && routes.change(&added, &removed).await? {
        return Ok(());
    }
    let mut wanted = Vec::new();
    for policy in plane.routes() {
        routes_of(policy.local, policy.remote, Some(policy.peer), &mut wanted);
    }
    routes.apply(&wanted).await
}

/// The routes that one child needs.
fn routes_of(local: &[TrafficSelector], remote: &[TrafficSelector], peer: Option<IpAddr>, list: &mut Vec<TunnelRoute>) {
    let locals: Vec<Subnet> = local.iter().flat_map(subnets).collect();
    let from = list.len();
    for (local, remote) in local.iter().flat_map(|l| remote.iter().map(move |r| (l, r))) {
        let Some(flow) = flow(local, remote) else { continue };
        for remote in subnets(remote) {
            let route = TunnelRoute {
                remote,
                locals: locals.clone(),
                peer,
                flow,
            };
            // Each of a child's own once.
            if !list.get(from..).is_some_and(|own| own.contains(&route)) {
                list.push(route);
            }
        }
    }
}

/// The packets between two selectors, as far as the kernel can tell them apart: not by types of ICMP. `None` if there are
/// none.
fn flow(local: &TrafficSelector, remote: &TrafficSelector) -> Option<Flow> {
    let protocol = match (local.protocol, remote.protocol) {
        (0, protocol) | (protocol, 0) => protocol,
        (l, r) => (l == r).then_some(l)?,
    };
    // The kernel's rules take no range with port 0 or 65535, nor OPAQUE.
    let ports = |ts: &TrafficSelector| {
        let (start, end) = (ts.start_port.max(1), ts.end_port.min(u16::MAX - 1));
        let some = TCP_AND_KIN.contains(&protocol) && !ts.is_any_port() && start <= end;
        if some { (start, end) } else { (0, u16::MAX) }
    };
    Some(Flow {
        protocol,
        local_ports: ports(local),
        remote_ports: ports(remote),
    })
}

fn subnets(selector: &TrafficSelector) -> Vec<Subnet> {
    let (start, end): (IpAddr, IpAddr) = (selector.start, selector.end);
    Subnet::cover(start, end, MAX_SUBNETS).unwrap_or_else(|| {
        tracing::warn!(%selector, "this range needs too many routes: it is not routed");
        vec![]
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn flows_are_what_the_kernel_can_tell_apart() {
        let of = |l: &str, r: &str| flow(&l.parse().unwrap(), &r.parse().unwrap());
        assert_eq!(of("10.1.0.1", "10.2.0.1"), Some(Flow::ANY));
        let web = of("10.1.0.1", "10.2.0.1[tcp/443]").unwrap();
        assert_eq!(
            (web.protocol, web.local_ports, web.remote_ports),
            (6, (0, 65_535), (443, 443))
        );
        let served = of("10.1.0.1[tcp/0-1023]", "10.2.0.1[tcp]").unwrap();
        assert_eq!((served.protocol, served.local_ports), (6, (1, 1023)));
        assert_eq!(of("10.1.0.1[tcp/80]", "10.2.0.1[udp]"), None);
        let ping = of("10.1.0.1[icmp/8]", "10.2.0.1[icmp/0]").unwrap();
        assert_eq!((ping.protocol, ping.local_ports), (1, (0, 65_535)));
    }
}
