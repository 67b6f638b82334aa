#![allow(clippy::unwrap_used)]

mod frame;
mod install;
mod packets;
mod policy;
mod transport;

use handfast_crypto::default_provider;

use super::*;
use crate::op::SaInstall;
use crate::test_sa::{mirror, pair};

/// An IPv4 UDP packet with DF; `len` octets of payload after the UDP header.
fn udp(source: [u8; 4], destination: [u8; 4], port: u16, len: usize) -> Vec<u8> {
    let mut body = vec![0x30, 0x39];
    body.extend_from_slice(&port.to_be_bytes());
    body.extend_from_slice(&((8 + len) as u16).to_be_bytes());
    body.extend_from_slice(&[0, 0]);
    body.extend((0..len).map(|i| i as u8));
    ip(17, source, destination, &body)
}

/// An IPv4 packet with DF and no checksum, which no code under test looks at.
fn ip(protocol: u8, source: [u8; 4], destination: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&((20 + body.len()) as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 1, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend_from_slice(&source);
    packet.extend_from_slice(&destination);
    packet.extend_from_slice(body);
    packet
}

const HERE: [u8; 4] = [10, 1, 0, 1];
const THERE: [u8; 4] = [10, 2, 0, 1];

fn plane() -> UserspacePlane {
    UserspacePlane::new(default_provider())
}

#[track_caller]
fn done(plane: &mut UserspacePlane, op: PlaneOp) {
    assert_eq!(plane.apply(op), PlaneReply::Done);
}

/// Installs both SAs here and their mirrors there.
fn install(ours: &mut UserspacePlane, theirs: &mut UserspacePlane, (inbound, outbound): (SaInstall, SaInstall)) {
    done(theirs, PlaneOp::InstallInbound(mirror(&outbound)));
    done(theirs, PlaneOp::InstallOutbound(mirror(&inbound)));
    done(ours, PlaneOp::InstallInbound(inbound));
    done(ours, PlaneOp::InstallOutbound(outbound));
}

/// Two planes with child 1 between them.
fn connected() -> (UserspacePlane, UserspacePlane) {
    let (mut ours, mut theirs) = (plane(), plane());
    install(&mut ours, &mut theirs, pair(1));
    (ours, theirs)
}

/// The ESP packets, and the child that sent them.
#[track_caller]
fn send(plane: &mut UserspacePlane, packet: &[u8]) -> (ChildId, Vec<Vec<u8>>) {
    let mut out = vec![0xee; 3];
    match plane.outbound(packet, &mut out) {
        Outbound::Send { child, segment_len, .. } => {
            assert_eq!(out[..3], [0xee; 3], "appended");
            (child, out[3..].chunks(segment_len).map(<[u8]>::to_vec).collect())
        }
        other => panic!("not sent: {other:?}"),
    }
}

#[track_caller]
fn receive(plane: &mut UserspacePlane, esp: &[u8]) -> Result<Vec<u8>, DropReason> {
    match plane.inbound(&mut esp.to_vec(), None) {
        Inbound::Deliver { packet, .. } => Ok(packet.to_vec()),
        Inbound::DeliverOwned { packet, .. } => Ok(packet),
        Inbound::Drop(reason) => Err(reason),
    }
}

#[track_caller]
fn counters(plane: &mut UserspacePlane, child: u64) -> Counters {
    match plane.apply(PlaneOp::Query(ChildId(child))) {
        PlaneReply::Counters(counters) => counters,
        other => panic!("no counters: {other:?}"),
    }
}
