//! Proposals: ours onto the wire, the peer's against ours (RFC 7296 sections 2.7 and 3.3).

use handfast_crypto::proposal::{Esn, EspProposal, EspSuite, IkeProposal, IkeSuite};
use handfast_crypto::provider::Provider;
use handfast_crypto::transform::{Encr, Group, Integ, Prf};
use handfast_wire::error::ParseError;
use handfast_wire::numbers::{AttributeType, Protocol, TransformType};
use handfast_wire::v2::sa::{AttributeValue, Proposal, ProposalDef, Sa, TransformDef};

/// How many proposals and transforms of one SA payload are looked at; the rest is ignored.
const MAX_PROPOSALS: usize = 64;
const MAX_TRANSFORMS: usize = 256;

/// The choice out of an SA payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Choice<S> {
    /// Number of the peer's proposal.
    pub number: u8,
    /// The peer's SPI: empty in IKE_SA_INIT.
    pub spi: Vec<u8>,
    pub suite: S,
}

/// A proposal of the peer, sorted by type.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    number: u8,
    protocol: Protocol,
    spi: Vec<u8>,
    encr: Vec<Encr>,
    prf: Vec<Prf>,
    integ: Vec<Integ>,
    groups: Vec<Group>,
    esn: Vec<bool>,
    /// It holds a transform type that we do not know: never acceptable (RFC 7296 section 3.3.6).
    foreign: bool,
}

/// Reads an SA payload.
pub(crate) fn read(sa: &Sa<'_>) -> Result<Vec<Offer>, ParseError> {
    sa.proposals().take(MAX_PROPOSALS).map(|p| read_proposal(&p?)).collect()
}

fn read_proposal(proposal: &Proposal<'_>) -> Result<Offer, ParseError> {
    let mut offer = Offer {
        number: proposal.number,
        protocol: proposal.protocol,
        spi: proposal.spi.to_vec(),
        encr: vec![],
        prf: vec![],
        integ: vec![],
        groups: vec![],
        esn: vec![],
        foreign: false,
    };
    for transform in proposal.transforms().take(MAX_TRANSFORMS) {
        let transform = transform?;
        let mut key_bits = None;
        let mut usable = true;
        for attribute in transform.attributes() {
            let attribute = attribute?;
            match (attribute.kind, attribute.value) {
                (AttributeType::KEY_LENGTH, AttributeValue::Short(bits)) if key_bits.is_none() => key_bits = Some(bits),
                // An unknown attribute, or a second key length, makes this transform unacceptable (section 3.3.6).
                _ => usable = false,
            }
        }
        if !usable {
            continue;
        }
        match (transform.kind, key_bits) {
            (TransformType::ENCR, key_bits) => offer.encr.push(Encr {
                id: transform.id,
                key_bits,
            }),
            (TransformType::PRF, None) => offer.prf.push(Prf(transform.id)),
            (TransformType::INTEG, None) => offer.integ.push(Integ(transform.id)),
            (TransformType::KE, None) => offer.groups.push(Group(transform.id)),
            (TransformType::ESN, None) => offer.esn.push(transform.id == 1),
            (TransformType::PRF | TransformType::INTEG | TransformType::KE | TransformType::ESN, Some(_)) => {}
            _ => offer.foreign = true,
        }
    }
    Ok(offer)
}

/// The IKE suite we accept from the peer's offers: our order decides, except that the group of the peer's KE payload is
/// taken if we allow it at all (which saves a round trip).
pub(crate) fn choose_ike(offers: &[Offer], ours: &[IkeProposal], ke_group: Group) -> Option<Choice<IkeSuite>> {
    for own in ours {
        for offer in offers.iter().filter(|o| o.protocol == Protocol::IKE && !o.foreign) {
            let group = if own.groups.contains(&ke_group) && offer.groups.contains(&ke_group) {
                Some(ke_group)
            } else {
                first_common(&own.groups, &offer.groups)
            };
            let (Some(encr), Some(prf), Some(group), Some(integ)) = (
                first_common(&own.encr, &offer.encr),
                first_common(&own.prf, &offer.prf),
                group,
                common_integ(&own.integ, &offer.integ),
            ) else {
                continue;
            };
            let suite = IkeSuite {
                encr,
                prf,
                integ,
                group,
            };
            return Some(Choice {
                number: offer.number,
                spi: offer.spi.clone(),
                suite,
            });
        }
    }
    None
}

