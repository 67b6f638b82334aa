//! What both roles of IKE_AUTH share (RFC 7296 sections 1.2 and 2.15).

use std::sync::Arc;

use handfast_auth::certificate::{LocalCertificate, PeerProof, PeerQuestion, SignError, SignQuestion, ikev2};
use handfast_auth::identity::Identity;
use handfast_auth::v2::{Proof, ProofContext};
use handfast_auth::{Credential, Expectation, v2};
use handfast_wire::numbers::{AuthMethod, IdType, NotifyType};
use handfast_wire::v2::{Auth, Id, Payload, PayloadChain};

use crate::context::{Asker, Context};
use crate::output::{Question, Ticket};
use crate::policy::{Connection, Method};
use crate::refusal::{Cause, Party, Refusal};
use crate::v2::certificates::{self, Wishes};
use crate::v2::message::Parsed;
use crate::v2::state::Sa;

/// Our identity as payload.
pub(crate) fn push_id(chain: &mut PayloadChain, identity: &Identity, initiator: bool) {
    let (kind, data) = identity.to_wire();
    let id = Id {
        id_type: IdType(kind),
        reserved: [0; 3],
        data: &data,
    };
    chain.push(&if initiator { Payload::IdI(id) } else { Payload::IdR(id) });
}

/// The octets of our ID payload that AUTH covers: all but the generic header.
pub(crate) fn id_body(identity: &Identity) -> Vec<u8> {
    let (kind, data) = identity.to_wire();
    let mut body = vec![kind, 0, 0, 0];
    body.extend_from_slice(&data);
    body
}

/// Our proof, and the certificate that goes with it.
pub(crate) struct Ours {
    proof: Proof,
    certificate: Option<Arc<LocalCertificate>>,
}

impl Ours {
    pub fn method(&self) -> Method {
        self.certificate.as_ref().map_or(Method::Psk, |_| Method::Certificate)
    }

    /// CERT payloads, which come right after our identity.
    pub fn push_certificates(&self, chain: &mut PayloadChain, wishes: &Wishes) {
        if let Some(certificate) = &self.certificate {
            wishes.push_certificates(chain, certificate);
        }
    }

    pub fn push_auth(&self, chain: &mut PayloadChain) {
        chain.push(&Payload::Auth(Auth {
            method: AuthMethod(self.proof.method),
            reserved: [0; 3],
            data: &self.proof.data,
        }));
    }
}

/// How our proof is made.
pub(crate) enum Making {
    /// It is there.
    Made(Ours),
    /// A signature was asked for.
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
            Ok(proof) => Ok(Ours {
                proof,
                certificate: Some(self.certificate),
            }),
            Err(e) => Err(cannot_prove(connection, Cause::Authentication(e.to_string()))),
        }
    }
}

/// We have no proof of ourselves.
fn cannot_prove(connection: &Connection, cause: Cause) -> Refusal {
    Refusal::new(Party::Us, cause).look_at(connection.place.of(&["certificate", "secret", "secret_file", "auth"]))
}

/// Makes our proof by the first method that can be used with this peer.
pub(crate) fn prove(
    sa: &Sa,
    cx: &mut Context,
    connection: &Connection,
    context: &ProofContext<'_>,
    wishes: &Wishes,
) -> Result<Making, Refusal> {
    let mut why = None;
    for method in &connection.auth.local {
        let made = match method {
            Method::Psk => shared_key(connection, context).map(|proof| {
                Making::Made(Ours {
                    proof,
                    certificate: None,
                })
            }),
            Method::Kerberos => Err("IKEv2 has no Kerberos".into()),
            Method::Certificate => sign(connection, context, wishes).map(|(question, certificate)| {
                let ticket = cx.ask(Asker::Sa(sa.slot), Question::Sign(Box::new(question)));
                Making::Asked(Signature { ticket, certificate })
            }),
        };
        match made {
            Ok(made) => return Ok(made),
            Err(text) => why = why.or(Some(text)),
        }
    }
    let text = why.unwrap_or_else(|| "we have nothing to prove ourselves with".into());
    Err(cannot_prove(connection, Cause::Authentication(text)))
}

fn shared_key(connection: &Connection, context: &ProofContext<'_>) -> Result<Proof, String> {
    v2::prove(&Credential::Psk(connection.auth.psk.clone()), context).map_err(|e| e.to_string())
}

