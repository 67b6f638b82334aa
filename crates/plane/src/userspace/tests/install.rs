//! What is installed, and what is refused.

use handfast_crypto::secret::Secret;
use handfast_crypto::transform::{Encr, Integ};

use super::*;
use crate::op::{Encapsulation, Mode};
use crate::test_sa::path;

#[track_caller]
fn refused(op: PlaneOp, reason: &str) {
    let mut plane = plane();
    match plane.apply(op) {
        PlaneReply::Failed(text) => assert!(text.contains(reason), "{text}"),
        other => panic!("not refused: {other:?}"),
    }
    assert_eq!(plane.children().count(), 0, "nothing is left of it");
    assert_eq!(plane.routes().count(), 0);
}

#[test]
fn what_cannot_be_done_is_refused_with_the_reason() {
    let with = |change: fn(&mut SaInstall)| {
        let (mut sa, _) = pair(1);
        change(&mut sa);
        sa
    };
    for (sa, reason) in [
        (
            with(|sa| sa.suite.encr = Encr { id: 3, key_bits: None }),
            "not implemented",
        ),
        (with(|sa| sa.suite.integ = Some(Integ::HMAC_SHA1_96)), "not implemented"),
        (with(|sa| sa.keys.encr = Secret::new(vec![1; 19])), "wrong length"),
        (
            with(|sa| sa.mode = Mode::Transport),
            "between 192.0.2.1 and 203.0.113.2 only",
        ),
        (with(|sa| sa.spi = 255), "reserved"),
        (with(|sa| sa.local_ts.clear()), "no selectors"),
        (with(|sa| sa.remote_ts.clear()), "no selectors"),
        (with(|sa| sa.path.remote = [0u16; 8].into()), "two families"),
    ] {
        refused(PlaneOp::InstallInbound(sa.clone()), reason);
        refused(PlaneOp::InstallOutbound(sa), reason);
    }
    refused(PlaneOp::UpdatePath(ChildId(1), path(3)), "child 1");
    refused(PlaneOp::Query(ChildId(1)), "child 1");
}

#[test]
fn nothing_is_installed_twice() {
    let (mut ours, _) = connected();
    let (inbound, outbound) = pair(1);
    let (mut other, _) = pair(2);
    other.spi = inbound.spi;
    for op in [
        PlaneOp::InstallInbound(inbound),
        PlaneOp::InstallInbound(other),
        PlaneOp::InstallOutbound(outbound),
    ] {
        assert!(matches!(ours.apply(op.clone()), PlaneReply::Failed(_)), "{op:?}");
    }
    assert_eq!(ours.children().count(), 1);
    // It still counts on: no nonce was used again.
    let packet = udp(HERE, THERE, 53, 10);
    let first = send(&mut ours, &packet).1.remove(0);
    let second = send(&mut ours, &packet).1.remove(0);
    assert_eq!((first[7], second[7]), (1, 2));
}

#[test]
fn children_and_routes_show_what_is_installed() {
    let (mut ours, _) = connected();
    let (inbound, outbound) = pair(2);
    done(&mut ours, PlaneOp::InstallInbound(inbound.clone()));
    assert_eq!(ours.children().count(), 2);
    assert_eq!(
        ours.routes().map(|route| route.child).collect::<Vec<_>>(),
        [ChildId(1)],
        "no outbound SA, no route"
    );
    done(&mut ours, PlaneOp::InstallOutbound(outbound.clone()));
    let view = ours.children().find(|view| view.child == ChildId(2)).unwrap();
    assert_eq!((view.name, view.path), ("net", path(2)));
    assert_eq!((view.spi_in, view.spi_out), (Some(inbound.spi), Some(outbound.spi)));
    let route = ours.routes().find(|route| route.child == ChildId(2)).unwrap();
    assert_eq!(
        (route.local, route.remote),
        (&outbound.local_ts[..], &outbound.remote_ts[..])
    );
    assert!(!format!("{ours:?}").contains("Secret"));

    for child in [ChildId(1), ChildId(2), ChildId(3)] {
        done(&mut ours, PlaneOp::RemoveOutbound(child));
        done(&mut ours, PlaneOp::RemoveInbound(child));
    }
    assert_eq!((ours.children().count(), ours.routes().count()), (0, 0));
    // Their places are used again.
    install(&mut ours, &mut plane(), pair(3));
    install(&mut ours, &mut plane(), pair(4));
    assert_eq!(ours.children.len(), 2);
}

#[test]
fn a_new_path_is_used_at_once_and_changes_the_mtu() {
    let (mut ours, _) = connected();
    let mtu = |plane: &UserspacePlane| plane.children().next().unwrap().inner_mtu;
    // 1500 - 20 - 8 - 8 - 8 - 16, less the trailer.
    assert_eq!(mtu(&ours), 1438);
    let mut plain = path(9);
    plain.encapsulation = Encapsulation::Esp;
    done(&mut ours, PlaneOp::UpdatePath(ChildId(1), plain));
    assert_eq!(mtu(&ours), 1446);
    let sent = ours.outbound(&udp(HERE, THERE, 53, 10), &mut Vec::new());
    assert!(matches!(sent, Outbound::Send { path, .. } if path == plain), "{sent:?}");
    assert!(ours.set_path_mtu(ChildId(1), 1400));
    assert_eq!(mtu(&ours), 1346);
    assert!(!ours.set_path_mtu(ChildId(2), 1400));
}
