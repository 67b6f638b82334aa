//! The demo's two policies: one connection, each end's view of it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use handfast_auth::{Identity, IdentityPattern};
use handfast_crypto::proposal::{EspProposal, IkeProposal};
use handfast_engine::place::Place;
use handfast_engine::policy::{
    Authentication, ChildPolicy, Connection, Cookies, FRAGMENT_SIZE, Policy, Ports, Remote, Retransmit, Selector,
    Start, UdpEncapsulation, Versions,
};
use handfast_plane::op::{Limits, Mode};

use crate::cli::{Break, DemoOptions, PhaseOneMode};
use crate::net::udp::{UdpConfig, UdpSet};

/// The connection's name.
pub const NAME: &str = "demo";
/// Both ends are here.
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The subnets behind A and B.
pub const SUBNETS: [&str; 2] = ["10.1.0.0/16", "10.2.0.0/16"];

/// Who they are.
pub const NAMES: [&str; 2] = ["a.demo.example", "b.demo.example"];

/// What B has in place of its own if the selectors are to be broken.
const OTHER_SUBNET: &str = "10.3.0.0/16";

/// Algorithms unless asked otherwise: modern, and what tshark 4.0 can decrypt.
const IKE: &str = "aes128gcm16-prfsha256-x25519";
const ESP: &str = "aes128gcm16";
/// IKEv1 has no AEAD in phase 1, and X25519 was never given to it.
const IKE_V1: &str = "aes128-sha256-ecp256";

/// Algorithms with no cipher in common with these.
fn unlike(ike: &IkeProposal) -> Result<IkeProposal, String> {
    for text in ["aes256-sha512-ecp384", "chacha20poly1305-prfsha256-x25519"] {
        let other: IkeProposal = text.parse().map_err(|e| format!("{text}: {e}"))?;
        if !other.encr.iter().any(|cipher| ike.encr.contains(cipher)) {
            return Ok(other);
        }
    }
    Err("--break proposal needs a --suite that does not name every cipher".into())
}

/// Two sockets on ports that the system chooses, in place of 500 and 4500.
pub fn sockets() -> Result<(UdpSet, Ports), String> {
    let config = UdpConfig {
        addresses: vec![LOOPBACK],
        ports: vec![0, 0],
        mark: 0,
    };
    let udp = UdpSet::bind(&config).map_err(|e| e.to_string())?;
    let bound = udp.local_addrs();
    match bound.as_slice() {
        [ike, natt] => {
            let ports = Ports {
                ike: ike.port(),
                natt: natt.port(),
            };
            Ok((udp, ports))
        }
        _ => Err("loopback gave no two sockets".into()),
    }
}

/// The policy of A (0) or B (1).
/// B's differs where something is to be broken.
pub fn policy(me: usize, ports: [Ports; 2], options: &DemoOptions, auth: Authentication) -> Result<Policy, String> {
    let (versions, suite) = match options.version() {
        1 => (Versions::One, IKE_V1),
        _ => (Versions::Two, IKE),
    };
    let suite = options.suite.as_deref().unwrap_or(suite);
    let ike: IkeProposal = suite.parse().map_err(|e| format!("--suite: {e}"))?;
    let esp = options.esp.as_deref().unwrap_or(ESP);
    let esp: EspProposal = esp.parse().map_err(|e| format!("--esp: {e}"))?;
    if options.mode.is_some() && versions != Versions::One {
        return Err("--mode is of IKEv1: add --ike 1".into());
    }
    let peer = 1 - me;
    let name = |who: usize| Identity::Fqdn(NAMES[who].into());
    let broken = options.broken.filter(|_| me == 1);
    let subnet = |who: usize| {
        let other = broken == Some(Break::Selectors) && who == me;
        let text = if other { OTHER_SUBNET } else { SUBNETS[who] };
        text.parse::<Selector>().map_err(|e| e.to_string())
    };
    let ike = match broken {
        Some(Break::Proposal) => unlike(&ike)?,
        _ => ike,
    };
    let place = Place::new("the demo's own policy");
    let child = ChildPolicy {
        name: NAME.into(),
        place: place.clone(),
        mode: Mode::Tunnel,
        or_tunnel: false,
        local_ts: vec![subnet(me)?],
        remote_ts: vec![subnet(peer)?],
        single_pair: false,
        esp: vec![esp],
        rekey: Duration::ZERO,
        lifetime: Duration::ZERO,
        limits: Limits::NONE,
    };
    let connection = Connection {
        name: NAME.into(),
        place,
        versions,
        aggressive: options.mode == Some(PhaseOneMode::Aggressive),
        local: vec![LOOPBACK],
        remote: Remote::Address(LOOPBACK),
        remote_port: ports[peer].ike,
        remote_natt_port: ports[peer].natt,
        local_id: name(me),
        remote_id: IdentityPattern::Exact(name(peer)),
        auth,
        ike: vec![ike],
        children: vec![Arc::new(child)],
        max_children: 1,
        start: Start::Wait,
        // Without root there is no IP protocol 50, so ESP goes in UDP.
        udp_encapsulation: UdpEncapsulation::Always,
        retransmit: Retransmit::default(),
        liveness: Duration::ZERO,
        lifetime: Duration::ZERO,
        rekey: Duration::ZERO,
        keepalive: Duration::ZERO,
        fragment_size: Some(FRAGMENT_SIZE),
    };
    Ok(Policy {
        ports: ports[me],
        connections: vec![Arc::new(connection)],
        half_open_limit: 10,
        half_open_per_address: 10,
        cookies: Cookies::Auto,
    })
}
