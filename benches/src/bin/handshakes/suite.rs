//! What is negotiated, as both ends and both daemons write it.

use std::sync::Arc;
use std::time::Duration;

use handfast_auth::certificate::generate::KeyKind;
use handfast_auth::certificate::{Curve, PeerPolicy, Trust};
use handfast_auth::{Identity, IdentityPattern};
use handfast_crypto::secret::Secret;
use handfast_engine::policy::{Authentication, Connection, Policy, Selector, Versions};
use handfast_sim::policies::{connection, parsed, policy};

use crate::pki::Pki;

/// The responder's address on the wire.
pub const RESPONDER: &str = "10.77.0.2";
/// The initiator's.
pub const INITIATOR: &str = "10.77.0.1";
/// What is behind the responder, with an address of its own there.
pub const BEHIND: (&str, &str) = ("10.1.0.0/16", "10.1.0.1/32");
/// Of this each child has one address.
pub const CHILDREN: &str = "10.128.0.0/9";
/// Who the responder is.
pub const GATEWAY: &str = "gateway.bench.test";
/// Who initiators are.
pub const CLIENTS: &str = "*.bench.test";
/// The preshared key.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Of every child.
pub const ESP: &str = "aes128gcm16";

/// One way to set a tunnel up.
#[derive(Debug)]
pub struct Suite {
    /// Its name here.
    pub name: &'static str,
    /// Version of IKE.
    pub version: u8,
    /// The IKE suite, which both daemons write alike.
    pub ike: &'static str,
    /// The keys of certificates; a preshared key without.
    pub certificates: Option<KeyKind>,
    /// Whether strongSwan has settings that make its key exchange faster.
    pub tunable: bool,
}

const fn psk(name: &'static str, version: u8, ike: &'static str, tunable: bool) -> Suite {
    Suite {
        name,
        version,
        ike,
        certificates: None,
        tunable,
    }
}

const fn certificate(name: &'static str, kind: KeyKind) -> Suite {
    Suite {
        name,
        version: 2,
        ike: "aes128gcm16-prfsha256-x25519",
        certificates: Some(kind),
        tunable: false,
    }
}

/// All of them.
pub const SUITES: [Suite; 7] = [
    psk("x25519", 2, "aes128gcm16-prfsha256-x25519", false),
    psk("ecp256", 2, "aes128gcm16-prfsha256-ecp256", false),
    psk("modp2048", 2, "aes128gcm16-prfsha256-modp2048", true),
    psk("modp3072", 2, "aes128gcm16-prfsha256-modp3072", true),
    psk("v1-modp2048", 1, "aes128-sha256-modp2048", true),
    certificate("ecdsa", KeyKind::Ec(Curve::P256)),
    certificate("rsa", KeyKind::Rsa(2048)),
];

impl Suite {
    /// The suite of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SUITES.iter().find(|suite| suite.name == name)
    }

    /// What our responder reads.
    pub fn handfast(&self, pki: Option<&Pki>) -> String {
        let Self { version, ike, .. } = self;
        let auth = match pki {
            None => format!("secret = \"{SECRET}\""),
            Some(pki) => format!(
                "certificate = \"{}\"\nkey = \"{}\"\nca = \"{}\"",
                pki.file("gateway.crt").display(),
                pki.file("gateway.key").display(),
                pki.file("ca.crt").display()
            ),
        };
        let limit = 1_000_000;
        format!(
            "[daemon]\nhalf_open_limit = {limit}\nhalf_open_per_address = {limit}\nmtu = 1400\n\
             [connection.clients]\nversion = {version}\nlocal = \"{RESPONDER}\"\nremote = \"any\"\n\
             local_id = \"{GATEWAY}\"\nremote_id = \"{CLIENTS}\"\n{auth}\n\
             local_subnet = \"{}\"\nremote_subnet = \"{CHILDREN}\"\nike = \"{ike}\"\nesp = \"{ESP}\"\n\
             liveness = \"off\"\n",
            BEHIND.0
        )
    }

    /// The same for strongSwan.
    pub fn swanctl(&self) -> String {
        let Self { version, ike, .. } = self;
        let (local, remote) = match self.certificates {
            None => ("auth = psk", "auth = psk"),
            Some(_) => ("auth = pubkey\n certs = gateway.crt", "auth = pubkey"),
        };
        format!(
            "connections {{\n clients {{\n version = {version}\n local_addrs = {RESPONDER}\n remote_addrs = %any\n \
             proposals = {ike}\n dpd_delay = 0s\n rekey_time = 0s\n \
             local {{\n id = {GATEWAY}\n {local}\n }}\n remote {{\n id = {CLIENTS}\n {remote}\n }}\n \
             children {{\n clients {{\n local_ts = {}\n remote_ts = {CHILDREN}\n esp_proposals = {ESP}\n rekey_time = 0s\n }}\n }}\n \
             }}\n}}\nsecrets {{\n ike-all {{\n secret = \"{SECRET}\"\n }}\n}}\n",
            BEHIND.0
        )
    }

    /// The initiator's policy: this many connections, each with an identity and a child of its own.
    pub fn initiators(&self, count: usize, pki: Option<&Pki>) -> Policy {
        let one = |n: usize| Arc::new(self.initiator(n, pki));
        Policy {
            connections: (0..count).map(one).collect(),
            ..policy(connection(0))
        }
    }

    fn initiator(&self, n: usize, pki: Option<&Pki>) -> Connection {
        let id = Identity::Fqdn(format!("c{n}.bench.test"));
        let auth = match pki {
            None => Authentication::psk(Secret::new(SECRET.as_bytes().to_vec())),
            Some(pki) => {
                let trust = Trust {
                    anchors: vec![pki.ca().clone()],
                    intermediates: Vec::new(),
                };
                let peers = PeerPolicy {
                    trust,
                    ..PeerPolicy::default()
                };
                Authentication::certificate(vec![pki.client(n, &id)], Arc::new(peers))
            }
        };
        let base = connection(0);
        let mut child = (*base.children[0]).clone();
        child.local_ts = vec![parsed::<Selector>(&address(n))];
        child.remote_ts = vec![parsed::<Selector>(BEHIND.0)];
        Connection {
            name: format!("c{n}"),
            versions: if self.version == 1 {
                Versions::One
            } else {
                Versions::Two
            },
            local: vec![parsed(INITIATOR)],
            remote: handfast_engine::policy::Remote::Address(parsed(RESPONDER)),
            local_id: id,
            remote_id: IdentityPattern::Exact(Identity::Fqdn(GATEWAY.into())),
            auth,
            ike: vec![parsed(self.ike)],
            children: vec![Arc::new(child)],
            liveness: Duration::ZERO,
            lifetime: Duration::ZERO,
            keepalive: Duration::ZERO,
            ..base
        }
    }
}

/// The child's only address.
fn address(n: usize) -> String {
    let n = n + 1;
    format!("10.{}.{}.{}/32", 128 + (n >> 16 & 127), n >> 8 & 255, n & 255)
}
