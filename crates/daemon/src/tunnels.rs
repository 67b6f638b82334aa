//! Routes and the TUN device's MTU follow what the plane holds.

use std::net::IpAddr;

use handfast_plane::UserspacePlane;
use handfast_plane::op::OuterPath;
use handfast_wire::selector::TrafficSelector;

use crate::net::routes::{Flow, Routes, TunnelRoute};
use crate::net::subnet::Subnet;
use crate::net::tun::Tun;

/// A selector's range becomes at most so many routes; a range that needs more is cut off, with a warning.
const MAX_SUBNETS: usize = 64;
/// Protocols with ports; and any protocol, of which those with ports are meant.
const TCP_AND_KIN: [u8; 6] = [0, 6, 17, 33, 132, 136];
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
        let pairs = policy
            .local
            .iter()
            .flat_map(|l| policy.remote.iter().map(move |r| (l, r)));
        for (local, remote) in pairs {
            let Some(flow) = flow(local, remote) else { continue };
            for remote in subnets(remote) {
                let route = TunnelRoute {
                    remote,
                    locals: locals.clone(),
                    peer,
                    flow,
                };
                if !list.contains(&route) {
                    list.push(route);
                }
            }
        }
    }
    list
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
