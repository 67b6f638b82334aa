//! Settings that an SA takes over while it stands.

use std::sync::Arc;

use handfast_store::delta::SaDelta;

use crate::child::sa::ChildSa;
use crate::context::Context;
use crate::policy::{ChildPolicy, Connection};
use crate::v2::auth_initiator::AuthSent;
use crate::v2::established::Established;
use crate::v2::fragments;
use crate::v2::state::{Sa, State, record};

impl State {
    /// Obeys a connection that differs from its own in nothing that was negotiated.
    pub fn take_settings(&mut self, sa: &Sa, cx: &mut Context, now: &Arc<Connection>) {
        match self {
            Self::MakingKey(s) => s.connection = now.clone(),
            Self::InitSent(s) => s.connection = now.clone(),
            Self::Agreeing(s) => s.connection = now.clone(),
            Self::Signing(s) => s.from.connection = now.clone(),
            Self::AuthSent(s) => s.take_settings(now),
            Self::JudgingResponder(s) => s.sent.take_settings(now),
            Self::Installing(s) => s.take_settings(sa, cx, now),
            Self::Established(s) => s.take_settings(sa, cx, now),
            // These ask the policy when they need it.
            Self::Responding(_)
            | Self::HalfOpen(_)
            | Self::JudgingInitiator(_)
            | Self::Granting(_)
            | Self::Reserved
            | Self::Gone(_) => {}
        }
    }
}

impl AuthSent {
    fn take_settings(&mut self, now: &Arc<Connection>) {
        if let Some(child) = same(now, &self.asked.policy) {
            self.asked.policy = child;
        }
        self.connection = now.clone();
    }
}

impl Established {
    /// Our messages are to be no larger than its connection says.
    pub fn apply_fragment_size(&mut self, sa: &Sa) {
        if let Some(size) = self.parties.connection.fragment_size {
            let largest = fragments::largest(size, sa.path.remote.is_ipv6());
            self.channel.set_largest(largest);
        }
    }

    pub fn take_settings(&mut self, sa: &Sa, cx: &mut Context, now: &Arc<Connection>) {
        let before = std::mem::replace(&mut self.parties.connection, now.clone());
        self.apply_fragment_size(sa);
        if before.keepalive != now.keepalive {
            self.keepalive_due = cx.now + now.keepalive;
        }
        if before.rekey != now.rekey && !self.succession.over && !self.is_replacing_ike() {
            self.ike_rekey_at = cx.rekey_at(now.rekey);
            self.record(sa, cx);
        }
        if before.lifetime != now.lifetime {
            self.ike_expires_at = cx.expires_at(now.lifetime);
        }
        self.renumber_further(&before);
        for child in &mut self.children {
            if child.take_settings(cx, now) && !child.replaced {
                record(cx, SaDelta::Child(child.facts(sa.id, "installed")));
            }
        }
    }
}

impl ChildSa {
    /// Returns whether it is to be replaced at another time than before, counted from now.
    pub fn take_settings(&mut self, cx: &mut Context, now: &Connection) -> bool {
        let Some(policy) = same(now, &self.policy) else {
            return false;
        };
        let before = std::mem::replace(&mut self.policy, policy);
        if before.lifetime != self.policy.lifetime {
            self.expires_at = cx.expires_at(self.policy.lifetime);
        }
        if self.replaced || before.rekey == self.policy.rekey {
            return false;
        }
        self.rekey_at = cx.rekey_at(self.policy.rekey);
        true
    }
}

fn same(connection: &Connection, child: &ChildPolicy) -> Option<Arc<ChildPolicy>> {
    connection.children.iter().find(|c| c.name == child.name).cloned()
}
