//! All interaction with the operating system's network: sockets, the TUN device, routes, clock and process hardening.
//!
//! What this module changes on the host, and takes back:
//!
//! | what | where | until |
//! |---|---|---|
//! | a TUN device | `handfast0` | the process ends (it is never made persistent) |
//! | routes | tables [`RouteSettings::table`] and the next two, protocol [`routes::PROTOCOL`] | [`Routes::clear`], or the next start |
//! | policy rules | [`RouteSettings::priority`], three before and two after | the same |
//! | `net.ipv4.conf.DEV.rp_filter` = 2 | the TUN device; an outer device with strict filtering whose peer lies inside a tunnelled subnet | the device ends; the same |
//!
//! Handfast's own IKE and ESP packets carry the mark [`RouteSettings::mark`]; the rules send every *other* packet to the
//! tunnel's tables, so a tunnelled subnet may contain the peer, or be 0.0.0.0/0.

pub mod clock;
pub mod error;
pub mod harden;
pub mod host;
pub mod raw_esp;
pub mod routes;
mod sending;
pub mod subnet;
mod sys;
pub mod tun;
pub mod udp;
mod vnet;

pub use error::NetError;
pub use host::{connect, path_mtu, resolve, source_address};
pub use raw_esp::{EspBurst, RawEsp, ReceivedEsp};
pub use routes::{Flow, RouteSettings, Routes, TunnelRoute, remove_leftovers};
pub use subnet::Subnet;
pub use tun::{Tun, TunSettings};
pub use udp::{Burst, Datagram, Received, UdpConfig, UdpSet};

/// The firewall mark (`SO_MARK`) that Handfast's own packets carry unless configured otherwise: "HF" twice.
pub const DEFAULT_MARK: u32 = 0x4846_4846;
