//! Authentication of phase 1: HASH_I and HASH_R with a preshared key (RFC 2409 section 5.4), SIG_I and SIG_R over them with
//! signatures (section 5.1).

use std::sync::Arc;

use handfast_auth::certificate::{
    LocalCertificate, PeerProof, PeerQuestion, PeerRefusal, Proof, SignError, SignQuestion, ikev1,
};
use handfast_auth::identity::Identity;
use handfast_crypto::hash::Hash;
use handfast_crypto::provider::CryptoError;
use handfast_crypto::schedule::v1::{self, Covered};
use handfast_crypto::secret::Secret;
use handfast_wire::numbers::v1::AuthMethod;

use crate::context::{Asker, Context};
use crate::endpoint::choose;
use crate::output::{Output, Question, Ticket};
use crate::policy::{Connection, Method};
use crate::refusal::{Cause, Party, Refusal};
use crate::v1::certificates;
use crate::v1::isakmp::{Agreed, Isakmp};
use crate::v1::message::{Chain, Parsed};
use crate::v1::proposals;
use crate::v1::state::{Chosen, Sa};

/// Both public values.
pub(crate) struct Exchanged {
    pub gxi: Vec<u8>,
    pub gxr: Vec<u8>,
}

/// The channel that both sides have once their public values are exchanged. SKEYID is that of the chosen connection's
/// secret, or with signatures that of the exchange itself.
pub(crate) fn channel(
    cx: &mut Context,
    sa: &Sa,
    chosen: &Chosen,
    (ni, nr): (&[u8], &[u8]),
    publics: &Exchanged,
    shared: &Secret,
) -> Result<Isakmp, CryptoError> {
    let prf = cx.provider.prf(chosen.suite.prf).ok_or(CryptoError::Unsupported)?;
    let skeyid = match chosen.method() {
        Method::Psk => v1::skeyid_preshared(prf, &chosen.connection.auth.psk, ni, nr),
        // Kerberos has the same (draft-ietf-ipsec-isakmp-gss-auth-07 section 3.1).
        Method::Certificate | Method::Kerberos => v1::skeyid_signature(prf, ni, nr, shared),
    };
    let agreed = Agreed {
        shared,
        cookies: (sa.spi_i, sa.spi_r),
        publics: (&publics.gxi, &publics.gxr),
    };
    // RFC 4754 section 4: ECDSA brings the hash that it signs, whatever phase 1 negotiated for its keys.
    let proof_prf = ikev1::ecdsa_hash(chosen.way.0).map_or(chosen.suite.prf, Hash::prf);
    let isakmp = Isakmp::new(cx.provider, chosen.suite, (skeyid, proof_prf), &agreed)?;
    if cx.key_log {
        cx.out.push_back(Output::KeyLog(isakmp.key_log((sa.spi_i, sa.spi_r))));
    }
    Ok(isakmp)
}

/// Body of our ID payload: protocol and port zero (RFC 2407 section 4.6.2).
pub(crate) fn id_body(identity: &Identity) -> Vec<u8> {
    identity.to_id_body()
}

pub(super) fn covered<'a>(sa: &'a Sa, chosen: &'a Chosen, publics: &'a Exchanged) -> Covered<'a> {
    Covered {
        gxi: &publics.gxi,
        gxr: &publics.gxr,
        cky_i: &sa.spi_i.0,
        cky_r: &sa.spi_r.0,
        sai_b: &chosen.sai_b,
    }
}

/// What proves the initiator, or what it signs.
pub(crate) fn hash_i(isakmp: &Isakmp, sa: &Sa, chosen: &Chosen, publics: &Exchanged, id: &[u8]) -> Secret {
    v1::hash_i(isakmp.proof_prf, &isakmp.keys.skeyid, &covered(sa, chosen, publics), id)
}

/// What proves the responder, or what it signs.
pub(crate) fn hash_r(isakmp: &Isakmp, sa: &Sa, chosen: &Chosen, publics: &Exchanged, id: &[u8]) -> Secret {
    v1::hash_r(isakmp.proof_prf, &isakmp.keys.skeyid, &covered(sa, chosen, publics), id)
}

/// Our proof.
pub(crate) enum Ours {
    /// HASH_I or HASH_R itself.
    Hash(Secret),
    /// A signature over it, and the certificate that goes with it.
    Signature(Vec<u8>, Arc<LocalCertificate>),
    /// A token of Kerberos, framed, if there is one, and the wrapped hash (aggressive mode has both in one message).
    Kerberos(Option<Vec<u8>>, Vec<u8>),
}

