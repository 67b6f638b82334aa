//! Phase 2: ESP transforms and their attributes (RFC 2407 sections 4.4.4 and 4.5).

use std::time::Duration;

use handfast_crypto::proposal::{EspProposal, EspSuite};
use handfast_crypto::transform::{Encr, Group, Integ};
use handfast_plane::op::Mode;
use handfast_wire::numbers::v1::{AuthAlgorithm, EncapsulationMode, IpsecAttribute, Protocol};
use handfast_wire::v1::attribute::{self, AttributeDef};
use handfast_wire::v1::sa::{ProposalDef, TransformDef, encode, encode_chosen};
use handfast_wire::v1::{IpsecTransform, Lifetimes, Proposal, Sa, Transform};

use super::{MAX_TRANSFORMS, MOST, check_doi, is_for_v1, lifetime, octets, seconds, shorter, single};
use crate::policy::ChildPolicy;
use crate::refusal::Cause;

/// A suite of phase 2.
#[derive(Clone)]
pub(crate) struct Agreed {
    pub suite: EspSuite,
    pub mode: Mode,
    /// Where the peer receives.
    pub spi: u32,
    /// How long the peer lets it live, if it says so.
    pub lifetime: Option<Duration>,
    /// How much it may carry, in octets.
    pub octets: Option<u64>,
    /// Body of the answering SA payload; its SPI is at this offset.
    answer: (Vec<u8>, usize),
}

impl Agreed {
    /// Body of the SA payload that answers, with our SPI.
    pub fn answer(&self, spi_in: u32) -> Vec<u8> {
        let (mut body, at) = self.answer.clone();
        if let Some(place) = body.get_mut(at..at + 4) {
            place.copy_from_slice(&spi_in.to_be_bytes());
        }
        body
    }
}

impl Agreed {
    /// The responder lets it live shorter than was offered: the data of RESPONDER-LIFETIME (RFC 2407 section 4.6.3.1).
    pub fn shorten(&mut self, data: &[u8]) {
        if let Ok(lifetimes) = Lifetimes::read_ipsec(data) {
            self.lifetime = shorter(self.lifetime, seconds(&lifetimes));
            self.octets = shorter(self.octets, octets(&lifetimes));
        }
    }

    /// As responder: our limits, where they are below what was offered. Returns the data of RESPONDER-LIFETIME if so.
    pub fn limit(&mut self, policy: &ChildPolicy) -> Option<Vec<u8>> {
        let ours = child_lifetimes(policy);
        let lower = |own: Option<u64>, theirs: Option<u64>| own.is_some_and(|own| theirs.is_none_or(|t| own < t));
        let time = !policy.lifetime.is_zero() && lower(ours.seconds, self.lifetime.map(|t| t.as_secs()));
        let volume = lower(ours.kilobytes, self.octets.map(|o| o / 1024));
        let told = Lifetimes {
            seconds: ours.seconds.filter(|_| time),
            kilobytes: ours.kilobytes.filter(|_| volume),
        };
        self.lifetime = shorter(self.lifetime, seconds(&told));
        self.octets = shorter(self.octets, octets(&told));
        (time || volume).then(|| attribute::encode(&told.ipsec_attributes()))
    }
}

const AUTHS: [(AuthAlgorithm, Integ); 6] = [
    (AuthAlgorithm::HMAC_MD5, Integ::HMAC_MD5_96),
    (AuthAlgorithm::HMAC_SHA1, Integ::HMAC_SHA1_96),
    (AuthAlgorithm::HMAC_SHA2_256, Integ::HMAC_SHA2_256_128),
    (AuthAlgorithm::HMAC_SHA2_384, Integ::HMAC_SHA2_384_192),
    (AuthAlgorithm::HMAC_SHA2_512, Integ::HMAC_SHA2_512_256),
    (AuthAlgorithm::AES_XCBC_MAC, Integ::AES_XCBC_96),
];

/// The ESP transform identifier of a cipher. The numbers are those of IKEv2, but for what only that has.
fn esp_transform(encr: Encr) -> Option<u8> {
    match encr.id {
        3 | 12..=16 | 18..=20 => u8::try_from(encr.id).ok(),
        _ => None,
    }
}

