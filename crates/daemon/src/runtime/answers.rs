//! Questions of the engine that need no plane: keys, names, signatures, peers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

use handfast_auth::certificate::revocation::Source;
use handfast_auth::certificate::{Judged, PeerQuestion, PeerRefusal, Proven, SignError};
use handfast_crypto::provider::{CryptoError, EphemeralKey, Provider, RandomSource};
use handfast_engine::{Answer, Question, Ticket};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::costs::Costs;
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

/// Signatures and peers that wait for an answer. Half-open SAs are bounded as well, but a reload may raise that.
const MOST_WAITING: usize = 1024;

/// Whether a question is answered faster than it could be handed over. `prepared`: there is a key pair for it.
pub fn is_quick(costs: &Costs, question: &Question, prepared: bool) -> bool {
    match question {
        Question::GenerateKey(_) | Question::Respond { .. } | Question::Agree { .. } => {
            // What is no group of ours is refused at once.
            costs.work(question, prepared).is_none_or(|work| costs.is_quick(work))
        }
        Question::LocalAddress(_) => true,
        Question::Sign(question) => question.is_quick(),
        Question::Judge(question) => question.is_quick(),
        Question::Resolve(_) | Question::Gss(_) | Question::Plane(_) => false,
    }
}

/// A key pair that was made before, if there was one.
pub type Key = Option<Box<dyn EphemeralKey>>;

/// The answer, if it needs neither plane nor waiting after all: a peer about whose revocation somebody must be asked takes
/// longer.
pub fn answer_in_place(
    provider: &'static Provider,
    costs: &Costs,
    question: Question,
    prepared: Key,
    mark: u32,
) -> Result<Answer, Unjudged> {
    match question {
        Question::Judge(question) => judge_in_place(*question),
        question => Ok(timed(provider, costs, question, prepared, mark)),
    }
}

/// [`answer`], and how long it took.
fn timed(provider: &'static Provider, costs: &Costs, question: Question, prepared: Key, mark: u32) -> Answer {
    let Some(work) = costs.work(&question, prepared.is_some()) else {
        return answer(provider, question, prepared, mark);
    };
    let began = Instant::now();
    let answer = answer(provider, question, prepared, mark);
    costs.learn(work, began.elapsed());
    answer
}

/// A peer whose proof and path are good, about whose revocation somebody is to be asked.
pub struct Unjudged {
    judged: Judged,
    sources: Vec<Source>,
}

fn judge_in_place(question: PeerQuestion) -> Result<Answer, Unjudged> {
    let now = net::clock::certificate_time();
    let judged = match question.judge(now) {
        Ok(judged) => judged,
        Err(refusal) => return Ok(Answer::Judged(Err(refusal))),
    };
    let sources = judged.sources(now);
    if sources.is_empty() {
        let verdict = judged.finish(&[], &[], now).map(Proven::new);
        return Ok(Answer::Judged(verdict.map_err(PeerRefusal::from)));
    }
    Err(Unjudged { judged, sources })
}

/// Answers what needs neither plane nor waiting. `prepared` is a key pair of the group that is asked for, `mark` that of our
/// packets.
pub fn answer(provider: &'static Provider, question: Question, prepared: Key, mark: u32) -> Answer {
    let key = |id| match prepared {
        Some(key) => Ok(key),
        None => {
            let group = provider.group(id).ok_or(CryptoError::Unsupported)?;
            group.generate(&mut OsRandom)
        }
    };
    match question {
        Question::GenerateKey(id) => Answer::Key(key(id)),
        Question::Agree { key, peer } => Answer::Shared(key.agree(&peer)),
        Question::Respond { group: id, peer } => Answer::Responded(key(id).and_then(|key| respond(key, &peer))),
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

fn respond(key: Box<dyn EphemeralKey>, peer: &[u8]) -> Result<(Vec<u8>, handfast_crypto::secret::Secret), CryptoError> {
    let public = key.public().to_vec();
    Ok((public, key.agree(peer)?))
}

fn busy() -> String {
    format!("{MOST_WAITING} signatures and peers wait already")
}

/// Answers in the background; the answer comes through `done`.
pub struct Background {
    provider: &'static Provider,
    costs: Costs,
    done: UnboundedSender<(Ticket, Answer)>,
    judge: Judge,
    kerberos: KerberosThreads,
    /// As many compute at once as there are processors.
    cpus: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Background {
    /// `mark` is that of our packets.
    pub fn new(provider: &'static Provider, costs: Costs, mark: u32, done: UnboundedSender<(Ticket, Answer)>) -> Self {
        let cpus = Arc::new(Semaphore::new(available_parallelism().map_or(2, |n| n.get().max(2))));
        Self {
            provider,
            costs,
            done,
            judge: Judge::new(Fetcher::new(Settings::new(mark)), Arc::clone(&cpus)),
            kerberos: KerberosThreads::default(),
            cpus,
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
        }
    }

    /// Answers later; `prepared` as above.
    pub fn answer(&self, ticket: Ticket, question: Question, prepared: Key) {
        let (provider, done) = (self.provider, self.done.clone());
        // The receiver is gone only when the daemon is; nothing then waits for the answer.
        let tell = move |answer| drop(done.send((ticket, answer)));
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
                let failed = |reason: &str| Err(SignError::Failed(reason.into()));
                let sign = move |cpu: OwnedSemaphorePermit| {
                    let signed = catch_unwind(AssertUnwindSafe(|| question.answer()));
                    drop((cpu, place));
                    tell(Answer::Signed(signed.unwrap_or_else(|_| failed("an internal error"))));
                };
                // Straight to the thread where a processor is free: a task in between costs a turn of the loop.
                match Arc::clone(&self.cpus).try_acquire_owned() {
                    Ok(cpu) => drop(spawn_blocking(move || sign(cpu))),
                    Err(_) => {
                        let cpus = Arc::clone(&self.cpus);
                        drop(tokio::spawn(async move {
                            if let Ok(cpu) = cpus.acquire_owned().await {
                                spawn_blocking(move || sign(cpu));
                            }
                        }));
                    }
                }
            }
            Question::Gss(question) => {
                let kerberos = self.kerberos.clone();
                drop(tokio::spawn(async move {
                    tell(Answer::Gss(kerberos.ask(*question).await));
                }));
            }
            question => {
                let costs = self.costs.clone();
                drop(spawn_blocking(move || {
                    tell(timed(provider, &costs, question, prepared, 0))
                }));
            }
        }
    }

    /// Goes on with a peer that was found good but for revocation.
    pub fn go_on(&self, ticket: Ticket, unjudged: Unjudged) {
        let done = self.done.clone();
        let tell = move |answer| drop(done.send((ticket, Answer::Judged(answer))));
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
            return tell(Err(PeerRefusal::Unanswered(busy())));
        };
        let judge = self.judge.clone();
        tokio::spawn(async move {
            tell(judge.ask_and_finish(unjudged.judged, unjudged.sources).await);
            drop(place);
        });
    }
}
