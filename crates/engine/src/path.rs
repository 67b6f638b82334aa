//! The addresses an IKE SA uses, and what stands between them (RFC 7296 section 2.23).

use std::net::{IpAddr, SocketAddr};

use handfast_crypto::hash::sha1;
use handfast_plane::op::{Encapsulation, OuterPath};
use handfast_wire::header::Spi;

use crate::policy::{Ports, UdpEncapsulation};

/// Addresses and NATs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Path {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// We are behind a NAT.
    pub nat_local: bool,
    /// The peer is behind a NAT (or says so to have ESP in UDP).
    pub nat_remote: bool,
    /// We want ESP in UDP whatever there is.
    pub always_udp: bool,
}

impl Path {
    pub fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            local,
            remote,
            nat_local: false,
            nat_remote: false,
            always_udp: false,
        }
    }

    /// Ours and the peer's.
    pub fn ends(&self) -> (SocketAddr, SocketAddr) {
        (self.local, self.remote)
    }

    /// Takes over what the connection wants, once that is known.
    pub fn obey(&mut self, policy: UdpEncapsulation) {
        self.always_udp = policy == UdpEncapsulation::Always;
    }

    /// Whether IKE and ESP must share the NAT-T ports.
    pub fn wants_natt(&self) -> bool {
        self.nat_local || self.nat_remote || self.always_udp
    }

    /// Moves to the NAT-T ports.
    pub fn float(&mut self, ports: Ports, remote_natt_port: u16) {
        self.local.set_port(ports.natt);
        self.remote.set_port(remote_natt_port);
    }

    /// An authentic and new packet of the peer's came from there: if the peer is behind a NAT, that has a new mapping,
    /// and what we send follows. "A host behind a NAT SHOULD NOT do this type of dynamic address update" (RFC 7296
    /// section 2.23). Returns whether the path changed.
    pub fn follow(&mut self, ports: Ports, from: SocketAddr) -> bool {
        let may = self.nat_remote && !self.nat_local && self.local.port() == ports.natt;
        if !may || from == self.remote || from.is_ipv4() != self.local.is_ipv4() {
            return false;
        }
        self.remote = from;
        true
    }

    /// How ESP goes between these addresses. A peer may move to the NAT-T ports without a NAT, for it may move elsewhere
    /// one day (RFC 4555 section 3.3); it then sends ESP as it is, and a kernel's SA takes no other (RFC 7296 section
    /// 2.23).
    pub fn outer(&self, ports: Ports) -> OuterPath {
        let encapsulation = if self.local.port() == ports.natt && self.wants_natt() {
            Encapsulation::Udp {
                local_port: self.local.port(),
                remote_port: self.remote.port(),
            }
        } else {
            Encapsulation::Esp
        };
        OuterPath {
            local: self.local.ip(),
            remote: self.remote.ip(),
            encapsulation,
        }
    }

    /// Reads the peer's NAT_DETECTION notifies. Several source hashes may come, one for each address the peer has.
    pub fn detect(&mut self, spi_i: Spi, spi_r: Spi, sources: &[&[u8]], destination: Option<&[u8]>) {
        let Some(destination) = destination else { return };
        if sources.is_empty() {
            return;
        }
        let from = nat_hash(spi_i, spi_r, self.remote);
        self.nat_remote = !sources.contains(&from.as_slice());
        self.nat_local = destination != nat_hash(spi_i, spi_r, self.local);
    }
}

/// SHA-1(SPIi | SPIr | address | port) (RFC 7296 section 2.23).
pub(crate) fn nat_hash(spi_i: Spi, spi_r: Spi, address: SocketAddr) -> [u8; 20] {
    let port = address.port().to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) => sha1(&[&spi_i.0, &spi_r.0, &ip.octets(), &port]),
        IpAddr::V6(ip) => sha1(&[&spi_i.0, &spi_r.0, &ip.octets(), &port]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values recorded between two strongSwans (exchange v2-psk-aes256gcm16-prfsha384-ecp384, `natd_chunk`/`natd_hash`).
    #[test]
    fn hash_is_the_one_strongswan_computes() {
        let spi_i = Spi(0x5936_32af_1ce0_a548_u64.to_be_bytes());
        let spi_r = Spi(0x2890_5ad5_eeda_8f20_u64.to_be_bytes());
        let initiator = "192.168.0.1:500".parse().unwrap_or_else(|_| unreachable!());
        assert_eq!(nat_hash(spi_i, spi_r, initiator)[..4], [0xe4, 0x27, 0x3a, 0xef]);
        let responder = "192.168.0.2:500".parse().unwrap_or_else(|_| unreachable!());
        assert_eq!(nat_hash(spi_i, spi_r, responder)[..4], [0x6b, 0xfa, 0xb3, 0x09]);
    }

    #[test]
    fn only_a_peer_behind_a_nat_is_followed_and_only_by_one_that_is_not() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap_or_else(|_| unreachable!());
        let fresh = |nat_local, nat_remote| Path {
            nat_local,
            nat_remote,
            ..Path::new(address("192.0.2.1:4500"), address("192.0.2.2:1024"))
        };
        let elsewhere = address("192.0.2.3:1025");
        for (nat_local, nat_remote) in [(false, false), (true, false), (true, true)] {
            let mut path = fresh(nat_local, nat_remote);
            assert!(!path.follow(Ports::default(), elsewhere));
            assert_eq!(path, fresh(nat_local, nat_remote));
        }
        let mut path = fresh(false, true);
        assert!(!path.follow(Ports::default(), path.remote));
        assert!(!path.follow(Ports::default(), address("[2001:db8::1]:1025")));
        assert!(path.follow(Ports::default(), elsewhere));
        assert_eq!(path.remote, elsewhere);
        path.local.set_port(500);
        assert!(!path.follow(Ports::default(), address("192.0.2.3:1026")));
    }

    #[test]
    fn esp_goes_in_udp_only_through_a_nat_or_where_that_is_wanted() {
        let ports = Ports::default();
        let at = |text: &str| text.parse().unwrap_or_else(|_| unreachable!());
        let mut path = Path::new(at("192.0.2.1:4500"), at("192.0.2.2:4500"));
        assert_eq!(path.outer(ports).encapsulation, Encapsulation::Esp);
        let udp = Encapsulation::Udp {
            local_port: 4500,
            remote_port: 4500,
        };
        path.obey(UdpEncapsulation::Always);
        assert_eq!(path.outer(ports).encapsulation, udp);
        path.obey(UdpEncapsulation::Auto);
        path.nat_remote = true;
        assert_eq!(path.outer(ports).encapsulation, udp);
        path.local.set_port(500);
        assert_eq!(path.outer(ports).encapsulation, Encapsulation::Esp);
    }

    #[test]
    fn one_matching_source_of_several_is_enough() {
        let (spi_i, spi_r) = (Spi([1; 8]), Spi([2; 8]));
        let local = "192.0.2.1:500".parse().unwrap_or_else(|_| unreachable!());
        let remote = "192.0.2.2:500".parse().unwrap_or_else(|_| unreachable!());
        let mut path = Path::new(local, remote);
        let good = nat_hash(spi_i, spi_r, remote);
        let here = nat_hash(spi_i, spi_r, local);
        path.detect(spi_i, spi_r, &[&[0; 20], &good], Some(&here));
        assert!(!path.nat_local && !path.nat_remote);
        path.detect(spi_i, spi_r, &[&[0; 20]], Some(&here));
        assert!(!path.nat_local && path.nat_remote);
    }
}