/// Every combination of a child's proposals that IKEv1 can say, without group.
fn esp_combinations(esp: &[EspProposal]) -> Vec<(Encr, Option<Integ>)> {
    let mut list = vec![];
    for own in esp {
        for &encr in own.encr.iter().filter(|e| esp_transform(**e).is_some()) {
            let integs: Vec<Option<Integ>> = if encr.is_aead() {
                vec![None]
            } else {
                let known = own.integ.iter().filter(|i| AUTHS.iter().any(|(_, a)| a == *i));
                known.copied().map(Some).collect()
            };
            for integ in integs {
                if !list.contains(&(encr, integ)) {
                    list.push((encr, integ));
                }
            }
        }
    }
    list
}

/// The group of a fresh key exchange, if the child wants one.
pub(crate) fn pfs_group(policy: &ChildPolicy) -> Option<Group> {
    let mut groups = policy.esp.iter().flat_map(|p| p.groups.iter().copied());
    groups.find(|g| is_for_v1(*g))
}

/// Body of our SA payload in phase 2; empty if there is nothing to say.
pub(crate) fn phase_two(policy: &ChildPolicy, spi: u32, mode: u16, group: Option<Group>) -> Vec<u8> {
    let transforms: Vec<TransformDef> = (1..=u8::MAX)
        .zip(esp_combinations(&policy.esp).into_iter().take(MOST))
        .filter_map(|(number, (encr, integ))| {
            let short = |class: IpsecAttribute, value| AttributeDef::short(class.0, value);
            let mut attributes = vec![];
            attributes.extend(group.map(|g| short(IpsecAttribute::GROUP_DESCRIPTION, g.0)));
            attributes.push(short(IpsecAttribute::ENCAPSULATION_MODE, mode));
            let auth = integ
                .and_then(|i| AUTHS.iter().find(|(_, a)| *a == i))
                .map(|(number, _)| *number);
            attributes.extend(auth.map(|a| short(IpsecAttribute::AUTH_ALGORITHM, a.0)));
            attributes.extend(encr.key_bits.map(|bits| short(IpsecAttribute::KEY_LENGTH, bits)));
            attributes.extend(child_lifetimes(policy).ipsec_attributes());
            Some(TransformDef {
                number,
                id: esp_transform(encr)?,
                attributes,
            })
        })
        .collect();
    if transforms.is_empty() {
        return vec![];
    }
    encode(&[ProposalDef {
        number: 1,
        protocol: Protocol::ESP,
        spi: spi.to_be_bytes().to_vec(),
        transforms,
    }])
}

/// What a phase 2 transform means, if we know it all.
fn read_ipsec(transform: &Transform<'_>) -> Result<(EspSuite, EncapsulationMode, IpsecTransform), String> {
    let read = transform.ipsec().map_err(|e| e.to_string())?;
    let name = || {
        let auth = read.auth.map(|a| format!("-{a}")).unwrap_or_default();
        let bits = read.key_length.map(|b| format!("-{b}")).unwrap_or_default();
        let id = handfast_wire::numbers::v1::EspTransform(transform.id);
        format!("{id}{bits}{auth}")
    };
    if read.unknown.is_some() || read.key_rounds.is_some() || read.extended_sequence.is_some_and(|e| e > 0) {
        return Err(name());
    }
    let encr = Encr {
        id: u16::from(transform.id),
        key_bits: read.key_length,
    };
    let integ = match read.auth {
        Some(auth) => Some(AUTHS.iter().find(|(a, _)| *a == auth).ok_or_else(name)?.1),
        None => None,
    };
    if esp_transform(encr).is_none() || encr.is_aead() == integ.is_some() {
        return Err(name());
    }
    // RFC 2407 section 4.5 leaves a missing mode to the host; everyone means a tunnel.
    let mode = read.mode.unwrap_or(EncapsulationMode::TUNNEL);
    let suite = EspSuite {
        encr,
        integ,
        group: read.group.map(|g| Group(g.0)),
        esn: false,
    };
    Ok((suite, mode, read))
}

