//! Which child a peer's request for one gets: selectors narrowed, mode and algorithms chosen (RFC 7296 section 2.9).

use std::net::IpAddr;
use std::sync::Arc;

use handfast_crypto::proposal::EspSuite;
use handfast_plane::op::{Mode, OuterPath};
use handfast_wire::numbers::NotifyType;
use handfast_wire::selector::TrafficSelector;
use handfast_wire::v2::PayloadChain;

use crate::child::sa::ChildSa;
use crate::child::selectors;
use crate::context::Context;
use crate::negotiate::{self, Choice, Offer};
use crate::path::Path;
use crate::policy::ChildPolicy;
use crate::refusal::{Cause, Party, Refusal, ends, listed};
use crate::v2::message::{Parsed, push_notify};

/// What the peer asks for.
pub(crate) struct Request {
    pub offers: Vec<Offer>,
    ts_i: Vec<TrafficSelector>,
    ts_r: Vec<TrafficSelector>,
    transport: bool,
}

/// What it gets.
#[derive(Clone)]
pub(crate) struct Chosen {
    pub policy: Arc<ChildPolicy>,
    pub choice: Choice<EspSuite>,
    pub mode: Mode,
    pub local_ts: Vec<TrafficSelector>,
    pub remote_ts: Vec<TrafficSelector>,
    /// Other selectors that it asked for are possible with another child SA.
    pub more: bool,
}

/// The refusal, and what the peer is told.
pub(crate) type Refused = (Refusal, NotifyType);

/// A policy whose selectors meet the request.
struct Met<'p> {
    policy: &'p Arc<ChildPolicy>,
    local_ts: Vec<TrafficSelector>,
    remote_ts: Vec<TrafficSelector>,
    mode: Mode,
}

impl Request {
    pub fn read(parsed: &Parsed<'_>) -> Result<Self, Cause> {
        let offers = negotiate::read(&parsed.sa()?).map_err(|e| Cause::Syntax(e.to_string()))?;
        let (ts_i, ts_r) = (parsed.ts_i()?, parsed.ts_r()?);
        let transport = parsed.notify(NotifyType::USE_TRANSPORT_MODE).is_some();
        Ok(Self {
            offers,
            ts_i,
            ts_r,
            transport,
        })
    }

    /// The child for this request. `suite` chooses the algorithms by a policy's own.
    pub fn choose(
        &self,
        policies: &[Arc<ChildPolicy>],
        path: &Path,
        suite: impl Fn(&ChildPolicy) -> Option<Choice<EspSuite>>,
    ) -> Result<Chosen, Box<Refused>> {
        let (mut met, mut other) = (vec![], None);
        for policy in policies {
            match self.meet(policy, path) {
                Ok(Some(found)) => met.push(found),
                Ok(None) => {}
                // The first one's reason is told.
                Err(why) => other = other.or(Some(why)),
            }
        }
        // Stable: of equally good ones the first configured.
        met.sort_by_key(|m| std::cmp::Reverse((self.takes_first(m), self.takes_all(m))));
        // Zero is no SPI (RFC 4303 section 2.1).
        let fits = |choice: &Choice<EspSuite>| choice.spi.len() == 4 && choice.spi != [0; 4];
        let found = met
            .iter()
            .enumerate()
            .find_map(|(index, m)| suite(m.policy).filter(fits).map(|choice| (index, choice)));
        let Some((index, choice)) = found else {
            return Err(Box::new(match (met.first(), other) {
                (Some(_), _) => self.no_suite(&met),
                (None, Some(other)) => other,
                (None, None) => self.no_selectors(policies, path),
            }));
        };
        let more = met.iter().any(|m| {
            let inside = |part: &[TrafficSelector], whole: &[TrafficSelector]| selectors::within(part, whole);
            !inside(&m.local_ts, &met[index].local_ts) || !inside(&m.remote_ts, &met[index].remote_ts)
        });
        let single = met[index].policy.single_pair && !self.takes_all(&met[index]);
        let Met {
            policy,
            local_ts,
            remote_ts,
            mode,
        } = met.swap_remove(index);
        Ok(Chosen {
            policy: policy.clone(),
            choice,
            mode,
            local_ts,
            remote_ts,
            more: more || single,
        })
    }

