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

mod netlink;
mod plan;
mod rp_filter;

use std::net::IpAddr;
use std::path::PathBuf;

use super::{DEFAULT_MARK, NetError, Subnet};
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
}

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
        })
    }

    /// Makes the kernel hold exactly the routes and rules that `wanted` needs. What is right already is left alone, so
    /// calling it again is cheap, and repairs what others have removed.
    pub async fn apply(&mut self, wanted: &[TunnelRoute]) -> Result<(), NetError> {
        let plan = Plan::new(wanted, &self.netlink.addresses().await?, &self.layout);
        self.loosen(wanted).await?;
        let (rules, routes) = self.installed().await?;
        // First the routes and then the rules that lead to them; the other way round when they go.
        for (&(table, subnet), &via) in &plan.routes {
            if !routes
                .iter()
                .any(|found| found.key() == (table, subnet) && found.via == Some(via))
            {
                self.add_route(table, subnet, via).await?;
            }
        }
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
        for route in wanted {
            // Only IPv4 has rp_filter.
            if let Some(peer) = route
                .peer
                .filter(|peer| route.remote.is_ipv4() && route.remote.contains(*peer))
                && let Some(device) = self.netlink.device_towards(peer, self.layout.mark).await?
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