/// The ESP suite we accept. `with_group`: whether this exchange carries a KE payload (never in IKE_AUTH).
pub(crate) fn choose_esp(offers: &[Offer], ours: &[EspProposal], ke_group: Option<Group>) -> Option<Choice<EspSuite>> {
    for own in ours {
        for offer in offers
            .iter()
            .filter(|o| o.protocol == Protocol::ESP && !o.foreign && o.spi.len() == 4)
        {
            let (Some(encr), Some(integ), Some(esn)) = (
                first_common(&own.encr, &offer.encr),
                common_integ(&own.integ, &offer.integ),
                common_esn(own.esn, &offer.esn),
            ) else {
                continue;
            };
            let suite = EspSuite {
                encr,
                integ,
                group: ke_group,
                esn,
            };
            return Some(Choice {
                number: offer.number,
                spi: offer.spi.clone(),
                suite,
            });
        }
    }
    None
}

/// Whether these are offers for an IKE SA (a rekey of it).
pub(crate) fn is_for_ike(offers: &[Offer]) -> bool {
    offers.iter().any(|o| o.protocol == Protocol::IKE)
}

/// The ESP suite for CREATE_CHILD_SA, where a fresh key exchange may be offered: in a group of ours, or, where we ask
/// for none, in any the peer prefers (more forward secrecy than asked for does no harm). Where we ask for one, an offer
/// without is not accepted.
pub(crate) fn choose_esp_fresh(
    offers: &[Offer],
    ours: &[EspProposal],
    ke: Option<Group>,
    provider: &Provider,
) -> Option<Choice<EspSuite>> {
    for own in ours {
        for offer in offers {
            let theirs: Vec<Group> = offer.groups.iter().copied().filter(|g| g.0 != 0).collect();
            let allowed = |g: &Group| {
                theirs.contains(g) && provider.group(*g).is_some() && (own.groups.is_empty() || own.groups.contains(g))
            };
            let group = ke
                .filter(allowed)
                .or_else(|| own.groups.iter().chain(&theirs).copied().find(allowed));
            // Without a group on their side only if we do not insist on one.
            let fits = group.is_some() || (own.groups.is_empty() && theirs.is_empty());
            if !fits {
                continue;
            }
            let choice = choose_esp(std::slice::from_ref(offer), std::slice::from_ref(own), group);
            if choice.is_some() {
                return choice;
            }
        }
    }
    None
}

/// Checks a responder's answer to our IKE offer: one proposal, one transform of each type, all of them offered
/// (RFC 7296 section 3.3: the initiator MUST check).
pub(crate) fn accept_ike(answer: &[Offer], ours: &[IkeProposal]) -> Option<Choice<IkeSuite>> {
    let [offer] = answer else { return None };
    let single = offer.encr.len() == 1 && offer.prf.len() == 1 && offer.groups.len() == 1 && offer.integ.len() <= 1;
    let own = ours.get(usize::from(offer.number).checked_sub(1)?)?;
    single
        .then(|| choose_ike(answer, std::slice::from_ref(own), offer.groups[0]))
        .flatten()
}

/// Checks a responder's answer to our ESP offer.
pub(crate) fn accept_esp(answer: &[Offer], ours: &[EspProposal], ke: Option<Group>) -> Option<Choice<EspSuite>> {
    let [offer] = answer else { return None };
    let single = offer.encr.len() == 1 && offer.integ.len() <= 1 && offer.esn.len() <= 1;
    let own = ours.get(usize::from(offer.number).checked_sub(1)?)?;
    single
        .then(|| choose_esp(answer, std::slice::from_ref(own), ke))
        .flatten()
}

/// Whether a suite is one of a proposal's combinations.
pub(crate) fn allows(own: &IkeProposal, suite: &IkeSuite) -> bool {
    own.encr.contains(&suite.encr)
        && own.prf.contains(&suite.prf)
        && own.groups.contains(&suite.group)
        && suite.integ.map_or(own.integ.is_empty(), |i| own.integ.contains(&i))
}

fn first_common<T: Copy + PartialEq>(ours: &[T], theirs: &[T]) -> Option<T> {
    ours.iter().copied().find(|own| theirs.contains(own))
}

/// NONE (0) and no integrity transform are the same for AEAD (RFC 7296 section 3.3.2, RFC 5282 section 8).
fn common_integ(ours: &[Integ], theirs: &[Integ]) -> Option<Option<Integ>> {
    if ours.is_empty() {
        return theirs.iter().all(|i| i.0 == 0).then_some(None);
    }
    first_common(ours, theirs).map(Some)
}

