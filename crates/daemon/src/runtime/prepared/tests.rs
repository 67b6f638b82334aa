//! Clocks and process are arguments: no test sleeps or forks.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use handfast_auth::certificate::Time;
use handfast_config::FileReader;
use handfast_crypto::provider::{CryptoError, KeyAgreement};
use handfast_crypto::secret::Secret;

use super::*;

const X25519: Group = Group::X25519;
const SECOND: Duration = Duration::from_secs(1);

/// Numbers its key pairs, and counts those that live.
struct Counted;

static MADE: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct CountedKey(Vec<u8>);

impl KeyAgreement for Counted {
    fn id(&self) -> Group {
        X25519
    }

    fn public_len(&self) -> usize {
        32
    }

    fn shared_len(&self) -> usize {
        32
    }

    fn generate(&self, _: &mut dyn RandomSource) -> Result<Box<dyn EphemeralKey>, CryptoError> {
        let number = MADE.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(CountedKey(number.to_be_bytes().to_vec())))
    }
}

impl EphemeralKey for CountedKey {
    fn public(&self) -> &[u8] {
        &self.0
    }

    fn agree(self: Box<Self>, _: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::Unsupported)
    }
}

impl Drop for CountedKey {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

static COUNTED: Counted = Counted;
static GROUPS: [&dyn KeyAgreement; 1] = [&COUNTED];
static PROVIDER: Provider = Provider {
    name: "counted",
    prfs: &[],
    groups: &GROUPS,
    protects: &[],
    cbcs: &[],
};

struct Nothing;

impl RandomSource for Nothing {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), CryptoError> {
        Ok(())
    }
}

fn at(now: Duration) -> Moment {
    Moment {
        process: 7,
        now,
        awake: now,
    }
}

struct NoFiles;

impl FileReader for NoFiles {
    fn read(&self, _: &Path) -> Result<Vec<u8>, String> {
        Err("there is none".into())
    }

    fn mode(&self, _: &Path) -> Result<u32, String> {
        Ok(0o600)
    }

    fn list(&self, _: &Path) -> Result<Option<Vec<PathBuf>>, String> {
        Ok(None)
    }

    fn now(&self) -> Time {
        Time(0)
    }
}

fn policy(connections: usize) -> Policy {
    let text = "[connection.a]
local = \"192.0.2.2\"
remote = \"192.0.2.1\"
secret = \"a long secret for tests\"
ike = \"aes128gcm16-prfsha256-x25519\"
";
    let loaded = handfast_config::load("test", text, &NoFiles);
    let mut policy = loaded.unwrap_or_else(|mistakes| panic!("{mistakes}")).policy;
    let connection = policy.connections[0].clone();
    policy.connections = vec![connection; connections];
    policy
}

/// With so many kept of each group, and as many connections that begin with X25519.
fn prepared(most: usize, connections: usize) -> Prepared {
    let mut prepared = Prepared::new(&PROVIDER);
    prepared.begin(most, &policy(connections));
    prepared
}

/// Makes all that are short; how many.
fn fill(prepared: &mut Prepared, moment: Moment) -> usize {
    let mut made = 0;
    while prepared.is_short() {
        prepared.make_one(moment, &mut Nothing);
        made += 1;
        assert!(made < 1000, "it never ends");
    }
    made
}

fn kept(prepared: &Prepared) -> usize {
    prepared.pools.iter().map(|pool| pool.keys.len()).sum()
}

#[test]
fn none_is_handed_out_twice() {
    let mut prepared = prepared(8, 8);
    let mut seen = BTreeSet::new();
    for round in 0..5 {
        let moment = at(SECOND * round);
        assert_eq!(fill(&mut prepared, moment), 8);
        while let Some(key) = prepared.take(X25519, moment) {
            assert!(seen.insert(key.public().to_vec()), "one came twice");
        }
        assert_eq!(kept(&prepared), 0);
    }
    assert_eq!(seen.len(), 40);
}

