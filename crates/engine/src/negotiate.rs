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

/// The transform types that we understand.
const KNOWN: [TransformType; 5] = [
    TransformType::ENCR,
    TransformType::PRF,
    TransformType::INTEG,
    TransformType::KE,
    TransformType::ESN,
];

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
    esn: Vec<u16>,
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
        if !KNOWN.contains(&transform.kind) {
            offer.foreign = true;
            continue;
        }
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
            (TransformType::ESN, None) => offer.esn.push(transform.id),
            // A key length where none belongs: this transform is not acceptable.
            _ => {}
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
            // Without a KE payload the peer that leaves the choice to us means "without" (RFC 7296 section 3.3.6).
            let optional = ke.is_none() && own.groups.is_empty() && offer.groups.contains(&Group(0));
            if optional {
                let choice = choose_esp(std::slice::from_ref(offer), std::slice::from_ref(own), None);
                if choice.is_some() {
                    return choice;
                }
                continue;
            }
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

fn common_esn(ours: Esn, theirs: &[u16]) -> Option<bool> {
    // The transform is mandatory for ESP (section 3.3.3); some peers leave it out and mean 32 bits. Values above 1 are
    // other kinds of sequence numbers.
    let (short, long) = (theirs.is_empty() || theirs.contains(&0), theirs.contains(&1));
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
        if self.esn.contains(&1) {
            words.push("esn".into());
        }
        if self.foreign {
            words.push("(unknown transform type)".into());
        }
        f.write_str(&words.join("-"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use handfast_crypto::default_provider;

    use super::*;

    /// Attributes of a transform, as on the wire.
    const AES128: &[u8] = &[0x80, 14, 0, 128];

    /// One proposal as on the wire: protocol, SPI, transforms (type, ID, attributes).
    fn proposal(number: u8, protocol: u8, spi: &[u8], transforms: &[(u8, u16, &[u8])], last: bool) -> Vec<u8> {
        let mut body = vec![];
        for (n, (kind, id, attributes)) in transforms.iter().enumerate() {
            body.extend([if n + 1 < transforms.len() { 3 } else { 0 }, 0]);
            body.extend((8 + attributes.len() as u16).to_be_bytes());
            body.extend([*kind, 0]);
            body.extend(id.to_be_bytes());
            body.extend(*attributes);
        }
        let mut out = vec![if last { 0 } else { 2 }, 0];
        out.extend((8 + spi.len() as u16 + body.len() as u16).to_be_bytes());
        out.extend([number, protocol, spi.len() as u8, transforms.len() as u8]);
        out.extend(spi);
        out.extend(body);
        out
    }

    fn offers(body: &[u8]) -> Vec<Offer> {
        read(&Sa { body }).unwrap()
    }

    fn ike(transforms: &[(u8, u16, &[u8])]) -> Vec<Offer> {
        offers(&proposal(1, 1, &[], transforms, true))
    }

    fn esp(transforms: &[(u8, u16, &[u8])]) -> Vec<Offer> {
        offers(&proposal(1, 3, &[1, 2, 3, 4], transforms, true))
    }

    fn ours() -> Vec<IkeProposal> {
        vec!["aes128gcm16-prfsha256-x25519".parse().unwrap()]
    }

    fn choose(offers: &[Offer]) -> Option<Choice<IkeSuite>> {
        choose_ike(offers, &ours(), Group(31))
    }

    #[test]
    fn a015_the_key_length_must_be_there_once_and_right() {
        let with = |attributes| choose(&ike(&[(1, 20, attributes), (2, 5, &[]), (4, 31, &[])]));
        assert!(with(AES128).is_some());
        let twice = [AES128, AES128].concat();
        let mixed = [AES128, &[0x80, 14, 1, 0]].concat();
        let wrong: [&[u8]; 7] = [
            &[],
            &[0x80, 14, 0, 0],
            &[0x80, 14, 0, 129],
            &twice,
            &mixed,
            // The variable form of the attribute.
            &[0, 14, 0, 2, 0, 128],
            // An attribute that nobody knows.
            &[0x80, 14, 0, 128, 0x80, 99, 0, 1],
        ];
        for attributes in wrong {
            assert!(with(attributes).is_none(), "{attributes:?}");
        }
        // The same on PRF and group.
        assert!(choose(&ike(&[(1, 20, AES128), (2, 5, AES128), (4, 31, &[])])).is_none());
        assert!(choose(&ike(&[(1, 20, AES128), (2, 5, &[]), (4, 31, AES128)])).is_none());
    }

    #[test]
    fn a013_nothing_may_be_missing() {
        let all: [(u8, u16, &[u8]); 3] = [(1, 20, AES128), (2, 5, &[]), (4, 31, &[])];
        for left_out in 0..3 {
            let mut some = all.to_vec();
            some.remove(left_out);
            assert!(choose(&ike(&some)).is_none());
        }
        assert!(choose(&ike(&[(1, 20, AES128), (2, 5, &[]), (4, 0, &[])])).is_none());
    }

    #[test]
    fn an_unknown_transform_type_spoils_its_proposal_alone() {
        let good: [(u8, u16, &[u8]); 3] = [(1, 20, AES128), (2, 5, &[]), (4, 31, &[])];
        for attributes in [&[][..], AES128, &[0x80, 99, 0, 1]] {
            let mut spoiled = good.to_vec();
            spoiled.push((6, 36, attributes));
            assert!(choose(&ike(&spoiled)).is_none(), "{attributes:?}");
            let mut both = proposal(1, 1, &[], &spoiled, false);
            both.extend(proposal(2, 1, &[], &good, true));
            assert_eq!(choose(&offers(&both)).unwrap().number, 2);
        }
    }

    #[test]
    fn aead_goes_with_no_integrity_or_with_none() {
        let base: [(u8, u16, &[u8]); 3] = [(1, 20, AES128), (2, 5, &[]), (4, 31, &[])];
        for (integ, good) in [(0, true), (12, false)] {
            let mut with = base.to_vec();
            with.push((3, integ, &[]));
            let choice = choose(&ike(&with));
            assert_eq!(choice.is_some(), good);
            assert!(choice.is_none_or(|c| c.suite.integ.is_none()));
        }
    }

    #[test]
    fn sequence_numbers_of_another_kind_are_not_taken_for_short_ones() {
        let ours: Vec<EspProposal> = vec!["aes128gcm16".parse().unwrap()];
        let with = |esn: &[(u8, u16, &[u8])]| {
            let mut transforms: Vec<(u8, u16, &[u8])> = vec![(1, 20, AES128)];
            transforms.extend_from_slice(esn);
            choose_esp(&esp(&transforms), &ours, None).map(|c| c.suite.esn)
        };
        assert_eq!(with(&[]), Some(false));
        assert_eq!(with(&[(5, 0, &[])]), Some(false));
        assert_eq!(with(&[(5, 2, &[])]), None);
        assert_eq!(with(&[(5, 1, &[])]), None);
        // An SPI of another size is no ESP SPI.
        let odd = offers(&proposal(1, 3, &[1, 2], &[(1, 20, AES128)], true));
        assert!(choose_esp(&odd, &ours, None).is_none());
    }

    #[test]
    fn an_answer_must_be_one_combination_of_the_offer_it_names() {
        let ours: Vec<IkeProposal> = vec![
            "aes256gcm16-prfsha384-ecp384".parse().unwrap(),
            "aes128gcm16-prfsha256-x25519-ecp256".parse().unwrap(),
        ];
        let answer = |number, transforms: &[(u8, u16, &[u8])]| {
            accept_ike(&offers(&proposal(number, 1, &[], transforms, true)), &ours)
        };
        let good: [(u8, u16, &[u8]); 3] = [(1, 20, AES128), (2, 5, &[]), (4, 31, &[])];
        assert!(answer(2, &good).is_some());
        for number in [0, 1, 3, 255] {
            assert!(answer(number, &good).is_none(), "number {number}");
        }
        // Not offered, or more than one.
        assert!(answer(2, &[(1, 20, AES128), (2, 5, &[]), (4, 21, &[])]).is_none());
        assert!(answer(2, &[(1, 20, AES128), (2, 5, &[]), (4, 31, &[]), (4, 19, &[])]).is_none());
        assert!(answer(2, &[(1, 20, &[0x80, 14, 1, 0]), (2, 5, &[]), (4, 31, &[])]).is_none());
        assert!(answer(2, &[(1, 20, AES128), (2, 5, &[]), (4, 31, &[]), (3, 12, &[])]).is_none());
        let mut two = proposal(1, 1, &[], &good, false);
        two.extend(proposal(2, 1, &[], &good, true));
        assert!(accept_ike(&offers(&two), &ours).is_none());
        assert!(accept_ike(&[], &ours).is_none());
    }

    #[test]
    fn forward_secrecy_where_either_side_insists_on_it() {
        let fresh = |own: &str, groups: &[u16], ke| {
            let mut transforms: Vec<(u8, u16, &[u8])> = vec![(1, 20, AES128)];
            transforms.extend(groups.iter().map(|g| (4, *g, &[][..])));
            let ours = [own.parse().unwrap()];
            choose_esp_fresh(&esp(&transforms), &ours, ke, default_provider()).map(|c| c.suite.group)
        };
        let x25519 = Some(Group(31));
        assert_eq!(fresh("aes128gcm16", &[], None), Some(None));
        assert_eq!(fresh("aes128gcm16", &[31], x25519), Some(x25519));
        assert_eq!(fresh("aes128gcm16-x25519", &[31], x25519), Some(x25519));
        // We insist.
        assert_eq!(fresh("aes128gcm16-x25519", &[], None), None);
        assert_eq!(fresh("aes128gcm16-x25519", &[0], None), None);
        // Both leave it open.
        assert_eq!(fresh("aes128gcm16", &[31, 0], None), Some(None));
        // The peer began with another group than is allowed: the allowed one is named.
        assert_eq!(fresh("aes128gcm16-x25519", &[19, 31], Some(Group(19))), Some(x25519));
    }

    #[test]
    fn a011_no_offer_is_too_long_to_read() {
        let many: Vec<(u8, u16, &[u8])> = (0..255).map(|n| (1, n, AES128)).collect();
        let mut body = vec![];
        for _ in 0..40 {
            body.extend(proposal(1, 1, &[], &many, false));
        }
        body.extend(proposal(2, 1, &[], &many, true));
        assert!(body.len() > 65_535);
        assert!(choose(&offers(&body)).is_none());
    }
}