impl Ours {
    /// HASH, or CERT and SIG: what follows our identity.
    pub fn push(&self, chain: &mut Chain) {
        match self {
            Self::Hash(hash) => chain.hash(hash.as_bytes()),
            Self::Signature(signature, own) => {
                certificates::push_certificates(chain, own);
                chain.signature(signature);
            }
            Self::Kerberos(token, hash) => {
                if let Some(token) = token {
                    chain.gss(token);
                }
                chain.hash(hash);
            }
        }
    }
}

/// How our proof is made.
pub(crate) enum Making {
    Made(Ours),
    Asked(Signature),
}

/// A signature of ours that is being made.
pub(crate) struct Signature {
    pub ticket: Ticket,
    certificate: Arc<LocalCertificate>,
}

impl Signature {
    /// It has been made, or not.
    pub fn made(self, signed: Result<Proof, SignError>, connection: &Connection) -> Result<Ours, Refusal> {
        match signed {
            Ok(proof) => Ok(Ours::Signature(proof.data, self.certificate)),
            Err(e) => Err(cannot_prove(connection, e.to_string())),
        }
    }
}

fn cannot_prove(connection: &Connection, text: String) -> Refusal {
    let place = connection.place.of(&["certificate", "key"]);
    Refusal::new(Party::Us, Cause::Authentication(text)).look_at(place)
}

/// Makes our proof in the way that was agreed. `hash`: HASH_I or HASH_R, whichever is ours.
pub(crate) fn prove(
    sa: &Sa,
    cx: &mut Context,
    chosen: &Chosen,
    connection: &Connection,
    hash: Secret,
) -> Result<Making, Refusal> {
    if chosen.method() == Method::Psk {
        return Ok(Making::Made(Ours::Hash(hash)));
    }
    let own = chosen.wishes.choose(connection, chosen.way);
    let own = own.ok_or_else(|| cannot_prove(connection, format!("we have no certificate for {}", chosen.way)))?;
    let question = SignQuestion::v1(own, hash.as_bytes()).map_err(|e| cannot_prove(connection, e.to_string()))?;
    Ok(Making::Asked(Signature {
        ticket: cx.ask(Asker::Sa(sa.slot), Question::Sign(Box::new(question))),
        certificate: Arc::clone(own),
    }))
}

/// Why a message cannot be read that was encrypted.
pub(crate) fn garbage(way: AuthMethod) -> Cause {
    let why = match proposals::method_of(way) {
        // The keys are made of it.
        Method::Psk => "most likely its secret is another",
        Method::Certificate | Method::Kerberos => "it has other keys than we, or the exchange was altered on its way",
    };
    Cause::Authentication(format!("the peer's message does not decrypt to payloads: {why}"))
}

/// Whether a peer has proved itself.
pub(crate) enum Verdict {
    /// By the preshared key.
    Proven,
    /// Its certificate is being judged.
    Asked(Ticket),
}

/// Whom the peer turned out to be, or claims to be.
pub(crate) struct Claim {
    pub connection: Arc<Connection>,
    pub peer: Identity,
}

/// Whether a message proves the peer. `expected`: HASH_I or HASH_R, whichever is the peer's.
pub(crate) fn verdict(
    sa: &Sa,
    cx: &mut Context,
    chosen: &Chosen,
    (connection, peer): (&Connection, &Identity),
    parsed: &Parsed<'_>,
    expected: &Secret,
) -> Result<Verdict, Refusal> {
    let us = |cause| Refusal::new(Party::Us, cause).look_at(proof_of(connection, chosen.way));
    if chosen.method() == Method::Psk {
        check(expected, connection, parsed).map_err(us)?;
        return Ok(Verdict::Proven);
    }
    let question = PeerQuestion {
        policy: Arc::clone(&connection.auth.peers),
        identity: peer.clone(),
        sent: certificates::sent(parsed),
        proof: PeerProof::V1 {
            method: chosen.way.0,
            signature: parsed.signature().map_err(us)?.to_vec(),
            hash: expected.as_bytes().to_vec(),
        },
    };
    Ok(Verdict::Asked(
        cx.ask(Asker::Sa(sa.slot), Question::Judge(Box::new(question))),
    ))
}

/// A peer's certificate or signature was refused.
pub(crate) fn not_proven(connection: &Connection, peer: &str, why: &PeerRefusal) -> Refusal {
    let authorities = connection.auth.peers.trust.anchors.iter();
    Refusal::new(Party::Us, Cause::Authentication(why.to_string()))
        .offered(vec![format!("{peer} by certificate")])
        .acceptable(
            authorities
                .map(|ca| format!("certificates of {}", ca.subject()))
                .collect(),
        )
        .look_at(connection.place.of(&["ca", "remote_id"]))
}

