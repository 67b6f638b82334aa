//! One IKE SA in its slot: its state, and what runs it.

use std::net::SocketAddr;
use std::sync::Arc;

use handfast_store::delta::SaId;

use crate::context::Context;
use crate::endpoint::index::Filed;
use crate::endpoint::machine::Machine;
use crate::policy::Connection;
use crate::sa::{Next, Sa};
use crate::v1::fragment::Reassembly;

pub(crate) struct IkeSa {
    pub sa: Sa,
    /// The random part of our SPI.
    pub tag: u32,
    pub state: Machine,
    /// The connection once known, kept to the end.
    pub connection: Option<Arc<Connection>>,
    /// Where the first message came from.
    pub first_from: SocketAddr,
    /// The peer said that it knows no other SA: these go once this one carries traffic.
    pub older: Option<Box<Older>>,
    /// Fragments of an IKEv1 message.
    pub reassembly: Reassembly,
    /// Places kept for successors.
    pub reserved: Vec<(usize, SaId)>,
    /// What it is found by.
    pub filed: Filed,
}

/// Which SAs a peer that began anew has forgotten.
pub(crate) struct Older {
    pub connection: String,
    pub peer: String,
}

impl IkeSa {
    pub fn new(sa: Sa, tag: u32) -> Self {
        let first_from = sa.path.remote;
        Self {
            sa,
            tag,
            state: Machine::gone("not begun"),
            connection: None,
            first_from,
            older: None,
            reassembly: Reassembly::default(),
            reserved: vec![],
            filed: Filed::default(),
        }
    }

    /// Replaces the state by what `run` makes of it, and reports a refusal.
    pub fn step(&mut self, cx: &mut Context, run: impl FnOnce(Machine, &mut Sa, &mut Context) -> Next<Machine>) {
        let state = std::mem::replace(&mut self.state, Machine::gone("interrupted"));
        let outcome = run(state, &mut self.sa, cx);
        let (state, refusal) = match outcome {
            Ok(state) => (state, None),
            Err(both) => (both.0, Some(both.1)),
        };
        self.state = state;
        if let Some(connection) = self.state.connection()
            && self
                .connection
                .as_ref()
                .is_none_or(|known| !Arc::ptr_eq(known, connection))
        {
            self.connection = Some(connection.clone());
        }
        if let Some(refusal) = refusal {
            let name = self.name().map(str::to_owned);
            cx.refused(Some(self.sa.id), name, self.sa.path.remote, refusal);
        }
    }

    /// The connection's name, once it is known.
    pub fn name(&self) -> Option<&str> {
        self.connection.as_ref().map(|connection| connection.name.as_str())
    }

    /// Why it has ended, if it has.
    pub fn ended(&self) -> Option<String> {
        self.state.ended()
    }
}
