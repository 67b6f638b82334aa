//! Routes that lead packets into the tunnel, by policy routing, so that the main table stays as it is.
//!
//! ```text
//! priority - 3  fwmark MARK goto priority - 1              only with selectors of protocols or ports: own packets pass
//! priority - 2  ipproto .. sport .. dport .. to SUBNET     them over; what no selector takes goes its usual way
//!                 lookup TABLE+2
//! priority - 1  nop
//! priority      not fwmark MARK lookup TABLE               tunnelled subnets
//! priority + 1  lookup main suppress_prefixlength 0        only with a default route into the tunnel: what main
//! priority + 2  not fwmark MARK lookup TABLE+1             knows better than by its own default route stays outside
//! ```
//!
//! Handfast's own packets carry MARK and see the main table alone, so a tunnelled subnet may contain the peer. A specific
//! subnet wins over every route of the main table: what the policy protects is not given up because a DHCP server, say,
//! announces a longer prefix. One exception: where a tunnelled subnet contains a local one (10.0.0.0/8 there, 10.1.0.0/16
//! here), a throw route keeps the local one outside.
//!
//! Before an outer device filters strictly by reverse path (`rp_filter` 1) and a tunnelled subnet contains the peer that
//! is reached through it, the kernel would drop the peer's packets, since an unmarked packet to the peer would enter the
//! tunnel: that device is set to loose filtering (2), and back by [`Routes::clear`] or by the next start.

mod known;
mod netlink;
mod plan;
mod rp_filter;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::future::try_join_all;

use super::{DEFAULT_MARK, NetError, Subnet};
use known::Known;
use netlink::Netlink;
use plan::{Layout, Plan, Via};
use rp_filter::Loosened;

/// The routing protocol number that marks Handfast's routes and rules as its own ("H").
pub const PROTOCOL: u8 = 0x48;

/// Where in the kernel's tables the routes go.
#[derive(Clone, Debug)]
pub struct RouteSettings {
    /// The routing table; the next two are used as well. They belong to Handfast alone.
    pub table: u32,
    /// Priority of the main rule; three before and two after it are used as well. Below 32766, that of the main table.
    pub priority: u32,
    /// The mark that own packets carry, not 0; the same as in [`UdpConfig`](super::UdpConfig) and [`RawEsp`](super::RawEsp).
    pub mark: u32,
    /// Where changed `rp_filter` settings are noted, so that a start after a crash can put them back. It should lie
    /// where a reboot empties it, such as /run/handfast.
    pub state_file: Option<PathBuf>,
}

impl Default for RouteSettings {
    fn default() -> Self {
        RouteSettings {
            table: 0x4846,
            priority: 0x4846,
            mark: DEFAULT_MARK,
            state_file: None,
        }
    }
}

/// One subnet to be reached through the tunnel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TunnelRoute {
    /// The subnet behind the peer.
    pub remote: Subnet,
    /// The local selectors. The host's own packets get an address of the host inside them as their source, if it has one.
    pub locals: Vec<Subnet>,
    /// The peer's outer address, if known.
    pub peer: Option<IpAddr>,
    /// Of the packets to it, only these.
    pub flow: Flow,
}

/// Packets by protocol and ports, as far as the kernel's rules can tell them apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Flow {
    /// IP protocol; 0 is any.
    pub protocol: u8,
    /// Ports here, first and last.
    pub local_ports: (u16, u16),
    /// Ports there.
    pub remote_ports: (u16, u16),
}

impl Flow {
    /// All packets.
    pub const ANY: Self = Self {
        protocol: 0,
        local_ports: (0, u16::MAX),
        remote_ports: (0, u16::MAX),
    };
}

/// The routes into one TUN device.
pub struct Routes {
    netlink: Netlink,
    layout: Layout,
    device: String,
    loosened: Loosened,
    known: Known,
    /// The host's addresses, and when they were looked up.
    addresses: (Vec<IpAddr>, Instant),
    /// When everything was last looked at, and how long that took.
    looked: Option<(Instant, Duration)>,
}

/// How long the host's addresses are believed.
const ADDRESSES: Duration = Duration::from_secs(1);
/// After this, and after this many times as long as it takes, everything is looked at again with the next change, for
/// what others have removed.
const LOOK: (Duration, u32) = (Duration::from_secs(10), 200);
/// Requests to the kernel that are on their way at the same time.
const AT_ONCE: usize = 64;

impl Routes {
    /// Prepares routing to `device`; changes nothing yet. Must be called within a tokio runtime.
    pub async fn new(settings: &RouteSettings, device: &str) -> Result<Self, NetError> {
        let netlink = Netlink::open()?;
        let layout = Layout::new(settings, netlink.device_index(device).await?);
        let loosened = Loosened::new(settings.state_file.clone());
        Ok(Routes {
            netlink,
            layout,
            device: device.to_owned(),
            loosened,
            known: Known::default(),
            addresses: (Vec::new(), Instant::now()),
            looked: None,
        })
    }

