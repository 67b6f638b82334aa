//! Threads that wait for Kerberos, so that the event loop does not.
//!
//! A call of the library cannot be cancelled. One that takes longer than its deadline is answered for; its thread stays
//! lost until the call returns. So the threads are counted, and when none is left and enough questions wait already, the
//! next is refused at once.

use std::sync::Arc;
use std::time::Duration;

use handfast_auth::kerberos::{GssAnswer, GssError, GssQuestion};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

/// What the daemon has for each kind of question.
pub const THREADS: usize = 8;
/// Questions that may wait for a thread.
pub const WAITING: usize = 64;
/// From the question to its answer. A peer retransmits for longer than this.
pub const DEADLINE: Duration = Duration::from_secs(15);

/// The threads. Questions that can depend on the KDC have their own, so that a KDC that is gone keeps nobody from
/// answering peers.
#[derive(Clone, Debug)]
pub struct KerberosThreads {
    kdc: Lane,
    files: Lane,
    deadline: Duration,
}

#[derive(Clone, Debug)]
struct Lane {
    threads: Arc<Semaphore>,
    /// Those that run and those that wait.
    places: Arc<Semaphore>,
    count: usize,
}

impl Default for KerberosThreads {
    fn default() -> Self {
        Self::new(THREADS, WAITING, DEADLINE)
    }
}

impl KerberosThreads {
    /// So many threads for either kind of question; each question is answered within `deadline`.
    pub fn new(threads: usize, waiting: usize, deadline: Duration) -> Self {
        let lane = || Lane {
            threads: Arc::new(Semaphore::new(threads)),
            places: Arc::new(Semaphore::new(threads + waiting)),
            count: threads,
        };
        Self {
            kdc: lane(),
            files: lane(),
            deadline,
        }
    }

    /// Asks on a thread of its own, and answers in time whatever comes of it.
    pub async fn ask(&self, question: GssQuestion) -> GssAnswer {
        let lane = if question.asks_kdc() { &self.kdc } else { &self.files };
        let failure = question.failure();
        lane.ask(question, Instant::now() + self.deadline)
            .await
            .unwrap_or_else(failure)
    }
}

impl Lane {
    async fn ask(&self, question: GssQuestion, deadline: Instant) -> Result<GssAnswer, GssError> {
        let busy = |why: &str| GssError::busy(format!("all {} threads wait for the library, {why}", self.count));
        let _place = self
            .places
            .try_acquire()
            .map_err(|_| busy("and as many questions as may wait for one"))?;
        let thread = timeout_at(deadline, Arc::clone(&self.threads).acquire_owned()).await;
        // The semaphore is never closed.
        let Ok(Ok(thread)) = thread else {
            return Err(busy("and none became free in time"));
        };
        let (done, answer) = oneshot::channel();
        let work = move || {
            // Whoever asked may have gone: then the context, if one was made, ends here.
            drop(done.send(question.answer()));
            drop(thread);
        };
        std::thread::Builder::new()
            .name("kerberos".to_owned())
            .spawn(work)
            .map_err(|error| GssError::busy(format!("no thread can be started: {error}")))?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(GssError::busy("the thread ended without an answer")),
            Err(_) => Err(GssError::deadline(
                "the library has not answered; its thread is lost until it does",
            )),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Mutex, PoisonError};

    use handfast_auth::kerberos::{
        Context, Credentials, ErrorKind, Flags, LocalKerberos, Mechanism, PeerPrincipals, Ready, Role, Target,
    };

    use super::*;

    /// A library whose calls return when they are told to.
    #[derive(Debug)]
    struct Slow(Mutex<Receiver<()>>);

    impl Mechanism for Slow {
        fn ready(&self, _: &Credentials, role: Role) -> Result<Ready, GssError> {
            if role == Role::Initiator {
                let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).recv();
            }
            Ok(Ready {
                principal: "host/a@R".parse().unwrap(),
                lifetime: 1,
            })
        }

        fn initiate(&self, own: &Credentials, _: &Target, _: Flags) -> Result<Box<dyn Context>, GssError> {
            self.ready(own, Role::Initiator)?;
            Err(GssError::local(ErrorKind::NoKdc, "a test", "as the test wants"))
        }

        fn accept(&self, _: &Credentials) -> Result<Box<dyn Context>, GssError> {
            Err(GssError::local(ErrorKind::NoCredentials, "a test", "as the test wants"))
        }

        fn forget(&self, _: &Credentials) {}
    }

    fn slow() -> (Arc<LocalKerberos>, Sender<()>) {
        let (release, released) = channel();
        let local = LocalKerberos {
            mechanism: Arc::new(Slow(Mutex::new(released))),
            credentials: Credentials::default(),
            target: Some(Target::host("b")),
            peers: PeerPrincipals::default(),
            flags: Flags::WANTED,
        };
        (Arc::new(local), release)
    }

    fn kind(answer: GssAnswer) -> Option<ErrorKind> {
        match answer {
            GssAnswer::Ready(ready) => ready.err().map(|error| error.kind),
            GssAnswer::Progress(progress) => progress.err().map(|error| error.kind),
        }
    }

    #[tokio::test]
    async fn a_call_that_hangs_is_answered_in_time_and_its_thread_is_lost_until_it_returns() {
        let (local, release) = slow();
        let threads = KerberosThreads::new(1, 1, Duration::from_millis(60));
        let ready = || threads.ask(GssQuestion::ready(&local, Role::Initiator));
        let start = Instant::now();
        let initiate = threads.ask(GssQuestion::initiate(&local));
        // The event loop goes on meanwhile.
        let mut ticks = 0;
        let mut initiate = std::pin::pin!(initiate);
        let answer = loop {
            tokio::select! {
                answer = &mut initiate => break answer,
                () = tokio::time::sleep(Duration::from_millis(5)) => ticks += 1,
            }
        };
        assert_eq!(kind(answer), Some(ErrorKind::Deadline));
        assert!(ticks >= 3, "the loop stood still: {ticks}");
        assert!(start.elapsed() < Duration::from_secs(5));
        // The one thread is lost. A responder's question has another.
        assert_eq!(kind(ready().await), Some(ErrorKind::Busy));
        assert_eq!(
            kind(threads.ask(GssQuestion::ready(&local, Role::Responder)).await),
            None
        );
        assert_eq!(
            kind(threads.ask(GssQuestion::accept(&local, b"token")).await),
            Some(ErrorKind::NoCredentials)
        );
        // It returns, and serves again.
        release.send(()).unwrap();
        release.send(()).unwrap();
        assert_eq!(kind(ready().await), None);
    }

    #[tokio::test]
    async fn when_it_is_full_the_next_is_refused_at_once() {
        let (local, release) = slow();
        let threads = KerberosThreads::new(2, 1, Duration::from_secs(20));
        let mut asked = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let (threads, local) = (threads.clone(), Arc::clone(&local));
            asked.spawn(async move { threads.ask(GssQuestion::ready(&local, Role::Initiator)).await });
        }
        while threads.kdc.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let answer = threads.ask(GssQuestion::ready(&local, Role::Initiator));
        let answer = tokio::time::timeout(Duration::from_secs(5), answer).await.unwrap();
        assert_eq!(kind(answer), Some(ErrorKind::Busy));
        // All of the others are answered, also the one that had to wait.
        for _ in 0..3 {
            release.send(()).unwrap();
        }
        while let Some(answer) = asked.join_next().await {
            assert_eq!(kind(answer.unwrap()), None);
        }
        assert_eq!(threads.kdc.threads.available_permits(), 2);
    }
}
