//! The NAT before the peer has a new mapping (RFC 7296 section 2.23): the IKE SA and its children follow.

use std::net::SocketAddr;

use handfast_plane::op::{ChildId, PlaneOp};

use crate::context::{Asker, Context};
use crate::output::Question;
use crate::v2::established::Established;
use crate::v2::state::Sa;

impl Established {
    /// An IKE message of the peer's is authentic and new.
    pub fn follow_path(&mut self, sa: &mut Sa, cx: &mut Context) {
        if sa.follow(cx) {
            self.take_path(sa, cx);
        }
    }

    /// An ESP packet of the peer's, authentic and the newest, came from there.
    pub fn on_esp_moved(&mut self, sa: &mut Sa, cx: &mut Context, child: ChildId, from: SocketAddr) {
        sa.see((sa.path.local, from));
        if sa.follow(cx) {
            self.take_path(sa, cx);
            return;
        }
        // The SA has moved already, and this child was made before: it hears of it now.
        let path = sa.path.outer(cx.policy.ports);
        if sa.path.remote == from {
            cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::UpdatePath(child, path)));
        }
    }

    fn take_path(&mut self, sa: &Sa, cx: &mut Context) {
        let path = sa.path.outer(cx.policy.ports);
        for child in &mut self.children {
            child.path = path;
            cx.ask(Asker::Sa(sa.slot), Question::Plane(PlaneOp::UpdatePath(child.id, path)));
        }
        for (.., outbound) in &mut self.held {
            outbound.path = path;
        }
        self.record(sa, cx);
    }
}
