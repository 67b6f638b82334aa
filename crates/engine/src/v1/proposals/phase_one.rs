//! Phase 1: Oakley transforms and their attributes (RFC 2409 appendix A), one for each suite and way of authentication.

use handfast_auth::certificate::ikev1;
use handfast_auth::kerberos::ikev1::is_kerberos;
use handfast_crypto::hash::Hash;
use handfast_crypto::proposal::{IkeProposal, IkeSuite};
use handfast_crypto::transform::{Encr, Group, Integ};
use handfast_wire::numbers::v1::{AuthMethod, EncryptionAlgorithm, HashAlgorithm, OakleyAttribute, Protocol};
use handfast_wire::v1::attribute::AttributeDef;
use handfast_wire::v1::sa::{ProposalDef, TransformDef, encode, encode_chosen};
use handfast_wire::v1::{OakleyTransform, Proposal, Sa, Transform};

use super::{MAX_TRANSFORMS, MOST, check_doi, is_for_v1, lifetime, single};
use crate::policy::{Connection, Method};
use crate::refusal::Cause;

/// KEY_IKE, the one transform of phase 1 (RFC 2407 section 4.4.2).
const KEY_IKE: u8 = 1;

/// Transforms with Kerberos that we offer at most: each has our name in it, and message 1, which nobody can fragment yet,
/// should fit in one datagram.
const FEW: usize = 6;

/// A suite of phase 1 that was chosen.
pub(crate) struct ChosenOne {
    pub suite: IkeSuite,
    pub way: AuthMethod,
    /// Body of the SA payload that answers.
    pub answer: Vec<u8>,
}

/// How a connection's two sides may prove themselves in IKEv1, best first. Both do it the same way, and a signature's way
/// is that of its key.
pub(crate) fn ways(connection: &Connection) -> Vec<AuthMethod> {
    let auth = &connection.auth;
    let mut ways = vec![];
    for method in auth.local.iter().filter(|m| auth.accepts(**m)) {
        match method {
            Method::Psk => ways.push(AuthMethod::PRE_SHARED_KEY),
            Method::Certificate => {
                // IKEv1 knows no raw public keys.
                let owned = auth.certificates.iter().filter(|own| !own.chain.is_empty());
                let keys = owned.map(|own| own.signer.public_key());
                ways.extend(keys.filter_map(ikev1::method).map(|(number, _)| AuthMethod(number)));
            }
            Method::Kerberos => ways.extend(auth.kerberos.as_ref().map(|_| AuthMethod::GSS_KERBEROS)),
        }
    }
    let mut seen = vec![];
    ways.retain(|way| {
        !seen.contains(way) && {
            seen.push(*way);
            true
        }
    });
    ways
}

/// The method that a way of authentication belongs to.
pub(crate) fn method_of(way: AuthMethod) -> Method {
    match way {
        AuthMethod::PRE_SHARED_KEY => Method::Psk,
        AuthMethod::GSS_KERBEROS => Method::Kerberos,
        _ => Method::Certificate,
    }
}

/// A suite and its way, as people read them; a preshared key goes without saying.
fn named(suite: &IkeSuite, way: AuthMethod) -> String {
    match way {
        AuthMethod::PRE_SHARED_KEY => suite.to_string(),
        AuthMethod::GSS_KERBEROS => format!("{suite} with Kerberos"),
        way => format!("{suite} with {way}"),
    }
}

/// The numbers of a cipher in phase 1.
fn oakley_cipher(encr: Encr) -> Option<(EncryptionAlgorithm, Option<u16>)> {
    match encr {
        Encr { id: 12, key_bits } => Some((EncryptionAlgorithm::AES_CBC, key_bits)),
        Encr { id: 3, .. } => Some((EncryptionAlgorithm::TRIPLE_DES_CBC, None)),
        _ => None,
    }
}

