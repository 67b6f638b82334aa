//! A child SA: a pair of ESP SAs agreed under an IKE SA.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use handfast_crypto::proposal::EspSuite;
use handfast_crypto::provider::{CryptoError, PrfAlgorithm, Provider};
use handfast_crypto::schedule::v2::child_keys;
use handfast_crypto::secret::Secret;
use handfast_plane::op::{ChildId, Limits, Mode, OuterPath, SaInstall, SaKeys};
use handfast_store::delta::{ChildFacts, SaId};
use handfast_wire::selector::TrafficSelector;

use crate::child::selectors::describe;
use crate::event::{Event, KeyLog};
use crate::policy::ChildPolicy;
use crate::sa::micros;
use crate::time::Instant;

/// A child SA whose keys exist.
#[derive(Clone, Debug)]
pub(crate) struct ChildSa {
    pub id: ChildId,
    pub policy: Arc<ChildPolicy>,
    pub spi_in: u32,
    pub spi_out: u32,
    pub mode: Mode,
    pub suite: EspSuite,
    pub local_ts: Vec<TrafficSelector>,
    pub remote_ts: Vec<TrafficSelector>,
    pub path: OuterPath,
    /// Packets received at the last liveness check.
    pub seen_in: u64,
    /// A newer one has taken its place; it waits to be deleted.
    pub replaced: bool,
    /// When we replace it, unless the peer does.
    pub rekey_at: Option<Instant>,
    /// It has carried most of what it may.
    pub used_up: bool,
    /// When it may be used no longer.
    pub expires_at: Option<Instant>,
    /// What it may carry.
    pub limits: Limits,
    /// How long the exchange took that made it alone: a quick mode of IKEv1, CREATE_CHILD_SA of IKEv2.
    pub took: Option<Duration>,
}

/// Keys of both directions, as this side uses them.
#[derive(Clone, Debug)]
pub(crate) struct DirectedKeys {
    pub inbound: SaKeys,
    pub outbound: SaKeys,
}

/// What the key schedule needs.
pub(crate) struct KeyInput<'a> {
    pub provider: &'static Provider,
    pub prf: &'static dyn PrfAlgorithm,
    pub sk_d: &'a Secret,
    pub ni: &'a [u8],
    pub nr: &'a [u8],
    pub shared: Option<&'a Secret>,
    /// Whether we sent Ni.
    pub initiator: bool,
}

/// KEYMAT of a child (RFC 7296 section 2.17): the initiator of the exchange sends with the first half.
pub(crate) fn derive(input: &KeyInput<'_>, suite: &EspSuite) -> Result<DirectedKeys, CryptoError> {
    let protect = input
        .provider
        .protect(suite.encr, suite.integ)
        .ok_or(CryptoError::Unsupported)?;
    let keys = child_keys(input.prf, protect, input.sk_d, input.shared, input.ni, input.nr)?;
    let first = SaKeys {
        encr: keys.encr_i,
        integ: keys.integ_i,
    };
    let second = SaKeys {
        encr: keys.encr_r,
        integ: keys.integ_r,
    };
    Ok(if input.initiator {
        DirectedKeys {
            outbound: first,
            inbound: second,
        }
    } else {
        DirectedKeys {
            inbound: first,
            outbound: second,
        }
    })
}

impl ChildSa {
    pub fn inbound(&self, keys: &DirectedKeys) -> SaInstall {
        self.install(self.spi_in, keys.inbound.clone())
    }

    pub fn outbound(&self, keys: &DirectedKeys) -> SaInstall {
        self.install(self.spi_out, keys.outbound.clone())
    }

    fn install(&self, spi: u32, keys: SaKeys) -> SaInstall {
        SaInstall {
            child: self.id,
            name: self.policy.name.clone(),
            spi,
            path: self.path,
            mode: self.mode,
            suite: self.suite,
            keys,
            local_ts: self.local_ts.clone(),
            remote_ts: self.remote_ts.clone(),
            limits: self.limits,
        }
    }

    /// For people: it carries traffic.
    pub fn established_event(&self, sa: SaId) -> Event {
        Event::ChildEstablished {
            sa,
            child: self.id,
            name: self.policy.name.clone(),
            spi_in: self.spi_in,
            spi_out: self.spi_out,
            mode: self.mode,
            suite: self.suite,
            local_ts: self.local_ts.clone(),
            remote_ts: self.remote_ts.clone(),
            path: self.path,
            took: self.took,
        }
    }

    pub fn facts(&self, ike: SaId, state: &str) -> ChildFacts {
        ChildFacts {
            id: self.id.0,
            ike,
            name: self.policy.name.clone(),
            mode: match self.mode {
                Mode::Tunnel => "tunnel".into(),
                Mode::Transport => "transport".into(),
            },
            state: state.into(),
            spi_in: format!("{:08x}", self.spi_in),
            spi_out: format!("{:08x}", self.spi_out),
            proposal: self.suite.to_string(),
            local_ts: describe(&self.local_ts),
            remote_ts: describe(&self.remote_ts),
            rekey_ms: self.rekey_at.map(Instant::as_millis),
            took_us: self.took.map(micros),
        }
    }

    pub fn key_log(&self, keys: &DirectedKeys) -> [KeyLog; 2] {
        let entry = |source: IpAddr, destination: IpAddr, spi, keys: &SaKeys| KeyLog::Esp {
            source,
            destination,
            spi,
            suite: self.suite,
            encr: keys.encr.clone(),
            integ: keys.integ.clone(),
        };
        let (local, remote) = (self.path.local, self.path.remote);
        [
            entry(remote, local, self.spi_in, &keys.inbound),
            entry(local, remote, self.spi_out, &keys.outbound),
        ]
    }
}
