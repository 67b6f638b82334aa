//! A child that we ask the peer for: our payloads, and its answer checked against them (RFC 7296 sections 1.2, 1.3.1).

use std::sync::Arc;

use handfast_crypto::transform::Group;
use handfast_plane::op::Mode;
use handfast_wire::header::PayloadType;
use handfast_wire::numbers::NotifyType;
use handfast_wire::selector::TrafficSelector;
use handfast_wire::v2::{PayloadChain, sa, ts};

use crate::child::sa::ChildSa;
use crate::child::selectors;
use crate::context::Context;
use crate::negotiate;
use crate::path::Path;
use crate::policy::ChildPolicy;
use crate::refusal::{Cause, Party, Refusal, ends, listed};
use crate::v2::auth::child_cause;
use crate::v2::child_choice::through_nat;
use crate::v2::message::{Parsed, push_notify};
use crate::v2::state::Sa;

/// What we ask for.
pub(crate) struct Asked {
    pub policy: Arc<ChildPolicy>,
    spi_in: u32,
    ts_i: Vec<TrafficSelector>,
    ts_r: Vec<TrafficSelector>,
    mode: Mode,
}

impl Asked {
    /// A child as its policy says. Refused where transport mode, and nothing else, is wanted through a NAT.
    pub fn new(policy: Arc<ChildPolicy>, path: &Path, cx: &mut Context) -> Result<Self, Refusal> {
        let nat = path.nat_local || path.nat_remote;
        let mode = match policy.mode {
            Mode::Transport if !nat => Mode::Transport,
            Mode::Transport if !policy.or_tunnel => {
                return Err(Refusal::new(Party::Us, through_nat()).look_at(&policy.place));
            }
            _ => Mode::Tunnel,
        };
        let (here, there) = (path.local.ip(), path.remote.ip());
        let mut ts_i = selectors::resolve(&policy.local_ts, here);
        let mut ts_r = selectors::resolve(&policy.remote_ts, there);
        if mode == Mode::Transport {
            (ts_i, ts_r) = (selectors::of_host(&ts_i, here), selectors::of_host(&ts_r, there));
            if ts_i.is_empty() || ts_r.is_empty() {
                let cause = Cause::Mode(format!(
                    "transport mode is between {here} and {there}, and the subnets are others"
                ));
                return Err(Refusal::new(Party::Us, cause).look_at(&policy.place));
            }
        }
        Ok(Self {
            policy,
            spi_in: cx.rng.esp_spi(),
            ts_i,
            ts_r,
            mode,
        })
    }

    /// A child in place of another.
    pub fn like(old: &ChildSa, cx: &mut Context) -> Self {
        Self {
            policy: old.policy.clone(),
            spi_in: cx.rng.esp_spi(),
            ts_i: old.local_ts.clone(),
            ts_r: old.remote_ts.clone(),
            mode: old.mode,
        }
    }

    /// The SPI that we would receive on.
    pub fn spi_in(&self) -> u32 {
        self.spi_in
    }

    /// Appends the notifies that come before the SA payload.
    pub fn push_notifies(&self, chain: &mut PayloadChain) {
        if self.mode == Mode::Transport {
            push_notify(chain, NotifyType::USE_TRANSPORT_MODE, &[]);
        }
        push_notify(chain, NotifyType::ESP_TFC_PADDING_NOT_SUPPORTED, &[]);
    }

    /// Appends the SA payload; with groups where the exchange has a KE payload.
    pub fn push_sa(&self, chain: &mut PayloadChain, with_groups: bool) {
        let offers = negotiate::esp_defs(&self.policy.esp, self.spi_in, with_groups);
        chain.push_raw(PayloadType::SA, false, &sa::encode(&offers));
    }

    /// Appends TSi and TSr.
    pub fn push_ts(&self, chain: &mut PayloadChain) {
        chain.push_raw(PayloadType::TSI, false, &ts::encode(&self.ts_i));
        chain.push_raw(PayloadType::TSR, false, &ts::encode(&self.ts_r));
    }

