//! The engine's question: is this peer the one it says it is, and is its certificate not revoked?

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use handfast_auth::certificate::revocation::{RevocationPolicy, RevocationRefusal, Source, Wanted, Why};
use handfast_auth::certificate::{Judged, PeerQuestion, PeerRefusal, Proven};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::fetcher::{Fetcher, Step};
use crate::net::clock::certificate_time;

/// A question is answered after this, whatever happens: the engine's half-open SAs live for thirty seconds.
const DEADLINE: Duration = Duration::from_secs(20);
/// A source that does not answer is complained of as often.
const COMPLAIN_AGAIN: Duration = Duration::from_secs(3600);
const MOST_COMPLAINTS: usize = 256;

/// Judges peers.
#[derive(Clone)]
pub struct Judge {
    fetcher: Fetcher,
    /// Computing, not waiting, is what is bounded.
    cpus: Arc<Semaphore>,
    complaints: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Judge {
    /// With `cpus` for all that computes.
    pub fn new(fetcher: Fetcher, cpus: Arc<Semaphore>) -> Self {
        Self {
            fetcher,
            cpus,
            complaints: Arc::default(),
        }
    }

    /// The answer. Nothing is fetched before proof and path are found good.
    ///
    /// # Errors
    /// Why the peer is refused.
    pub async fn judge(&self, question: PeerQuestion) -> Result<Proven, PeerRefusal> {
        timeout(DEADLINE, self.judged(question)).await.map_err(|_| late())?
    }

    async fn judged(&self, question: PeerQuestion) -> Result<Proven, PeerRefusal> {
        let now = certificate_time();
        let (judged, sources) = self
            .compute(move || {
                let judged = question.judge(now)?;
                let sources = judged.sources(now);
                Ok((judged, sources))
            })
            .await?;
        self.finish(judged, sources).await
    }

    /// The answer about one that was judged but for revocation, about which these sources are to be asked.
    ///
    /// # Errors
    /// Why the peer is refused.
    pub async fn ask_and_finish(&self, judged: Judged, sources: Vec<Source>) -> Result<Proven, PeerRefusal> {
        let finish = self.finish(judged, sources);
        timeout(DEADLINE, finish).await.map_err(|_| late())?
    }

    async fn finish(&self, judged: Judged, sources: Vec<Source>) -> Result<Proven, PeerRefusal> {
        let policy = judged.revocation();
        let gathered = self.fetcher.gather(&sources).await;
        let steps = gathered.steps;
        let now = certificate_time();
        let (crls, ocsp) = (gathered.crls, gathered.ocsp);
        let verdict = self
            .compute(move || Ok(judged.finish(&crls, &ocsp, now).map(Proven::new)))
            .await?;
        match verdict {
            Ok(proven) => {
                self.complain(&steps, policy);
                Ok(proven)
            }
            Err(refusal) => Err(explained(refusal, &steps).into()),
        }
    }

    /// On another thread.
    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PeerRefusal> + Send + 'static,
    ) -> Result<T, PeerRefusal> {
        let unanswered = |reason: &str| PeerRefusal::Unanswered(reason.into());
        let permit = Arc::clone(&self.cpus).acquire_owned().await;
        let permit = permit.map_err(|_| unanswered("the daemon ends"))?;
        let done = spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        done.await.map_err(|_| unanswered("an internal error"))?
    }

    /// Tells that a peer was accepted although nobody says whether its certificate is revoked.
    fn complain(&self, steps: &[Step], policy: RevocationPolicy) {
        for step in steps {
            let Err(reason) = &step.outcome else { continue };
            let same = |other: &&Step| other.kind == step.kind && other.certificate == step.certificate;
            let (key, wanted) = match step.kind {
                "CRL" => ("crl", policy.crl),
                _ => ("ocsp", policy.ocsp),
            };
            if wanted != Wanted::Try || steps.iter().filter(same).any(|other| other.outcome.is_ok()) {
                continue;
            }
            if self.is_news(&step.url) {
                let (kind, url, certificate) = (step.kind, &step.url, &step.certificate);
                tracing::warn!(
                    kind,
                    url,
                    certificate,
                    reason,
                    "nobody says whether a certificate is revoked; it is accepted, since {key} = \"try\""
                );
            }
        }
    }

    fn is_news(&self, url: &str) -> bool {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if complaints.get(url).is_some_and(|at| now - *at < COMPLAIN_AGAIN) {
            return false;
        }
        if complaints.len() >= MOST_COMPLAINTS {
            complaints.retain(|_, at| now - *at < COMPLAIN_AGAIN);
        }
        if complaints.len() >= MOST_COMPLAINTS {
            return false;
        }
        complaints.insert(url.to_owned(), now);
        true
    }
}

fn late() -> PeerRefusal {
    PeerRefusal::Unanswered(format!("it was not judged within {DEADLINE:?}"))
}

/// With what went wrong in fetching: the answers that came speak for themselves.
pub fn explained(mut refusal: RevocationRefusal, steps: &[Step]) -> RevocationRefusal {
    if let Why::NoAnswer { kind, reasons } = &mut refusal.why {
        let of = steps
            .iter()
            .filter(|step| step.kind == *kind && step.certificate == refusal.certificate);
        for step in of {
            if let Err(reason) = &step.outcome
                && !reasons.contains(reason)
            {
                reasons.push(format!("{}: {reason}", step.url));
            }
        }
    }
    refusal
}
