//! SAs for the tests of this crate.

use std::net::{IpAddr, Ipv4Addr};

use handfast_crypto::proposal::EspSuite;
use handfast_crypto::secret::Secret;
use handfast_crypto::transform::Encr;
use handfast_wire::selector::TrafficSelector;

use crate::op::{ChildId, Encapsulation, Limits, Mode, OuterPath, SaInstall, SaKeys};

pub fn subnet(a: u8, b: u8, c: u8, d: u8, prefix_len: u8) -> TrafficSelector {
    TrafficSelector::from_subnet(Ipv4Addr::new(a, b, c, d).into(), prefix_len)
}

/// From 192.0.2.1 to 203.0.113.`last`.
pub fn path(last: u8) -> OuterPath {
    OuterPath {
        local: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        remote: IpAddr::V4(Ipv4Addr::new(203, 0, 113, last)),
        encapsulation: Encapsulation::Udp {
            local_port: 4500,
            remote_port: 4500,
        },
    }
}

/// Both SAs of one side of child `n`: 10.1.0.0/16 here, 10.2.0.0/16 there, AES-128-GCM.
pub fn pair(n: u64) -> (SaInstall, SaInstall) {
    let install = |spi, key: u8| SaInstall {
        child: ChildId(n),
        name: "net".into(),
        spi,
        path: path(2),
        mode: Mode::Tunnel,
        suite: EspSuite {
            encr: Encr::aes_gcm16(128),
            integ: None,
            group: None,
            esn: false,
        },
        keys: SaKeys {
            encr: Secret::new(vec![key; 20]),
            integ: Secret::new(Vec::new()),
        },
        local_ts: vec![subnet(10, 1, 0, 0, 16)],
        remote_ts: vec![subnet(10, 2, 0, 0, 16)],
        limits: Limits::NONE,
    };
    let spi = 0x1000 + 2 * n as u32;
    (install(spi, 2 * n as u8), install(spi + 1, 2 * n as u8 + 1))
}

/// What the peer installs to answer our `sa`.
pub fn mirror(sa: &SaInstall) -> SaInstall {
    let mut mirrored = sa.clone();
    core::mem::swap(&mut mirrored.local_ts, &mut mirrored.remote_ts);
    core::mem::swap(&mut mirrored.path.local, &mut mirrored.path.remote);
    mirrored
}