    /// What the peer's error notify means for its owner.
    pub fn told(&self, notify: NotifyType) -> Refusal {
        let refusal = Refusal::told(notify, child_cause(notify));
        let place = &self.policy.place;
        match notify {
            NotifyType::TS_UNACCEPTABLE | NotifyType::SINGLE_PAIR_REQUIRED => refusal
                .offered(vec![ends(&self.ts_i, &self.ts_r)])
                .look_at(place.of(&["local_subnet", "remote_subnet"])),
            _ => refusal
                .offered(listed(&self.policy.esp, ToString::to_string))
                .look_at(place.of(&["esp"])),
        }
    }

    /// The child that the peer grants. `group`: that of our KE payload.
    pub fn accept(
        &self,
        sa: &Sa,
        cx: &mut Context,
        parsed: &Parsed<'_>,
        group: Option<Group>,
    ) -> Result<ChildSa, Refusal> {
        let us = |cause| Refusal::new(Party::Us, cause).look_at(&self.policy.place);
        let offers = parsed
            .sa()
            .and_then(|s| negotiate::read(&s).map_err(|e| Cause::Syntax(e.to_string())))
            .map_err(us)?;
        let choice = negotiate::accept_esp(&offers, &self.policy.esp, group).ok_or_else(|| {
            us(Cause::NoChildProposal)
                .offered(negotiate::describe(&offers))
                .acceptable(listed(&self.policy.esp, ToString::to_string))
                .look_at(self.policy.place.of(&["esp"]))
        })?;
        let (ts_i, ts_r) = (parsed.ts_i().map_err(us)?, parsed.ts_r().map_err(us)?);
        // The responder may only narrow (section 2.9).
        if !selectors::within(&ts_i, &self.ts_i) || !selectors::within(&ts_r, &self.ts_r) {
            return Err(us(Cause::Selectors)
                .offered(vec![ends(&ts_i, &ts_r)])
                .acceptable(vec![ends(&self.ts_i, &self.ts_r)])
                .look_at(self.policy.place.of(&["local_subnet", "remote_subnet"])));
        }
        let spi_out = <[u8; 4]>::try_from(choice.spi.as_slice()).map(u32::from_be_bytes);
        Ok(ChildSa {
            id: cx.child_id(),
            policy: self.policy.clone(),
            spi_in: self.spi_in,
            spi_out: spi_out.map_err(|_| us(Cause::Syntax("ESP SPI is not of 4 octets".into())))?,
            mode: self.accept_mode(parsed)?,
            suite: choice.suite,
            local_ts: ts_i,
            remote_ts: ts_r,
            path: sa.path.outer(cx.policy.ports),
            seen_in: 0,
            replaced: false,
            rekey_at: cx.rekey_at(self.policy.rekey),
            used_up: false,
            expires_at: cx.expires_at(self.policy.lifetime),
            limits: cx.limits(self.policy.limits),
            took: None,
        })
    }

    /// The peer's silence about transport mode means a tunnel (section 1.3.1).
    fn accept_mode(&self, parsed: &Parsed<'_>) -> Result<Mode, Refusal> {
        let transport = parsed.notify(NotifyType::USE_TRANSPORT_MODE).is_some();
        let why = match (self.mode, transport) {
            (Mode::Transport, true) => return Ok(Mode::Transport),
            (Mode::Tunnel, false) => return Ok(Mode::Tunnel),
            (Mode::Transport, false) if self.policy.or_tunnel => return Ok(Mode::Tunnel),
            (Mode::Transport, false) => "the peer grants a tunnel, and only transport mode is configured",
            (Mode::Tunnel, true) => "the peer answers with transport mode, which was not asked for",
        };
        let name = |transport| vec![if transport { "transport mode" } else { "tunnel mode" }.to_string()];
        Err(Refusal::new(Party::Us, Cause::Mode(why.into()))
            .offered(name(transport))
            .acceptable(name(!transport))
            .look_at(self.policy.place.of(&["mode"])))
    }
}
