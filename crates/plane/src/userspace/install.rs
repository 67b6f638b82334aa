//! Installing and removing SAs.

use handfast_esp::{Cipher, InboundSa, OutboundSa};

use handfast_wire::selector::TrafficSelector;

use super::child::Child;
use super::meter::Meter;
use super::{RouteChange, UserspacePlane};
use crate::op::{ChildId, Mode, OuterPath, SaInstall};

/// Why something was not done, for people.
type Reason = String;

pub(super) fn no_such(child: ChildId) -> Reason {
    format!("child {} is not installed", child.0)
}

impl UserspacePlane {
    pub(super) fn install_inbound(&mut self, install: SaInstall) -> Result<(), Reason> {
        let cipher = self.check(&install)?;
        let (spi, esn) = (install.spi, install.suite.esn);
        let meter = Meter::new(install.limits, install.suite.encr);
        if self.spis.contains_key(&spi) {
            return Err(format!("SPI {spi:08x} is in use"));
        }
        if self
            .child_mut(install.child)
            .is_some_and(|child| child.inbound.is_some())
        {
            return Err(format!("child {} has an inbound SA already", install.child.0));
        }
        let (slot, child) = self.slot(install);
        child.set_inbound(InboundSa::new(spi, cipher, esn), meter);
        self.spis.insert(spi, slot);
        self.early.release(spi);
        Ok(())
    }

    pub(super) fn install_outbound(&mut self, install: SaInstall) -> Result<(), Reason> {
        let cipher = self.check(&install)?;
        let (spi, esn) = (install.spi, install.suite.esn);
        let meter = Meter::new(install.limits, install.suite.encr);
        // Never a second time: the same key would begin again at sequence number 1, and an AEAD's nonces repeat.
        if self
            .child_mut(install.child)
            .is_some_and(|child| child.outbound.is_some())
        {
            return Err(format!("child {} has an outbound SA already", install.child.0));
        }
        let id = install.child;
        let (slot, _) = self.slot(install);
        if let Some(Some(child)) = self.children.get_mut(slot) {
            let install = self.policy.insert(slot, &child.remote_ts);
            child.set_outbound(OutboundSa::new(spi, cipher, esn), meter, install);
            self.mtus.add(child.inner_mtu());
        }
        self.changed(RouteChange::Installed(id));
        Ok(())
    }

    /// What is not installed need not be removed.
    pub(super) fn remove_inbound(&mut self, child: ChildId) {
        let removed = self.child_mut(child).and_then(|child| child.inbound.take());
        if let Some(receiver) = removed {
            self.spis.remove(&receiver.sa.spi());
            self.forget_if_empty(child);
        }
    }

    /// New packets go with the next SA that selects them.
    pub(super) fn remove_outbound(&mut self, child: ChildId) {
        let Some(slot) = self.slots.get(&child) else { return };
        let Some(Some(held)) = self.children.get_mut(*slot) else {
            return;
        };
        if let Some(sender) = held.outbound.take() {
            self.mtus.remove(sender.inner_mtu);
            self.policy.remove(sender.install, &held.remote_ts);
            let (local, remote) = (held.local_ts.clone(), held.remote_ts.clone());
            self.changed(RouteChange::Removed { local, remote });
            self.forget_if_empty(child);
        }
    }

    pub(super) fn update_path(&mut self, child: ChildId, path: OuterPath) -> Result<(), Reason> {
        check_path(&path)?;
        let child = self.child_mut(child).ok_or_else(|| no_such(child))?;
        let ends = |path: &OuterPath| (path.local, path.remote);
        if child.mode == Mode::Transport && ends(&child.path) != ends(&path) {
            return Err("the addresses of transport mode are those that were agreed: it cannot move".into());
        }
        let id = child.id;
        self.with_mtu(id, |child| child.set_path(path));
        self.changed(RouteChange::Moved(id));
        Ok(())
    }

    /// The cipher, if everything asked for can be done here.
    fn check(&self, install: &SaInstall) -> Result<Cipher, Reason> {
        if install.mode == Mode::Transport {
            check_transport(install)?;
        }
        // 0 is for local use, 1 to 255 are reserved (RFC 4303 section 2.1).
        if install.spi < 256 {
            return Err(format!("SPI {:08x} is reserved", install.spi));
        }
        if install.local_ts.is_empty() || install.remote_ts.is_empty() {
            return Err("there are no selectors".into());
        }
        check_path(&install.path)?;
        let suite = &install.suite;
        let algorithm = self.provider.protect(suite.encr, suite.integ);
        let algorithm = algorithm.ok_or_else(|| format!("{suite} is not implemented by {}", self.provider.name))?;
        let keys = &install.keys;
        Cipher::new(algorithm, keys.encr.as_bytes(), keys.integ.as_bytes()).map_err(|e| format!("keys: {e}"))
    }

    /// Changes a child in what its MTU follows from.
    pub(super) fn with_mtu(&mut self, child: ChildId, change: impl FnOnce(&mut Child)) -> bool {
        let Some(slot) = self.slots.get(&child) else {
            return false;
        };
        let Some(Some(child)) = self.children.get_mut(*slot) else {
            return false;
        };
        self.mtus.remove(child.inner_mtu());
        change(child);
        self.mtus.add(child.inner_mtu());
        true
    }

    /// The slot of the child that an SA belongs to, made if this is its first.
    fn slot(&mut self, install: SaInstall) -> (usize, &mut Child) {
        let id = install.child;
        let slot = self.slots.get(&id).copied().unwrap_or_else(|| {
            self.free.pop().unwrap_or_else(|| {
                self.children.push(None);
                self.children.len() - 1
            })
        });
        self.slots.insert(id, slot);
        (slot, self.children[slot].get_or_insert_with(|| Child::new(install)))
    }

    fn forget_if_empty(&mut self, child: ChildId) {
        if self.child_mut(child).is_some_and(|child| child.is_empty())
            && let Some(slot) = self.slots.remove(&child)
            && let Some(place) = self.children.get_mut(slot)
        {
            *place = None;
            self.free.push(slot);
        }
    }
}

fn check_path(path: &OuterPath) -> Result<(), Reason> {
    if path.local.is_ipv4() != path.remote.is_ipv4() {
        return Err(format!("{} and {} are of two families", path.local, path.remote));
    }
    Ok(())
}

/// Transport mode is between two addresses: its packets have no others.
fn check_transport(install: &SaInstall) -> Result<(), Reason> {
    let only = |list: &[TrafficSelector], address| list.iter().all(|ts| (ts.start, ts.end) == (address, address));
    let path = &install.path;
    if only(&install.local_ts, path.local) && only(&install.remote_ts, path.remote) {
        return Ok(());
    }
    Err(format!(
        "transport mode carries packets between {} and {} only",
        path.local, path.remote
    ))
}
