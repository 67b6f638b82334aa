//! Authentication of phase 1 with a preshared key (RFC 2409 section 5.4): HASH_I and HASH_R.

use std::sync::Arc;

use handfast_auth::identity::Identity;
use handfast_crypto::provider::CryptoError;
use handfast_crypto::schedule::v1::{self, Covered};
use handfast_crypto::secret::Secret;

use crate::context::Context;
use crate::endpoint::choose;
use crate::output::Output;
use crate::policy::Connection;
use crate::refusal::{Cause, Party, Refusal};
use crate::v1::isakmp::{Agreed, Isakmp};
use crate::v1::message::Parsed;
use crate::v1::proposals;
use crate::v1::state::{Chosen, Sa};

/// Both public values.
pub(crate) struct Exchanged {
    pub gxi: Vec<u8>,
    pub gxr: Vec<u8>,
}

/// The channel that both sides have once their public values are exchanged: SKEYID is that of the chosen connection's
/// secret.
pub(crate) fn channel(
    cx: &mut Context,
    sa: &Sa,
    chosen: &Chosen,
    (ni, nr): (&[u8], &[u8]),
    publics: &Exchanged,
    shared: &Secret,
) -> Result<Isakmp, CryptoError> {
    let prf = cx.provider.prf(chosen.suite.prf).ok_or(CryptoError::Unsupported)?;
    let skeyid = v1::skeyid_preshared(prf, &chosen.connection.auth.psk, ni, nr);
    let agreed = Agreed {
        shared,
        cookies: (sa.spi_i, sa.spi_r),
        publics: (&publics.gxi, &publics.gxr),
    };
    let isakmp = Isakmp::new(cx.provider, chosen.suite, skeyid, &agreed)?;
    if cx.key_log {
        cx.out.push_back(Output::KeyLog(isakmp.key_log((sa.spi_i, sa.spi_r))));
    }
    Ok(isakmp)
}

/// Body of our ID payload: protocol and port zero (RFC 2407 section 4.6.2).
pub(crate) fn id_body(identity: &Identity) -> Vec<u8> {
    identity.to_id_body()
}

fn covered<'a>(sa: &'a Sa, chosen: &'a Chosen, publics: &'a Exchanged) -> Covered<'a> {
    Covered {
        gxi: &publics.gxi,
        gxr: &publics.gxr,
        cky_i: &sa.spi_i.0,
        cky_r: &sa.spi_r.0,
        sai_b: &chosen.sai_b,
    }
}

/// What proves the initiator.
pub(crate) fn hash_i(isakmp: &Isakmp, sa: &Sa, chosen: &Chosen, publics: &Exchanged, id: &[u8]) -> Secret {
    v1::hash_i(isakmp.prf, &isakmp.keys.skeyid, &covered(sa, chosen, publics), id)
}

/// What proves the responder.
pub(crate) fn hash_r(isakmp: &Isakmp, sa: &Sa, chosen: &Chosen, publics: &Exchanged, id: &[u8]) -> Secret {
    v1::hash_r(isakmp.prf, &isakmp.keys.skeyid, &covered(sa, chosen, publics), id)
}

/// Why a message cannot be read that was encrypted under keys made of a preshared key.
pub(crate) fn garbage() -> Cause {
    Cause::Authentication("the peer's message does not decrypt to payloads: most likely its secret is another".into())
}

/// Checks the initiator's proof and finds its connection: one with the same secret whose peer may be called so.
pub(crate) fn verify_i(
    isakmp: &Isakmp,
    sa: &Sa,
    cx: &Context,
    chosen: &Chosen,
    publics: &Exchanged,
    parsed: &Parsed<'_>,
) -> Result<(Arc<Connection>, Identity), Box<Refusal>> {
    let tentative = &chosen.connection;
    let us = |cause| Box::new(Refusal::new(Party::Us, cause).look_at(&tentative.place));
    let id = parsed.id().map_err(us)?;
    let expected = hash_i(isakmp, sa, chosen, publics, id.body);
    check(&expected, tentative, parsed).map_err(|cause| Box::new(us(cause).look_at(secret_of(tentative))))?;
    let peer = Identity::from_wire(id.kind, id.data);
    let addresses = (sa.path.local.ip(), sa.path.remote.ip());
    let same_secret = |c: &&Arc<Connection>| c.auth.psk.ct_eq(tentative.auth.psk.as_bytes());
    let found = choose::by_identity(&cx.policy, 1, addresses, &peer, None)
        .filter(same_secret)
        .find(|c| proposals::allows(c, &chosen.suite));
    match found {
        Some(connection) => Ok((connection.clone(), peer)),
        None => {
            let acceptable = choose::by_address(&cx.policy, 1, addresses)
                .filter(same_secret)
                .map(|c| c.remote_id.to_string());
            let refusal = us(Cause::WrongIdentity)
                .offered(vec![peer.to_string()])
                .acceptable(acceptable.collect())
                .look_at(tentative.place.of(&["remote_id"]));
            Err(Box::new(refusal))
        }
    }
}

/// Checks the responder's proof and identity.
pub(crate) fn verify_r(
    isakmp: &Isakmp,
    sa: &Sa,
    chosen: &Chosen,
    publics: &Exchanged,
    parsed: &Parsed<'_>,
) -> Result<Identity, Box<Refusal>> {
    let connection = &chosen.connection;
    let us = |cause| Box::new(Refusal::new(Party::Us, cause).look_at(&connection.place));
    let id = parsed.id().map_err(us)?;
    let expected = hash_r(isakmp, sa, chosen, publics, id.body);
    check(&expected, connection, parsed).map_err(|cause| Box::new(us(cause).look_at(secret_of(connection))))?;
    let peer = Identity::from_wire(id.kind, id.data);
    if connection.remote_id.matches(&peer) {
        return Ok(peer);
    }
    let refusal = us(Cause::WrongIdentity)
        .offered(vec![peer.to_string()])
        .acceptable(vec![connection.remote_id.to_string()])
        .look_at(connection.place.of(&["remote_id"]));
    Err(Box::new(refusal))
}

/// Where the secret is written.
pub(crate) fn secret_of(connection: &Connection) -> String {
    connection.place.of(&["secret", "secret_file"])
}

/// The whole hash, of exactly its length, compared in constant time.
pub(crate) fn check(expected: &Secret, connection: &Connection, parsed: &Parsed<'_>) -> Result<(), Cause> {
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