    /// What of the request a policy allows; nothing if the selectors do not meet.
    fn meet<'p>(&self, policy: &'p Arc<ChildPolicy>, path: &Path) -> Result<Option<Met<'p>>, Refused> {
        let (here, there) = (path.local.ip(), path.remote.ip());
        let local = selectors::resolve(&policy.local_ts, here);
        let remote = selectors::resolve(&policy.remote_ts, there);
        let (mut local_ts, mut remote_ts) = (
            selectors::narrow(&local, &self.ts_r),
            selectors::narrow(&remote, &self.ts_i),
        );
        if local_ts.is_empty() || remote_ts.is_empty() {
            return Ok(None);
        }
        let mode = self.mode(policy, path)?;
        if mode == Mode::Transport {
            (local_ts, remote_ts) = (
                selectors::of_host(&local_ts, here),
                selectors::of_host(&remote_ts, there),
            );
            if local_ts.is_empty() || remote_ts.is_empty() {
                return Ok(None);
            }
        }
        if policy.single_pair {
            // The first of each, if it is that of a packet (section 2.9); else the peer is told to ask for less.
            let pair = pair_of(&local_ts, &self.ts_r).zip(pair_of(&remote_ts, &self.ts_i));
            let Some((l, r)) = pair else {
                let refusal = Refusal::new(Party::Us, Cause::Selectors)
                    .offered(vec![self.selectors()])
                    .acceptable(vec!["one address at each end".into()])
                    .look_at(policy.place.of(&["single_pair"]));
                return Err((refusal, NotifyType::SINGLE_PAIR_REQUIRED));
            };
            (local_ts, remote_ts) = (vec![l], vec![r]);
        }
        Ok(Some(Met {
            policy,
            local_ts,
            remote_ts,
            mode,
        }))
    }

    /// Transport mode is only used where both want it; a peer that offers it gets a tunnel by our silence.
    fn mode(&self, policy: &ChildPolicy, path: &Path) -> Result<Mode, Refused> {
        let nat = path.nat_local || path.nat_remote;
        match policy.mode {
            Mode::Transport if self.transport && !nat => return Ok(Mode::Transport),
            Mode::Transport if !policy.or_tunnel => {}
            _ => return Ok(Mode::Tunnel),
        }
        let refusal = if self.transport {
            Refusal::new(Party::Us, through_nat())
        } else {
            Refusal::new(Party::Us, Cause::Mode("the peer asks for a tunnel".into()))
                .offered(vec!["tunnel mode".into()])
                .acceptable(vec!["transport mode".into()])
        };
        Err((
            refusal.look_at(policy.place.of(&["mode"])),
            NotifyType::NO_PROPOSAL_CHOSEN,
        ))
    }

    /// Whether the first selectors, which may be those of the packet that the peer wants to send, are met.
    fn takes_first(&self, met: &Met<'_>) -> bool {
        let meets = |ours: &[TrafficSelector], first: Option<&TrafficSelector>| {
            first.is_some_and(|first| ours.iter().any(|own| own.intersect(first).is_some()))
        };
        meets(&met.local_ts, self.ts_r.first()) && meets(&met.remote_ts, self.ts_i.first())
    }

    fn takes_all(&self, met: &Met<'_>) -> bool {
        selectors::within(&self.ts_r, &met.local_ts) && selectors::within(&self.ts_i, &met.remote_ts)
    }

    fn no_suite(&self, met: &[Met<'_>]) -> Refused {
        let acceptable = listed(met.iter().flat_map(|m| &m.policy.esp), ToString::to_string);
        let mut refusal = Refusal::new(Party::Us, Cause::NoChildProposal)
            .offered(negotiate::describe(&self.offers))
            .acceptable(acceptable);
        if let Some(first) = met.first() {
            refusal = refusal.look_at(first.policy.place.of(&["esp"]));
        }
        (refusal, NotifyType::NO_PROPOSAL_CHOSEN)
    }

    fn no_selectors(&self, policies: &[Arc<ChildPolicy>], path: &Path) -> Refused {
        let local = |policy: &ChildPolicy| selectors::resolve(&policy.local_ts, path.local.ip());
        let acceptable = listed(policies, |policy| {
            ends(&local(policy), &selectors::resolve(&policy.remote_ts, path.remote.ip()))
        });
        let mut refusal = Refusal::new(Party::Us, Cause::Selectors)
            .offered(vec![self.selectors()])
            .acceptable(acceptable);
        // Where our side is right, it is the other one that is not.
        let right = policies
            .iter()
            .find(|policy| !selectors::narrow(&local(policy), &self.ts_r).is_empty());
        if let Some(policy) = right {
            refusal = refusal.look_at(policy.place.of(&["remote_subnet"]));
        } else if let Some(policy) = policies.first() {
            refusal = refusal.look_at(policy.place.of(&["local_subnet"]));
        }
        (refusal, NotifyType::TS_UNACCEPTABLE)
    }

    fn selectors(&self) -> String {
        ends(&self.ts_r, &self.ts_i)
    }
}

