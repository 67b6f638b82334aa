//! Questions of the engine that need no plane: keys, names, signatures, peers.

use std::sync::Arc;
use std::thread::available_parallelism;

use handfast_auth::certificate::{PeerQuestion, PeerRefusal, Proven, SignError};
use handfast_crypto::provider::{CryptoError, KeyAgreement, Provider, RandomSource};
use handfast_crypto::transform::Group;
use handfast_engine::{Answer, Question, Ticket};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::spawn_blocking;

use super::kerberos::KerberosThreads;
use crate::net;
use crate::revocation::judge::Judge;
use crate::revocation::{Fetcher, Settings};

/// The system's randomness.
pub struct OsRandom;

impl RandomSource for OsRandom {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(out).map_err(|_| CryptoError::Random)
    }
}

/// Above this size of a public value (the MODP groups) a key takes milliseconds and goes to another thread.
const INLINE_PUBLIC_LEN: usize = 200;
/// Signatures and peers that wait for an answer. Half-open SAs are bounded as well, but a reload may raise that.
const MOST_WAITING: usize = 1024;

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
        Question::Sign(question) => question.is_quick(),
        Question::Resolve(_) | Question::Judge(_) | Question::Gss(_) | Question::Plane(_) => false,
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
pub struct Background {
    provider: &'static Provider,
    done: UnboundedSender<(Ticket, Answer)>,
    judge: Judge,
    kerberos: KerberosThreads,
    /// As many compute at once as there are processors.
    cpus: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Background {
    /// `mark` is that of our packets.
    pub fn new(provider: &'static Provider, mark: u32, done: UnboundedSender<(Ticket, Answer)>) -> Self {
        let cpus = Arc::new(Semaphore::new(available_parallelism().map_or(2, |n| n.get().max(2))));
        Self {
            provider,
            done,
            judge: Judge::new(Fetcher::new(Settings::new(mark)), Arc::clone(&cpus)),
            kerberos: KerberosThreads::default(),
            cpus,
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
        }
    }

    /// Answers later.
    pub fn answer(&self, ticket: Ticket, question: Question) {
        let (provider, done) = (self.provider, self.done.clone());
        // The receiver is gone only when the daemon is; nothing then waits for the answer.
        let tell = move |answer| drop(done.send((ticket, answer)));
        let busy = || format!("{MOST_WAITING} signatures and peers wait already");
        match question {
            Question::Resolve(name) => drop(tokio::spawn(async move {
                let found = net::resolve(&name).await.map_err(|e| e.to_string());
                tell(Answer::Addresses(found));
            })),
            Question::Judge(question) => {
                let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
                    return tell(Answer::Judged(Err(PeerRefusal::Unanswered(busy()))));
                };
                let judge = self.judge.clone();
                tokio::spawn(async move {
                    tell(Answer::Judged(judge.judge(*question).await));
                    drop(place);
                });
            }
            Question::Sign(question) => {
                let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
                    return tell(Answer::Signed(Err(SignError::Failed(busy()))));
                };
                let cpus = Arc::clone(&self.cpus);
                tokio::spawn(async move {
                    let failed = |reason: &str| Err(SignError::Failed(reason.into()));
                    let signed = match cpus.acquire_owned().await {
                        Ok(cpu) => spawn_blocking(move || {
                            let signed = question.answer();
                            drop(cpu);
                            signed
                        })
                        .await
                        .unwrap_or_else(|_| failed("an internal error")),
                        Err(_) => failed("the daemon ends"),
                    };
                    tell(Answer::Signed(signed));
                    drop(place);
                });
            }
            Question::Gss(question) => {
                let kerberos = self.kerberos.clone();
                drop(tokio::spawn(async move {
                    tell(Answer::Gss(kerberos.ask(*question).await));
                }));
            }
            question => drop(spawn_blocking(move || tell(answer(provider, question, 0)))),
        }
    }
}