fn cipher_of(read: &OakleyTransform<'_>) -> Option<Encr> {
    match (read.encryption?, read.key_length) {
        (EncryptionAlgorithm::AES_CBC, Some(bits @ (128 | 192 | 256))) => Some(Encr::aes_cbc(bits)),
        (EncryptionAlgorithm::TRIPLE_DES_CBC, None) => Some(Encr::TRIPLE_DES),
        _ => None,
    }
}

const HASHES: [(Hash, HashAlgorithm, Integ); 5] = [
    (Hash::Md5, HashAlgorithm::MD5, Integ::HMAC_MD5_96),
    (Hash::Sha1, HashAlgorithm::SHA1, Integ::HMAC_SHA1_96),
    (Hash::Sha256, HashAlgorithm::SHA2_256, Integ::HMAC_SHA2_256_128),
    (Hash::Sha384, HashAlgorithm::SHA2_384, Integ::HMAC_SHA2_384_192),
    (Hash::Sha512, HashAlgorithm::SHA2_512, Integ::HMAC_SHA2_512_256),
];

/// Every combination of a configured proposal that IKEv1 can say. HMAC of the hash is the only PRF.
fn combinations(ike: &[IkeProposal]) -> Vec<IkeSuite> {
    let mut list = vec![];
    for own in ike {
        for &encr in own.encr.iter().filter(|e| oakley_cipher(**e).is_some()) {
            for &integ in &own.integ {
                let Some(hash) = Hash::of_integ(integ) else { continue };
                for &group in own.groups.iter().filter(|g| is_for_v1(**g)) {
                    let suite = IkeSuite {
                        encr,
                        prf: hash.prf(),
                        integ: Some(integ),
                        group,
                    };
                    if !list.contains(&suite) {
                        list.push(suite);
                    }
                }
            }
        }
    }
    list
}

/// What a connection offers and accepts in phase 1, for explanations.
pub(crate) fn names(connection: &Connection) -> Vec<String> {
    let suites = combinations(&connection.ike);
    let each = |way| suites.iter().map(move |suite| named(suite, way));
    ways(connection).into_iter().flat_map(each).collect()
}

/// Whether a suite and a way of authentication are among a connection's.
pub(crate) fn allows(connection: &Connection, suite: &IkeSuite, way: AuthMethod) -> bool {
    combinations(&connection.ike).contains(suite) && ways(connection).contains(&way)
}

/// The group in which aggressive mode begins.
pub(crate) fn first_group(connection: &Connection) -> Option<Group> {
    combinations(&connection.ike).first().map(|suite| suite.group)
}

/// Body of our SA payload in phase 1; empty if there is nothing to say. Aggressive mode has its KE payload in the same
/// message, so all transforms name that group.
pub(crate) fn phase_one(connection: &Connection, ways: &[AuthMethod], group: Option<Group>) -> Vec<u8> {
    let suites = combinations(&connection.ike);
    let suites: Vec<_> = suites.iter().filter(|s| group.is_none_or(|g| s.group == g)).collect();
    let few = |way: AuthMethod| if way == AuthMethod::GSS_KERBEROS { FEW } else { MOST };
    let all = ways
        .iter()
        .flat_map(|way| suites.iter().take(few(*way)).map(move |suite| (*suite, *way)));
    let transforms: Vec<TransformDef> = (1..=u8::MAX)
        .zip(all.take(MOST))
        .filter_map(|(number, (suite, way))| oakley(number, suite, way, connection))
        .collect();
    if transforms.is_empty() {
        return vec![];
    }
    encode(&[ProposalDef {
        number: 1,
        protocol: Protocol::ISAKMP,
        spi: vec![],
        transforms,
    }])
}

