//! Routes, rules, addresses and devices by rtnetlink.

use std::io;
use std::net::IpAddr;

use futures::TryStreamExt;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressScope};
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteType};
use rtnetlink::packet_route::rule::{RuleAction as Act, RuleAttribute, RuleFlags, RuleMessage, RulePortRange};
use rtnetlink::{Handle, IpVersion, RouteMessageBuilder};
use tokio::task::JoinHandle;

use super::PROTOCOL;
use super::plan::{Layout, Rule, RuleAction, Via};
use crate::net::{Flow, NetError, Subnet};

const MAIN: u32 = 254;

/// A netlink socket and the task that serves it.
pub(super) struct Netlink {
    handle: Handle,
    task: JoinHandle<()>,
}

/// A route of our tables and protocol.
pub(super) struct FoundRoute {
    message: RouteMessage,
    table: u32,
    subnet: Subnet,
    /// `None` is a route that we would not make.
    pub(super) via: Option<Via>,
}

/// A rule of ours.
pub(super) struct FoundRule {
    message: RuleMessage,
    /// `None` is a rule that we would not make now, such as one with another mark.
    pub(super) rule: Option<Rule>,
}

impl FoundRoute {
    pub(super) fn key(&self) -> (u32, Subnet) {
        (self.table, self.subnet)
    }
}

impl Netlink {
    pub(super) fn open() -> Result<Self, NetError> {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(|e| NetError::io("open a netlink socket", e))?;
        Ok(Netlink {
            handle,
            task: tokio::spawn(connection),
        })
    }

    pub(super) async fn device_index(&self, name: &str) -> Result<u32, NetError> {
        let mut found = self.handle.link().get().match_name(name.to_owned()).execute();
        match found.try_next().await {
            Ok(Some(link)) => Ok(link.header.index),
            Ok(None) => Err(NetError::NoDevice(name.to_owned())),
            Err(e) if code(&e) == Some(libc::ENODEV) => Err(NetError::NoDevice(name.to_owned())),
            Err(e) => Err(fail(format!("look up the device {name}"), e)),
        }
    }

