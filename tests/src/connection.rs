//! One tunnel, described once, for whichever daemons are at its ends.

use std::path::PathBuf;

use crate::proof::{Proof, list};

/// One end of a tunnel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// Its address on the wire.
    pub address: String,
    /// Its identity.
    pub id: String,
    /// The same as strongSwan writes it, if it does so differently.
    pub swanctl_id: String,
    /// The network behind it; empty for the host itself.
    pub subnet: String,
    /// A host in that network; pings go between these.
    pub host: String,
    /// How it proves itself.
    pub proof: Proof,
    /// The CAs that it trusts.
    pub trusts: Vec<PathBuf>,
}

/// A tunnel as its local end sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    /// Its name on both sides.
    pub name: String,
    /// Here.
    pub local: End,
    /// There.
    pub remote: End,
    /// The version of IKE, 1 or 2.
    pub version: u8,
    /// The preshared key.
    pub secret: String,
    /// The IKE suite, as both daemons write it; the daemon's own choice if empty.
    pub ike: String,
    /// The ESP suite.
    pub esp: String,
    /// Further lines of the connection in our own configuration.
    pub handfast: Vec<String>,
    /// Further lines of the connection in swanctl.conf.
    pub swanctl: Vec<String>,
    /// Further lines of the child in swanctl.conf.
    pub swanctl_child: Vec<String>,
    /// Further lines of the section `local` in swanctl.conf.
    pub swanctl_local: Vec<String>,
    /// Further lines of the section `remote` in swanctl.conf.
    pub swanctl_remote: Vec<String>,
}

impl Connection {
    /// The tunnel from the first to the second host of [`Lab::pair`](crate::netns::Lab::pair), over IPv4.
    pub fn new(ike: &str, esp: &str) -> Self {
        let end = |n: u8, id: &str| End {
            address: format!("10.77.0.{n}"),
            id: id.to_owned(),
            swanctl_id: String::new(),
            subnet: format!("10.78.{n}.0/24"),
            host: format!("10.78.{n}.1"),
            proof: Proof::Psk,
            trusts: Vec::new(),
        };
        Self {
            name: "office".into(),
            local: end(1, "a.test"),
            remote: end(2, "b.test"),
            version: 2,
            secret: "0123456789abcdef".into(),
            ike: ike.into(),
            esp: esp.into(),
            handfast: Vec::new(),
            swanctl: Vec::new(),
            swanctl_child: Vec::new(),
            swanctl_local: Vec::new(),
            swanctl_remote: Vec::new(),
        }
    }

    /// The tunnel named `t{n}` beside those of other numbers: each has addresses, identities and networks of its own, which
    /// [`Lab::add`](crate::netns::Lab::add) makes. n is from 3 to 99.
    pub fn nth(n: u8, ike: &str, esp: &str) -> Self {
        let end = |side: u8, id: &str| End {
            address: format!("10.77.0.{}", u16::from(side) * 100 + u16::from(n)),
            id: format!("{id}{n}.test"),
            swanctl_id: String::new(),
            subnet: format!("10.{}.{n}.0/24", 78 + side),
            host: format!("10.{}.{n}.1", 78 + side),
            proof: Proof::Psk,
            trusts: Vec::new(),
        };
        Self {
            name: format!("t{n}"),
            local: end(0, "a"),
            remote: end(1, "b"),
            ..Self::new(ike, esp)
        }
    }

    /// The same in IKEv1.
    #[must_use]
    pub fn v1(mut self) -> Self {
        self.version = 1;
        self.with("version = 1")
    }

    /// The same with a further line of the connection in swanctl.conf.
    #[must_use]
    pub fn with_swanctl(mut self, line: &str) -> Self {
        self.swanctl.push(line.into());
        self
    }

    /// The same with a further line about strongSwan's own proof in swanctl.conf.
    #[must_use]
    pub fn with_swanctl_local(mut self, line: &str) -> Self {
        self.swanctl_local.push(line.into());
        self
    }

    /// The same with a further line about our proof in swanctl.conf.
    #[must_use]
    pub fn with_swanctl_remote(mut self, line: &str) -> Self {
        self.swanctl_remote.push(line.into());
        self
    }

    /// Both ends prove themselves so, and trust this CA.
    #[must_use]
    pub fn proven(mut self, local: Proof, remote: Proof, ca: PathBuf) -> Self {
        (self.local.proof, self.remote.proof) = (local, remote);
        self.local.trusts = vec![ca.clone()];
        self.remote.trusts = vec![ca];
        self
    }

    /// The same, its outer addresses those of IPv6.
    #[must_use]
    pub fn outer_v6(mut self) -> Self {
        for end in [&mut self.local, &mut self.remote] {
            end.address = format!("fd77::{}", end.address.rsplit('.').next().unwrap_or_default());
        }
        self
    }

    /// The same, the networks behind it those of IPv6.
    #[must_use]
    pub fn inner_v6(mut self) -> Self {
        for end in [&mut self.local, &mut self.remote] {
            let mut octets = end.host.split('.').skip(1);
            let (network, n) = (octets.next().unwrap_or_default(), octets.next().unwrap_or_default());
            end.subnet = format!("fd{network}:{n}::/64");
            end.host = format!("fd{network}:{n}::1");
        }
        self
    }

    /// Between the two hosts themselves, in transport mode.
    #[must_use]
    pub fn transport(mut self) -> Self {
        for end in [&mut self.local, &mut self.remote] {
            end.subnet.clear();
            end.host.clone_from(&end.address);
        }
        self.swanctl_child.push("mode = transport".into());
        self.with("mode = \"transport\"")
    }

    /// The same with a further line in our own configuration.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        self.handfast.push(line.into());
        self
    }

    /// The same as the other end sees it.
    #[must_use]
    pub fn flipped(&self) -> Self {
        Self {
            local: self.remote.clone(),
            remote: self.local.clone(),
            ..self.clone()
        }
    }

    /// Our configuration file.
    pub fn toml(&self) -> String {
        let (local, remote) = (&self.local, &self.remote);
        let mut lines = vec![
            format!("[connection.{}]", self.name),
            format!("local = \"{}\"", local.address),
            format!("remote = \"{}\"", remote.address),
            format!("local_id = \"{}\"", local.id),
            format!("remote_id = \"{}\"", remote.id),
        ];
        let (own, peer) = (&local.proof, &remote.proof);
        if *own == Proof::Psk || *peer == Proof::Psk {
            lines.push(format!("secret = \"{}\"", self.secret));
        }
        if (own.method(), peer.method()) != ("psk", "psk") {
            lines.push(format!("auth = \"{}\"", own.method()));
            lines.push(format!("remote_auth = \"{}\"", peer.method()));
        }
        lines.extend(own.own_lines());
        lines.extend(peer.peer_lines());
        if !local.trusts.is_empty() {
            lines.push(format!("ca = {}", list(&local.trusts)));
        }
        for (key, subnet) in [("local_subnet", &local.subnet), ("remote_subnet", &remote.subnet)] {
            if !subnet.is_empty() {
                lines.push(format!("{key} = \"{subnet}\""));
            }
        }
        for (key, suite) in [("ike", &self.ike), ("esp", &self.esp)] {
            if !suite.is_empty() {
                lines.push(format!("{key} = \"{suite}\""));
            }
        }
        lines.extend(self.handfast.iter().cloned());
        lines.join("\n") + "\n"
    }
}