fn oakley(number: u8, suite: &IkeSuite, way: AuthMethod, connection: &Connection) -> Option<TransformDef> {
    let (cipher, bits) = oakley_cipher(suite.encr)?;
    let (_, hash, _) = HASHES.iter().find(|(h, ..)| h.prf() == suite.prf)?;
    let short = |class: OakleyAttribute, value| AttributeDef::short(class.0, value);
    let mut attributes = vec![short(OakleyAttribute::ENCRYPTION_ALGORITHM, cipher.0)];
    attributes.extend(bits.map(|bits| short(OakleyAttribute::KEY_LENGTH, bits)));
    attributes.push(short(OakleyAttribute::HASH_ALGORITHM, hash.0));
    attributes.push(short(OakleyAttribute::GROUP_DESCRIPTION, suite.group.0));
    attributes.push(short(OakleyAttribute::AUTHENTICATION_METHOD, way.0));
    attributes.extend(lifetime(connection.rekey).oakley_attributes());
    if way == AuthMethod::GSS_KERBEROS {
        // In each transform (draft-ietf-ipsec-isakmp-gss-auth-07 section 3.3.2).
        attributes.push(AttributeDef::long(
            OakleyAttribute::GSS_IDENTITY_NAME.0,
            own_name(connection)?,
        ));
    }
    Some(TransformDef {
        number,
        id: KEY_IKE,
        attributes,
    })
}

/// Our name for Kerberos, as it is sent.
pub(crate) fn own_name(connection: &Connection) -> Option<Vec<u8>> {
    let kerberos = connection.auth.kerberos.as_ref()?;
    kerberos.encoding.encode(&kerberos.identity)
}

/// The peer's name for Kerberos, as it was sent in the first transform that has one.
pub(crate) fn name_of_peer(sa: &Sa<'_>) -> Option<Vec<u8>> {
    let proposals = sa.proposals().take(MAX_TRANSFORMS).filter_map(Result::ok);
    let mut transforms = proposals.flat_map(|p| p.transforms().take(MAX_TRANSFORMS).filter_map(Result::ok));
    transforms.find_map(|t| t.oakley().ok()?.gss_identity.map(<[u8]>::to_vec))
}

/// The suite and the way of a transform, if they are known. `announced`: the peer knows Kerberos, so that 65001 is not
/// XAUTH's.
fn read_oakley(transform: &Transform<'_>, announced: bool) -> Result<(IkeSuite, AuthMethod), String> {
    let read = transform.oakley().map_err(|e| e.to_string())?;
    if transform.id != KEY_IKE {
        return Err(format!("transform {}", transform.id));
    }
    if read.explicit_group || read.unknown.is_some() || read.prf.is_some() {
        return Err("a group of its own, a PRF or an unknown attribute".into());
    }
    let name = name_oakley(&read);
    let known = || {
        let encr = cipher_of(&read)?;
        let hash = HASHES.iter().find(|(_, number, _)| Some(*number) == read.hash)?;
        Some(IkeSuite {
            encr,
            prf: hash.0.prf(),
            integ: Some(hash.2),
            group: Group(read.group?.0),
        })
    };
    let suite = known().ok_or_else(|| name.clone())?;
    let way = read.auth.ok_or_else(|| format!("{suite} with no method"))?;
    if way == AuthMethod::GSS_KERBEROS && !is_kerberos(way, announced, read.gss_identity.is_some()) {
        return Err(format!("{suite} with {way}"));
    }
    Ok((suite, way))
}

fn name_oakley(read: &OakleyTransform<'_>) -> String {
    let mut parts = vec![];
    parts.extend(read.encryption.map(|e| e.to_string()));
    parts.extend(read.key_length.map(|bits| bits.to_string()));
    parts.extend(read.hash.map(|h| h.to_string()));
    parts.extend(read.group.map(|g| g.to_string()));
    parts.extend(read.auth.map(|a| a.to_string()));
    parts.join("-")
}

/// Everything offered in phase 1, for explanations.
pub(crate) fn describe(offer: &Sa<'_>, announced: bool) -> Vec<String> {
    let mut list = vec![];
    for proposal in offer.proposals().take(MAX_TRANSFORMS).filter_map(Result::ok) {
        for transform in proposal.transforms().take(MAX_TRANSFORMS).filter_map(Result::ok) {
            list.push(match read_oakley(&transform, announced) {
                Ok((suite, way)) => named(&suite, way),
                Err(name) => name,
            });
        }
    }
    list.dedup();
    list.truncate(MOST);
    list
}