    /// The host's own addresses that other hosts can know, preferred ones first.
    pub(super) async fn addresses(&self) -> Result<Vec<IpAddr>, NetError> {
        let what = "list the host's addresses";
        let found: Vec<_> = self
            .handle
            .address()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(|e| fail(what, e))?;
        let (mut preferred, mut others) = (Vec::new(), Vec::new());
        for message in found {
            let mut flags = AddressFlags::from_bits_retain(0);
            let (mut local, mut address) = (None, None);
            for attribute in &message.attributes {
                match attribute {
                    AddressAttribute::Local(ip) => local = Some(*ip),
                    AddressAttribute::Address(ip) => address = Some(*ip),
                    AddressAttribute::Flags(bits) => flags = *bits,
                    _ => {}
                }
            }
            // On a point-to-point link `address` is the other end, so `local` counts where there is one.
            let Some(ip) = local.or(address).filter(|_| message.header.scope != AddressScope::Link) else {
                continue;
            };
            if flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed) {
                continue;
            }
            let second = flags.contains(AddressFlags::Deprecated) || message.header.scope == AddressScope::Host;
            if second { others.push(ip) } else { preferred.push(ip) }
        }
        preferred.append(&mut others);
        Ok(preferred)
    }

    /// The device through which packets with this mark leave to `peer`.
    pub(super) async fn device_towards(&self, peer: IpAddr, mark: u32) -> Result<Option<String>, NetError> {
        let prefix = Subnet::host(peer).prefix();
        let Ok(query) = RouteMessageBuilder::<IpAddr>::new().destination_prefix(peer, prefix) else {
            return Ok(None);
        };
        let found = self
            .handle
            .route()
            .get(query.mark(mark).build())
            .execute()
            .try_next()
            .await;
        // No route now: there is nothing to adapt to.
        let Ok(Some(route)) = found else { return Ok(None) };
        let Some(index) = route.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => Some(*index),
            _ => None,
        }) else {
            return Ok(None);
        };
        let found = self.handle.link().get().match_index(index).execute().try_next().await;
        let link = found.map_err(|e| fail(format!("look up device {index}"), e))?;
        Ok(link.and_then(|link| {
            link.attributes.into_iter().find_map(|attribute| match attribute {
                LinkAttribute::IfName(name) => Some(name),
                _ => None,
            })
        }))
    }

    /// Our routes of both families.
    pub(super) async fn routes(&self, layout: &Layout) -> Result<Vec<FoundRoute>, NetError> {
        let mut out = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut query = RouteMessage::default();
            query.header.address_family = family;
            let mut found = self.handle.route().get(query).execute();
            while let Some(message) = found.try_next().await.map_err(|e| fail("list routes", e))? {
                if message.header.address_family == family {
                    out.extend(found_route(message, layout));
                }
            }
        }
        Ok(out)
    }

    pub(super) async fn add_route(&self, table: u32, subnet: Subnet, via: Via) -> Result<(), NetError> {
        let added = self.try_add_route(table, subnet, via).await;
        let Err(error) = added else { return Ok(()) };
        if let Via::Device {
            index,
            source: Some(source),
        } = via
            && code(&error) == Some(libc::EINVAL)
        {
            // An address that is being checked for duplicates cannot be a source yet. The next call will find it.
            tracing::debug!(%subnet, %source, "the kernel does not take this source");
            let plain = self
                .try_add_route(table, subnet, Via::Device { index, source: None })
                .await;
            return plain.map_err(|e| fail(format!("add a route to {subnet}"), e));
        }
        Err(fail(format!("add a route to {subnet}"), error))
    }

    async fn try_add_route(&self, table: u32, subnet: Subnet, via: Via) -> Result<(), rtnetlink::Error> {
        self.handle
            .route()
            .add(route_message(table, subnet, via)?)
            .replace()
            .execute()
            .await
    }

    /// Removes a route that we have added so.
    pub(super) async fn remove_route(&self, table: u32, subnet: Subnet, device: u32) -> Result<(), NetError> {
        let via = Via::Device {
            index: device,
            source: None,
        };
        let removed = match route_message(table, subnet, via) {
            Ok(message) => self.handle.route().del(message).execute().await,
            Err(error) => Err(error),
        };
        gone(format!("remove the route to {subnet}"), removed)
    }

    pub(super) async fn del_route(&self, found: &FoundRoute) -> Result<(), NetError> {
        let removed = self.handle.route().del(found.message.clone()).execute().await;
        gone(format!("remove the route to {}", found.subnet), removed)
    }

    /// Our rules of both families.
    pub(super) async fn rules(&self, layout: &Layout) -> Result<Vec<FoundRule>, NetError> {
        let mut out = Vec::new();
        for (version, family) in [
            (IpVersion::V4, AddressFamily::Inet),
            (IpVersion::V6, AddressFamily::Inet6),
        ] {
            let mut found = self.handle.rule().get(version).execute();
            loop {
                match found.try_next().await {
                    Ok(Some(message)) if message.header.family == family => out.extend(found_rule(message, layout)),
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    // A kernel without IPv6.
                    Err(e) if matches!(code(&e), Some(libc::EAFNOSUPPORT | libc::EOPNOTSUPP)) => break,
                    Err(e) => return Err(fail("list routing rules", e)),
                }
            }
        }
        Ok(out)
    }

    pub(super) async fn add_rule(&self, rule: &Rule) -> Result<(), NetError> {
        let act = match rule.action {
            RuleAction::MarkedGoTo { .. } => Act::Goto,
            RuleAction::Nothing => Act::Nop,
            _ => Act::ToTable,
        };
        let mut request = self.handle.rule().add().priority(rule.priority).action(act);
        let message = request.message_mut();
        message.header.family = if rule.ipv4 {
            AddressFamily::Inet
        } else {
            AddressFamily::Inet6
        };
        message
            .attributes
            .push(RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL)));
        match rule.action {
            RuleAction::Unmarked { mark, table } => {
                message.header.flags |= RuleFlags::Invert;
                message
                    .attributes
                    .extend([RuleAttribute::FwMark(mark), RuleAttribute::FwMask(u32::MAX)]);
                request = request.table_id(table);
            }
            RuleAction::MainButDefault => {
                message.attributes.push(RuleAttribute::SuppressPrefixLen(0));
                request = request.table_id(MAIN);
            }
            RuleAction::MarkedGoTo { mark, priority } => {
                let mark = [RuleAttribute::FwMark(mark), RuleAttribute::FwMask(u32::MAX)];
                message.attributes.extend(mark);
                message.attributes.push(RuleAttribute::Goto(priority));
            }
            RuleAction::Nothing => {}
            RuleAction::FlowTo { flow, subnet, table } => {
                message.header.dst_len = subnet.prefix();
                message.attributes.push(RuleAttribute::Destination(subnet.address()));
                message.attributes.extend(flow_attributes(&flow));
                request = request.table_id(table);
            }
        }
        match request.execute().await {
            Err(e) if code(&e) == Some(libc::EEXIST) => Ok(()),
            done => done.map_err(|e| fail("add a routing rule", e)),
        }
    }

    pub(super) async fn del_rule(&self, found: &FoundRule) -> Result<(), NetError> {
        gone(
            "remove a routing rule",
            self.handle.rule().del(found.message.clone()).execute().await,
        )
    }
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn found_route(message: RouteMessage, layout: &Layout) -> Option<FoundRoute> {
    if message.header.protocol != RouteProtocol::Other(PROTOCOL) {
        return None;
    }
    let (mut table, mut destination, mut index, mut source) = (u32::from(message.header.table), None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(address) => destination = ip(address),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Oif(number) => index = Some(*number),
            _ => {}
        }
    }
    if !layout.owns_table(table) {
        return None;
    }
    let unspecified: IpAddr = match message.header.address_family {
        AddressFamily::Inet => std::net::Ipv4Addr::UNSPECIFIED.into(),
        _ => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let subnet = Subnet::new(
        destination.unwrap_or(unspecified),
        message.header.destination_prefix_length,
    )?;
    let via = match (message.header.kind, index) {
        (RouteType::Throw, _) => Some(Via::Throw),
        (RouteType::Unicast, Some(index)) => Some(Via::Device { index, source }),
        _ => None,
    };
    Some(FoundRoute {
        message,
        table,
        subnet,
        via,
    })
}