fn common_esn(ours: Esn, theirs: &[bool]) -> Option<bool> {
    // The transform is mandatory for ESP (section 3.3.3); some peers leave it out and mean 32 bits.
    let (short, long) = (theirs.is_empty() || theirs.contains(&false), theirs.contains(&true));
    match ours {
        Esn::No => short.then_some(false),
        Esn::Yes => long.then_some(true),
        Esn::Either => long.then_some(true).or(short.then_some(false)),
    }
}

/// Our IKE offers for the wire.
pub(crate) fn ike_defs(ours: &[IkeProposal], spi: &[u8]) -> Vec<ProposalDef> {
    number(ours.iter().map(|own| {
        let mut transforms = vec![];
        transforms.extend(own.encr.iter().map(|e| def(TransformType::ENCR, e.id, e.key_bits)));
        transforms.extend(own.integ.iter().map(|i| def(TransformType::INTEG, i.0, None)));
        transforms.extend(own.prf.iter().map(|p| def(TransformType::PRF, p.0, None)));
        transforms.extend(own.groups.iter().map(|g| def(TransformType::KE, g.0, None)));
        (Protocol::IKE, spi.to_vec(), transforms)
    }))
}

/// Our ESP offers for the wire; groups only where the exchange has a KE payload.
pub(crate) fn esp_defs(ours: &[EspProposal], spi: u32, with_groups: bool) -> Vec<ProposalDef> {
    number(ours.iter().map(|own| {
        let mut transforms = vec![];
        transforms.extend(own.encr.iter().map(|e| def(TransformType::ENCR, e.id, e.key_bits)));
        transforms.extend(own.integ.iter().map(|i| def(TransformType::INTEG, i.0, None)));
        if with_groups {
            transforms.extend(own.groups.iter().map(|g| def(TransformType::KE, g.0, None)));
        }
        let esn: &[u16] = match own.esn {
            Esn::No => &[0],
            Esn::Yes => &[1],
            Esn::Either => &[1, 0],
        };
        transforms.extend(esn.iter().map(|e| def(TransformType::ESN, *e, None)));
        (Protocol::ESP, spi.to_be_bytes().to_vec(), transforms)
    }))
}

/// A chosen IKE suite for the wire.
pub(crate) fn ike_answer(choice: &Choice<IkeSuite>, spi: &[u8]) -> ProposalDef {
    let s = &choice.suite;
    let own = IkeProposal {
        encr: vec![s.encr],
        prf: vec![s.prf],
        integ: s.integ.into_iter().collect(),
        groups: vec![s.group],
    };
    renumber(ike_defs(&[own], spi), choice.number)
}

/// A chosen ESP suite for the wire, with our SPI.
pub(crate) fn esp_answer(choice: &Choice<EspSuite>, spi: u32) -> ProposalDef {
    let s = &choice.suite;
    let own = EspProposal {
        encr: vec![s.encr],
        integ: s.integ.into_iter().collect(),
        groups: s.group.into_iter().collect(),
        esn: if s.esn { Esn::Yes } else { Esn::No },
    };
    renumber(esp_defs(&[own], spi, s.group.is_some()), choice.number)
}

fn def(kind: TransformType, id: u16, key_bits: Option<u16>) -> TransformDef {
    TransformDef { kind, id, key_bits }
}

fn number(list: impl Iterator<Item = (Protocol, Vec<u8>, Vec<TransformDef>)>) -> Vec<ProposalDef> {
    (1..=u8::MAX)
        .zip(list)
        .map(|(number, (protocol, spi, transforms))| ProposalDef {
            number,
            protocol,
            spi,
            transforms,
        })
        .collect()
}

fn renumber(defs: Vec<ProposalDef>, number: u8) -> ProposalDef {
    let mut one = defs
        .into_iter()
        .next()
        .unwrap_or_else(|| unreachable!("one proposal in, one out"));
    one.number = number;
    one
}

/// The peer's offers in the usual notation, for explanations.
pub(crate) fn describe(offers: &[Offer]) -> Vec<String> {
    offers.iter().map(|o| o.to_string()).collect()
}

impl std::fmt::Display for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut words: Vec<String> = self.encr.iter().map(ToString::to_string).collect();
        words.extend(self.integ.iter().filter(|i| i.0 != 0).map(ToString::to_string));
        words.extend(self.prf.iter().map(ToString::to_string));
        words.extend(self.groups.iter().map(ToString::to_string));
        if self.esn.contains(&true) {
            words.push("esn".into());
        }
        if self.foreign {
            words.push("(unknown transform type)".into());
        }
        f.write_str(&words.join("-"))
    }
}
