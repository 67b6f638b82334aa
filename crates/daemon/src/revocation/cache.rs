//! What was fetched, until it ends. A failure is kept for a short while too, so that a peer that tries again and again
//! does not make us ask again and again. Whoever asks for what is being fetched waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use handfast_auth::certificate::{Crl, Time};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::net::clock::certificate_time;

/// What was fetched.
#[derive(Clone, Debug)]
pub enum Content {
    /// A CRL.
    Crl(Crl),
    /// An OCSP answer, and the nonce of its question.
    Ocsp(Vec<u8>, Vec<u8>),
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Found {
    /// The answer itself.
    pub content: Content,
    /// How many octets it has.
    pub octets: usize,
    /// Until when it holds, or why it says nothing.
    pub verdict: Result<Time, String>,
}

impl Found {
    fn holds(&self, now: Time) -> bool {
        self.verdict.as_ref().is_ok_and(|until| *until > now)
    }
}

/// What came of a fetch.
pub(super) type Outcome = Result<Arc<Found>, String>;

/// What is asked for: an address, and the hash of whom or what it is asked about. Who answers for one CA can so not
/// fill the place of another's answer.
pub(super) type Key = (String, Vec<u8>);

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Answers and failures.
    pub(super) entries: usize,
    /// Octets of all answers.
    pub(super) octets: usize,
    /// Fetches under way, those that wait for their turn included.
    pub(super) running: usize,
    /// How long a failure is kept.
    pub(super) failure: Duration,
    /// A good answer is fetched anew after this, even if it holds longer; until the new one is there it is used.
    pub(super) refresh: Duration,
}

pub(super) const BOUNDS: Bounds = Bounds {
    entries: 1024,
    octets: 64 << 20,
    running: 256,
    failure: Duration::from_secs(60),
    refresh: Duration::from_secs(24 * 3600),
};

#[derive(Default)]
struct Entry {
    known: Option<(Outcome, Instant)>,
    running: Option<watch::Receiver<Option<Outcome>>>,
    used: u64,
}

#[derive(Default)]
struct Entries {
    all: HashMap<Key, Entry>,
    uses: u64,
}

pub(super) struct Cache {
    entries: Mutex<Entries>,
    bounds: Bounds,
}

impl Cache {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            entries: Mutex::default(),
            bounds,
        })
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Nothing that holds the lock leaves it half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept, or what `fetch` brings until `by`. What takes longer goes on, for whoever asks next. Also: whether
    /// it was there already.
    pub(super) async fn get<F>(self: &Arc<Self>, key: Key, by: Instant, fetch: impl FnOnce() -> F) -> (Outcome, bool)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let (mut waiting, fallback) = {
            let mut entries = self.entries();
            entries.uses += 1;
            let uses = entries.uses;
            let running = entries.all.values().filter(|entry| entry.is_running()).count();
            let now = certificate_time();
            let entry = entries.all.entry(key.clone()).or_default();
            entry.used = uses;
            let holds = |outcome: &Outcome| outcome.as_ref().is_ok_and(|found| found.holds(now));
            if let Some((outcome, refresh)) = &entry.known
                && Instant::now() < *refresh
            {
                return (outcome.clone(), true);
            }
            let fallback = entry.known.as_ref().map(|(outcome, _)| outcome.clone()).filter(holds);
            match entry.running.clone().filter(|_| entry.is_running()) {
                Some(waiting) => (waiting, fallback),
                None if running >= self.bounds.running => {
                    let busy = || Err(format!("{running} other fetches are under way"));
                    return (fallback.unwrap_or_else(busy), true);
                }
                None => {
                    let (done, waiting) = watch::channel(None);
                    entry.running = Some(waiting.clone());
                    let (cache, fetch) = (Arc::clone(self), fetch());
                    tokio::spawn(async move {
                        let outcome = fetch.await;
                        let outcome = cache.finished(&key, outcome);
                        done.send_replace(Some(outcome));
                    });
                    (waiting, fallback)
                }
            }
        };
        let late = || Err("no answer yet; the fetch goes on".to_string());
        let outcome = match timeout_at(by, waiting.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or_else(late),
            Ok(Err(_)) => Err("the fetch was given up".into()),
            Err(_) => fallback.unwrap_or_else(late),
        };
        (outcome, false)
    }

    /// Keeps what came, unless what is there is better, and says what counts.
    fn finished(&self, key: &Key, outcome: Outcome) -> Outcome {
        let (now, instant) = (certificate_time(), Instant::now());
        let mut entries = self.entries();
        let entry = entries.all.entry(key.clone()).or_default();
        entry.running = None;
        let end = outcome.as_ref().ok().and_then(|found| found.verdict.clone().ok());
        let counts = match (&entry.known, end) {
            (Some((Ok(old), _)), None) if old.holds(now) => Ok(Arc::clone(old)),
            _ => outcome,
        };
        let keep = match end {
            // One that ends within the next minute is not asked for at each question either.
            Some(end) => Duration::from_secs(u64::try_from(end.0 - now.0).unwrap_or_default())
                .clamp(self.bounds.failure, self.bounds.refresh),
            None => self.bounds.failure,
        };
        entry.known = Some((counts.clone(), instant + keep));
        entries.evict(&self.bounds, key);
        counts
    }
}