fn sign(
    connection: &Connection,
    context: &ProofContext<'_>,
    wishes: &Wishes,
) -> Result<(SignQuestion, Arc<LocalCertificate>), String> {
    let mut why = None;
    for certificate in wishes.order(connection) {
        match SignQuestion::v2(certificate, context, wishes.hashes) {
            Ok(question) => return Ok((question, Arc::clone(certificate))),
            Err(e) => why = why.or(Some(e.to_string())),
        }
    }
    Err(why.unwrap_or_else(|| "we have no certificate".into()))
}

/// Whether a peer has proved itself.
pub(crate) enum Verdict {
    /// By the preshared key.
    Proven,
    /// Its certificate is being judged.
    Asked(Ticket),
}

/// The method of an AUTH payload.
pub(crate) fn method_of(auth: &Auth<'_>) -> Method {
    if auth.method == AuthMethod::SHARED_KEY {
        Method::Psk
    } else {
        Method::Certificate
    }
}

/// Whether the peer's AUTH payload proves its identity. `context` is seen from its side.
pub(crate) fn verify(
    sa: &Sa,
    cx: &mut Context,
    connection: &Connection,
    context: &ProofContext<'_>,
    (parsed, identity): (&Parsed<'_>, &Identity),
) -> Result<Verdict, Refusal> {
    let auth = parsed.auth().map_err(|cause| Refusal::new(Party::Us, cause))?;
    let method = method_of(&auth);
    if !connection.auth.accepts(method) {
        return Err(wrong_method(connection, &auth, identity));
    }
    if method == Method::Psk {
        let expectation = Expectation::Psk(connection.auth.psk.clone());
        return match v2::verify(&expectation, context, auth.method.0, auth.data) {
            Ok(()) => Ok(Verdict::Proven),
            Err(e) => Err(Refusal::new(Party::Us, Cause::Authentication(e.to_string()))
                .offered(vec![format!("{identity} by preshared key")])
                .acceptable(vec![format!("{identity} with the secret of {}", connection.name)])
                .look_at(connection.place.of(&["secret", "secret_file"]))),
        };
    }
    let question = PeerQuestion {
        policy: Arc::clone(&connection.auth.peers),
        identity: identity.clone(),
        sent: certificates::sent(parsed),
        proof: PeerProof::V2 {
            method: auth.method,
            data: auth.data.to_vec(),
            octets: ikev2::signed_octets(context),
        },
    };
    Ok(Verdict::Asked(
        cx.ask(Asker::Sa(sa.slot), Question::Judge(Box::new(question))),
    ))
}

/// The peer proves itself otherwise than it may.
fn wrong_method(connection: &Connection, auth: &Auth<'_>, identity: &Identity) -> Refusal {
    let text = format!("the peer proves itself by {}, which is not accepted", auth.method);
    let accepted = connection.auth.remote.iter().map(|m| format!("{identity} by {m}"));
    Refusal::new(Party::Us, Cause::Authentication(text))
        .offered(vec![format!("{identity} by {}", method_of(auth))])
        .acceptable(accepted.collect())
        .look_at(connection.place.of(&["remote_auth", "auth"]))
}

/// A peer's certificate or signature was refused.
pub(crate) fn not_proven(connection: &Connection, identity: &str, why: &dyn std::error::Error) -> Refusal {
    Refusal::new(Party::Us, Cause::Authentication(why.to_string()))
        .offered(vec![format!("{identity} by certificate")])
        .acceptable(accepted_authorities(connection))
        .look_at(connection.place.of(&["ca", "remote_key", "remote_id"]))
}

/// Whom we trust, for explanations.
fn accepted_authorities(connection: &Connection) -> Vec<String> {
    let peers = &connection.auth.peers;
    let authorities = peers
        .trust
        .anchors
        .iter()
        .map(|ca| format!("certificates of {}", ca.subject()));
    let keys = peers.raw_keys.iter().map(|key| format!("the raw key {key}"));
    authorities.chain(keys).collect()
}

/// The cause that an error notify means for a child.
pub(crate) fn child_cause(notify: NotifyType) -> Cause {
    match notify {
        NotifyType::NO_PROPOSAL_CHOSEN => Cause::NoChildProposal,
        NotifyType::TS_UNACCEPTABLE => Cause::Selectors,
        other => Cause::Notified(other),
    }
}
