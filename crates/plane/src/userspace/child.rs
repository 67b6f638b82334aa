//! A child: both its SAs, its selectors and counters.

use std::net::IpAddr;

use handfast_esp::transport;
use handfast_esp::tunnel::{Headers, IPV6_MIN_MTU};
use handfast_esp::{InboundSa, OutboundSa, OuterHeaders};
use handfast_wire::selector::TrafficSelector;

use super::meter::Meter;
use super::{ChildView, DEFAULT_PATH_MTU, PolicyView};
use crate::op::{ChildId, Counters, Encapsulation, Mode, OuterPath, SaInstall};

/// A child of which at least one SA is installed.
pub(super) struct Child {
    pub id: ChildId,
    pub name: String,
    pub path: OuterPath,
    pub mode: Mode,
    /// It carries no fragments: in transport mode, and where selectors have ports, which fragments do not show
    /// (RFC 4301 section 7).
    pub whole: bool,
    pub local_ts: Vec<TrafficSelector>,
    pub remote_ts: Vec<TrafficSelector>,
    pub counters: Counters,
    pub inbound: Option<Receiver>,
    pub outbound: Option<Sender>,
    path_mtu: usize,
}

/// The inbound SA.
pub(super) struct Receiver {
    pub sa: InboundSa,
    /// Whether its first packet has been reported.
    pub heard: bool,
    pub meter: Meter,
    /// Where its packets come from, if that is elsewhere than where the child sends to and was reported.
    pub elsewhere: Option<(IpAddr, u16)>,
}

/// The outbound SA.
pub(super) struct Sender {
    pub sa: OutboundSa,
    /// The largest inner packet that is not fragmented.
    pub inner_mtu: usize,
    pub meter: Meter,
    /// What its selectors are removed by.
    pub install: u64,
}

impl Child {
    /// With neither SA yet.
    pub fn new(install: SaInstall) -> Self {
        let ports = |list: &[TrafficSelector]| list.iter().any(|ts| !ts.is_any_port());
        let whole = install.mode == Mode::Transport || ports(&install.local_ts) || ports(&install.remote_ts);
        Self {
            whole,
            id: install.child,
            name: install.name,
            path: install.path,
            mode: install.mode,
            local_ts: install.local_ts,
            remote_ts: install.remote_ts,
            counters: Counters::default(),
            inbound: None,
            outbound: None,
            path_mtu: DEFAULT_PATH_MTU,
        }
    }

    pub fn set_inbound(&mut self, sa: InboundSa, meter: Meter) {
        self.inbound = Some(Receiver {
            sa,
            heard: false,
            meter,
            elsewhere: None,
        });
    }

    pub fn set_outbound(&mut self, sa: OutboundSa, meter: Meter, install: u64) {
        self.outbound = Some(Sender {
            sa,
            inner_mtu: 0,
            meter,
            install,
        });
        self.update_inner_mtu();
    }

    pub fn set_path(&mut self, path: OuterPath) {
        self.path = path;
        if let Some(receiver) = &mut self.inbound {
            receiver.elsewhere = None;
        }
        self.update_inner_mtu();
    }

    pub fn set_path_mtu(&mut self, mtu: usize) {
        self.path_mtu = mtu;
        self.update_inner_mtu();
    }

    /// Whether a fragment belongs to a packet that this child may have to carry whole.
    pub fn carries_whole(&self, headers: &Headers) -> bool {
        let takes = |list: &[TrafficSelector], address| {
            let of = |ts: &TrafficSelector| TrafficSelector {
                start_port: 0,
                end_port: u16::MAX,
                ..*ts
            };
            list.iter()
                .any(|ts| of(ts).contains_packet(headers.protocol, None, address))
        };
        self.whole
            && self.outbound.is_some()
            && takes(&self.local_ts, headers.source)
            && takes(&self.remote_ts, headers.destination)
    }

    pub fn is_empty(&self) -> bool {
        self.inbound.is_none() && self.outbound.is_none()
    }

    pub fn view(&self) -> ChildView<'_> {
        ChildView {
            child: self.id,
            name: &self.name,
            path: self.path,
            spi_in: self.inbound.as_ref().map(|receiver| receiver.sa.spi()),
            spi_out: self.outbound.as_ref().map(|sender| sender.sa.spi()),
            counters: self.counters,
            inner_mtu: self.inner_mtu(),
        }
    }

    /// The largest inner packet that is carried unfragmented; 0 without an outbound SA.
    pub fn inner_mtu(&self) -> usize {
        self.outbound.as_ref().map_or(0, |sender| sender.inner_mtu)
    }

    pub fn policy(&self) -> Option<PolicyView<'_>> {
        self.outbound.as_ref().map(|_| PolicyView {
            child: self.id,
            peer: self.path.remote,
            local: &self.local_ts,
            remote: &self.remote_ts,
        })
    }

    fn update_inner_mtu(&mut self) {
        let outer = OuterHeaders {
            ipv6: self.path.remote.is_ipv6(),
            udp: matches!(self.path.encapsulation, Encapsulation::Udp { .. }),
        };
        // In transport mode the packet's own IP header is the outer one.
        let own_header = match self.mode {
            Mode::Tunnel => 0,
            Mode::Transport => transport::header_len(outer.ipv6),
        };
        if let Some(sender) = &mut self.outbound {
            sender.inner_mtu = sender.sa.max_inner(self.path_mtu, outer) + own_header;
        }
    }
}

impl Sender {
    /// The largest packet of a family that is taken. An IPv6 host never sends less than 1,280 octets, so these must
    /// pass, and where they do not fit the outer packet is fragmented (RFC 2473 section 7.1).
    pub fn mtu(&self, ipv6: bool) -> usize {
        if ipv6 {
            self.inner_mtu.max(IPV6_MIN_MTU)
        } else {
            self.inner_mtu
        }
    }
}