impl Entry {
    /// A fetch whose task is gone without a word is none.
    fn is_running(&self) -> bool {
        self.running
            .as_ref()
            .is_some_and(|running| running.has_changed().is_ok())
    }

    fn octets(&self) -> usize {
        match &self.known {
            Some((Ok(found), _)) => found.octets,
            _ => 0,
        }
    }
}

impl Entries {
    /// Forgets what was not used for longest. What has just come stays.
    fn evict(&mut self, bounds: &Bounds, newest: &Key) {
        let mut octets: usize = self.all.values().map(Entry::octets).sum();
        while self.all.len() > bounds.entries || octets > bounds.octets {
            let old = self
                .all
                .iter()
                .filter(|(key, entry)| *key != newest && !entry.is_running());
            let Some(key) = old.min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone()) else {
                return;
            };
            octets -= self.all.remove(&key).map_or(0, |entry| entry.octets());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    fn key(name: &str) -> Key {
        (name.to_owned(), vec![])
    }

    fn found(octets: usize, verdict: Result<Time, String>) -> Outcome {
        Ok(Arc::new(Found {
            content: Content::Ocsp(vec![], vec![]),
            octets,
            verdict,
        }))
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// Asks, and counts fetches.
    struct Asker {
        cache: Arc<Cache>,
        fetches: Arc<AtomicUsize>,
    }

    impl Asker {
        fn new(bounds: Bounds) -> Self {
            Self {
                cache: Cache::new(bounds),
                fetches: Arc::default(),
            }
        }

        async fn ask(&self, name: &str, outcome: Outcome, takes: Duration, by: Instant) -> (Outcome, bool) {
            let fetches = Arc::clone(&self.fetches);
            let fetch = || async move {
                fetches.fetch_add(1, Relaxed);
                tokio::time::sleep(takes).await;
                outcome
            };
            self.cache.get(key(name), by, fetch).await
        }

        async fn now(&self, name: &str, outcome: Outcome) -> (Outcome, bool) {
            self.ask(name, outcome, Duration::ZERO, in_a_minute()).await
        }

        fn count(&self) -> usize {
            self.fetches.load(Relaxed)
        }
    }

    fn later(seconds: i64) -> Time {
        Time(certificate_time().0 + seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_answer_is_kept_until_its_end_but_a_day_at_most() {
        let asker = Asker::new(BOUNDS);
        assert!(!asker.now("a", found(1, Ok(later(3600)))).await.1);
        assert!(asker.now("a", found(2, Ok(later(3600)))).await.1);
        tokio::time::advance(Duration::from_secs(3601)).await;
        assert_eq!(
            asker.now("a", found(3, Ok(later(1_000_000)))).await.0.unwrap().octets,
            3
        );
        tokio::time::advance(Duration::from_secs(24 * 3600 - 1)).await;
        assert!(asker.now("a", found(4, Ok(later(9)))).await.1);
        tokio::time::advance(Duration::from_secs(1)).await;
        // The new one fails, the old one holds: it is used.
        let (outcome, kept) = asker.now("a", Err("down".into())).await;
        assert_eq!((outcome.unwrap().octets, kept), (3, false));
        assert_eq!(asker.count(), 3);
        assert!(asker.now("a", Err("down".into())).await.1, "asked again at once");
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(asker.now("a", found(5, Ok(later(9)))).await.0.unwrap().octets, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_kept_for_a_minute() {
        let asker = Asker::new(BOUNDS);
        for failure in [Err("down".into()), found(1, Err("outdated".into()))] {
            asker.now("a", failure.clone()).await.0.ok();
            assert!(asker.now("a", found(1, Ok(later(9)))).await.1);
            tokio::time::advance(Duration::from_secs(61)).await;
        }
        let (outcome, kept) = asker.now("a", found(1, Ok(later(9)))).await;
        assert!(outcome.is_ok() && !kept);
        assert_eq!(asker.count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn many_wait_for_one_fetch_and_late_ones_do_not_end_it() {
        let asker = Asker::new(BOUNDS);
        let takes = Duration::from_secs(10);
        let by = |seconds| Instant::now() + Duration::from_secs(seconds);
        let asks = (0..50).map(|i| {
            asker.ask(
                "a",
                found(7, Ok(later(900))),
                takes,
                by(if i % 2 == 0 { 60 } else { 5 }),
            )
        });
        let outcomes = futures::future::join_all(asks).await;
        assert_eq!(asker.count(), 1);
        for (i, (outcome, _)) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(found) => assert!(i % 2 == 0 && found.octets == 7),
                Err(reason) => assert!(i % 2 == 1 && reason.contains("goes on"), "{reason}"),
            }
        }
        assert!(asker.now("a", Err("asked twice".into())).await.1);
    }

    #[tokio::test(start_paused = true)]
    async fn bounded_in_entries_octets_and_fetches() {
        let asker = Asker::new(Bounds {
            entries: 3,
            octets: 100,
            running: 2,
            ..BOUNDS
        });
        for name in ["a", "b", "c"] {
            asker.now(name, found(10, Ok(later(900)))).await.0.unwrap();
        }
        assert!(asker.now("a", Err("gone".into())).await.1);
        asker.now("d", found(10, Ok(later(900)))).await.0.unwrap();
        // b was not used for longest.
        assert!(asker.now("b", Err("gone".into())).await.0.is_err());
        asker.now("e", found(95, Ok(later(900)))).await.0.unwrap();
        let octets: usize = asker.cache.entries().all.values().map(Entry::octets).sum();
        assert_eq!(octets, 95);
        let slow = Duration::from_secs(10);
        let asks = ["x", "y", "z"].map(|name| asker.ask(name, found(1, Ok(later(9))), slow, in_a_minute()));
        let outcomes = futures::future::join_all(asks).await;
        assert!(outcomes[0].0.is_ok() && outcomes[1].0.is_ok());
        assert!(
            outcomes[2]
                .0
                .as_ref()
                .unwrap_err()
                .contains("2 other fetches are under way")
        );
    }

    #[tokio::test]
    async fn a_fetch_that_panics_is_none() {
        let asker = Asker::new(BOUNDS);
        let broken = || async { panic!("on purpose") };
        assert!(asker.cache.get(key("a"), in_a_minute(), broken).await.0.is_err());
        assert!(asker.now("a", found(1, Ok(later(9)))).await.0.is_ok());
    }
}