impl ChildSa {
    /// A child that the peer asked for.
    pub fn granted(cx: &mut Context, path: OuterPath, chosen: Chosen) -> Self {
        let spi_out = <[u8; 4]>::try_from(chosen.choice.spi.as_slice()).map_or(0, u32::from_be_bytes);
        Self {
            id: cx.child_id(),
            spi_in: cx.rng.esp_spi(),
            spi_out,
            mode: chosen.mode,
            suite: chosen.choice.suite,
            local_ts: chosen.local_ts,
            remote_ts: chosen.remote_ts,
            path,
            seen_in: 0,
            replaced: false,
            rekey_at: cx.rekey_at(chosen.policy.rekey),
            used_up: false,
            expires_at: cx.expires_at(chosen.policy.lifetime),
            limits: cx.limits(chosen.policy.limits),
            took: None,
            policy: chosen.policy,
        }
    }
}

impl Chosen {
    /// Says what is not in the other payloads of our answer.
    pub fn push_notifies(&self, chain: &mut PayloadChain) {
        if self.mode == Mode::Transport {
            push_notify(chain, NotifyType::USE_TRANSPORT_MODE, &[]);
        }
        if self.more {
            push_notify(chain, NotifyType::ADDITIONAL_TS_POSSIBLE, &[]);
        }
    }
}

/// Why there is no transport mode between these addresses.
pub(crate) fn through_nat() -> Cause {
    Cause::Mode(
        "transport mode does not pass a NAT (nor `udp_encapsulation = \"always\"`, which looks like one): its packets \
         would have other addresses than were agreed; use mode = \"tunnel\""
            .into(),
    )
}

