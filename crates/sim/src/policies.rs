//! Policies for tests: two hosts, one connection, everything the tests then change.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use handfast_auth::{Identity, IdentityPattern};
use handfast_crypto::proposal::{EspProposal, IkeProposal};
use handfast_crypto::secret::Secret;
use handfast_engine::policy::{
    Authentication, ChildPolicy, Connection, Cookies, Policy, Ports, Remote, Retransmit, Selector, Start,
    UdpEncapsulation, Versions,
};
use handfast_plane::op::{Limits, Mode};

/// Parses what a test wrote; a test's own mistake ends the test.
pub fn parsed<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not valid here"))
}

/// Host A is 192.0.2.1, host B 192.0.2.2.
pub fn address(host: usize) -> IpAddr {
    parsed(if host == 0 { "192.0.2.1" } else { "192.0.2.2" })
}

/// The connection "office" as seen from host 0 or 1.
pub fn connection(host: usize) -> Connection {
    let subnet = |h| vec![parsed::<Selector>(if h == 0 { "10.1.0.0/16" } else { "10.2.0.0/16" })];
    let name = |h| Identity::Fqdn(if h == 0 { "a.test".into() } else { "b.test".into() });
    Connection {
        name: "office".into(),
        place: format!("host{host}.toml:1").into(),
        versions: Versions::Two,
        aggressive: false,
        local: vec![address(host)],
        remote: Remote::Address(address(1 - host)),
        remote_port: 500,
        remote_natt_port: 4500,
        local_id: name(host),
        remote_id: IdentityPattern::Exact(name(1 - host)),
        auth: Authentication::psk(Secret::new(b"correct horse battery staple".to_vec())),
        ike: vec![parsed::<IkeProposal>("aes128gcm16-prfsha256-x25519")],
        children: vec![Arc::new(ChildPolicy {
            name: "office".into(),
            place: format!("host{host}.toml:1").into(),
            mode: Mode::Tunnel,
            or_tunnel: false,
            local_ts: subnet(host),
            remote_ts: subnet(1 - host),
            single_pair: false,
            esp: vec![parsed::<EspProposal>("aes128gcm16")],
            rekey: Duration::ZERO,
            lifetime: Duration::ZERO,
            limits: Limits::NONE,
        })],
        max_children: 64,
        start: Start::Wait,
        udp_encapsulation: UdpEncapsulation::Auto,
        retransmit: Retransmit::default(),
        liveness: Duration::from_secs(30),
        lifetime: Duration::ZERO,
        rekey: Duration::ZERO,
        keepalive: Duration::from_secs(20),
        fragment_size: Some(handfast_engine::policy::FRAGMENT_SIZE),
    }
}

/// A policy of one connection.
pub fn policy(connection: Connection) -> Policy {
    Policy {
        ports: Ports::default(),
        connections: vec![Arc::new(connection)],
        half_open_limit: 100,
        half_open_per_address: 100,
        cookies: Cookies::Auto,
    }
}