fn found_rule(message: RuleMessage, layout: &Layout) -> Option<FoundRule> {
    let (mut priority, mut table, mut ours) = (0, u32::from(message.header.table), false);
    let (mut mark, mut mask, mut suppress, mut goto, mut to) = (None, None, None, None, None);
    let mut flow = Flow::ANY;
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(number) => priority = *number,
            RuleAttribute::Table(number) => table = *number,
            RuleAttribute::Protocol(protocol) => ours = *protocol == RouteProtocol::Other(PROTOCOL),
            RuleAttribute::FwMark(number) => mark = Some(*number),
            RuleAttribute::FwMask(number) => mask = Some(*number),
            RuleAttribute::SuppressPrefixLen(length) => suppress = Some(*length),
            RuleAttribute::Goto(number) => goto = Some(*number),
            RuleAttribute::Destination(address) => to = Some(*address),
            RuleAttribute::IpProtocol(protocol) => flow.protocol = u8::try_from(i32::from(*protocol)).unwrap_or(0),
            RuleAttribute::SourcePortRange(range) => flow.local_ports = (range.start, range.end),
            RuleAttribute::DestinationPortRange(range) => flow.remote_ports = (range.start, range.end),
            _ => {}
        }
    }
    if !ours || !(layout.owns_table(table) || layout.owns_priority(priority)) {
        return None;
    }
    let inverted = message.header.flags.contains(RuleFlags::Invert);
    let subnet = to.and_then(|address| Subnet::new(address, message.header.dst_len));
    let all = suppress.is_none_or(|length| length == u32::MAX);
    let action = match (message.header.action, inverted, mark, mask) {
        (Act::ToTable, true, Some(mark), Some(u32::MAX)) if all => Some(RuleAction::Unmarked { mark, table }),
        (Act::ToTable, false, None, _) if table == MAIN && suppress == Some(0) => Some(RuleAction::MainButDefault),
        (Act::ToTable, false, None, _) if all => subnet.map(|subnet| RuleAction::FlowTo { flow, subnet, table }),
        (Act::Goto, false, Some(mark), Some(u32::MAX)) => {
            goto.map(|priority| RuleAction::MarkedGoTo { mark, priority })
        }
        (Act::Nop, false, None, _) => Some(RuleAction::Nothing),
        _ => None,
    };
    let ipv4 = message.header.family == AddressFamily::Inet;
    Some(FoundRule {
        message,
        rule: action.map(|action| Rule { ipv4, priority, action }),
    })
}

/// What a rule says of a flow. The kernel takes no range with port 0 or 65535.
fn flow_attributes(flow: &Flow) -> Vec<RuleAttribute> {
    let mut list = vec![];
    if flow.protocol != 0 {
        list.push(RuleAttribute::IpProtocol(flow.protocol.into()));
    }
    let range = |(start, end)| RulePortRange { start, end };
    if flow.local_ports != Flow::ANY.local_ports {
        list.push(RuleAttribute::SourcePortRange(range(flow.local_ports)));
    }
    if flow.remote_ports != Flow::ANY.remote_ports {
        list.push(RuleAttribute::DestinationPortRange(range(flow.remote_ports)));
    }
    list
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteAddress::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    }
}

fn code(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io().raw_os_error(),
        _ => None,
    }
}

fn fail(what: impl Into<String>, error: rtnetlink::Error) -> NetError {
    let source = match &error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        _ => io::Error::other(error.to_string()),
    };
    NetError::io(what, source)
}

fn route_message(table: u32, subnet: Subnet, via: Via) -> Result<RouteMessage, rtnetlink::Error> {
    let bad = |_| rtnetlink::Error::RequestFailed;
    let mut route = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(subnet.address(), subnet.prefix())
        .map_err(bad)?
        .table_id(table)
        .protocol(RouteProtocol::Other(PROTOCOL));
    match via {
        Via::Throw => route = route.kind(RouteType::Throw),
        Via::Device { index, source } => {
            route = route.output_interface(index);
            if let Some(source) = source {
                route = route.pref_source(source).map_err(bad)?;
            }
        }
    }
    Ok(route.build())
}

/// What is not there any more is as good as removed.
fn gone(what: impl Into<String>, removed: Result<(), rtnetlink::Error>) -> Result<(), NetError> {
    match removed {
        Err(e) if matches!(code(&e), Some(libc::ENOENT | libc::ESRCH | libc::ENODEV)) => Ok(()),
        done => done.map_err(|e| fail(what, e)),
    }
}