fn agreed(
    offer: &Sa<'_>,
    (proposal, transform): (Proposal<'_>, Transform<'_>),
    policy: &ChildPolicy,
) -> Option<Agreed> {
    let (suite, mode, read) = read_ipsec(&transform).ok()?;
    let right_mode = match policy.mode {
        Mode::Tunnel => mode.is_tunnel(),
        Mode::Transport => mode.is_transport(),
    };
    let spi = <[u8; 4]>::try_from(proposal.spi).map(u32::from_be_bytes).unwrap_or(0);
    // SPIs up to 255 are reserved (RFC 4303 section 2.1).
    if !right_mode || spi <= 255 {
        return None;
    }
    let body = encode_chosen(offer, &[(proposal, transform, &[0; 4])]);
    // DOI, situation, and the proposal's header stand before the SPI.
    let at = 8 + offer.labels.len() + 8;
    Some(Agreed {
        suite,
        mode: policy.mode,
        spi,
        lifetime: seconds(&read.lifetimes),
        octets: octets(&read.lifetimes),
        answer: (body, at),
    })
}

/// Our best ESP suite among the peer's transforms. With a KE payload the transform must name its group.
pub(crate) fn choose_phase_two(offer: &Sa<'_>, policy: &ChildPolicy, pfs: bool) -> Option<Agreed> {
    check_doi(offer).ok()?;
    let wanted = pfs_group(policy);
    // Where we ask for a fresh exchange, an offer without is not accepted; more than we ask for does no harm.
    if wanted.is_some() && !pfs {
        return None;
    }
    let proposals: Vec<_> = offer.proposals().take(MAX_TRANSFORMS).collect::<Result<_, _>>().ok()?;
    for own in esp_combinations(&policy.esp) {
        for proposal in &proposals {
            // Proposals of one number are meant together (RFC 2408 section 4.2): ESP with AH or IPComp is not for us.
            let together = proposals.iter().filter(|p| p.number == proposal.number).count();
            if proposal.protocol != Protocol::ESP || together > 1 {
                continue;
            }
            for transform in proposal.transforms().take(MAX_TRANSFORMS) {
                let transform = transform.ok()?;
                let Ok((suite, ..)) = read_ipsec(&transform) else {
                    continue;
                };
                let allowed = match suite.group {
                    Some(group) => {
                        pfs && is_for_v1(group)
                            && (wanted.is_none() || policy.esp.iter().any(|p| p.groups.contains(&group)))
                            && handfast_crypto::default_provider().group(group).is_some()
                            || wanted == Some(group)
                    }
                    None => !pfs,
                };
                if (suite.encr, suite.integ) == own
                    && allowed
                    && let Some(agreed) = agreed(offer, (*proposal, transform), policy)
                {
                    return Some(agreed);
                }
            }
        }
    }
    None
}

/// Checks the responder's choice in phase 2.
pub(crate) fn accept_phase_two(answer: &Sa<'_>, policy: &ChildPolicy, group: Option<Group>) -> Result<Agreed, Cause> {
    check_doi(answer)?;
    let chosen = single(answer, Protocol::ESP)?;
    let agreed = agreed(answer, chosen, policy).ok_or(Cause::NoChildProposal)?;
    let own = esp_combinations(&policy.esp).contains(&(agreed.suite.encr, agreed.suite.integ));
    if own && agreed.suite.group == group {
        return Ok(agreed);
    }
    Err(Cause::NoChildProposal)
}

/// Everything offered in phase 2, for explanations.
pub(crate) fn describe_phase_two(offer: &Sa<'_>) -> Vec<String> {
    let mut list = vec![];
    for proposal in offer.proposals().take(MAX_TRANSFORMS).filter_map(Result::ok) {
        for transform in proposal.transforms().take(MAX_TRANSFORMS).filter_map(Result::ok) {
            list.push(match (proposal.protocol, read_ipsec(&transform)) {
                (Protocol::ESP, Ok((suite, mode, _))) => format!("{suite} in {mode}"),
                (Protocol::ESP, Err(name)) => name,
                (other, _) => other.to_string(),
            });
        }
    }
    list.dedup();
    list.truncate(MOST);
    list
}

/// Lifetimes of an IPsec SA that we offer.
fn child_lifetimes(policy: &ChildPolicy) -> Lifetimes {
    let seconds = match policy.lifetime.as_secs() {
        0 => lifetime(policy.rekey).seconds,
        seconds => Some(seconds),
    };
    let bytes = policy.limits.hard.bytes;
    Lifetimes {
        seconds,
        kilobytes: (bytes != u64::MAX).then(|| (bytes / 1024).clamp(1, u64::from(u32::MAX))),
    }
}
