//! A plane that carries nothing.

use std::collections::BTreeMap;

use crate::Plane;
use crate::op::{ChildId, Counters, PlaneEvent, PlaneOp, PlaneReply, SaInstall};

/// Accepts everything and remembers what is installed: for tests, and for use of the key exchange alone.
#[derive(Clone, Default, Debug)]
pub struct NullPlane {
    children: BTreeMap<ChildId, Installed>,
}

/// What is installed for one child.
#[derive(Clone, Default, Debug)]
pub struct Installed {
    /// The inbound SA.
    pub inbound: Option<SaInstall>,
    /// The outbound SA.
    pub outbound: Option<SaInstall>,
}

impl NullPlane {
    /// With nothing installed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every child of which something is installed.
    pub fn children(&self) -> impl Iterator<Item = (ChildId, &Installed)> {
        self.children.iter().map(|(&child, installed)| (child, installed))
    }

    /// What is installed for one child.
    pub fn child(&self, child: ChildId) -> Option<&Installed> {
        self.children.get(&child)
    }

    fn install(&mut self, child: ChildId, put: impl FnOnce(&mut Installed)) {
        put(self.children.entry(child).or_default());
    }

    fn remove(&mut self, child: ChildId, take: impl FnOnce(&mut Installed)) {
        if let Some(installed) = self.children.get_mut(&child) {
            take(installed);
            if installed.inbound.is_none() && installed.outbound.is_none() {
                self.children.remove(&child);
            }
        }
    }
}

impl Plane for NullPlane {
    fn apply(&mut self, op: PlaneOp) -> PlaneReply {
        match op {
            PlaneOp::InstallInbound(sa) => self.install(sa.child, |installed| installed.inbound = Some(sa)),
            PlaneOp::InstallOutbound(sa) => self.install(sa.child, |installed| installed.outbound = Some(sa)),
            PlaneOp::RemoveInbound(child) => self.remove(child, |installed| installed.inbound = None),
            PlaneOp::RemoveOutbound(child) => self.remove(child, |installed| installed.outbound = None),
            PlaneOp::UpdatePath(child, path) => {
                if let Some(installed) = self.children.get_mut(&child) {
                    for sa in [&mut installed.inbound, &mut installed.outbound].into_iter().flatten() {
                        sa.path = path;
                    }
                }
            }
            PlaneOp::Expect(_) | PlaneOp::Unexpect(_) => {}
            PlaneOp::Query(_) => return PlaneReply::Counters(Counters::default()),
        }
        PlaneReply::Done
    }

    fn poll_event(&mut self) -> Option<PlaneEvent> {
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::test_sa::{pair, path};

    #[test]
    fn it_remembers_what_is_installed_and_forgets_what_is_removed() {
        let mut plane = NullPlane::new();
        let (inbound, outbound) = pair(7);
        assert_eq!(plane.apply(PlaneOp::InstallInbound(inbound)), PlaneReply::Done);
        assert!(plane.child(ChildId(7)).unwrap().outbound.is_none());
        assert_eq!(plane.apply(PlaneOp::InstallOutbound(outbound)), PlaneReply::Done);
        assert_eq!(plane.apply(PlaneOp::UpdatePath(ChildId(7), path(9))), PlaneReply::Done);
        let installed = plane.child(ChildId(7)).unwrap();
        assert_eq!(installed.inbound.as_ref().unwrap().path, path(9));
        assert_eq!(installed.outbound.as_ref().unwrap().path, path(9));

        plane.apply(PlaneOp::RemoveInbound(ChildId(7)));
        assert!(plane.child(ChildId(7)).unwrap().inbound.is_none());
        plane.apply(PlaneOp::RemoveOutbound(ChildId(7)));
        assert_eq!(plane.children().count(), 0);
    }
}