#[test]
fn they_are_bounded_and_follow_what_is_asked_for() {
    let mut prepared = prepared(4, 1);
    assert_eq!(fill(&mut prepared, at(SECOND)), 1, "one connection, one key pair");
    for _ in 0..100 {
        drop(prepared.take(X25519, at(SECOND)));
    }
    assert_eq!(fill(&mut prepared, at(SECOND)), 4);
    assert_eq!(kept(&prepared), 4);
    // Groups that the provider has not, and too slow ones, are not kept.
    assert!(prepared.take(Group::ECP256, at(SECOND)).is_none());
    assert_eq!(prepared.pools.len(), 1);
    // Nothing happens any more: they grow old, and no new ones are made.
    let made = prepared.deadline().unwrap();
    assert_eq!(made.0, SECOND + LIFE);
    prepared.drop_unfit(at(made.0 - Duration::from_millis(1)));
    assert_eq!(kept(&prepared), 4);
    prepared.drop_unfit(at(made.0));
    assert_eq!((kept(&prepared), prepared.is_short()), (0, false));
    assert_eq!(prepared.deadline(), None);
    // What is asked for then is made again.
    assert!(prepared.take(X25519, at(made.0)).is_none());
    assert_eq!(fill(&mut prepared, at(made.0)), 1);
}

#[test]
fn an_old_one_is_not_handed_out() {
    let mut prepared = prepared(4, 4);
    fill(&mut prepared, at(SECOND));
    assert!(prepared.take(X25519, at(SECOND + LIFE)).is_none());
    assert_eq!(kept(&prepared), 0);
}

#[test]
fn after_suspend_there_is_none() {
    let mut prepared = prepared(4, 4);
    let before = at(SECOND * 10);
    fill(&mut prepared, before);
    let slept = Moment {
        now: before.now + SECOND * 3,
        awake: before.awake + SECOND,
        ..before
    };
    assert!(prepared.take(X25519, slept).is_none());
    assert_eq!(kept(&prepared), 0);
    // New ones are fit.
    fill(&mut prepared, slept);
    let later = Moment {
        now: slept.now + SECOND,
        awake: slept.awake + SECOND + Duration::from_millis(20),
        ..slept
    };
    assert!(
        prepared.take(X25519, later).is_some(),
        "the clocks are not read at once"
    );
}

#[test]
fn in_another_process_there_is_none() {
    let mut prepared = prepared(4, 4);
    fill(&mut prepared, at(SECOND));
    let child = Moment {
        process: 8,
        ..at(SECOND)
    };
    assert!(prepared.take(X25519, child).is_none());
    assert_eq!(kept(&prepared), 0);
}

#[test]
fn a_new_policy_begins_anew_and_zero_keeps_none() {
    let mut prepared = prepared(4, 4);
    fill(&mut prepared, at(SECOND));
    prepared.begin(2, &policy(4));
    assert_eq!(kept(&prepared), 0);
    assert_eq!(fill(&mut prepared, at(SECOND)), 2);
    prepared.begin(0, &policy(4));
    assert_eq!((kept(&prepared), prepared.is_short()), (0, false));
    let never = || -> Moment { panic!("nothing has to be asked") };
    assert!(prepared.take_for(&Question::GenerateKey(X25519), never).is_none());
    assert!(!prepared.is_short());
}

#[test]
fn those_that_are_dropped_are_really_gone() {
    // Other tests make and drop key pairs at the same time; only they can make the difference larger.
    let before = DROPPED.load(Ordering::SeqCst);
    let mut prepared = prepared(16, 16);
    fill(&mut prepared, at(SECOND));
    let child = Moment {
        process: 8,
        ..at(SECOND)
    };
    prepared.drop_unfit(child);
    assert!(DROPPED.load(Ordering::SeqCst) - before >= 16);
}

#[test]
fn without_randomness_it_does_not_try_for_ever() {
    struct Dry;
    impl RandomSource for Dry {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), CryptoError> {
            Err(CryptoError::Random)
        }
    }
    let mut prepared = Prepared::new(handfast_crypto::default_provider());
    prepared.begin(4, &policy(1));
    // What takes milliseconds would keep packets waiting.
    prepared.wanted(Group::MODP8192);
    assert_eq!(prepared.pools.len(), 1);
    prepared.wanted(Group::MODP2048);
    assert!(prepared.pools.len() == 2 && prepared.is_short());
    for _ in 0..3 {
        prepared.make_one(at(SECOND), &mut Dry);
    }
    assert!(!prepared.is_short());
}

#[test]
fn only_questions_for_keys_get_one() {
    let mut prepared = prepared(4, 4);
    fill(&mut prepared, at(SECOND));
    let respond = Question::Respond {
        group: X25519,
        peer: vec![9; 32],
    };
    assert!(prepared.take_for(&respond, || at(SECOND)).is_some());
    assert!(
        prepared
            .take_for(&Question::GenerateKey(X25519), || at(SECOND))
            .is_some()
    );
    let other = Question::LocalAddress(std::net::IpAddr::from([127, 0, 0, 1]));
    assert!(prepared.take_for(&other, || at(SECOND)).is_none());
    assert_eq!(kept(&prepared), 2);
}
