//! NAT traversal in IKEv1 (RFC 3947): NAT-D payloads, and the way to port 4500.

use std::net::{IpAddr, SocketAddr};

use handfast_crypto::hash::Hash;
use handfast_plane::op::{Encapsulation, Mode};

use crate::context::Context;
use crate::policy::{Connection, UdpEncapsulation};
use crate::v1::message::{Chain, Parsed};
use crate::v1::state::{Chosen, Sa};
use crate::v1::vendor::NatTraversal;

/// HASH(CKY-I | CKY-R | address | port) with the negotiated hash (section 3.2).
fn hash(sa: &Sa, chosen: &Chosen, end: SocketAddr) -> Vec<u8> {
    let hash = Hash::of_prf(chosen.suite.prf).unwrap_or(Hash::Sha1);
    let port = end.port().to_be_bytes();
    match end.ip() {
        IpAddr::V4(ip) => hash.digest(&[&sa.spi_i.0, &sa.spi_r.0, &ip.octets(), &port]),
        IpAddr::V6(ip) => hash.digest(&[&sa.spi_i.0, &sa.spi_r.0, &ip.octets(), &port]),
    }
}

/// Appends NAT-D of the peer's end and of ours, if the peer knows the payload. To have ESP in UDP without a NAT, ours is
/// made not to match.
pub(crate) fn push(chain: &mut Chain, sa: &Sa, cx: &mut Context, chosen: &Chosen) {
    let way = chosen.abilities.nat_traversal;
    if way == NatTraversal::None {
        return;
    }
    let mut own = hash(sa, chosen, sa.path.local);
    if chosen.connection.udp_encapsulation == UdpEncapsulation::Always {
        own.iter_mut().zip(cx.rng.bytes::<64>()).for_each(|(o, r)| *o = r);
    }
    chain.nat_d(way, &hash(sa, chosen, sa.path.remote));
    chain.nat_d(way, &own);
}

/// Reads the peer's NAT-D payloads: the first is of our end, the others are of its own.
pub(crate) fn detect(sa: &mut Sa, chosen: &Chosen, parsed: &Parsed<'_>) {
    let payloads: Vec<&[u8]> = parsed.nat_d().collect();
    let [ours, theirs @ ..] = payloads.as_slice() else {
        return;
    };
    if theirs.is_empty() {
        return;
    }
    sa.path.nat_local = *ours != hash(sa, chosen, sa.path.local);
    let remote = hash(sa, chosen, sa.path.remote);
    sa.path.nat_remote = !theirs.contains(&remote.as_slice());
}

/// As initiator: the first encrypted message leaves from port 4500 if there is a NAT (section 4).
pub(crate) fn float(sa: &mut Sa, cx: &Context, connection: &Connection) {
    if sa.path.nat_local || sa.path.nat_remote {
        sa.path.float(cx.policy.ports, connection.remote_natt_port);
    }
}

/// The encapsulation mode attribute of phase 2 (RFC 2407 section 4.5, RFC 3947 section 5.1).
pub(crate) fn encapsulation_mode(mode: Mode, outer: Encapsulation, way: NatTraversal) -> u16 {
    let plain = match mode {
        Mode::Tunnel => 1,
        Mode::Transport => 2,
    };
    match (outer, way) {
        (Encapsulation::Esp, _) => plain,
        (Encapsulation::Udp { .. }, NatTraversal::Draft) => plain + 61_442,
        (Encapsulation::Udp { .. }, NatTraversal::Rfc | NatTraversal::None) => plain + 2,
    }
}

/// The addresses from which both ends of a quick mode send, its initiator's first: for transport mode in UDP both ends
/// MUST name them, for tunnel mode they SHOULD NOT (RFC 3947 section 5.2).
pub(crate) fn push_original(
    chain: &mut Chain,
    (mode, outer): (Mode, Encapsulation),
    way: NatTraversal,
    (initiator, responder): (IpAddr, IpAddr),
) {
    if mode == Mode::Transport && matches!(outer, Encapsulation::Udp { .. }) {
        chain.nat_oa(way, initiator);
        chain.nat_oa(way, responder);
    }
}