/// What of an offer can be used.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usable<'a> {
    /// Octets of the KE payload that came with it, in aggressive mode.
    pub public_len: Option<usize>,
    /// The peer says that it knows Kerberos.
    pub announced: bool,
    /// Ways that cannot be used now.
    pub without: &'a [AuthMethod],
}

/// The answering SA payload, with our own name for Kerberos in the place of the peer's; all else is as it was offered.
fn with_own_name(connection: &Connection, proposal: &Proposal<'_>, transform: &Transform<'_>) -> Option<Vec<u8>> {
    let names = [
        OakleyAttribute::GSS_IDENTITY_NAME.0,
        OakleyAttribute::GSS_IDENTITY_NAME_W2K.0,
    ];
    let mut attributes = vec![];
    for attribute in transform.attributes() {
        let attribute = attribute.ok()?;
        attributes.push(match names.contains(&attribute.class) {
            true => AttributeDef::long(attribute.class, own_name(connection)?),
            false => attribute.to_def(),
        });
    }
    Some(encode(&[ProposalDef {
        number: proposal.number,
        protocol: proposal.protocol,
        spi: vec![],
        transforms: vec![TransformDef {
            number: transform.number,
            id: transform.id,
            attributes,
        }],
    }]))
}

/// The first way of the peer's that is ours too, for its order is that of its wishes, and our best suite that it offers with
/// it.
pub(crate) fn choose_phase_one(offer: &Sa<'_>, connection: &Connection, usable: &Usable<'_>) -> Option<ChosenOne> {
    check_doi(offer).ok()?;
    let mut offered = vec![];
    for proposal in offer.proposals().take(MAX_TRANSFORMS) {
        let proposal = proposal.ok()?;
        // RFC 2409 section 5: one proposal, of ISAKMP.
        if proposal.protocol != Protocol::ISAKMP {
            continue;
        }
        for transform in proposal.transforms().take(MAX_TRANSFORMS) {
            let transform = transform.ok()?;
            if let (Ok(read), true) = (
                read_oakley(&transform, usable.announced),
                offered.len() < MAX_TRANSFORMS,
            ) {
                offered.push((read, proposal, transform));
            }
        }
    }
    let mut ours = ways(connection);
    ours.retain(|way| !usable.without.contains(way));
    let way = offered
        .iter()
        .map(|((_, way), ..)| *way)
        .filter(|way| ours.contains(way));
    let mut tried = vec![];
    for way in way {
        if tried.contains(&way) {
            continue;
        }
        tried.push(way);
        let fits = |suite: &IkeSuite| {
            usable
                .public_len
                .is_none_or(|len| public_len_of(suite.group) == Some(len))
        };
        for suite in combinations(&connection.ike).into_iter().filter(fits) {
            if let Some((_, proposal, transform)) = offered.iter().find(|(read, ..)| *read == (suite, way)) {
                let answer = match way {
                    AuthMethod::GSS_KERBEROS => with_own_name(connection, proposal, transform)?,
                    _ => encode_chosen(offer, &[(*proposal, *transform, &[])]),
                };
                return Some(ChosenOne { suite, way, answer });
            }
        }
    }
    None
}

fn public_len_of(group: Group) -> Option<usize> {
    handfast_crypto::legacy_provider().group(group).map(|g| g.public_len())
}

/// Checks the responder's choice in phase 1: one transform, one that we offered.
pub(crate) fn accept_phase_one(answer: &Sa<'_>, connection: &Connection) -> Result<(IkeSuite, AuthMethod), Cause> {
    check_doi(answer)?;
    let (_, transform) = single(answer, Protocol::ISAKMP)?;
    let (suite, way) = read_oakley(&transform, true).map_err(|_| Cause::NoIkeProposal)?;
    if allows(connection, &suite, way) {
        return Ok((suite, way));
    }
    Err(Cause::NoIkeProposal)
}