/// The peer's first selector of one address, narrowed to ours.
fn pair_of(ours: &[TrafficSelector], theirs: &[TrafficSelector]) -> Option<TrafficSelector> {
    let single = |ts: &TrafficSelector| -> Option<IpAddr> { (ts.start == ts.end).then_some(ts.start) };
    let first = theirs.first().filter(|first| single(first).is_some())?;
    ours.iter().find_map(|own| own.intersect(first))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn path() -> Path {
        Path::new("192.0.2.1:500".parse().unwrap(), "192.0.2.2:500".parse().unwrap())
    }

    fn request(here: &[&str], there: &[&str], transport: bool) -> Request {
        let ts = |list: &[&str]| list.iter().map(|t| t.parse().unwrap()).collect();
        Request {
            offers: vec![],
            ts_i: ts(there),
            ts_r: ts(here),
            transport,
        }
    }

    fn policy(here: &[&str], there: &[&str], mode: Mode) -> ChildPolicy {
        let ts = |list: &[&str]| list.iter().map(|t| t.parse().unwrap()).collect();
        ChildPolicy {
            name: format!("{} {}", here.join(","), there.join(",")),
            place: "t.toml:1".into(),
            mode,
            or_tunnel: false,
            local_ts: ts(here),
            remote_ts: ts(there),
            single_pair: false,
            esp: vec!["aes128gcm16".parse().unwrap()],
            rekey: Duration::ZERO,
            lifetime: Duration::ZERO,
            limits: handfast_plane::op::Limits::NONE,
        }
    }

    fn any_suite(_: &ChildPolicy) -> Option<Choice<EspSuite>> {
        let proposal: handfast_crypto::proposal::EspProposal = "aes128gcm16".parse().unwrap();
        let suite = EspSuite {
            encr: proposal.encr[0],
            integ: None,
            group: None,
            esn: false,
        };
        Some(Choice {
            number: 1,
            spi: vec![0, 0, 1, 1],
            suite,
        })
    }

    fn choose(request: &Request, policies: Vec<ChildPolicy>) -> Result<Chosen, NotifyType> {
        let policies: Vec<_> = policies.into_iter().map(Arc::new).collect();
        request
            .choose(&policies, &path(), any_suite)
            .map_err(|refused| refused.1)
    }

    const TUNNEL: Mode = Mode::Tunnel;

    #[test]
    fn the_child_that_takes_the_first_selectors_is_preferred() {
        let both = || {
            vec![
                policy(&["10.1.0.0/16"], &["10.2.0.0/16"], TUNNEL),
                policy(&["10.1.0.0/16"], &["10.3.0.0/16"], TUNNEL),
            ]
        };
        // A packet from 10.3.0.7 is what the peer wants to send (RFC 7296 section 2.9).
        let wish = request(
            &["10.1.0.1[tcp/443]", "10.1.0.0/16"],
            &["10.3.0.7[tcp/40000]", "10.2.0.0/15"],
            false,
        );
        let chosen = choose(&wish, both()).unwrap();
        assert_eq!(chosen.policy.remote_ts[0].to_string(), "10.3.0.0/16");
        assert_eq!(selectors::describe(&chosen.remote_ts), ["10.3.0.0/16"]);
        assert!(chosen.more, "the other child is possible too");
        // All of it fits the second only.
        let wish = request(&["10.1.0.0/16"], &["10.3.0.0/16"], false);
        let chosen = choose(&wish, both()).unwrap();
        assert_eq!(chosen.policy.remote_ts[0].to_string(), "10.3.0.0/16");
        assert!(!chosen.more);
    }

    #[test]
    fn one_pair_of_addresses_where_the_policy_says_so() {
        let one = || {
            let mut one = policy(&["10.1.0.0/16"], &["10.2.0.0/16"], TUNNEL);
            one.single_pair = true;
            vec![one]
        };
        let wide = request(&["10.1.0.0/16"], &["10.2.0.0/16"], false);
        assert_eq!(choose(&wide, one()).err(), Some(NotifyType::SINGLE_PAIR_REQUIRED));
        let packet = request(
            &["10.1.0.1[tcp/443]", "10.1.0.0/16"],
            &["10.2.0.7[tcp]", "10.2.0.0/16"],
            false,
        );
        let chosen = choose(&packet, one()).unwrap();
        assert_eq!(selectors::describe(&chosen.local_ts), ["10.1.0.1/32[tcp/443]"]);
        assert_eq!(selectors::describe(&chosen.remote_ts), ["10.2.0.7/32[tcp]"]);
        assert!(chosen.more);
        let exact = request(&["10.1.0.1"], &["10.2.0.7"], false);
        assert!(!choose(&exact, one()).unwrap().more);
    }

    #[test]
    fn transport_mode_where_both_want_it() {
        let transport = |or_tunnel| {
            let mut policy = policy(&["[tcp/443]"], &[], Mode::Transport);
            policy.or_tunnel = or_tunnel;
            vec![policy]
        };
        let (wants, tunnel) = (
            request(&["192.0.2.1[tcp]"], &["192.0.2.2"], true),
            request(&["192.0.2.1[tcp]"], &["192.0.2.2"], false),
        );
        let chosen = choose(&wants, transport(false)).unwrap();
        assert_eq!(chosen.mode, Mode::Transport);
        assert_eq!(selectors::describe(&chosen.local_ts), ["192.0.2.1/32[tcp/443]"]);
        assert_eq!(
            choose(&tunnel, transport(false)).err(),
            Some(NotifyType::NO_PROPOSAL_CHOSEN)
        );
        assert_eq!(choose(&tunnel, transport(true)).unwrap().mode, TUNNEL);
        // We want a tunnel: no notify says so.
        let ours = vec![policy(&[], &[], TUNNEL)];
        assert_eq!(choose(&wants, ours).unwrap().mode, TUNNEL);
        // Through a NAT the addresses are not those that were agreed.
        let mut nat = path();
        nat.nat_remote = true;
        let policies: Vec<_> = transport(false).into_iter().map(Arc::new).collect();
        let refused = wants.choose(&policies, &nat, any_suite).err().unwrap();
        assert!(refused.0.to_string().contains("NAT"), "{}", refused.0);
        let policies: Vec<_> = transport(true).into_iter().map(Arc::new).collect();
        assert_eq!(wants.choose(&policies, &nat, any_suite).ok().unwrap().mode, TUNNEL);
    }

    #[test]
    fn what_does_not_meet_is_told_with_both_sides() {
        let wish = request(&["10.9.0.0/16"], &["10.2.0.0/16"], false);
        let policies = [Arc::new(policy(&["10.1.0.0/16"], &["10.2.0.0/16"], TUNNEL))];
        let refused = wish.choose(&policies, &path(), any_suite).err().unwrap();
        assert_eq!(refused.1, NotifyType::TS_UNACCEPTABLE);
        let text = refused.0.to_string();
        assert!(text.contains("here 10.9.0.0/16") && text.contains("here 10.1.0.0/16") && text.contains("t.toml:1"));
        let refused = request(&["10.1.0.0/16"], &["10.2.0.0/16"], false)
            .choose(&policies, &path(), |_| None)
            .err()
            .unwrap();
        assert_eq!(refused.1, NotifyType::NO_PROPOSAL_CHOSEN);
        assert!(refused.0.to_string().contains("aes128gcm16"));
    }
}