/// Checks the initiator's proof and finds its connection: one with the same secret, or the same way of signing, whose peer
/// may be called so.
pub(crate) fn verify_i(
    isakmp: &Isakmp,
    sa: &Sa,
    cx: &mut Context,
    chosen: &Chosen,
    publics: &Exchanged,
    parsed: &Parsed<'_>,
) -> Result<(Claim, Verdict), Box<Refusal>> {
    let tentative = &chosen.connection;
    let us = |cause| Box::new(Refusal::new(Party::Us, cause).look_at(&tentative.place));
    let id = parsed.id().map_err(us)?;
    let expected = hash_i(isakmp, sa, chosen, publics, id.body);
    let peer = Identity::from_wire(id.kind, id.data);
    // With a preshared key its proof comes first: the name of one that has the secret is worth an explanation.
    let by_secret = match chosen.method() {
        Method::Psk => Some(verdict(sa, cx, chosen, (tentative, &peer), parsed, &expected)?),
        Method::Certificate | Method::Kerberos => None,
    };
    let addresses = (sa.path.local.ip(), sa.path.remote.ip());
    let policy = cx.policy.clone();
    let alike = |c: &&Arc<Connection>| match chosen.method() {
        Method::Psk => c.auth.psk.ct_eq(tentative.auth.psk.as_bytes()),
        Method::Certificate | Method::Kerberos => true,
    };
    let found = choose::by_identity(&policy, 1, addresses, &peer, None)
        .filter(alike)
        .find(|c| proposals::allows(c, &chosen.suite, chosen.way));
    let Some(connection) = found.cloned() else {
        let acceptable = choose::by_address(&policy, 1, addresses)
            .filter(alike)
            .map(|c| c.remote_id.to_string());
        let refusal = us(Cause::WrongIdentity)
            .offered(vec![peer.to_string()])
            .acceptable(acceptable.collect())
            .look_at(tentative.place.of(&["remote_id"]));
        return Err(Box::new(refusal));
    };
    let verdict = match by_secret {
        Some(verdict) => verdict,
        None => verdict(sa, cx, chosen, (&connection, &peer), parsed, &expected)?,
    };
    Ok((Claim { connection, peer }, verdict))
}

/// Checks the responder's proof and identity.
pub(crate) fn verify_r(
    isakmp: &Isakmp,
    sa: &Sa,
    cx: &mut Context,
    chosen: &Chosen,
    publics: &Exchanged,
    parsed: &Parsed<'_>,
) -> Result<(Identity, Verdict), Box<Refusal>> {
    let connection = &chosen.connection;
    let us = |cause| Box::new(Refusal::new(Party::Us, cause).look_at(&connection.place));
    let id = parsed.id().map_err(us)?;
    let expected = hash_r(isakmp, sa, chosen, publics, id.body);
    let peer = Identity::from_wire(id.kind, id.data);
    let is_right = connection.remote_id.matches(&peer);
    // With a preshared key its proof comes first: the name of one that has the secret is worth an explanation.
    if is_right || chosen.method() == Method::Psk {
        let verdict = verdict(sa, cx, chosen, (connection, &peer), parsed, &expected)?;
        if is_right {
            return Ok((peer, verdict));
        }
    }
    let refusal = us(Cause::WrongIdentity)
        .offered(vec![peer.to_string()])
        .acceptable(vec![connection.remote_id.to_string()])
        .look_at(connection.place.of(&["remote_id"]));
    Err(Box::new(refusal))
}

/// Where that is written by which a peer proves itself.
pub(crate) fn proof_of(connection: &Connection, way: AuthMethod) -> String {
    match proposals::method_of(way) {
        Method::Psk => connection.place.of(&["secret", "secret_file"]),
        Method::Certificate => connection.place.of(&["ca", "remote_id"]),
        Method::Kerberos => connection.place.of(&["kerberos", "auth"]),
    }
}

/// The whole hash, of exactly its length, compared in constant time.
fn check(expected: &Secret, connection: &Connection, parsed: &Parsed<'_>) -> Result<(), Cause> {
    let received = parsed.hash()?;
    if connection.auth.psk.is_empty() {
        return Err(Cause::Authentication("the secret is empty".into()));
    }
    if received.len() == expected.len() && expected.ct_eq(received) {
        return Ok(());
    }
    let text = "the peer's hash is not the one that our secret makes: its secret is another";
    Err(Cause::Authentication(text.into()))
}
