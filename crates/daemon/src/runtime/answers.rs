//! Questions of the engine that need no plane: keys and names.

use handfast_auth::certificate::{PeerQuestion, PeerRefusal, Proven};
use handfast_crypto::provider::{CryptoError, KeyAgreement, Provider, RandomSource};
use handfast_crypto::transform::Group;
use handfast_engine::{Answer, Question, Ticket};
use tokio::sync::mpsc::UnboundedSender;

use super::kerberos::KerberosThreads;
use crate::net;

/// The system's randomness.
pub struct OsRandom;

impl RandomSource for OsRandom {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(out).map_err(|_| CryptoError::Random)
    }
}

/// Above this size of a public value (the MODP groups) a key takes milliseconds and goes to another thread.
const INLINE_PUBLIC_LEN: usize = 200;

/// Whether a question is answered faster than it could be handed over.
pub fn is_quick(provider: &Provider, question: &Question) -> bool {
    let quick = |group: Group| {
        provider
            .group(group)
            .is_none_or(|g| g.public_len() <= INLINE_PUBLIC_LEN)
    };
    match question {
        Question::GenerateKey(group) | Question::Respond { group, .. } => quick(*group),
        Question::Agree { peer, .. } => peer.len() <= INLINE_PUBLIC_LEN,
        Question::LocalAddress(_) => true,
        Question::Resolve(_) | Question::Sign(_) | Question::Judge(_) | Question::Gss(_) | Question::Plane(_) => false,
    }
}

/// Answers what needs neither plane nor waiting. `mark` is that of our packets.
pub fn answer(provider: &'static Provider, question: Question, mark: u32) -> Answer {
    let group = |id| provider.group(id).ok_or(CryptoError::Unsupported);
    match question {
        Question::GenerateKey(id) => Answer::Key(group(id).and_then(|g| g.generate(&mut OsRandom))),
        Question::Agree { key, peer } => Answer::Shared(key.agree(&peer)),
        Question::Respond { group: id, peer } => Answer::Responded(group(id).and_then(|g| respond(g, &peer))),
        Question::LocalAddress(remote) => {
            Answer::LocalAddress(net::source_address(remote, mark).map_err(|e| e.to_string()))
        }
        Question::Resolve(name) => Answer::Addresses(Err(format!("{name} cannot be looked up here"))),
        Question::Sign(question) => Answer::Signed(question.answer()),
        Question::Judge(question) => Answer::Judged(judge(&question)),
        Question::Gss(question) => Answer::Gss(question.answer()),
        Question::Plane(_) => Answer::Plane(handfast_plane::op::PlaneReply::Failed("no plane here".into())),
    }
}

/// Judges a peer by what it sent.
fn judge(question: &PeerQuestion) -> Result<Proven, PeerRefusal> {
    let now = net::clock::certificate_time();
    let judged = question.judge(now)?;
    Ok(Proven::new(judged.finish(&[], &[], now)?))
}

fn respond(group: &dyn KeyAgreement, peer: &[u8]) -> Result<(Vec<u8>, handfast_crypto::secret::Secret), CryptoError> {
    let key = group.generate(&mut OsRandom)?;
    let public = key.public().to_vec();
    Ok((public, key.agree(peer)?))
}

/// Answers in the background; the answer comes through `done`.
pub fn answer_later(
    provider: &'static Provider,
    kerberos: &KerberosThreads,
    ticket: Ticket,
    question: Question,
    done: UnboundedSender<(Ticket, Answer)>,
) {
    // The receiver is gone only when the daemon is; nothing then waits for the answer.
    match question {
        Question::Resolve(name) => drop(tokio::spawn(async move {
            let found = net::resolve(&name).await.map_err(|e| e.to_string());
            done.send((ticket, Answer::Addresses(found))).ok();
        })),
        Question::Gss(question) => {
            let kerberos = kerberos.clone();
            drop(tokio::spawn(async move {
                done.send((ticket, Answer::Gss(kerberos.ask(*question).await))).ok();
            }));
        }
        question => drop(tokio::task::spawn_blocking(move || {
            done.send((ticket, answer(provider, question, 0))).ok();
        })),
    }
}