    /// Makes the kernel hold exactly the routes and rules that `wanted` needs. What is right already is left alone, so
    /// calling it again is cheap, and repairs what others have removed.
    pub async fn apply(&mut self, wanted: &[TunnelRoute]) -> Result<(), NetError> {
        let start = Instant::now();
        // Should it fail half-way.
        (self.known, self.looked) = (Known::default(), None);
        self.addresses = (self.netlink.addresses().await?, start);
        let plan = Plan::new(wanted, &self.addresses.0, &self.layout);
        self.loosen(wanted).await?;
        let (rules, routes) = self.installed().await?;
        // First the routes and then the rules that lead to them; the other way round when they go.
        let there: HashMap<_, _> = routes.iter().map(|found| (found.key(), found.via)).collect();
        let missing = plan
            .routes
            .iter()
            .filter(|(key, via)| there.get(key) != Some(&Some(**via)));
        self.add_routes(missing.map(|(key, via)| (*key, *via)).collect())
            .await?;
        for rule in plan
            .rules
            .iter()
            .filter(|rule| !rules.iter().any(|found| found.rule.as_ref() == Some(*rule)))
        {
            self.netlink.add_rule(rule).await?;
        }
        for found in rules
            .iter()
            .filter(|found| !found.rule.is_some_and(|rule| plan.rules.contains(&rule)))
        {
            self.netlink.del_rule(found).await?;
        }
        for found in routes.iter().filter(|found| !plan.routes.contains_key(&found.key())) {
            self.netlink.del_route(found).await?;
        }
        self.known = Known::new(wanted, &plan, &self.addresses.0, &self.layout);
        self.looked = Some((start, start.elapsed()));
        Ok(())
    }

    /// Does what follows from tunnels that came and went since the last call of this or [`apply`](Self::apply), if that
    /// needs no look at all of them. Otherwise it does nothing and returns false, and `apply` is needed; that is also so
    /// from time to time, so that what others have removed is repaired.
    pub async fn change(&mut self, added: &[TunnelRoute], removed: &[TunnelRoute]) -> Result<bool, NetError> {
        let (least, times) = LOOK;
        if self
            .looked
            .is_none_or(|(at, took)| at.elapsed() > least.max(took * times))
        {
            return Ok(false);
        }
        if self.addresses.1.elapsed() > ADDRESSES {
            self.addresses = (self.netlink.addresses().await?, Instant::now());
        }
        let Some(steps) = self.known.change(added, removed, &self.addresses.0, &self.layout) else {
            return Ok(false);
        };
        let done = async {
            self.add_routes(steps.add).await?;
            for some in steps.remove.chunks(AT_ONCE) {
                let removing = some.iter().map(|(table, subnet)| {
                    tracing::debug!(%subnet, "route removed");
                    self.netlink.remove_route(*table, *subnet, self.layout.device)
                });
                try_join_all(removing).await?;
            }
            Ok(true)
        };
        let done = done.await;
        if done.is_err() {
            self.looked = None;
        }
        done
    }

    async fn add_routes(&self, routes: Vec<(known::Key, Via)>) -> Result<(), NetError> {
        for some in routes.chunks(AT_ONCE) {
            let adding = some
                .iter()
                .map(|((table, subnet), via)| self.add_route(*table, *subnet, *via));
            try_join_all(adding).await?;
        }
        Ok(())
    }

    /// Removes all routes and rules, and puts changed settings back. Does all it can even if a step fails.
    pub async fn clear(&mut self) -> Result<(), NetError> {
        let routes = self.apply(&[]).await;
        self.loosened.restore_all();
        routes
    }

    async fn installed(&self) -> Result<(Vec<netlink::FoundRule>, Vec<netlink::FoundRoute>), NetError> {
        Ok((
            self.netlink.rules(&self.layout).await?,
            self.netlink.routes(&self.layout).await?,
        ))
    }

    async fn add_route(&self, table: u32, subnet: Subnet, via: Via) -> Result<(), NetError> {
        let device = &self.device;
        match via {
            Via::Throw => tracing::debug!(%subnet, "local subnet kept out of the tunnel"),
            Via::Device {
                source: Some(source), ..
            } => tracing::info!(%subnet, device, %source, "route added"),
            Via::Device { source: None, .. } => tracing::info!(
                %subnet, device,
                "route added; no address of this host lies in the local selectors, so its own packets may not match them"
            ),
        }
        self.netlink.add_route(table, subnet, via).await
    }

    async fn loosen(&mut self, wanted: &[TunnelRoute]) -> Result<(), NetError> {
        let mut devices = Vec::new();
        // Only IPv4 has rp_filter.
        let inside = |route: &TunnelRoute| {
            route
                .peer
                .filter(|p| route.remote.is_ipv4() && route.remote.contains(*p))
        };
        let peers: BTreeSet<IpAddr> = wanted.iter().filter_map(inside).collect();
        for peer in peers {
            if let Some(device) = self.netlink.device_towards(peer, self.layout.mark).await?
                && device != self.device
                && !devices.contains(&device)
            {
                devices.push(device);
            }
        }
        self.loosened.set(&devices);
        Ok(())
    }
}

/// Removes what an earlier run that could not end properly has left: its rules, its routes (those through its TUN device
/// went with the device) and its `rp_filter` settings. Returns how many were found.
///
/// Call it after the UDP sockets are open, which shows that no other daemon runs, and before [`Routes::new`].
pub async fn remove_leftovers(settings: &RouteSettings) -> Result<usize, NetError> {
    let netlink = Netlink::open()?;
    let layout = Layout::new(settings, 0);
    let (rules, routes) = (netlink.rules(&layout).await?, netlink.routes(&layout).await?);
    for found in &rules {
        netlink.del_rule(found).await?;
    }
    for found in &routes {
        netlink.del_route(found).await?;
    }
    let restored = Loosened::restore_leftovers(settings.state_file.clone());
    Ok(rules.len() + routes.len() + restored)
}
